"""Figures of several streams together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs
from attrs import field, frozen

from .._end import End, EndCause
from .._errors import count
from ._spread import Spread, duration, number, rounded

if TYPE_CHECKING:
    from ._summary import Summary

# Numbers of requests and of their tokens.
_COUNTS: Final = ("requests", "measured", "stalled", "tokens")
# Fields of a pool that are sums of the same field, and those that are spreads of it.
_SUMS: Final = ("chunks", "events", "comments", "bytes", "characters", "released")
_SPREADS: Final = (
    *("time_to_first_byte", "time_to_first_event", "time_to_first_token", "time_to_first_text"),
    *("time_to_usage", "total", "gaps", "longest_silence", "tokens_per_second"),
    *("inter_token_latency", "time_per_output_token", "characters_per_second"),
    *("sooner", "sooner_ratio", "release_delay"),
)
# Rows of the printed table: durations, and others.
_DURATIONS: Final = (
    *("time_to_first_token", "time_to_first_text", "total", "gaps"),
    *("inter_token_latency", "time_per_output_token", "release_delay"),
)
_NUMBERS: Final = ("tokens_per_second", "characters_per_second", "tokens_per_request")
_COLUMNS: Final = ("mean", "p50", "p90", "p95", "p99", "max")


@frozen
class PooledSummary:
    """
    Figures of several streams together, as `Summary.pool()` returns them.

    Streams that didn't end complete count in `requests` and `ends`. All other fields are about the
    streams that were measured: those that ended complete, unless `pool()` was called with
    `only_complete=False`.

    A `Spread` has one value of each measured stream in which the figure was observed. `gaps` and
    `release_delay` have the values of all streams. A pool keeps each value rounded to three
    significant digits, so its size doesn't grow with the number of streams. A percentile or
    maximum is therefore the exact one, rounded in the same way, and a mean is within 0.5 % of the
    exact one. Sums are exact.

    Throughput of several streams isn't known: it depends on which of them ran at the same time.
    Divide `tokens` or `measured` by the seconds that all the requests took.

    Attributes:
        requests: Number of streams.
        measured: Number of measured streams.
        ends: Number of streams by how they ended, for each known end.
        stalled: Number of streams with a stall.
        chunks: Number of chunks.
        events: Number of events.
        comments: Number of comments.
        bytes: Number of bytes of the bodies.
        characters: Number of characters of output.
        tokens: Number of tokens of the answers whose number of tokens is known.
        tokens_estimated: Whether some of `tokens` are an estimate.
        tokens_per_request: Tokens of each answer.
        time_to_first_byte: As in `Summary`, and so are all fields that follow.
        time_to_first_event: From the request to the first event.
        time_to_first_token: From the request to the first chunk with output.
        time_to_first_text: From the request to the first chunk with content.
        time_to_usage: From the request to the last chunk with token counts.
        total: From the request to the end.
        gaps: Times between chunks with output, of all streams.
        longest_silence: The longest time of each stream without any bytes.
        tokens_per_second: Tokens per second of each stream.
        inter_token_latency: Mean seconds per token after the first, of each stream.
        time_per_output_token: Seconds per token of each stream.
        characters_per_second: Characters per second of each stream.
        sooner: How many seconds before the end the first content arrived.
        sooner_ratio: `total` divided by `time_to_first_text`, of each stream.
        release_delay: Times from the arrival of each character to its release, of all streams.
        released: Number of characters of the content released.
    """

    requests: int
    measured: int
    ends: Mapping[EndCause, int] = field(hash=False)
    stalled: int
    chunks: int
    events: int
    comments: int
    bytes: int
    characters: int
    tokens: int
    tokens_estimated: bool
    tokens_per_request: Spread | None
    time_to_first_byte: Spread | None
    time_to_first_event: Spread | None
    time_to_first_token: Spread | None
    time_to_first_text: Spread | None
    time_to_usage: Spread | None
    total: Spread | None
    gaps: Spread | None
    longest_silence: Spread | None
    tokens_per_second: Spread | None
    inter_token_latency: Spread | None
    time_per_output_token: Spread | None
    characters_per_second: Spread | None
    sooner: Spread | None
    sooner_ratio: Spread | None
    release_delay: Spread | None
    released: int

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, ready for JSON. `Summary.pool()` accepts the dictionary."""
        ends = {cause.value: times for cause, times in self.ends.items()}
        return {**attrs.asdict(self), "ends": ends}

    def __str__(self) -> str:
        table = list(self._rows())
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
            for row in table
        ]
        return "\n".join([*self._head(), *(lines if len(lines) > 1 else ())])

    def _head(self) -> Iterator[str]:
        ends = [f"{times:,} {cause.value}" for cause, times in self.ends.items()]
        if unknown := self.requests - sum(self.ends.values()):
            ends.append(f"{unknown:,} without a known end")
        yield f"{count(self.requests, 'request')}: {', '.join(ends)}".removesuffix(": ")
        if self.measured:
            yield f"{self.measured:,} measured: {', '.join(self._amounts())}"

    def _amounts(self) -> Iterator[str]:
        if self.tokens_per_request is not None:
            yield f"{'about ' if self.tokens_estimated else ''}{count(self.tokens, 'token')}"
        if self.characters:
            yield count(self.characters, "character")
        else:
            yield count(self.events, "event")
        if self.stalled:
            yield f"{self.stalled:,} stalled"

    def _rows(self) -> Iterator[list[str]]:
        yield ["", "count", *_COLUMNS]
        for names, write in ((_DURATIONS, duration), (_NUMBERS, number)):
            for name in names:
                spread = getattr(self, name)
                if spread is not None:
                    figures = [write(getattr(spread, column)) for column in _COLUMNS]
                    yield [name.replace("_", " "), f"{spread.count:,}", *figures]


