"""Pictures of timelines."""

# matplotlib's own types leave keyword arguments open.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import accumulate, cycle, zip_longest
from typing import IO, Any, Final

import matplotlib as mpl
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from .._errors import count
from ._spread import duration, number, rate
from ._summary import Record, summarize

_DOTS_PER_INCH: Final = 160
_LONGEST_LABEL: Final = 48
# The Okabe-Ito palette, whose colours colour-blind readers can distinguish.
_PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_INK: Final = "#1F2933"
_GREY: Final = "#6B7785"
_GRID: Final = "#E6EAEE"
_STALL: Final = "#D55E00"
_Style = dict[str, Any]
_RELEASED: Final[_Style] = {"linewidth": 1.5, "linestyle": (0, (3, 2)), "alpha": 0.75}
_MOMENT: Final[_Style] = {"linewidth": 1, "linestyle": (0, (1, 2))}
_SMALL: Final = 9
_BOX: Final[_Style] = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5}
_LABEL: Final[_Style] = {"fontweight": "bold", "fontsize": 9.5, "bbox": _BOX, "zorder": 6}
_TITLE: Final[_Style] = {"fontweight": "bold", "fontsize": 13, "color": _INK}
_NAME: Final[_Style] = {"fontweight": "bold", "fontsize": 9.5}
_DETAIL: Final[_Style] = {"fontsize": 9.5, "color": _GREY}
_SEPARATOR: Final = "  \u00b7  "
_STEPS: Final = (1, 2, 2.5, 5, 10)
# Lengths in inches.
_LINE: Final = 0.22
_RIGHT: Final = 0.4
_HEADER_GAP: Final = 0.08
_PART_GAP: Final = 0.17
_CHART_HEIGHT: Final = 3.6
# For scripts that DejaVu Sans lacks.
_OTHER_SCRIPTS: Final = (
    *("Noto Sans CJK SC", "Microsoft YaHei", "Hiragino Sans", "Noto Sans Arabic"),
)
_Line = tuple[str, _Style]


class Curve:
    """A stream as it is drawn: by its text, or by its events if no stream had chunks."""

    def __init__(self, label: str, record: Record, colour: str, *, counts_events: bool) -> None:
        # XML can't hold all characters.
        line = "".join(letter if letter.isprintable() else " " for letter in label)
        is_long = len(line) > _LONGEST_LABEL
        self.label = f"{line[: _LONGEST_LABEL - 1]}\u2026" if is_long else line
        self.record = record
        self.colour = colour
        self.counts_events = counts_events
        self.summary = summarize(record)
        stalls = sorted(self.summary.stalls, key=lambda stall: stall.seconds, reverse=True)
        self.longest_stalls = stalls[:3]  # the labelled ones
        self.times = record.pieces if counts_events else record.chunks
        # The amount received by each of the times.
        self.levels = list(accumulate(record.piece_events if counts_events else record.sizes))
        self.top = self.levels[-1] if self.levels else 0
        self.first = record.first_event if counts_events else record.first_token
        end = record.end
        # What ended it early, or "".
        self.bad_end = "" if end is None or end.complete else end.cause.value.replace("_", " ")
        times = [*record.arrivals[-1:], *record.comments[-1:], record.ended or 0.0]
        self.last = max([*times, *(at for at, _ in record.releases[-1:])])
        first, self._unit = ("event", "event") if counts_events else ("token", "character")
        self.first_label = "" if self.first is None else f"first {first} {duration(self.first)}"

    def figures(self) -> Iterator[str]:
        summary = self.summary
        if self.first_label:
            yield self.first_label
        if summary.total is not None:
            yield f"end {duration(summary.total)}"
        if summary.tokens is not None:
            yield f"{count(summary.tokens, 'token')}{rate(summary.tokens_per_second, 'tokens')}"
        per_second = None if self.counts_events else summary.characters_per_second
        amount = f"{count(self.top, self._unit)}{rate(per_second, 'characters')}"
        yield amount if self.top else "nothing received"
        if summary.gaps is not None:
            yield f"longest gap {duration(summary.gaps.max)}"
        if self.record.releases and not self.counts_events:
            yield "dashed: released by the gate"


def draw(records: Mapping[str, Record], width: float) -> Figure:
    """Draw records into a figure."""
    counts_events = not any(record.chunks for record in records.values())
    curves = [
        Curve(label, record, colour, counts_events=counts_events)
        for colour, (label, record) in zip(cycle(_PALETTE), records.items(), strict=False)
    ]
    with _settings():
        return _Picture(curves, width).figure


