"""
The bytes of a streamed response of httpx or httpx2.

Neither library is imported.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Container, Iterator, Mapping
from contextlib import nullcontext, suppress
from typing import Any, Literal, Self

from .._stage import Uncopyable
from ..streams import HTTPXResponse
from ..streams._timers import running_timers
from ._bounded_decoding import BoundedDecoder, require_one_part
from ._bounded_reads import BoundedReads, wake
from ._encodings import USUAL, undecoded
from ._httpx_failures import failures, translated
from ._redirects import Hop, turned_into_get

__all__ = ("ResponseSource", "source")


class ResponseSource(Uncopyable):
    """
    Iterate the bytes of a response, as they come.

    Attributes:
        status: The HTTP status.
        headers: The response's headers; names are found in any case.
        pooled: Whether its connection goes back to the client's pool at the end of the body, and
            a wait for that can be bounded.
    """

    def __init__(self, response: HTTPXResponse) -> None:
        self.status: int | None = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._sync_pieces: Iterator[bytes] | None = None
        self._async_pieces: AsyncIterator[bytes] | None = None
        self._decoder: BoundedDecoder | None = None
        self._network = _network(response)
        self._bounded: BoundedReads | None = None
        self._connected = "network_stream" in response.extensions
        is_async = hasattr(response.stream, "__aiter__")
        self.pooled = self._connected if is_async else self._network is not None
        self._refused = turned_into_get(*_asked(response)) or undecoded(
            self.status, self.headers, _decoded(response)
        )

    def __iter__(self) -> Self:
        self._require("__iter__", "asynchronous; read it with AsyncStream or AsyncEventStream")
        return self

    def __next__(self) -> bytes:
        self._refuse()
        pieces = self._sync_pieces
        if pieces is None:
            pieces = self._sync_pieces = self._open("iter")
        try:
            with nullcontext() if self._bounded is None else self._bounded.reading():
                return next(pieces) if self._decoder is None else _next(self._decoder, pieces)
        except StopIteration:
            _require_all_decoded(self._response)
            raise
        except failures() as error:
            raise translated(error) from error

    def _open(self, kind: Literal["iter", "aiter"]) -> Any:
        self._decoder = _bounded_decoder(self._response)
        # Without a size: with one the library waits until so many bytes have come.
        return getattr(self._response, f"{kind}_{'bytes' if self._decoder is None else 'raw'}")()

    def wait_at_most(self, seconds: float | None) -> None:
        """
        Bound each further wait for bytes, in seconds, besides the client's read timeout.

        Responses over HTTP/2 share their connection, and keep to the client's timeout alone.
        """
        if self._bounded is None and self._network is not None:
            self._bounded = BoundedReads(self._network)
        if self._bounded is not None:
            self._bounded.seconds = seconds

    def wake(self) -> None:
        """End a read that waits in another thread, where the connection is not shared."""
        # Of a closed response the connection may serve another already.
        if self._network is not None and not self._response.is_closed:
            wake(self._network)

    def close(self) -> None:
        """Close the response, and with it the connection, unless it can be used again."""
        if self._bounded is not None:
            self._bounded.undo()
        self._response.close()

    def __aiter__(self) -> Self:
        self._require("__aiter__", "synchronous; read it with Stream or EventStream")
        return self

    async def __anext__(self) -> bytes:
        self._refuse()
        pieces = self._async_pieces
        if pieces is None:
            pieces = self._async_pieces = self._open("aiter")
        try:
            return await (anext(pieces) if self._decoder is None else _anext(self._decoder, pieces))
        except StopAsyncIteration:
            _require_all_decoded(self._response)
            raise
        except failures() as error:
            raise translated(error) from error

    async def aclose(self) -> None:
        """Close the response, and with it the connection, unless it can be used again."""
        pieces = self._async_pieces
        timers = running_timers()
        if not self._connected or timers is None:
            # A generator that is left half read must be closed in the task that read it.
            aclose = getattr(pieces, "aclose", None)
            if aclose is not None:
                await aclose()
            pieces = None
        await self._response.aclose()
        if pieces is not None and timers is not None:
            # The generators of a client lie inside each other. Closing the outermost leaves the
            # others to the collector, about which trio warns; a read that has no time ends all.
            with suppress(Exception):
                while True:
                    await timers.within(0, anext(pieces))

    def _refuse(self) -> None:
        if self._refused is not None:
            raise self._refused

    def _require(self, name: str, otherwise: str) -> None:
        if not hasattr(self._response.stream, name):
            raise TypeError(f"this response is {otherwise}")


def source(response: HTTPXResponse) -> ResponseSource:
    """
    Find the bytes of a response.

    Args:
        response: A response of httpx or httpx2, of a synchronous or an asynchronous client,
            opened with `client.stream(...)`.

    Returns:
        A synchronous or asynchronous iterable of bytes, decompressed, with `close()` or
        `aclose()`, `status` and `headers`. Reading raises `TransportError`, or `StreamTimeout`
        where the library's read timeout passed, with the library's exception as its cause.
    """
    return ResponseSource(response)


def _network(response: HTTPXResponse) -> Any:
    """Find what the bytes of a response come from, where they are all that does."""
    extensions = response.extensions
    shared = extensions.get("http_version") not in (b"HTTP/1.0", b"HTTP/1.1")
    return None if shared else extensions.get("network_stream")


def _asked(response: HTTPXResponse) -> tuple[list[Hop], str]:
    """Tell what was asked for on the way to a response, and for the response itself."""
    history: list[Any] = response.history
    hops = [(each.request.method, each.status_code, each.headers) for each in history]
    return hops, response.request.method if history else ""


def _decoded(response: HTTPXResponse) -> Container[str]:
    """Find the codings that the library decodes: it passes all others over, and says nothing."""
    library = type(response).__module__.partition(".")[0]
    decoders = sys.modules.get(f"{library}._decoders")
    known: Container[str] = getattr(decoders, "SUPPORTED_DECODERS", USUAL)
    return known


def _next(decoder: BoundedDecoder, raw: Iterator[bytes]) -> bytes:
    while not (piece := decoder.pop()):
        try:
            decoder.feed(next(raw))
        except StopIteration:
            decoder.finish()
            raise
    return piece


async def _anext(decoder: BoundedDecoder, raw: AsyncIterator[bytes]) -> bytes:
    while not (piece := decoder.pop()):
        try:
            decoder.feed(await anext(raw))
        except StopAsyncIteration:
            decoder.finish()
            raise
    return piece


def _bounded_decoder(response: Any) -> BoundedDecoder | None:
    """Return what decompresses a response that httpx would decompress unbounded, or None."""
    is_httpx = any(kind.__module__.partition(".")[0] == "httpx" for kind in type(response).__mro__)
    make: Any = getattr(response, "_get_content_decoder", None)
    if not is_httpx or make is None or hasattr(response, "_content"):
        return None
    decoder = make()
    compressed = hasattr(decoder, "decompressor") or hasattr(decoder, "children")
    return BoundedDecoder(decoder) if compressed else None


def _require_all_decoded(response: HTTPXResponse) -> None:
    """Refuse a body in several parts, each compressed by itself: all but the first are dropped."""
    decoder: Any = getattr(response, "_decoder", None)
    for child in getattr(decoder, "children", [decoder]):
        inner: Any = child
        while hasattr(inner, "decompressor"):
            inner = inner.decompressor
        require_one_part(getattr(inner, "unused_data", b""))
