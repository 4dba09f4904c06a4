"""Body of an asynchronous response of httpx, of which a read can be interrupted and repeated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from time import monotonic
from types import coroutine
from typing import Any, Final, cast
from weakref import ref

from .._errors import TransportError
from ._http import SHORTEST_WAIT

# What the generators wait for, if it's nothing that the event loop must do. _START: not known yet.
_BYTES_NEEDED: Final = object()
_NOTHING: Final = object()
_START: Final = object()


class _Closed(Exception):
    pass


@coroutine
def _request_bytes() -> Generator[object, bytes, bytes]:
    return (yield _BYTES_NEEDED)


class InterruptibleBody:
    """
    Bytes of a body, for `anext()`, a wait for which can be cancelled without an effect.

    A cancellation that reaches the nested generators of httpx ends them and closes the connection.
    So they don't wait: when they read from the network stream, they are suspended with a request
    for bytes, which is met outside of them. A cancellation then finds only the read of the network
    stream, which loses no bytes in anyio and trio. Over HTTP/1.1, httpx holds no lock and no cancel
    scope at that moment.
    """

    def __init__(self, pieces: Any, stream: Any, enough: int) -> None:
        self.pieces = pieces  # the outermost generator
        self._enough = enough  # bytes, after which no further piece is joined
        self._stream = stream
        self._receive: Callable[..., Awaitable[bytes]] = stream.read
        self._ready: list[bytes] = []
        self._failure: Exception | None = None  # after the bytes that are ready
        self._call: Any = None  # of the generators, while it's suspended
        self._is_reading = False
        self._is_running = False  # a step of the call
        self._is_broken = False
        self._size = 0
        self._timeout: float | None = None
        self._read = stream.read = self._make_read()

    def _make_read(self) -> Callable[..., Awaitable[bytes]]:
        # Neither this function nor what it returns refers to the body, which must be deleted before
        # the generators.
        receive, reference = self._receive, ref(self)

        def read(max_bytes: int, timeout: float | None = None) -> Awaitable[bytes]:
            body = reference()
            # At the end of a body, before its reader returns, another task can have the connection.
            if body is None or not body._is_running:  # noqa: SLF001 - this class
                return receive(max_bytes, timeout=timeout)
            body._size, body._timeout = max_bytes, timeout  # noqa: SLF001 - this class
            return _request_bytes()

        return read

    def __del__(self) -> None:
        """End an interrupted read, or the event loop would find its generators running."""
        # Not by GeneratorExit, which Python 3.11 doesn't pass on to the inner generators.
        with suppress(BaseException):
            while self._call is not None:
                self._run(self._call.throw, _Closed())

    def __anext__(self) -> Awaitable[bytes]:
        """Return all bytes that need not be waited for; wait if there are none."""
        return self._advance(_START)

    @coroutine
    def _advance(self, trap: object) -> Generator[Any, Any, bytes]:
        """Wait until there are bytes, and for what the event loop must do before that."""
        if trap is _START:
            trap = self._start()
        while trap is not _NOTHING and (trap is not _BYTES_NEEDED or not self._ready):
            resume = self._call.send
            value: object
            started = monotonic()
            self._is_reading = True
            try:
                if trap is _BYTES_NEEDED:
                    reading = self._receive(self._size, timeout=self._timeout)
                    value = yield from reading.__await__()
                else:
                    value = yield trap
            except BaseException as error:
                if trap is _BYTES_NEEDED and not isinstance(error, Exception):
                    # A cancellation: the generators stay suspended.
                    if self._timeout is not None:
                        left = self._timeout - (monotonic() - started)
                        self._timeout = max(left, SHORTEST_WAIT)
                    raise
                resume, value = self._call.throw, error  # httpx translates it
            finally:
                self._is_reading = False
            trap = self._run(resume, value)
        if self._ready:
            piece = self._ready[0] if len(self._ready) == 1 else b"".join(self._ready)
            self._ready.clear()
            return piece
        failure, self._failure = self._failure, None
        raise cast("Exception", failure)

    def _start(self) -> object:
        """Run the generators unless they wait for bytes already; return for what they wait."""
        if self._is_reading:
            raise RuntimeError("another task reads from this source")
        if self._call is not None:
            return _BYTES_NEEDED
        if self._ready or self._failure is not None:
            return _NOTHING
        if self._is_broken:
            raise TransportError(
                "a cancellation interrupted httpx at a moment other than a read, and closed the "
                "connection; send the request again"
            )
        return self._run(self._begin_call(), None)

    def _begin_call(self) -> Callable[[Any], object]:
        call = self._call = anext(self.pieces)
        resume: Callable[[Any], object] = call.send
        return resume

    def _run(self, resume: Callable[[Any], object], value: object) -> object:
        """Run the generators until they wait, and return for what."""
        size = 0
        self._is_running = True
        try:
            while True:
                try:
                    return resume(value)
                except StopIteration as end:
                    self._call = None
                    self._ready.append(end.value)
                    size += len(end.value)
                if size >= self._enough:
                    return _NOTHING
                resume, value = self._begin_call(), None
        except Exception as error:  # also at the end of the body
            self._failure = error
            self._on_end()
            return _NOTHING
        except BaseException:
            self._is_broken = True
            self._on_end()
            raise
        finally:
            self._is_running = False

    def _on_end(self) -> None:
        self._call = None
        self._undo()

    async def aclose(self) -> None:
        """End an interrupted read, which closes the connection."""
        if self._call is not None:
            with suppress(_Closed):
                await self._advance(self._run(self._call.throw, _Closed()))
        self._undo()

    def _undo(self) -> None:
        if self._stream.read is self._read:
            del self._stream.read
