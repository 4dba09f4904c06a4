"""Replay server."""

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
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from attrs import Factory, define, field, frozen

from .._stage import Uncopyable
from ._replay import Replay, plain_text

if TYPE_CHECKING:
    import ssl


_Selector: Final[type[selectors.BaseSelector]] = (
    selectors.SelectSelector if sys.platform == "win32" else selectors.PollSelector
)


class HasFileno(Protocol):
    """What a selector waits for."""

    def fileno(self) -> int:
        """Return the descriptor."""
        ...


def wait_for(events: Mapping[HasFileno, int], timeout: float | None = None) -> None:
    """
    Wait until one of several files is ready.

    Args:
        events: The files, with the events of each: `selectors.EVENT_READ`, for one.
        timeout: The longest time to wait, in seconds; None for no limit. After a million
            seconds it returns in any case: poll() can't wait for much longer.
    """
    with _Selector() as selector:
        for file, mask in events.items():
            selector.register(file, mask)
        selector.select(None if timeout is None else min(timeout, 1_000_000))


class Signal:
    """Raise a flag that a selector sees: its file can be read while the flag is up."""

    def __init__(self) -> None:
        self._seen, self._raised = socket.socketpair()
        self.is_set = False

    def fileno(self) -> int:
        """Return what a selector waits on."""
        return self._seen.fileno()

    def set(self) -> None:
        """Raise the flag, which is down."""
        self.is_set = True
        self._raised.send(b"\0")

    def clear(self) -> None:
        """Take down the flag, which is up."""
        self.is_set = False
        self._seen.recv(1)

    def close(self) -> None:
        """Close its files."""
        self._seen.close()
        self._raised.close()


class Gate:
    """Count permits; a selector sees whether there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._permits = 0
        self._open = Signal()

    def fileno(self) -> int:
        """Return what a selector waits on."""
        return self._open.fileno()

    def release(self, permits: int) -> None:
        """Give permits."""
        with self._lock:
            self._permits += permits
            if self._permits and not self._open.is_set:
                self._open.set()

    def take(self) -> bool:
        """Take a permit; tell whether there was one."""
        with self._lock:
            if not self._permits:
                return False
            self._permits -= 1
            if not self._permits:
                self._open.clear()
            return True

    def close(self) -> None:
        """Close its files."""
        self._open.close()


# RFC 9112, 3.2: a path, or a URL with one.
_TARGET = re.compile(r"(?:(?i:https?)://(?P<host>[^/?#]+))?(?P<path>/[^?]*)?(?:\?.*)?", re.DOTALL)


def _size_of_body(request: ReceivedRequest) -> int:
    return len(request.body)


@frozen
class ReceivedRequest:
    """
    Hold a request as the server got it.

    Attributes:
        method: The method: "POST".
        target: The request target as sent: "/v1/chat/completions?a=b", for one.
        headers: The headers, by lower-case name; the values of one sent twice are joined by ", ".
        body: The body; of a larger one, the first MiB.
        body_size: The size of the complete body, in bytes; that of `body` where not given.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    body_size: int = field(default=Factory(_size_of_body, takes_self=True), kw_only=True)

    @property
    def path(self) -> str:
        """
        The path of the target, without the query; "" where the target has none.

        That of "http://host/path?query" is "/path". No path: "*", "host:port", "path", and any
        target of the method CONNECT.
        """
        match = None if self.method == "CONNECT" else _TARGET.fullmatch(self.target)
        if match is None:
            return ""
        return match["path"] or ("/" if match["host"] else "")

    def json(self) -> Any:
        """
        Decode the body as JSON.

        Raises:
            ValueError: The body is not JSON, or not all of it was kept.
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
    Tell what became of a request.

    Attributes:
        request: The request; None where what came was none.
        bytes_sent: How many bytes the client was sent for it, those of HTTP included.
        how: How that ended, in words: "to its end", for one.
    """

    request: ReceivedRequest | None
    bytes_sent: int
    how: str


