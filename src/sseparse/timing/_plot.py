"""Pictures of timelines."""

# matplotlib's own types leave keyword arguments open.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from itertools import accumulate, cycle, zip_longest
from typing import IO, Final

from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from .._errors import count
from ._plot_layout import (
    DETAIL,
    GREY,
    INK,
    PALETTE,
    TITLE,
    Layout,
    Line,
    Style,
    format_seconds,
    one_line,
    settings,
)
from ._plot_pools import PoolPicture
from ._pool import PooledSummary
from ._spread import duration, number, rate
from ._summary import Record, summarize

_STALL: Final = "#D55E00"
_RELEASED: Final[Style] = {"linewidth": 1.5, "linestyle": (0, (3, 2)), "alpha": 0.75}
_MOMENT: Final[Style] = {"linewidth": 1, "linestyle": (0, (1, 2))}
_BOX: Final[Style] = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5}
_LABEL: Final[Style] = {"fontweight": "bold", "fontsize": 9.5, "bbox": _BOX, "zorder": 6}
_STEPS: Final = (1, 2, 2.5, 5, 10)
# Lengths in inches.
_PART_GAP: Final = 0.17
_CHART_HEIGHT: Final = 3.6


class Curve:
    """A stream as it is drawn: by its text, or by its events if no stream had chunks."""

    def __init__(self, label: str, record: Record, colour: str, *, counts_events: bool) -> None:
        self.label = one_line(label)
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


def draw(streams: Mapping[str, Record | PooledSummary], width: float) -> Figure:
    """Draw the records of streams, or pools, into a figure."""
    pools = {label: each for label, each in streams.items() if isinstance(each, PooledSummary)}
    records = {label: each for label, each in streams.items() if isinstance(each, Record)}
    if pools and records:
        raise TypeError("one picture can't show both timelines and pools")
    counts_events = not any(record.chunks for record in records.values())
    curves = [
        Curve(label, record, colour, counts_events=counts_events)
        for colour, (label, record) in zip(cycle(PALETTE), records.items(), strict=False)
    ]
    with settings():
        return (PoolPicture(pools, width) if pools else _Picture(curves, width)).figure


def save(
    target: str | IO[bytes],
    kind: str,
    streams: Mapping[str, Record | PooledSummary],
    width: float,
) -> None:
    """Draw streams into a file."""
    figure = draw(streams, width)
    # Without the date the same stream is the same file.
    undated = {"Date": None} if kind == "svg" else None
    with settings():
        figure.savefig(target, format=kind, metadata=undated)


def svg(streams: Mapping[str, Record | PooledSummary], width: float) -> str:
    """Draw streams into the text of an SVG."""
    file = BytesIO()
    save(file, "svg", streams, width)
    return file.getvalue().decode()


class _Picture(Layout):
    """The figure of several curves."""

    def __init__(self, curves: Sequence[Curve], width: float) -> None:
        top = max((curve.top for curve in curves), default=0)
        super().__init__(width, ticks=("100 ms", f"{top:,}"))
        self.curves = curves
        self.single = curves[0] if len(curves) == 1 else None
        self.counts_events = bool(curves) and curves[0].counts_events
        last = max((curve.last for curve in curves), default=0.0)
        self._limit = max(1.02 * last, 1e-6) if last else 1.0
        headers = [self._header(), *self._strip_headers()]
        strip_height = 1.2 if self.single else 0.75
        heights = [_CHART_HEIGHT, *[strip_height] * (len(headers) - 1)]
        self._draw_parts(self.add_parts(headers, heights, gap=_PART_GAP))

    def _header(self) -> list[Line]:
        title = f"Arrival of the {'events' if self.counts_events else 'text'}"
        if self.single is None:
            return [(title, TITLE)]
        title = self.fit(self.single.label or title, **TITLE)
        return [(title, TITLE), *self.wrap(self.single.figures())]

    def _strip_headers(self) -> list[list[Line]]:
        caption = f"gap before each {'event' if self.counts_events else 'chunk'}"
        if any(curve.record.comments for curve in self.curves):
            caption += "   \u25be comment"
        first: list[Line] = [(caption, DETAIL)]
        if self.single or not self.curves:
            return [first]
        names = [self.name_lines(each.label, each.colour, each.figures()) for each in self.curves]
        return [first + names[0], *names[1:]]

    def _draw_parts(self, parts: Sequence[Axes]) -> None:
        chart, *strips = parts
        for axes in parts:
            self._style_time(axes)
        for axes in parts[:-1]:
            axes.tick_params(labelbottom=False)
        unit = "milliseconds" if self._limit < 1 else "seconds"
        strips[-1].set_xlabel(f"{unit} since the request", color=GREY, labelpad=3)
        _draw_texts(chart, self.curves, self.single)
        _draw_strips(strips, self.curves)

    def _style_time(self, axes: Axes) -> None:
        axes.set_xlim(0, self._limit)
        axes.xaxis.set_major_locator(ticker.MaxNLocator(min(9, int(self.room)), steps=_STEPS))
        scale = 1000 if self._limit < 1 else 1
        axes.xaxis.set_major_formatter(lambda at, _place: number(at * scale))


def _draw_texts(axes: Axes, curves: Sequence[Curve], single: Curve | None) -> None:
    for curve in curves:
        _draw_curve(axes, curve)
    top = max((curve.top for curve in curves), default=0)
    # Labels are above the curve.
    axes.set_ylim(0, (1.3 if single else 1.08) * top or 1.0)
    axes.set_ylabel("events" if top and curves[0].counts_events else "characters", color=GREY)
    axes.yaxis.set_major_locator(ticker.MaxNLocator(5, integer=True, steps=_STEPS))
    axes.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    if single:
        _annotate_curve(axes, single)
    if top == 0:
        style: Style = {"ha": "center", "va": "center", "fontsize": 16, "color": GREY}
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
        axes.axvline(ended, color=GREY, **_MOMENT)
        label = f"{curve.bad_end or 'end'} {duration(ended)}"
        _annotate(axes, ended, 0.905, label, color=_STALL if curve.bad_end else INK)
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
    style: Style = {**_LABEL, "color": color, "va": "top"}
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
        axes.yaxis.set_major_formatter(ticker.FuncFormatter(format_seconds))
        if curve is not None:
            colour = _STALL if len(curves) == 1 else curve.colour
            _draw_gaps(axes, curve, colour, shortest)
            if len(curves) > 1:
                _label_stalls(axes, curve, colour, 0.7, "")


def _draw_gaps(axes: Axes, curve: Curve, stall_colour: str, shortest: float) -> None:
    """Draw each gap at its end, and each comment."""
    record, gaps, threshold = curve.record, curve.record.gaps, curve.summary.stall_threshold
    heights = [max(gap, 1.25 * shortest) for gap in gaps]
    colours = [stall_colour if gap > threshold else curve.colour for gap in gaps]
    axes.vlines(record.outputs[1:], shortest, heights, colors=colours, linewidth=1.4)
    _shade_stalls(axes, curve, stall_colour)
    if record.comments:
        place, heights = axes.get_xaxis_transform(), [0.9] * len(record.comments)
        axes.plot(record.comments, heights, "v", ms=4.5, mew=0, color=GREY, transform=place)
