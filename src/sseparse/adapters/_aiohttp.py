"""
The bytes of a streamed response of aiohttp.

The library is not imported.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from .._errors import StreamTimeout, TransportError
from .._stage import Uncopyable
from ._http import USUAL, turned_into_get, undecoded

if TYPE_CHECKING:
    from aiohttp import ClientResponse
    from aiohttp.client_proto import ResponseHandler


_LOOK_EVERY: Final = 1.0
"""In seconds: how often it is looked whether the bytes waited for can come at all."""


class AiohttpSource(Uncopyable):
    """
    Iterate the bytes of a response, decompressed, as they come.

    Attributes:
        status: The HTTP status.
        headers: The response's headers; names are found in any case.
        pooled: Whether the connection goes back to its pool once the body was read to its end.
    """

    pooled = True

    def __init__(self, response: ClientResponse) -> None:
        self.status: int | None = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._content = response.content
        # The response itself lets go of its connection once the body is there.
        self._protocol: ResponseHandler | None = getattr(response.content, "_protocol", None)
        self._failure: Exception | None = None
        hops = [(each.method, each.status, each.headers) for each in response.history]
        self._refused = turned_into_get(hops, response.method) or undecoded(
            response.status, response.headers, USUAL
        )
        body: object = getattr(response, "_body", None)
        self._held = body if isinstance(body, bytes) else None
        if self._held is None and self._content.at_eof() and self._content.total_bytes:
            raise RuntimeError(
                "this response was read already, and its body was not kept; pass one yet unread"
            )

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._refused is not None:
            raise self._refused
        if self._failure is not None:
            raise _translated(self._failure) from self._failure
        try:
            piece = await self._read()
            if not piece:
                self._require_whole()
        except _failures() as error:
            piece = self._take_unread()
            if not piece:
                raise _translated(error) from error
            self._failure = error
        if not piece:
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """Close the response, and with it the connection, unless it can be used again."""
        if self._content.is_eof():
            self._response.release()
        else:
            self._response.close()

    async def _read(self) -> bytes:
        if self._held is not None:
            piece, self._held = self._held, b""
            return piece
        piece = self._content.read_nowait()
        if piece or self._content.at_eof():
            return piece
        self._look()
        try:
            # Nothing is lost where this is cancelled: it takes bytes only once it need not wait.
            return await self._content.readany()
        finally:
            self._next_look.cancel()

    def _look(self) -> None:
        """
        See whether bytes can still come; if not, let the one who reads know.

        aiohttp 3.14 drops a connection on which the framing of chunks is broken, and one whose
        session is closed, and tells it to nobody who waits for the body: not even its own read
        timeout comes after that.
        """
        fault = self._fault()
        if fault is not None and self._content.exception() is None:
            self._content.set_exception(fault)
        self._next_look = asyncio.get_running_loop().call_later(_LOOK_EVERY, self._look)

    def _fault(self) -> BaseException | None:
        protocol = self._protocol
        if protocol is None or protocol.is_connected():
            return None
        if protocol.connected:
            # It is closing; if not for a fault of its own, what it got is not all told yet.
            return protocol.exception()
        return protocol.exception() or ConnectionAbortedError("the connection was closed")

    def _require_whole(self) -> None:
        """
        Raise what ended a body that had no announced end, if it was not closed but reset.

        aiohttp takes the one for the other. Other bodies know their end, and their connection may
        have had another fate since.
        """
        announced = {"content-length", "transfer-encoding"} & {key.lower() for key in self.headers}
        fault = None if announced or self._protocol is None else self._protocol.exception()
        if isinstance(fault, OSError):
            raise fault

    def _take_unread(self) -> bytes:
        # The library no longer hands out what came before a fault.
        take: Callable[[int], bytes] | None = getattr(self._content, "_read_nowait", None)
        with suppress(TimeoutError):
            return b"" if take is None else take(-1)
        return b""


def source(response: ClientResponse) -> AiohttpSource:
    """
    Find the bytes of a response.

    Args:
        response: A response of aiohttp.

    Returns:
        An asynchronous iterable of bytes, decompressed, with `aclose()`, `status` and `headers`.
        Reading raises `TransportError`, or `StreamTimeout` where one of the library's timeouts
        passed, with the library's exception as its cause.

    Raises:
        RuntimeError: It was read already, and its body was not kept.
    """
    return AiohttpSource(response)


def _failures() -> tuple[type[Exception], ...]:
    library = sys.modules.get("aiohttp")
    if library is None:
        return (OSError,)
    return OSError, library.ClientError, library.http.HttpProcessingError


def _translated(error: Exception) -> TransportError:
    message = f"aiohttp failed: {type(error).__name__}: {error}"
    if isinstance(error, TimeoutError):
        return StreamTimeout(message, clock="transport")
    return TransportError(message)
