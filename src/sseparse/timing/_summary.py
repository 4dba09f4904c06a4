"""The figures of one stream."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import attrs
from attrs import frozen

from .._end import EndCause
from .._errors import count
from .._options import check_seconds
from ..chunks import CompletionUsage
from ._record import Record


@frozen
class Spread:
    """
    Tell how a number of durations spread, in seconds.

    A percentile is the smallest of them that so many percent of them do not exceed (the nearest
    rank): always one that was measured.

    Attributes:
        p50: The median.
        p95: What 95 % of them do not exceed.
        max: The longest.
    """

    p50: float
    p95: float
    max: float

    @classmethod
    def of(cls, seconds: Sequence[tuple[float, int]]) -> Spread | None:
        """
        Work it out; None for no durations.

        Args:
            seconds: Durations, and how many times each was measured.
        """
        if not seconds:
            return None
        ordered = sorted(seconds)
        total = sum(count for _, count in ordered)
        return cls(_rank(ordered, 0.5 * total), _rank(ordered, 0.95 * total), ordered[-1][0])


def _rank(ordered: Sequence[tuple[float, int]], rank: float) -> float:
    reached = accumulate(count for _, count in ordered)
    return next(
        seconds for (seconds, _), upto in zip(ordered, reached, strict=True) if upto >= rank
    )


@frozen
class Stall:
    """
    Tell when a stream stood still.

    Attributes:
        start: When the last thing before it came, in seconds since the request.
        seconds: How long nothing came.
    """

    start: float
    seconds: float


@frozen
class Summary:
    """
    Sum up a stream: durations in seconds, None for what never happened.

    Attributes:
        time_to_first_byte: From the request to the first byte of the body.
        time_to_first_event: From the request to the first event.
        time_to_first_token: From the request to the first chunk that brought anything generated:
            content, reasoning, a refusal, arguments of a tool call.
        time_to_first_text: From the request to the first chunk that brought content.
        total: From the request to the end.
        chunks: How many chunks came.
        events: How many events came.
        comments: How many comments came.
        bytes: How many bytes came.
        characters: How many characters were generated, in all choices: content, reasoning,
            refusals, arguments.
        gaps: The times from each chunk to the next; where no chunk came, from each piece that
            brought events to the next.
        stalls: The gaps longer than `stall_threshold`, the wait from the last of them to the end
            included.
        stall_threshold: From which gap on the stream stood still.
        longest_silence: The longest time without any bytes, from the first byte to the end;
            comments break it.
        tokens: How many tokens the answer has.
        tokens_estimated: Whether they were counted here; the server did not report them.
        tokens_per_second: Tokens by the time from the first token to the last.
        characters_per_second: Characters by the time from the first token to the last. What came
            with the first took none of that time and is left out, here and, in proportion, of
            the tokens; so are reasoning tokens whose text was not sent.
        sooner: How much sooner the first word of content came than the whole.
        sooner_ratio: How many times sooner.
        release_delay: With a gate: how long the content's characters waited between their arrival
            and their release. Exact for one choice; several are taken in order of arrival.
        released: With a gate: how many characters it let through.
        end: How the stream ended, where that was told.
    """

    time_to_first_byte: float | None
    time_to_first_event: float | None
    time_to_first_token: float | None
    time_to_first_text: float | None
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
    characters_per_second: float | None
    sooner: float | None
    sooner_ratio: float | None
    release_delay: Spread | None
    released: int
    end: EndCause | None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, ready for JSON."""
        plain = attrs.asdict(self)
        plain["stalls"] = list(plain["stalls"])
        plain["end"] = None if self.end is None else self.end.value
        return plain

    def __str__(self) -> str:
        return "\n".join(filter(None, (", ".join(self._came()), ", ".join(self._pace()))))

    def _came(self) -> Iterator[str]:
        if self.time_to_first_token is not None:
            yield f"first token after {duration(self.time_to_first_token)}"
        elif self.time_to_first_event is not None:
            yield f"first event after {duration(self.time_to_first_event)}"
        else:
            yield "nothing came"
        if self.total is None:
            yield "not at its end"
        else:
            yield f"all after {duration(self.total)}"
        if self.sooner is not None and self.sooner_ratio is not None:
            yield f"the first word {self.sooner_ratio:.3g} times sooner than the whole"
        if self.end is not None:
            yield f"end: {self.end.value}"

    def _pace(self) -> Iterator[str]:
        if self.tokens is not None:
            about = "about " if self.tokens_estimated else ""
            yield f"{about}{count(self.tokens, 'token')}{rate(self.tokens_per_second)}"
        if self.characters:
            yield f"{count(self.characters, 'character')}{rate(self.characters_per_second)}"
        elif self.events:
            yield count(self.events, "event")
        if self.gaps is not None:
            yield f"gaps p50 {duration(self.gaps.p50)}"
            yield f"p95 {duration(self.gaps.p95)}"
            yield f"max {duration(self.gaps.max)}"
        if self.stalls:
            yield count(len(self.stalls), "stall")
        if self.release_delay is not None:
            yield f"held by the gate p50 {duration(self.release_delay.p50)}"
            yield f"max {duration(self.release_delay.max)}"


