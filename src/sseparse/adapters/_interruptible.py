"""Body of an asynchronous response of httpx, of which a read can be interrupted and repeated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from time import monotonic
from types import coroutine
from typing import Any, Final, Self, cast

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
    Iterator of a body's bytes, a wait of which can be cancelled without an effect.

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
        stream.read = self._read

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._is_reading:
            raise RuntimeError("another task reads from this source")
        self._is_reading = True
        try:
            return await self._read_piece()
        finally:
            self._is_reading = False

    async def _read_piece(self) -> bytes:
        if self._is_broken:
            raise TransportError(
                "a cancellation interrupted httpx at a moment other than a read, and closed the "
                "connection; send the request again"
            )
        piece: bytes | None = None
        if self._call is None:
            self._call = anext(self.pieces)
            piece = await self._advance(self._call.send, None)
        while piece is None:
            try:
                data = await self._wait()
            except Exception as error:  # httpx translates it
                piece = await self._advance(self._call.throw, error)
            else:
                piece = await self._advance(self._call.send, data)
        return piece

    async def _wait(self) -> bytes:
        left = self._timeout
        if left is not None:
            left = max(left - self._waited, SHORTEST_WAIT)
        started = monotonic()
        try:
            return await self._receive(self._size, timeout=left)
        finally:
            self._waited += monotonic() - started

    @coroutine
    def _advance(
        self, resume: Callable[[Any], object], value: object
    ) -> Generator[Any, Any, bytes | None]:
        """Run the generators until they return bytes; return None if they need some for that."""
        call = self._call
        while True:
            self._is_running = True
            try:
                trap = resume(value)
            except StopIteration as end:
                self._call = None
                return cast(bytes, end.value)
            except BaseException as error:
                self._call = None
                self._is_broken = not isinstance(error, Exception)
                self._undo()
                raise
            finally:
                self._is_running = False
            if trap is _BYTES_NEEDED:
                return None
            try:  # anything else is for the event loop
                resume, value = call.send, (yield trap)
            except BaseException as error:
                resume, value = call.throw, error

    async def _read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature of httpcore
    ) -> bytes:
        # At the end of the body, before its reader returns, another task can have the connection.
        if not self._is_running:
            return await self._receive(max_bytes, timeout=timeout)
        self._size, self._timeout, self._waited = max_bytes, timeout, 0.0
        return await _request_bytes()

    async def aclose(self) -> None:
        """End an interrupted read, which closes the connection."""
        if self._call is not None:
            with suppress(_Closed):
                await self._advance(self._call.throw, _Closed())
        self._undo()

    def _undo(self) -> None:
        if self._stream.read == self._read:
            del self._stream.read
