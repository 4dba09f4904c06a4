"""Ways to read a response with each library, and ways that buffer data."""

import http.client
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import h11
from attrs import frozen

LIMIT = 30.0
"""Timeout of a read in seconds."""
SIZE = 65536
PLAIN = ("chunked", "one-chunk", "close", "content-length")
CODED = ("gzip", "br", "zstd")
FRAMINGS = (*PLAIN, *CODED, "tls", "http2")


@frozen
class Target:
    """URL, TLS context and protocol of a request."""

    url: str
    context: ssl.SSLContext
    http2: bool = False


@frozen
class Way:
    """
    A way to read a response.

    Attributes:
        name: Name in the tables.
        library: Module that it needs.
        open: Function that opens a `Target` as a context manager, an asynchronous one if there is
            a backend.
        read: Function that iterates over the response without sseparse.
        backend: Event loop; None if it is synchronous.
        framings: Framings that it supports.
    """

    name: str
    library: str
    open: Callable[[Target], Any]
    read: Callable[[Any], Any]
    backend: str | None = None
    framings: tuple[str, ...] = FRAMINGS


class _Body:
    """Parser of a response with h11."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT)
        self._http.send(h11.Request(method="GET", target="/", headers=[("Host", "localhost")]))
        self._http.send(h11.EndOfMessage())
        self.over = False

    def feed(self, data: bytes) -> bytes:
        self._http.receive_data(data)
        body = b""
        while (event := self._http.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self.over = True
                break
        return body


def _request(target: Target) -> tuple[str, int, bytes]:
    parts = urlsplit(target.url)
    host, port = parts.hostname or "", parts.port or 0
    return host, port, f"GET {parts.path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def _is_tls(target: Target) -> bool:
    return target.url.startswith("https:")


@contextmanager
def open_socket(target: Target) -> Iterator[socket.socket]:
    host, port, request = _request(target)
    sock = socket.create_connection((host, port), timeout=LIMIT)
    if _is_tls(target):
        sock = target.context.wrap_socket(sock, server_hostname=host)
    with sock:
        sock.sendall(request)
        yield sock


def recv(sock: socket.socket) -> Iterator[bytes]:
    body = _Body()
    while not body.over:
        if piece := body.feed(sock.recv(SIZE)):
            yield piece


@asynccontextmanager
async def open_trio(target: Target) -> AsyncIterator[Any]:
    import trio

    host, port, request = _request(target)
    stream: Any = await trio.open_tcp_stream(host, port)
    if _is_tls(target):
        stream = trio.SSLStream(stream, target.context, server_hostname=host, https_compatible=True)
    async with stream:
        await stream.send_all(request)
        yield stream


async def receive_some(stream: Any) -> AsyncGenerator[bytes, None]:
    body = _Body()
    while not body.over:
        if piece := body.feed(await stream.receive_some()):
            yield piece


@asynccontextmanager
async def open_anyio(target: Target) -> AsyncIterator[Any]:
    import anyio

    host, port, request = _request(target)
    if _is_tls(target):
        stream: Any = await anyio.connect_tcp(
            host, port, ssl_context=target.context, tls_standard_compatible=False
        )
    else:
        stream = await anyio.connect_tcp(host, port)
    async with stream:
        await stream.send(request)
        yield stream


async def receive(stream: Any) -> AsyncGenerator[bytes, None]:
    import anyio

    body = _Body()
    while not body.over:
        try:
            data = await stream.receive()
        except anyio.EndOfStream:
            data = b""
        if piece := body.feed(data):
            yield piece


@contextmanager
def open_http_client(target: Target) -> Iterator[http.client.HTTPResponse]:
    host, port, _ = _request(target)
    client = (
        http.client.HTTPSConnection(host, port, timeout=LIMIT, context=target.context)
        if _is_tls(target)
        else http.client.HTTPConnection(host, port, timeout=LIMIT)
    )
    try:
        client.request("GET", urlsplit(target.url).path)
        with client.getresponse() as response:
            yield response
    finally:
        client.close()


def read1(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while piece := response.read1(SIZE):
        yield piece


@contextmanager
def open_urllib3(target: Target) -> Iterator[Any]:
    import urllib3

    with urllib3.PoolManager(ssl_context=target.context, timeout=LIMIT, retries=False) as client:
        response = client.request("GET", target.url, preload_content=False)
        try:
            yield response
        finally:
            response.close()


def read1_decoded(response: Any) -> Iterator[bytes]:
    while piece := response.read1(SIZE, decode_content=True):
        yield piece


@contextmanager
def open_requests(target: Target) -> Iterator[Any]:
    import requests

    class Trusting(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            super().init_poolmanager(*args, **options, ssl_context=target.context)

    with requests.Session() as client:
        client.trust_env = False
        client.mount("https://", Trusting())
        with client.get(target.url, stream=True, timeout=LIMIT) as response:
            yield response


def _open_httpx(library: str) -> Callable[[Target], Any]:
    @contextmanager
    def open_response(target: Target) -> Iterator[Any]:
        with (
            import_module(library).Client(**_options(target)) as client,
            client.stream("GET", target.url) as response,
        ):
            yield response

    return open_response


def _open_async_httpx(library: str) -> Callable[[Target], Any]:
    @asynccontextmanager
    async def open_response(target: Target) -> AsyncIterator[Any]:
        async with (
            import_module(library).AsyncClient(**_options(target)) as client,
            client.stream("GET", target.url) as response,
        ):
            yield response

    return open_response


def _options(target: Target) -> dict[str, Any]:
    return {
        "verify": target.context,
        "timeout": LIMIT,
        "trust_env": False,
        "http2": target.http2,
    }


@asynccontextmanager
async def open_aiohttp(target: Target) -> AsyncIterator[Any]:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=LIMIT)
    async with (
        aiohttp.ClientSession(timeout=timeout) as client,
        client.get(target.url, ssl=target.context) as response,
    ):
        yield response


async def readany(response: Any) -> AsyncGenerator[bytes, None]:
    while piece := await response.content.readany():
        yield piece


@contextmanager
def open_target(target: Target) -> Iterator[Target]:
    """Return the target, because the client opens it itself."""
    yield target


def read_launchdarkly(target: Target) -> Iterator[str]:
    import ld_eventsource
    from ld_eventsource.actions import Event, Fault
    from ld_eventsource.config import ConnectStrategy, ErrorStrategy
    from urllib3 import PoolManager

    pool = PoolManager(ssl_context=target.context, timeout=LIMIT)
    client = ld_eventsource.SSEClient(
        ConnectStrategy.http(target.url, pool=pool), error_strategy=ErrorStrategy.always_continue()
    )
    try:
        for action in client.all:
            if isinstance(action, Event):
                yield action.data
            elif isinstance(action, Fault):
                # The client would reconnect.
                if action.error is not None:
                    raise action.error
                return
    finally:
        client.close()
        pool.clear()


def read_sseclient(response: Any) -> Iterator[str]:
    from sseclient import SSEClient

    for event in SSEClient(response).events():
        yield event.data


_HTTP1 = (*PLAIN, *CODED, "tls")
_UNDECODED = (*PLAIN, "tls")

TRANSPORTS = [
    Way("sockets", "h11", open_socket, recv, framings=_UNDECODED),
    Way("http.client", "http.client", open_http_client, read1, framings=_UNDECODED),
    Way("urllib3", "urllib3", open_urllib3, read1_decoded, framings=_HTTP1),
    Way(
        "requests",
        "requests",
        open_requests,
        lambda response: read1_decoded(response.raw),
        framings=_HTTP1,
    ),
    *(
        Way(name, name, _open_httpx(name), lambda response: response.iter_bytes())
        for name in ("httpx", "httpx2")
    ),
    *(
        Way(
            f"{name}, {backend}",
            name,
            _open_async_httpx(name),
            lambda response: response.aiter_bytes(),
            backend,
        )
        for name in ("httpx", "httpx2")
        for backend in ("asyncio", "trio")
    ),
    Way("aiohttp", "aiohttp", open_aiohttp, readany, "asyncio", _HTTP1),
    Way("trio", "trio", open_trio, receive_some, "trio", _UNDECODED),
    Way("anyio, asyncio", "anyio", open_anyio, receive, "asyncio", _UNDECODED),
    Way("anyio, trio", "anyio", open_anyio, receive, "trio", _UNDECODED),
]
"""Each transport with code that doesn't buffer data."""

OTHERS = [
    Way(
        "requests iter_lines()",
        "requests",
        open_requests,
        lambda response: response.iter_lines(),
        framings=_HTTP1,
    ),
    Way(
        "requests iter_content(None)",
        "requests",
        open_requests,
        lambda response: response.iter_content(None),
        framings=_HTTP1,
    ),
    Way(
        "httpx iter_lines()", "httpx", _open_httpx("httpx"), lambda response: response.iter_lines()
    ),
    Way("sseclient-py, requests", "sseclient", open_requests, read_sseclient, framings=_HTTP1),
    Way(
        "launchdarkly-eventsource",
        "ld_eventsource",
        open_target,
        read_launchdarkly,
        framings=_HTTP1,
    ),
]
"""Code from tutorials, and other clients."""
