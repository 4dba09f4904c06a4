"""A server that sends given bytes, for responses that a correct server doesn't send."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

LIMIT = 30.0
"""In seconds: how long a test waits for an event, far longer than any machine needs."""


class RawServer:
    """
    A server that responds to one request for each connection, and closes it.

    Args:
        answer: The response, or a function that returns it for a request.
        hold: Whether to keep connections open until their clients close them.
        drip: Bytes to send repeatedly after the response, until the client closes.
        ssl_context: The TLS settings; None for no TLS.

    Attributes:
        requests: The requests received.
        gone: Set when a connection was closed: if it's held, by its client.
    """

    def __init__(
        self,
        answer: bytes | Callable[[bytes], bytes],
        *,
        hold: bool = False,
        drip: bytes = b"",
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._answer = answer
        self._hold = hold
        self._drip = drip
        self._ssl_context = ssl_context
        self.requests: list[bytes] = []
        self.gone = threading.Event()
        self._stopping = False

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http{'s' if self._ssl_context else ''}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping = True
        with contextlib.suppress(OSError):
            socket.create_connection(self._listener.getsockname()).close()
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopping:
            sock, _ = self._listener.accept()
            if self._stopping:
                sock.close()
                return
            sock.settimeout(LIMIT)
            with contextlib.suppress(OSError):
                if self._ssl_context is not None:
                    sock = self._ssl_context.wrap_socket(sock, server_side=True)
                self._serve(sock)
            sock.close()

    def _serve(self, sock: socket.socket) -> None:
        try:
            request = read_request(sock)
            self.requests.append(request)
            answer = self._answer
            sock.sendall(answer if isinstance(answer, bytes) else answer(request))
            while self._drip:
                time.sleep(0.005)
                sock.sendall(self._drip)
            if self._hold:
                sock.recv(1)
        finally:
            self.gone.set()


def read_request(sock: socket.socket) -> bytes:
    """Read a complete request, head and body."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += _some(sock)
    head, _, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: (\d+)", head.lower())
    while len(body) < (int(length[1]) if length else 0):
        body += _some(sock)
    return head + b"\r\n\r\n" + body


def _some(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    if not data:
        raise ConnectionResetError("the client went away")
    return data
