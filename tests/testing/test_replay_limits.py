"""A replay server without resources, and with idle, slow and many clients."""

import math
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sseparse.testing import Replay, ReplayServer

BODY = b"data: 1\n\ndata: 2\n\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
CLOSE = REQUEST.replace(b"Host", b"Connection: close\r\nHost")
IDLE = 0.05

# Runs in its own process, whose limits it lowers.
LACKING = """
import errno, logging, os, resource, socket, threading, urllib.parse
from sseparse.testing import ReplayServer

class Records(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records, self.any = [], threading.Event()
    def emit(self, record):
        self.records.append(record.getMessage())
        self.any.set()

def lack():
    LACK

records = Records()
logging.getLogger("sseparse.testing").addHandler(records)
REQUEST = b"GET / HTTP/1.1\\r\\nHost: here\\r\\nConnection: close\\r\\n\\r\\n"
clients = [socket.socket() for _ in range(4)]
with ReplayServer(b"data: 1\\n\\n") as server:
    parts = urllib.parse.urlsplit(server.url)
    supply = lack()
    for client in clients[:3]:
        client.connect((parts.hostname, parts.port))
    assert records.any.wait(60)
    supply()
    clients[3].connect((parts.hostname, parts.port))
    answered = 0
    for client in clients:
        client.settimeout(60)
        client.sendall(REQUEST)
        try:
            answered += b"data: 1" in b"".join(iter(lambda: client.recv(65536), b""))
        except ConnectionResetError:
            pass
        client.close()
    closed = [connection.wait_closed() for connection in server.connections]
print(answered, sorted(closed), len(records.records), records.records[0])
"""
NO_DESCRIPTOR = """
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    taken = []
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        assert error.errno == errno.EMFILE
    os.close(taken.pop())
    def supply():
        # The first connection uses the descriptor that was left, and needs no other.
        clients[0].sendall(REQUEST.replace(b"close", b"keep-alive"))
        assert clients[0].recv(4) == b"HTTP"
        for each in taken:
            os.close(each)
    return supply
"""
NO_THREAD = """
    threading.stack_size(2**46)
    def supply():
        for client in clients[:3]:
            assert client.recv(1) == b""  # closed without a response
        threading.stack_size(0)
    return supply
"""


def connect(server: ReplayServer) -> socket.socket:
    host, _, port = server.url.partition("://")[2].partition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def send_request(server: ReplayServer, request: bytes = REQUEST) -> socket.socket:
    """Send a request, and repeat it if the idle timeout passed before that."""
    while True:
        sock = connect(server)
        try:
            sock.sendall(request)
            if sock.recv(4) == b"HTTP":
                return sock
        except OSError:
            pass
        sock.close()


def read_until(sock: socket.socket, end: bytes) -> None:
    read = b""
    while not read.endswith(end):
        data = sock.recv(1)
        assert data
        read += data