def rate(per_second: float | None) -> str:
    """Write a rate after its number: " (42.1/s)", or nothing."""
    return "" if per_second is None else f" ({per_second:.3g}/s)"


def duration(seconds: float) -> str:
    """Write a duration for people: "420 ms", "6.40 s"."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.2f} s" if seconds < 100 else f"{seconds:.0f} s"


def summarize(
    record: Record, usage: CompletionUsage | int | None, *, stall: float | None
) -> Summary:
    """Sum up a record; `Timeline.summary()` says how."""
    gaps = Spread.of([(gap, 1) for gap in record.gaps])
    threshold = _threshold(gaps, stall)
    usage = record.usage if usage is None else usage
    tokens, moving = _tokens(usage, reasoned=record.reasoned)
    generating, share = _generation(record)
    total, word = record.ended, record.first_text
    characters = sum(record.sizes)
    return Summary(
        time_to_first_byte=record.first_byte,
        time_to_first_event=record.first_event,
        time_to_first_token=record.first_token,
        time_to_first_text=word,
        total=total,
        chunks=len(record.chunks),
        events=sum(record.piece_events),
        comments=record.comment_count,
        bytes=record.bytes,
        characters=characters,
        gaps=gaps,
        stalls=tuple(_stalls(record, threshold)),
        stall_threshold=threshold,
        longest_silence=_silence(record),
        tokens=tokens,
        tokens_estimated=bool(getattr(usage, "estimated", False)),
        tokens_per_second=_over(moving * share, generating) if moving is not None else None,
        characters_per_second=_over(characters * share, generating),
        sooner=None if total is None or word is None else total - word,
        sooner_ratio=None if total is None or word is None else _over(total, word),
        release_delay=Spread.of(list(_delays(record))),
        released=sum(size for _, size in record.releases),
        end=None if record.end is None else record.end.cause,
    )


def _threshold(gaps: Spread | None, stall: float | None) -> float:
    if stall is not None:
        check_seconds("stall", stall)
        return stall
    return 1.0 if gaps is None else max(1.0, 10 * gaps.p50)


def _tokens(
    usage: CompletionUsage | int | None, *, reasoned: bool
) -> tuple[int | None, int | None]:
    """Return how many tokens there are, and how many of them came as text."""
    if usage is None or isinstance(usage, int):
        return usage, usage
    tokens, details = usage.completion_tokens, usage.completion_tokens_details
    if tokens is None or details is None or reasoned:
        return tokens, tokens
    return tokens, max(0, tokens - (details.reasoning_tokens or 0))


def _generation(record: Record) -> tuple[float, float]:
    """Return how long the text took, and which part of it came after the first token."""
    first, last = record.first_token, record.last_token
    if first is None or last is None:
        return 0.0, 0.0
    opening = next(size for size in record.sizes if size)
    return last - first, 1 - opening / sum(record.sizes)


def _over(amount: float, seconds: float) -> float | None:
    return amount / seconds if seconds > 0 else None


def _stalls(record: Record, threshold: float) -> Iterator[Stall]:
    times = record.arrivals
    for start, seconds in zip(times, record.gaps, strict=False):
        if seconds > threshold:
            yield Stall(start, seconds)
    if times and record.ended is not None and record.ended - times[-1] > threshold:
        yield Stall(times[-1], record.ended - times[-1])


def _silence(record: Record) -> float | None:
    if record.last_byte is None or record.ended is None:
        return record.silence
    return max(record.silence or 0.0, record.ended - record.last_byte)


def _delays(record: Record) -> Iterator[tuple[float, int]]:
    """Say how long released characters waited, and how many waited so."""
    arrived = ((at, size) for at, size in zip(record.chunks, record.texts, strict=True) if size)
    since, waiting = 0.0, 0
    for at, size in record.releases:
        left = size
        while left:
            if not waiting:
                since, waiting = next(arrived, (math.inf, left))
            part = min(left, waiting)
            if since <= at:
                yield at - since, part
            left, waiting = left - part, waiting - part


def to_dict(record: Record, usage: CompletionUsage | int | None) -> dict[str, Any]:
    """Return the summary of a record, and its arrivals."""
    return {
        **summarize(record, usage, stall=None).to_dict(),
        "arrivals": _pairs(record.arrivals, record.amounts),
        "comment_times": list(record.comments),
        "releases": [[at, size] for at, size in record.releases],
    }


def _pairs(times: Sequence[float], amounts: Sequence[int]) -> list[list[float]]:
    return [[at, size] for at, size in zip(times, amounts, strict=True)]