@define(eq=False)
class ReceivedConnection:
    """
    Tell what became of a connection to the server.

    Attributes:
        requests: How many requests came on it.
    """

    _closed: Future[bool]
    requests: int = 0

    def wait_closed(self, timeout: float = 30.0) -> bool:
        """
        Wait until the client closes its side of the connection.

        The server sees that also while it waits itself, for a delay, a permit or for nothing at
        all, and after it has closed its own side. A connection that it has reset is gone before
        the client could close it.

        Args:
            timeout: How long to wait, in seconds.

        Returns:
            Whether the client has closed it, properly or by a reset; at once if the server is
            through with the connection.
        """
        try:
            return self._closed.result(timeout)
        except TimeoutError:
            return False


_LOG = logging.getLogger("sseparse.testing")
_RETRY_AFTER = 0.1
"""Seconds to wait where the system has no descriptor, memory or thread for a connection."""

_Answer = Callable[[ReceivedRequest], Replay]
_Answering = Callable[[ReceivedRequest], bytes | Replay]


class ReplayServer(Uncopyable):
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
        assert server.connections[0].wait_closed()

    Args:
        replay: What to answer: one body or `Replay`, to every request; or several, by the path
            that is asked for. Other paths are answered with 404. Or a function that is given the
            `ReceivedRequest`, in the connection's own thread, and returns the one or the other;
            what it raises is answered with 500. A request target without a path is answered with
            400 in any case.
        host: The address to listen at; any but the default lets other machines in.
        port: The port to listen at; 0 for one that is free.
        tell: Is called when an answer is over, in its connection's own thread.
        ssl_context: The server's side of TLS, with its certificate, which makes it https; None
            for http. A client that does not agree to it ends its own connection alone.
        idle_timeout: Seconds after which a connection is closed if nothing of a request arrives
            on it, or less than 1 KiB of one. Sending, and waiting to send, has no limit.
        max_connections: How many connections are served at once, each by a thread; more wait
            until another one ends.

    Raises:
        TypeError: The replay is neither bytes nor a Replay.
        ValueError: A number is out of range.

    Attributes:
        requests: The requests that came, oldest first. One is here before its answer begins.
        connections: The connections that came, oldest first.
    """

    def __init__(
        self,
        replay: bytes | Replay | Mapping[str, bytes | Replay] | _Answering,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tell: Callable[[Answered], None] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        idle_timeout: float = 60.0,
        max_connections: int = 1_000,
    ) -> None:
        if not callable(replay):
            for each in replay.values() if isinstance(replay, Mapping) else [replay]:
                _as_replay(each)
        if not idle_timeout > 0:
            raise ValueError(f"idle_timeout is {idle_timeout!r}; give seconds above 0")
        if max_connections < 1:
            raise ValueError(f"max_connections is {max_connections!r}; give 1 or more")
        self._replays = replay
        self._address = (host, port)
        self._tell = tell or _tell_nobody
        self._context = ssl_context
        self._idle_timeout = idle_timeout
        self._max_connections = max_connections
        self.requests: list[ReceivedRequest] = []
        self.connections: list[ReceivedConnection] = []
        self._listener: socket.socket | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """
        Where the server listens: "http://127.0.0.1:8000", for one, without a path.

        After the block, where it has listened.

        Raises:
            RuntimeError: The block was not entered.
        """
        if not self._url:
            raise RuntimeError("the server does not listen yet; use it as a context manager")
        return self._url

    def release(self, pieces: int = 1) -> None:
        """
        Let the server send pieces of a `Replay` that is gated.

        A client that has read so many pieces proves that it did not need the next one for it.
        Permits that no connection waits for yet are kept, until the end of the block.

        Args:
            pieces: How many pieces, on whichever connection waits for them.

        Raises:
            ValueError: The number is below 0.
            RuntimeError: The server does not listen.
        """
        if pieces < 0:
            raise ValueError(f"pieces is {pieces}; give a number, 0 or more")
        if self._listener is None:
            raise RuntimeError("the server does not listen; release pieces within its block")
        self._gate.release(pieces)

    def __enter__(self) -> Self:
        """
        Begin to listen.

        Raises:
            RuntimeError: The server listens already.
            OSError: It cannot listen there.
            ModuleNotFoundError: h11 is not installed.
        """
        # h11 is an extra, which the rest of `sseparse.testing` does without.
        try:
            from ._connection import Connection  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as error:
            message = "ReplayServer needs h11: pip install 'sseparse[h11]'"
            raise ModuleNotFoundError(message, name=error.name) from error
        from ._socket import Link  # noqa: PLC0415 - loads ssl

        if self._listener is not None:
            raise RuntimeError("the server listens already; make one for each block")

        def serve(sock: socket.socket, answer: _Answer) -> bool:
            link = Link(sock, self._stop, self._gate)
            connection = Connection(link, answer, self._context, self._tell, self._idle_timeout)
            return connection.serve()

        self._serve = serve
        self._threads: list[threading.Thread] = []
        self._has_warned = False
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(self._open_listener())
            self._stop = stack.enter_context(contextlib.closing(Signal()))
            self._gate = stack.enter_context(contextlib.closing(Gate()))
            self._free = stack.enter_context(contextlib.closing(Gate()))
            self._free.release(self._max_connections)
            self._acceptor = _start(self._accept, listener)
            self._listener = listener
            self._files = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._acceptor.join()
        for thread in self._threads:
            thread.join()
        self._listener = None
        self._files.close()

    def _open_listener(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listener = socket.create_server(self._address, family=family, backlog=socket.SOMAXCONN)
        listener.setblocking(False)
        scheme = "http" if self._context is None else "https"
        host, port, *_ = listener.getsockname()
        self._url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while self._wait_until_ready(self._free) and self._wait_until_ready(listener):
            try:
                # A client may go away again before it is let in.
                with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
                    self._begin(listener.accept()[0])
            except (OSError, RuntimeError, MemoryError) as error:
                self._warn(error)
                # Not for the listener: it is ready all the time.
                wait_for({self._stop: selectors.EVENT_READ}, _RETRY_AFTER)

    def _wait_until_ready(self, file: socket.socket | Gate) -> bool:
        """Wait until a file can be read; return False if the server stops."""
        wait_for({file: selectors.EVENT_READ, self._stop: selectors.EVENT_READ})
        return not self._stop.is_set

    def _warn(self, error: Exception) -> None:
        if not self._has_warned:
            self._has_warned = True
            _LOG.warning(
                "The server at %s can't serve a connection: %s. It tries again every %s s.",
                self._url,
                error,
                _RETRY_AFTER,
            )

    def _begin(self, sock: socket.socket) -> None:
        # A connection that the client has reset may have no options any more.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        closed: Future[bool] = Future()
        connection = ReceivedConnection(closed)
        self.connections.append(connection)
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        try:
            self._threads.append(_start(self._run, sock, connection, closed))
        except BaseException:
            sock.close()
            closed.set_result(False)
            raise
        self._free.take()

    def _run(
        self, sock: socket.socket, connection: ReceivedConnection, closed: Future[bool]
    ) -> None:
        def answer(request: ReceivedRequest) -> Replay:
            connection.requests += 1
            return self._answer(request)

        client_closed = False
        try:
            client_closed = self._serve(sock, answer)
        finally:
            closed.set_result(client_closed)
            self._free.release(1)

    def _answer(self, request: ReceivedRequest) -> Replay:
        self.requests.append(request)
        if not request.path:
            return plain_text(400, f"no path in the request target {request.target}")
        replays = self._replays
        if callable(replays):
            try:
                return _as_replay(replays(request))
            except Exception as error:  # the function may raise anything, and its client waits
                return plain_text(500, f"no answer was made: {type(error).__name__}: {error}")
        if isinstance(replays, Mapping):
            if request.path not in replays:
                known = ", ".join(sorted(replays))
                return plain_text(404, f"no replay at {request.path}; there is {known}")
            replays = replays[request.path]
        return _as_replay(replays)


def _tell_nobody(_: Answered) -> None:
    pass


def _as_replay(answer: object) -> Replay:
    if isinstance(answer, bytes):
        return Replay(answer)
    if isinstance(answer, Replay):
        return answer
    raise TypeError(f"replay is {type(answer).__name__}; give bytes or a Replay")


def _start(target: Callable[..., None], *args: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=args, name="sseparse-replay", daemon=True)
    thread.start()
    return thread
