"""A server that sends recorded streams."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import selectors
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from attrs import Factory, define, field, frozen

from .._stage import Uncopyable
from ..adapters._http import authority
from ._replay import Replay, plain_text

if TYPE_CHECKING:
    import ssl

    from _typeshed import HasFileno

# poll() needs no descriptor of its own, unlike epoll and kqueue: waiting works when none is left.
_Selector: Final[type[selectors.BaseSelector]] = (
    selectors.SelectSelector if sys.platform == "win32" else selectors.PollSelector
)


def wait_for(events: Mapping[HasFileno, int], timeout: float | None = None) -> None:
    """Wait until a file is ready for its events, such as `selectors.EVENT_READ`."""
    with _Selector() as selector:
        for file, mask in events.items():
            selector.register(file, mask)
        # poll() can't wait for much longer than a million seconds.
        selector.select(None if timeout is None else min(timeout, 1_000_000))


class SelectableSemaphore:
    """A semaphore that a selector can wait for: it's readable while it has permits."""

    def __init__(self, permits: int = 0) -> None:
        self._lock = threading.Lock()
        self._reader, self._writer = socket.socketpair()
        self.permits = 0
        self.release(permits)

    def fileno(self) -> int:
        return self._reader.fileno()

    def release(self, permits: int = 1) -> None:
        with self._lock:
            was_empty = not self.permits
            self.permits += permits
            if was_empty and self.permits:
                self._writer.send(b"\0")

    def acquire(self) -> bool:
        """Take a permit without waiting; return whether there was one."""
        with self._lock:
            if not self.permits:
                return False
            self.permits -= 1
            if not self.permits:
                self._reader.recv(1)
            return True

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


# RFC 9112, 3.2: a path, or a URL with one.
_TARGET = re.compile(r"(?:(?i:https?)://(?P<host>[^/?#]+))?(?P<path>/[^?]*)?(?:\?.*)?", re.DOTALL)


