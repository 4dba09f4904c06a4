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
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from .._errors import translated
from .._stage import Uncopyable
from ._http import USUAL_CODINGS, BodyCheck, loaded_exceptions

if TYPE_CHECKING:
    from aiohttp import ClientResponse, StreamReader
    from aiohttp.client_proto import ResponseHandler


_FAILURES: Final = (
    ("builtins", "OSError"),
    ("aiohttp", "ClientError"),
    ("aiohttp.http", "HttpProcessingError"),
)
_CHECK_INTERVAL: Final = 1.0  # in seconds, between two checks of the connection during a wait


class ContentSource(Uncopyable, AsyncIterator[bytes]):
    """Bytes of a body of aiohttp, `response.content`, as they arrive. It isn't closed."""

    pooled = False
    interruptible = True
    status: int | None = None

    def __init__(self, content: StreamReader, body: bytes | None = None) -> None:
        self.headers: Mapping[str, str] = {}
        self._content = content
        # At the end of the body, the response releases its connection.
        protocol: Any = getattr(content, "_protocol", None)
        # A server's protocol has another base class.
        is_client = hasattr(protocol, "is_connected")
        self._protocol: ResponseHandler | None = protocol if is_client else None
        self._failure: Exception | None = None
        self._check = BodyCheck(None, {}, None)
        self._body = body
        if body is None and content.at_eof() and content.total_bytes:
            raise RuntimeError(
                "this response was read already, and its body wasn't kept; pass a response that "
                "hasn't been read"
            )

    async def __anext__(self) -> bytes:
        if self._check.error is not None:
            raise self._check.error
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
        return piece if self._check.passed else self._check.release(piece)

    async def aclose(self) -> None:
        """Close nothing: the response belongs to the caller."""

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
        """Raise the error of the connection if the body ended with it, if that's known."""

    def _read_rest(self) -> bytes:
        # The public methods no longer return the bytes received before an error.
        read: Callable[[int], bytes] | None = getattr(self._content, "_read_nowait", None)
        with suppress(TimeoutError):
            return b"" if read is None else read(-1)
        return b""


class AiohttpSource(ContentSource):
    """Bytes of a response of aiohttp, decompressed, as they arrive."""

    pooled = True

    def __init__(self, response: ClientResponse) -> None:
        body: object = getattr(response, "_body", None)
        super().__init__(response.content, body if isinstance(body, bytes) else None)
        self.status: int | None = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        hops = [(each.method, each.status, each.headers) for each in response.history]
        # aiohttp decodes a single coding only.
        codings = {response.headers.get("Content-Encoding", "").strip().lower()} & USUAL_CODINGS
        self._check = BodyCheck(response.status, response.headers, codings, hops, response.method)

    async def aclose(self) -> None:
        if self._content.is_eof():
            self._response.release()
        else:
            self._response.close()

    def _require_complete(self) -> None:
        # aiohttp treats a reset as the end of a body without a length. Bodies with a known end are
        # complete, and their connection can have failed since.
        framing = {"content-length", "transfer-encoding"} & {key.lower() for key in self.headers}
        error = None if framing or self._protocol is None else self._protocol.exception()
        if isinstance(error, OSError):
            raise error
