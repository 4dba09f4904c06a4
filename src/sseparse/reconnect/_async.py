"""EventSource for event loops: asyncio's and trio's."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, Unpack, cast

from .._options import ParserOptions
from ..adapters._httpx import source as source_of
from ..sse._event import Event
from ._policy import ReconnectPolicy
from ._session import CONNECTION_FAILURES, STANDARD, Face, Session, open_client

if TYPE_CHECKING:
    import httpx2


class _AsyncSource(Protocol):
    async def __anext__(self) -> bytes: ...
    async def aclose(self) -> None: ...


class AsyncEventSource(Face):
    """
    Iterate the events of a URL asynchronously, on asyncio and on trio.

    As `EventSource`, with an `httpx2.AsyncClient`, and `sleep` a function to await.
    """

    def __init__(
        self,
        url: str,
        *,
        client: httpx2.AsyncClient | None = None,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        content: bytes | None = None,
        policy: ReconnectPolicy = STANDARD,
        read_timeout: float | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        rnd: Callable[[], float] = random.random,
        **options: Unpack[ParserOptions],
    ) -> None:
        self._session = Session(
            url,
            headers=headers,
            method=method,
            content=content,
            policy=policy,
            read_timeout=read_timeout,
            clock=clock,
            rnd=rnd,
            **options,
        )
        self._client = open_client(client, "AsyncClient")
        self._owns_client = client is None
        self._closed = False
        self._pause = _Pause()
        self._sleep = self._pause.wait if sleep is None else sleep
        self._source: _AsyncSource | None = None
        self._reading = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """
        Return the next event, waiting for it and reconnecting as long as it takes.

        Raises:
            StopAsyncIteration: The server wants no reconnection, or the stream was closed.
            SSEError: As in `EventSource`.
            RuntimeError: Another task reads already.
        """
        if self._reading:
            raise RuntimeError("another task reads this stream; let one task read it")
        self._reading = True
        try:
            while not self._closed:
                if (event := self._session.pop()) is not None:
                    return event
                if self._session.over:
                    break
                await self._step()
            await self._release()
        finally:
            self._reading = False
        self._session.raise_error()
        raise StopAsyncIteration

    async def _step(self) -> None:
        session = self._session
        if session.delay is not None:
            await self._sleep(session.take_delay())
        elif self._source is None:
            await self._connect()
        else:
            await self._read(self._source)

    async def _connect(self) -> None:
        session = self._session
        request = session.request(self._client)
        try:
            response = await self._client.send(request, **session.send_options)
        except CONNECTION_FAILURES as error:
            session.take_failure(error)
            return
        self._source = cast("_AsyncSource", source_of(response))
        if not session.take_response(response):
            session.take_body_start(await self._body_start(self._source))
            await self._disconnect()

    async def _body_start(self, source: _AsyncSource) -> bytes:
        if self._session.error is not None:
            # What the body shows is worth little: its own failure is no news.
            with suppress(Exception):
                return await anext(source)
        return b""

    async def _read(self, source: _AsyncSource) -> None:
        session = self._session
        try:
            piece = await anext(source)
        except StopAsyncIteration:
            session.take_end()
            await self._disconnect()
        except (RuntimeError, TypeError):
            # Misuse, not a failure of the connection.
            raise
        except Exception as error:  # whatever it fails of, it is told
            session.take_failure(error)
            await self._disconnect()
        else:
            session.take(piece)

    async def _disconnect(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            await source.aclose()

    async def _release(self) -> None:
        self._session.over = True
        try:
            await self._disconnect()
        finally:
            if self._owns_client:
                await self._client.aclose()

    async def aclose(self) -> None:
        """
        Close the stream. Closing again does nothing.

        Call it from the task that reads. From another task it ends a wait at once, a read only
        when something comes: cancel the reading task instead.
        """
        self._closed = True
        self._pause.end()
        if not self._reading:
            await self._release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


class _Pause:
    """Wait in the event loop that runs; a wait can be ended early."""

    def __init__(self) -> None:
        self._ended: Any = None

    async def wait(self, seconds: float) -> None:
        trio = sys.modules.get("trio")
        if trio is not None and trio.lowlevel.in_trio_task():
            self._ended = trio.Event()
            with trio.move_on_after(seconds):
                await self._ended.wait()
            return
        import asyncio  # noqa: PLC0415 - the program's own loop, if it is asyncio's

        self._ended = asyncio.Event()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    def end(self) -> None:
        if self._ended is not None:
            self._ended.set()
