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
        """A response that is closed early returns its place to the pool, without a connection."""
        replay = Replay(BODY, delays=[0, 600, 0])
        with ReplayServer(replay) as server, urllib3.PoolManager(block=True, maxsize=1) as pool:
            for _ in range(3):
                response = pool.request("GET", server.url, preload_content=False, pool_timeout=1)
                with Stream(adapters.source(response)) as stream:
                    assert next(stream).text == "Hel"

    def test_a_preloaded_response(self) -> None:
        """A response that was read already is parsed from its kept body."""
        with ReplayServer(Replay(BODY)) as server, urllib3.PoolManager() as pool:
            preloaded = pool.request("GET", server.url)
            consumed = pool.request("GET", server.url, preload_content=False)
            assert consumed.data == BODY
            for response in (preloaded, consumed):
                assert Stream(adapters.source(response)).result().text == "Hello"

    def test_a_preloaded_empty_response(self) -> None:
        """A preloaded empty body has no pieces."""
        with serving(sending(CHUNKED + b"0\r\n\r\n")) as server, urllib3.PoolManager() as pool:
            assert list(adapters.source(pool.request("GET", server.url))) == []

    def test_half_read(self) -> None:
        """A source returns the rest of a response that was partly read."""
        with ReplayServer(Replay(BODY)) as server, self.opened(server.url) as response:
            assert response.read1(6) == b"data: "
            assert b"".join(adapters.source(response)) == BODY[6:]

    def test_http_2(self) -> None:
        """A response of HTTP/2 raises TypeError that says how to pass its body."""
        response = HTTP2Response(200, urllib3.HTTPHeaderDict(), "http://test", BODY)
        with pytest.raises(TypeError, match=r"pass \[response.data\]"):
            adapters.source(response)
        assert Stream([response.data]).result().text == "Hello"

    def test_a_response_without_a_socket(self) -> None:
        """A response made by hand, without a socket, can be read."""
        response = urllib3.HTTPResponse(io.BytesIO(BODY), preload_content=False)
        source = adapters.source(response)
        source.wait_at_most(1)
        source.wake()
        assert next(source) == BODY
        source.close()

    def test_a_socket_inside_another(self) -> None:
        """The plain socket inside another TLS object is used."""
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
        """Setting the timeout of a closed socket and waking its reader do nothing."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            source = adapters.source(response_over(Wrapped(ours)))
            ours.close()
            source.wait_at_most(2)
            source.wake()
            source.close()


class Wrapped:
    """A socket like pyOpenSSL's: another class, with the plain socket in it."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.timeout: float | None = None

    def recv_into(self, buffer: bytearray) -> int:
        self.timeout = self.socket.gettimeout()
        return self.socket.recv_into(buffer)

    def fileno(self) -> int:
        return self.socket.fileno()


class Body(io.BytesIO):
    """A body that refers to its socket as a response of http.client does."""

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
    """Importing the adapter doesn't import urllib3."""
    code = "import sys, sseparse.adapters._read1; print({'urllib3'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == "set()"
