"""Picture of pools: the cumulative distributions of their times."""

# matplotlib's own types leave keyword arguments open.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate, cycle
from typing import Final

from matplotlib import ticker
from matplotlib.axes import Axes

from .._errors import count
from ._plot_layout import GREY, PALETTE, TITLE, Layout, Line, format_seconds, one_line
from ._pool import PooledSummary
from ._spread import Spread, duration

# The field, its title, and what one value of it counts.
_PARTS: Final = (
    ("time_to_first_token", "Time to first token", "request"),
    ("gaps", "Gaps between chunks", "gap"),
)
_PERCENTILES: Final = (50, 90, 99)
# Lengths in inches.
_HEIGHT: Final = 2.0
_GAP: Final = 0.5
_TICK: Final = 0.75


class PoolPicture(Layout):
    """The figure of several pools."""

    def __init__(self, pools: Mapping[str, PooledSummary], width: float) -> None:
        super().__init__(width, ticks=["100 %"])
        colours = [colour for colour, _ in zip(cycle(PALETTE), pools, strict=False)]
        headers = [
            [(title, TITLE)]
            + [
                line
                for colour, (label, pool) in zip(colours, pools.items(), strict=True)
                for line in self._describe(label, colour, getattr(pool, name), noun)
            ]
            for name, title, noun in _PARTS
        ]
        parts = self.add_parts(headers, [_HEIGHT] * len(_PARTS), gap=_GAP)
        for axes, (name, _, noun) in zip(parts, _PARTS, strict=True):
            spreads = [getattr(pool, name) for pool in pools.values()]
            self._style_scales(axes, [spread for spread in spreads if spread is not None])
            axes.set_ylabel(f"{noun}s up to that time", color=GREY)
            for colour, spread in zip(colours, spreads, strict=True):
                if spread is not None:
                    _draw_steps(axes, colour, spread)

    def _describe(self, label: str, colour: str, spread: Spread | None, noun: str) -> list[Line]:
        if spread is None:
            return self.name_lines(one_line(label), colour, ["nothing measured"])
        percentiles = [(f"p{each}", getattr(spread, f"p{each}")) for each in _PERCENTILES]
        figures = [f"{name} {duration(at)}" for name, at in [*percentiles, ("max", spread.max)]]
        return self.name_lines(one_line(label), colour, [count(spread.count, noun), *figures])

    def _style_scales(self, axes: Axes, spreads: list[Spread]) -> None:
        ticks = _ticks([time for spread in spreads for time in spread.histogram[0] if time > 0])
        if (room := int(self.room / _TICK)) < len(ticks):
            tens = [tick for tick in ticks if f"{tick:e}".startswith("1.")]
            shown = tens[:: 1 + len(tens) // room]
        else:
            shown = ticks
        axes.set_xscale("log")
        axes.set_xticks(shown)
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(format_seconds))
        axes.xaxis.set_minor_locator(ticker.NullLocator())
        axes.set_xlim(ticks[0], ticks[-1])
        axes.set_ylim(0, 104)
        axes.set_yticks(range(0, 101, 25))
        axes.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:.0f} %"))


def _ticks(times: list[float]) -> list[float]:
    """Return 1, 2 and 5 times the powers of ten, from the one below the times to the one above."""
    first, last = min(times, default=0.1), max(times, default=1.0)
    powers = range(math.floor(math.log10(first)), math.ceil(math.log10(last)) + 2)
    ticks = [float(f"{step}e{power}") for power in powers for step in (1, 2, 5)]
    below = bisect_right(ticks, first) - 1
    return ticks[max(below, 0) : bisect_right(ticks, last) + 1]


def _draw_steps(axes: Axes, colour: str, spread: Spread) -> None:
    """Draw the share of values up to each time, and dots at the percentiles of the header."""
    first, last = axes.get_xlim()
    times, counts = spread.histogram
    shares = [100 * each / spread.count for each in accumulate(counts)]
    ends = [first, *(max(first, time) for time in times), last]
    axes.step(ends, [0, *shares, 100], where="post", color=colour, linewidth=2, zorder=3)
    at = [max(first, getattr(spread, f"p{each}")) for each in _PERCENTILES]
    axes.plot(at, _PERCENTILES, "o", ms=6, mec="white", mfc=colour, zorder=5, clip_on=False)
