"""A runner of adapter checks: each runs in a thread, which is abandoned if it hangs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from functools import partial
from importlib import import_module
from typing import Any, Literal, NoReturn, TypeAlias

from attrs import define, field

from .. import AsyncStream, Stream
from .._errors import SSEError
from ..adapters._registry import open_async, open_sync
from ._replay import Replay
from ._server import ReceivedConnection, ReplayServer

Backend = Literal["asyncio", "trio"]
Check: TypeAlias = "Callable[[CheckRun], Coroutine[Any, Any, None]]"
Manager: TypeAlias = (
    "contextlib.AbstractContextManager[Any] | contextlib.AbstractAsyncContextManager[Any]"
)


class SourceReader:
    """A reader of a source. If the source is synchronous, it never awaits."""

    def __init__(self, response: Any, *, is_async: bool) -> None:
        self.is_async = is_async
        self.source: Any = (
            open_async(response, "AsyncStream") if is_async else open_sync(response, "Stream")
        )
        self._pieces: Any = None

    async def read(self) -> Any:
        """Return the next piece, or None at the end."""
        if self._pieces is None:
            self._pieces = aiter(self.source) if self.is_async else iter(self.source)
        return await anext(self._pieces, None) if self.is_async else next(self._pieces, None)

    async def read_stream(self, drain: float) -> SSEError | None:
        """Read the source as a stream of chunks; return the error that ended it."""
        try:
            if self.is_async:
                async with AsyncStream(self.source, drain=drain) as stream:
                    async for _ in stream:
                        pass
            else:
                with Stream(self.source, drain=drain) as stream:
                    for _ in stream:
                        pass
        except SSEError as error:
            # The traceback would keep a reference to the response.
            return error.with_traceback(None)
        return None

    async def close(self) -> None:
        """Close the iterator and the source, as a stream does."""
        for each in [self.source] if self._pieces is self.source else [self._pieces, self.source]:
            if self.is_async and hasattr(each, "aclose"):
                await each.aclose()
            elif not self.is_async and hasattr(each, "close"):
                each.close()


@define
class CheckRun:
    """One run of a check, of `limit` seconds at most, over a server that sends `replay`."""

    open_source: Callable[..., Manager]
    client: Callable[[], Manager] | None
    backend: Backend | None
    check: str
    case: str
    replay: Replay
    limit: float
    server: ReplayServer = field(init=False)
    has_opened: bool = False
    _client_arguments: tuple[Any, ...] = ()
    _step: tuple[str, str] = ("", "")
    _failure: AssertionError | None = None

    def run(self, check: Check) -> None:
        """Run the check; raise AssertionError if the adapter fails it or hangs."""
        with ReplayServer(self.replay) as self.server:
            thread = threading.Thread(
                target=self._run, args=(check,), name="sseparse-adapter", daemon=True
            )
            thread.start()
            thread.join(self.limit)
            is_hung, (step, advice) = thread.is_alive(), self._step
        # A read that hangs ends with the server. A thread that hangs elsewhere is abandoned.
        thread.join(self.limit)
        if is_hung:
            raise self._error(f"{step} did not return within {self.limit:g} s", advice)
        if self._failure is not None:
            raise self._failure

    def begin(self, step: str, advice: str) -> None:
        """Record the step that starts now, and what to do if it hangs or raises."""
        self._step = (step, advice)

    def fail(self, saw: str, advice: str) -> NoReturn:
        self._failure = self._error(saw, advice)
        raise self._failure

    @contextlib.asynccontextmanager
    async def open_response(self) -> AsyncGenerator[SourceReader, None]:
        """Open a response. The server sends the first piece if it's gated."""
        self.begin("opening a response", "return the library's response from the opener")
        self.server.release()
        opened = self.open_source(*self._client_arguments, f"{self.server.url}/")
        async with contextlib.AsyncExitStack() as stack:
            response = await self._enter(stack, opened, "the opener")
            self.has_opened = True
            yield SourceReader(response, is_async=self.backend is not None)

    async def wait_closed(self, connection: ReceivedConnection) -> None:
        """Wait until the client closes a connection, without blocking the event loop."""
        wait = partial(connection.wait_closed, threading.TIMEOUT_MAX)
        match self.backend:
            case None:
                wait()
            case "asyncio":
                await import_module("asyncio").to_thread(wait)
            case _:
                await import_module("trio").to_thread.run_sync(wait)

    def _run(self, check: Check) -> None:
        try:
            # An event loop is imported only for an adapter that needs it.
            match self.backend:
                case None:
                    # Synchronous code never awaits: the first step is the last one.
                    with contextlib.suppress(StopIteration):
                        self._run_with_client(check).send(None)
                case "asyncio":
                    import_module("asyncio").run(self._run_with_client(check))
                case _:
                    import_module("trio").run(self._run_with_client, check)
        except Exception as error:  # an adapter may raise anything
            # A task group of the opener may have wrapped the exception of fail().
            if self._failure is None:
                step, advice = self._step
                saw = f"{step} raised {type(error).__name__}: {error}"
                self._failure = self._error(saw, advice)
                self._failure.__cause__ = error

    async def _run_with_client(self, check: Check) -> None:
        async with contextlib.AsyncExitStack() as stack:
            if self.client is not None:
                self.begin("opening a client", "check what client returns")
                self._client_arguments = (await self._enter(stack, self.client(), "client"),)
            await check(self)

    async def _enter(self, stack: contextlib.AsyncExitStack, manager: Any, of: str) -> Any:
        kind = type(manager).__name__
        if self.backend is None:
            if not hasattr(manager, "__exit__"):
                advice = "pass backend='asyncio' or 'trio' for an asynchronous adapter"
                self.fail(f"{of} returned {kind}, which isn't a context manager", advice)
            return stack.enter_context(manager)
        if not hasattr(manager, "__aexit__"):
            advice = "omit backend for a synchronous adapter"
            self.fail(f"{of} returned {kind}, which isn't an asynchronous context manager", advice)
        return await stack.enter_async_context(manager)

    def _error(self, saw: str, advice: str) -> AssertionError:
        return AssertionError(f"check {self.check!r}, case {self.case!r}: {saw}; {advice}")
