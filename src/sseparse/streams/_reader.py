"""Reader of an API's items: the stages of one stream, with the verdict on its end, without I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast, overload

from msgspec.structs import replace

from .._end import End, EndCause
from .._errors import IncompleteStream, ServerSentError, SSEError
from .._log import debug
from .._stage import breaking, check_piece, raise_stored
from ._event_reader import EventReader
from ._protocols import ItemAccumulator, ItemT, Recorder, ResultT

if TYPE_CHECKING:
    from ..payloads._parse import TextType
    from ..payloads._parser import ItemParser
    from ..payloads._results import Note

T = TypeVar("T")


class Reader(EventReader[ItemT], Generic[ItemT, ResultT]):
    """
    Reader of one stream of an API's items, without I/O: parser, accumulator, completeness check.

    After an error that the server sent, `error` is set at once, but the stream can continue:
    servers send usage, cost and other choices after it. `feed()` then returns no items and only
    completes `error.partial`, until the terminal event or `close()`.

    Args:
        parser: The parser of the API's items.
        accumulator: The accumulator of the API.
        response: An object with the `status` and `headers` that errors report; or None.
        timeline: Recorder of arrival times; or None.
        incomplete: Returns the error for an end without the API's terminal event; None accepts it.

    Attributes:
        accumulator: The accumulator of the items returned so far.
    """

    _split_note: ClassVar[Note | None] = None  # for a result of which an event had several values

    # In an inner tuple, type checkers don't require annotations, which subclasses couldn't narrow.
    __slots__ = (
        *("_incomplete", "_limited", "_updates", "accumulator", "item_parser", "tracks_updates"),
    )

    def __init__(
        self,
        parser: ItemParser[ItemT],
        accumulator: ItemAccumulator[ItemT, ResultT],
        *,
        response: object = None,
        timeline: Recorder | None = None,
        incomplete: Callable[[End], IncompleteStream] | None = None,
    ) -> None:
        super().__init__(parser, response=response, timeline=timeline)
        self.item_parser = parser
        self.accumulator = accumulator
        self._incomplete = incomplete
        # The result before a late item that exceeds a limit.
        self._limited: ResultT | None = None
        parser.keep_late()
        self._updates: list[Any] | None = None
        self.tracks_updates = False
        """Whether `pop()` collects the updates of the items that it returns."""

    @property
    def error(self) -> SSEError | None:
        """The error that ended the stream, with the result so far as `partial`; or None."""
        error = super().error
        if error is not None:
            error.partial = self.snapshot()
        return error

    def snapshot(self) -> ResultT:
        """Return the result of the items returned so far."""
        result: Any = self.accumulator.snapshot() if self._limited is None else self._limited
        if self._split_note is not None and self.item_parser.was_split:
            result = replace(result, notes=(*result.notes, self._split_note))
        return cast("ResultT", result)

    def feed(self, data: bytes | bytearray | memoryview) -> list[ItemT]:
        """Feed bytes and return the items that they complete, as `EventReader` does."""
        if not self.continues:
            return super().feed(data)
        check_piece(data)
        self.push_late(data)
        return []

    def push_terminal(self) -> None:
        """End the stream if the API's terminal event was received."""
        if not self.item_parser.done or self.over:
            return
        self.item_parser.end_at_terminal()
        self.finish(self._judge(self.seen))
        self.continues = True

    @breaking
    def push_late(self, data: bytes | bytearray | memoryview) -> None:
        """Process bytes after the end, which can complete the result."""
        self.item_parser.feed_late(data)
        self._add_late()

    def _add_late(self) -> None:
        try:
            for item in self.item_parser.decode_late():
                self.accumulator.add(item)
        except SSEError as error:
            self._limited = error.partial
        # After an error of the server, nothing follows the terminal event.
        self.continues &= not (isinstance(self._error, ServerSentError) and self.item_parser.done)

    def finish(self, error: SSEError | None, cause: EndCause | None = None) -> None:
        """End the stream, with or without an error."""
        super().finish(error, cause)
        if self.item_parser.skipped:
            debug("stream %x: skipped events: %d", id(self), self.item_parser.skipped)
        self.continues: bool = isinstance(error, ServerSentError)
        if not self._ready:
            self._add_late()

    def result(self) -> ResultT:
        """
        Return the result of a stream that has ended.

        Raises:
            SSEError: The stream ended with an error; the result so far is its `partial`.
            RuntimeError: The stream hasn't ended.
        """
        self.raise_error()
        _ = self.end
        if self._limited is None:
            raise_stored(self.accumulator.error)
        return self.snapshot()

    @overload
    def parse(self, kind: TextType[T], /) -> T: ...
    @overload
    def parse(self, kind: object, /) -> Any: ...
    def parse(self, kind: Any, /) -> Any:
        """
        Parse the text of choice 0 as a type: call `result()`, and `parse()` of its return value.

        Raises:
            SSEError, RuntimeError: As for these two methods.
        """
        result: Any = self.result()
        return result.parse(kind)

    def pop(self) -> ItemT | None:
        """Accumulate and return the next item, or return None if another piece is needed."""
        ready = self._ready
        if not ready:
            if self._end is not None:
                self._add_late()
            return None
        try:
            item = ready.pop()
            if self.tracks_updates:
                self._add_updates(self.accumulator.updates(item))
            else:
                self.accumulator.add(item)
            return item  # noqa: TRY300 - an exception before the return loses the item
        except SSEError as error:
            # An item that exceeds a limit; those after it are dropped.
            self._ready = None
            self.finish(error)
            return None
        except BaseException:
            self.stopped = True
            raise

    def pop_update(self) -> Any:
        """Return the next update, or None."""
        return self._updates.pop() if self._updates else None

    @breaking
    def push_last_updates(self) -> bool:
        """Collect the updates of a complete end; return whether there are updates."""
        if self.end.complete:
            self._add_updates(self.accumulator.last_updates())
        return bool(self._updates)

    def _add_updates(self, updates: list[Any]) -> None:
        updates.reverse()
        self._updates = updates + self._updates if self._updates else updates

    @property
    def has_ready(self) -> bool:
        """Whether there is an item or update to return before the end."""
        return bool(self._ready or self._updates)

    def _drop_ready(self) -> None:
        self._ready = self._updates = None
        self.item_parser.decode_late()  # dropped, too

    def _record_end(self, timeline: Recorder, end: End) -> None:
        # Not a snapshot: items that were received but not returned yet are still to be added.
        timeline.on_end(end, self.accumulator)

    def _judge(self, end: End) -> SSEError | None:
        error = super()._judge(end)
        if error is None and self._incomplete is not None and not end.complete:
            return self._incomplete(end)
        return error

    def _record(self, size: int, items: list[ItemT]) -> None:
        timeline = cast(Recorder, self._timeline)
        super()._record(size, items)
        for item in items:
            timeline.on_item(item)
