"""Pictures of timelines."""

# matplotlib's types are loose, and Jupyter calls `_repr_svg_()`.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportPrivateUsage=false

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import cast
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from sseparse import ChatCompletion, End, EndCause
from sseparse.chunks import CompletionUsage
from sseparse.timing import Timeline, figure, plot

from .arrivals import Clock, chat

PNG = b"\x89PNG\r\n\x1a\n"


def stream(
    *waits: float, end: EndCause | None = EndCause.DONE, comments: int = 0, gate: bool = False
) -> Timeline:
    clock = Clock()
    timeline = Timeline(clock)
    for wait in waits:
        clock.now += wait
        timeline.on_bytes(100, events=1, comments=comments)
        timeline.on_item(chat("word"))
        if gate:
            clock.now += 0.01
            timeline.on_release("word")
    if end is not None:
        usage = CompletionUsage(completion_tokens=6)
        result = ChatCompletion(id="c-1", created=7, model="m-1", choices=[], usage=usage)
        timeline.on_end(End(end), result)
    return timeline


def texts(path: Path) -> str:
    """Return the texts in an SVG, one in each line."""
    return "\n".join(
        "".join(element.itertext())
        for element in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")  # noqa: S314 - ours
    )


def drawn(folder: Path, timeline: Timeline) -> str:
    timeline.plot(folder / "one.svg")
    return texts(folder / "one.svg")


def test_png(tmp_path: Path) -> None:
    """The suffix selects PNG, in upper or lower case. A path can be a str."""
    stream(0.1, 0.2).plot(str(tmp_path / "a.PNG"))
    assert (tmp_path / "a.PNG").read_bytes().startswith(PNG)


def test_texts_of_an_svg(tmp_path: Path) -> None:
    """The picture has texts for the first token, the end, stalls and comments."""
    found = drawn(tmp_path, stream(0.5, 0.1, 3.0, 0.1, comments=1))

    for words in ("first token 500 ms", "end 3.70 s", "stall", "3.00 s", "comment", "characters"):
        assert words in found
    assert "6 tokens" in found
    assert "Arrival of the text" in found


def test_svg_is_the_same_each_time(tmp_path: Path) -> None:
    """The same stream makes the same file, without a date or random ids."""
    for name in ("a.svg", "b.svg"):
        stream(0.5, 0.1, gate=True).plot(tmp_path / name)
    one, two = ((tmp_path / name).read_bytes() for name in ("a.svg", "b.svg"))

    assert one == two
    assert b"<dc:date>" not in one


def test_bad_end(tmp_path: Path) -> None:
    """The picture of a truncated stream names the cause."""
    found = drawn(tmp_path, stream(0.5, 0.1, end=EndCause.SERVER_ERROR))
    assert "server error 600 ms" in found


def test_late_first_token_and_high_stall(tmp_path: Path) -> None:
    """Labels are also placed at the left of a line, and below a high curve."""
    found = drawn(tmp_path, stream(9.0, 0.1, 2.0))
    assert "first token 9.00 s" in found
    assert "2.00 s" in drawn(tmp_path, stream(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 2.0))


def test_gate(tmp_path: Path) -> None:
    """The releases of a gate are a separate curve."""
    found = drawn(tmp_path, stream(0.1, 0.2, gate=True))
    assert "released by the gate" in found
    assert "released by the gate" not in drawn(tmp_path, stream(0.1, 0.2))


def test_open_stream(tmp_path: Path) -> None:
    """A stream that hasn't ended has no end in its picture."""
    found = drawn(tmp_path, stream(0.1, 0.2, end=None))
    assert "end " not in found
    assert "first token 100 ms" in found


@pytest.mark.parametrize("end", [EndCause.TIMEOUT, None])
def test_nothing_received(tmp_path: Path, end: EndCause | None) -> None:
    """The picture of an empty stream says so, and so does a picture without streams."""
    assert "nothing received" in drawn(tmp_path, stream(end=end))
    plot(tmp_path / "none.svg", {})
    assert "nothing received" in texts(tmp_path / "none.svg")


def test_one_chunk(tmp_path: Path) -> None:
    """One chunk is enough for a picture."""
    assert "first token 500 ms" in drawn(tmp_path, stream(0.5))


def test_events_without_chunks(tmp_path: Path) -> None:
    """Without chunks, events are counted, and the releases of a gate aren't drawn."""
    clock = Clock()
    timeline = Timeline(clock)
    for _ in range(3):
        clock.now += 0.1
        timeline.on_bytes(10, events=2)
    timeline.on_release("x")
    timeline.on_end()
    found = drawn(tmp_path, timeline)

    for words in ("first event 100 ms", "6 events", "gap before each event", "Arrival of the ev"):
        assert words in found


