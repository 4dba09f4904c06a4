"""One response read by an adapter, in a thread that can be given up when it hangs."""

from __future__ import annotations

import importlib
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    suppress,
)
from functools import partial
from typing import Any, Literal, NoReturn, Protocol, TypeAlias

from attrs import define, field

from .. import AsyncStream, Stream
from .._deadlines import running_timers
from .._errors import SSEError
from ..adapters._registry import open_async, open_sync
from ._replay import Replay
from ._server import ReceivedConnection, ReplayServer

Backend = Literal["asyncio", "trio"]
"""The event loop that an asynchronous adapter runs on."""

Check: TypeAlias = "Callable[[Trial], Coroutine[Any, Any, None]]"
Manager: TypeAlias = "AbstractContextManager[Any] | AbstractAsyncContextManager[Any]"


class Reader(Protocol):
    """Read a source in one way, be it synchronous or asynchronous."""

    @property
    def source(self) -> Any:
        """What the adapter made."""

    async def read(self) -> bytes | None:
        """Return the next piece, or None at the end."""

    async def read_stream(self, drain: float) -> SSEError | None:
        """Read the source as a stream of chunks; return the fault that it ended with."""

    async def close(self) -> None:
        """Close the source, as a stream does."""


class SyncReader:
    """Read a source that blocks. Nothing here awaits."""

    def __init__(self, response: Any) -> None:
        self.source: Any = open_sync(response, "Stream")
        self._pieces: Iterator[bytes] | None = None

    async def read(self) -> bytes | None:
        if self._pieces is None:
            self._pieces = iter(self.source)
        return next(self._pieces, None)

    async def read_stream(self, drain: float) -> SSEError | None:
        try:
            with Stream(self.source, drain=drain) as stream:
                for _ in stream:
                    pass
        except SSEError as error:
            # Its traceback would keep the response.
            return error.with_traceback(None)
        return None

    async def close(self) -> None:
        for each in _unlike(self._pieces, self.source):
            if hasattr(each, "close"):
                each.close()


class AsyncReader:
    """Read a source that awaits."""

    def __init__(self, response: Any) -> None:
        self.source: Any = open_async(response, "AsyncStream")
        self._pieces: AsyncIterator[bytes] | None = None

    async def read(self) -> bytes | None:
        if self._pieces is None:
            self._pieces = aiter(self.source)
        return await anext(self._pieces, None)

    async def read_within(self, seconds: float) -> bytes | None:
        """
        Read, and cancel that after so many seconds.

        Raises:
            TimeUp: They passed.
        """
        timers = running_timers()
        assert timers is not None  # noqa: S101 - it is read in the loop of its backend
        return await timers.within(seconds, self.read())

    async def read_stream(self, drain: float) -> SSEError | None:
        try:
            async with AsyncStream(self.source, drain=drain) as stream:
                async for _ in stream:
                    pass
        except SSEError as error:
            # Its traceback would keep the response.
            return error.with_traceback(None)
        return None

    async def close(self) -> None:
        for each in _unlike(self._pieces, self.source):
            if hasattr(each, "aclose"):
                await each.aclose()


@define
class Adapter:
    """
    Hold what a caller says of an adapter.

    Attributes:
        open_response: Makes the context manager of a response: of a URL, after the client if
            there is one.
        client: Makes the context manager of a client; None where each response has its own.
        backend: The event loop that it needs; None where it blocks.
        decodes: The framings that it decompresses.
    """

    open_response: Callable[..., Manager]
    client: Callable[[], Manager] | None
    backend: Backend | None
    decodes: tuple[str, ...]


