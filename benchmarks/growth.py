"""How time and memory grow: each shape of n units, of twice as many, and of four times as many."""

import gc
import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import ours
from attrs import frozen
from measure import quiet
from shapes import MANY_EVENTS, SHAPES, Made, Shape

FACTORS = (1, 2, 4)
FEEDS: dict[str, int] = {"16 B": 16, "64 KiB": 65536}
WHOLE = 1 << 40
"""The size of a feed of what is to be fed whole."""
MOST = 2.2
"""What is linear takes twice as much for twice as many; so much more is noise."""
LONG_ENOUGH = 0.01
"""Seconds of a turn of n at least; quicker work is repeated."""
LONGER_THAN_A_BURST = 2.0
"""Seconds that the rounds of a shape last at least, so that a busy machine rests in between."""


@frozen
class Growth:
    """
    Tell how one shape grows.

    Attributes:
        shape: Its name.
        feed: The size of its feeds.
        units: How many units n is.
        seconds: What n takes of the processor.
        times: How many times as long twice as many take, and then twice as many again.
        traced: So many units are taken where memory is traced.
        peak: Bytes at most at once, for these.
        peaks: The same of memory.
    """

    shape: str
    feed: str
    units: int
    seconds: float
    times: tuple[float, ...]
    traced: int
    peak: int
    peaks: tuple[float, ...]


Work = Callable[[list[bytes]], Any]


def _work(made: Made) -> tuple[Work, Any]:
    name = "completion" if made.expected.chunks else "events"
    return ours.WORKS[name], ours.outcome(name, made.expected)


def growths(rounds: int, less: int = 1) -> list[Growth]:
    """Measure every shape; `less` divides its size."""
    found = [
        _grow(shape, label, size, units, rounds, traced=units)
        for shape in SHAPES
        for label, size in FEEDS.items()
        for units in (max(shape.growth // less, 16),)
    ]
    # All its events are held at once: of few the first memory that is asked for is most of it.
    units = max(MANY_EVENTS.growth * 4 // less, 16)
    return [*found, _grow(MANY_EVENTS, "whole", WHOLE, units, rounds, traced=units // 4)]


def _grow(shape: Shape, label: str, size: int, units: int, rounds: int, *, traced: int) -> Growth:
    all_made = [shape.build(units * factor) for factor in FACTORS]
    feeds = [made.feeds(size) for made in all_made]
    work, _ = _work(all_made[0])
    for made, fed in zip(all_made, feeds, strict=True):
        _, expected = _work(made)
        assert work(fed) == expected, f"{shape.name}: another result"
    quiet()
    repeats = max(1, int(LONG_ENOUGH / _time(work, feeds[0], 1)))
    started = time.monotonic()
    turns: list[list[float]] = []
    while len(turns) < rounds or time.monotonic() - started < LONGER_THAN_A_BURST:
        turns.append([_time(work, fed, repeats) for fed in feeds])
    # The least of each: other work on the machine makes a turn slower, and never faster.
    least = [min(column) for column in zip(*turns, strict=True)]
    peaks = [
        peak(partial(work, fed))
        for fed in (shape.build(traced * factor).feeds(size) for factor in FACTORS)
    ]
    return Growth(
        shape.name,
        label,
        units,
        least[0],
        _ratios(least),
        traced,
        peaks[0],
        _ratios(peaks),
    )


def _ratios(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(after / before for before, after in pairwise(values))


def _time(work: Work, feeds: list[bytes], repeats: int) -> float:
    # The process's own time: growth is compared with itself alone, and not with others' luck.
    gc.collect()
    start = time.process_time()
    for _ in range(repeats):
        work(feeds)
    return (time.process_time() - start) / repeats


def peak(run: Callable[[], Any]) -> int:
    """Return the most bytes that were allocated at once while it ran."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
