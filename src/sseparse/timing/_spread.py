"""Distribution of measurements, and how figures are written."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

from attrs import field, frozen


@frozen
class Spread:
    """
    Distribution of measurements: durations in seconds, rates or counts.

    Attributes:
        mean: The arithmetic mean.
        p50: The median, by the nearest-rank method: a measured value.
        p90: The 90th percentile, by the same method.
        p95: The 95th percentile, by the same method.
        p99: The 99th percentile, by the same method.
        max: The greatest value.
        count: Number of measurements.
        histogram: The measured values, rounded to three significant digits, and how many times each
            was measured. `Summary.pool()` merges histograms.
    """

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float
    count: int
    histogram: tuple[tuple[float, ...], tuple[int, ...]] = field(repr=False)

    @classmethod
    def of(cls, values: Iterable[tuple[float, int]]) -> Spread | None:
        """
        Return the distribution of measurements, or None if there are none.

        Args:
            values: Values, and how many times each was measured.
        """
        ordered = sorted(values)
        if not ordered:
            return None
        ranks = list(accumulate(times for _, times in ordered))
        total = ranks[-1]
        mean = math.fsum(each * times for each, times in ordered) / total
        # Integers, because 0.95 * 20 can be a little more than 19.
        p50, p90, p95, p99 = (
            ordered[bisect_left(ranks, -(-percent * total // 100))][0]
            for percent in (50, 90, 95, 99)
        )
        # Counting texts is faster than counting numbers: fewer of them become numbers again.
        counts: dict[str, int] = {}
        for each, times in ordered:
            digits = f"{each:.3g}"
            counts[digits] = counts.get(digits, 0) + times
        histogram = (tuple(map(float, counts)), tuple(counts.values()))
        return cls(mean, p50, p90, p95, p99, ordered[-1][0], total, histogram)


def rounded(value: float) -> float:
    """Round to three significant digits: an error of at most 0.5 %."""
    return float(f"{value:.3g}")


def number(value: float) -> str:
    """Write three significant digits, never as a power of ten: "1,330", "0.0201"."""
    return f"{rounded(value):,f}".rstrip("0").rstrip(".")


def rate(per_second: float | None, nouns: str) -> str:
    return "" if per_second is None else f" ({number(per_second)} {nouns}/s)"


def duration(seconds: float) -> str:
    """Format a duration for people: "420 ms", "6.40 s"."""
    if seconds < 0.9995:
        return f"{number(seconds * 1000)} ms"
    return f"{seconds:.2f} s" if seconds < 100 else f"{seconds:,.0f} s"
