"""Checks of adapters for other HTTP libraries."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from itertools import accumulate, zip_longest
from types import MappingProxyType
from typing import Any, Literal, NoReturn, TypeAlias

from attrs import define, field

from .. import AsyncStream, Stream
from .._deadlines import TimeUp, require_timers
from .._errors import SSEError, StreamTimeout, TransportError
from .._options import check_choice
from ..adapters._registry import open_async, open_sync
from ._replay import Framing, Replay, faulty
from ._server import ReplayServer

Backend = Literal["asyncio", "trio"]
Cases: TypeAlias = Mapping[str, Callable[[], Replay]]
Check: TypeAlias = "Callable[[CheckRun], Coroutine[Any, Any, None]]"
Manager: TypeAlias = AbstractContextManager[Any] | AbstractAsyncContextManager[Any]

_BODY = (
    b'\xef\xbb\xbfdata: {"choices":[{"index":0,"delta":{"content":"H\xc3\xa9l"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"}}]}\r\n\r\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\r\r'
    b"data: [DONE]\n\n"
)
_FIRST = Replay(_BODY).cut()[0]
# Larger than one read, and without repetition.
_LARGE = b": %b\n\n" % b" ".join(b"%d" % number for number in range(50_000)) + _BODY
# A client may notice these before it has read any of the body.
_CUTS_AT_ONCE = ("close-before-body", "no-answer", "reset", "bad-chunk")
_SHORT_WAIT = 0.05
_RESPONSES = 3


def check_adapter(
    open_response: Callable[..., Manager],
    *,
    client: Callable[[], Manager] | None = None,
    backend: Backend | None = None,
    decodes: Iterable[Framing] = (),
    checks: Iterable[str] | None = None,
    limit: float = 30.0,
) -> None:
    """
    Check an adapter for an HTTP library over real connections on the loopback interface.

    `ADAPTER_CHECKS` describes the checks. Optional methods, such as `wake()`, are checked if the
    adapter has them. Needs h11: `pip install 'sseparse[h11]'`.

    Args:
        open_response: Sends a request to a URL, its argument, and returns a context manager of the
            response: an object that `Stream` or `AsyncStream` can read.
        client: Returns a context manager of a client, which is then passed to `open_response`
            before the URL. If the adapter's `pooled` is True, its responses must share the client's
            connections. Default: None.
        backend: The event loop for an asynchronous adapter; None for a synchronous adapter.
        decodes: The framings that the adapter decompresses: "gzip", "br", "zstd"; none by default.
            See `Framing`.
        checks: The names of the checks to run; None for all.
        limit: Seconds after which a response counts as hanging. Default: 30.

    Raises:
        AssertionError: The adapter failed a check. The message says which, and what to do.
        ValueError: An option has an invalid value.
        ModuleNotFoundError: h11 isn't installed, or a package that a framing needs.
    """
    if backend is not None:
        check_choice("backend", backend, "asyncio", "trio")
    cases = _make_cases(tuple(decodes), has_client=client is not None)
    for name in ADAPTER_CHECKS if checks is None else checks:
        check_choice("checks", name, *ADAPTER_CHECKS)
        for case, make_replay in cases[name].items():
            CheckRun(open_response, client, backend, name, case, make_replay(), limit).run()


def _make_cases(decodes: tuple[Framing, ...], *, has_client: bool) -> dict[str, Cases]:
    framings: tuple[Framing, ...] = ("chunked", "one-chunk", "close", "content-length", *decodes)
    headers = [("X-Request-ID", "r-1"), ("X-Twice", "one"), ("X-Twice", "two")]
    complete, gated = partial(Replay, _BODY), partial(Replay, _BODY, gated=True)
    stalled = {"stall": partial(faulty, "stall", _BODY)}
    faults = ["close", "close-inside", "short-length", *_CUTS_AT_ONCE]
    if has_gzip := "gzip" in decodes:
        faults.append("corrupt-gzip")
    return {
        "bytes": {
            **{framing: partial(Replay, _LARGE, framing=framing) for framing in framings},
            "byte by byte": partial(Replay, _BODY, pieces="bytes"),
            "empty": partial(Replay, b"", framing="content-length"),
            "no content": partial(Replay, b"", status=204, content_type=None),
        },
        "prompt": {
            framing: partial(gated, framing=framing)
            for framing in framings
            if framing != "gzip-unflushed"  # with which the server itself holds pieces back
        },
        "head": {str(code): partial(complete, status=code, headers=headers) for code in (200, 429)},
        "faults": {name: partial(faulty, name, _BODY) for name in faults},
        "encoded": {} if has_gzip else {"gzip": partial(complete, framing="gzip")},
        "close": {"unread": gated, "begun": gated, "read to the end": complete},
        "time": stalled,
        "wake": stalled,
        "pool": {"[DONE]": complete} if has_client else {},
    }


async def _check_bytes(run: CheckRun) -> None:
    async with run.open_response():
        await _read_to_end(run)
    received, expected = bytes(run.received), run.replay.body
    if received != expected:
        pairs = enumerate(zip_longest(received, expected))
        differs = next(at for at, (byte, other) in pairs if byte != other)
        saw = f"received {len(received)} bytes of {len(expected)}; they differ at byte {differs}"
        advice = "return every piece of the body unchanged, also the last one, and nothing else"
        run.fail(saw, advice)


async def _check_prompt(run: CheckRun) -> None:
    ends = list(accumulate(map(len, run.replay.cut())))
    async with run.open_response():
        for number, end in enumerate(ends, 1):
            doing = f"reading event {number} of {len(ends)} before the server sends the next one"
            run.step = (doing, "read the data that is available, not a number of bytes")
            await _read_up_to(run, end)
            run.server.release()


async def _check_head(run: CheckRun) -> None:
    async with run.open_response():
        await _read_to_end(run)
        run.step = ("reading the status and the headers", "set both on the source")
        status, headers, expected = run.source.status, run.source.headers, run.replay.status
        if status != expected:
            run.fail(f"status is {status!r}, not {expected}", "set the source's status")
        if headers.get("x-request-id") != "r-1":
            advice = "make each header available by its lower-case name"
            run.fail(f"headers has no 'x-request-id', only {sorted(headers)}", advice)
        if (twice := headers.get("x-twice")) not in ("one", "two", "one, two"):
            saw = f"headers has {twice!r} for x-twice, which was sent as 'one' and 'two'"
            run.fail(saw, "return one value, or both joined by a comma")


async def _check_fault(run: CheckRun) -> None:
    expected = b"" if run.case in _CUTS_AT_ONCE else _FIRST
    try:
        async with run.open_response():
            run.step = ("reading", "raise an exception at the end of a truncated body")
            await _read_until_error(run)
            received = bytes(run.received)
            if not received.startswith(expected) or not _BODY.startswith(received):
                saw = f"received {received!r} before the error, but the server sent {expected!r}"
                run.fail(saw, "return the data received so far before raising")
            await run.close(is_gone=run.case == "reset")
    except Exception:  # an adapter may raise anything
        if run.has_opened or expected:
            raise


async def _check_encoded(run: CheckRun) -> None:
    async with run.open_response():
        run.step = ("reading a stream", "don't decompress, or pass decodes=['gzip']")
        if await run.read_stream(0) is None:
            saw = "a compressed stream was read without an error, but decodes has no 'gzip'"
            run.fail(saw, "pass decodes=['gzip'] to check that")


async def _check_close(run: CheckRun) -> None:
    async with run.open_response():
        if run.case == "begun":
            await _read_first(run)
        elif run.case == "read to the end":
            await _read_to_end(run)
        await run.close(is_gone=run.case == "read to the end")


async def _check_time(run: CheckRun) -> None:
    async with run.open_response():
        await _read_first(run)
        if run.backend is not None:
            run.step = ("cancelling a read", "support cancellation")
            timers = require_timers("the check needs")
            with contextlib.suppress(TimeUp):
                await timers.within(_SHORT_WAIT, run.read())
                advice = "wait for bytes or for the cancellation"
                run.fail("a read returned although the server sent nothing", advice)
        elif hasattr(run.source, "wait_at_most"):
            await _check_wait_at_most(run)
        await run.close()


async def _check_wait_at_most(run: CheckRun) -> None:
    run.step = (f"a read after wait_at_most({_SHORT_WAIT})", "raise StreamTimeout after that time")
    for seconds in (run.limit, None, _SHORT_WAIT):
        run.source.wait_at_most(seconds)
    error = await _read_until_error(run)
    if not isinstance(error, StreamTimeout) or error.clock != "transport":
        advice = "raise StreamTimeout(..., clock='transport') from the library's own exception"
        run.fail(f"a read past its time limit raised {type(error).__name__}: {error}", advice)


async def _check_wake(run: CheckRun) -> None:
    async with run.open_response():
        await _read_first(run)
        wake = getattr(run.source, "wake", None)
        if wake is None or run.backend is not None:
            return

        def wake_twice() -> None:
            # Usually the read waits by then. If it starts later, it must end too.
            time.sleep(_SHORT_WAIT)
            wake()
            wake()

        advice = "shut the socket down, so that this read and later ones end; raise nothing"
        run.step = ("wake() during a read in another thread", advice)
        with ThreadPoolExecutor(1) as executor:
            woken = executor.submit(wake_twice)
            with contextlib.suppress(Exception):  # the read may end in any way
                await run.read()
        woken.result()
        await run.close()


async def _check_pool(run: CheckRun) -> None:
    for _ in range(_RESPONSES):
        async with run.open_response():
            if not getattr(run.source, "pooled", False):
                return
            run.step = ("reading a stream past [DONE]", "end at the end of the body")
            error = await run.read_stream(run.limit)
            if error is not None:
                run.fail(f"a stream ended with {error!r}", "fix the check 'bytes' first")
    if (connections := len(run.server.connections)) > 1:
        saw = f"pooled is true, but {_RESPONSES} requests used {connections} connections"
        advice = "return the connection to the pool at the end of the body, or set pooled = False"
        run.fail(saw, advice)


_CHECKS: dict[str, tuple[str, Check]] = {
    "bytes": ("every byte is returned, in every framing", _check_bytes),
    "prompt": ("each event is returned before the next one is sent", _check_prompt),
    "head": ("status and headers, also of errors; headers by lower-case name", _check_head),
    "faults": ("a truncated body raises, after the data received before", _check_fault),
    "encoded": ("a body that isn't decompressed doesn't look like a stream", _check_encoded),
    "close": ("close() closes the connection; again it does nothing", _check_close),
    "time": ("wait_at_most() limits a read; async reads can be cancelled", _check_time),
    "wake": ("wake() ends a read in another thread", _check_wake),
    "pool": ("if pooled is true, requests share a connection", _check_pool),
}

ADAPTER_CHECKS = MappingProxyType({name: about for name, (about, _) in _CHECKS.items()})
"""The names of the checks of `check_adapter`, each with a description."""


async def _read_to_end(run: CheckRun) -> None:
    run.step = ("reading", "end the iteration at the end of the body")
    while await run.read() is not None:
        pass


async def _read_first(run: CheckRun) -> None:
    run.step = ("reading the first event", "fix the check 'prompt' first")
    await _read_up_to(run, len(_FIRST))


async def _read_up_to(run: CheckRun, size: int) -> None:
    while len(run.received) < size:
        if await run.read() is None:
            saw = f"the body ended after {len(run.received)} bytes, before the server sent its end"
            run.fail(saw, "end the iteration only at the end of the body")


async def _read_until_error(run: CheckRun) -> Exception:
    """Read a truncated body; check that it raises TransportError, or what streams convert to it."""
    advice = "raise TransportError from the library's own exception"
    try:
        while await run.read() is not None:
            pass
    except Exception as raised:  # an adapter may raise anything
        error = raised
    else:
        run.fail("an incomplete body ended without an exception", advice)
    if isinstance(error, TransportError):
        # If no byte was received, the library may have raised nothing.
        if error.__cause__ is None and run.case != "no-answer":
            run.fail(f"{type(error).__name__} has no __cause__: {error}", advice)
    elif isinstance(error, SSEError | RuntimeError | TypeError):
        # Streams don't convert these, which report misuse of the source.
        run.fail(f"reading raised {type(error).__name__}: {error}", advice)
    return error


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
    # What the check does now, and what to do if that hangs or raises.
    step: tuple[str, str] = ("", "")
    has_opened: bool = False
    source: Any = None
    received: bytearray = field(factory=bytearray)
    _pieces: Any = None
    _run_in_thread: Callable[..., Any] | None = None
    _failure: AssertionError | None = None

    def run(self) -> None:
        """Run the check; raise AssertionError if the adapter fails it or hangs."""
        with ReplayServer(self.replay) as self.server:
            thread = threading.Thread(target=self._run, name="sseparse-adapter", daemon=True)
            thread.start()
            thread.join(self.limit)
            is_hung, (step, advice) = thread.is_alive(), self.step
        # A read that hangs ends with the server. A thread that hangs elsewhere is abandoned.
        thread.join(self.limit)
        if is_hung:
            raise self._error(f"{step} did not return within {self.limit:g} s", advice)
        if self._failure is not None:
            raise self._failure

    def fail(self, saw: str, advice: str) -> NoReturn:
        # The first failure counts, even if the check has suppressed its exception.
        self._failure = self._failure or self._error(saw, advice)
        raise self._failure

    @contextlib.asynccontextmanager
    async def open_response(self) -> AsyncGenerator[None, None]:
        """Open a response. The server sends the first piece if it's gated."""
        self.step = ("opening a response", "return the library's response from the opener")
        self.server.release()
        opened = self.open_source(f"{self.server.url}/")
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
        self.step = ("close()", "allow it at any time, also twice, and raise nothing")
        parts = [self.source] if self._pieces is self.source else [self._pieces, self.source]
        for part in parts * 2:
            if self.backend is None and hasattr(part, "close"):
                part.close()
            elif self.backend is not None and hasattr(part, "aclose"):
                await part.aclose()
        if is_gone:
            return
        advice = "close the response in close(), and its connection unless the body was read"
        self.step = ("waiting for the connection to close after close()", advice)
        wait = partial(self.server.connections[0].wait_closed, threading.TIMEOUT_MAX)
        if self._run_in_thread is None:
            wait()
        else:
            await self._run_in_thread(wait)

    def _run(self) -> None:
        try:
            match self.backend:
                case None:
                    # Synchronous code never awaits: the first step is the last one.
                    with contextlib.suppress(StopIteration):
                        self._run_with_client().send(None)
                case "asyncio":
                    import asyncio  # noqa: PLC0415 - only for adapters that need it

                    self._run_in_thread = asyncio.to_thread
                    asyncio.run(self._run_with_client())
                case _:
                    import trio  # noqa: PLC0415 - only for adapters that need it

                    self._run_in_thread = trio.to_thread.run_sync
                    trio.run(self._run_with_client)
        except Exception as error:  # an adapter may raise anything
            # A task group of the opener may have wrapped the exception of fail().
            if self._failure is None:
                step, advice = self.step
                saw = f"{step} raised {type(error).__name__}: {error}"
                self._failure = self._error(saw, advice)
                self._failure.__cause__ = error

    async def _run_with_client(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            if self.client is not None:
                self.step = ("opening a client", "check what client returns")
                client = await self._enter(stack, self.client(), "client")
                self.open_source = partial(self.open_source, client)
            await _CHECKS[self.check][1](self)

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
