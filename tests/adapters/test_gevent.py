"""Sockets of gevent, with and without its patches of the standard library."""

import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from sseparse import Deadlines, Stream, StreamTimeout
from sseparse.testing import Replay, ReplayServer

from .scripted_server import SAFETY

gevent = pytest.importorskip("gevent", reason="gevent is not installed")
gevent_socket = pytest.importorskip("gevent.socket", reason="gevent is not installed")

BODY = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


def connect(server: ReplayServer) -> object:
    sock = gevent_socket.create_connection(("127.0.0.1", urlsplit(server.url).port))
    sock.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    return sock


def test_a_socket() -> None:
    """A socket of gevent is read, and other greenlets run during its waits."""
    with ReplayServer(Replay(BODY, gated=True)) as server:
        server.release()
        with Stream(connect(server)) as stream:  # type: ignore[arg-type]
            assert next(stream).text == "Hel"
            gevent.spawn(server.release)
            gevent.spawn(server.release)
            assert stream.result().text == "Hello"


def test_deadlines() -> None:
    """A deadline is met."""
    with ReplayServer(Replay(BODY, delays=[0, 600, 0])) as server:
        deadlines = Deadlines(between_bytes=0.1)
        with Stream(connect(server), deadlines=deadlines) as stream:  # type: ignore[arg-type]
            with pytest.raises(StreamTimeout):
                stream.result()


def test_closing_from_another_greenlet() -> None:
    """close() ends a read that waits in another greenlet."""
    with ReplayServer(Replay(BODY, delays=[0, 600, 0])) as server:
        stream = Stream(connect(server))  # type: ignore[arg-type]
        assert next(stream).text == "Hel"
        reader = gevent.spawn(stream.result)
        gevent.sleep(0)
        stream.close()
        with pytest.raises(RuntimeError, match="closed before its end"):
            reader.get(timeout=SAFETY)


def test_a_patched_process() -> None:
    """In a process that gevent patched, requests and our own client are read."""
    code = (
        "from gevent import monkey; monkey.patch_all()\n"
        "import requests, sys\n"
        "from sseparse import Deadlines, Stream\n"
        "from sseparse.adapters import sockets\n"
        "url, deadlines = sys.argv[1], Deadlines(total=30)\n"
        "for response in (requests.get(url, stream=True), sockets.request('GET', url)):\n"
        "    print(Stream(response, deadlines=deadlines).result().text)\n"
    )
    with ReplayServer(BODY) as server:
        shown = subprocess.run(
            [sys.executable, "-c", code, server.url], capture_output=True, text=True, check=True
        ).stdout
    assert shown.split() == ["Hello", "Hello"]