def test_several(tmp_path: Path) -> None:
    """Each stream has a label, a colour and its gaps, also one that received nothing."""
    streams = {
        "quick": stream(0.1, 0.1),
        "stalled": stream(0.1, 0.1, 0.1, 2.75, comments=1),
        "gated": stream(0.1, 0.1, gate=True),
        "silent": stream(end=None),
    }
    plot(tmp_path / "a.svg", streams)
    found = texts(tmp_path / "a.svg")

    for label in streams:
        assert label in found
    assert "silent\nnothing received" in found
    assert re.search(r"^2\.75 s$", found, re.MULTILINE)
    svg = (tmp_path / "a.svg").read_text().lower()
    assert all(colour in svg for colour in ("#0072b2", "#d55e00", "#009e73"))


UNUSUAL_LABELS = [
    "$x^{$",
    "_private",
    r"\frac{",
    "\u4f60\u597d",
    "\u0645\u0631\u062d\u0628\u0627",
    "a & <b>",
    "%",
]


@pytest.mark.parametrize(
    "labels",
    [*([label] for label in UNUSUAL_LABELS), [*UNUSUAL_LABELS, ""]],
    ids=[*UNUSUAL_LABELS, "all"],
)
def test_unusual_labels(tmp_path: Path, labels: list[str]) -> None:
    """Any label is shown unchanged, without a warning."""
    for name in ("a.svg", "a.png"):
        plot(tmp_path / name, {label: stream(0.1, 0.2) for label in labels})
    found = texts(tmp_path / "a.svg")
    assert all(label in found for label in labels)


def test_labels_are_one_short_line(tmp_path: Path) -> None:
    """Line ends and characters that XML can't hold become spaces. A long label is cut."""
    plot(tmp_path / "a.svg", {"a\nb\x00c\ud800" + "d" * 99: stream(0.1)})
    assert re.search(r"^a b c d{41}\u2026$", texts(tmp_path / "a.svg"), re.MULTILINE)


@pytest.mark.parametrize("name", ["a.pdf", "a", "png", "a.svg.gz"])
def test_other_suffix(tmp_path: Path, name: str) -> None:
    """Another suffix raises ValueError, which names the two that are known."""
    with pytest.raises(ValueError, match=r"has to end in \.png or \.svg"):
        plot(tmp_path / name, {})


def test_missing_folder(tmp_path: Path) -> None:
    """A file that can't be written raises the error of the operating system."""
    with pytest.raises(FileNotFoundError):
        stream(0.1).plot(tmp_path / "none" / "a.svg")


