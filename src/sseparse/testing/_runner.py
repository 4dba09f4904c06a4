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
from ._server import ReplayServer

Backend = Literal["asyncio", "trio"]
Check: TypeAlias = "Callable[[CheckRun], Coroutine[Any, Any, None]]"
Manager: TypeAlias = (
    "contextlib.AbstractContextManager[Any] | contextlib.AbstractAsyncContextManager[Any]"
)


@define
class CheckRun:
    """
    One run of a check, of `limit` seconds at most, over a server that sends `replay`.

    It reads one response at a time. If the adapter is synchronous, no method ever awaits.
    """

    open_source: Callable[..., Manager]
    client: Callable[[], Manager] | None
    backend: Backend | None
    check: str
    case: str
    replay: Replay
    limit: float
    server: ReplayServer = field(init=False)
    has_opened: bool = False
    source: Any = None
    received: bytearray = field(factory=bytearray)
    _pieces: Any = None
    _client_arguments: tuple[Any, ...] = ()
    _step: tuple[str, str] = ("", "")
    _failure: AssertionError | None = None

    def run(self, check: Check) -> None:
        """Run the check; raise AssertionError if the adapter fails it or hangs."""
        with ReplayServer(self.replay) as self.server:
            run = partial(self._run, check)
            thread = threading.Thread(target=run, name="sseparse-adapter", daemon=True)
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
        # The first failure counts, even if the check has suppressed its exception.
        self._failure = self._failure or self._error(saw, advice)
        raise self._failure

    @contextlib.asynccontextmanager
    async def open_response(self) -> AsyncGenerator[None, None]:
        """Open a response. The server sends the first piece if it's gated."""
        self.begin("opening a response", "return the library's response from the opener")
        self.server.release()
        opened = self.open_source(*self._client_arguments, f"{self.server.url}/")
        async with contextlib.AsyncExitStack() as stack:
            response = await self._enter(stack, opened, "the opener")
            self.has_opened = True
            if self.backend is None:
                self.source = open_sync(response, "Stream")
            else:
                self.source = open_async(response, "AsyncStream")
            self._pieces, self.received = None, bytearray()
            yield

    async def read(self) -> bytes | bytearray | None:
        """Return the next piece, which is added to `received`, or None at the end."""
        if self._pieces is None:
            self._pieces = iter(self.source) if self.backend is None else aiter(self.source)
        is_sync = self.backend is None
        piece: Any = next(self._pieces, None) if is_sync else await anext(self._pieces, None)
        if not isinstance(piece, bytes | bytearray | None):
            self.fail(f"a piece is {type(piece).__name__}", "return bytes, as the server sent them")
        self.received += piece or b""
        return piece

    async def read_stream(self, drain: float) -> SSEError | None:
        """Read the source as a stream of chunks; return the error that ended it."""
        try:
            if self.backend is None:
                with Stream(self.source, drain=drain) as stream:
                    list(stream)
            else:
                async with AsyncStream(self.source, drain=drain) as async_stream:
                    [chunk async for chunk in async_stream]
        except SSEError as error:
            # The traceback would keep a reference to the response.
            return error.with_traceback(None)
        return None

    async def close(self, *, is_gone: bool = False) -> None:
        """Close twice; check that the server sees it, unless the connection is gone or reused."""
        self.begin("close()", "allow it at any time, also twice, and raise nothing")
        parts = [self.source] if self._pieces is self.source else [self._pieces, self.source]
        for part in parts * 2:
            if self.backend is None and hasattr(part, "close"):
                part.close()
            elif self.backend is not None and hasattr(part, "aclose"):
                await part.aclose()
        if is_gone:
            return
        self.begin(
            "waiting for the connection to close after close()",
            "close the response in close(), and its connection unless the body was read",
        )
        wait = partial(self.server.connections[0].wait_closed, threading.TIMEOUT_MAX)
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
        if self.backend is None:
            method, kind = "__exit__", "a context manager"
            advice = "pass backend='asyncio' or 'trio' for an asynchronous adapter"
        else:
            method, kind = "__aexit__", "an asynchronous context manager"
            advice = "omit backend for a synchronous adapter"
        if not hasattr(manager, method):
            self.fail(f"{of} returned {type(manager).__name__}, which isn't {kind}", advice)
        if self.backend is None:
            return stack.enter_context(manager)
        return await stack.enter_async_context(manager)

    def _error(self, saw: str, advice: str) -> AssertionError:
        return AssertionError(f"check {self.check!r}, case {self.case!r}: {saw}; {advice}")
