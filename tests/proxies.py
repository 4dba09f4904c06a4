"""A small HTTP proxy on the loopback interface."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

LIMIT = 30.0  # seconds: far longer than any machine needs


class ProxyServer:
    """
    A proxy that forwards requests and opens tunnels, one thread for each direction.

    Args:
        response: What to send instead of forwarding: any bytes.
        hold: Whether to keep a connection with such a response open until its client closes it.

    Attributes:
        heads: The head of each request, also of CONNECT.
        gone: Set when a client was served.
    """

    def __init__(self, response: bytes | None = None, *, hold: bool = False) -> None:
        self._response = response
        self._hold = hold
        self.heads: list[str] = []
        self.gone = threading.Event()
        self._threads: list[threading.Thread] = []
        self._stopping = False

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"http://{self.address}"
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping = True
        socket.create_connection(self._listener.getsockname()).close()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, work: object, *args: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=args)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self._stopping:
                sock.close()
                return
            self._start(self._serve, sock)

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(LIMIT)
            head = b""
            while b"\r\n\r\n" not in head and (data := client.recv(65536)):
                head += data
            head, _, rest = head.partition(b"\r\n\r\n")
            self.heads.append(head.decode())
            if self._response is None:
                self._forward(client, head, rest)
            else:
                client.sendall(self._response)
                while self._hold and client.recv(65536):
                    pass
        self.gone.set()

    def _forward(self, client: socket.socket, head: bytes, rest: bytes) -> None:
        method, target = head.decode().split(" ", 2)[:2]
        is_tunnel = method == "CONNECT"
        parts = urlsplit(f"//{target}" if is_tunnel else target)
        with socket.create_connection((parts.hostname or "", parts.port or 0), LIMIT) as server:
            if is_tunnel:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n" + rest)
            else:
                path = target.split(parts.netloc, 1)[1].encode()
                head = head.replace(target.encode(), path, 1)
                head = re.sub(rb"(?i)\r\nproxy-authorization:[^\r]*", b"", head)
                server.sendall(head + b"\r\n\r\n" + rest)
            answers = self._start(_copy, server, client)
            _copy(client, server)
            answers.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