def save(target: str | IO[bytes], kind: str, records: Mapping[str, Record], width: float) -> None:
    """Draw records into a file."""
    figure = draw(records, width)
    # Without the date the same stream is the same file.
    undated = {"Date": None} if kind == "svg" else None
    with _settings():
        figure.savefig(target, format=kind, metadata=undated)


def svg(records: Mapping[str, Record], width: float) -> str:
    """Draw records into the text of an SVG."""
    file = BytesIO()
    save(file, "svg", records, width)
    return file.getvalue().decode()


@contextmanager
def _settings() -> Generator[None]:
    with mpl.rc_context(_rc_params()), warnings.catch_warnings():
        # A label can be in any script; letters that no font here has are drawn as boxes.
        warnings.filterwarnings("ignore", message="(?s)Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        yield


def _rc_params() -> Any:  # the type of its keys differs between versions
    known = {font.name for font in fontManager.ttflist}
    return {
        # DejaVu Sans comes with matplotlib: the layout is the same on each machine.
        "font.family": [
            "DejaVu Sans",
            *(name for name in _OTHER_SCRIPTS if name in known),
            "sans-serif",
        ],
        "font.sans-serif": ["DejaVu Sans", "Verdana"],
        "font.size": 10,
        "savefig.bbox": None,
        "savefig.dpi": _DOTS_PER_INCH,
        "savefig.facecolor": "white",
        "savefig.transparent": False,
        # Texts stay texts: they can be selected, searched and read aloud. Most fonts that replace
        # a missing DejaVu Sans are narrower, so the labels still fit.
        "svg.fonttype": "none",
        "svg.hashsalt": "sseparse",
        "text.parse_math": False,
        "text.usetex": False,
    }


class _Picture:
    """A figure in the making. Lengths are in inches, and `_top` is where the next part begins."""

    def __init__(self, curves: Sequence[Curve], width: float) -> None:
        self.curves = curves
        self.single = curves[0] if len(curves) == 1 else None
        self.counts_events = bool(curves) and curves[0].counts_events
        self.figure = Figure(figsize=(width, 1), dpi=_DOTS_PER_INCH, facecolor="white")
        self._width = width
        top = max((curve.top for curve in curves), default=0)
        ticks = ("100 ms", f"{top:,}")
        self._left = 0.42 + max(self._measure(tick, fontsize=_SMALL) for tick in ticks)
        self._room = width - self._left - _RIGHT
        last = max((curve.last for curve in curves), default=0.0)
        self._limit = max(1.02 * last, 1e-6) if last else 1.0
        headers = [self._header(), *self._strip_headers()]
        strip_height = 1.2 if self.single else 0.75
        heights = [_CHART_HEIGHT, *[strip_height] * (len(headers) - 1)]
        lines = sum(map(len, headers)) * _LINE
        self._height = 0.2 + lines + sum(heights) + (_HEADER_GAP + _PART_GAP) * len(heights) + 0.5
        self.figure.set_size_inches(width, self._height)
        self._top = 0.12
        self._draw_parts(headers, heights)

    def _measure(self, text: str, **style: Any) -> float:
        artist = self.figure.text(0, 0, text, **style)
        width = artist.get_window_extent().width / self.figure.dpi
        artist.remove()
        return width

    def _fit(self, text: str, **style: Any) -> str:
        """Cut a text to the width of the axes."""
        cut = text
        while len(cut) > 1 and self._measure(cut, **style) > self._room:
            cut = f"{cut[:-2]}\u2026"
        return cut

    def _wrap(self, parts: Iterable[str]) -> list[_Line]:
        """Join parts to lines that are as wide as the axes at most."""
        lines = list[str]()
        for part in parts:
            longer = f"{lines[-1]}{_SEPARATOR}{part}" if lines else part
            if lines and self._measure(longer, **_DETAIL) <= self._room:
                lines[-1] = longer
            else:
                lines.append(part)
        return [(line, _DETAIL) for line in lines]

    def _header(self) -> list[_Line]:
        title = f"Arrival of the {'events' if self.counts_events else 'text'}"
        if self.single is None:
            return [(title, _TITLE)]
        title = self._fit(self.single.label or title, **_TITLE)
        return [(title, _TITLE), *self._wrap(self.single.figures())]

    def _strip_headers(self) -> list[list[_Line]]:
        caption = f"gap before each {'event' if self.counts_events else 'chunk'}"
        if any(curve.record.comments for curve in self.curves):
            caption += "   \u25be comment"
        first: list[_Line] = [(caption, _DETAIL)]
        if self.single or not self.curves:
            return [first]
        names = [self._name_lines(curve) for curve in self.curves]
        return [first + names[0], *names[1:]]

    def _name_lines(self, curve: Curve) -> list[_Line]:
        style = {**_NAME, "color": curve.colour}
        return [(self._fit(curve.label, **style), style), *self._wrap(curve.figures())]

    def _draw_parts(self, headers: Sequence[list[_Line]], heights: Sequence[float]) -> None:
        parts = [
            self._add_axes(header, height) for header, height in zip(headers, heights, strict=True)
        ]
        chart, *strips = parts
        for axes in parts[:-1]:
            axes.tick_params(labelbottom=False)
        unit = "milliseconds" if self._limit < 1 else "seconds"
        strips[-1].set_xlabel(f"{unit} since the request", color=_GREY, labelpad=3)
        _draw_texts(chart, self.curves, self.single)
        _draw_strips(strips, self.curves)

    def _add_axes(self, header: Sequence[_Line], height: float) -> Axes:
        for text, style in header:
            self._top += _LINE
            place = (self._left / self._width, 1 - (self._top - 0.06) / self._height)
            self.figure.text(*place, text, **style)
        self._top += _HEADER_GAP
        bottom = 1 - (self._top + height) / self._height
        left, room = self._left / self._width, self._room / self._width
        axes = self.figure.add_axes((left, bottom, room, height / self._height))
        self._top += height + _PART_GAP
        axes.set_xlim(0, self._limit)
        axes.xaxis.set_major_locator(ticker.MaxNLocator(min(9, int(self._room)), steps=_STEPS))
        scale = 1000 if self._limit < 1 else 1
        axes.xaxis.set_major_formatter(lambda at, _place: number(at * scale))
        _style_axes(axes)
        return axes


def _style_axes(axes: Axes) -> None:
    axes.set_facecolor("white")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_GREY)
    axes.grid(visible=True, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_GREY, length=0, labelsize=_SMALL, which="both")
    # The lowest label of the other axis is at the same corner.
    axes.tick_params(axis="x", pad=8)


