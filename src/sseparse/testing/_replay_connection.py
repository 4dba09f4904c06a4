"""One connection of a replay server."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import h11

from ._replay import Replay, plain_text
from ._replay_framing import frame
from ._replay_link import Expired, Link, Stopped
from ._replay_received import Answered, ReceivedRequest
from ._replay_wire import Ending

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
