"""Bodies without a length over TLS, with and without close_notify, over our own adapters."""

import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import anyio
import attrs
import pytest
import trio
import trustme
from anyio.streams.tls import TLSStream

from sseparse import AsyncEventStream, EndCause, EventStream, TransportError
from sseparse.testing import Framing, Replay, ReplayServer

from .raw_server import RawServer
from .transports import LIMIT, TRANSPORTS, Context, Transport, read

HELLO = b'data: {"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
REQUEST = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def open_socket(suppress: bool, url: str, context: ssl.SSLContext) -> Iterator[Any]:
    parts = urlsplit(url)
    plain = socket.create_connection((parts.hostname, parts.port), timeout=LIMIT)
    with context.wrap_socket(
        plain, server_hostname=parts.hostname, suppress_ragged_eofs=suppress
    ) as sock:
        sock.sendall(REQUEST)
        yield sock


@asynccontextmanager
async def open_trio(compatible: bool, url: str, context: ssl.SSLContext) -> AsyncIterator[Any]:
    parts = urlsplit(url)
    plain = await trio.open_tcp_stream(parts.hostname or "", parts.port or 0)
    async with trio.SSLStream(
        plain, context, server_hostname=parts.hostname, https_compatible=compatible
    ) as stream:
        await stream.send_all(REQUEST)
        yield stream


@asynccontextmanager
async def open_anyio(compatible: bool, url: str, context: ssl.SSLContext) -> AsyncIterator[Any]:
    parts = urlsplit(url)
    plain = await anyio.connect_tcp(parts.hostname or "", parts.port or 0)
    stream = await TLSStream.wrap(
        plain, hostname=parts.hostname, ssl_context=context, standard_compatible=compatible
    )
    await stream.send(REQUEST)
    yield stream


def ways(name: str, opened: Callable[..., Any], backend: str | None = None) -> list[Transport]:
    return [
        Transport(f"{name} {flag}", partial(opened, flag), backend, decodes=False)
        for flag in (False, True)
    ]


OURS = [
    *(transport for transport in TRANSPORTS if transport.ours),
    *ways("socket suppress_ragged_eofs", open_socket),
    *ways("trio https_compatible", open_trio, "trio"),
    *ways("anyio-asyncio standard_compatible", open_anyio, "asyncio"),
    *ways("anyio-trio standard_compatible", open_anyio, "trio"),
]


@attrs.frozen
class Contexts:
    """The two sides of TLS."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="module")
def tls() -> Contexts:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return Contexts(server, client)


def events(transport: Transport, url: str, context: Context) -> list[str]:
    """Read a stream of events to its end."""
    if transport.backend is None:
        with transport.open(url, context) as source, EventStream(source) as stream:
            return [event.data for event in stream]

    async def main() -> list[str]:
        async with transport.open(url, context) as source:
            async with AsyncEventStream(source) as stream:
                return [event.data async for event in stream]

    return anyio.run(main, backend=transport.backend)


@pytest.mark.parametrize("transport", OURS, ids=str)
class TestEnds:
    """The end of the connection and the end of the body."""

    @pytest.mark.parametrize(
        "body", [b": hi\n\n", HELLO[:40], HELLO], ids=["none", "mid", "finish"]
    )
    def test_cut(self, transport: Transport, tls: Contexts, body: bytes) -> None:
        """An end without close_notify raises TransportError, even after a finish reason."""
        cut = Replay(body, framing="close", fault="close")
        with ReplayServer(cut, ssl_context=tls.server) as server:
            outcome = read(transport, server.url, context=tls.client)
        assert type(outcome.error) is TransportError
        assert outcome.error.__cause__ is not None
        assert outcome.end is not None
        assert outcome.end.cause is EndCause.TRANSPORT
        assert outcome.text == outcome.error.partial.text == ("Hello" if body == HELLO else "")

    def test_cut_after_done(self, transport: Transport, tls: Contexts) -> None:
        """After [DONE] the stream is complete, however the connection ends."""
        cut = Replay(HELLO + DONE, framing="close", fault="close")
        with ReplayServer(cut, ssl_context=tls.server) as server:
            outcome = read(transport, server.url, context=tls.client, drain=LIMIT)
        assert (outcome.error, outcome.text) == (None, "Hello")
        assert outcome.end is not None
        assert outcome.end.cause is EndCause.DONE

    def test_cut_events(self, transport: Transport, tls: Contexts) -> None:
        """An end without close_notify of a stream of events raises TransportError."""
        cut = Replay(b"data: x\n\n", framing="close", fault="close")
        with ReplayServer(cut, ssl_context=tls.server) as server:
            with pytest.raises(TransportError):
                events(transport, server.url, tls.client)

    @pytest.mark.parametrize("framing", ["close", "content-length", "chunked"])
    def test_good_ends(self, transport: Transport, tls: Contexts, framing: Framing) -> None:
        """With close_notify the body is complete."""
        with ReplayServer(
            Replay(b"data: x\n\n", framing=framing), ssl_context=tls.server
        ) as server:
            assert events(transport, server.url, tls.client) == ["x"]

    @pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding"])
    def test_known_ends(self, transport: Transport, tls: Contexts, name: str) -> None:
        """A body with a length or in chunks is complete without close_notify."""
        framed = {
            "Content-Length": b"Content-Length: 9\r\n\r\ndata: x\n\n",
            "Transfer-Encoding": b"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: x\n\n\r\n0\r\n\r\n",
        }[name]
        with RawServer(b"HTTP/1.1 200 OK\r\n" + framed, ssl_context=tls.server) as server:
            assert events(transport, server.url, tls.client) == ["x"]

    def test_cut_before_the_head(self, transport: Transport, tls: Contexts) -> None:
        """An end without close_notify before the head raises TransportError."""
        with ReplayServer(Replay(b"", fault="no-answer"), ssl_context=tls.server) as server:
            with pytest.raises(TransportError):
                events(transport, server.url, tls.client)


@pytest.mark.parametrize("transport", [each for each in TRANSPORTS if each.ours], ids=str)
def test_without_tls(transport: Transport) -> None:
    """Without TLS, a truncated body without a length can't be detected."""
    with ReplayServer(Replay(b"data: x\n\n", framing="close", fault="close")) as server:
        assert events(transport, server.url, None) == ["x"]