def outcome(lack: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", LACKING.replace("    LACK", lack)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="no limit can be lowered")
def test_no_descriptor_is_left() -> None:
    """Without descriptors, new connections wait, and the accepted one is served."""
    printed = outcome(NO_DESCRIPTOR)
    assert printed.startswith("4 [True, True, True, True] 1 The server at http://127.0.0.1:")
    assert (
        f" can't serve a connection: [Errno 24] {os.strerror(24)}. It tries again every" in printed
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems may start the thread")
def test_no_thread_can_start() -> None:
    """Without threads, new connections are closed by the server. Later ones are served."""
    printed = outcome(NO_THREAD)
    assert printed.startswith("1 [False, False, False, True] 1 The server at http://127.0.0.1:")
    assert " can't serve a connection: can't start new thread. It tries again every " in printed


def test_max_connections() -> None:
    """Above `max_connections`, connections wait until another one ends."""
    lock = threading.Lock()
    active, most = 0, 0

    def respond(_: object) -> bytes:
        nonlocal active, most
        with lock:
            active += 1
            most = max(most, active)
        time.sleep(0.01)
        with lock:
            active -= 1
        return BODY

    def get(server: ReplayServer) -> bytes:
        with connect(server) as sock:
            sock.sendall(CLOSE)
            return b"".join(iter(lambda: sock.recv(65536), b""))

    with ReplayServer(respond, max_connections=2) as server, ThreadPoolExecutor(12) as pool:
        responses = list(pool.map(get, [server] * 12))
    assert all(b"data: 2" in each for each in responses)
    assert most <= 2


def test_end_of_the_block_with_a_waiting_connection() -> None:
    """The end of the block interrupts a delay and ignores a waiting connection."""
    with ReplayServer(Replay(BODY, delays=3600), max_connections=1) as server:
        with send_request(server), connect(server):
            pass


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", REQUEST[:-2], CLOSE.replace(b"GET", b"POST")[:-2]]
)
def test_an_idle_connection_ends(sent: bytes) -> None:
    """A connection ends if no request or only part of one arrives. The client didn't close it."""
    with ReplayServer(BODY, idle_timeout=IDLE) as server:
        with connect(server) as sock:
            sock.sendall(sent)
            assert sock.recv(1) == b""
            assert not server.connections[0].wait_closed()
    assert server.requests == []


def test_an_idle_connection_ends_between_two_requests() -> None:
    """A connection ends if no further request, or only part of a body, arrives."""
    with ReplayServer(Replay(BODY, framing="content-length"), idle_timeout=IDLE) as server:
        with send_request(server) as sock:
            assert b"".join(iter(lambda: sock.recv(65536), b"")).endswith(BODY)
        post = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhi"
        with connect(server) as sock:
            sock.sendall(post)
            assert sock.recv(1) == b""


def test_an_idle_tls_handshake_ends() -> None:
    """A connection ends if the client sends nothing of a TLS handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with ReplayServer(BODY, idle_timeout=IDLE, ssl_context=context) as server:
        with connect(server) as sock:
            assert sock.recv(1) == b""


@pytest.mark.parametrize("head", [b"GET /", CLOSE[:-2] + b"Content-Length: 9999\r\n\r\n"])
def test_slow_request_is_idle(head: bytes) -> None:
    """Single bytes don't keep a connection open."""
    with ReplayServer(BODY, idle_timeout=4 * IDLE) as server:
        with connect(server) as sock:
            sock.sendall(head)
            sock.settimeout(IDLE / 2)
            for _ in range(1000):
                try:
                    sock.sendall(b"x")
                    assert sock.recv(1) == b""
                except TimeoutError:
                    continue
                except ConnectionError:
                    pass
                break
            else:
                raise AssertionError("the connection is still open")
    assert server.requests == []


def test_long_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload can take longer than the idle timeout: here 50 s for each 2 KiB."""
    passed = [0.0]
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + passed[0])
    with ReplayServer(BODY) as server:
        with connect(server) as sock:
            sock.sendall(CLOSE.replace(b"Host", b"Content-Length: 20480\r\nHost"))
            for _ in range(10):
                sock.sendall(b"x" * 2048)
                passed[0] += 50
            assert b"".join(iter(lambda: sock.recv(65536), b"")).startswith(b"HTTP/1.1 200")
    assert server.requests[0].body == b"x" * 20480


def test_waiting_server_is_not_idle() -> None:
    """A connection isn't idle while it waits for a permit, or after a "stall"."""
    with ReplayServer(Replay(BODY, gated=True), idle_timeout=IDLE) as server:
        with send_request(server) as sock:
            time.sleep(4 * IDLE)
            server.release()
            read_until(sock, b"data: 1\n\n\r\n")
    with ReplayServer(Replay(BODY, fault="stall"), idle_timeout=IDLE) as server:
        with send_request(server) as sock:
            read_until(sock, b"data: 2\n\n\r\n")
            sock.settimeout(4 * IDLE)
            with pytest.raises(TimeoutError):
                sock.recv(1)


@pytest.mark.parametrize("goes_on", [False, True])
def test_client_that_does_not_close(goes_on: bool) -> None:
    """After closing its side the server waits at most `idle_timeout` for the client."""
    with ReplayServer(BODY, idle_timeout=IDLE) as server:
        with send_request(server, CLOSE) as sock:
            before = time.monotonic()
            while goes_on:
                try:
                    sock.sendall(b"more" * 1000)
                except OSError:
                    break
            assert not server.connections[-1].wait_closed(300)
            assert time.monotonic() - before < 300


def test_the_first_mebibyte_of_a_body_is_kept() -> None:
    """The rest of a body is counted. json() raises for such a body."""
    size = 3 * 2**20 + 5
    with ReplayServer(BODY) as server:
        with connect(server) as sock:
            sock.sendall(CLOSE.replace(b"Host", b"Content-Length: %d\r\nHost" % size))
            sock.sendall(b"7" * size)
            assert sock.recv(4) == b"HTTP"
    (request,) = server.requests
    assert request.body == b"7" * 2**20
    assert request.body_size == size
    with pytest.raises(ValueError, match=r"has 3,145,733 bytes, and only the first 1,048,576 were"):
        request.json()


def test_early_data_is_limited() -> None:
    """While the server waits, it reads a limited amount from the client."""
    with ReplayServer(Replay(BODY, gated=True)) as server:
        with send_request(server) as sock:
            sock.settimeout(0.3)
            with pytest.raises(TimeoutError):
                for _ in range(256):
                    sock.sendall(b"x" * 2**20)
            sock.settimeout(30)
            server.release()
            read_until(sock, b"data: 1\n\n\r\n")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"idle_timeout": 0}, "idle_timeout is 0; give seconds above 0"),
        ({"idle_timeout": float("nan")}, "idle_timeout is nan; give seconds above 0"),
        ({"max_connections": 0}, "max_connections is 0; give 1 or more"),
    ],
)
def test_invalid_limits(option: dict[str, int], message: str) -> None:
    """A limit out of range raises ValueError."""
    with pytest.raises(ValueError) as caught:
        ReplayServer(BODY, **option)  # type: ignore[arg-type] # one option of several types
    assert str(caught.value) == message


def test_very_long_waits() -> None:
    """A timeout or a delay can be longer than the longest wait of the system."""
    replay = Replay(BODY, pieces=[9, 9], delays=[0.0, 1e12])
    with ReplayServer(replay, idle_timeout=math.inf) as server:
        with connect(server) as client:
            client.sendall(REQUEST)
            received = b""
            while b"data: 1" not in received:
                received += client.recv(65536)
