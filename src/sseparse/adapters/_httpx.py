"""
Adapter for httpx and httpx2.

Private attributes used, seen in httpx 0.28.1 (httpcore 1.0.9) and httpx2 2.16.2 (httpcore2 2.16.2):

* `Response._get_content_decoder` and `_content` of httpx, and `decompressor`, `children`,
  `seen_data` and class names of its decoders. Fallback: httpx decompresses, in pieces of any size.
* `Response._decoder`, `children` and `decompressor`. Fallback: dropped parts aren't reported.
* `_decoders.SUPPORTED_DECODERS`. Fallback: the usual codings.
* `read` of the extension `network_stream`, which is replaced. Fallback: the client's timeouts.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, Final, Self

from .._deadlines import running_timers
from .._errors import TransportError, translated
from .._stage import Breakable, Uncopyable, breaking
from ._http import (
    READ_SIZE,
    USUAL_CODINGS,
    check_redirected,
    loaded_exceptions,
    shortest_timeout,
    shut_down,
)
from ._interruptible import InterruptibleBody
from ._registry import HTTPXResponse, SDKResponse, SDKStream

# How many compressed bytes are decompressed at once. Eight bytes of Brotli begin at most one
# meta-block, which is up to 16 MiB. The others grow less: gzip makes at most 1,032 bytes of one
# byte, zstd 128 KiB of four.
_STEPS: Final = {"BrotliDecoder": 8, "ZStandardDecoder": 64}
_DEFAULT_STEP: Final = 512
_FAILURES: Final = (("httpx", "RequestError"), ("httpx2", "RequestError"))


class BoundedDecoder(Breakable):
    """Decompressor of a body of httpx, in pieces of bounded size."""

    def __init__(self, raw: Any, decoder: Any, decoders: list[Any]) -> None:
        super().__init__()
        self._raw = raw
        self._decoder = decoder
        self._decoders = decoders
        self._decoded: Iterator[bytes] = iter(())
        self._failure: Exception | None = None

    def __next__(self) -> bytes:
        while not (piece := self._pop()):
            try:
                self._decoded = _decode(self._decoders, next(self._raw))
            except StopIteration:
                self._decoder.flush()  # raises if the body is incomplete
                raise
        return piece

    async def __anext__(self) -> bytes:
        while not (piece := self._pop()):
            try:
                self._decoded = _decode(self._decoders, await anext(self._raw))
            except StopAsyncIteration:
                self._decoder.flush()
                raise
        return piece

    @breaking
    def _pop(self) -> bytes:
        """Return the next bytes of the current compressed piece, or b"" at its end."""
        self._raise_error()
        if self._failure is not None:
            raise self._failure
        parts: list[bytes] = []
        size = 0
        try:
            while size < READ_SIZE and (part := next(self._decoded, None)) is not None:
                parts.append(part)
                size += len(part)
        except Exception as error:  # the bytes decompressed before it are returned first
            if not size:
                raise
            self._failure = error
        return b"".join(parts)


def _decode(decoders: list[Any], data: bytes) -> Iterator[bytes]:
    if not decoders:
        yield data
        return
    first, *others = decoders
    step = _STEPS.get(type(first).__name__, _DEFAULT_STEP)
    for at in range(0, len(data), step):
        if getattr(first.decompressor, "eof", False):
            if not hasattr(first, "seen_data"):
                # zlib keeps what follows and copies it at each further call: feed it no more.
                _require_one_part(data[at:])
                return
            first.__init__()  # zstd: the next frame
        yield from _decode(others, first.decode(data[at : at + step]))


def _require_one_part(rest: bytes) -> None:
    """Raise TransportError if there is another compressed part, which httpx drops."""
    if rest.strip(b"\0"):
        raise TransportError(
            "httpx decompressed the first part of the body and dropped the others; send "
            "'Accept-Encoding: identity'"
        )


class BoundedReads:
    """
    Limit for the reads that one thread makes from the network stream of a response.

    The libraries fix the timeout of reads when the first byte of the body is requested. So the
    `read()` of the stream is replaced while the response is read.
    """

    def __init__(self, stream: Any) -> None:
        self.seconds: float | None = None  # for all the reads of a piece together
        self._stream = stream
        self._read: Callable[..., bytes] = stream.read
        self._reader: int | None = None
        self._until: float | None = None
        stream.read = self._read_bounded

    def _read_bounded(self, max_bytes: int, timeout: float | None = None) -> bytes:
        # At the end of the body, before its reader returns, another thread can have the connection.
        if self._reader == threading.get_ident():
            timeout = shortest_timeout(timeout, self._until)
        return self._read(max_bytes, timeout=timeout)

    def next_piece(self, pieces: Iterator[bytes]) -> bytes:
        """Return the next piece, for which the reads of this thread are limited."""
        self._until = None if self.seconds is None else monotonic() + self.seconds
        self._reader = threading.get_ident()
        try:
            return next(pieces)
        finally:
            self._reader = None

    def undo(self) -> None:
        """Restore the stream's own `read()`."""
        if self._stream.read == self._read_bounded:
            del self._stream.read