def _draw_texts(axes: Axes, curves: Sequence[Curve], single: Curve | None) -> None:
    for curve in curves:
        _draw_curve(axes, curve)
    top = max((curve.top for curve in curves), default=0)
    # Labels are above the curve.
    axes.set_ylim(0, (1.3 if single else 1.08) * top or 1.0)
    axes.set_ylabel("events" if top and curves[0].counts_events else "characters", color=_GREY)
    axes.yaxis.set_major_locator(ticker.MaxNLocator(5, integer=True, steps=_STEPS))
    axes.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    if single:
        _annotate_curve(axes, single)
    if top == 0:
        style: _Style = {"ha": "center", "va": "center", "fontsize": 16, "color": _GREY}
        axes.text(0.5, 0.5, "nothing received", transform=axes.transAxes, **style)


def _draw_curve(axes: Axes, curve: Curve) -> None:
    """Draw the amount received as steps, and what a gate released as dashed steps."""
    times, levels, ended = [0.0, *curve.times], [0, *curve.levels], curve.record.ended
    if ended is not None:
        times.append(ended)
        levels.append(levels[-1])
    if curve.record.releases and not curve.counts_events:
        released_at, sizes = zip((0.0, 0), *curve.record.releases, strict=True)
        amounts = list(accumulate(sizes))
        axes.step(released_at, amounts, where="post", color=curve.colour, **_RELEASED)
    axes.step(times, levels, where="post", color=curve.colour, linewidth=2, zorder=3)
    if curve.first is not None:
        # At one instant, several chunks can arrive: the curve goes up to the last of them.
        level = curve.levels[bisect_right(curve.times, curve.first) - 1]
        _draw_dot(axes, curve.first, level, curve.colour, filled=True)
    if ended is not None:
        _draw_dot(axes, ended, curve.top, curve.colour, filled=not curve.bad_end)


def _draw_dot(axes: Axes, at: float, level: int, colour: str, *, filled: bool) -> None:
    edge, face = ("white", colour) if filled else (colour, "white")
    axes.plot([at], [level], marker="o", ms=7, mew=1.8, mec=edge, mfc=face, zorder=5, clip_on=False)


