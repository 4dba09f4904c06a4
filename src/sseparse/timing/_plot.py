"""Pictures of timelines."""

# matplotlib's own types leave keyword arguments open.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate, cycle
from typing import Any, Final

import matplotlib as mpl
from attrs import frozen
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from .._errors import count
from ._record import Record
from ._summary import Stall, Summary, duration, rate, summarize

_WIDTH: Final = 9.6
_DOTS_PER_INCH: Final = 160
_LONGEST_LABEL: Final = 48
_LABELLED_STALLS: Final = 3
_SHORTEST_GAP: Final = 0.001
# The Okabe-Ito palette, whose colours colour-blind readers can distinguish.
_PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_INK: Final = "#1F2933"
_GREY: Final = "#6B7785"
_GRID: Final = "#E6EAEE"
_STALL: Final = "#D55E00"
_RELEASED: Final[dict[str, Any]] = {"linewidth": 1.5, "linestyle": (0, (3, 2)), "alpha": 0.75}
_MOMENT: Final[dict[str, Any]] = {"linewidth": 1, "linestyle": (0, (1, 2))}
_DOT: Final[dict[str, Any]] = {
    "marker": "o",
    "markersize": 7,
    "markeredgewidth": 1.8,
    "zorder": 5,
    "clip_on": False,
}
_COMMENT: Final[dict[str, Any]] = {
    "linestyle": "none",
    "marker": "v",
    "markersize": 4.5,
    "color": _GREY,
    "markeredgewidth": 0,
}
_LABEL: Final[dict[str, Any]] = {
    "textcoords": "offset points",
    "fontsize": 9.5,
    "fontweight": "bold",
    "bbox": {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5},
    "zorder": 6,
}
_TITLE: Final[dict[str, Any]] = {
    "xycoords": "axes fraction",
    "textcoords": "offset points",
    "fontsize": 14,
    "fontweight": "bold",
    "color": _INK,
}
_LEGEND: Final[dict[str, Any]] = {
    "frameon": False,
    "borderaxespad": 0,
    "borderpad": 0,
    "handlelength": 1.6,
    "labelcolor": _INK,
    "fontsize": 9.5,
}
_FONTS: Final = (
    *("Inter", "Segoe UI", "Helvetica Neue", "Noto Sans", "DejaVu Sans"),
    # For scripts that those lack.
    *("Noto Sans CJK SC", "Microsoft YaHei", "Hiragino Sans", "Noto Sans Arabic"),
)


@frozen
class Curve:
    """A stream as it is drawn: by its text, or by its events if no stream had chunks."""

    label: str
    record: Record
    colour: str
    counts_events: bool
    summary: Summary

    @property
    def times(self) -> Sequence[float]:
        return self.record.pieces if self.counts_events else self.record.chunks

    @property
    def levels(self) -> list[int]:
        """The amount received by each of the times."""
        amounts = self.record.piece_events if self.counts_events else self.record.sizes
        return list(accumulate(amounts))

    @property
    def top(self) -> int:
        return self.levels[-1] if self.times else 0

    def level_at(self, time: float) -> int:
        return [0, *self.levels][bisect_right(self.times, time)]

    @property
    def first(self) -> float | None:
        return self.record.first_event if self.counts_events else self.record.first_token

    @property
    def last(self) -> float:
        times = [*self.record.arrivals[-1:], *self.record.comments[-1:], self.record.ended or 0.0]
        return max([*times, *(at for at, _ in self.record.releases[-1:])])

    @property
    def bad_end(self) -> str:
        """What ended it early, or ""."""
        end = self.record.end
        return "" if end is None or end.complete else end.cause.value.replace("_", " ")

    def figures(self) -> str:
        summary, parts = self.summary, list[str]()
        if self.first is not None:
            parts.append(f"first {self._unit('token')} {duration(self.first)}")
        if summary.total is not None:
            parts.append(f"end {duration(summary.total)}")
        if summary.tokens is not None:
            parts.append(f"{count(summary.tokens, 'token')}{rate(summary.tokens_per_second)}")
        per_second = None if self.counts_events else summary.characters_per_second
        amount = f"{count(self.top, self._unit('character'))}{rate(per_second)}"
        parts.append(amount if self.top else "nothing received")
        if summary.gaps is not None:
            parts.append(f"longest gap {duration(summary.gaps.max)}")
        return "  \u00b7  ".join(parts)

    def _unit(self, unit: str) -> str:
        return "event" if self.counts_events else unit

    def longest_stalls(self) -> list[Stall]:
        stalls = sorted(self.summary.stalls, key=lambda stall: stall.seconds, reverse=True)
        return stalls[:_LABELLED_STALLS]

    def mark_first(self, axes: Axes) -> None:
        if self.first is not None:
            axes.axvline(self.first, color=self.colour, **_MOMENT)
            label = f"first {self._unit('token')} {duration(self.first)}"
            side = "left" if self.first < self.last / 2 else "right"
            _annotate(axes, self.first, 0.97, label, color=self.colour, ha=side, va="top")

    def mark_end(self, axes: Axes) -> None:
        ended = self.record.ended
        if ended is not None:
            axes.axvline(ended, color=_GREY, **_MOMENT)
            label = f"{self.bad_end or 'end'} {duration(ended)}"
            colour = _STALL if self.bad_end else _INK
            _annotate(axes, ended, 0.05, label, color=colour, ha="right", va="bottom")


