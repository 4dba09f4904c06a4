"""Adapter for httpx and httpx2."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Container, Generator, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from time import monotonic
from typing import Any, Final, Literal, Self

from .._deadlines import running_timers
from .._errors import TransportError
from .._stage import Breakable, Uncopyable, breaking
from ._http import USUAL, Hop, failures, shorter, translated, turned_into_get, undecoded
from ._registry import HTTPXResponse

# A few bytes of Brotli hold one meta-block at most, which is up to 16 MiB. The others need far more
# for that: gzip makes at most 1,032 bytes of one, zstd 128 KiB of four.
_STEPS: Final = {"BrotliDecoder": 8, "ZStandardDecoder": 64}
_STEP: Final = 512
_ENOUGH: Final = 65536


class BoundedDecoder(Breakable):
    """
    Decompresses the pieces of a body.

    Args:
        decoder: A decoder of httpx.
    """

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self._decoder = decoder
        children = getattr(decoder, "children", [decoder])
        # That of "identity" decompresses nothing.
        self._decoders = [child for child in children if hasattr(child, "decompressor")]
        self._decoded: Iterator[bytes] = iter(())
        self._failure: Exception | None = None

    def feed(self, raw: bytes) -> None:
        """Process a piece of the compressed body; the one before it must be used up."""
        self._decoded = _decode(self._decoders, raw)

    @breaking
    def pop(self) -> bytes:
        """Return the next bytes of the fed piece; none if it is used up."""
        self._raise_error()
        if self._failure is not None:
            raise self._failure
        parts: list[bytes] = []
        size = 0
        try:
            while size < _ENOUGH and (part := next(self._decoded, None)) is not None:
                parts.append(part)
                size += len(part)
        except Exception as error:  # what was decompressed before it comes first
            if not size:
                raise
            self._failure = error
        return b"".join(parts)

    def finish(self) -> None:
        """Process the end of the body: httpx raises where it's incomplete."""
        self._decoder.flush()


def _decode(decoders: list[Any], data: bytes) -> Iterator[bytes]:
    if not decoders:
        yield data
        return
    first, *others = decoders
    step = _STEPS.get(type(first).__name__, _STEP)
    for at in range(0, len(data), step):
        if getattr(first.decompressor, "eof", False):
            if not hasattr(first, "seen_data"):
                require_one_part(data[at:])
                return
            first.__init__()  # of zstd: the next frame
        yield from _decode(others, first.decode(data[at : at + step]))


def require_one_part(rest: bytes) -> None:
    """
    Raise TransportError if another part follows the compressed one: httpx drops all but the first.

    zlib keeps what follows, and copies it at each further call, so it isn't fed any more of it.
    """
    if rest.strip(b"\0"):
        raise TransportError(
            "httpx decompressed the first part of the body and dropped the others; send "
            "'Accept-Encoding: identity'"
        )


class BoundedReads:
    """
    Bound the reads that one thread makes from the network stream of a response.

    The libraries settle the time for a read when the body's first byte is asked for, and let no
    one change it. So the `read()` of that stream, which the response hands out, is stood in for
    while the response is read.

    Args:
        stream: The extension `network_stream` of a response to a synchronous HTTP/1.1 request.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._read: Callable[..., bytes] = stream.read
        self._instead: Callable[..., bytes] = self._bounded
        self._reader: int | None = None
        self.seconds: float | None = None
        """The bound: seconds for all the reads of a piece, or None."""
        self._until: float | None = None
        stream.read = self._instead

    def _bounded(self, max_bytes: int, timeout: float | None = None) -> bytes:
        # At the end of the body, before its reader knows, the connection may be another's.
        if self._reader == threading.get_ident() and self._until is not None:
            timeout = shorter(timeout, self._until - monotonic())
        return self._read(max_bytes, timeout=timeout)

    @contextmanager
    def reading(self) -> Generator[None]:
        """Bound the reads of this thread, all together, until the block is left."""
        self._until = None if self.seconds is None else monotonic() + self.seconds
        self._reader = threading.get_ident()
        try:
            yield
        finally:
            self._reader = None

    def undo(self) -> None:
        """Give the stream its own `read()` back. Again, it does nothing."""
        if self._stream.read is self._instead:
            del self._stream.read


def wake(stream: Any) -> None:
    """End a read from a network stream that waits in another thread."""
    sock = stream.get_extra_info("socket")
    # Not by the method of an SSLSocket, which takes the connection's state from its reader.
    with suppress(OSError):  # it is closed already
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class HTTPXSource(Uncopyable):
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


def source(response: HTTPXResponse) -> HTTPXSource:
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
    return HTTPXSource(response)


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
