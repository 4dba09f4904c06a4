"""HTTP connections of a replay server."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from itertools import repeat
from selectors import EVENT_READ, EVENT_WRITE
from typing import Literal, TypeVar

import h11
from attrs import define, field, frozen

from ..adapters._http import join_headers
from ._replay import CONTENT_ENCODINGS, Replay, make_coding, plain_text
from ._server import Answered, ReceivedRequest, SelectableSemaphore, wait_for

T = TypeVar("T")
ResponseEnd = Literal["to its end", "closed before its end", "reset", "left open"]
# How the faults of the connection end it. The others are faults of the body.
_FAULT_ENDINGS: dict[str | None, ResponseEnd] = {
    "close": "closed before its end",
    "close-inside": "closed before its end",
    "reset": "reset",
    "stall": "left open",
    "bad-chunk": "left open",
}
_Frames = tuple[list[bytes], bytes, Iterable[bytes]]

_COMMENT = b": keep-alive\n\n"
# In every compressed format a run of these bytes begins a reserved or invalid block.
_DAMAGED = b"\xff"
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_READ_SIZE = 65536
# Bounds how much of what a client sent before it closed is skipped to find out that it closed.
_LAST_READS = 64
# Only reading shows that a client has closed. So requests sent early are read, up to this size.
_MAX_EARLY = 2**20
# With a linger time of 0, closing the socket sends an RST.
_RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
# How much of a request's body is kept.
_MAX_BODY = 2**20
# How much of a request must arrive within each idle timeout, so that a slow client counts as idle.
_MIN_PROGRESS = 1024


@frozen
class FramedResponse:
    """A response as bytes: each frame is a piece, with the seconds to wait before it."""

    head: bytes
    frames: list[tuple[float, bytes]]
    tail: bytes  # sent after the last frame
    comments: Iterable[bytes] = ()  # sent after the tail, `keep_alive` seconds apart
    ending: ResponseEnd = "to its end"


def _frame(http: h11.Connection, replay: Replay, *, to_head: bool) -> FramedResponse:
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
    return _apply_fault(replay, FramedResponse(head, frames, tail, comments))


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


def _apply_fault(replay: Replay, response: FramedResponse) -> FramedResponse:
    if replay.fault not in _FAULT_ENDINGS:
        return response
    frames = response.frames[: replay.fault_after]
    following = next((data for _, data in response.frames[len(frames) :]), response.tail)
    tail = b""
    if replay.fault == "close-inside":
        tail = following[: len(following) // 2]
    elif replay.fault == "bad-chunk":
        _, end_of_header, rest = following.partition(b"\r\n")
        tail = b"zz" + end_of_header + rest
    return FramedResponse(response.head, frames, tail, ending=_FAULT_ENDINGS[replay.fault])


class ServerStopped(Exception):
    """The server stops."""


class IdleTimeout(Exception):
    """The client was silent for too long."""


@define
class ReplayConnection:
    """A connection that reads requests and sends the response to each."""

    # Calls that wait or send raise ServerStopped if the server stops, ConnectionError if the client
    # closes, and IdleTimeout once a deadline, by the monotonic clock, has passed.

    _sock: socket.socket
    _stop: SelectableSemaphore
    _permits: SelectableSemaphore
    _find_replay: Callable[[ReceivedRequest], Replay]
    _ssl_context: ssl.SSLContext | None
    _on_answered: Callable[[Answered], None]
    _idle_timeout: float
    _http: h11.Connection = field(factory=lambda: h11.Connection(h11.SERVER))
    _deadline: float = 0.0
    _received: int = 0
    _to_head: bool = False
    _sent: int = 0  # bytes, before encryption

    def serve(self) -> bool:
        """Serve the connection until it ends; return whether the client has closed its side."""
        try:
            ending: ResponseEnd = "closed before its end"
            with contextlib.suppress(ServerStopped, ssl.SSLError):
                ending = self._answer_all()
            self._finish(ending)
            # A connection that is left open has no idle timeout.
            deadline = None if ending == "left open" else time.monotonic() + self._idle_timeout
            return ending != "reset" and self._wait_for_close(deadline)
        except IdleTimeout:
            return False
        except OSError:
            # Whichever call failed, the cause is that the client has closed the connection.
            return True
        finally:
            self._sock.close()

    def _answer_all(self) -> ResponseEnd:
        if (context := self._ssl_context) is not None:
            sock = context.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)
            self._sock = sock
            self._call_when_ready(sock.do_handshake, time.monotonic() + self._idle_timeout)
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
        headers = join_headers(head.headers)
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
                self._send(_encode(self._http, go_on))
            data = self._call_when_ready(lambda: self._sock.recv(_READ_SIZE), self._deadline)
            self._received += len(data)
            if self._received >= _MIN_PROGRESS:
                self._deadline, self._received = time.monotonic() + self._idle_timeout, 0
            self._http.receive_data(data)
        return event

    def _respond(self, request: ReceivedRequest | None, replay: Replay) -> ResponseEnd:
        before = self._sent
        how = "the client went away"
        try:
            how = ending = self._send_response(replay)
        except ServerStopped:
            how = "the server stopped"
            raise
        finally:
            self._on_answered(Answered(request, self._sent - before, how))
        return ending

    def _send_response(self, replay: Replay) -> ResponseEnd:
        response = _frame(self._http, replay, to_head=self._to_head)
        self._send(response.head)
        send_at = time.monotonic()
        for delay, data in response.frames:
            if replay.gated:
                while not self._permits.acquire():
                    self._wait_and_read(None, self._permits)
                send_at = time.monotonic()
            # Counted from the first piece on, so that late wake-ups don't add up.
            send_at += delay
            self._send_at(send_at, data)
        self._send(response.tail)
        for data in response.comments:
            self._send_at(time.monotonic() + replay.keep_alive, data)
        return response.ending

    def _send_at(self, at: float, data: bytes) -> None:
        while (seconds := at - time.monotonic()) > 0:
            self._wait_and_read(seconds)
        self._send(data)

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            size = self._call_when_ready(partial(self._sock.send, view), mask=EVENT_WRITE)
            self._sent += size
            view = view[size:]

    def _wait_and_read(self, timeout: float | None, *others: SelectableSemaphore) -> None:
        """Wait, and read what the client sends early, which h11 keeps for the next request."""
        files: list[SelectableSemaphore | socket.socket] = [self._stop, *others]
        if can_read := len(self._http.trailing_data[0]) < _MAX_EARLY:
            files.append(self._sock)
        wait_for(dict.fromkeys(files, EVENT_READ), timeout)
        if self._stop.permits:
            raise ServerStopped
        if not can_read:
            return
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            data = self._sock.recv(_READ_SIZE)
            if not data:
                raise ConnectionResetError("the client went away")
            self._http.receive_data(data)

    def _call_when_ready(
        self, call: Callable[[], T], deadline: float | None = None, mask: int = EVENT_READ
    ) -> T:
        while not self._stop.permits:
            # Read the clock first: data that has arrived by now is in time, even if read late.
            is_late = deadline is not None and time.monotonic() >= deadline
            try:
                return call()
            except BlockingIOError:
                wanted = mask
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
                # TLS may have to read before it can write, and the other way round.
                wanted = EVENT_READ if isinstance(error, ssl.SSLWantReadError) else EVENT_WRITE
            if is_late:
                raise IdleTimeout
            timeout = None if deadline is None else deadline - time.monotonic()
            wait_for({self._sock: wanted, self._stop: EVENT_READ}, timeout)
        raise ServerStopped

    def _finish(self, ending: ResponseEnd) -> None:
        """Close the server's side, except for a reset without discarding what the client sends."""
        if ending == "reset":
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._sock.close()
            return
        # The client may have reset the connection already.
        with contextlib.suppress(OSError):
            if ending == "to its end" and isinstance(self._sock, ssl.SSLSocket):
                # Sends close_notify, without waiting for the client's.
                with contextlib.suppress(ssl.SSLError):
                    self._sock.unwrap()
            if ending != "left open":
                self._sock.shutdown(socket.SHUT_WR)

    def _wait_for_close(self, deadline: float | None) -> bool:
        """Wait until the client closes its side or the deadline; return whether it has closed."""
        # TCP shows whether the client has closed, in any state of TLS.
        receive = partial(socket.socket.recv, self._sock, _READ_SIZE)
        closed = False
        with contextlib.suppress(ServerStopped, IdleTimeout):
            # A client that sends all the time is never idle.
            while not closed and (deadline is None or time.monotonic() < deadline):
                closed = not self._call_when_ready(receive, deadline)
        with contextlib.suppress(BlockingIOError):
            closed = closed or any(not receive() for _ in range(_LAST_READS))
        return closed
