"""A stage under a timeline's eyes."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from .._ends import End
from .._errors import SSEError
from .._stage import Stage
from ..chunks import ChatCompletionChunk, CompletionChunk
from ._options import Recorder

T = TypeVar("T")

_CHUNKS = (ChatCompletionChunk, CompletionChunk)


class CountingStage(Stage[bytes, T], Protocol):
    """Describe a stage that says how many events and comments it has seen."""

    @property
    def events_seen(self) -> int:
        """How many events were dispatched."""
        ...

    @property
    def comments_seen(self) -> int:
        """How many comment lines came."""
        ...


class TimedStage(Generic[T]):
    """
    Tell a timeline what comes out of a stage, as soon as it does.

    Args:
        stage: What turns bytes into items.
        timeline: What is told.
    """

    def __init__(self, stage: CountingStage[T], timeline: Recorder) -> None:
        self._stage = stage
        self._timeline = timeline
        self._events_told = self._comments_told = 0

    @property
    def events_seen(self) -> int:
        """How many events were dispatched."""
        return self._stage.events_seen

    @property
    def comments_seen(self) -> int:
        """How many comment lines came."""
        return self._stage.comments_seen

    @property
    def error(self) -> SSEError | None:
        """The fault that stopped the stage, or None."""
        return self._stage.error

    @property
    def end(self) -> End | None:
        """How the input ended, or None while it goes on."""
        return self._stage.end

    def feed(self, piece: bytes, /) -> list[T]:
        """Take a piece of the stream; return the items that it completes."""
        items = self._stage.feed(piece)
        self._tell(len(piece), items)
        return items

    def close(self) -> list[T]:
        """Take the end of the stream; return the items that it completes."""
        items = self._stage.close()
        if items:
            self._tell(0, items)
        return items

    def _tell(self, size: int, items: list[T]) -> None:
        events, comments = self._stage.events_seen, self._stage.comments_seen
        self._timeline.on_bytes(
            size, events=events - self._events_told, comments=comments - self._comments_told
        )
        self._events_told, self._comments_told = events, comments
        for item in items:
            if isinstance(item, _CHUNKS):
                self._timeline.on_chunk(item)
