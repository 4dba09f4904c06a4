"""Responses of urllib3, over real connections."""

import io
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
import trustme
import urllib3
from urllib3.http2.connection import HTTP2Response

from sseparse import Stream, adapters
from sseparse.testing import Replay, ReplayServer

from .blocking import BODY, Decoding, authority, pytest_framings
from .scripted_server import CHUNKED, SAFETY, sending, serving

__all__ = ["authority"]
pytest_generate_tests = pytest_framings


class TestURLLib3(Decoding):
    """Responses of a pool."""

    @contextmanager
    def opened(
        self, url: str, *, timeout: float | None = SAFETY, authority: trustme.CA | None = None
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        with self.client(url, timeout=timeout, authority=authority) as request:
            response = request()
            try:
                yield response
            finally:
                response.close()

    @contextmanager
    def client(
        self, url: str, *, timeout: float | None = SAFETY, authority: trustme.CA | None = None
    ) -> Iterator[Callable[[], urllib3.BaseHTTPResponse]]:
        context = None
        if authority is not None:
            context = ssl.create_default_context()
            authority.configure_trust(context)
        with urllib3.PoolManager(ssl_context=context, timeout=timeout, retries=False) as pool:
            yield lambda: pool.request("GET", url, preload_content=False)

    def test_a_bounded_pool(self) -> None:
        """A response closed early gives its place in the pool back, with no connection in it."""
        replay = Replay(BODY, delays=[0, 600, 0])
        with ReplayServer(replay) as server, urllib3.PoolManager(block=True, maxsize=1) as pool:
            for _ in range(3):
                response = pool.request("GET", server.url, preload_content=False, pool_timeout=1)
                with Stream(adapters.source(response)) as stream:
                    assert next(stream).text == "Hel"

    def test_a_preloaded_response(self) -> None:
        """Its body was kept, and is parsed, as is that of a response whose data was asked for."""
        with ReplayServer(Replay(BODY)) as server, urllib3.PoolManager() as pool:
            preloaded = pool.request("GET", server.url)
            asked = pool.request("GET", server.url, preload_content=False)
            assert asked.data == BODY
            for response in (preloaded, asked):
                assert Stream(adapters.source(response)).result().text == "Hello"

    def test_a_preloaded_empty_response(self) -> None:
        """No body is a body, too."""
        with serving(sending(CHUNKED + b"0\r\n\r\n")) as server, urllib3.PoolManager() as pool:
            assert list(adapters.source(pool.request("GET", server.url))) == []

    def test_half_read(self) -> None:
        """Of a response that someone began to read, the rest is read."""
        with ReplayServer(Replay(BODY)) as server, self.opened(server.url) as response:
            assert response.read1(6) == b"data: "
            assert b"".join(adapters.source(response)) == BODY[6:]

    def test_http_2(self) -> None:
        """A response of HTTP/2 holds its body, and the error says how to pass it."""
        response = HTTP2Response(200, urllib3.HTTPHeaderDict(), "http://test", BODY)
        with pytest.raises(TypeError, match=r"pass \[response.data\]"):
            adapters.source(response)
        assert Stream([response.data]).result().text == "Hello"

    def test_a_response_without_a_socket(self) -> None:
        """A response made by hand is read from whatever it holds."""
        response = urllib3.HTTPResponse(io.BytesIO(BODY), preload_content=False)
        source = adapters.source(response)
        source.wait_at_most(1)
        source.wake()
        assert next(source) == BODY
        source.close()

    def test_a_socket_inside_another(self) -> None:
        """Where TLS is spoken by no SSLSocket, the plain socket inside it is used."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(b"a")
            wrapped = Wrapped(ours)
            source = adapters.source(response_over(wrapped))
            source.wait_at_most(2000)
            next(source)
            assert wrapped.timeout is not None
            assert 1000 < wrapped.timeout <= 2000
            source.wake()
            assert theirs.recv(1) == b""
            source.close()
            assert ours.gettimeout() is None

    def test_a_socket_that_was_closed(self) -> None:
        """Setting its timeout and waking its reader do nothing; that is for reads to report."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            source = adapters.source(response_over(Wrapped(ours)))
            ours.close()
            source.wait_at_most(2)
            source.wake()
            source.close()


class Wrapped:
    """A socket as pyOpenSSL's: another class, with the plain socket in it."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.timeout: float | None = None

    def recv_into(self, buffer: bytearray) -> int:
        self.timeout = self.socket.gettimeout()
        return self.socket.recv_into(buffer)

    def fileno(self) -> int:
        return self.socket.fileno()


class Body(io.BytesIO):
    """A body that leads to a socket as a response of http.client does."""

    def __init__(self, sock: object) -> None:
        super().__init__(BODY)
        self.fp = self
        self.raw = self
        self._sock: Any = sock

    def read1(self, size: int | None = -1) -> bytes:
        if isinstance(self._sock, socket.socket | Wrapped) or self.tell():
            return super().read1(size)
        assert self._sock.fileno() > 0
        self._sock.recv_into(bytearray(1))
        return super().read1(10)


def response_over(sock: object) -> urllib3.BaseHTTPResponse:
    body = cast("io.BytesIO", Body(sock))
    return urllib3.HTTPResponse(body, preload_content=False)


def test_the_adapter_loads_no_library() -> None:
    """Importing it does not import urllib3."""
    code = "import sys, sseparse.adapters._read1; print({'urllib3'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == "set()"
