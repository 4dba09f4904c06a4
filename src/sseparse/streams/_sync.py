"""Streams for those who wait by blocking."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeVar, Unpack, cast, overload

from .._deadlines import Deadlines
from .._options import EventOptions
from .._stage import Uncopyable
from ..adapters._registry import SyncReadable, is_pooled, open_sync, wait_at_most, wake
from ..chunks import Chunk, Result
from ..sse._core import ItemT
from ..sse._event import Comment, Event
from ..sse._parser import Parser
from ._state import ChunkFace, ChunkState, EventFace, Face, Recorder, StreamOptions, StreamState

if TYPE_CHECKING:
    from ..chunks import Update


T = TypeVar("T")


class SyncDriver(Face[T]):
    """Bring bytes from a source to a stream's state, and hand out its items."""

    def __init__(self, source: object, state: StreamState[T]) -> None:
        super().__init__(source, state)
        self._pieces: Iterator[bytes] | None = None
        self._reading = False
        self._to_close = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        """
        Return the next item, waiting for it.

        Raises:
            StopIteration: The stream has come to its end.
            SSEError: It has come to another end; all items before the fault were returned.
            RuntimeError: It was closed before its end.
        """
        state = self._state
        while (item := state.pop()) is None:
            if state.over:
                # How the stream ended is what its reader asks; that its source did not close
                # well after that is no news. An explicit close() tells it.
                with suppress(Exception):
                    self._close_source()
                state.raise_error()
                raise StopIteration
            self._read()
        return item

    def _read(self) -> None:
        # What another thread wants closed is closed in this one, when its read has come back.
        self._reading = True
        try:
            self._read_piece()
        finally:
            self._reading = False
            if self._to_close:
                self._state.cancel()

    def _read_piece(self) -> None:
        state = self._state
        if state.timed:
            wait_at_most(self._source, state.wait(monotonic()))
            if state.over:
                return
        try:
            if self._pieces is None:
                self._pieces = iter(self._source)
            piece = next(self._pieces)
        except Exception as error:  # a source may raise anything
            # What is raised by a read that was woken to be closed says no more than that.
            if not self._to_close:
                self._take_exception(error)
        except BaseException:
            # An iterator in C may have returned a piece before the interrupt was noticed: what
            # came next would look like the rest.
            state.cancel()
            raise
        else:
            try:
                if state.timed:
                    state.take_at(piece, monotonic())
                else:
                    state.take(piece)
            except BaseException:
                state.stopped = True
                raise

    def _take_exception(self, error: Exception) -> None:
        match error:
            case StopIteration():
                self._state.take_end()
            case RuntimeError() | TypeError():
                # Misuse of the source, not a failure of the connection.
                self._state.interrupt()
                raise error
            case _:
                self._state.take_failure(error, monotonic())

    def close(self) -> None:
        """
        Close the source. Closing again does nothing.

        What was read and not yet handed out is dropped, unless the stream had come to its end.
        Another thread may call it: a read that waits is woken where the source has `wake()`, and
        ends with a RuntimeError.
        """
        self._to_close = True
        if self._reading:
            wake(self._source)
        else:
            self._state.cancel()
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
        """Read on for a while: at the end of its body a connection goes back to its pool."""
        seconds = self._state.drain_seconds()
        pieces = self._pieces
        if not seconds or pieces is None or not is_pooled(self._source):
            return
        until = monotonic() + seconds
        # Nothing that happens now changes how the stream ended.
        with suppress(Exception):
            while (left := until - monotonic()) > 0:
                wait_at_most(self._source, left)
                next(pieces)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _close(source: object) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        close()


class EventStream(SyncDriver[ItemT], EventFace[ItemT]):
    """
    Iterate the events of a response.

    A second loop goes on where the first one stopped. As a context manager it closes the
    source when the block is left.

    Args:
        source: An iterable of bytes, a streamed response of requests, urllib3, httpx, httpx2 or
            http.client, or a socket on which a request was sent.
        comments: Whether to iterate comments too.
        deadlines: For how long the source may be waited for, as in `Stream`.
        timeline: What notes when all that came did: a `sseparse.timing.Timeline`.
        options: The options of `Parser`.

    Raises:
        TypeError: The source is nothing that can be read.
        ValueError: An option has no such value.
    """

    @overload
    def __init__(
        self: EventStream[Event],
        source: SyncReadable,
        *,
        comments: Literal[False] = ...,
        deadlines: Deadlines | None = ...,
        timeline: Recorder | None = ...,
        **options: Unpack[EventOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: EventStream[Event | Comment],
        source: SyncReadable,
        *,
        comments: bool,
        deadlines: Deadlines | None = ...,
        timeline: Recorder | None = ...,
        **options: Unpack[EventOptions],
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
        parser = cast("Parser[ItemT]", Parser(comments=comments, **options))
        opened = open_sync(source, "EventStream")
        super().__init__(opened, StreamState(parser, opened, deadlines, timeline))
        self._parser = parser


class Stream(SyncDriver[Chunk], ChunkFace):
    """
    Iterate the chunks of a streamed completion.

    A second loop goes on where the first one stopped. As a context manager it closes the
    source when the block is left. Every error carries the completion so far as `partial`.

    Args:
        source: An iterable of bytes, a streamed response of requests, urllib3, httpx, httpx2 or
            http.client, or a socket on which a request was sent.
        on_incomplete: What an end does that neither [DONE] nor a finish reason announced:
            "raise", the default, raises `IncompleteStream` after the last chunk; "accept" ends
            quietly.
        deadlines: For how long the source may be waited for, once it is there: the wait for the
            head of a response is its client's. Kept to the moment where reads can be bounded, as
            sockets and the adapters let them be; of a plain iterable, and over HTTP/2, at each
            piece.
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
        source: SyncReadable,
        **options: Unpack[StreamOptions],
    ) -> None:
        opened = open_sync(source, "Stream")
        self._chunks = ChunkState(opened, **options)
        super().__init__(opened, self._chunks)

    def text_deltas(self) -> Iterator[str]:
        """Iterate the new texts of choice 0, leaving out chunks that bring none."""
        return _TextDeltas(self, self._chunks)

    def updates(self) -> Iterator[Update]:
        """
        Iterate what the chunks change, as `Accumulator.updates()` tells it.

        Where the stream ends well, what is done by that comes last. Errors are raised as in
        iterating the chunks.
        """
        return _Updates(self, self._chunks)

    def result(self) -> Result:
        """
        Read the rest of the stream; return the finished completion.

        Raises:
            SSEError: The stream did not end well, or its tokens cannot be counted as asked;
                `partial` holds what came.
            RuntimeError: The stream was closed before its end.
        """
        for _ in self:
            pass
        return self._chunks.result()


class _TextDeltas(Uncopyable):
    # A class, not a generator: an exception would end that, and a later loop look complete.

    def __init__(self, stream: Stream, state: ChunkState) -> None:
        self._stream = stream
        self._state = state

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        for chunk in self._stream:
            try:
                text = chunk.text
            except BaseException:
                self._state.stopped = True
                raise
            if text:
                return text
        raise StopIteration


class _Updates(Uncopyable):
    def __init__(self, stream: Stream, state: ChunkState) -> None:
        self._stream = stream
        self._state = state

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Update:
        state = self._state
        while (update := state.pop_update()) is None:
            state.watched = True
            try:
                next(self._stream)
            except StopIteration:
                if not state.tell_end():
                    raise
            finally:
                state.watched = False
        return update
