"""
Responses of HTTP/1.1 over h11, which the adapters of sockets, trio and anyio share.

The stage `HTTPBody` does no I/O; the readers read from the connection that a subclass gives them.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, Generic, Self, TypeVar

from .._end import End, EndCause
from .._errors import NotEventStream, TransportError, cause_of, translated
from .._log import debug
from .._stage import SLICE, Breakable, Uncopyable, breaking, check_piece, raise_stored
from ._http import BodyCheck, checked_method, join_headers

try:
    import h11

    from ._request import Request
except ModuleNotFoundError as error:
    message = "this adapter needs h11: pip install 'sseparse[h11]'"
    raise ModuleNotFoundError(message, name=error.name) from error


_START = b"HTTP/"
_LONGEST_PART = SLICE  # the longest head, chunk header or trailer, in bytes


class HTTPBody(Breakable):
    """
    Parser for a response: bytes of the connection in, bytes of the body out.

    Informational responses and bytes after the body are ignored. A compressed body is an error,
    because nothing here decompresses.
    """

    def __init__(self, method: str = "POST") -> None:
        super().__init__()
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.is_complete = False
        # Incomplete parts are measured at fixed offsets of the input, so that the result doesn't
        # depend on how it's cut. h11's own limit must not apply first.
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_PART + SLICE)
        # h11 parses only the response to a request.
        request = h11.Request(method=checked_method(method), target="/", headers=[("Host", "")])
        self._http.send(request)
        self._http.send(h11.EndOfMessage())
        self._start = b""
        self._received = 0
        self._body_bytes = 0
        self._closed = False

    @property
    def end(self) -> End | None:
        if not self.stopped and not self.is_complete:
            return None
        return End(cause_of(self.error) or EndCause.FINISHED, bytes_seen=self._body_bytes)

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """Feed bytes, cut anywhere, and return the pieces of the body in them."""
        if self.stopped:
            self._raise_error()
        if self._closed:
            raise RuntimeError("the parser was closed; make a new one for the next response")
        check_piece(data)
        return self._feed(data)

    @breaking
    def _feed(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        data = bytes(data)
        pieces: list[bytes] = []
        at = 0
        while at < len(data) and not (self.is_complete or self.stopped):
            # The next offset at which incomplete parts are measured ends a part.
            part = data[at : at + SLICE - self._received % SLICE]
            at += len(part)
            self._received += len(part)
            if self.status is None:
                self._check_start(self._start + part[: len(_START)])
            if not self.stopped:
                self._http.receive_data(part)
                self._read_events(pieces)
            if self._received % SLICE == 0:
                self._check_size()
        return pieces

    @breaking
    def close(self) -> list[bytes]:
        """Process the end of the connection: `error` is set if the response isn't complete."""
        self._raise_error()
        was_closed, self._closed = self._closed, True
        if was_closed or self.is_complete:
            return []
        if self.status is None:
            self._stop(TransportError("the connection was closed before the head of a response"))
            return []
        self._http.receive_data(b"")
        pieces: list[bytes] = []
        self._read_events(pieces)
        return pieces

    def _read_events(self, pieces: list[bytes]) -> None:
        next_event = self._http.next_event
        try:
            while not (self.is_complete or self.stopped):
                event = next_event()
                if event is h11.NEED_DATA:
                    break
                if not isinstance(event, h11.Data):
                    self._process_event(event)
                elif self._check.passed:
                    self._add(bytes(event.data), pieces)
                else:
                    self._check_piece(bytes(event.data), pieces)
        except h11.RemoteProtocolError as error:
            # After the colon, h11 shows the bytes received so far, which depend on the cut.
            reason = str(error).partition(":")[0]
            failure = TransportError(f"h11 failed: RemoteProtocolError: {reason}")
            failure.__cause__ = error
            self._stop(failure)

    def _process_event(self, event: object) -> None:
        if isinstance(event, h11.InformationalResponse):
            self._check_start(self._http.trailing_data[0])
        elif isinstance(event, h11.Response):
            self.status = event.status_code
            self.headers = join_headers(event.headers)
            self._check = BodyCheck(self.status, self.headers, ())
        else:
            self.is_complete = True

    def _add(self, piece: bytes, pieces: list[bytes]) -> None:
        self._body_bytes += len(piece)
        pieces.append(piece)

    def _check_piece(self, piece: bytes, pieces: list[bytes]) -> None:
        with suppress(NotEventStream):
            self._add(self._check.release(piece), pieces)
        if self._check.error is not None:
            self._stop(self._check.error)

    def _check_start(self, received: bytes) -> None:
        self._start = received[: len(_START)]
        if not _START.startswith(self._start):
            self._stop(
                TransportError(
                    "the connection sent no HTTP/1.1 response; from a socket or stream the head "
                    "is read too: pass the bytes of a body as an iterable instead"
                )
            )

    def _check_size(self) -> None:
        if self.is_complete or self.stopped:
            return
        if len(self._http.trailing_data[0]) > _LONGEST_PART:
            part = "head" if self.status is None else "chunk header or trailer"
            message = f"the response has a {part} of more than {_LONGEST_PART} bytes"
            self._stop(TransportError(message))


