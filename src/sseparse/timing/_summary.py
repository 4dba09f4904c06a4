"""Measurements of one stream, and their summary."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Final, Protocol

import attrs
import msgspec
from attrs import frozen

from .._end import End, EndCause
from .._errors import count
from .._options import check_seconds
from ..payloads._model import TokenCounts
from ._pool import Merger, PooledSummary
from ._spread import Spread, duration, number, rate


class TokenUsage(Protocol):
    """Token usage as any API reports it."""

    def token_counts(self) -> TokenCounts:
        """Return the counts under names that all APIs share."""
        ...


class StreamResult(Protocol):
    """The result of a stream, complete or partial."""

    @property
    def id(self) -> str | None: ...
    @property
    def model(self) -> str | None: ...
    @property
    def usage(self) -> TokenUsage | None: ...


@frozen
class Record:
    """
    Measurements of one stream; all times are in seconds since the request.

    None stands for what wasn't received, or isn't known yet.

    Attributes:
        first_byte: Time of the first byte of the body.
        first_event: Time of the first event.
        chunks: Time of each chunk.
        sizes: Number of characters of output in each chunk: generated text of any kind, or else the
            names of called tools.
        texts: Number of characters of content in each chunk.
        first_tokens: Tokens up to the first chunk with output, if the usage in that chunk has them.
        usage_at: Time of the last chunk with token counts.
        pieces: Time of each piece of the body that completed events.
        piece_events: Number of events that each of these pieces completed.
        comments: Time of each piece of the body that completed comments.
        comment_count: Number of comments.
        bytes: Number of bytes of the body.
        last_byte: Time of the last piece that wasn't empty, or None.
        silence: Longest time between two such pieces, or None for fewer than two.
        releases: Time of each release of content of choice 0 by a moderation gate, and its number
            of characters.
        ended: Time of the end, or None while the stream is open.
        end: How the stream ended, or None if that is unknown.
        reasoned: Whether reasoning was received as text.
        usage: Token counts of the result, or None.
        response_id: The `id` of the result, or None.
        model: The model of the result, or None.
    """

    first_byte: float | None
    first_event: float | None
    chunks: tuple[float, ...]
    sizes: tuple[int, ...]
    texts: tuple[int, ...]
    first_tokens: int | None
    usage_at: float | None
    pieces: tuple[float, ...]
    piece_events: tuple[int, ...]
    comments: tuple[float, ...]
    comment_count: int
    bytes: int
    last_byte: float | None
    silence: float | None
    releases: tuple[tuple[float, int], ...]
    ended: float | None
    end: End | None
    reasoned: bool
    usage: TokenUsage | None
    response_id: str | None
    model: str | None

    @property
    def finish_reasons(self) -> dict[int, str]:
        """The finish reason of each finished choice, by the choice's index."""
        if self.end is None:
            return {}
        reasons = self.end.finish_reasons.items()
        return {index: reason for index, reason in reasons if reason is not None}

    @property
    def arrivals(self) -> tuple[float, ...]:
        """Time of each chunk; without chunks, of each piece that completed events."""
        return self.chunks or self.pieces

    @property
    def amounts(self) -> tuple[int, ...]:
        """Characters of each arrival; without chunks, events."""
        return self.sizes if self.chunks else self.piece_events

    @property
    def outputs(self) -> tuple[float, ...]:
        """Time of each chunk with output; without chunks, of each piece that completed events."""
        if not self.chunks:
            return self.pieces
        return tuple(at for at, size in zip(self.chunks, self.sizes, strict=True) if size)

    @property
    def gaps(self) -> list[float]:
        """Seconds from each of the `outputs` to the next."""
        return [later - earlier for earlier, later in pairwise(self.outputs)]

    @property
    def first_token(self) -> float | None:
        """Time of the first chunk with output, or None."""
        return _first(self.chunks, self.sizes)

    @property
    def last_token(self) -> float | None:
        """Time of the last chunk with output, or None."""
        return _first(reversed(self.chunks), reversed(self.sizes))

    @property
    def first_text(self) -> float | None:
        """Time of the first chunk with content, or None."""
        return _first(self.chunks, self.texts)


def _first(times: Iterable[float], sizes: Iterable[int]) -> float | None:
    return next((time for time, size in zip(times, sizes, strict=True) if size), None)


@frozen
class Stall:
    """
    A time in which a stream stalled.

    Attributes:
        start: Time of the last arrival before it, in seconds since the request.
        seconds: How long it lasted.
    """

    start: float
    seconds: float