@frozen
class ReceivedRequest:
    """
    A request that the server has received.

    Attributes:
        method: The method, such as "POST".
        target: The request target as sent, such as "/v1/chat/completions?a=b".
        headers: The headers by lower-case name; values of a repeated one are joined by ", ".
        body: The body; of a larger one, the first MiB.
        body_size: The size of the complete body in bytes; by default that of `body`.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    body_size: int = field(
        default=Factory(lambda request: len(request.body), takes_self=True), kw_only=True
    )

    @property
    def path(self) -> str:
        """
        The path of the target without its query, such as "/path" for "http://host/path?query".

        It's "" for targets without a path: "*", "host:port", "path", and any of a CONNECT request.
        """
        match = None if self.method == "CONNECT" else _TARGET.fullmatch(self.target)
        if match is None:
            return ""
        return match["path"] or ("/" if match["host"] else "")

    def json(self) -> Any:
        """
        Decode the body as JSON.

        Raises:
            ValueError: The body isn't JSON, or is larger than 1 MiB.
        """
        if self.body_size > len(self.body):
            raise ValueError(
                f"The body has {self.body_size:,} bytes, and only the first {len(self.body):,} "
                "were kept: it can't be decoded as JSON."
            )
        return json.loads(self.body)


@frozen
class Answered:
    """
    The outcome of a request.

    Attributes:
        request: The request; None if the client sent a malformed one.
        bytes_sent: How many bytes of the response were sent, its headers and framing included.
        how: How the response ended: "to its end", "closed before its end", "reset", "left open",
            "the client went away" or "the server stopped".
    """

    request: ReceivedRequest | None
    bytes_sent: int
    how: str


@define(eq=False)
class ReceivedConnection:
    """
    A connection to the server.

    Attributes:
        requests: Number of requests received on the connection.
    """

    _closed: Future[bool]
    requests: int = 0

    def wait_closed(self, timeout: float = 30.0) -> bool:
        """
        Wait until the client closes its side of the connection.

        The server notices the close at any time: during a delay, after a "stall" or after its own
            close.

        Args:
            timeout: The longest time to wait, in seconds.

        Returns:
            True once the client has closed the connection, properly or by a reset. False after the
            timeout, or if the server ended the connection first, for example by a reset.
        """
        try:
            return self._closed.result(timeout)
        except TimeoutError:
            return False


_LOG = logging.getLogger("sseparse.testing")
_CANNOT_SERVE = "The server at %s can't serve a connection: %s. It tries again every %s s."
# Seconds between attempts if the system has no descriptor, memory or thread for a connection.
_RETRY_AFTER = 0.1


class ReplayServer(Uncopyable):
    """
    An HTTP/1.1 server on the loopback interface that sends recorded streams.

    Use it as a context manager. It listens inside the block. At the end of the block, it closes all
    connections and waits for its threads. Connections are kept alive between requests. Needs h11:
    `pip install 'sseparse[h11]'`.

    Args:
        replay: The response: a body or `Replay` for all requests, a mapping of paths to these, or a
            function that returns one of these for a `ReceivedRequest`. With a mapping, other paths
            get 404. A function is called in the connection's thread; if it raises, the response is
            500. A request target without a path always gets 400.
        host: The address to listen at, by default "127.0.0.1". With other addresses, other machines
            can be able to connect.
        port: The port to listen at; 0, the default, for a free one.
        on_answered: Called after each response, in the connection's thread; None, the default, for
            no call.
        ssl_context: The server's TLS context, with its certificate, for https; None, the default,
            for http. A failed handshake ends only its connection.
        idle_timeout: Seconds after which a connection is closed on which nothing, or less than 1
            KiB of a request, has arrived. Sending has no limit, and neither has waiting to send.
            Default: 60.
        max_connections: Maximum number of connections served at once, each by a thread. Others wait
            until one ends. Default: 1,000.

    Raises:
        TypeError: The replay is neither bytes nor a Replay.
        ValueError: A number is out of range, or a path of the mapping doesn't begin with "/".
        OSError: On entering the block: the server can't listen at the address.
        RuntimeError: On entering the block: the server listens already.
        ModuleNotFoundError: On entering the block: h11 isn't installed.

    Attributes:
        requests: The requests received, oldest first. Each is added before its response begins.
        connections: The connections accepted, oldest first.
    """

    def __init__(
        self,
        replay: bytes
        | Replay
        | Mapping[str, bytes | Replay]
        | Callable[[ReceivedRequest], bytes | Replay],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        on_answered: Callable[[Answered], None] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        idle_timeout: float = 60.0,
        max_connections: int = 1_000,
    ) -> None:
        if not callable(replay):
            replays = replay if isinstance(replay, Mapping) else {"/": replay}
            for path, each in replays.items():
                _as_replay(each)
                if not path.startswith("/"):
                    raise ValueError(f"the path {path!r} doesn't begin with '/'; give '/{path}'")
        if not idle_timeout > 0:
            raise ValueError(f"idle_timeout is {idle_timeout!r}; give seconds above 0")
        if max_connections < 1:
            raise ValueError(f"max_connections is {max_connections!r}; give 1 or more")
        self._replays = replay
        self._address = (host, port)
        self._on_answered: Callable[[Answered], None] = on_answered or (lambda _: None)
        self._ssl_context = ssl_context
        self._idle_timeout = idle_timeout
        self._max_connections = max_connections
        self.requests: list[ReceivedRequest] = []
        self.connections: list[ReceivedConnection] = []
        self._listener: socket.socket | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """
        The URL of the server without a path, such as "http://127.0.0.1:8000"; also after the block.

        Raises:
            RuntimeError: The block was not entered.
        """
        if not self._url:
            raise RuntimeError("the server doesn't listen yet; use it as a context manager")
        return self._url

    def release(self, pieces: int = 1) -> None:
        """
        Let the server send pieces of a gated `Replay`.

        With this, a test can check that a client returns each piece before the next one is sent.
        The pieces can belong to any connections, and can be released before a connection waits for
        them.

        Raises:
            ValueError: The number is below 0.
            RuntimeError: The server doesn't listen.
        """
        if pieces < 0:
            raise ValueError(f"pieces is {pieces}; give a number, 0 or more")
        if self._listener is None:
            raise RuntimeError("the server doesn't listen; call release() within its block")
        self._permits.release(pieces)

    def __enter__(self) -> Self:
        try:
            from ._connection import ReplayConnection  # noqa: PLC0415 - h11 is an extra
        except ModuleNotFoundError as error:
            message = "ReplayServer needs h11: pip install 'sseparse[h11]'"
            raise ModuleNotFoundError(message, name=error.name) from error
        if self._listener is not None:
            raise RuntimeError("the server listens already; make another server for another block")
        self._connection_class = ReplayConnection
        self._threads: list[threading.Thread] = []
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(self._open_listener())
            # `_stop` gets a permit, which is never acquired, when the server stops.
            self._stop, self._permits, self._free_threads = (
                stack.enter_context(contextlib.closing(SelectableSemaphore(permits)))
                for permits in (0, 0, self._max_connections)
            )
            self._acceptor = _start(self._accept, listener)
            self._listener = listener
            self._files = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.release()
        self._acceptor.join()
        for thread in self._threads:
            thread.join()
        self._listener = None
        self._files.close()

    def _open_listener(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listener = socket.create_server(self._address, family=family, backlog=socket.SOMAXCONN)
        listener.setblocking(False)
        scheme = "http" if self._ssl_context is None else "https"
        host, port, *_ = listener.getsockname()
        self._url = f"{scheme}://{authority(host, port)}"
        return listener

    def _accept(self, listener: socket.socket) -> None:
        has_warned = False
        while self._wait_until_ready(self._free_threads) and self._wait_until_ready(listener):
            try:
                # A client may close before its connection is accepted.
                with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
                    self._start_connection(listener.accept()[0])
            except (OSError, RuntimeError, MemoryError) as error:
                if not has_warned:
                    _LOG.warning(_CANNOT_SERVE, self._url, error, _RETRY_AFTER)
                has_warned = True
                # The listener stays ready, so wait for the stop alone.
                wait_for({self._stop: selectors.EVENT_READ}, _RETRY_AFTER)

    def _wait_until_ready(self, file: HasFileno) -> bool:
        """Wait until a file can be read; return False if the server stops."""
        wait_for({file: selectors.EVENT_READ, self._stop: selectors.EVENT_READ})
        return not self._stop.permits

    def _start_connection(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        # A connection that the client has reset may have no options any more.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        closed: Future[bool] = Future()
        connection = ReceivedConnection(closed)
        self.connections.append(connection)
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        try:
            self._threads.append(_start(self._serve, sock, connection, closed))
        except BaseException:
            sock.close()
            closed.set_result(False)
            raise
        self._free_threads.acquire()

    def _serve(self, sock: socket.socket, client: ReceivedConnection, closed: Future[bool]) -> None:
        has_closed = False
        try:
            has_closed = self._connection_class(
                sock,
                self._stop,
                self._permits,
                partial(self._find_replay, client),
                self._ssl_context,
                self._on_answered,
                self._idle_timeout,
            ).serve()
        finally:
            closed.set_result(has_closed)
            self._free_threads.release()

    def _find_replay(self, connection: ReceivedConnection, request: ReceivedRequest) -> Replay:
        connection.requests += 1
        self.requests.append(request)
        if not request.path:
            return plain_text(400, f"no path in the request target {request.target}")
        replays = self._replays
        if callable(replays):
            try:
                return _as_replay(replays(request))
            except Exception as error:  # the function may raise anything
                reason = f"{type(error).__name__}: {error}"
                return plain_text(500, f"the replay function failed: {reason}")
        if isinstance(replays, Mapping):
            if request.path not in replays:
                known = ", ".join(sorted(replays))
                return plain_text(404, f"no replay at {request.path}; available: {known}")
            replays = replays[request.path]
        return _as_replay(replays)


def _as_replay(replay: object) -> Replay:
    if isinstance(replay, bytes):
        return Replay(replay)
    if isinstance(replay, Replay):
        return replay
    raise TypeError(f"replay is {type(replay).__name__}; give bytes or a Replay")


def _start(target: Callable[..., None], *args: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=args, name="sseparse-replay", daemon=True)
    thread.start()
    return thread
