"""A server that sends scripted responses, well framed or not, over persistent connections."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import trustme

SAFETY = 30.0
"""In seconds: how long a test waits for an event before it fails."""

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Exchange:
    """A received request, on a connection that can carry more of them."""

    def __init__(self, sock: socket.socket, over: threading.Event) -> None:
        self._sock = sock
        self._over = over
        self.keep = True

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def hold(self) -> None:
        """Keep the connection open without sending anything until the server stops."""
        self._over.wait()

    def wait_for_fin(self) -> None:
        """Wait until the client has closed the connection."""
        while self._sock.recv(65536):
            pass
        self.keep = False

    def hang_up(self) -> None:
        """End the connection with a FIN."""
        self.keep = False

    def reset(self) -> None:
        """End the connection with a RST."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.keep = False


Answer = Callable[[Exchange], None]


class ScriptedServer:
    """A server that responds to requests, with a thread for each connection."""

    def __init__(self, answer: Answer, authority: trustme.CA | None = None) -> None:
        self._answer = answer
        self._context: ssl.SSLContext | None = None
        if authority is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("127.0.0.1").configure_cert(self._context)
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._address: tuple[str, int] = self._listener.getsockname()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self.connections = 0
        self.url = f"http{'s' * (authority is not None)}://127.0.0.1:{self._address[1]}/"

    def __enter__(self) -> Self:
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()
        return self

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self._over.is_set():
                sock.close()
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        # A client can end its connection in any way.
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(sock.close)
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
                stack.callback(sock.close)
            self._sockets.append(sock)
            requests = sock.makefile("rb")
            stack.callback(requests.close)
            while _request_came(requests.readline):
                exchange = Exchange(sock, self._over)
                self._answer(exchange)
                if not exchange.keep:
                    return

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        # Closing a socket doesn't wake the thread that accepts on it; a connection does.
        socket.create_connection(self._address).close()
        self._acceptor.join()
        self._listener.close()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()


def _request_came(readline: Callable[[], bytes]) -> bool:
    """Read the head of a request, which has no body here."""
    first = line = readline()
    while line not in (b"", b"\r\n"):
        line = readline()
    return first != b""


def serving(answer: Answer, authority: trustme.CA | None = None) -> ScriptedServer:
    """Serve in a block: `with serving(answer) as server: ...`."""
    return ScriptedServer(answer, authority)


def sending(data: bytes, then: str = "keep") -> Answer:
    """Respond to each request with `data`; then keep the connection, close, reset or hold it."""

    def answer(exchange: Exchange) -> None:
        exchange.send(data)
        if then == "hang up":
            exchange.hang_up()
        elif then == "reset":
            exchange.reset()
        elif then == "hold":
            exchange.hold()

    return answer
