"""Requests and responses of HTTP/1.1 over a connection, without I/O."""

from __future__ import annotations

import json as jsonlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Final, Self
from urllib.parse import urljoin, urlsplit

from attrs import evolve, field, frozen

from .. import __version__
from .._end import End, EndCause
from .._errors import NotEventStream, StreamTimeout, TransportError, refused
from .._stage import SLICE, Breakable, Uncopyable, breaking, check_piece, raise_stored
from ._http import (
    REDIRECTS,
    Origin,
    checked_content,
    checked_headers,
    checked_method,
    is_default_port,
    origin_of,
    undecoded,
)

try:
    import h11
except ModuleNotFoundError as error:
    message = "this adapter needs h11: pip install 'sseparse[h11]'"
    raise ModuleNotFoundError(message, name=error.name) from error


_START = b"HTTP/"
_MAXIMUM = SLICE
"""The longest head, chunk header or trailer that need be whole to be understood, in bytes."""


class HTTPBody(Breakable):
    """
    Parse the response to one HTTP/1.1 request, without I/O: bytes of the connection in, bytes of
    the body out.

    Informational responses are skipped, and what comes after the body is ignored. A body that is
    encoded is refused, since nothing here decompresses.

    Args:
        method: The request's method; the answer to a HEAD has no body.

    Attributes:
        status: The HTTP status, or None until the head has come.
        headers: The response's headers by lower-case name, the values of one sent twice joined
            by ", "; empty until the head has come.
        whole: Whether the body has come to its end.

    Raises:
        ValueError: There is no such method.
    """

    def __init__(self, method: str = "POST") -> None:
        super().__init__()
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.whole = False
        # What is incomplete is measured at fixed places of the input, never wherever it was cut;
        # h11's own measure must not come first.
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAXIMUM + SLICE)
        self._send_dummy(method)
        self._start = b""
        self._received = 0
        self._body_bytes = 0
        self._closed = False

    def _send_dummy(self, method: str) -> None:
        """Tell h11 of a request: it wants to know what the response answers."""
        if method.upper() == "CONNECT":
            raise ValueError("method is CONNECT, whose answer is a tunnel and no body")
        try:
            request = h11.Request(method=method, target="/", headers=[("Host", "")])
        except h11.LocalProtocolError as error:
            raise ValueError(f"method is {method!r}; give one of HTTP's, such as POST") from error
        self._http.send(request)
        self._http.send(h11.EndOfMessage())

    @property
    def end(self) -> End | None:
        """How the body ended, or None while it goes on; `bytes_seen` are those of the body."""
        if self.stopped:
            refused = isinstance(self.error, NotEventStream)
            cause = EndCause.NOT_A_STREAM if refused else EndCause.TRANSPORT
        elif self.whole:
            cause = EndCause.FINISHED
        else:
            return None
        return End(cause, bytes_seen=self._body_bytes)

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """
        Take what came over the connection; return the pieces of the body in it.

        Args:
            data: Bytes, cut anywhere.

        Returns:
            The pieces in order, none of them empty. Where the bytes hold a fault, those before
            it; `error` is set then.

        Raises:
            TransportError: The parser met a fault in an earlier feed: no HTTP, or bad HTTP.
            BrokenStage: An exception interrupted an earlier call.
            NotEventStream: It met one: the body is encoded.
            RuntimeError: The parser was closed.
            TypeError: The piece is not bytes.
        """
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
        while at < len(data) and self.end is None:
            part = data[at : at + SLICE - self._received % SLICE]
            at += len(part)
            self._received += len(part)
            pieces += self._feed_part(part)
        return pieces

    def _feed_part(self, part: bytes) -> list[bytes]:
        """Feed what reaches no further than the next place to measure at."""
        if self.status is None:
            self._start += part[: len(_START) - len(self._start)]
            self._check_start()
        if self.error is not None:
            return []
        self._http.receive_data(part)
        pieces = self._pump()
        if self._received % SLICE == 0 and self.end is None:
            self._check_size()
        return pieces

    @breaking
    def close(self) -> list[bytes]:
        """
        Take the end of the connection. Closing again does nothing.

        Returns:
            Nothing: what came was returned. `error` is set if the response was cut.

        Raises:
            SSEError: The parser met a fault in an earlier feed: that fault.
        """
        self._raise_error()
        if self._closed or self.whole:
            self._closed = True
            return []
        self._closed = True
        if self.status is None:
            self._stop(TransportError("the connection was closed before the head of a response"))
            return []
        self._http.receive_data(b"")
        return self._pump()

    def _pump(self) -> list[bytes]:
        pieces: list[bytes] = []
        try:
            while self.end is None and (event := self._http.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Data):
                    pieces.append(bytes(event.data))
                else:
                    self._take(event)
        except h11.RemoteProtocolError as error:
            # What follows the colon is bytes, as far as they had come.
            reason = str(error).partition(":")[0]
            failure = TransportError(f"h11 failed: RemoteProtocolError: {reason}")
            failure.__cause__ = error
            self._stop(failure)
        self._body_bytes += sum(map(len, pieces))
        return pieces

    def _take(self, event: object) -> None:
        if isinstance(event, h11.InformationalResponse):
            self._start = self._http.trailing_data[0][: len(_START)]
            self._check_start()
        elif isinstance(event, h11.Response):
            self.status = event.status_code
            self.headers = joined(event.headers)
            if (refused := undecoded(self.status, self.headers, ())) is not None:
                self._stop(refused)
        else:
            self.whole = True

    def _check_start(self) -> None:
        if not _START.startswith(self._start):
            self._stop(
                TransportError(
                    "what came is no HTTP/1.1 response; a raw socket or stream is read as one, "
                    "head and all: pass the bytes of a body as an iterable instead"
                )
            )

    def _check_size(self) -> None:
        if len(self._http.trailing_data[0]) > _MAXIMUM:
            what = "head" if self.status is None else "chunk header or trailer"
            self._stop(TransportError(f"the response has a {what} of more than {_MAXIMUM} bytes"))


