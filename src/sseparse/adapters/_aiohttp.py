"""
Adapter for aiohttp, which isn't imported.

Private attributes used, seen in aiohttp 3.14.5:

* `StreamReader._protocol`, and its undocumented `connected`, `is_connected()` and `exception()`.
  Fallback: a connection that aiohttp drops isn't reported, and ends no wait.
* `StreamReader._read_nowait`. Fallback: bytes received just before an error are lost.
* `ClientResponse._body`. Fallback: a body that was read already is an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from .._errors import translated
from .._stage import Uncopyable
from ._http import USUAL_CODINGS, find_refusal, loaded_exceptions

if TYPE_CHECKING:
    from aiohttp import ClientResponse
    from aiohttp.client_proto import ResponseHandler


_FAILURES: Final = (
    ("builtins", "OSError"),
    ("aiohttp", "ClientError"),
    ("aiohttp.http", "HttpProcessingError"),
)
_CHECK_INTERVAL: Final = 1.0  # in seconds, between two checks of the connection during a wait


class AiohttpSource(Uncopyable):
    """Bytes of a response of aiohttp, decompressed, as they arrive."""

    pooled = True
    interruptible = True

    def __init__(self, response: ClientResponse) -> None:
        self.status: int | None = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._content = response.content
        # At the end of the body, the response releases its connection.
        self._protocol: ResponseHandler | None = getattr(response.content, "_protocol", None)
        self._failure: Exception | None = None
        hops = [(each.method, each.status, each.headers) for each in response.history]
        self._refusal = find_refusal(
            response.status, response.headers, USUAL_CODINGS, hops, response.method
        )
        body: object = getattr(response, "_body", None)
        self._body = body if isinstance(body, bytes) else None
        if self._body is None and self._content.at_eof() and self._content.total_bytes:
            raise RuntimeError(
                "this response was read already, and its body wasn't kept; pass a response that "
                "hasn't been read"
            )

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._refusal is not None:
            raise self._refusal
        if self._failure is not None:
            raise translated("aiohttp", self._failure) from self._failure
        try:
            piece = await self._read()
            if not piece:
                self._require_complete()
                raise StopAsyncIteration
        except loaded_exceptions(*_FAILURES) as error:
            piece = self._read_rest()
            if not piece:
                raise translated("aiohttp", error) from error
            self._failure = error
        return piece

    async def aclose(self) -> None:
        if self._content.is_eof():
            self._response.release()
        else:
            self._response.close()

    async def _read(self) -> bytes:
        if self._body is not None:
            piece, self._body = self._body, b""
            return piece
        piece = self._content.read_nowait()
        if piece or self._content.at_eof():
            return piece
        self._check_connection()
        try:
            # A cancellation loses nothing: bytes are removed only when it need not wait.
            return await self._content.readany()
        finally:
            self._next_check.cancel()

    def _check_connection(self) -> None:
        """
        Make the read fail if the connection is gone, and check again after a while.

        aiohttp 3.14 drops a connection with malformed chunks, or whose session is closed, without
        an error for the reader; after that, its own read timeout doesn't apply either.
        """
        protocol, content = self._protocol, self._content
        if protocol is not None and not protocol.is_connected() and content.exception() is None:
            error = protocol.exception()
            # While it's closing, without an error of its own, received bytes are still to come.
            if error is None and not protocol.connected:
                error = ConnectionAbortedError("the connection was closed")
            if error is not None:
                content.set_exception(error)
        loop = asyncio.get_running_loop()
        self._next_check = loop.call_later(_CHECK_INTERVAL, self._check_connection)

    def _require_complete(self) -> None:
        # aiohttp takes a reset for the end of a body without a length. Bodies with a known end are
        # complete, and their connection can have failed since.
        framing = {"content-length", "transfer-encoding"} & {key.lower() for key in self.headers}
        error = None if framing or self._protocol is None else self._protocol.exception()
        if isinstance(error, OSError):
            raise error

    def _read_rest(self) -> bytes:
        # The public methods no longer return the bytes received before an error.
        read: Callable[[int], bytes] | None = getattr(self._content, "_read_nowait", None)
        with suppress(TimeoutError):
            return b"" if read is None else read(-1)
        return b""