@frozen
class Summary:
    """
    Figures of one stream: times, rates, gaps and stalls.

    Durations are in seconds. None stands for what wasn't observed.

    Attributes:
        time_to_first_byte: From the request to the first byte of the body.
        time_to_first_event: From the request to the first event.
        time_to_first_token: From the request to the first chunk with output: content, reasoning, a
            refusal, a transcript, or the name or arguments of a call.
        time_to_first_text: From the request to the first chunk with content.
        time_to_usage: From the request to the last chunk with token counts.
        total: From the request to the end.
        chunks: Number of chunks.
        events: Number of events.
        comments: Number of comments.
        bytes: Number of bytes of the body.
        characters: Number of characters of output of all choices.
        gaps: Times between chunks with output; without chunks, between pieces that completed
            events. The time to the first token isn't a gap, and neither is the time to the usage.
        stalls: The gaps longer than `stall_threshold`. If the stream ended before the answer was
            complete, such as by a timeout, the wait for that end counts too.
        stall_threshold: The gap above which the stream counts as stalled.
        longest_silence: The longest time without any bytes, comments included.
        tokens: Number of tokens of the answer.
        tokens_estimated: Whether `tokens` is an estimate, not the server's count.
        tokens_per_second: Tokens after the first chunk with output, divided by the time from that
            chunk to the last one with output. The first chunk has as many tokens as its usage
            reports, else one. Reasoning tokens without text are left out.
        inter_token_latency: The same time divided by the same tokens: 1 / `tokens_per_second`.
        time_per_output_token: From the request to the last chunk with output, divided by all
            tokens.
        characters_per_second: Characters after the first chunk with output, divided by the time of
            `tokens_per_second`.
        sooner: How many seconds before the end the first content arrived.
        sooner_ratio: `total` divided by `time_to_first_text`.
        release_delay: With a moderation gate: times from the arrival of each character of the
            content to its release. They are exact for one choice. With several choices, characters
            are matched in order of arrival.
        released: With a moderation gate: number of characters of the content released.
        end: How the stream ended, or None if that is unknown.
    """

    time_to_first_byte: float | None
    time_to_first_event: float | None
    time_to_first_token: float | None
    time_to_first_text: float | None
    time_to_usage: float | None
    total: float | None
    chunks: int
    events: int
    comments: int
    bytes: int
    characters: int
    gaps: Spread | None
    stalls: tuple[Stall, ...]
    stall_threshold: float
    longest_silence: float | None
    tokens: int | None
    tokens_estimated: bool
    tokens_per_second: float | None
    inter_token_latency: float | None
    time_per_output_token: float | None
    characters_per_second: float | None
    sooner: float | None
    sooner_ratio: float | None
    release_delay: Spread | None
    released: int
    end: EndCause | None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, ready for JSON. `Summary.pool()` accepts the dictionary."""
        figures = attrs.asdict(self)
        end = None if self.end is None else self.end.value
        return {**figures, "stalls": list(figures["stalls"]), "end": end}

    @staticmethod
    def pool(
        summaries: Iterable[Summary | PooledSummary | Mapping[str, Any]],
        *,
        only_complete: bool = True,
    ) -> PooledSummary:
        """
        Return the figures of several streams together.

        Pooling pools again gives the same result as pooling all summaries at once, in any order.
        Pass many summaries to each call, because a call reads all values of the pools passed to it.

        Args:
            summaries: Summaries, pools, and what their `to_dict()` or that of a timeline returned,
                such as in another process. Without any, the pool has no requests.
            only_complete: Whether to measure only streams that ended complete (`DONE` or
                `FINISHED`, or an end without a known cause). By default, all other streams, also
                those that are still open, count in `requests` and `ends` only.

        Raises:
            TypeError: One of `summaries` has another type.
            ValueError: A dictionary lacks a key, or a figure isn't a finite number.
        """
        merger = Merger(only_complete=only_complete)
        for position, each in enumerate(summaries):
            try:
                merger.add(_restore(each))
            except (ValueError, msgspec.ValidationError) as error:
                raise ValueError(f"summaries[{position}]: {error}") from error
        return merger.pooled()

    def __str__(self) -> str:
        return f"{', '.join(self._progress())}\n{', '.join(self._rates())}".rstrip()

    def _progress(self) -> Iterator[str]:
        if self.time_to_first_token is not None:
            yield f"first token after {duration(self.time_to_first_token)}"
        elif self.time_to_first_event is not None:
            yield f"first event after {duration(self.time_to_first_event)}"
        else:
            yield "nothing received"
        yield "still open" if self.total is None else f"end after {duration(self.total)}"
        if self.sooner_ratio is not None and self.sooner_ratio >= 1.1:
            yield f"first text {number(self.sooner_ratio)} times sooner than the end"
        if self.end is not None:
            yield f"end: {self.end.value}"

    def _rates(self) -> Iterator[str]:
        if self.tokens is not None:
            about = "about " if self.tokens_estimated else ""
            yield f"{about}{count(self.tokens, 'token')}{rate(self.tokens_per_second, 'tokens')}"
        if self.characters:
            per_second = rate(self.characters_per_second, "characters")
            yield f"{count(self.characters, 'character')}{per_second}"
        elif self.events:
            yield count(self.events, "event")
        if self.gaps is not None:
            yield f"gaps p50 {duration(self.gaps.p50)}"
            yield f"p95 {duration(self.gaps.p95)}"
            yield f"max {duration(self.gaps.max)}"
        if self.stalls:
            yield count(len(self.stalls), "stall")
        if self.release_delay is not None:
            yield f"gate delay p50 {duration(self.release_delay.p50)}"
            yield f"max {duration(self.release_delay.max)}"


def _restore(summary: Summary | PooledSummary | Mapping[str, Any]) -> Summary | PooledSummary:
    if isinstance(summary, (Summary, PooledSummary)):
        return summary
    if not isinstance(summary, Mapping):
        raise TypeError(f"expected a Summary or its to_dict(), got {type(summary).__name__}")
    kind: type[Summary | PooledSummary] = PooledSummary if "requests" in summary else Summary
    return msgspec.convert(summary, kind)


# A server can send an integer of any size, also one that no float can have.
_MOST_TOKENS: Final = 1 << 63


def token_counts_of(usage: TokenUsage | int | None, record: Record) -> TokenCounts | None:
    """Return the counts of a usage. Absurd ones, and zeros next to text, are unknown."""
    if usage is None:
        return None
    counts = TokenCounts(output=usage) if isinstance(usage, int) else usage.token_counts()
    if counts.output is not None and counts.output >= _MOST_TOKENS:
        counts = counts._replace(output=None)
    if counts.output == 0 and any(record.sizes):
        counts = counts._replace(input=counts.input or None, output=None)
    return counts


def summarize(
    record: Record, usage: TokenUsage | int | None = None, *, stall: float | None = None
) -> Summary:
    gaps = Spread.of([(gap, 1) for gap in record.gaps])
    if stall is not None:
        check_seconds("stall", stall)
    else:
        stall = 1.0 if gaps is None else max(1.0, 10 * gaps.p50)
    counts = token_counts_of(record.usage if usage is None else usage, record) or TokenCounts()
    later_tokens, later_characters = _later_tokens(record, counts), _later_characters(record)
    first, last = record.first_token or 0.0, record.last_token or 0.0
    total, first_text = record.ended, record.first_text
    silence = record.silence
    if record.last_byte is not None and total is not None:
        silence = max(silence or 0.0, total - record.last_byte)
    return Summary(
        time_to_first_byte=record.first_byte,
        time_to_first_event=record.first_event,
        time_to_first_token=record.first_token,
        time_to_first_text=first_text,
        time_to_usage=record.usage_at,
        total=total,
        chunks=len(record.chunks),
        events=sum(record.piece_events),
        comments=record.comment_count,
        bytes=record.bytes,
        characters=sum(record.sizes),
        gaps=gaps,
        stalls=tuple(_stalls(record, stall)),
        stall_threshold=stall,
        longest_silence=silence,
        tokens=counts.output,
        tokens_estimated=counts.estimated,
        tokens_per_second=_ratio(later_tokens, last - first),
        inter_token_latency=_ratio(last - first, later_tokens),
        time_per_output_token=_ratio(last, counts.output),
        characters_per_second=_ratio(later_characters, last - first),
        sooner=None if total is None or first_text is None else total - first_text,
        sooner_ratio=_ratio(total, first_text),
        release_delay=Spread.of(list(_release_delays(record))),
        released=sum(size for _, size in record.releases),
        end=None if record.end is None else record.end.cause,
    )


def _stalls(record: Record, threshold: float) -> Iterator[Stall]:
    times, end = record.outputs, record.end
    # Between the last output and a complete end is only the wait for the usage.
    is_broken = end is not None and not end.complete and not end.finish_seen
    if record.ended is not None and times and (is_broken or not record.chunks):
        times = (*times, record.ended)
    for at, later in pairwise(times):
        if later - at > threshold:
            yield Stall(at, later - at)


def _later_tokens(record: Record, counts: TokenCounts) -> int | None:
    """Return the number of tokens after the first chunk with output, or None if it's unknown."""
    tokens, first = counts.output, record.first_tokens
    if tokens is None:
        return None
    # Token counts of some servers lag a chunk behind.
    if first is not None and first < tokens:
        return tokens - first
    hidden = 0 if record.reasoned else counts.reasoning or 0  # their text wasn't received
    return tokens - hidden - 1


def _later_characters(record: Record) -> int:
    return sum(record.sizes) - next((size for size in record.sizes if size), 0)


def _ratio(amount: float | None, divisor: float | None) -> float | None:
    """Divide two measurements; None if one is unknown or not positive."""
    if amount is None or divisor is None or amount <= 0 or divisor <= 0:
        return None
    return amount / divisor


def _release_delays(record: Record) -> Iterator[tuple[float, int]]:
    """Yield how long released characters waited, and how many of them."""
    arrived = ((at, size) for at, size in zip(record.chunks, record.texts, strict=True) if size)
    arrival, waiting = 0.0, 0
    for at, size in record.releases:
        left = size
        while left:
            if not waiting:
                arrival, waiting = next(arrived, (math.inf, left))
            part = min(left, waiting)
            if arrival <= at:
                yield at - arrival, part
            left, waiting = left - part, waiting - part
