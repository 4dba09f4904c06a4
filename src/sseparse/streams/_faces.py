"""What the synchronous and the asynchronous streams show alike: nothing here waits."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from .._ends import End
from .._interpreter import ItemT
from .._parser import Parser
from .._stage import Uncopyable
from ..chunks import Accumulator, Result
from ._chunk_state import ChunkState
from ._state import StreamState

T = TypeVar("T")


class Face(Uncopyable, Generic[T]):
    """Show how a stream ended."""

    def __init__(self, source: object, state: StreamState[T]) -> None:
        self._source: Any = source
        self._state = state

    @property
    def end(self) -> End | None:
        """How the stream ended, or None while it goes on."""
        return self._state.end


class EventFace(Generic[ItemT]):
    """Show what a reconnection needs."""

    _parser: Parser[ItemT]

    @property
    def last_event_id(self) -> str:
        """The last event ID: what a reconnection would send as `Last-Event-ID`."""
        return self._parser.last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds, or None where the stream never set one."""
        return self._parser.retry


class ChunkFace:
    """Show what the chunks handed out amount to."""

    _chunks: ChunkState

    @property
    def last_event_id(self) -> str:
        """The last event ID: what a reconnection would send as `Last-Event-ID`."""
        return self._chunks.parser.last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds, or None where the stream never set one."""
        return self._chunks.parser.retry

    @property
    def skipped(self) -> int:
        """How many events were dropped because their data was not a JSON object."""
        return self._chunks.parser.skipped

    @property
    def accumulator(self) -> Accumulator:
        """What the chunks handed out amount to."""
        return self._chunks.accumulator

    def snapshot(self) -> Result:
        """Return the completion as far as the chunks handed out go."""
        return self._chunks.partial
