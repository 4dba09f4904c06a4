"""EventSource for the event loops of asyncio and trio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Generic, Self, TypeVar, Unpack

import httpx2

from .._deadlines import running_timers
from .._errors import NotEventStream
from ..adapters._httpx import HTTPXSource
from ..sse._event import Event
from ._session import CONNECTION_ERRORS, BaseEventSource, EventSourceOptions

T = TypeVar("T")


class Background(Generic[T]):
    """
    An awaitable that runs in a task of its own.

    A cancellation of a wait for it doesn't reach it. Most libraries close their connection when a
    read is cancelled, and every library does while it connects.
    """

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        timers = running_timers()
        if timers is None:
            raise RuntimeError("AsyncEventSource needs the event loop of asyncio or trio")
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


class AsyncEventSource(BaseEventSource):
    """
    Asynchronous iterator of the events of a URL, for asyncio and trio.

    The options are those of `EventSource`, with an `httpx2.AsyncClient` and an asynchronous
    `sleep`.

    A wait for an event can be interrupted, such as by `asyncio.timeout()`, `asyncio.wait_for()` or
    `trio.move_on_after()`. The connection stays open, and the next wait continues. So the stream
    reads until it is closed: use `async with`, or call `aclose()`.
    """

    def __init__(
        self,
        url: str,
        *,
        client: httpx2.AsyncClient | None = None,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        **options: Unpack[EventSourceOptions],
    ) -> None:
        super().__init__(url, client, httpx2.AsyncClient, **options)
        self._sleep = _sleep if sleep is None else sleep
        self._background: Background[Any] | None = None
        self._then: Callable[[Background[Any]], object]
        self._closed = False
        self._reading = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
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
                if (event := self._pop_event()) is not None:
                    return event
                if self.ready_state == "closed":
                    break
                await self._step()
            await self._release()
        finally:
            self._reading = False
        self._raise_error()
        raise StopAsyncIteration

    async def _step(self) -> None:
        if self._background is None:
            self._background = self._begin()
        background = self._background
        await background.wait()
        if self._closed:
            return
        self._background = None
        self._then(background)
        if isinstance(rejection := self.error, NotEventStream) and self._source is not None:
            with suppress(Exception):  # the error is useful without the body, too
                self._add_body_start(rejection, await anext(self._source))
        if self.ready_state != "open":
            await self._disconnect()

    def _begin(self) -> Background[Any]:
        """Begin to wait for a new connection, to connect or to read."""
        if (delay := self._delay) is not None:
            self._delay, self._then = None, Background[object].result
            return Background(lambda: self._sleep(delay))
        if (source := self._source) is None:
            self._then = self._process_response
            return Background(self._connect)
        self._then = self._process_read
        return Background(lambda: anext(source))

    async def _connect(self) -> Any:
        response = await self._send(self._build_request())
        self._source = HTTPXSource(response)
        return response

    def _process_response(self, connected: Background[httpx2.Response]) -> None:
        try:
            response = connected.result()
        except CONNECTION_ERRORS as error:
            self._on_failure(error)
        else:
            self._on_response(response)

    def _process_read(self, read: Background[bytes]) -> None:
        try:
            data = read.result()
        except Exception as error:  # a source can raise anything
            self._on_read_error(error)
        else:
            self._feed(data)

    async def _disconnect(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            await source.aclose()

    async def _release(self) -> None:
        self._set_closed()
        background, self._background = self._background, None
        try:
            if background is not None:
                background.cancel()
                await background.wait()
        finally:
            try:
                await self._disconnect()
            finally:
                if self._owns_client:
                    await self._client.aclose()

    async def aclose(self) -> None:
        """
        Close the stream. Closing again does nothing.

        If another task is reading, its iteration ends.
        """
        self._closed = True
        if not self._reading:
            await self._release()
        elif self._background is not None:
            self._background.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


async def _sleep(seconds: float) -> None:
    timers: Any = running_timers()
    await timers.module.sleep(seconds)