class Merger:
    """
    Builder of a `PooledSummary`.

    Args:
        only_complete: Whether to measure only streams that ended complete.
    """

    def __init__(self, *, only_complete: bool) -> None:
        self._only_complete = only_complete
        self._sums = Counter[str]()
        self._ends = Counter[EndCause]()
        self._estimated = False
        self._values = {name: Counter[float]() for name in ("tokens_per_request", *_SPREADS)}

    def add(self, summary: Summary | PooledSummary) -> None:
        if isinstance(summary, PooledSummary):
            self._add_pool(summary)
        else:
            self._add_request(summary)

    def _add_request(self, summary: Summary) -> None:
        self._sums["requests"] += 1
        if summary.end is None:
            is_complete = summary.total is not None
        else:
            is_complete = End(summary.end).complete
            self._ends[summary.end] += 1
        if is_complete or not self._only_complete:
            self._sums["measured"] += 1
            self._sums["stalled"] += bool(summary.stalls)
            self._sums["tokens"] += summary.tokens or 0
            self._add_values("tokens_per_request", summary.tokens)
            self._add_figures(summary)

    def _add_pool(self, pool: PooledSummary) -> None:
        ends = pool.ends.values()
        if max(pool.measured, sum(ends)) > pool.requests or min(pool.measured, *ends, 0) < 0:
            raise ValueError(
                f"{pool.requests} requests can't be {pool.measured} measured and {sum(ends)} ended"
            )
        self._ends.update(pool.ends)
        for name in _COUNTS:
            self._sums[name] += getattr(pool, name)
        self._add_values("tokens_per_request", pool.tokens_per_request)
        self._add_figures(pool)

    def _add_figures(self, summary: Summary | PooledSummary) -> None:
        self._estimated |= summary.tokens_estimated
        for name in _SUMS:
            self._sums[name] += getattr(summary, name)
        for name in _SPREADS:
            self._add_values(name, getattr(summary, name))

    def _add_values(self, name: str, figure: float | Spread | None) -> None:
        if figure is None:
            return
        values, counts = figure.histogram if isinstance(figure, Spread) else ((figure,), (1,))
        if len(values) != len(counts):
            raise ValueError(f"{name} has {len(values)} values, but {len(counts)} counts")
        merged = self._values[name]
        for value, times in zip(values, counts, strict=True):
            # Limits far above real figures, so that no mean overflows.
            if not (-1e100 < value < 1e100 and 0 < times < 1e100):
                raise ValueError(
                    f"{name} has {value!r}, {times!r} times: expected a number, at least once"
                )
            merged[rounded(value)] += times

    def pooled(self) -> PooledSummary:
        fields: dict[str, Any] = {
            **{name: self._sums[name] for name in (*_COUNTS, *_SUMS)},
            **{name: Spread.of(values.items()) for name, values in self._values.items()},
            "ends": {cause: self._ends[cause] for cause in EndCause if self._ends[cause]},
            "tokens_estimated": self._estimated,
        }
        return PooledSummary(**fields)