class ResponseReader(Uncopyable):
    """
    Body of a response, parsed from what a subclass reads.

    Attributes:
        status: The HTTP status, or None before the end of the response's head.
        headers: The response's headers by lower-case name; empty before the end of its head.
        pooled: Whether the connection serves another request after this one: never.
    """

    pooled = False

    def __init__(self, method: str) -> None:
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self._http = HTTPBody(method)
        self._ready = b""
        self._closed = False

    def _process(self, data: bytes) -> None:
        """Process what was read; b"" is the end of the connection."""
        try:
            self._ready = b"".join(self._http.feed(data) if data else self._http.close())
        except BaseException:
            self._http.stopped = True
            raise
        if self.status is None:
            self.status, self.headers = self._http.status, self._http.headers
            if self.status is None:
                raise_stored(self._http.error)

    def _pop_piece(self) -> bytes | None:
        """Return the parsed bytes: b"" if more must be read first, None at the body's end."""
        if self._closed:
            raise RuntimeError("the source was closed; send the request again")
        piece, self._ready = self._ready, b""
        if not piece and self._http.stopped:
            raise_stored(self._http.error)
        return None if not piece and self._http.is_complete else piece


StreamT = TypeVar("StreamT")


class AsyncResponseReader(ResponseReader, AsyncIterator[bytes], Generic[StreamT]):
    """Body of a response, read from a stream of the library that a subclass chooses."""

    interruptible = True
    _library: Any  # trio or anyio: the names that both have are used from here
    _failures: ClassVar[tuple[type[Exception], ...]]
    # Static methods; type checkers would take a Callable for a method of the class.
    _connect: Any  # async (host, port) -> stream
    _secure: Any  # async (stream, SSLContext, host) -> stream after the handshake
    _send: Any  # async (stream, bytes) -> None
    _receive: Any  # async (stream) -> bytes, b"" at the end of the stream

    def __init__(self, stream: StreamT, method: str = "POST", timeout: float | None = None) -> None:
        super().__init__(method)
        self._stream = stream
        self._timeout = timeout

    @classmethod
    async def send(cls, request: Request) -> Self:
        """Send a request, follow its redirects, and return the response after its head."""
        data = request.to_bytes()
        response = cls(await cls._open(request), request.method, request.timeout)
        try:
            # A server can respond and close before it has read everything: a read shows it.
            with cls._limit(request.timeout), suppress(cls._library.BrokenResourceError):
                await cls._send(response._stream, data)
            await response.read_head()
            following = request.redirected(response.status, response.headers)
        except BaseException:  # a cancellation, too, leaves no stream open
            await response.aclose()
            raise
        if following is None:
            return response
        await response.aclose()
        return await cls.send(following)

    @classmethod
    async def _open(cls, request: Request) -> StreamT:
        """Connect to the request's origin, through the proxy if there is one."""
        stream: StreamT
        doing = f" to connect{request.via}" if request.via else ""
        with cls._limit(request.timeout, doing):
            stream = await cls._connect(*request.address)
        try:
            if (tunnel := request.open_tunnel()) is not None:
                with cls._limit(request.timeout, doing):
                    await cls._send(stream, tunnel.request)
                    while not tunnel.is_open:
                        tunnel.feed(await cls._receive(stream))
            if (context := request.tls_context()) is not None:
                with cls._limit(request.timeout):
                    stream = await cls._secure(stream, context, request.origin.host)
        except BaseException:  # a cancellation, too, leaves no stream open
            await cls._library.aclose_forcefully(stream)
            raise
        debug("connected%s to %s:%d", request.via, *request.origin[1:])
        return stream

    @classmethod
    @contextmanager
    def _limit(cls, timeout: float | None, doing: str = "") -> Generator[None]:
        """Translate the exceptions of a block, and limit its time."""
        try:
            with cls._library.fail_after(math.inf if timeout is None else timeout):
                yield
        except cls._failures as error:
            raise cls._translate(error, doing) from error

    @classmethod
    def _translate(cls, error: Exception, doing: str = "") -> Exception:
        if isinstance(error, cls._library.BusyResourceError):
            return RuntimeError("another task reads from this source")
        return translated(cls._library.__name__, error, doing)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def __anext__(self) -> bytes:
        while not (piece := self._pop_piece()):
            if piece is None:
                raise StopAsyncIteration
            await self._read()
        return piece

    async def read_head(self) -> None:
        """Read until the end of the response's head."""
        while self.status is None:
            await self._read()

    async def aclose(self) -> None:
        """Close the stream, without waiting for the other side."""
        self._closed = True
        await self._library.aclose_forcefully(self._stream)

    async def _read(self) -> None:
        try:
            if self._timeout is None:
                # A scope without a deadline would cost as much as one with a deadline.
                data = await self._receive(self._stream)
            else:
                with self._library.fail_after(self._timeout):
                    data = await self._receive(self._stream)
        except self._failures as error:
            raise self._translate(error) from error
        self._process(data)
