"""Connections of a replay server."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Final

import h11

from ._replay import CONTENT_ENCODINGS, Coding, Replay, make_coding, plain_text
from ._server import Answered, ReceivedRequest
from ._socket import Ending, Expired, Link, Stopped, Wire, break_off

_KEEP_ALIVE = b": keep-alive\n\n"
# Bytes that no compressed format goes on with: each one's reserved or impossible block.
_DAMAGED = b"\xff"
_REASONS = {status.value: status.phrase for status in HTTPStatus}


def frame(http: h11.Connection, replay: Replay, *, to_head: bool = False) -> Wire:
    """
    Frame an answer to the request that a connection has read.

    Args:
        http: The connection.
        replay: The answer, with its fault if it has one.
        to_head: Whether the request was for the head alone.
    """
    if replay.fault == "no-answer":
        return Wire(b"", [], b"", ending="close")
    if replay.framing == "close":
        # h11 leaves the length out only where the client speaks no later HTTP than 1.0.
        http.their_http_version = b"1.0"
    head = _send(http, _response(replay))
    if to_head or replay.status in (204, 304):
        return Wire(head, [], _end(http))
    if replay.framing == "one-chunk":
        wire = _one_chunk(http, replay, head)
    else:
        wire = _piece_by_piece(http, replay, head)
    return break_off(wire, replay.fault, replay.fault_after)


def _response(replay: Replay) -> h11.Response:
    headers = replay.header_pairs()
    if replay.content_type is not None:
        headers.append(("Content-Type", replay.content_type))
    if replay.framing == "content-length":
        headers.append(("Content-Length", str(len(replay.body))))
    if replay.framing in CONTENT_ENCODINGS:
        headers.append(("Content-Encoding", CONTENT_ENCODINGS[replay.framing]))
    return h11.Response(
        status_code=replay.status, reason=_REASONS.get(replay.status, ""), headers=headers
    )


def _one_chunk(http: h11.Connection, replay: Replay, head: bytes) -> Wire:
    pieces = replay.cut()
    if not pieces:
        return Wire(head, [], _end(http))
    body = b"".join(pieces)
    # The chunk is announced whole, and cut only on its way out.
    parts = http.send_with_data_passthrough(h11.Data(data=body)) or []
    at = parts.index(body)
    first, *others = pieces
    frames = [b"".join([*parts[:at], first]), *others]
    return Wire(head, _timed(replay, frames), b"".join([*parts[at + 1 :], _end(http)]))


def _piece_by_piece(http: h11.Connection, replay: Replay, head: bytes) -> Wire:
    coding = make_coding(replay.framing)
    pieces = replay.cut()
    if replay.fault in ("comments", "truncate"):
        pieces = pieces[: replay.fault_after]
    coded = [coding.compress(piece) + coding.flush() for piece in pieces]
    if replay.fault == "comments":
        frames = _timed(replay, [_data(http, data) for data in coded])
        return Wire(head, frames, b"", _comments(http, coding, replay.keep_alive))
    last = b"" if replay.fault == "truncate" else coding.finish()
    if replay.fault == "corrupt":
        sound = len(coded) if replay.fault_after is None else replay.fault_after
        coded[sound:] = [_DAMAGED * len(data) for data in coded[sound:]]
        last = _DAMAGED * len(last)
    frames = _timed(replay, [_data(http, data) for data in coded])
    return Wire(head, frames, _data(http, last) + _end(http))


def _comments(http: h11.Connection, coding: Coding, pause: float) -> Iterator[tuple[float, bytes]]:
    while True:
        yield pause, _data(http, coding.compress(_KEEP_ALIVE) + coding.flush())


def _timed(replay: Replay, frames: list[bytes]) -> list[tuple[float, bytes]]:
    # A fault may leave fewer frames than there are pieces.
    return list(zip(replay.waits(), frames, strict=False))


def _data(http: h11.Connection, data: bytes) -> bytes:
    return _send(http, h11.Data(data=data))


def _end(http: h11.Connection) -> bytes:
    return _send(http, h11.EndOfMessage())


def _send(http: h11.Connection, event: h11.Event) -> bytes:
    return http.send(event) or b""


# What is kept of a request's body; the rest is counted.
_MOST_BODY = 2**20
# So many bytes of a request must arrive within each idle timeout: a byte now and then is idle too.
_PROGRESS = 1024
_HOW: Final[Mapping[Ending, str]] = {
    "http": "to its end",
    "close": "closed before its end",
    "reset": "reset",
    "open": "left open",
}


class Connection:
    """
    Read requests and answer each, until one side has had enough.

    Args:
        link: The connection, which is closed at its end.
        answer: Finds the answer to a request.
        context: What to speak TLS with; None for no TLS.
        tell: Is told of each answer when it is over.
        idle_timeout: How long the client may send nothing of a request, in seconds.
    """

    def __init__(
        self,
        link: Link,
        answer: Callable[[ReceivedRequest], Replay],
        context: ssl.SSLContext | None,
        tell: Callable[[Answered], None],
        idle_timeout: float,
    ) -> None:
        self._link = link
        self._idle_timeout = idle_timeout
        self._due = time.monotonic() + idle_timeout
        self._arrived = 0
        self._to_head = False
        self._tell = tell
        self._answer = answer
        self._context = context
        self._http = h11.Connection(h11.SERVER)

    def serve(self) -> bool:
        """Serve the connection to its end; tell whether the client has closed its side."""
        try:
            ending = self._converse()
            self._link.end(ending)
            # A connection that is left open on purpose stays open.
            due = None if ending == "open" else time.monotonic() + self._idle_timeout
            return ending != "reset" and self._link.outlast(due)
        except Expired:
            return False
        except OSError:
            # However it failed, it failed because the client is there no more.
            return True
        finally:
            self._link.close()

    def _converse(self) -> Ending:
        try:
            if self._context is not None:
                self._link.encrypt(self._context, self._due)
            return self._answer_all()
        except (Stopped, ssl.SSLError):
            return "close"

    def _answer_all(self) -> Ending:
        try:
            while (request := self._read_request()) is not None:
                ending = self._respond(request, self._answer(request))
                if ending != "http" or set(self._http.states.values()) != {h11.DONE}:
                    return ending
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            self._refuse(error)
        return "http"

    def _read_request(self) -> ReceivedRequest | None:
        self._to_head = False
        # The first byte is progress.
        self._due, self._arrived = time.monotonic() + self._idle_timeout, _PROGRESS - 1
        head = self._next_event()
        if not isinstance(head, h11.Request):
            return None
        self._to_head = head.method == b"HEAD"
        body = bytearray()
        size = 0
        while isinstance(event := self._next_event(), h11.Data):
            body += event.data[: _MOST_BODY - len(body)]
            size += len(event.data)
        return ReceivedRequest(
            head.method.decode(),
            head.target.decode(),
            _joined(head.headers),
            bytes(body),
            body_size=size,
        )

    def _next_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                self._link.send(self._http.send(go_on) or b"")
            self._http.receive_data(self._receive())
        return event

    def _receive(self) -> bytes:
        data = self._link.receive(self._due)
        self._arrived += len(data)
        if self._arrived >= _PROGRESS:
            self._due, self._arrived = time.monotonic() + self._idle_timeout, 0
        return data

    def _refuse(self, error: h11.RemoteProtocolError) -> None:
        self._respond(None, plain_text(error.error_status_hint, f"bad request: {error}"))

    def _respond(self, request: ReceivedRequest | None, replay: Replay) -> Ending:
        before = self._link.sent
        how = "the client went away"
        try:
            ending = self._send(replay)
            how = _HOW[ending]
        except Stopped:
            how = "the server stopped"
            raise
        finally:
            self._tell(Answered(request, self._link.sent - before, how))
        return ending

    def _send(self, replay: Replay) -> Ending:
        wire = frame(self._http, replay, to_head=self._to_head)
        self._link.send(wire.head)
        due = time.monotonic()
        for delay, data in wire.frames:
            if replay.gated:
                self._link.wait_for_permit()
                due = time.monotonic()
            # Counted from the first on, so that wake-ups that come late do not add up.
            due += delay
            self._link.wait_until(due)
            self._link.send(data)
        self._link.send(wire.tail)
        for delay, data in wire.refrain:
            self._link.wait_until(time.monotonic() + delay)
            self._link.send(data)
        return wire.ending


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode(), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined
