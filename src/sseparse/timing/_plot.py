"""Pictures of timelines."""

# matplotlib's own types leave keyword arguments open.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate, cycle
from typing import Any, Final

import matplotlib as mpl
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.lines import Line2D

from .._errors import count
from ._summary import Record, duration, rate, summarize

_DOTS_PER_INCH: Final = 160
_LONGEST_LABEL: Final = 48
_SHORTEST_GAP: Final = 0.001
# The Okabe-Ito palette, whose colours colour-blind readers can distinguish.
_PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_INK: Final = "#1F2933"
_GREY: Final = "#6B7785"
_GRID: Final = "#E6EAEE"
_STALL: Final = "#D55E00"
_Style = dict[str, Any]
_RELEASED: Final[_Style] = {"linewidth": 1.5, "linestyle": (0, (3, 2)), "alpha": 0.75}
_MOMENT: Final[_Style] = {"linewidth": 1, "linestyle": (0, (1, 2))}
_BOLD: Final[_Style] = {"textcoords": "offset points", "fontweight": "bold"}
_BOX: Final[_Style] = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5}
_LABEL: Final[_Style] = {**_BOLD, "fontsize": 9.5, "bbox": _BOX, "zorder": 6}
_TITLE: Final[_Style] = {**_BOLD, "xycoords": "axes fraction", "fontsize": 14, "color": _INK}
_FRAME: Final[_Style] = {"frameon": False, "borderaxespad": 0, "borderpad": 0}
_LEGEND: Final[_Style] = {**_FRAME, "handlelength": 1.6, "labelcolor": _INK, "fontsize": 9.5}
_FONTS: Final = (
    *("Inter", "Segoe UI", "Helvetica Neue", "Noto Sans", "DejaVu Sans"),
    # For scripts that those lack.
    *("Noto Sans CJK SC", "Microsoft YaHei", "Hiragino Sans", "Noto Sans Arabic"),
)


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

    def figures(self) -> str:
        summary, parts = self.summary, list[str]()
        if self.first_label:
            parts.append(self.first_label)
        if summary.total is not None:
            parts.append(f"end {duration(summary.total)}")
        if summary.tokens is not None:
            parts.append(f"{count(summary.tokens, 'token')}{rate(summary.tokens_per_second)}")
        per_second = None if self.counts_events else summary.characters_per_second
        amount = f"{count(self.top, self._unit)}{rate(per_second)}"
        parts.append(amount if self.top else "nothing received")
        if summary.gaps is not None:
            parts.append(f"longest gap {duration(summary.gaps.max)}")
        return "  \u00b7  ".join(parts)


