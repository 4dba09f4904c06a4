"""What a timeline is told of a stage."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from .._ends import End
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


class Teller(Generic[T]):
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
        self._ended = False

    def tell(self, size: int, items: list[T]) -> None:
        """
        Tell that a piece came.

        Args:
            size: How many bytes it had; 0 for the end of the stream.
            items: What it completed.
        """
        events, comments = self._stage.events_seen, self._stage.comments_seen
        self._timeline.on_bytes(
            size, events=events - self._events_told, comments=comments - self._comments_told
        )
        self._events_told, self._comments_told = events, comments
        for item in items:
            if isinstance(item, _CHUNKS):
                self._timeline.on_chunk(item)

    def tell_end(self, end: End) -> None:
        """Tell that the stream ended, and how."""
        # Once, also where the timeline raised.
        if not self._ended:
            self._ended = True
            self._timeline.on_end(end)
