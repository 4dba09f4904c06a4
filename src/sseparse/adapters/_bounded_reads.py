"""Reads of httpx and httpx2 that wait for no longer than a stream has time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any

from ._waits import shorter


class BoundedReads:
    """
    Bound the reads that one thread makes from the network stream of a response.

    The libraries settle the time for a read when the body's first byte is asked for, and let no
    one change it. So the `read()` of that stream, which the response hands out, is stood in for
    while the response is read.

    Args:
        stream: The extension `network_stream` of a response to a synchronous HTTP/1.1 request.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._read: Callable[..., bytes] = stream.read
        self._instead: Callable[..., bytes] = self._bounded
        self._reader: int | None = None
        self.seconds: float | None = None
        """The bound: seconds for all the reads of a piece, or None."""
        self._until: float | None = None
        stream.read = self._instead

    def _bounded(self, max_bytes: int, timeout: float | None = None) -> bytes:
        # At the end of the body, before its reader knows, the connection may be another's.
        if self._reader == threading.get_ident() and self._until is not None:
            timeout = shorter(timeout, self._until - monotonic())
        return self._read(max_bytes, timeout=timeout)

    @contextmanager
    def reading(self) -> Generator[None]:
        """Bound the reads of this thread, all together, until the block is left."""
        self._until = None if self.seconds is None else monotonic() + self.seconds
        self._reader = threading.get_ident()
        try:
            yield
        finally:
            self._reader = None

    def undo(self) -> None:
        """Give the stream its own `read()` back. Again, it does nothing."""
        if self._stream.read is self._instead:
            del self._stream.read


def wake(stream: Any) -> None:
    """End a read from a network stream that waits in another thread."""
    sock = stream.get_extra_info("socket")
    # Not by the method of an SSLSocket, which takes the connection's state from its reader.
    with suppress(OSError):  # it is closed already
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
