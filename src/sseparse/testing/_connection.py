"""HTTP connections of a replay server."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from itertools import repeat

import h11

from ._replay import CONTENT_ENCODINGS, Replay, make_coding, plain_text
from ._server import Answered, ReceivedRequest, SelectableSemaphore
from ._socket import (
    FramedResponse,
    IdleTimeout,
    ReplaySocket,
    ResponseEnd,
    ServerStopped,
    apply_fault,
)

_COMMENT = b": keep-alive\n\n"
# In every compressed format a run of these bytes begins a reserved or invalid block.
_DAMAGED = b"\xff"
_Frames = tuple[list[bytes], bytes, Iterable[bytes]]
_REASONS = {status.value: status.phrase for status in HTTPStatus}


def frame(http: h11.Connection, replay: Replay, *, to_head: bool = False) -> FramedResponse:
    """Return the bytes of a response, with its fault, to the request that a connection has read."""
    if replay.fault == "no-answer":
        return FramedResponse(b"", [], b"", ending="closed before its end")
    if replay.framing == "close":
        # h11 omits the length only for clients of HTTP/1.0. It documents this attribute, but not
        # that it can be set; seen with h11 0.16.
        http.their_http_version = b"1.0"
    head = _encode(http, _make_head(replay))
    if to_head or replay.status in (204, 304):
        return FramedResponse(head, [], _encode(http, h11.EndOfMessage()))
    in_one_chunk = replay.framing == "one-chunk" and replay.body
    pieces, tail, comments = (_frame_one_chunk if in_one_chunk else _frame_pieces)(http, replay)
    # A fault may leave fewer frames than there are pieces.
    frames = list(zip(replay.waits(), pieces, strict=False))
    return apply_fault(
        FramedResponse(head, frames, tail, comments), replay.fault, replay.fault_after
    )


def _make_head(replay: Replay) -> h11.Response:
    headers = replay.header_pairs()
    if replay.content_type is not None:
        headers.append(("Content-Type", replay.content_type))
    if replay.framing == "content-length":
        headers.append(("Content-Length", str(len(replay.body))))
    if replay.framing in CONTENT_ENCODINGS:
        headers.append(("Content-Encoding", CONTENT_ENCODINGS[replay.framing]))
    reason = _REASONS.get(replay.status, "")
    return h11.Response(status_code=replay.status, reason=reason, headers=headers)


def _frame_one_chunk(http: h11.Connection, replay: Replay) -> _Frames:
    # The header of the chunk goes with the first piece, its end with the end of the body.
    parts = http.send_with_data_passthrough(h11.Data(data=replay.body)) or []
    at = parts.index(replay.body)
    first, *others = replay.cut()
    tail = b"".join([*parts[at + 1 :], _encode(http, h11.EndOfMessage())])
    return [b"".join([*parts[:at], first]), *others], tail, ()


def _frame_pieces(http: h11.Connection, replay: Replay) -> _Frames:
    def encode(data: bytes) -> bytes:
        return _encode(http, h11.Data(data=data))

    coding = make_coding(replay.framing)
    pieces = replay.cut()
    if replay.fault in ("comments", "truncate"):
        pieces = pieces[: replay.fault_after]
    coded = [coding.compress(piece) + coding.flush() for piece in pieces]
    if replay.fault == "comments":
        comments = (coding.compress(comment) + coding.flush() for comment in repeat(_COMMENT))
        return [encode(data) for data in coded], b"", map(encode, comments)
    last = b"" if replay.fault == "truncate" else coding.finish()
    if replay.fault == "corrupt":
        after = len(coded) if replay.fault_after is None else replay.fault_after
        coded[after:] = [_DAMAGED * len(data) for data in coded[after:]]
        last = _DAMAGED * len(last)
    return [encode(data) for data in coded], encode(last) + _encode(http, h11.EndOfMessage()), ()


def _encode(http: h11.Connection, event: h11.Event) -> bytes:
    return http.send(event) or b""


# How much of a request's body is kept.
_MAX_BODY = 2**20
# How much of a request must arrive within each idle timeout, so that a slow client counts as idle.
_MIN_PROGRESS = 1024


class ReplayConnection:
    """A connection that reads requests and sends the response to each."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        stop: SelectableSemaphore,
        permits: SelectableSemaphore,
        find_replay: Callable[[ReceivedRequest], Replay],
        ssl_context: ssl.SSLContext | None,
        on_answered: Callable[[Answered], None],
        idle_timeout: float,
    ) -> None:
        self._socket = ReplaySocket(sock, stop, permits)
        self._find_replay = find_replay
        self._ssl_context = ssl_context
        self._on_answered = on_answered
        self._idle_timeout = idle_timeout
        self._deadline = time.monotonic() + idle_timeout
        self._received = 0
        self._to_head = False
        self._http = h11.Connection(h11.SERVER)

    def serve(self) -> bool:
        """Serve the connection until it ends; return whether the client has closed its side."""
        try:
            ending: ResponseEnd = "closed before its end"
            with contextlib.suppress(ServerStopped, ssl.SSLError):
                ending = self._answer_all()
            self._socket.finish(ending)
            # A connection that is left open has no idle timeout.
            deadline = None if ending == "left open" else time.monotonic() + self._idle_timeout
            return ending != "reset" and self._socket.wait_for_close(deadline)
        except IdleTimeout:
            return False
        except OSError:
            # Whichever call failed, the cause is that the client has closed the connection.
            return True
        finally:
            self._socket.close()

    def _answer_all(self) -> ResponseEnd:
        if self._ssl_context is not None:
            self._socket.do_handshake(self._ssl_context, self._deadline)
        try:
            while (request := self._read_request()) is not None:
                ending = self._respond(request, self._find_replay(request))
                if ending != "to its end" or set(self._http.states.values()) != {h11.DONE}:
                    return ending
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            self._respond(None, plain_text(error.error_status_hint, f"bad request: {error}"))
        return "to its end"

    def _read_request(self) -> ReceivedRequest | None:
        self._to_head = False
        # The first byte restarts the timeout.
        self._deadline, self._received = time.monotonic() + self._idle_timeout, _MIN_PROGRESS - 1
        head = self._next_event()
        if not isinstance(head, h11.Request):
            return None
        self._to_head = head.method == b"HEAD"
        headers: dict[str, str] = {}
        for raw_name, raw_value in head.headers:
            name, value = raw_name.decode(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        body, size = bytearray(), 0
        while isinstance(event := self._next_event(), h11.Data):
            body += event.data[: _MAX_BODY - len(body)]
            size += len(event.data)
        method, target = head.method.decode(), head.target.decode()
        return ReceivedRequest(method, target, headers, bytes(body), body_size=size)

    def _next_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                self._socket.send(_encode(self._http, go_on))
            data = self._socket.receive(self._deadline)
            self._received += len(data)
            if self._received >= _MIN_PROGRESS:
                self._deadline, self._received = time.monotonic() + self._idle_timeout, 0
            self._http.receive_data(data)
        return event

    def _respond(self, request: ReceivedRequest | None, replay: Replay) -> ResponseEnd:
        before = self._socket.sent
        how = "the client went away"
        try:
            how = ending = self._send(replay)
        except ServerStopped:
            how = "the server stopped"
            raise
        finally:
            self._on_answered(Answered(request, self._socket.sent - before, how))
        return ending

    def _send(self, replay: Replay) -> ResponseEnd:
        response = frame(self._http, replay, to_head=self._to_head)
        self._socket.send(response.head)
        send_at = time.monotonic()
        for delay, data in response.frames:
            if replay.gated:
                self._socket.wait_for_permit()
                send_at = time.monotonic()
            # Counted from the first piece on, so that late wake-ups don't add up.
            send_at += delay
            self._socket.wait_until(send_at)
            self._socket.send(data)
        self._socket.send(response.tail)
        for data in response.comments:
            self._socket.wait_until(time.monotonic() + replay.keep_alive)
            self._socket.send(data)
        return response.ending
