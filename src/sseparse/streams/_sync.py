"""Blocking streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, Unpack, cast, overload

from .._log import debug
from .._options import EventOptions
from .._stage import Uncopyable
from ..adapters._registry import SyncReadable, is_pooled, open_sync, wait_at_most, wake
from ..sse._core import ItemT as EventT
from ..sse._event import Comment, Event
from ..sse._parser import Parser
from ._event_reader import EventReader
from ._protocols import ItemT, Recorder, ResultT, TextItemT
from ._state import BaseItemStream, BaseStream, EventStreamOptions

if TYPE_CHECKING:
    from .._deadlines import Deadlines

    # Streams of events load no library of JSON.
    from ..payloads._parse import TextType
    from ._reader import Reader

T = TypeVar("T")
UpdateT = TypeVar("UpdateT")


class SyncDriver(BaseStream[ItemT], Iterator[ItemT]):
    """Driver of a stream: reads the source when the reader needs bytes."""

    _pieces: Iterator[bytes] | None
    _reading = False  # whether a read is in progress
    _to_close = False  # whether close() was called, also by another thread during a read

    def __next__(self) -> ItemT:
        """
        Return the next item, waiting for it.

        Raises:
            StopIteration: The stream is complete.
            SSEError: The stream ended with an error; all items before it were returned.
            RuntimeError: The stream was closed before its end.
        """
        reader = self._reader
        while (item := reader.pop()) is None:
            if reader.over:
                # An error in closing the source doesn't change how the stream ended. An explicit
                # close() raises it.
                with suppress(Exception):
                    self._close_source()
                reader.raise_error()
                raise StopIteration
            self._read()
        return item

    def _read(self) -> None:
        # If another thread calls close() meanwhile, this one closes the source after its read.
        self._reading = True
        try:
            if self._is_timed:
                wait_at_most(self._source, self._begin_wait(monotonic()))
                if self._reader.over:
                    return
            if self._pieces is None:
                self._pieces = iter(self._source)
            piece = next(self._pieces)
        except Exception as error:  # a source can raise anything
            # close() in another thread woke this read, which can raise for that reason.
            if not self._to_close:
                self._handle_exception(error)
        except BaseException:
            # An iterator in C can have lost a piece before Python noticed the interrupt: the next
            # piece would look like the continuation.
            self._reader.cancel()
            raise
        else:
            try:
                if self._is_timed:
                    self._receive_at(piece, monotonic())
                else:
                    self._receive(piece)
            except BaseException:
                self._reader.stopped = True
                raise
        finally:
            self._reading = False
            if self._to_close:
                self._reader.cancel()

    def _handle_exception(self, error: Exception) -> None:
        match error:
            case StopIteration():
                self._receive_end()
            case RuntimeError() | TypeError():
                # Misuse of the source, not a failure of the connection.
                self._interrupted = True
                raise error
            case _:
                self._receive_failure(error, monotonic())

    def close(self) -> None:
        """
        Close the source. Closing again does nothing.

        Items that were read but not returned are dropped, unless the stream had ended. Another
        thread can call this method. A read that waits then raises RuntimeError, at once if the
        source has `wake()`.
        """
        self._to_close = True
        if self._reading:
            wake(self._source)
        else:
            self._reader.cancel()
            self._close_source()

    def _close_source(self) -> None:
        try:
            self._drain()
        finally:
            try:
                if self._pieces is not self._source:
                    _close(self._pieces)
            finally:
                _close(self._source)

    def _drain(self) -> None:
        """
        Read on for a while after the end.

        At the end of its body a connection returns to its pool, and what follows an error of the
        server completes the result.
        """
        seconds = self._take_drain_time()
        pieces = self._pieces
        # A read of any other source can block for longer.
        is_limited = is_pooled(self._source) or type(self._source) in (list, tuple)
        if not seconds or pieces is None or not is_limited:
            return
        debug("stream %x: reads on for at most %s s", id(self._reader), seconds)
        until = monotonic() + seconds
        # An error here doesn't change how the stream ended.
        with suppress(Exception):
            while (left := until - monotonic()) > 0:
                wait_at_most(self._source, left)
                self._reader.push_late(next(pieces))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _close(source: object) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        close()


class EventStream(SyncDriver[EventT]):
    """
    Iterator over the events of a response.

    A second loop continues where the first one stopped. As a context manager, the stream closes the
    source at the end of the block.

    Args:
        source: An iterable of bytes, a streamed response of requests, urllib3, httpx, httpx2 or
            http.client, or a socket on which a request was sent.
        comments: Whether to return comments too. Default: False.
        deadlines: Limits on the wait for the source, as in `Stream`; None, the default, for no
            limit.
        timeline: Recorder of arrival times, such as a `sseparse.timing.Timeline`. Default: None.
        options: The options of `Parser`.

    Raises:
        TypeError: The source can't be read.
        ValueError: An option has an invalid value.
    """

    @overload
    def __init__(
        self: EventStream[Event],
        source: SyncReadable,
        *,
        comments: Literal[False] = ...,
        **options: Unpack[EventStreamOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: EventStream[Event | Comment],
        source: SyncReadable,
        *,
        comments: bool,
        **options: Unpack[EventStreamOptions],
    ) -> None: ...

    def __init__(
        self,
        source: SyncReadable,
        *,
        comments: bool = False,
        deadlines: Deadlines | None = None,
        timeline: Recorder | None = None,
        **options: Unpack[EventOptions],
    ) -> None:
        opened = open_sync(source, "EventStream")
        parser = cast("Parser[EventT]", Parser(comments=comments, **options))
        reader = EventReader(parser, response=opened, timeline=timeline)
        super().__init__(opened, reader, deadlines)


class ItemStream(
    SyncDriver[TextItemT],
    BaseItemStream[TextItemT, ResultT],
    Generic[TextItemT, ResultT, UpdateT],
):
    """Base class of the streams of an API's items."""

    accumulator: Any  # each API has its own

    def __init__(
        self,
        source: SyncReadable,
        make_reader: Callable[..., Reader[Any, Any]],
        *,
        deadlines: Deadlines | None = None,
        drain: float = 0.1,
        **options: Any,
    ) -> None:
        opened = open_sync(source, type(self).__name__)
        reader = make_reader(opened, **options)
        super().__init__(opened, reader, deadlines, drain)
        self.accumulator = reader.accumulator

    def text_deltas(self) -> Iterator[str]:
        """Iterate over the new text of choice 0. Items without text are skipped."""
        return StreamIterator(self._next_text)

    def updates(self) -> Iterator[UpdateT]:
        """
        Iterate over the updates of each item, as the accumulator's `updates()` returns them.

        If the stream is complete, the updates that its end completes come last. Errors are raised
        as when you iterate over the items.
        """
        return StreamIterator(self._next_update)

    def _next_text(self) -> str:
        for item in self:
            try:
                text = item.text
            except BaseException:
                self._reader.stopped = True
                raise
            if text:
                return text
        raise StopIteration

    def _next_update(self) -> Any:
        reader = self._reader
        while (update := reader.pop_update()) is None:
            reader.tracks_updates = True
            try:
                next(self)
            except StopIteration:
                if not reader.push_last_updates():
                    raise
            finally:
                reader.tracks_updates = False
        return update

    def result(self) -> ResultT:
        """
        Read the rest of the stream and return the finished result.

        Raises:
            SSEError: The stream isn't complete, or its tokens can't be counted as requested;
                `partial` has the result so far.
            RuntimeError: The stream was closed before its end.
        """
        for _ in self:
            pass
        return self._reader.result()

    @overload
    def parse(self, kind: TextType[T], /) -> T: ...
    @overload
    def parse(self, kind: object, /) -> Any: ...
    def parse(self, kind: Any, /) -> Any:
        """
        Read the rest of the stream, and parse the text of choice 0 as a type.

        Args:
            kind: The type or callable, as for `parse()` of the result.

        Raises:
            SSEError: As for `result()`, or a `ParseError` if the text can't be parsed as the type.
            RuntimeError: The stream was closed before its end.
            TypeError: `kind` is neither a supported type nor a callable.
        """
        result: Any = self.result()
        return result.parse(kind)


class StreamIterator(Uncopyable, Iterator[T], Generic[T]):
    """Iterator over what a function of a stream returns until it raises StopIteration."""

    # A class, not a generator: a generator is exhausted after an exception, and a later loop would
    # look complete.

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read

    def __next__(self) -> T:
        return self._read()
