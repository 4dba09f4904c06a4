"""What a timeline noted, counted from the request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from attrs import field, frozen

from .._end import End
from ..chunks import CompletionUsage


@frozen
class Record:
    """
    Hold what a timeline noted; all times are in seconds since the request was sent.

    Attributes:
        first_byte: When the first byte came, or None.
        first_event: When the first event came, or None.
        chunks: When each chunk came.
        sizes: How many characters each chunk brought: content, reasoning, refusals and arguments
            of tool calls, over all choices.
        texts: How many of them were content.
        pieces: When each piece came that brought events.
        piece_events: How many events each of them brought.
        comments: When each piece came that brought comments, the signs of life.
        comment_count: How many comments came.
        bytes: How many bytes came.
        last_byte: When the last piece of any bytes came, or None.
        silence: The longest time between two pieces of any bytes, or None for fewer than two.
        releases: When a gate let text through, and how many characters.
        ended: When the stream ended, or None as long as it goes on.
        end: How it ended, where the end was told.
        reasoned: Whether reasoning came as text.
        usage: The last token counts that a chunk reported, or None.
        response_id: The completion's id, or None.
        model: The model that answers, or None.
        finish_reasons: Of each choice that finished, by its index, the first finish reason.
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
    usage: CompletionUsage | None
    response_id: str | None
    model: str | None
    finish_reasons: Mapping[int, str] = field(hash=False)

    @property
    def arrivals(self) -> tuple[float, ...]:
        """When each chunk came; where none came, each piece that brought events."""
        return self.chunks or self.pieces

    @property
    def amounts(self) -> tuple[int, ...]:
        """How much each arrival brought: characters, or, where no chunk came, events."""
        return self.sizes if self.chunks else self.piece_events

    @property
    def gaps(self) -> list[float]:
        """The seconds from each arrival to the next."""
        return [later - earlier for earlier, later in pairwise(self.arrivals)]

    @property
    def first_token(self) -> float | None:
        """When the first chunk came that brought anything generated, or None."""
        return next(_when(self.chunks, self.sizes), None)

    @property
    def last_token(self) -> float | None:
        """When the last chunk came that brought anything generated, or None."""
        return next(_when(reversed(self.chunks), reversed(self.sizes)), None)

    @property
    def first_text(self) -> float | None:
        """When the first chunk came that brought content, or None."""
        return next(_when(self.chunks, self.texts), None)


def _when(
    times: Iterator[float] | tuple[float, ...], sizes: Iterator[int] | tuple[int, ...]
) -> Iterator[float]:
    return (time for time, size in zip(times, sizes, strict=True) if size)
