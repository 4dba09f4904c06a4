"""Streams for those who wait with await, on any event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeVar, Unpack, cast, overload

from .._deadlines import Deadlines, Timers, TimeUp, running_timers
from .._options import EventOptions
from .._stage import Uncopyable
from ..adapters._registry import AsyncReadable, is_pooled, open_async
from ..chunks import Chunk, Result
from ..sse._core import ItemT
from ..sse._event import Comment, Event
from ..sse._parser import Parser
from ._state import ChunkFace, ChunkState, EventFace, Face, Recorder, StreamOptions, StreamState

if TYPE_CHECKING:
    from ..chunks import Update


T = TypeVar("T")


class AsyncDriver(Face[T]):
    """Bring bytes from an asynchronous source to a stream's state, and hand out its items."""

    def __init__(self, source: object, state: StreamState[T]) -> None:
        super().__init__(source, state)
        self._pieces: AsyncIterator[bytes] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        """
        Return the next item, waiting for it.

        Raises:
            StopAsyncIteration: The stream has come to its end.
            SSEError: It has come to another end; all items before the fault were returned.
            RuntimeError: It was closed before its end.
        """
        state = self._state
        while (item := state.pop()) is None:
            if state.over:
                # How the stream ended is what its reader asks; that its source did not close
                # well after that is no news. An explicit aclose() tells it.
                with suppress(Exception):
                    await self._close_source()
                state.raise_error()
                raise StopAsyncIteration
            await self._read()
        return item

    async def _read(self) -> None:
        state = self._state
        timers = _timers() if state.timed else None
        seconds = None
        if timers is not None:
            seconds = state.wait(timers.now())
            if state.over:
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
            state.take_end()
        except TimeUp:
            state.take_time_up()
        except (RuntimeError, TypeError):
            # Misuse of the source, not a failure of the connection.
            state.interrupt()
            raise
        except Exception as error:  # a source may raise anything
            state.take_failure(error)
        except BaseException:
            state.interrupt()
            raise
        else:
            try:
                if timers is None:
                    state.take(piece)
                else:
                    state.take_at(piece, timers.now())
            except BaseException:
                state.stopped = True
                raise

    async def aclose(self) -> None:
        """
        Close the source. Closing again does nothing.

        What was read and not yet handed out is dropped, unless the stream had come to its end.
        """
        self._state.cancel()
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
        """Read on for a while: at the end of its body a connection goes back to its pool."""
        seconds = self._state.drain_seconds()
        pieces, timers = self._pieces, running_timers()
        if not seconds or pieces is None or timers is None or not is_pooled(self._source):
            return
        until = timers.now() + seconds
        # Nothing that happens now changes how the stream ended.
        with suppress(Exception):
            while (left := until - timers.now()) > 0:
                await timers.within(left, anext(pieces))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


def _timers() -> Timers:
    timers = running_timers()
    if timers is None:
        raise RuntimeError("deadlines need the event loop of asyncio or trio, and neither runs")
    return timers


async def _close(source: object) -> None:
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()