def save(path: str, suffix: str, records: Mapping[str, Record]) -> None:
    """Draw records into a file."""
    counts_events = not any(record.chunks for record in records.values())
    curves = [
        Curve(_printable(label), record, colour, counts_events, summarize(record))
        for colour, (label, record) in zip(cycle(_PALETTE), records.items(), strict=False)
    ]
    with _settings():
        # Without the date the same stream is the same file.
        undated = {"Date": None} if suffix == ".svg" else None
        _draw(curves).savefig(path, format=suffix[1:], metadata=undated)


def _printable(label: str) -> str:
    """Make a label of one line that XML can hold."""
    line = "".join(letter if letter.isprintable() else " " for letter in label)
    return line if len(line) <= _LONGEST_LABEL else f"{line[: _LONGEST_LABEL - 1]}\u2026"


@contextmanager
def _settings() -> Generator[None]:
    known = {font.name for font in fontManager.ttflist}
    settings: Any = {  # the type of its keys differs between versions
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
        # A label can be in any script; letters that no font here has are drawn as boxes.
        warnings.filterwarnings("ignore", message="(?s)Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        yield


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
        _style(axes)
    _draw_texts(text, curves)
    _draw_strips(strips, curves)
    _draw_title(text, curves)
    last = max((curve.last for curve in curves), default=0.0)
    text.set_xlim(0, 1.02 * last or 1.0)
    strips[-1].set_xlabel("seconds since the request", color=_GREY)
    return figure


def _style(axes: Axes) -> None:
    axes.set_facecolor("white")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_GREY)
    axes.grid(visible=True, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_GREY, length=0, labelsize=9, which="both")


def _draw_texts(axes: Axes, curves: Sequence[Curve]) -> None:
    for curve in curves:
        _draw_curve(axes, curve)
    top = max((curve.top for curve in curves), default=0)
    axes.set_ylim(0, 1.08 * top or 1.0)
    has_events = bool(curves) and curves[0].counts_events and top > 0
    axes.set_ylabel("events" if has_events else "characters", color=_GREY)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(_format_count))
    if len(curves) == 1:
        curves[0].mark_first(axes)
        curves[0].mark_end(axes)
        _mark_stalls(axes, curves[0])
    if top == 0:
        centred: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 16}
        axes.text(0.5, 0.5, "nothing received", transform=axes.transAxes, color=_GREY, **centred)


def _format_count(level: float, _place: int | None) -> str:
    return f"{level:,.0f}"


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
        level = curve.levels[list(curve.times).index(curve.first)]
        _draw_dot(axes, curve.first, level, curve.colour, filled=True)
    if ended is not None:
        _draw_dot(axes, ended, curve.top, curve.colour, filled=not curve.bad_end)


def _draw_dot(axes: Axes, at: float, level: int, colour: str, *, filled: bool) -> None:
    edge, face = ("white", colour) if filled else (colour, "white")
    axes.plot([at], [level], markeredgecolor=edge, markerfacecolor=face, **_DOT)


def _mark_stalls(axes: Axes, curve: Curve) -> None:
    for stall in curve.summary.stalls:
        _shade(axes, stall, _STALL)
    for stall in curve.longest_stalls():
        level = curve.level_at(stall.start) / axes.get_ylim()[1]
        height, va = (level + 0.03, "bottom") if level < 0.75 else (level - 0.04, "top")
        middle = stall.start + stall.seconds / 2
        label = f"stall\n{duration(stall.seconds)}"
        _annotate(axes, middle, height, label, color=_STALL, ha="center", va=va)


