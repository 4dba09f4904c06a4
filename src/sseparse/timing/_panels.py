"""The two kinds of panels: the text that had come, and the gaps."""

# matplotlib's own types leave keyword arguments open.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from ._curve import Curve
from ._summary import Stall, duration

INK: Final = "#1F2933"
GREY: Final = "#6B7785"
_GRID: Final = "#E6EAEE"
STALL: Final = "#D55E00"
DASHED: Final = (0, (3, 2))
_LABELLED_STALLS: Final = 3
_SHORTEST: Final = 0.001
_DOTTED: Final = (0, (1, 2))
_HALO: Final[dict[str, Any]] = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5}


def style(axes: Axes) -> None:
    """Leave of a panel what is read."""
    axes.set_facecolor("white")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.grid(visible=True, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=GREY, length=0, labelsize=9, which="both")


def draw_text(axes: Axes, curve: Curve) -> None:
    """Draw how much had come, as steps."""
    times, levels = [0.0, *curve.times], [0, *curve.levels]
    if curve.record.ended is not None:
        times.append(curve.record.ended)
        levels.append(levels[-1])
    _draw_releases(axes, curve)
    axes.step(times, levels, where="post", color=curve.colour, linewidth=2, zorder=3)
    if curve.first is not None:
        at = list(curve.times).index(curve.first)
        _dot(axes, curve.first, curve.levels[at], curve.colour, filled=True)
    if curve.record.ended is not None:
        _dot(axes, curve.record.ended, curve.level, curve.colour, filled=not curve.bad_end)


def _draw_releases(axes: Axes, curve: Curve) -> None:
    if not curve.record.releases or curve.events:
        return
    times, levels = [0.0], [0]
    for at, size in curve.record.releases:
        times.append(at)
        levels.append(levels[-1] + size)
    axes.step(
        times, levels, where="post", color=curve.colour, linewidth=1.5, linestyle=DASHED, alpha=0.75
    )


def _dot(axes: Axes, at: float, level: int, colour: str, *, filled: bool) -> None:
    axes.plot(
        [at],
        [level],
        marker="o",
        markersize=7,
        markeredgewidth=1.8,
        markeredgecolor=colour if not filled else "white",
        markerfacecolor=colour if filled else "white",
        zorder=5,
        clip_on=False,
    )


def mark(axes: Axes, curve: Curve) -> None:
    """Write the first token's and the end's seconds beside them, and shade the stalls."""
    if curve.first is not None:
        kind = "event" if curve.events else "token"
        axes.axvline(curve.first, color=curve.colour, linewidth=1, linestyle=_DOTTED)
        said = f"first {kind} {duration(curve.first)}"
        side = "left" if curve.first < curve.last / 2 else "right"
        _say(axes, curve.first, 0.97, said, color=curve.colour, ha=side, va="top")
    if curve.record.ended is not None:
        axes.axvline(curve.record.ended, color=GREY, linewidth=1, linestyle=_DOTTED)
        said = f"{curve.bad_end or 'end'} {duration(curve.record.ended)}"
        colour = STALL if curve.bad_end else INK
        _say(axes, curve.record.ended, 0.05, said, color=colour, ha="right", va="bottom")
    for stall in curve.summary.stalls:
        _shade(axes, stall, STALL)
    for stall in _longest(curve):
        level = curve.level_at(stall.start) / axes.get_ylim()[1]
        beside, va = (level + 0.03, "bottom") if level < 0.75 else (level - 0.04, "top")
        middle = stall.start + stall.seconds / 2
        said = f"stall\n{duration(stall.seconds)}"
        _say(axes, middle, beside, said, color=STALL, ha="center", va=va)


def _longest(curve: Curve) -> list[Stall]:
    stalls = sorted(curve.summary.stalls, key=lambda stall: stall.seconds, reverse=True)
    return stalls[:_LABELLED_STALLS]


def _shade(axes: Axes, stall: Stall, colour: str) -> None:
    end = stall.start + stall.seconds
    axes.axvspan(stall.start, end, color=colour, alpha=0.1, linewidth=0)


def _say(axes: Axes, at: float, height: float, said: str, **how: Any) -> None:
    axes.annotate(
        said,
        (at, height),
        xycoords=axes.get_xaxis_transform(),
        xytext=({"left": 7, "right": -7, "center": 0}[how["ha"]], 0),
        textcoords="offset points",
        fontsize=9.5,
        fontweight="bold",
        bbox=_HALO,
        zorder=6,
        **how,
    )


def draw_gaps(axes: Axes, curve: Curve, *, colour: str, longest: float, labelled: bool) -> None:
    """
    Draw each gap where it ended, on a scale of powers of ten.

    Args:
        axes: The panel.
        curve: The stream.
        colour: The colour of its stalls.
        longest: The longest gap of all streams, in seconds.
        labelled: Whether to write the seconds of the stalls.
    """
    axes.set_yscale("log")
    axes.set_ylim(_SHORTEST, max(2 * longest, 1.0))
    axes.yaxis.set_major_locator(LogLocator(numticks=4))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    record, threshold = curve.record, curve.summary.stall_threshold
    gaps = record.gaps
    axes.vlines(
        record.arrivals[1:],
        _SHORTEST,
        [max(gap, 1.25 * _SHORTEST) for gap in gaps],
        colors=[colour if gap > threshold else curve.colour for gap in gaps],
        linewidth=1.4,
    )
    for stall in curve.summary.stalls:
        _shade(axes, stall, colour)
    if labelled:
        for stall in _longest(curve):
            middle, said = stall.start + stall.seconds / 2, duration(stall.seconds)
            _say(axes, middle, 0.5, said, color=colour, ha="center", va="center")
    if record.comments:
        axes.plot(
            record.comments,
            [0.9] * len(record.comments),
            transform=axes.get_xaxis_transform(),
            linestyle="none",
            marker="v",
            markersize=4.5,
            color=GREY,
            markeredgewidth=0,
        )


def _tick(seconds: float, _place: int | None) -> str:
    """Write a power of ten of seconds."""
    return f"{seconds:,.0f} s" if seconds >= 1 else f"{seconds * 1000:g} ms"


def scale(axes: Axes) -> None:
    """Write whole numbers at the side."""
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(_whole))


def _whole(level: float, _place: int | None) -> str:
    return f"{level:,.0f}"
