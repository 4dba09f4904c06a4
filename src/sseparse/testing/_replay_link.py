"""A connection's socket, with waits that end when the client or the server goes away."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from ._replay_signals import Gate, Signal
from ._replay_wire import Ending

T = TypeVar("T")
R = TypeVar("R")

_READ_SIZE = 65536
# Enough to get past what a client had sent before it closed, and yet an end.
_LAST_READS = 64
# Not to linger: what closes the socket is an RST.
_RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
_TLS_WANTS: Final[Mapping[type[Exception], int]] = {
    ssl.SSLWantReadError: selectors.EVENT_READ,
    ssl.SSLWantWriteError: selectors.EVENT_WRITE,
}


class Stopped(Exception):
    """The server stops."""


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
        self._ahead: list[bytes] = []
        self.sent = 0

    def encrypt(self, context: ssl.SSLContext) -> None:
        """
        Begin to speak TLS.

        Raises:
            ssl.SSLError: The two could not agree.
            Stopped: The server stops.
        """
        sock = context.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)
        self._sock = sock
        self._when_ready(lambda _: sock.do_handshake(), None, selectors.EVENT_READ)

    def receive(self) -> bytes:
        """
        Return what the client has sent next; no bytes once it has closed.

        Raises:
            Stopped: The server stops.
        """
        if self._ahead:
            return self._ahead.pop(0)
        return self._when_ready(self._sock.recv, _READ_SIZE, selectors.EVENT_READ)

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

    def outlast(self) -> bool:
        """
        Wait until the client closes its side; tell whether it has, or the server stops before.

        Raises:
            ConnectionError: The client has reset the connection.
        """
        try:
            while self._when_ready(self._receive_raw, _READ_SIZE, selectors.EVENT_READ):
                pass
        except Stopped:
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
        self._select(selectors.EVENT_READ, *others, timeout=timeout)
        if self._stop.is_set:
            raise Stopped
        # A request that comes early is kept; only reading it shows whether the client has closed.
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            data = self._sock.recv(_READ_SIZE)
            if not data:
                raise ConnectionResetError("the client went away")
            self._ahead.append(data)

    def _when_ready(self, call: Callable[[T], R], argument: T, events: int) -> R:
        while not self._stop.is_set:
            try:
                return call(argument)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError) as wants:
                # TLS may have to read before it can write, and the other way round.
                self._select(_TLS_WANTS.get(type(wants), events))
        raise Stopped

    def _select(self, events: int, *others: Gate, timeout: float | None = None) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, events)
            selector.register(self._stop, selectors.EVENT_READ)
            for other in others:
                selector.register(other, selectors.EVENT_READ)
            selector.select(timeout)