def test_missing_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without matplotlib, ImportError says what to install."""
    monkeypatch.delitem(sys.modules, "sseparse.timing._plot", raising=False)
    monkeypatch.delattr("sseparse.timing._plot", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'sseparse\[plot\]'"):
        stream(0.1).plot(tmp_path / "a.svg")


def python(code: str, *arguments: str) -> list[str]:
    # Coverage measurement of a process loads more modules.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True, text=True, check=True, env=env,
    )  # fmt: skip
    return done.stdout.split()


def test_importing_is_light() -> None:
    """Importing the package loads neither matplotlib nor a module that does I/O."""
    watched = ["matplotlib", "numpy", "socket", "asyncio", "ssl", "tiktoken", "threading"]
    code = f"import sseparse.timing, sys; print(*set({watched!r}) & set(sys.modules))"
    baseline = f"import sseparse, sys; sseparse.Stream; print(*set({watched!r}) & set(sys.modules))"
    assert set(python(code)) <= set(python(baseline))


def test_no_pyplot_no_settings(tmp_path: Path) -> None:
    """Drawing doesn't load pyplot, and restores matplotlib's settings."""
    code = (
        "import matplotlib, sys; from sseparse.timing import Timeline\n"
        "before = matplotlib.rcParams.copy()\n"
        "Timeline().plot(sys.argv[1]); Timeline().plot(sys.argv[2])\n"
        "print('matplotlib.pyplot' in sys.modules, matplotlib.rcParams.copy() == before)"
    )
    found = python(code, str(tmp_path / "a.svg"), str(tmp_path / "a.png"))
    assert found == ["False", "True"]


def overlapping(picture: Figure) -> list[tuple[str, str]]:
    """Return the pairs of texts that touch, and the texts that leave the figure."""
    FigureCanvasAgg(picture).draw()  # type: ignore[no-untyped-call] # matplotlib's
    hidden = hidden_labels(picture)
    boxes = [
        (text.get_text(), text.get_window_extent())
        for text in cast("list[Text]", picture.findobj(Text))
        if text.get_visible() and text.get_text() and text not in hidden
    ]
    frame = picture.bbox.padded(0.5)
    touching = [
        (one, other)
        for at, (one, box) in enumerate(boxes)
        for other, other_box in boxes[at + 1 :]
        if box.overlaps(other_box)
    ]
    outside = [
        (text, "outside")
        for text, box in boxes
        if (within := Bbox.intersection(box, frame)) is None
        or tuple(within.size) != tuple(box.size)
    ]
    return touching + outside


def hidden_labels(picture: Figure) -> set[Text]:
    """Return the labels of ticks beyond the limits, which exist but aren't drawn."""
    hidden = set[Text]()
    for axis in (axis for axes in picture.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = axis.get_view_interval()
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            if not low <= tick.get_loc() <= high:
                hidden |= {tick.label1, tick.label2}
    return hidden


LONG = "a-model-with-a-long-name-2026-07-18, second attempt of three"
STALLED = stream(0.4, *[0.02] * 30, 3.0, 0.1, 2.9, 0.1, 4.0, *[0.02] * 9)
SHAPES = {
    "one event": {"": stream(0.5)},
    "two events": {"": stream(0.5, 0.3)},
    "one instant": {"": stream(0.3, *[0.0] * 20)},
    "time zero": {"": stream(0.0, 0.0)},
    "2,000 events": {"": stream(0.2, *[0.0013] * 2000)},
    "0.5 ms": {"": stream(0.0001, *[0.00001] * 40)},
    "10 minutes": {"": stream(3.0, *[2.0] * 300, comments=1)},
    "11 days": {"": stream(1.0, 1e6)},
    "stalls": {LONG: STALLED},
    "short stalls": {"": stream(0.1, 1.5, 0.1, 1.6, 0.1, 1.7, 600.0, 0.1, gate=True)},
    "late": {"": stream(9.0, *[0.01] * 30, gate=True)},
    "bad end": {"": stream(0.5, 0.1, end=EndCause.SERVER_ERROR)},
    "wide letters": {"\u4f60" * 60: stream(0.5, 0.1)},
    "empty": {"": stream(end=None)},
    "none": {},
    "several": {
        f"{LONG} 1": STALLED,
        f"{LONG} 2": stream(0.4, *[0.02] * 99, gate=True),
        "": stream(end=None),
        "\u4f60" * 60: stream(0.1, *[0.0001] * 500, comments=1),
    },
    "eight": {f"stream {number}": STALLED for number in range(8)},
}
CROWDED = ("stalls", "short stalls", "late", "several", "eight")


@pytest.mark.filterwarnings("ignore:(?s)Glyph .* missing from")
@pytest.mark.parametrize(
    ("name", "width"), [*((name, 9.6) for name in SHAPES), *((name, 4) for name in CROWDED)]
)
def test_texts_do_not_touch(name: str, width: float) -> None:
    """No text touches another text or leaves the figure, whatever the stream and the width."""
    assert overlapping(figure(SHAPES[name], width=width)) == []


def test_first_token_marker() -> None:
    """The marker is at the time of the first text, at the height of the curve there."""
    clock = Clock()
    timeline = Timeline(clock)
    for wait, text in ((0.5, ""), (0.5, ""), (0.0, "four"), (0.0, "four"), (1.0, "four")):
        clock.now += wait
        timeline.on_item(chat(text))
    markers = [line for line in timeline.figure().axes[0].lines if line.get_marker() == "o"]

    assert [np.asarray(line.get_xydata()).tolist() for line in markers] == [[[1.0, 8.0]]]


def test_figure() -> None:
    """A stream's figure has the given title and width."""
    picture = stream(0.1, 0.2).figure(title="My stream", width=6)

    assert isinstance(picture, Figure)
    assert picture.get_figwidth() == 6
    assert "My stream" in [text.get_text() for text in picture.texts]


@pytest.mark.parametrize("width", [3.9, float("nan")])
def test_narrow_figure(width: float) -> None:
    """A width that has no room for the labels raises ValueError."""
    with pytest.raises(ValueError, match="at least 4 inches"):
        stream(0.1).figure(width=width)


def test_jupyter() -> None:
    """Jupyter shows a picture of a stream that received anything."""
    svg = stream(0.1, 0.2)._repr_svg_()

    assert svg is not None
    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - ours
    assert stream(end=None)._repr_svg_() is None


def test_jupyter_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without matplotlib, Jupyter shows the repr."""
    monkeypatch.delitem(sys.modules, "sseparse.timing._plot", raising=False)
    monkeypatch.delattr("sseparse.timing._plot", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert stream(0.1)._repr_svg_() is None


def test_font_falls_back(tmp_path: Path) -> None:
    """An SVG names a generic font for readers that lack the first."""
    stream(0.1).plot(tmp_path / "a.svg")
    fonts = re.findall(r"font-family: [^;\"]*", (tmp_path / "a.svg").read_text())
    assert fonts
    assert all(font.endswith("sans-serif") for font in fonts)
