"""EventSource for the event loops of asyncio and trio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, Unpack, overload

from .._deadlines import TimeUp, require_timers
from .._errors import NotEventStream, StreamTimeout
from .._log import debug
from ..adapters._registry import AsyncReadable
from ..sse._core import ItemT as EventT
from ..sse._event import Comment, Event
from ._connect import merge_headers
from ._session import BaseEventSource, EventSourceOptions

if TYPE_CHECKING:
    import httpx2

Connect = Callable[[Mapping[str, str]], Awaitable[AsyncReadable]]
Headers = Mapping[str, str] | Callable[[], Mapping[str, str] | Awaitable[Mapping[str, str]]]

T = TypeVar("T")


class Background(Generic[T]):
    """
    An awaitable that runs in a task of its own.

    A cancellation of a wait for it doesn't reach it. Most libraries close their connection when a
    read is cancelled, and every library does while it connects.
    """

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        timers = require_timers("AsyncEventSource needs")
        self._make = make
        self._started = False
        self._over: Any = timers.module.Event()
        self._value: T
        self._error: Exception | None = RuntimeError("the event loop cancelled the read; close it")
        self._cancel = timers.start(self._run)

    async def _run(self) -> None:
        self._started = True
        try:
            self._value = await self._make()
            self._error = None
        except Exception as error:  # the task that waits raises it
            self._error = error
        finally:
            self._over.set()

    async def wait(self) -> None:
        """Wait for the end."""
        await self._over.wait()

    def result(self) -> T:
        """Return the result, or raise the exception, after the end."""
        if self._error is not None:
            raise self._error
        return self._value

    def cancel(self) -> None:
        """Cancel the awaitable; its end comes a little later."""
        self._cancel()
        if not self._started:  # asyncio doesn't run a task that was cancelled before its start
            self._over.set()


class AsyncEventSource(BaseEventSource[EventT], AsyncIterator[EventT]):
    """
    Asynchronous iterator of the events of a URL, for asyncio and trio.

    The options are those of `EventSource`, with an `httpx2.AsyncClient` and asynchronous `sleep`
    and `connect`. A `headers` callable can be asynchronous; `on_open` and `on_error` can't.

    A wait for an event can be interrupted, such as by `asyncio.timeout()`, `asyncio.wait_for()` or
    `trio.move_on_after()`. The connection stays open, and the next wait continues. So the stream
    reads until it is closed: use `async with`, or call `aclose()`.
    """

    @overload
    def __init__(
        self: AsyncEventSource[Event],
        url: str | None = ...,
        *,
        client: httpx2.AsyncClient | None = ...,
        connect: Connect | None = ...,
        headers: Headers | None = ...,
        comments: Literal[False] = ...,
        sleep: Callable[[float], Awaitable[object]] | None = ...,
        **options: Unpack[EventSourceOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: AsyncEventSource[Event | Comment],
        url: str | None = ...,
        *,
        client: httpx2.AsyncClient | None = ...,
        connect: Connect | None = ...,
        headers: Headers | None = ...,
        comments: bool,
        sleep: Callable[[float], Awaitable[object]] | None = ...,
        **options: Unpack[EventSourceOptions],
    ) -> None: ...

    def __init__(
        self,
        url: str | None = None,
        *,
        client: httpx2.AsyncClient | None = None,
        connect: Connect | None = None,
        headers: Headers | None = None,
        comments: bool = False,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        **options: Unpack[EventSourceOptions],
    ) -> None:
        super().__init__(
            url,
            client=client,
            client_type="AsyncClient",
            connect=connect,
            headers=headers,
            comments=comments,
            **options,
        )
        self._sleep = _sleep if sleep is None else sleep
        self._background: Background[Any] | None = None
        self._then: Callable[[Background[Any]], object]
        self._reading = False

    async def __anext__(self) -> EventT:
        """
        Return the next event; wait for it and reconnect as long as necessary.

        Raises:
            StopAsyncIteration: The server wants no reconnection, or the stream was closed.
            SSEError: As in `EventSource`.
            RuntimeError: Another task is reading.
        """
        if self._reading:
            raise RuntimeError("another task is reading this stream; read it from one task")
        self._reading = True
        try:
            while not self._closed:
                self._report()
                if (event := self._pop_event()) is not None:
                    return event
                if self.ready_state == "closed":
                    break
                await self._step()
            await self._release()
            if not self._closed:
                self._report()
        finally:
            self._reading = False
        self._raise_error()
        raise StopAsyncIteration

    async def _step(self) -> None:
        if self._restarting:
            await self._stop_background()
            self._begin_again()
        else:
            if self._background is None:
                self._background = self._begin()
            background = self._background
            await background.wait()
            if self._closed or self._restarting:
                return
            self._background = None
            self._then(background)
            if isinstance(rejection := self.error, NotEventStream) and self._source is not None:
                with suppress(Exception):  # the error is useful without the body, too
                    self._add_body_start(rejection, await anext(self._pieces))
        if self.ready_state != "open":
            await self._disconnect()

    def _begin(self) -> Background[Any]:
        """Begin to wait for a new connection, to connect or to read."""
        if (delay := self._delay) is not None:
            debug("event source %x: waits for %.3f s", id(self), delay)
            self._delay, self._then = None, Background[object].result
            return Background(lambda: self._sleep(delay))
        if self._source is None:
            self._then = self._process_response
            return Background(self._connect)
        self._then = self._process_read
        return Background(self._read)

    async def _connect(self) -> None:
        headers = self._headers
        if self._make_headers is not None:
            made = self._make_headers()
            headers = merge_headers(await made if isawaitable(made) else made)
        self._begin_connection()
        state = self._state
        self._source = await self._connector.aopen(headers, state.headers, state.params)

    async def _read(self) -> bytes:
        if self._read_timeout is None:
            return await anext(self._pieces)
        try:
            timers = require_timers("read_timeout needs")
            return await timers.within(self._read_timeout, anext(self._pieces))
        except TimeUp:
            message = f"Timed out: no bytes for {self._read_timeout} s (read_timeout)."
            raise StreamTimeout(message, clock="transport") from None

    def _process_response(self, connected: Background[None]) -> None:
        try:
            connected.result()
        except self._connector.failures as error:
            self._on_open_failure(error)
        else:
            self._pieces = aiter(self._source)
            self._on_response()
            if self.ready_state == "open":
                self._connector.limit_reads(self._source, None)

    def _process_read(self, read: Background[bytes]) -> None:
        try:
            data = read.result()
        except Exception as error:  # a source can raise anything
            self._on_read_error(error)
        else:
            self._feed(data)

    async def _disconnect(self) -> None:
        source, self._source = self._source, None
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()

    async def _release(self) -> None:
        self._set_closed()
        try:
            await self._stop_background()
        finally:
            try:
                await self._disconnect()
            finally:
                if self._connector.owned is not None:
                    await self._connector.owned.aclose()

    def restart(self) -> None:
        """
        Drop the connection, or the wait for one, and connect again at once.

        As in `EventSource`; another task of the same event loop can call this.
        """
        self._restarting = True
        self._cancel()

    async def aclose(self) -> None:
        """
        Close the stream. Closing again does nothing.

        If another task is reading, its iteration ends.
        """
        self._closed = True
        if self._reading:
            self._cancel()
        else:
            await self._release()

    def _cancel(self) -> None:
        if self._background is not None:
            self._background.cancel()

    async def _stop_background(self) -> None:
        if (background := self._background) is not None:
            background.cancel()
            await background.wait()
            self._background = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


async def _sleep(seconds: float) -> None:
    await require_timers("AsyncEventSource needs").module.sleep(seconds)
