"""Growth of time and memory: each shape with n, 2n and 4n units."""

import gc
import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import ours
from api_shapes import API_SHAPES
from attrs import frozen
from measure import quiet
from shapes import MANY_EVENTS, SHAPES, Sample, Shape

FACTORS = (1, 2, 4)
FEEDS: dict[str, int] = {"16 B": 16, "64 KiB": 65536}
UNCUT = 1 << 40
"""Size of a feed that contains the entire stream."""
MOST = 2.2
"""Maximum ratio for linear growth: 2.0 plus noise."""
LONG_ENOUGH = 0.01
"""Minimum seconds of a turn with n units; faster tasks are repeated."""
MIN_DURATION = 2.0
"""Minimum seconds of all rounds of a shape, longer than a burst of load on the machine."""


@frozen
class Growth:
    """
    Growth of one shape.

    Attributes:
        shape: Name of the shape.
        feed: Size of the feeds.
        units: The number n of units.
        seconds: Processor seconds for n units.
        times: Ratios of the times of 2n to n, and of 4n to 2n.
        traced: The number m of units for the measurement of memory.
        peak: Peak memory in bytes for m units.
        peaks: Ratios of the peaks of 2m to m, and of 4m to 2m.
    """

    shape: str
    feed: str
    units: int
    seconds: float
    times: tuple[float, ...]
    traced: int
    peak: int
    peaks: tuple[float, ...]


def _task_of(sample: Sample) -> tuple[ours.Task, Any]:
    name = ours.TO_RESULT[sample.expected.api] if sample.expected.chunks else "events"
    return ours.TASKS[name], ours.expected_result(name, sample.expected)


def growths(rounds: int, less: int = 1) -> list[Growth]:
    """Measure every shape; `less` divides its size."""
    found = [
        _grow(shape, label, size, units, rounds, traced=units)
        for shape in SHAPES + API_SHAPES
        for label, size in FEEDS.items()
        for units in (max(shape.growth // less, 16),)
    ]
    # All events are in memory at once; with few of them, the first allocations would dominate.
    units = max(MANY_EVENTS.growth * 4 // less, 16)
    return [*found, _grow(MANY_EVENTS, "whole", UNCUT, units, rounds, traced=units // 4)]


def _grow(shape: Shape, label: str, size: int, units: int, rounds: int, *, traced: int) -> Growth:
    samples = [shape.build(units * factor) for factor in FACTORS]
    feeds = [sample.feeds(size) for sample in samples]
    task, _ = _task_of(samples[0])
    for sample, fed in zip(samples, feeds, strict=True):
        _, expected = _task_of(sample)
        assert task(fed) == expected, f"{shape.name}: wrong result"
    quiet()
    repeats = max(1, int(LONG_ENOUGH / _time(task, feeds[0], 1)))
    started = time.monotonic()
    turns: list[list[float]] = []
    while len(turns) < rounds or time.monotonic() - started < MIN_DURATION:
        turns.append([_time(task, fed, repeats) for fed in feeds])
    # The minimum, because other processes make a turn slower and never faster.
    least = [min(column) for column in zip(*turns, strict=True)]
    peaks = [
        peak(partial(task, fed))
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


def _time(task: ours.Task, feeds: list[bytes], repeats: int) -> float:
    # Processor time, which other processes affect less.
    gc.collect()
    start = time.process_time()
    for _ in range(repeats):
        task(feeds)
    return (time.process_time() - start) / repeats


def peak(run: Callable[[], Any]) -> int:
    """Return the peak of allocated bytes during a call."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
