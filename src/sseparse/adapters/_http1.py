"""HTTP/1.1 as a stage: what comes over a connection in, the body of the response out."""

from __future__ import annotations

from collections.abc import Iterable

from .._ends import End, EndCause
from .._errors import NotEventStream, TransportError
from .._pieces import SLICE, check_piece
from .._stage import Breakable, breaking
from ._encodings import undecoded

try:
    import h11
except ModuleNotFoundError as error:
    message = "this adapter needs h11: pip install 'sseparse[h11]'"
    raise ModuleNotFoundError(message, name=error.name) from error

__all__ = ("HTTPBody", "h11", "joined")

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
