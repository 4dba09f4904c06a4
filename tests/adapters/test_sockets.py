"""Responses read from a caller's own sockets, and behavior that only sockets have."""

import gc
import io
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from sseparse import NotEventStream, Stream, StreamTimeout, TransportError
from sseparse.adapters import sockets
from sseparse.testing import ReplayServer

from .raw_server import LIMIT, RawServer

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return a connection, our end first, with a timeout for reads."""
    ours, theirs = socket.socketpair()
    ours.settimeout(LIMIT)
    with ours, theirs:
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


class TestSource:
    """A socket of the caller's own."""

    def test_body(self, pair: Pair) -> None:
        """The head is read first; before its end there is neither status nor headers."""
        ours, theirs = pair
        source = sockets.source(ours)
        assert (source.status, source.headers, source.pooled) == (None, {}, False)

        theirs.sendall(HEAD + b"Content-Length: 7\r\n\r\n: a")
        assert next(source) == b": a"
        assert (source.status, source.headers["content-length"]) == (200, "7")
        theirs.sendall(b"\n: b")
        assert next(source) == b"\n: b"
        assert list(source) == []
        assert list(source) == []

    def test_head_alone(self, pair: Pair) -> None:
        """read_head() waits for the head; body bytes that arrive with it are returned later."""
        ours, theirs = pair
        theirs.sendall(HEAD + b"\r\n: a\n")
        source = sockets.source(ours)

        source.read_head()
        assert source.status == 200
        assert next(source) == b": a\n"

    def test_stream(self) -> None:
        """A stream reads the response to a request that was sent by hand, and closes the socket."""
        with ReplayServer(CHUNK + b"data: [DONE]\n\n") as server:
            host, _, port = server.url.removeprefix("http://").partition(":")
            sock = socket.create_connection((host, int(port)))
            sock.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            with Stream(sockets.source(sock)) as stream:
                assert list(stream.text_deltas()) == ["Hi"]
            assert sock.fileno() == -1

    def test_pieces_before_an_error(self, pair: Pair) -> None:
        """Bytes before an error are returned first; then each read raises the error."""
        ours, theirs = pair
        theirs.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\n: a\n\r\nXY\r\n")
        source = sockets.source(ours)

        assert next(source) == b": a\n"
        for _ in range(2):
            with pytest.raises(TransportError, match=r"h11 failed: .*illegal chunk header"):
                next(source)

    def test_no_http(self, pair: Pair) -> None:
        """Bytes that aren't HTTP raise TransportError that says what to pass instead."""
        ours, theirs = pair
        theirs.sendall(CHUNK)
        with pytest.raises(TransportError, match="as an iterable"):
            next(sockets.source(ours))

    def test_encoded(self, pair: Pair) -> None:
        """A compressed body raises NotEventStream before its first byte."""
        ours, theirs = pair
        theirs.sendall(HEAD + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b")
        with pytest.raises(NotEventStream) as raised:
            next(sockets.source(ours))
        assert raised.value.headers["content-encoding"] == "gzip"

    def test_reset(self) -> None:
        """An exception of the socket is the cause of the TransportError."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ours = socket.create_connection(listener.getsockname())
            theirs, _ = listener.accept()
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # on, for 0 seconds: close by reset
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        theirs.close()
        with ours, pytest.raises(TransportError, match=r"^socket failed: ConnectionR") as raised:
            next(sockets.source(ours))
        assert isinstance(raised.value.__cause__, ConnectionResetError)

    def test_close(self, pair: Pair) -> None:
        """Closing twice closes the socket once; reading afterwards raises RuntimeError."""
        source = sockets.source(pair[0])
        source.close()
        source.close()
        assert pair[0].fileno() == -1
        with pytest.raises(RuntimeError, match="closed"):
            next(source)

    def test_wrong_objects(self, pair: Pair) -> None:
        """An object that isn't a socket raises TypeError, and a non-blocking socket ValueError."""
        with pytest.raises(TypeError, match="takes a socket, not BytesIO"):
            sockets.source(io.BytesIO())  # type: ignore[arg-type] # the misuse
        pair[0].setblocking(False)
        with pytest.raises(ValueError, match="is non-blocking"):
            sockets.source(pair[0])


class TestWaiting:
    """Deadlines of the streams, and readers in other threads."""

    def test_own_timeout(self, pair: Pair) -> None:
        """The socket's own timeout raises StreamTimeout with the clock "transport"."""
        pair[0].settimeout(0.01)
        with pytest.raises(StreamTimeout, match="socket failed: TimeoutError") as raised:
            next(sockets.source(pair[0]))
        assert raised.value.clock == "transport"
        assert isinstance(raised.value.__cause__, TimeoutError)

    @pytest.mark.parametrize("seconds", [0.01, 0, -1])
    def test_wait_at_most(self, pair: Pair, seconds: float) -> None:
        """wait_at_most() limits reads, but bytes that have arrived are returned in any case."""
        ours, theirs = pair
        source = sockets.source(ours)
        source.wait_at_most(seconds)
        with pytest.raises(StreamTimeout):
            next(source)

        theirs.sendall(HEAD + b"\r\n: a\n")
        assert next(source) == b": a\n"

    @pytest.mark.parametrize(
        ("own", "seconds", "used"),
        [
            (None, 5000, 5000),
            (None, None, None),
            (3000, 5000, 3000),
            (3000, 1000, 1000),
            (3000, None, 3000),
        ],
    )
    def test_the_shorter_timeout_applies(
        self, pair: Pair, own: float | None, seconds: float | None, used: float | None
    ) -> None:
        """wait_at_most() never extends the socket's own timeout, which None restores."""
        pair[0].settimeout(own)
        source = sockets.source(pair[0])
        source.wait_at_most(2)
        source.wait_at_most(seconds)
        source.wait_at_most(seconds)
        pair[1].sendall(HEAD + b"\r\n: a\n")
        next(source)
        timeout: Any = pair[0].gettimeout()
        limit: Any = used
        assert timeout == limit or limit / 2 < timeout < limit
        source.wait_at_most(None)
        pair[1].sendall(b": b\n")
        next(source)
        assert pair[0].gettimeout() == own

    @pytest.mark.parametrize("body", [b"", b": a\n"])
    def test_wake(self, pair: Pair, body: bytes) -> None:
        """wake() ends a read in another thread with an error, not with the end of the body."""
        ours, theirs = pair
        theirs.sendall(HEAD + b"\r\n" + body)
        source = sockets.source(ours)
        source.read_head()

        assert read_and_wake(source) == body
        source.wake()
        with pytest.raises(TransportError, match="wake"):
            next(source)
        source.close()
        source.wake()

    def test_wake_of_tls(self) -> None:
        """wake() ends a read of a TLS socket in another thread."""
        ca = trustme.CA()
        theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ours = ssl.create_default_context()
        ca.issue_cert("127.0.0.1").configure_cert(theirs)
        ca.configure_trust(ours)
        with RawServer(HEAD + b"\r\n: a\n", hold=True, ssl_context=theirs) as server:
            source = sockets.request("GET", server.url, ssl_context=ours, timeout=LIMIT)
            assert read_and_wake(source) == b": a\n"
            source.close()


def read_and_wake(source: sockets.SocketSource) -> bytes:
    """Read in another thread, wake it there, and return what it read before it failed."""
    got: list[Any] = []
    reading = threading.Event()

    def read() -> None:
        reading.set()
        try:
            got.extend(source)
        except TransportError as error:
            got.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    assert reading.wait(LIMIT)
    time.sleep(0.02)  # so that it waits by now, usually; it doesn't have to
    source.wake()
    thread.join(LIMIT)
    assert not thread.is_alive()
    assert isinstance(got[-1], TransportError)
    return b"".join(got[:-1])


class TestConnecting:
    """No socket stays open when a request fails or is interrupted."""

    def test_addresses_in_turn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """If an address doesn't respond, the next one is tried."""
        with RawServer(HEAD + b"\r\n") as server:
            kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
            with socket.create_server(("127.0.0.1", 0)) as listener:
                closed = listener.getsockname()
            found = [(*kind, closed), (*kind, ("127.0.0.1", server.port))]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
            source = sockets.request("GET", "http://host.example/")
            assert source.status == 200
            source.close()
        assert b"Host: host.example\r\n" in server.requests[0]

    def test_unknown_hosts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An unknown host name raises TransportError."""

        def fail(*args: object, **kwargs: object) -> None:
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        with pytest.raises(TransportError, match=r"gaierror: .*Name or service"):
            sockets.request("GET", "http://host.example/")

    @pytest.mark.parametrize("step", ["connect", "sendall", "recv"])
    def test_interrupts(self, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
        """An interrupt is raised unchanged, and closes the socket."""
        used: list[socket.socket] = []
        real = getattr(socket.socket, step)

        def interrupt(sock: socket.socket, *args: object) -> Any:
            if threading.current_thread() is not threading.main_thread():
                return real(sock, *args)  # the server's
            used.append(sock)
            raise KeyboardInterrupt

        with RawServer(HEAD + b"\r\n") as server:
            with monkeypatch.context() as patch:
                patch.setattr(socket.socket, step, interrupt)
                with pytest.raises(KeyboardInterrupt):
                    sockets.request("GET", server.url)
        assert [sock.fileno() for sock in used] == [-1]

    def test_interrupted_handshakes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An interrupt of the TLS handshake closes the socket."""
        used: list[socket.socket] = []

        def interrupt(sock: ssl.SSLSocket, *args: object) -> None:
            used.append(sock)
            raise KeyboardInterrupt

        monkeypatch.setattr(ssl.SSLSocket, "do_handshake", interrupt)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with pytest.raises(KeyboardInterrupt):
                sockets.request("GET", f"https://127.0.0.1:{listener.getsockname()[1]}/")
        assert [sock.fileno() for sock in used] == [-1]
        gc.collect()