def _shade(axes: Axes, stall: Stall, colour: str) -> None:
    end = stall.start + stall.seconds
    axes.axvspan(stall.start, end, color=colour, alpha=0.1, linewidth=0)


def _annotate(axes: Axes, at: float, height: float, text: str, **style: Any) -> None:
    offset = ({"left": 7, "right": -7, "center": 0}[style["ha"]], 0)
    place = axes.get_xaxis_transform()
    axes.annotate(text, (at, height), xycoords=place, xytext=offset, **_LABEL, **style)


def _draw_strips(strips: Sequence[Axes], curves: Sequence[Curve]) -> None:
    longest = max((max(curve.record.gaps, default=0.0) for curve in curves), default=0.0)
    for axes, curve in zip(strips, curves, strict=False):
        colour = _STALL if len(curves) == 1 else curve.colour
        axes.set_yscale("log")
        axes.set_ylim(_SHORTEST_GAP, max(2 * longest, 1.0))
        axes.yaxis.set_major_locator(LogLocator(numticks=4))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(_format_seconds))
        _draw_gaps(axes, curve, colour)
        for stall in curve.longest_stalls() if len(curves) > 1 else ():
            middle, label = stall.start + stall.seconds / 2, duration(stall.seconds)
            _annotate(axes, middle, 0.5, label, color=colour, ha="center", va="center")
    title = f"gap before each {'event' if curves and curves[0].counts_events else 'chunk'}"
    if any(curve.record.comments for curve in curves):
        title += "   \u25be comment"
    strips[0].set_title(title, loc="left", fontsize=9, color=_GREY)


def _format_seconds(seconds: float, _place: int | None) -> str:
    return f"{seconds:,.0f} s" if seconds >= 1 else f"{seconds * 1000:g} ms"


def _draw_gaps(axes: Axes, curve: Curve, stall_colour: str) -> None:
    """Draw each gap at its end, and each comment."""
    record, gaps, threshold = curve.record, curve.record.gaps, curve.summary.stall_threshold
    axes.vlines(
        record.arrivals[1:],
        _SHORTEST_GAP,
        [max(gap, 1.25 * _SHORTEST_GAP) for gap in gaps],
        colors=[stall_colour if gap > threshold else curve.colour for gap in gaps],
        linewidth=1.4,
    )
    for stall in curve.summary.stalls:
        _shade(axes, stall, stall_colour)
    if record.comments:
        heights = [0.9] * len(record.comments)
        axes.plot(record.comments, heights, transform=axes.get_xaxis_transform(), **_COMMENT)


def _draw_title(axes: Axes, curves: Sequence[Curve]) -> None:
    title = f"Arrival of the {'events' if curves and curves[0].counts_events else 'text'}"
    height = 30.0
    if len(curves) == 1:
        curve = curves[0]
        title = curve.label or title
        axes.set_title(curve.figures(), loc="left", fontsize=10, color=_GREY, pad=10)
        if curve.record.releases:
            arrived = Line2D([], [], color=curve.colour, linewidth=2)
            released = Line2D([], [], color=curve.colour, **_RELEASED)
            entries = [("arrived", arrived), ("released by the gate", released)]
            _draw_legend(axes, entries, loc="lower right", bbox_to_anchor=(0.965, 0.13))
    elif curves:
        height = 14 + 14.5 * len(curves)
        entries = [
            (f"{curve.label}:  {curve.figures()}", Line2D([], [], color=curve.colour, linewidth=3))
            for curve in curves
        ]
        _draw_legend(axes, entries, loc="lower left", bbox_to_anchor=(0, 1.02))
    axes.annotate(title, (0, 1), xytext=(0, height), **_TITLE)


def _draw_legend(axes: Axes, entries: Sequence[tuple[str, Line2D]], **place: Any) -> None:
    numbers = [str(number) for number in range(len(entries))]
    legend = axes.legend([line for _, line in entries], numbers, **_LEGEND, **place)
    # legend() drops labels that begin with an underscore; set_text() doesn't.
    for text, (label, _) in zip(legend.get_texts(), entries, strict=True):
        text.set_text(label)
