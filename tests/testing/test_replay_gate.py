"""Gated pieces."""

import select
import socket

import pytest

from sseparse.testing import Framing, Replay, ReplayServer

EVENTS = [b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n"]
BODY = b"".join(EVENTS)
REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"


def connect(server: ReplayServer) -> socket.socket:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def read_to(sock: socket.socket, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end):
        data = sock.recv(65536)
        assert data, received
        received += data
    return received


def is_silent(sock: socket.socket) -> bool:
    return not select.select([sock], [], [], 0.05)[0]


def test_each_piece_waits_for_its_permit() -> None:
    """Each piece waits for a permit; the head and the end of the body don't."""
    with ReplayServer(Replay(BODY, framing="close", gated=True)) as server:
        with connect(server) as sock:
            sock.sendall(REQUEST)
            assert read_to(sock, b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK")
            for event in EVENTS:
                assert is_silent(sock)
                server.release()
                assert read_to(sock, event) == event
            assert sock.recv(1) == b""


def test_several_permits_at_once() -> None:
    """Permits released early are kept. Releasing 0 permits changes nothing."""
    with ReplayServer(Replay(BODY, framing="close", gated=True)) as server:
        server.release(0)
        server.release(1)
        server.release(1)
        with connect(server) as sock:
            sock.sendall(REQUEST)
            assert read_to(sock, EVENTS[1]).endswith(EVENTS[0] + EVENTS[1])
            assert is_silent(sock)
            server.release(5)
            assert read_to(sock, EVENTS[2]) == EVENTS[2]


def test_a_permit_serves_one_connection() -> None:
    """A permit releases one piece on one connection."""
    with ReplayServer(Replay(EVENTS[0], framing="close", gated=True)) as server:
        with connect(server) as one, connect(server) as other:
            for sock in (one, other):
                sock.sendall(REQUEST)
                read_to(sock, b"\r\n\r\n")
            server.release()
            served, _, _ = select.select([one, other], [], [], 30)
            assert read_to(served[0], EVENTS[0]) == EVENTS[0]
            waiting = other if served[0] is one else one
            assert is_silent(waiting)
            server.release()
            assert read_to(waiting, EVENTS[0]) == EVENTS[0]


@pytest.mark.parametrize("framing", ["chunked", "content-length"])
def test_early_request(framing: Framing) -> None:
    """A request sent while the server waits is answered afterwards."""
    with ReplayServer(Replay(BODY, framing=framing, gated=True, delays=0.1)) as server:
        with connect(server) as sock:
            sock.sendall(REQUEST)
            read_to(sock, b"\r\n\r\n")
            sock.sendall(LAST[:10])
            sock.sendall(LAST[10:])
            server.release(6)
            responses = b"".join(iter(lambda: sock.recv(65536), b""))
    assert responses.count(b"HTTP/1.1 200 OK") == 1
    assert responses.count(EVENTS[2]) == 2
    assert [connection.requests for connection in server.connections] == [2]


def test_a_fault_needs_no_permit() -> None:
    """The pieces before a fault need permits; the fault doesn't."""
    replay = Replay(BODY, framing="close", gated=True, fault="close-inside", fault_after=1)
    with ReplayServer(replay) as server, connect(server) as sock:
        sock.sendall(REQUEST)
        read_to(sock, b"\r\n\r\n")
        server.release()
        assert b"".join(iter(lambda: sock.recv(65536), b"")) == EVENTS[0] + b"data"


def test_release_outside_the_block() -> None:
    """release() raises outside the block, and for a number below 0."""
    server = ReplayServer(b"")
    with pytest.raises(RuntimeError, match=r"call release\(\) within its block"):
        server.release()
    with server, pytest.raises(ValueError, match="pieces is -1; give a number, 0 or more"):
        server.release(-1)
    with pytest.raises(RuntimeError, match=r"call release\(\) within its block"):
        server.release()