def joined(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Read headers; the values of one sent twice are joined, as RFC 9110, 5.3 allows."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("ascii").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


class _NotGiven:
    def __repr__(self) -> str:
        return "<not given>"


NOT_GIVEN: Final = _NotGiven()
"""Stands for JSON that was not given; None would be null."""

_MOST_REDIRECTS = 5
_DEFAULTS: Final[Mapping[str, str]] = {
    "Accept": "text/event-stream",
    # Nothing here decompresses.
    "Accept-Encoding": "identity",
    "User-Agent": f"sseparse/{__version__}",
    "Connection": "close",
}
_URL = re.compile(r"[!-~]+")


@frozen
class Request:
    """
    Hold a request.

    Attributes:
        method: The method, in capitals.
        url: The URL as it was given.
        origin: Where the request goes, and no redirect leads away from.
        headers: The caller's headers, and the Content-Type that goes with JSON.
        body: The body; None for none.
        redirects_left: How many redirects may still be followed.
    """

    method: str
    url: str
    origin: Origin
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes | None = field(repr=False)
    redirects_left: int = _MOST_REDIRECTS

    def to_bytes(self) -> bytes:
        """
        Return the request as it goes onto the wire.

        Raises:
            ValueError: The headers contradict each other.
        """
        http = h11.Connection(h11.CLIENT)
        body = self.body or b""
        try:
            head = h11.Request(
                method=self.method, target=self._target(), headers=self._all_headers()
            )
        except h11.LocalProtocolError as error:
            raise ValueError(f"the headers make no request: {error}") from error
        sent = [http.send(head), http.send(h11.Data(data=body)), http.send(h11.EndOfMessage())]
        return b"".join(part for part in sent if part)

    def _target(self) -> str:
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def _all_headers(self) -> list[tuple[str, str]]:
        named = {name.lower() for name, _ in self.headers}
        headers = [("Host", self._host_and_port()), *_DEFAULTS.items()]
        if self.body is not None or self.method in ("POST", "PUT", "PATCH"):
            headers.append(("Content-Length", str(len(self.body or b""))))
        return [
            *(header for header in headers if header[0].lower() not in named),
            *self.headers,
        ]

    def _host_and_port(self) -> str:
        host = f"[{self.origin.host}]" if ":" in self.origin.host else self.origin.host
        return host if is_default_port(self.origin) else f"{host}:{self.origin.port}"

    def redirected(self, status: int | None, headers: Mapping[str, str]) -> Request | None:
        """
        Follow a redirect within the request's origin.

        Args:
            status: The response's status.
            headers: Its headers, by lower-case name.

        Returns:
            The request to make next; None if the response isn't a redirect, or is one that would
            change the request's method, or the sixth.

        Raises:
            NotEventStream: The redirect leads to another origin, or to no valid URL.
        """
        if status not in REDIRECTS or "location" not in headers:
            return None
        target = headers["location"]
        try:
            target = urljoin(self.url, target)
            stays = _origin(target) == self.origin
        except ValueError:
            stays = False
        if not stays:
            raise refused(status, {**headers, "location": target})
        if not self.redirects_left or not self._keeps_method(status):
            return None
        return evolve(self, url=target, redirects_left=self.redirects_left - 1)

    def _keeps_method(self, status: int | None) -> bool:
        return status in (307, 308) or self.method in ("GET", "HEAD")


def prepare(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None,
    json: object,
    content: bytes | None,
) -> Request:
    """
    Make a request of what a caller gave.

    Args:
        method: The method, in any case.
        url: An absolute URL of http or https.
        headers: Headers, which go before those that are sent anyway.
        json: What to send as JSON, or `NOT_GIVEN`.
        content: What to send as it is.

    Raises:
        ValueError: The method, the URL or a header is none that can be sent; or JSON and content
            are both given.
        TypeError: The content is not bytes, or JSON has no such type.
    """
    method = checked_method(method)
    given = checked_headers(headers)
    origin = _origin(url)
    body = _body(json, content)
    if json is not NOT_GIVEN and not any(name.lower() == "content-type" for name, _ in given):
        given = (("Content-Type", "application/json"), *given)
    return Request(method, url, origin, given, body)


def _origin(url: str) -> Origin:
    origin = origin_of(url)
    if not _URL.fullmatch(url):
        raise ValueError("url holds a blank, a control character or one outside ASCII; quote it")
    if "@" in urlsplit(url).netloc:
        raise ValueError("url holds a user name or password; send them in a header")
    return origin


def _body(json: object, content: bytes | None) -> bytes | None:
    if json is NOT_GIVEN:
        return checked_content(content)
    if content is not None:
        raise ValueError("json and content are both given; give one of them")
    text = jsonlib.dumps(json, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


READ_SIZE = 65536
"""How many bytes a read asks for at most."""


class Received(Uncopyable):
    """
    Keep what has come of a response.

    Args:
        method: The request's method.

    Attributes:
        pooled: Whether the connection serves another request after this one: never.
    """

    pooled = False

    def __init__(self, method: str = "POST") -> None:
        self._http = HTTPBody(method)
        self._ready = b""
        self._closed = False

    @property
    def status(self) -> int | None:
        """The HTTP status, or None until the head of the response has come."""
        return self._http.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The response's headers by lower-case name; empty until its head has come."""
        return self._http.headers

    def _take(self, data: bytes) -> None:
        """Take what was read; nothing is the end of the connection."""
        try:
            pieces = self._http.feed(data) if data else self._http.close()
            self._ready = b"".join(pieces)
        except BaseException:
            self._http.stopped = True
            raise
        if self.status is None:
            raise_stored(self._http.error)

    def _pop(self) -> bytes | None:
        """Hand out what is ready: b"" if more must be read first, None at the body's end."""
        if self._closed:
            raise RuntimeError("the source was closed; ask again to read on")
        piece, self._ready = self._ready, b""
        if not piece:
            raise_stored(self._http.error)
        return None if not piece and self._http.whole else piece


class AsyncReceived(Received, ABC):
    """Iterate the body of a response; those who inherit read and close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not (piece := self._pop()):
            if piece is None:
                raise StopAsyncIteration
            self._take(await self._read())
        return piece

    async def read_head(self) -> None:
        """Read until the head of the response has come."""
        while self.status is None:
            self._take(await self._read())

    @abstractmethod
    async def aclose(self) -> None:
        """Close the stream, without waiting for the other side."""

    @abstractmethod
    async def _read(self) -> bytes:
        """Read what has come, waiting for it; nothing is the end of the connection."""


def failure(library: str, error: Exception) -> TransportError:
    """Tell of a library's exception, which the caller makes the cause."""
    reason = str(error) or error.__cause__ or "no reason given"
    return TransportError(f"{library} failed: {type(error).__name__}: {reason}")


def timed_out(library: str, error: Exception) -> StreamTimeout:
    """Tell of a library's timeout, which the caller makes the cause."""
    reason = str(error) or "timed out"
    message = f"{library} failed: {type(error).__name__}: {reason}"
    return StreamTimeout(message, clock="transport")
