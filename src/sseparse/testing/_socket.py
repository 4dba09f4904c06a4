"""Sockets of a replay server."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, TypeVar

from attrs import evolve, frozen

from ._server import Gate, HasFileno, Signal, wait_for

Ending = Literal["http", "close", "reset", "open"]
"""
What becomes of a connection after an answer.

"http"
    What HTTP says: it is kept alive, or closed properly.
"close"
    It is closed at once, by a FIN.
"reset"
    It is cut at once, by an RST.
"open"
    It stays open, and nothing comes any more.
"""


@frozen
class Wire:
    """
    Hold an answer as it goes onto the wire.

    Attributes:
        head: The status line and the headers.
        frames: For each piece, the seconds to wait before it and its bytes, framing included.
        tail: What ends the body.
        refrain: More frames after the tail, without an end.
        ending: What becomes of the connection then.
    """

    head: bytes
    frames: list[tuple[float, bytes]]
    tail: bytes
    refrain: Iterable[tuple[float, bytes]] = ()
    ending: Ending = "http"


def break_off(wire: Wire, fault: str | None, after: int | None) -> Wire:
    """
    Do to an answer what a fault of the connection does.

    Args:
        wire: The answer without the fault.
        fault: The fault; others than those of the connection change nothing.
        after: How many pieces are sent whole; None for all.
    """
    frames = wire.frames[:after]
    following = [data for _, data in wire.frames[len(frames) :]]
    following.append(wire.tail)
    broken = evolve(wire, frames=frames, tail=b"")
    match fault:
        case "close":
            return evolve(broken, ending="close")
        case "close-inside":
            half = following[0][: len(following[0]) // 2]
            return evolve(broken, tail=half, ending="close")
        case "reset":
            return evolve(broken, ending="reset")
        case "stall":
            return evolve(broken, ending="open")
        case "bad-chunk":
            _, end_of_header, rest = following[0].partition(b"\r\n")
            return evolve(broken, tail=b"zz" + end_of_header + rest, ending="open")
        case _:
            return wire


# poll() needs no descriptor of its own, as epoll and kqueue do: waiting works when none is left.


T = TypeVar("T")
R = TypeVar("R")

_READ_SIZE = 65536
# Enough to get past what a client had sent before it closed, and yet an end.
_LAST_READS = 64
# What a client sends while the server waits is read up to here: only reading shows a close.
_MOST_AHEAD = 2**20
# Not to linger: what closes the socket is an RST.
_RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
_TLS_WANTS: Final[Mapping[type[Exception], int]] = {
    ssl.SSLWantReadError: selectors.EVENT_READ,
    ssl.SSLWantWriteError: selectors.EVENT_WRITE,
}


class Stopped(Exception):
    """The server stops."""


class Expired(Exception):
    """The client was silent for too long."""


class Link:
    """
    Send, receive and wait on one connection.

    Args:
        sock: The connection, which is closed with the link.
        stop: Set when the server stops, which ends every wait.
        gate: Holds the permits of the server.

    Attributes:
        sent: How many bytes were sent; without what TLS makes of them.
    """

    def __init__(self, sock: socket.socket, stop: Signal, gate: Gate) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._stop = stop
        self._gate = gate
        self._ahead = bytearray()
        self.sent = 0

    def encrypt(self, context: ssl.SSLContext, due: float) -> None:
        """
        Begin to speak TLS.

        Args:
            context: The server's side.
            due: When the client must be through with it, by the monotonic clock.

        Raises:
            ssl.SSLError: The two could not agree.
            Expired: The client was not through.
            Stopped: The server stops.
        """
        sock = context.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)
        self._sock = sock
        self._when_ready(lambda _: sock.do_handshake(), None, selectors.EVENT_READ, due)

    def receive(self, due: float) -> bytes:
        """
        Return what the client has sent next; no bytes once it has closed.

        Args:
            due: When something must have arrived, by the monotonic clock.

        Raises:
            Expired: Nothing has.
            Stopped: The server stops.
        """
        if self._ahead:
            data = bytes(self._ahead)
            self._ahead.clear()
            return data
        return self._when_ready(self._sock.recv, _READ_SIZE, selectors.EVENT_READ, due)

    def send(self, data: bytes) -> None:
        """
        Send bytes, all of them.

        Raises:
            ConnectionError: The client went away.
            Stopped: The server stops.
        """
        view = memoryview(data)
        while view:
            taken = self._when_ready(self._sock.send, view, selectors.EVENT_WRITE)
            self.sent += taken
            view = view[taken:]

    def wait_until(self, due: float) -> None:
        """
        Wait for a time of the monotonic clock.

        Raises:
            ConnectionError: The client went away.
            Stopped: The server stops.
        """
        while (pause := due - time.monotonic()) > 0:
            self._watch(pause)

    def wait_for_permit(self) -> None:
        """
        Wait until the gate gives a permit, and take it.

        Raises:
            ConnectionError: The client went away.
            Stopped: The server stops.
        """
        while not self._gate.take():
            self._watch(None, self._gate)

    def end(self, ending: Ending) -> None:
        """End the server's side; a client's data that still comes does no harm to it."""
        if ending == "reset":
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._sock.close()
            return
        # The client may have reset the connection already.
        with contextlib.suppress(OSError):
            if ending == "http" and isinstance(self._sock, ssl.SSLSocket):
                # Says that this is the end, and does not wait for the client to say so too.
                with contextlib.suppress(ssl.SSLError):
                    self._sock.unwrap()
            if ending != "open":
                self._sock.shutdown(socket.SHUT_WR)

    def outlast(self, due: float | None) -> bool:
        """
        Wait until the client closes its side; return whether it has.

        Args:
            due: When to stop waiting, by the monotonic clock; None for when the server stops.

        Raises:
            ConnectionError: The client has reset the connection.
        """
        try:
            while self._when_ready(self._receive_raw, _READ_SIZE, selectors.EVENT_READ, due):
                if due is not None and time.monotonic() >= due:
                    return False
        except (Stopped, Expired):
            return self._has_closed()
        return True

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def _has_closed(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            return any(not self._receive_raw(_READ_SIZE) for _ in range(_LAST_READS))
        return False

    def _receive_raw(self, size: int) -> bytes:
        # Whether the client has closed shows below TLS, whatever state that is in.
        return socket.socket.recv(self._sock, size)

    def _watch(self, timeout: float | None, *others: Gate) -> None:
        reads = len(self._ahead) < _MOST_AHEAD
        events: dict[HasFileno, int] = dict.fromkeys(others, selectors.EVENT_READ)
        if reads:
            events[self._sock] = selectors.EVENT_READ
        wait_for({self._stop: selectors.EVENT_READ, **events}, timeout)
        if self._stop.is_set:
            raise Stopped
        if not reads:
            return
        # A request that comes early is kept; only reading it shows whether the client has closed.
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            data = self._sock.recv(_READ_SIZE)
            if not data:
                raise ConnectionResetError("the client went away")
            self._ahead += data

    def _when_ready(
        self, call: Callable[[T], R], argument: T, events: int, due: float | None = None
    ) -> R:
        while not self._stop.is_set:
            # Looked up first: what has arrived by then is in time, however late it is read.
            is_late = due is not None and time.monotonic() >= due
            try:
                return call(argument)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError) as wants:
                # TLS may have to read before it can write, and the other way round.
                wanted = _TLS_WANTS.get(type(wants), events)
            if is_late:
                raise Expired
            timeout = None if due is None else due - time.monotonic()
            wait_for({self._sock: wanted, self._stop: selectors.EVENT_READ}, timeout)
        raise Stopped
