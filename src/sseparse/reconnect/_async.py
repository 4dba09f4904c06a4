"""EventSource for the event loops of asyncio and trio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Self, Unpack, cast

import httpx2

from .._deadlines import Timers, TimeUp, running_timers
from .._errors import NotEventStream
from ..adapters._httpx import HTTPXSource
from ..sse._event import Event
from ._session import CONNECTION_ERRORS, BaseEventSource, EventSourceOptions


class AsyncEventSource(BaseEventSource):
    """
    Asynchronous iterator of the events of a URL, for asyncio and trio.

    The options are those of `EventSource`, with an `httpx2.AsyncClient` and an asynchronous
    `sleep`.
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
        self._sleep = self._wait if sleep is None else sleep
        self._interruption: Any = None  # the event that ends a wait
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
        if (delay := self._delay) is not None:
            self._delay = None
            await self._sleep(delay)
        elif self._source is None:
            await self._connect()
        else:
            try:
                data = await anext(self._source)
            except Exception as error:  # a source can raise anything
                self._on_read_error(error)
            else:
                self._feed(data)
        if self.ready_state != "open":
            await self._disconnect()

    async def _wait(self, seconds: float) -> None:
        timers = cast(Timers, running_timers())
        self._interruption = timers.module.Event()
        with suppress(TimeUp):
            await timers.within(seconds, self._interruption.wait())

    async def _connect(self) -> None:
        request = self._build_request()
        try:
            response = await self._send(request)
        except CONNECTION_ERRORS as error:
            self._on_failure(error)
            return
        self._source = HTTPXSource(response)
        self._on_response(response)
        if isinstance(rejection := self.error, NotEventStream):
            with suppress(Exception):
                self._add_body_start(rejection, await anext(self._source))

    async def _disconnect(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            await source.aclose()

    async def _release(self) -> None:
        self._set_closed()
        try:
            await self._disconnect()
        finally:
            if self._owns_client:
                await self._client.aclose()

    async def aclose(self) -> None:
        """
        Close the stream. Closing again does nothing.

        Call this method from the task that reads. From another task, it ends a wait at once, but a
        read only when bytes are received. To interrupt a read, cancel the reading task.
        """
        self._closed = True
        if self._interruption is not None:
            self._interruption.set()
        if not self._reading:
            await self._release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