@define
class Trial:
    """
    Run one check in one case.

    Attributes:
        adapter: What is checked.
        name: The check and its case, for messages.
        case: The case.
        replay: What the server answers.
        limit: How long it may take, in seconds.
        server: The server, while it runs.
        opened: Whether a response was opened.
    """

    adapter: Adapter
    name: str
    case: str
    replay: Replay
    limit: float
    server: ReplayServer = field(init=False)
    opened: bool = False
    _client: tuple[Any, ...] = ()
    _step: tuple[str, str] = ("", "")
    _failure: AssertionError | None = None

    def run(self, check: Check) -> None:
        """
        Run it, and come back.

        Raises:
            AssertionError: The adapter failed, or hung.
        """
        with ReplayServer(self.replay) as self.server:
            work = partial(self._work, partial(self._with_client, check))
            thread = threading.Thread(target=work, name="sseparse-adapter", daemon=True)
            thread.start()
            thread.join(self.limit)
            hung, (doing, advice) = thread.is_alive(), self._step
        # A read that hung ends with the server; what waits for something else is given up.
        thread.join(self.limit)
        if hung:
            raise self._failed(f"{doing} did not come back within {self.limit:g} s", advice)
        if self._failure is not None:
            raise self._failure

    def doing(self, step: str, advice: str) -> None:
        """Note what begins now, and what to do should it never end or raise."""
        self._step = (step, advice)

    def fail(self, saw: str, advice: str) -> NoReturn:
        """Say what was seen, and what to do."""
        self._failure = self._failed(saw, advice)
        raise self._failure

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Reader, None]:
        """Open a response; the first piece of a gated body is on its way."""
        self.doing("opening a response", "let the opener return what the library returns")
        self.server.release()
        opened = self.adapter.open_response(*self._client, f"{self.server.url}/")
        async with self._entered(opened, "the opener") as response:
            self.opened = True
            yield SyncReader(response) if self.adapter.backend is None else AsyncReader(response)

    async def see_closed(self, connection: ReceivedConnection) -> None:
        """Wait until the server sees that the connection was closed."""
        wait = partial(connection.wait_closed, threading.TIMEOUT_MAX)
        match self.adapter.backend:
            case None:
                wait()
            case "asyncio":
                await _library("asyncio").to_thread(wait)
            case _:
                await _library("trio").to_thread.run_sync(wait)

    async def _with_client(self, check: Check) -> None:
        if self.adapter.client is None:
            await check(self)
            return
        self.doing("opening a client", "see to what client makes")
        async with self._entered(self.adapter.client(), "client") as client:
            self._client = (client,)
            await check(self)

    @asynccontextmanager
    async def _entered(self, manager: Any, of: str) -> AsyncGenerator[Any, None]:
        kind, backend = type(manager).__name__, self.adapter.backend
        if backend is None:
            if not hasattr(manager, "__exit__"):
                advice = "an asynchronous one needs backend='asyncio' or 'trio'"
                self.fail(f"{of} gave {kind}, which is no context manager", advice)
            with manager as entered:
                yield entered
        else:
            if not hasattr(manager, "__aexit__"):
                advice = "a synchronous one goes without backend"
                self.fail(f"{of} gave {kind}, which is no asynchronous context manager", advice)
            async with manager as entered:
                yield entered

    def _work(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            match self.adapter.backend:
                case None:
                    # Nothing that is synchronous awaits: the first step is the last one.
                    with suppress(StopIteration):
                        main().send(None)
                case "asyncio":
                    _library("asyncio").run(main())
                case _:
                    _library("trio").run(main)
        except Exception as error:  # an adapter may raise anything
            # A task group in the opener would have wrapped what was said in fail().
            if self._failure is None:
                doing, advice = self._step
                saw = f"{doing} raised {type(error).__name__}: {error}"
                self._failure = self._failed(saw, advice)
                self._failure.__cause__ = error

    def _failed(self, saw: str, advice: str) -> AssertionError:
        return AssertionError(f"{self.name}: {saw}; {advice}")


def _unlike(pieces: object, source: object) -> list[Any]:
    return [source] if pieces is source else [pieces, source]


def _library(backend: Backend) -> Any:
    # Those who check nothing asynchronous load none of it.
    return importlib.import_module(backend)
