"""Drawing of timelines."""

# matplotlib's own types leave keyword arguments open.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any, Final

import matplotlib as mpl
from attrs import Factory, field, frozen
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from .._errors import count
from ._record import Record
from ._summary import Stall, Summary, duration, rate, summarize

_LONGEST_LABEL: Final = 48


def _sum_up(curve: Curve) -> Summary:
    return summarize(curve.record, None, stall=None)


@frozen
class Curve:
    """
    Hold a stream as it is drawn.

    Attributes:
        label: Its label, in letters that any picture can hold.
        record: What was noted.
        colour: Its colour.
        events: Whether events are drawn in place of text.
        summary: Its figures.
    """

    label: str
    record: Record
    colour: str
    events: bool = False
    summary: Summary = field(init=False, default=Factory(_sum_up, takes_self=True))

    @property
    def times(self) -> Sequence[float]:
        """When something of it came."""
        return self.record.pieces if self.events else self.record.chunks

    @property
    def _amounts(self) -> Sequence[int]:
        return self.record.piece_events if self.events else self.record.sizes

    @property
    def levels(self) -> list[int]:
        """How much had come at each of these times."""
        return list(accumulate(self._amounts))

    @property
    def level(self) -> int:
        """How much came in all."""
        return sum(self._amounts)

    def level_at(self, time: float) -> int:
        """Say how much had come by a time."""
        return sum(self._amounts[: bisect_right(self.times, time)])

    @property
    def first(self) -> float | None:
        """When the first of it came."""
        return self.record.first_event if self.events else self.record.first_token

    @property
    def last(self) -> float:
        """The last time that is drawn."""
        times = [*self.record.arrivals[-1:], *self.record.comments[-1:], self.record.ended or 0.0]
        return max([*times, *(at for at, _ in self.record.releases[-1:])])

    @property
    def bad_end(self) -> str:
        """How it ended, where that was not well; else ""."""
        end = self.record.end
        return "" if end is None or end.complete else end.cause.value.replace("_", " ")

    def figures(self) -> str:
        """Write the key figures."""
        summary, unit = self.summary, "event" if self.events else "character"
        said: list[str] = []
        if self.first is not None:
            said.append(f"first {'event' if self.events else 'token'} {duration(self.first)}")
        if summary.total is not None:
            said.append(f"end {duration(summary.total)}")
        if summary.tokens is not None:
            said.append(f"{count(summary.tokens, 'token')}{rate(summary.tokens_per_second)}")
        pace = None if self.events else summary.characters_per_second
        said.append(f"{count(self.level, unit)}{rate(pace)}" if self.level else "nothing came")
        if summary.gaps is not None:
            said.append(f"longest gap {duration(summary.gaps.max)}")
        return "  \u00b7  ".join(said)


def printable(label: str) -> str:
    """Make a label of one line that XML can hold."""
    line = "".join(letter if letter.isprintable() else " " for letter in label)
    return line if len(line) <= _LONGEST_LABEL else f"{line[: _LONGEST_LABEL - 1]}\u2026"


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


_OKABE_ITO: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_FONTS: Final = (
    *("Inter", "Segoe UI", "Helvetica Neue", "Noto Sans", "DejaVu Sans"),
    # For letters that those lack.
    *("Noto Sans CJK SC", "Microsoft YaHei", "Hiragino Sans", "Noto Sans Arabic"),
)
_WIDTH: Final = 9.6
_DOTS_PER_INCH: Final = 160


def save(path: str, suffix: str, records: Mapping[str, Record]) -> None:
    """Draw records into a file."""
    with _settings():
        figure = _draw(_curves(records))
        # Without the date the same stream is the same file.
        undated = {"Date": None} if suffix == ".svg" else None
        figure.savefig(path, format=suffix[1:], metadata=undated)


