"""Pictures of pools."""

# matplotlib's types are loose.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from pathlib import Path

import numpy as np
import pytest

from sseparse import EndCause
from sseparse.timing import PooledSummary, Summary, figure, plot

from .test_plot import LONG, overlapping, stream, texts


def pool(*streams: tuple[float, ...]) -> PooledSummary:
    """Return the pool of streams that wait before each chunk."""
    return Summary.pool(stream(*waits).summary() for waits in streams)


NOTHING = Summary.pool([stream(0.5, end=EndCause.TIMEOUT).summary()])


def test_distributions() -> None:
    """The curves show the share of requests, and of gaps, up to each time."""
    picture = figure({"": pool((0.3, 0.02, 0.04), (0.4, 0.02, 0.02), (0.6,), (0.9,))})
    (firsts, _), (gaps, dots) = (axes.lines for axes in picture.axes)

    assert np.asarray(firsts.get_xydata()).tolist() == [
        *([0.2, 0], [0.3, 25], [0.4, 50], [0.6, 75], [0.9, 100], [1.0, 100]),
    ]
    assert np.asarray(gaps.get_xydata()).tolist() == [
        [0.02, 0],
        [0.02, 75],
        [0.04, 100],
        [0.05, 100],
    ]
    assert np.asarray(dots.get_xydata()).tolist() == [[0.02, 50], [0.04, 90], [0.04, 99]]


def test_several_pools(tmp_path: Path) -> None:
    """Each pool has its label, colour and figures, also a pool without figures."""
    pools = {"quick": pool((0.1, 0.01), (0.2, 0.01)), "slow": pool((4.0, 1.5)), "none": NOTHING}
    plot(tmp_path / "a.svg", pools)
    found = texts(tmp_path / "a.svg")

    for label in pools:
        assert found.count(f"{label}\n") == 2
    assert "2 requests  \u00b7  p50 100 ms  \u00b7  p90 200 ms  \u00b7  p99 200 ms" in found
    assert "1 gap  \u00b7  p50 1.50 s" in found
    assert found.count("none\nnothing measured") == 2
    svg = (tmp_path / "a.svg").read_text().lower()
    assert "#0072b2" in svg
    assert "#d55e00" in svg


def test_same_file_each_time(tmp_path: Path) -> None:
    """The same pools make the same file."""
    for name in ("a.svg", "b.svg"):
        plot(tmp_path / name, {"": pool((0.1, 0.01))})
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_pools_next_to_timelines() -> None:
    """A picture shows timelines or pools."""
    with pytest.raises(TypeError, match="both timelines and pools"):
        figure({"one": stream(0.1), "all": pool((0.1,))})


SHAPES = {
    "time zero": {"": pool((0.0, 0.0))},
    "nothing": {"": NOTHING},
    "fourteen powers of ten": {"": pool((1e-6, 0.0, 1e-6, 1e8), (1e8, 1e-6))},
    "several": {
        LONG: pool(*((0.01 * at, 0.001 * at, 0.002) for at in range(1, 30))),
        "": pool((3.0, 0.1), (4.0, 10.0)),
        "\u4f60" * 60: NOTHING,
    },
}


@pytest.mark.filterwarnings("ignore:(?s)Glyph .* missing from")
@pytest.mark.parametrize("width", [4, 9.6])
@pytest.mark.parametrize("name", SHAPES)
def test_texts_of_pools_do_not_touch(name: str, width: float) -> None:
    """No text touches another text or leaves the figure, whatever the pools and the width."""
    assert overlapping(figure(SHAPES[name], width=width)) == []
