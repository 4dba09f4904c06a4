"""Asynchronous streams, for the event loops of asyncio and trio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, Unpack, cast, overload

from .._deadlines import Deadlines, TimeUp, require_timers, running_timers
from .._log import debug
from .._options import EventOptions
from .._stage import Uncopyable
from ..adapters._registry import AsyncReadable, is_interruptible, is_pooled, open_async
from ..sse._core import ItemT as EventT
from ..sse._event import Comment, Event
from ..sse._parser import Parser
from ._event_reader import EventReader
from ._protocols import ItemT, Recorder, ResultT, TextItemT
from ._state import BaseItemStream, BaseStream, EventStreamOptions

if TYPE_CHECKING:
    # Streams of events load no library of JSON.
    from ..payloads._parse import TextType
    from ._reader import Reader

T = TypeVar("T")
UpdateT = TypeVar("UpdateT")


class AsyncDriver(BaseStream[ItemT], AsyncIterator[ItemT]):
    """Driver of an asynchronous stream: reads the source when the reader needs bytes."""

    _pieces: AsyncIterator[bytes] | None

    async def __anext__(self) -> ItemT:
        """
        Return the next item, waiting for it.

        Raises:
            StopAsyncIteration: The stream is complete.
            SSEError: The stream ended with an error; all items before it were returned.
            RuntimeError: The stream was closed before its end.
        """
        reader = self._reader
        while (item := reader.pop()) is None:
            if reader.over:
                # An error in closing the source doesn't change how the stream ended. An explicit
                # aclose() raises it.
                with suppress(Exception):
                    await self._close_source()
                reader.raise_error()
                raise StopAsyncIteration
            await self._read()
        return item

    async def _read(self) -> None:
        timers = require_timers("deadlines need") if self._is_timed else None
        seconds = None
        if timers is not None:
            seconds = self._begin_wait(timers.now())
            if self._reader.over:
                return
        try:
            if self._pieces is None:
                self._pieces = aiter(self._source)
            coming = anext(self._pieces)
            if timers is None or seconds is None:
                piece = await coming
            else:
                piece = await timers.within(seconds, coming)
        except StopAsyncIteration:
            self._receive_end()
        except TimeUp:
            self._time_out()
        except (RuntimeError, TypeError):
            # Misuse of the source, not a failure of the connection.
            self._interrupted = True
            raise
        except Exception as error:  # a source can raise anything
            self._receive_failure(error)
        except BaseException:
            if not is_interruptible(self._source):
                self._interrupted = True
            raise
        else:
            if self._reader.over:  # another task closed the stream during the read
                return
            try:
                if timers is None:
                    self._receive(piece)
                else:
                    self._receive_at(piece, timers.now())
            except BaseException:
                self._reader.stopped = True
                raise

    async def aclose(self) -> None:
        """
        Close the source. Closing again does nothing.

        Items that were read but not returned are dropped, unless the stream had ended.
        """
        self._reader.cancel()
        await self._close_source()

    async def _close_source(self) -> None:
        try:
            await self._drain()
        finally:
            try:
                if self._pieces is not self._source:
                    await _close(self._pieces)
            finally:
                await _close(self._source)

    async def _drain(self) -> None:
        """
        Read on for a while after the end.

        At the end of its body a connection returns to its pool, and what follows an error of the
        server completes the result.
        """
        seconds = self._take_drain_time()
        pieces, timers = self._pieces, running_timers()
        if not seconds or pieces is None or timers is None or not is_pooled(self._source):
            return
        debug("stream %x: reads on for at most %s s", id(self._reader), seconds)
        until = timers.now() + seconds
        # An error here doesn't change how the stream ended.
        with suppress(Exception):
            while (left := until - timers.now()) > 0:
                self._reader.push_late(await timers.within(left, anext(pieces)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


async def _close(source: object) -> None:
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()


class AsyncEventStream(AsyncDriver[EventT]):
    """
    Asynchronous iterator over the events of a response.

    A second loop continues where the first one stopped. As a context manager, the stream closes the
    source at the end of the block.

    Args:
        source: An asynchronous iterable of bytes, a streamed response of aiohttp or of an
            asynchronous client of httpx or httpx2, or a stream of trio or anyio on which a request
            was sent.
        comments: Whether to return comments too. Default: False.
        deadlines: Limits on the wait for the source, as in `AsyncStream`; None, the default, for no
            limit.
        timeline: Recorder of arrival times, such as a `sseparse.timing.Timeline`. Default: None.
        options: The options of `Parser`.

    Raises:
        TypeError: The source can't be read.
        ValueError: An option has an invalid value.
    """

    @overload
    def __init__(
        self: AsyncEventStream[Event],
        source: AsyncReadable,
        *,
        comments: Literal[False] = ...,
        **options: Unpack[EventStreamOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: AsyncEventStream[Event | Comment],
        source: AsyncReadable,
        *,
        comments: bool,
        **options: Unpack[EventStreamOptions],
    ) -> None: ...

    def __init__(
        self,
        source: AsyncReadable,
        *,
        comments: bool = False,
        deadlines: Deadlines | None = None,
        timeline: Recorder | None = None,
        **options: Unpack[EventOptions],
    ) -> None:
        opened = open_async(source, "AsyncEventStream")
        parser = cast("Parser[EventT]", Parser(comments=comments, **options))
        reader = EventReader(parser, response=opened, timeline=timeline)
        super().__init__(opened, reader, deadlines)


class AsyncItemStream(
    AsyncDriver[TextItemT],
    BaseItemStream[TextItemT, ResultT],
    Generic[TextItemT, ResultT, UpdateT],
):
    """Base class of the asynchronous streams of an API's items."""

    accumulator: Any  # each API has its own

    def __init__(
        self,
        source: AsyncReadable,
        make_reader: Callable[..., Reader[Any, Any]],
        *,
        deadlines: Deadlines | None = None,
        drain: float = 0.1,
        **options: Any,
    ) -> None:
        opened = open_async(source, type(self).__name__)
        reader = make_reader(opened, **options)
        super().__init__(opened, reader, deadlines, drain)
        self.accumulator = reader.accumulator

    def text_deltas(self) -> AsyncIterator[str]:
        """Iterate over the new text of choice 0. Items without text are skipped."""
        return AsyncStreamIterator(self._next_text)

    def updates(self) -> AsyncIterator[UpdateT]:
        """
        Iterate over the updates of each item, as the accumulator's `updates()` returns them.

        If the stream is complete, the updates that its end completes come last. Errors are raised
        as when you iterate over the items.
        """
        return AsyncStreamIterator(self._next_update)

    async def _next_text(self) -> str:
        async for item in self:
            try:
                text = item.text
            except BaseException:
                self._reader.stopped = True
                raise
            if text:
                return text
        raise StopAsyncIteration

    async def _next_update(self) -> Any:
        reader = self._reader
        while (update := reader.pop_update()) is None:
            reader.tracks_updates = True
            try:
                await anext(self)
            except StopAsyncIteration:
                if not reader.push_last_updates():
                    raise
            finally:
                reader.tracks_updates = False
        return update

    async def result(self) -> ResultT:
        """
        Read the rest of the stream and return the finished result.

        Raises:
            SSEError: The stream isn't complete, or its tokens can't be counted as requested;
                `partial` has the result so far.
            RuntimeError: The stream was closed before its end.
        """
        async for _ in self:
            pass
        return self._reader.result()

    @overload
    async def parse(self, kind: TextType[T], /) -> T: ...
    @overload
    async def parse(self, kind: object, /) -> Any: ...
    async def parse(self, kind: Any, /) -> Any:
        """
        Read the rest of the stream, and parse the text of choice 0 as a type.

        Args:
            kind: The type or callable, as for `parse()` of the result.

        Raises:
            SSEError: As for `result()`, or a `ParseError` if the text can't be parsed as the type.
            RuntimeError: The stream was closed before its end.
            TypeError: `kind` is neither a supported type nor a callable.
        """
        result: Any = await self.result()
        return result.parse(kind)


class AsyncStreamIterator(Uncopyable, AsyncIterator[T], Generic[T]):
    """Iterator over what a function of a stream returns until it raises StopAsyncIteration."""

    # A class, not an async generator, whose clean-up would be left to the garbage collector.

    def __init__(self, read: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._read = read

    def __anext__(self) -> Coroutine[Any, Any, T]:
        return self._read()
