"""An HTTP server on this machine that replays streams."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self, cast

from ._replay import Replay, plain_text
from ._replay_request import ReceivedRequest

_Serve = Callable[[socket.socket], None]


class ReplayServer:
    r"""
    Serve recorded streams over real HTTP/1.1 connections on the loopback interface.

    A context manager: it listens from the start of the block to its end, and then closes every
    connection and waits for its threads. Connections are kept alive between requests. Needs
    h11: `pip install 'sseparse[h11]'`.

        body = b'data: {"choices": []}\n\ndata: [DONE]\n\n'
        with ReplayServer(Replay(body, delays=0.01, framing="gzip")) as server:
            with httpx2.stream("POST", server.url, json={"stream": True}) as response:
                ...
        assert server.requests[0].json() == {"stream": True}

    Args:
        replay: What to answer: one body or `Replay`, to every request; or several, by the path
            that is asked for. Other paths are answered with 404.

    Attributes:
        requests: The requests that came, oldest first. One is here before its answer begins.
    """

    def __init__(self, replay: bytes | Replay | Mapping[str, bytes | Replay]) -> None:
        self._replays = replay
        self.requests: list[ReceivedRequest] = []
        self._listener: socket.socket | None = None

    @property
    def url(self) -> str:
        """
        Where the server listens: "http://127.0.0.1:" and the port, without a path.

        Raises:
            RuntimeError: The block was not entered.
        """
        if self._listener is None:
            raise RuntimeError("the server does not listen yet; use it as a context manager")
        host, port = self._listener.getsockname()
        return f"http://{host}:{port}"

    def __enter__(self) -> Self:
        """
        Begin to listen, on a port that is free.

        Raises:
            RuntimeError: The server listens already.
            ModuleNotFoundError: h11 is not installed.
        """
        # h11 is an extra, which the rest of `sseparse.testing` does without.
        try:
            from ._replay_connection import Connection  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as error:
            message = "ReplayServer needs h11: pip install 'sseparse[h11]'"
            raise ModuleNotFoundError(message, name=error.name) from error

        if self._listener is not None:
            raise RuntimeError("the server listens already; make one for each block")
        self._serve: _Serve = lambda sock: Connection(sock, self._answer, self._stopping).serve()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._live: dict[threading.Thread, socket.socket] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._acceptor = threading.Thread(
            target=self._accept, args=(self._listener,), name="sseparse-replay", daemon=True
        )
        self._acceptor.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        listener = cast("socket.socket", self._listener)
        self._stopping.set()
        # Closing a socket does not wake the thread that accepts on it; a connection does.
        socket.create_connection(listener.getsockname()).close()
        self._acceptor.join()
        listener.close()
        self._listener = None
        with self._lock:
            for sock in self._live.values():
                _shut_down(sock)
        for thread in self._live:
            thread.join()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            sock, _ = listener.accept()
            if self._stopping.is_set():
                sock.close()
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(
                target=self._run, args=(sock,), name="sseparse-replay", daemon=True
            )
            thread.start()
            self._live = {old: kept for old, kept in self._live.items() if old.is_alive()}
            self._live[thread] = sock

    def _run(self, sock: socket.socket) -> None:
        try:
            self._serve(sock)
        except OSError:
            # The client went away, or the server stops: both are how a connection may end.
            pass
        finally:
            # Not while it is being shut down: the number of its file may be another's by then.
            with self._lock:
                sock.close()

    def _answer(self, request: ReceivedRequest) -> Replay:
        self.requests.append(request)
        replays = self._replays
        if isinstance(replays, Mapping):
            if request.path not in replays:
                known = ", ".join(sorted(replays))
                return plain_text(404, f"no replay at {request.path}; there is {known}")
            replays = replays[request.path]
        return replays if isinstance(replays, Replay) else Replay(replays)


def _shut_down(sock: socket.socket) -> None:
    # The other side may have closed it already.
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
