"""The server tells of each connection how many requests came, and whether the client closed it."""

import socket
import struct
import threading

import httpx2
import pytest

from sseparse.testing import Framing, Replay, ReplayServer

BODY = b"data: 1\n\ndata: 2\n\n"
ASK = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
RESET = struct.pack("ii", 1, 0)
WAITING = {
    "delay": Replay(BODY, delays=3600),
    "gate": Replay(BODY, gated=True),
    "stall": Replay(BODY, fault="stall"),
    "comments": Replay(BODY, fault="comments"),
    "pause between comments": Replay(BODY, fault="comments", keep_alive=3600),
    "bad-chunk": Replay(BODY, fault="bad-chunk"),
    "next request": Replay(BODY),
    "nothing, closed": Replay(BODY, fault="close"),
}


def connect(server: ReplayServer) -> socket.socket:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def test_connections_and_their_requests() -> None:
    """In the order in which they came; a connection without a request is one too."""
    with ReplayServer(BODY) as server:
        with connect(server) as idle, httpx2.Client(trust_env=False, timeout=30) as client:
            for _ in range(3):
                client.get(server.url)
            first, second = server.connections
            assert (first.requests, second.requests) == (0, 3)
            assert idle.fileno() > 0
        assert first.wait_closed()
        assert second.wait_closed()
    assert server.connections == [first, second]


@pytest.mark.parametrize("abruptly", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("replay", WAITING.values(), ids=WAITING)
def test_a_client_that_goes_away_is_noticed(replay: Replay, abruptly: bool) -> None:
    """Whatever the server waits for meanwhile."""
    with ReplayServer(replay) as server:
        with connect(server) as sock:
            sock.sendall(ASK)
            assert sock.recv(4) == b"HTTP"
            connection = server.connections[0]
            assert not connection.wait_closed(timeout=0)
            if abruptly:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        assert connection.wait_closed()
    assert connection.wait_closed(timeout=0)


@pytest.mark.parametrize("replay", WAITING.values(), ids=WAITING)
def test_a_client_that_stays_is_told_apart(replay: Replay) -> None:
    """At the end of the block the server closes first; there is no more to wait for then."""
    before = set(threading.enumerate())
    with ReplayServer(replay) as server:
        sock = connect(server)
        sock.sendall(ASK)
        assert sock.recv(4) == b"HTTP"
    assert set(threading.enumerate()) == before
    assert not server.connections[0].wait_closed()
    sock.close()


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_a_client_that_goes_away_after_the_server(framing: Framing) -> None:
    """The server has closed its side, and still waits to see the client close its own."""
    with ReplayServer(Replay(BODY, framing=framing)) as server:
        with connect(server) as sock:
            sock.sendall(ASK.replace(b"Host", b"Connection: close\r\nHost"))
            assert b"".join(iter(lambda: sock.recv(65536), b"")).startswith(b"HTTP/1.1 200 OK")
            assert not server.connections[0].wait_closed(timeout=0)
            sock.sendall(b"too late")
        assert server.connections[0].wait_closed()


def test_a_client_that_has_gone_when_the_block_ends() -> None:
    """The server looks once more, behind what the client still sent."""
    with ReplayServer(Replay(b"x" * 50_000_000, pieces="whole")) as server:
        sock = connect(server)
        sock.sendall(ASK)
        assert sock.recv(4) == b"HTTP"
        sock.sendall(ASK)
        sock.shutdown(socket.SHUT_WR)
    assert server.connections[0].wait_closed()
    sock.close()


def test_a_client_that_does_not_read_on() -> None:
    """It goes away while the server sends."""
    with ReplayServer(Replay(b"x" * 50_000_000, pieces="whole")) as server:
        with connect(server) as sock:
            sock.sendall(ASK)
            assert sock.recv(4) == b"HTTP"
        assert server.connections[0].wait_closed()


def test_a_connection_that_the_server_has_reset() -> None:
    """The client had nothing left to close."""
    with ReplayServer(Replay(BODY, fault="reset", fault_after=0)) as server:
        with connect(server) as sock:
            sock.sendall(ASK)
            assert sock.recv(4) == b"HTTP"
            assert not server.connections[0].wait_closed()
