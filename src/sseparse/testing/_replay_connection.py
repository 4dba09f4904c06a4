"""One connection of a replay server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable

import h11

from ._replay import Replay, plain_text
from ._replay_request import ReceivedRequest
from ._replay_wire import frame

_READ_SIZE = 65536


class Connection:
    """
    Read requests and answer each, until one side has had enough.

    Args:
        sock: The connection, which the caller closes.
        answer: Finds the answer to a request.
        stopping: Set when the server stops, which cuts waits short.
    """

    def __init__(
        self,
        sock: socket.socket,
        answer: Callable[[ReceivedRequest], Replay],
        stopping: threading.Event,
    ) -> None:
        self._sock = sock
        self._answer = answer
        self._stopping = stopping
        self._http = h11.Connection(h11.SERVER)

    def serve(self) -> None:
        """
        Serve the connection to its end.

        Raises:
            OSError: The connection failed, as it does when the client goes away.
        """
        try:
            while (request := self._read_request()) is not None:
                self._send(self._answer(request), to_head=request.method == "HEAD")
                if set(self._http.states.values()) != {h11.DONE}:
                    break
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            self._refuse(error)
        # Ends a body that has no length at once, whatever the client still sends.
        self._sock.shutdown(socket.SHUT_WR)

    def _read_request(self) -> ReceivedRequest | None:
        head = self._next_event()
        if not isinstance(head, h11.Request):
            return None
        body = bytearray()
        while isinstance(event := self._next_event(), h11.Data):
            body += event.data
        return ReceivedRequest(
            head.method.decode(), head.target.decode(), _joined(head.headers), bytes(body)
        )

    def _next_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                self._sock.sendall(self._http.send(go_on) or b"")
            self._http.receive_data(self._sock.recv(_READ_SIZE))
        return event

    def _refuse(self, error: h11.RemoteProtocolError) -> None:
        self._send(plain_text(error.error_status_hint, f"bad request: {error}"))

    def _send(self, replay: Replay, *, to_head: bool = False) -> None:
        wire = frame(self._http, replay, to_head=to_head)
        self._sock.sendall(wire.head)
        due = time.monotonic()
        for delay, data in wire.frames:
            # Counted from the first on, so that wake-ups that come late do not add up.
            due += delay
            self._wait_until(due)
            self._sock.sendall(data)
        self._sock.sendall(wire.tail)

    def _wait_until(self, due: float) -> None:
        pause = due - time.monotonic()
        if pause > 0 and self._stopping.wait(pause):
            raise ConnectionAbortedError("the server stops")


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode(), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined
