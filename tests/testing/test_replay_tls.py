"""With a certificate the server speaks TLS, and all else is as without."""

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
ASK = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


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


def connect_plainly(server: ReplayServer) -> socket.socket:
    host, _, port = server.url.removeprefix("https://").partition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def connect(server: ReplayServer, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Ask for /, on a socket that tells a proper end of TLS from another."""
    sock = context.wrap_socket(
        connect_plainly(server), server_hostname="127.0.0.1", suppress_ragged_eofs=False
    )
    sock.sendall(ASK)
    return sock


def read_to(sock: socket.socket, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end):
        data = sock.recv(65536)
        assert data, received
        received += data
    return received


@pytest.mark.parametrize("framing", ["chunked", "close", "content-length", "gzip"])
def test_a_client_reads_it(
    server_side: ssl.SSLContext, client_side: ssl.SSLContext, framing: Framing
) -> None:
    """As over plain connections, which are kept alive too."""
    replay = Replay(BODY, framing=framing, delays=0.001)
    with ReplayServer(replay, ssl_context=server_side) as server:
        assert server.url.startswith("https://127.0.0.1:")
        with httpx2.Client(trust_env=False, timeout=30, verify=client_side) as client:
            assert client.get(server.url).content == BODY
            assert client.get(server.url).content == BODY
    kept = [1, 1] if framing == "close" else [2]
    assert [connection.requests for connection in server.connections] == kept


def test_a_large_body(server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    """More than fits into what lies between the two."""
    body = b"x" * 20_000_000
    replay = Replay(body, pieces="whole", framing="close")
    with ReplayServer(replay, ssl_context=server_side) as server:
        with connect(server, client_side) as sock:
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answer.partition(b"\r\n\r\n")[2] == body


def test_a_client_that_does_not_agree(
    server_side: ssl.SSLContext, client_side: ssl.SSLContext
) -> None:
    """It ends its own connection, whether it does not trust the server or speaks no TLS."""
    with ReplayServer(BODY, ssl_context=server_side) as server:
        with connect_plainly(server) as plain:
            plain.sendall(ASK)
            assert b"HTTP" not in b"".join(iter(lambda: plain.recv(65536), b""))
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(server, ssl.create_default_context())
        with connect(server, client_side) as sock:
            read_to(sock, b"0\r\n\r\n")
        assert all(connection.wait_closed() for connection in server.connections)
    assert [connection.requests for connection in server.connections] == [0, 0, 1]


def test_a_client_that_says_nothing(
    server_side: ssl.SSLContext, client_side: ssl.SSLContext
) -> None:
    """The end of the block does not wait for it."""
    with ReplayServer(BODY, ssl_context=server_side) as server:
        sock = connect_plainly(server)
        # One that comes later is served: the first one's handshake has begun.
        with connect(server, client_side) as later:
            read_to(later, b"0\r\n\r\n")
    with sock:
        assert sock.recv(1) == b""


def test_the_body_that_the_end_of_the_connection_ends(
    server_side: ssl.SSLContext, client_side: ssl.SSLContext
) -> None:
    """Properly: TLS says that this is the end."""
    with ReplayServer(Replay(BODY, framing="close"), ssl_context=server_side) as server:
        with connect(server, client_side) as sock:
            assert read_to(sock, BODY)
            assert sock.recv(1) == b""


def test_close(server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    """The end of the TCP connection comes without TLS's own."""
    replay = Replay(BODY, fault="close", fault_after=1)
    with ReplayServer(replay, ssl_context=server_side) as server:
        with connect(server, client_side) as sock:
            read_to(sock, FRAMED)
            with pytest.raises(ssl.SSLEOFError):
                sock.recv(1)
        assert server.connections[0].wait_closed()


def test_reset(server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> None:
    """As over TCP alone; Python's ssl may tell of an unexpected end, where TCP tells of a reset."""
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
def test_a_client_that_goes_away_is_noticed(
    server_side: ssl.SSLContext, client_side: ssl.SSLContext, replay: Replay, leave: str
) -> None:
    """Whether it takes its leave by TLS, by TCP alone, or not at all."""
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
    """Piece by piece, though the client sends early what comes next."""
    replay = Replay(BODY, framing="content-length", gated=True, delays=0.05)
    with ReplayServer(replay, ssl_context=server_side) as server:
        with connect(server, client_side) as sock:
            sock.sendall(ASK)
            for event in (b"data: 1\n\n", b"data: 2\n\n") * 2:
                server.release()
                assert read_to(sock, event)
    assert [connection.requests for connection in server.connections] == [2]