class HTTPXSource(Uncopyable):
    """
    Bytes of a response of httpx or httpx2, decompressed, as they arrive.

    It is pooled if the connection returns to the client's pool at the end of the body, and waiting
    for that can be limited.
    """

    def __init__(self, response: HTTPXResponse) -> None:
        self.status: int | None = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._body: Any = None  # of the library
        self._pieces: Any = None  # the body, decompressed
        self._bounded: BoundedReads | None = None
        network = response.extensions.get("network_stream")
        is_shared = response.extensions.get("http_version") not in (b"HTTP/1.0", b"HTTP/1.1")
        self._network = None if is_shared else network
        self._is_connected = network is not None
        is_async = hasattr(response.stream, "__aiter__")
        self.pooled: bool = self._is_connected if is_async else self._network is not None
        self._check = check_redirected(response, _find_codings(response))
        self.interruptible: bool = is_async and self._network is not None

    def __iter__(self) -> Self:
        self._require("__iter__", "asynchronous; use a class such as AsyncChatStream")
        return self

    def __next__(self) -> bytes:
        if self._check.error is not None:
            raise self._check.error
        try:
            pieces = self._pieces or self._open("iter")
            piece = next(pieces) if self._bounded is None else self._bounded.next_piece(pieces)
        except StopIteration:
            _require_all_decoded(self._response)
            raise
        except loaded_exceptions(*_FAILURES) as error:
            raise translated(None, error) from error
        return piece if self._check.passed else self._check.release(piece)

    def _open(self, kind: str) -> Any:
        response: Any = self._response
        decoder, decoders = _find_unbounded_decoders(response)
        # Without a size: with one, the library waits for that many bytes.
        self._body = getattr(response, f"{kind}_{'raw' if decoders else 'bytes'}")()
        if self.interruptible:
            # Compressed pieces aren't joined, or damage to one would lose those before it.
            enough = 1 if decoders else READ_SIZE
            self._body = InterruptibleBody(self._body, self._network, enough)
        self._pieces = BoundedDecoder(self._body, decoder, decoders) if decoders else self._body
        return self._pieces

    def wait_at_most(self, seconds: float | None) -> None:
        """Limit each further wait for bytes, in seconds, unless HTTP/2 shares the connection."""
        if self._bounded is None and self._network is not None:
            self._bounded = BoundedReads(self._network)
        if self._bounded is not None:
            self._bounded.seconds = seconds

    def wake(self) -> None:
        """End a read that waits in another thread, unless the connection is shared."""
        # The connection of a closed response can serve another one already.
        if self._network is not None and not self._response.is_closed:
            shut_down(self._network.get_extra_info("socket"))

    def close(self) -> None:
        if self._bounded is not None:
            self._bounded.undo()
        # The error for an asynchronous response says what is wrong; closing it here would hide it.
        if hasattr(self._response.stream, "__iter__"):
            self._response.close()

    def __aiter__(self) -> Self:
        self._require("__aiter__", "synchronous; use a class such as ChatStream")
        return self

    async def __anext__(self) -> bytes:
        if self._check.error is not None:
            raise self._check.error
        try:
            piece = await anext(self._pieces or self._open("aiter"))
        except StopAsyncIteration:
            _require_all_decoded(self._response)
            raise
        except loaded_exceptions(*_FAILURES) as error:
            raise translated(None, error) from error
        return piece if self._check.passed else self._check.release(piece)

    async def aclose(self) -> None:
        if not hasattr(self._response.stream, "__aiter__"):
            self._response.close()
            return
        pieces: Any = self._body
        if isinstance(pieces, InterruptibleBody):
            await pieces.aclose()
            pieces = pieces.pieces
        timers = running_timers()
        if not self._is_connected or timers is None:
            # A generator that isn't exhausted must be closed in the task that read it.
            if hasattr(pieces, "aclose"):
                await pieces.aclose()
            pieces = None
        await self._response.aclose()
        if pieces is not None and timers is not None:
            # The generators of a client are nested. Closing the outermost leaves the others to the
            # garbage collector, about which trio warns; a read without time ends all of them.
            with suppress(Exception):
                while True:
                    await timers.within(0, anext(pieces))

    def _require(self, name: str, otherwise: str) -> None:
        if not hasattr(self._response.stream, name):
            raise TypeError(f"this response is {otherwise}")


def sdk_source(response: SDKResponse) -> HTTPXSource:
    """Return the bytes of what `with_streaming_response` or `with_raw_response` returns."""
    return HTTPXSource(response.http_response)


def sdk_stream_source(stream: SDKStream) -> HTTPXSource:
    """Return the bytes of a stream of openai or anthropic of which nothing was read."""
    if stream.response.is_stream_consumed and not _keeps_body(stream.response):
        library = type(stream).__module__.partition(".")[0]
        raise RuntimeError(
            f"this stream of {library} was read already; pass it before its first item is read"
        )
    return HTTPXSource(stream.response)


def _keeps_body(response: Any) -> bool:
    """Return whether a response has its complete body in memory, as those of mocks do."""
    try:
        return response.content is not None
    except RuntimeError:  # httpx.ResponseNotRead
        return False


def _find_codings(response: HTTPXResponse) -> Container[str]:
    """Return the names that the library decodes; it returns any other body as it is."""
    library = type(response).__module__.partition(".")[0]
    decoders = sys.modules.get(f"{library}._decoders")
    codings: Container[str] = getattr(decoders, "SUPPORTED_DECODERS", USUAL_CODINGS)
    return codings


def _find_unbounded_decoders(response: Any) -> tuple[Any, list[Any]]:
    """Return the decoder by which httpx would decompress unbounded, and all that it applies."""
    is_httpx = any(kind.__module__.partition(".")[0] == "httpx" for kind in type(response).__mro__)
    make: Any = getattr(response, "_get_content_decoder", None)
    if not is_httpx or make is None or hasattr(response, "_content"):
        return None, []
    decoder = make()
    children = getattr(decoder, "children", [decoder])
    # The decoder of "identity" has no decompressor.
    return decoder, [child for child in children if hasattr(child, "decompressor")]


def _require_all_decoded(response: HTTPXResponse) -> None:
    decoder: Any = getattr(response, "_decoder", None)
    for child in getattr(decoder, "children", [decoder]):
        inner: Any = child
        while hasattr(inner, "decompressor"):
            inner = inner.decompressor
        _require_one_part(getattr(inner, "unused_data", b""))