class AsyncEventStream(AsyncDriver[ItemT], EventFace[ItemT]):
    """
    Iterate the events of a response, asynchronously.

    A second loop goes on where the first one stopped. As a context manager it closes the
    source when the block is left.

    Args:
        source: An asynchronous iterable of bytes, a streamed response of aiohttp or of an
            asynchronous client of httpx or httpx2, or a stream of trio or anyio on which a request
            was sent.
        comments: Whether to iterate comments too.
        deadlines: For how long the source may be waited for, as in `AsyncStream`.
        timeline: What notes when all that came did: a `sseparse.timing.Timeline`.
        options: The options of `Parser`.

    Raises:
        TypeError: The source is nothing that can be read.
        ValueError: An option has no such value.
    """

    @overload
    def __init__(
        self: AsyncEventStream[Event],
        source: AsyncReadable,
        *,
        comments: Literal[False] = ...,
        deadlines: Deadlines | None = ...,
        timeline: Recorder | None = ...,
        **options: Unpack[EventOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: AsyncEventStream[Event | Comment],
        source: AsyncReadable,
        *,
        comments: bool,
        deadlines: Deadlines | None = ...,
        timeline: Recorder | None = ...,
        **options: Unpack[EventOptions],
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
        parser = cast("Parser[ItemT]", Parser(comments=comments, **options))
        opened = open_async(source, "AsyncEventStream")
        super().__init__(opened, StreamState(parser, opened, deadlines, timeline))
        self._parser = parser


class AsyncStream(AsyncDriver[Chunk], ChunkFace):
    """
    Iterate the chunks of a streamed completion, asynchronously.

    A second loop goes on where the first one stopped. As a context manager it closes the
    source when the block is left. Every error carries the completion so far as `partial`.

    Args:
        source: An asynchronous iterable of bytes, a streamed response of aiohttp or of an
            asynchronous client of httpx or httpx2, or a stream of trio or anyio on which a request
            was sent.
        on_incomplete: What an end does that neither [DONE] nor a finish reason announced:
            "raise", the default, raises `IncompleteStream` after the last chunk; "accept" ends
            quietly.
        deadlines: For how long the source may be waited for, once it is there: the wait for the
            head of a response is its client's. By the clock of the event loop, asyncio's or
            trio's.
        drain: For how long to read on after [DONE], in seconds, so that the connection can go
            back to its pool; 0 closes it at once. A server that never ends the body costs that
            long, after the last item.
        max_tool_calls: How many tool calls there may be; None for no limit.
        max_accumulated_bytes: How much may be kept of the completion, roughly in bytes of memory;
            None for no limit.
        timeline: What notes when all that came did: a `sseparse.timing.Timeline`. Give each
            stream its own.
        usage: What a completion gets whose server sent no token counts: "server", the default,
            none; "estimate" has `result()` count them, as `sseparse.tokens.estimate_usage()`
            does, which needs tiktoken and never goes to the network.
        messages: For an estimate: the request's messages, or a legacy request's prompt; without
            them only the answer is counted.
        tools: For an estimate: the request's tools.
        encoding: For an estimate: the encoding, or a model that has it; None for that of the
            completion's model.
        options: The options of `ChunkParser`.

    Raises:
        TypeError: The source is nothing that can be read.
        ValueError: An option has no such value.
        ImportError: An estimate is asked for, and tiktoken is not installed.
        SSEError: An estimate is asked for, and its encoding not known, or not on this machine.
    """

    def __init__(
        self,
        source: AsyncReadable,
        **options: Unpack[StreamOptions],
    ) -> None:
        opened = open_async(source, "AsyncStream")
        self._chunks = ChunkState(opened, **options)
        super().__init__(opened, self._chunks)

    def text_deltas(self) -> AsyncIterator[str]:
        """Iterate the new texts of choice 0, leaving out chunks that bring none."""
        return _AsyncTextDeltas(self, self._chunks)

    def updates(self) -> AsyncIterator[Update]:
        """
        Iterate what the chunks change, as `Accumulator.updates()` tells it.

        Where the stream ends well, what is done by that comes last. Errors are raised as in
        iterating the chunks.
        """
        return _AsyncUpdates(self, self._chunks)

    async def result(self) -> Result:
        """
        Read the rest of the stream; return the finished completion.

        Raises:
            SSEError: The stream did not end well, or its tokens cannot be counted as asked;
                `partial` holds what came.
            RuntimeError: The stream was closed before its end.
        """
        async for _ in self:
            pass
        return self._chunks.result()


class _AsyncTextDeltas(Uncopyable):
    # A class, not an async generator, which would leave its clean-up to the collector.

    def __init__(self, stream: AsyncStream, state: ChunkState) -> None:
        self._stream = stream
        self._state = state

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        async for chunk in self._stream:
            try:
                text = chunk.text
            except BaseException:
                self._state.stopped = True
                raise
            if text:
                return text
        raise StopAsyncIteration


class _AsyncUpdates(Uncopyable):
    def __init__(self, stream: AsyncStream, state: ChunkState) -> None:
        self._stream = stream
        self._state = state

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Update:
        state = self._state
        while (update := state.pop_update()) is None:
            state.watched = True
            try:
                await anext(self._stream)
            except StopAsyncIteration:
                if not state.tell_end():
                    raise
            finally:
                state.watched = False
        return update