def save(path: str, suffix: str, records: Mapping[str, Record]) -> None:
    """Draw records into a file."""
    counts_events = not any(record.chunks for record in records.values())
    curves = [
        Curve(label, record, colour, counts_events=counts_events)
        for colour, (label, record) in zip(cycle(_PALETTE), records.items(), strict=False)
    ]
    with mpl.rc_context(_settings()), warnings.catch_warnings():
        # A label can be in any script; letters that no font here has are drawn as boxes.
        warnings.filterwarnings("ignore", message="(?s)Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        # Without the date the same stream is the same file.
        undated = {"Date": None} if suffix == ".svg" else None
        _draw(curves).savefig(path, format=suffix[1:], metadata=undated)


def _settings() -> Any:  # the type of its keys differs between versions
    known = {font.name for font in fontManager.ttflist}
    return {
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


def _draw(curves: Sequence[Curve]) -> Figure:
    rows = max(1, len(curves))
    heights = [3.6, *[1.5 if rows == 1 else 0.75] * rows]
    size = (9.6, sum(heights) + 1.0 + 0.2 * rows)
    figure = Figure(figsize=size, dpi=_DOTS_PER_INCH, facecolor="white", layout="constrained")
    text, *strips = figure.subplots(
        rows + 1, 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )[:, 0]
    for axes in (text, *strips):
        axes.set_facecolor("white")
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(_GREY)
        axes.grid(visible=True, color=_GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors=_GREY, length=0, labelsize=9, which="both")
    _draw_texts(text, curves)
    _draw_strips(strips, curves)
    _draw_title(text, curves)
    last = max((curve.last for curve in curves), default=0.0)
    text.set_xlim(0, 1.02 * last or 1.0)
    strips[-1].set_xlabel("seconds since the request", color=_GREY)
    return figure


def _draw_texts(axes: Axes, curves: Sequence[Curve]) -> None:
    for curve in curves:
        _draw_curve(axes, curve)
    top = max((curve.top for curve in curves), default=0)
    axes.set_ylim(0, 1.08 * top or 1.0)
    axes.set_ylabel("events" if top and curves[0].counts_events else "characters", color=_GREY)
    axes.yaxis.set_major_locator(ticker.MaxNLocator(nbins=5, integer=True))
    axes.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    if len(curves) == 1:
        _annotate_curve(axes, curves[0])
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
        level = curve.levels[curve.times.index(curve.first)]
        _draw_dot(axes, curve.first, level, curve.colour, filled=True)
    if ended is not None:
        _draw_dot(axes, ended, curve.top, curve.colour, filled=not curve.bad_end)


def _draw_dot(axes: Axes, at: float, level: int, colour: str, *, filled: bool) -> None:
    edge, face = ("white", colour) if filled else (colour, "white")
    axes.plot([at], [level], marker="o", ms=7, mew=1.8, mec=edge, mfc=face, zorder=5, clip_on=False)


def _annotate_curve(axes: Axes, curve: Curve) -> None:
    if curve.first is not None:
        axes.axvline(curve.first, color=curve.colour, **_MOMENT)
        side = "left" if curve.first < curve.last / 2 else "right"
        _annotate(axes, curve.first, 0.97, curve.first_label, color=curve.colour, ha=side, va="top")
    ended = curve.record.ended
    if ended is not None:
        axes.axvline(ended, color=_GREY, **_MOMENT)
        label = f"{curve.bad_end or 'end'} {duration(ended)}"
        colour = _STALL if curve.bad_end else _INK
        _annotate(axes, ended, 0.05, label, color=colour, ha="right", va="bottom")
    _shade_stalls(axes, curve, _STALL)
    for stall in curve.longest_stalls:
        arrived = [0, *curve.levels][bisect_right(curve.times, stall.start)]
        level = arrived / axes.get_ylim()[1]
        height, va = (level + 0.03, "bottom") if level < 0.75 else (level - 0.04, "top")
        middle, label = stall.start + stall.seconds / 2, f"stall\n{duration(stall.seconds)}"
        _annotate(axes, middle, height, label, color=_STALL, ha="center", va=va)


def _shade_stalls(axes: Axes, curve: Curve, colour: str) -> None:
    for stall in curve.summary.stalls:
        axes.axvspan(stall.start, stall.start + stall.seconds, color=colour, alpha=0.1, linewidth=0)


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
        axes.yaxis.set_major_locator(ticker.LogLocator(numticks=4))
        axes.yaxis.set_minor_locator(ticker.NullLocator())
        axes.yaxis.set_major_formatter(ticker.FuncFormatter(_format_seconds))
        _draw_gaps(axes, curve, colour)
        for stall in curve.longest_stalls if len(curves) > 1 else ():
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
    heights = [max(gap, 1.25 * _SHORTEST_GAP) for gap in gaps]
    colours = [stall_colour if gap > threshold else curve.colour for gap in gaps]
    axes.vlines(record.arrivals[1:], _SHORTEST_GAP, heights, colors=colours, linewidth=1.4)
    _shade_stalls(axes, curve, stall_colour)
    if record.comments:
        place, heights = axes.get_xaxis_transform(), [0.9] * len(record.comments)
        axes.plot(record.comments, heights, "v", ms=4.5, mew=0, color=_GREY, transform=place)


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
