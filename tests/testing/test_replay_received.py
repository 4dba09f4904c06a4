"""Connections of a replay server: their requests, and whether the client closed them."""

import socket
import struct
import threading

import httpx2
import pytest

from sseparse.testing import Framing, Replay, ReplayServer

BODY = b"data: 1\n\ndata: 2\n\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
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
    """Connections are recorded in order, with the number of their requests."""
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
def test_client_that_closes(replay: Replay, abruptly: bool) -> None:
    """The server notices a close, whatever it waits for."""
    with ReplayServer(replay) as server:
        with connect(server) as sock:
            sock.sendall(REQUEST)
            assert sock.recv(4) == b"HTTP"
            connection = server.connections[0]
            assert not connection.wait_closed(timeout=0)
            if abruptly:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        assert connection.wait_closed()
    assert connection.wait_closed(timeout=0)


@pytest.mark.parametrize("replay", WAITING.values(), ids=WAITING)
def test_client_that_does_not_close(replay: Replay) -> None:
    """If the server closes first, at the end of the block, wait_closed() returns False."""
    before = set(threading.enumerate())
    with ReplayServer(replay) as server:
        sock = connect(server)
        sock.sendall(REQUEST)
        assert sock.recv(4) == b"HTTP"
    assert set(threading.enumerate()) == before
    assert not server.connections[0].wait_closed()
    sock.close()


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_client_that_closes_after_the_server(framing: Framing) -> None:
    """After closing its side the server waits for the client to close."""
    with ReplayServer(Replay(BODY, framing=framing)) as server:
        with connect(server) as sock:
            sock.sendall(REQUEST.replace(b"Host", b"Connection: close\r\nHost"))
            assert b"".join(iter(lambda: sock.recv(65536), b"")).startswith(b"HTTP/1.1 200 OK")
            assert not server.connections[0].wait_closed(timeout=0)
            sock.sendall(b"too late")
        assert server.connections[0].wait_closed()


def test_client_that_closes_before_the_end_of_the_block() -> None:
    """At the end of the block the server finds a close after unread data."""
    with ReplayServer(Replay(b"x" * 50_000_000, pieces="whole")) as server:
        sock = connect(server)
        sock.sendall(REQUEST)
        assert sock.recv(4) == b"HTTP"
        sock.sendall(REQUEST)
        sock.shutdown(socket.SHUT_WR)
    assert server.connections[0].wait_closed()
    sock.close()


def test_client_that_closes_while_the_server_sends() -> None:
    """The server notices a close while it sends."""
    with ReplayServer(Replay(b"x" * 50_000_000, pieces="whole")) as server:
        with connect(server) as sock:
            sock.sendall(REQUEST)
            assert sock.recv(4) == b"HTTP"
        assert server.connections[0].wait_closed()


def test_connection_that_the_server_has_reset() -> None:
    """After a reset by the server, wait_closed() returns False."""
    with ReplayServer(Replay(BODY, fault="reset", fault_after=0)) as server:
        with connect(server) as sock:
            sock.sendall(REQUEST)
            assert sock.recv(4) == b"HTTP"
            assert not server.connections[0].wait_closed()
