"""Body of an asynchronous response of httpx, of which a read can be interrupted and repeated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from time import monotonic
from types import coroutine
from typing import Any, Final
from weakref import ref

from .._errors import TransportError
from ._http import SHORTEST_WAIT

_BYTES_NEEDED: Final = object()


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

    def __init__(self, pieces: Any, stream: Any) -> None:
        self.pieces = pieces  # the outermost generator
        self._stream = stream
        self._receive: Callable[..., Awaitable[bytes]] = stream.read
        self._call: Any = None  # of the generators, while it's suspended
        self._is_reading = False
        self._is_running = False  # a step of the call
        self._is_broken = False
        self._size = 0
        self._timeout: float | None = None
        self._waited = 0.0  # in seconds, for the same bytes
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
            body._request(max_bytes, timeout)  # noqa: SLF001 - this class
            return _request_bytes()

        return read

    def _request(self, size: int, timeout: float | None) -> None:
        self._size, self._timeout, self._waited = size, timeout, 0.0

    def __del__(self) -> None:
        """End an interrupted read, or the event loop would find its generators running."""
        # Not by GeneratorExit, which Python 3.11 doesn't pass on to the inner generators.
        with suppress(BaseException):
            while self._call is not None:
                self._run(self._call.throw, _Closed())

    @coroutine
    def __anext__(self) -> Generator[Any, Any, bytes]:
        if self._is_reading:
            raise RuntimeError("another task reads from this source")
        if self._is_broken:
            raise TransportError(
                "a cancellation interrupted httpx at a moment other than a read, and closed the "
                "connection; send the request again"
            )
        call = self._call
        if call is None:
            call = self._call = anext(self.pieces)
            # Most often the bytes were read with others before: then this is all.
            self._is_running = True
            try:
                trap = call.send(None)
            except StopIteration as end:
                self._call = None
                piece: bytes = end.value
                return piece
            except BaseException as error:
                self._on_end(error)
                raise
            finally:
                self._is_running = False
        else:
            trap = _BYTES_NEEDED
        resume, value = yield from self._wait(call, trap)
        return (yield from self._drive(call, resume, value))

    def _drive(
        self, call: Any, resume: Callable[[Any], object], value: object
    ) -> Generator[Any, Any, bytes]:
        """Run the generators until they return bytes."""
        try:
            while True:
                trap = self._run(resume, value)
                resume, value = yield from self._wait(call, trap)
        except StopIteration as end:
            piece: bytes = end.value
            return piece

    def _run(self, resume: Callable[[Any], object], value: object) -> object:
        """Run the generators until they wait; return for what."""
        self._is_running = True
        try:
            return resume(value)
        except StopIteration:
            self._call = None
            raise
        except BaseException as error:
            self._on_end(error)
            raise
        finally:
            self._is_running = False

    def _on_end(self, error: BaseException) -> None:
        self._call = None
        self._is_broken = not isinstance(error, Exception)
        self._undo()

    def _wait(
        self, call: Any, trap: object
    ) -> Generator[Any, Any, tuple[Callable[[Any], object], object]]:
        """Wait for bytes, or for what the event loop must do; return how to go on."""
        self._is_reading = True
        try:
            if trap is _BYTES_NEEDED:
                value = yield from self._receive_bytes().__await__()
            else:
                value = yield trap
        except Exception as error:  # httpx translates it
            return call.throw, error
        except BaseException as error:
            if trap is _BYTES_NEEDED:
                raise  # and the generators stay suspended
            return call.throw, error
        finally:
            self._is_reading = False
        return call.send, value

    async def _receive_bytes(self) -> bytes:
        left = self._timeout
        if left is not None:
            left = max(left - self._waited, SHORTEST_WAIT)
        started = monotonic()
        try:
            return await self._receive(self._size, timeout=left)
        finally:
            self._waited += monotonic() - started

    @coroutine
    def aclose(self) -> Generator[Any, Any, None]:
        """End an interrupted read, which closes the connection."""
        if (call := self._call) is not None:
            with suppress(_Closed):
                yield from self._drive(call, call.throw, _Closed())
        self._undo()

    def _undo(self) -> None:
        if self._stream.read is self._read:
            del self._stream.read
