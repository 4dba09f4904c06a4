"""Sockets of a replay server, and the bytes of a response that they send."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

from attrs import frozen

from ._server import SelectableSemaphore, wait_for

if TYPE_CHECKING:
    from _typeshed import HasFileno

ResponseEnd = Literal["to its end", "closed before its end", "reset", "left open"]


@frozen
class FramedResponse:
    """A response as bytes: each frame is a piece, with the seconds to wait before it."""

    head: bytes
    frames: list[tuple[float, bytes]]
    tail: bytes
    comments: Iterable[bytes] = ()
    ending: ResponseEnd = "to its end"


def apply_fault(response: FramedResponse, fault: str | None, after: int | None) -> FramedResponse:
    """Apply a fault of the connection to a response; other faults change nothing."""
    frames = response.frames[:after]
    following = next((data for _, data in response.frames[len(frames) :]), response.tail)
    tail = b""
    ending: ResponseEnd = "closed before its end"
    match fault:
        case "close":
            pass
        case "close-inside":
            tail = following[: len(following) // 2]
        case "reset":
            ending = "reset"
        case "stall":
            ending = "left open"
        case "bad-chunk":
            _, end_of_header, rest = following.partition(b"\r\n")
            tail, ending = b"zz" + end_of_header + rest, "left open"
        case _:
            return response
    return FramedResponse(response.head, frames, tail, ending=ending)


T = TypeVar("T")

_READ_SIZE = 65536
# Bounds how much of what a client sent before it closed is skipped to find out that it closed.
_LAST_READS = 64
# Only reading shows that a client has closed. So requests sent early are read, up to this size.
_MAX_EARLY = 2**20
# With a linger time of 0, closing the socket sends an RST.
_RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class ServerStopped(Exception):
    """The server stops."""


class IdleTimeout(Exception):
    """The client was silent for too long."""


class ReplaySocket:
    """
    The server's socket of one connection, which counts the bytes `sent` before encryption.

    While it waits or sends, it raises `ServerStopped` if the server stops, ConnectionError if the
    client closes, and `IdleTimeout` once a deadline, by the monotonic clock, has passed.
    """

    def __init__(
        self, sock: socket.socket, stop: SelectableSemaphore, permits: SelectableSemaphore
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._stop = stop
        self._permits = permits
        self._early = bytearray()
        self.sent = 0

    def do_handshake(self, context: ssl.SSLContext, deadline: float) -> None:
        sock = context.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)
        self._sock = sock
        self._call_when_ready(sock.do_handshake, deadline)

    def receive(self, deadline: float) -> bytes:
        """Return the next bytes from the client; b"" once it has closed."""
        if self._early:
            data = bytes(self._early)
            self._early.clear()
            return data
        return self._call_when_ready(lambda: self._sock.recv(_READ_SIZE), deadline)

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            size = self._call_when_ready(partial(self._sock.send, view), is_write=True)
            self.sent += size
            view = view[size:]

    def wait_until(self, deadline: float) -> None:
        while (seconds := deadline - time.monotonic()) > 0:
            self._wait_and_read(seconds)

    def wait_for_permit(self) -> None:
        while not self._permits.acquire():
            self._wait_and_read(None, self._permits)

    def finish(self, ending: ResponseEnd) -> None:
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

    def wait_for_close(self, deadline: float | None) -> bool:
        """Wait until the client closes its side or the deadline; return whether it has closed."""
        try:
            while self._call_when_ready(self._receive_raw, deadline):
                if deadline is not None and time.monotonic() >= deadline:
                    return False
        except (ServerStopped, IdleTimeout):
            with contextlib.suppress(BlockingIOError):
                return any(not self._receive_raw() for _ in range(_LAST_READS))
            return False
        return True

    def close(self) -> None:
        self._sock.close()

    def _receive_raw(self) -> bytes:
        # TCP shows whether the client has closed, in any state of TLS.
        return socket.socket.recv(self._sock, _READ_SIZE)

    def _wait_and_read(self, timeout: float | None, *others: SelectableSemaphore) -> None:
        can_read = len(self._early) < _MAX_EARLY
        files: list[HasFileno] = [self._stop, *others, *([self._sock] if can_read else [])]
        wait_for(dict.fromkeys(files, selectors.EVENT_READ), timeout)
        if self._stop.permits:
            raise ServerStopped
        if not can_read:
            return
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            data = self._sock.recv(_READ_SIZE)
            if not data:
                raise ConnectionResetError("the client went away")
            self._early += data

    def _call_when_ready(
        self, call: Callable[[], T], deadline: float | None = None, *, is_write: bool = False
    ) -> T:
        while not self._stop.permits:
            # Read the clock first: data that has arrived by now is in time, even if read late.
            is_late = deadline is not None and time.monotonic() >= deadline
            try:
                return call()
            except BlockingIOError:
                wanted = selectors.EVENT_WRITE if is_write else selectors.EVENT_READ
            # TLS may have to read before it can write, and the other way round.
            except ssl.SSLWantReadError:
                wanted = selectors.EVENT_READ
            except ssl.SSLWantWriteError:
                wanted = selectors.EVENT_WRITE
            if is_late:
                raise IdleTimeout
            timeout = None if deadline is None else deadline - time.monotonic()
            wait_for({self._sock: wanted, self._stop: selectors.EVENT_READ}, timeout)
        raise ServerStopped
