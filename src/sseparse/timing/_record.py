"""Measurements of one stream."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Protocol

from attrs import frozen

from .._end import End
from ..payloads._model import TokenCounts


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


def token_counts_of(usage: TokenUsage | int | None) -> TokenCounts | None:
    if usage is None:
        return None
    return TokenCounts(output=usage) if isinstance(usage, int) else usage.token_counts()


@frozen
class Record:
    """
    Measurements of one stream; all times are in seconds since the request.

    Attributes:
        first_byte: Time of the first byte, or None.
        first_event: Time of the first event, or None.
        chunks: Time of each chunk.
        sizes: Characters of any generated text in each chunk.
        texts: Characters of content in each chunk.
        pieces: Time of each piece of the body that completed events.
        piece_events: Events that each of these pieces completed.
        comments: Time of each piece of the body that completed comments.
        comment_count: Number of comments.
        bytes: Number of bytes.
        last_byte: Time of the last piece that wasn't empty, or None.
        silence: Longest time between two such pieces, or None for fewer than two.
        releases: Time of each release of a moderation gate, and its number of characters.
        ended: Time of the end, or None while the stream is open.
        end: How the stream ended, or None if that is unknown.
        reasoned: Whether reasoning was received as text.
        usage: Usage in the result, or None.
        response_id: The result's id, or None.
        model: The model in the result, or None.
    """

    first_byte: float | None
    first_event: float | None
    chunks: tuple[float, ...]
    sizes: tuple[int, ...]
    texts: tuple[int, ...]
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
    def gaps(self) -> list[float]:
        """Seconds from each arrival to the next."""
        return [later - earlier for earlier, later in pairwise(self.arrivals)]

    @property
    def first_token(self) -> float | None:
        """Time of the first chunk that brought generated text of any kind, or None."""
        return _first(self.chunks, self.sizes)

    @property
    def last_token(self) -> float | None:
        """Time of the last chunk that brought generated text of any kind, or None."""
        return _first(reversed(self.chunks), reversed(self.sizes))

    @property
    def first_text(self) -> float | None:
        """Time of the first chunk that brought content, or None."""
        return _first(self.chunks, self.texts)


def _first(times: Iterable[float], sizes: Iterable[int]) -> float | None:
    return next((time for time, size in zip(times, sizes, strict=True) if size), None)