def _annotate_curve(axes: Axes, curve: Curve) -> None:
    """Label the first token, the end and stalls, each in a row of its own above the curve."""
    if curve.first is not None:
        axes.axvline(curve.first, color=curve.colour, **_MOMENT)
        _annotate(axes, curve.first, 0.97, curve.first_label, color=curve.colour)
    ended = curve.record.ended
    if ended is not None:
        axes.axvline(ended, color=_GREY, **_MOMENT)
        label = f"{curve.bad_end or 'end'} {duration(ended)}"
        _annotate(axes, ended, 0.905, label, color=_STALL if curve.bad_end else _INK)
    _shade_stalls(axes, curve, _STALL)
    _label_stalls(axes, curve, _STALL, 0.84, "stall ")


def _label_stalls(axes: Axes, curve: Curve, colour: str, height: float, prefix: str) -> None:
    """Label the longest stalls, unless a label would cover that of a longer one."""
    taken = list[Bbox]()
    for stall in curve.longest_stalls:
        middle, text = stall.start + stall.seconds / 2, f"{prefix}{duration(stall.seconds)}"
        label = _annotate(axes, middle, height, text, colour, centered=True)
        box = label.get_window_extent().padded(4)
        if any(box.overlaps(other) for other in taken):
            label.remove()
        else:
            taken.append(box)


def _shade_stalls(axes: Axes, curve: Curve, colour: str) -> None:
    for stall in curve.summary.stalls:
        axes.axvspan(stall.start, stall.start + stall.seconds, color=colour, alpha=0.1, linewidth=0)


def _annotate(
    axes: Axes, at: float, height: float, text: str, color: str, *, centered: bool = False
) -> Text:
    """Write a text next to a time, where the axes have room for it."""
    style: _Style = {**_LABEL, "color": color, "va": "top"}
    label = axes.text(at, height, text, transform=axes.get_xaxis_transform(), **style)
    box, frame = label.get_window_extent(), axes.get_window_extent()
    distance = box.height / 2
    left = box.x0 - box.width / 2 if centered else box.x0 + distance
    if left + box.width > frame.x1:
        left = box.x0 - distance - box.width
    left = max(frame.x0, left)
    label.set_x(axes.transData.inverted().transform((left, 0))[0])
    return label


def _draw_strips(strips: Sequence[Axes], curves: Sequence[Curve]) -> None:
    gaps = sorted(gap for curve in curves for gap in curve.record.gaps if gap > 0)
    median = gaps[len(gaps) // 2] if gaps else 1.0
    # Below most gaps, between 1 µs and 1 ms.
    shortest = 10.0 ** max(-6, min(-3, math.floor(math.log10(median / 2))))
    longest = max([1000 * shortest, *(2 * gap for gap in gaps[-1:])])
    for axes, curve in zip_longest(strips, curves):
        axes.set_yscale("log")
        axes.set_ylim(shortest, longest)
        axes.yaxis.set_major_locator(ticker.LogLocator(numticks=4))
        axes.yaxis.set_minor_locator(ticker.NullLocator())
        axes.yaxis.set_major_formatter(ticker.FuncFormatter(_format_seconds))
        if curve is not None:
            colour = _STALL if len(curves) == 1 else curve.colour
            _draw_gaps(axes, curve, colour, shortest)
            if len(curves) > 1:
                _label_stalls(axes, curve, colour, 0.7, "")


def _format_seconds(seconds: float, _place: int | None) -> str:
    return f"{number(seconds)} s" if seconds >= 1 else f"{number(seconds * 1000)} ms"


def _draw_gaps(axes: Axes, curve: Curve, stall_colour: str, shortest: float) -> None:
    """Draw each gap at its end, and each comment."""
    record, gaps, threshold = curve.record, curve.record.gaps, curve.summary.stall_threshold
    heights = [max(gap, 1.25 * shortest) for gap in gaps]
    colours = [stall_colour if gap > threshold else curve.colour for gap in gaps]
    axes.vlines(record.outputs[1:], shortest, heights, colors=colours, linewidth=1.4)
    _shade_stalls(axes, curve, stall_colour)
    if record.comments:
        place, heights = axes.get_xaxis_transform(), [0.9] * len(record.comments)
        axes.plot(record.comments, heights, "v", ms=4.5, mew=0, color=_GREY, transform=place)
