"""A gated piece is not sent before its permit."""

import select
import socket

import pytest

from sseparse.testing import Framing, Replay, ReplayServer

EVENTS = [b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n"]
BODY = b"".join(EVENTS)
ASK = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
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
    """Not so the head, nor what ends the body."""
    with ReplayServer(Replay(BODY, framing="close", gated=True)) as server:
        with connect(server) as sock:
            sock.sendall(ASK)
            assert read_to(sock, b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK")
            for event in EVENTS:
                assert is_silent(sock)
                server.release()
                assert read_to(sock, event) == event
            assert sock.recv(1) == b""


def test_several_permits_at_once() -> None:
    """Given ahead, they are kept; none are given too, which changes nothing."""
    with ReplayServer(Replay(BODY, framing="close", gated=True)) as server:
        server.release(0)
        server.release(1)
        server.release(1)
        with connect(server) as sock:
            sock.sendall(ASK)
            assert read_to(sock, EVENTS[1]).endswith(EVENTS[0] + EVENTS[1])
            assert is_silent(sock)
            server.release(5)
            assert read_to(sock, EVENTS[2]) == EVENTS[2]


def test_a_permit_serves_one_connection() -> None:
    """Whichever takes it."""
    with ReplayServer(Replay(EVENTS[0], framing="close", gated=True)) as server:
        with connect(server) as one, connect(server) as other:
            for sock in (one, other):
                sock.sendall(ASK)
                read_to(sock, b"\r\n\r\n")
            server.release()
            served, _, _ = select.select([one, other], [], [], 30)
            assert read_to(served[0], EVENTS[0]) == EVENTS[0]
            waiting = other if served[0] is one else one
            assert is_silent(waiting)
            server.release()
            assert read_to(waiting, EVENTS[0]) == EVENTS[0]


@pytest.mark.parametrize("framing", ["chunked", "content-length"])
def test_a_request_that_comes_early_is_kept(framing: Framing) -> None:
    """Though the server reads on while it waits."""
    with ReplayServer(Replay(BODY, framing=framing, gated=True, delays=0.1)) as server:
        with connect(server) as sock:
            sock.sendall(ASK)
            read_to(sock, b"\r\n\r\n")
            sock.sendall(LAST[:10])
            sock.sendall(LAST[10:])
            server.release(6)
            answers = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answers.count(b"HTTP/1.1 200 OK") == 1
    assert answers.count(EVENTS[2]) == 2
    assert [connection.requests for connection in server.connections] == [2]


def test_a_fault_needs_no_permit() -> None:
    """The pieces before it do."""
    replay = Replay(BODY, framing="close", gated=True, fault="close-inside", fault_after=1)
    with ReplayServer(replay) as server, connect(server) as sock:
        sock.sendall(ASK)
        read_to(sock, b"\r\n\r\n")
        server.release()
        assert b"".join(iter(lambda: sock.recv(65536), b"")) == EVENTS[0] + b"data"


def test_permits_are_given_within_the_block() -> None:
    """And not taken back."""
    server = ReplayServer(b"")
    with pytest.raises(RuntimeError, match="release pieces within its block"):
        server.release()
    with server, pytest.raises(ValueError, match="pieces is -1; give a number, 0 or more"):
        server.release(-1)
    with pytest.raises(RuntimeError, match="release pieces within its block"):
        server.release()