@contextmanager
def _settings() -> Generator[None]:
    known = {font.name for font in fontManager.ttflist}
    settings: Any = {  # its keys' type differs from version to version
        "font.family": [name for name in _FONTS if name in known],
        "font.size": 10,
        "savefig.bbox": None,
        "savefig.dpi": _DOTS_PER_INCH,
        "savefig.facecolor": "white",
        "savefig.transparent": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "sseparse",
        "text.parse_math": False,
        "text.usetex": False,
    }
    with mpl.rc_context(settings), warnings.catch_warnings():
        # A label may be in any script; letters that no font here has are drawn as boxes.
        warnings.filterwarnings("ignore", message="(?s)Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        yield


def _curves(records: Mapping[str, Record]) -> list[Curve]:
    events = not any(record.chunks for record in records.values())
    return [
        Curve(printable(label), record, _OKABE_ITO[number % len(_OKABE_ITO)], events=events)
        for number, (label, record) in enumerate(records.items())
    ]


def _draw(curves: Sequence[Curve]) -> Figure:
    rows = max(1, len(curves))
    heights = [3.6, *[1.5 if rows == 1 else 0.75] * rows]
    figure = Figure(
        figsize=(_WIDTH, sum(heights) + 1.0 + 0.2 * rows),
        dpi=_DOTS_PER_INCH,
        facecolor="white",
        layout="constrained",
    )
    text, *strips = figure.subplots(
        rows + 1, 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )[:, 0]
    for axes in (text, *strips):
        style(axes)
    _draw_texts(text, curves)
    _draw_strips(strips, curves)
    _entitle(text, curves)
    last = max((curve.last for curve in curves), default=0.0)
    text.set_xlim(0, 1.02 * last or 1.0)
    strips[-1].set_xlabel("seconds since the request", color=GREY)
    return figure


def _draw_texts(axes: Axes, curves: Sequence[Curve]) -> None:
    for curve in curves:
        draw_text(axes, curve)
    top = max((curve.level for curve in curves), default=0)
    axes.set_ylim(0, 1.08 * top or 1.0)
    events = bool(curves) and curves[0].events and top > 0
    axes.set_ylabel("events" if events else "characters", color=GREY)
    scale(axes)
    if len(curves) == 1:
        mark(axes, curves[0])
    if top == 0:
        axes.text(
            0.5,
            0.5,
            "nothing came",
            transform=axes.transAxes,
            ha="center",
            va="center",
            color=GREY,
            fontsize=16,
        )


def _draw_strips(strips: Sequence[Axes], curves: Sequence[Curve]) -> None:
    longest = max((max(curve.record.gaps, default=0.0) for curve in curves), default=0.0)
    for axes, curve in zip(strips, curves, strict=False):
        colour = STALL if len(curves) == 1 else curve.colour
        draw_gaps(axes, curve, colour=colour, longest=longest, labelled=len(curves) > 1)
    thing = "event" if curves and curves[0].events else "chunk"
    said = f"gap before each {thing}"
    if any(curve.record.comments for curve in curves):
        said += "   \u25be comment"
    strips[0].set_title(said, loc="left", fontsize=9, color=GREY)


def _entitle(axes: Axes, curves: Sequence[Curve]) -> None:
    thing = "events" if curves and curves[0].events else "text"
    title, above = f"Arrival of the {thing}", 30.0
    if len(curves) == 1:
        title = curves[0].label or title
        axes.set_title(curves[0].figures(), loc="left", fontsize=10, color=GREY, pad=10)
        if curves[0].record.releases:
            _explain_gate(axes, curves[0].colour)
    elif curves:
        above = 14 + 14.5 * len(curves)
        lines = [Line2D([], [], color=curve.colour, linewidth=3) for curve in curves]
        said = [f"{curve.label}:  {curve.figures()}" for curve in curves]
        _explain(axes, lines, said, loc="lower left", bbox_to_anchor=(0, 1.02))
    axes.annotate(
        title,
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, above),
        textcoords="offset points",
        fontsize=14,
        fontweight="bold",
        color=INK,
    )


def _explain_gate(axes: Axes, colour: str) -> None:
    arrived = Line2D([], [], color=colour, linewidth=2)
    released = Line2D([], [], color=colour, linewidth=1.5, linestyle=DASHED, alpha=0.75)
    said = ["arrived", "released by the gate"]
    _explain(axes, [arrived, released], said, loc="lower right", bbox_to_anchor=(0.965, 0.13))


def _explain(axes: Axes, lines: list[Line2D], said: list[str], **where: Any) -> None:
    legend = axes.legend(
        lines,
        [str(number) for number in range(len(lines))],
        frameon=False,
        borderaxespad=0,
        borderpad=0,
        handlelength=1.6,
        labelcolor=INK,
        fontsize=9.5,
        **where,
    )
    # A legend leaves out labels that begin with an underscore; texts it does not look at.
    for text, words in zip(legend.get_texts(), said, strict=True):
        text.set_text(words)
