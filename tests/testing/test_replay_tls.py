"""A replay server with TLS."""

import select
import socket
import ssl
import struct

import httpx2
import pytest
import trustme

from sseparse.testing import Framing, Replay, ReplayServer

BODY = b"data: 1\n\ndata: 2\n\n"
FRAMED = b"9\r\ndata: 1\n\n\r\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_side(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def client_side(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def connect_tcp(server: ReplayServer) -> socket.socket:
    host, _, port = server.url.removeprefix("https://").partition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def connect(server: ReplayServer, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Request / on a socket that reports a missing close_notify."""
    sock = context.wrap_socket(
        connect_tcp(server), server_hostname="127.0.0.1", suppress_ragged_eofs=False
    )
    sock.sendall(REQUEST)
    return sock


def read_to(sock: socket.socket, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end):
        data = sock.recv(65536)
        assert data, received
        received += data
    return received


@pytest.mark.parametrize("framing", ["chunked", "close", "content-length", "gzip"])
def test_framings(
    server_side: ssl.SSLContext, client_side: ssl.SSLContext, framing: Framing
) -> None:
    """A client reads each framing over TLS, and connections are kept alive."""
    replay = Replay(BODY, framing=framing, delays=0.001)
    with ReplayServer(replay, ssl_context=server_side) as server:
        assert server.url.startswith("https://127.0.0.1:")
        with httpx2.Client(trust_env=False, timeout=30, verify=client_side) as client:
            assert client.get(server.url).content == BODY
            assert client.get(server.url).content == BODY
    kept = [1, 1] if framing == "close" else [2]
    assert [connection.requests for connection in server.connections] == kept


def test_a_large_body(server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    """A body larger than the socket buffers is sent completely."""
    body = b"x" * 20_000_000
    replay = Replay(body, pieces="whole", framing="close")
    with ReplayServer(replay, ssl_context=server_side) as server:
        with connect(server, client_side) as sock:
            response = b"".join(iter(lambda: sock.recv(65536), b""))
    assert response.partition(b"\r\n\r\n")[2] == body


def test_failed_handshake(server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    """A failed handshake ends only its connection."""
    with ReplayServer(BODY, ssl_context=server_side) as server:
        with connect_tcp(server) as tcp:
            tcp.sendall(REQUEST)
            assert b"HTTP" not in b"".join(iter(lambda: tcp.recv(65536), b""))
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(server, ssl.create_default_context())
        with connect(server, client_side) as sock:
            read_to(sock, b"0\r\n\r\n")
        assert all(connection.wait_closed() for connection in server.connections)
    assert [connection.requests for connection in server.connections] == [0, 0, 1]


def test_client_without_a_handshake(
    server_side: ssl.SSLContext, client_side: ssl.SSLContext
) -> None:
    """The end of the block doesn't wait for a handshake."""
    with ReplayServer(BODY, ssl_context=server_side) as server:
        sock = connect_tcp(server)
        # Once a later connection is served, the first one's handshake has begun.
        with connect(server, client_side) as later:
            read_to(later, b"0\r\n\r\n")
    with sock:
        assert sock.recv(1) == b""


def test_close_notify(server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    """With the framing "close" the server sends close_notify at the end of the body."""
    with ReplayServer(Replay(BODY, framing="close"), ssl_context=server_side) as server:
        with connect(server, client_side) as sock:
            assert read_to(sock, BODY)
            assert sock.recv(1) == b""


def test_close(server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    """The fault "close" ends the TCP connection without close_notify."""
    replay = Replay(BODY, fault="close", fault_after=1)
    with ReplayServer(replay, ssl_context=server_side) as server:
        with connect(server, client_side) as sock:
            read_to(sock, FRAMED)
            with pytest.raises(ssl.SSLEOFError):
                sock.recv(1)
        assert server.connections[0].wait_closed()


def test_reset(server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    """The fault "reset" resets the connection. Python's ssl may report an unexpected end."""
    replay = Replay(BODY, fault="reset", fault_after=1)
    with ReplayServer(replay, ssl_context=server_side) as server:
        with connect(server, client_side) as sock:
            poll = select.poll()
            poll.register(sock, 0)
            assert poll.poll(30_000)[0][1] & select.POLLERR
            read_to(sock, FRAMED)
            with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):
                sock.recv(1)


@pytest.mark.parametrize("leave", ["TLS", "FIN", "RST"])
@pytest.mark.parametrize(
    "replay",
    [Replay(BODY, fault="stall"), Replay(BODY, gated=True), Replay(BODY, delays=3600)],
    ids=["stall", "gate", "delay"],
)
def test_client_that_closes(
    server_side: ssl.SSLContext, client_side: ssl.SSLContext, replay: Replay, leave: str
) -> None:
    """The server notices a close by close_notify, by FIN and by RST."""
    with ReplayServer(replay, ssl_context=server_side) as server:
        with connect(server, client_side) as sock:
            assert sock.recv(4) == b"HTTP"
            assert not server.connections[0].wait_closed(timeout=0)
            if leave == "RST":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if leave == "TLS":
                sock.settimeout(0)
                with pytest.raises((ssl.SSLError, BlockingIOError)):
                    sock.unwrap()
        assert server.connections[0].wait_closed()


def test_gate(server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    """Gated pieces wait for permits, also when the client sends a request early."""
    replay = Replay(BODY, framing="content-length", gated=True, delays=0.05)
    with ReplayServer(replay, ssl_context=server_side) as server:
        with connect(server, client_side) as sock:
            sock.sendall(REQUEST)
            for event in (b"data: 1\n\n", b"data: 2\n\n") * 2:
                server.release()
                assert read_to(sock, event)
    assert [connection.requests for connection in server.connections] == [2]
