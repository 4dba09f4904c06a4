"""Every transport, opened as a context manager that returns a source for a stream."""

import http.client
import socket
import ssl
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import aiohttp
import anyio
import attrs
import httpx
import httpx2
import requests
import trio
import urllib3

from sseparse import AsyncStream, Chunk, End, SSEError, Stream
from sseparse.adapters import anyio as anyio_adapter
from sseparse.adapters import sockets
from sseparse.adapters import trio as trio_adapter

LIMIT = 30.0  # seconds: far longer than any machine needs
QUESTION = {"stream": True}
Context = ssl.SSLContext | None
# Without a context, httpx reads the certificates of all authorities, even for http: 50 ms a client.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@attrs.frozen
class Transport:
    """
    A library and the function that opens a response with it.

    Attributes:
        name: The name in tests.
        open: Opens a response to a POST, without following redirects.
        backend: The event loop, or None for a blocking library.
        decodes: Whether it decompresses.
        ours: Whether the client is the one of this library.
    """

    name: str
    open: Callable[[str, Context], Any]
    backend: str | None = None
    decodes: bool = True
    ours: bool = False

    def __str__(self) -> str:
        return self.name


@attrs.define
class Outcome:
    """The results of reading a stream, in order."""

    chunks: list[Chunk] = attrs.Factory(list)
    error: SSEError | None = None
    end: End | None = None
    opened: bool = False

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks)


def read(
    transport: Transport,
    url: str,
    *,
    on_chunk: Callable[[Chunk], object] = lambda chunk: None,
    context: Context = None,
    **options: Any,
) -> Outcome:
    """Read a stream to its end in a block, and return everything that it reported."""
    outcome = Outcome()
    if transport.backend is None:
        _read_sync(transport.open(url, context), outcome, on_chunk, options)
    else:
        opened = transport.open(url, context)
        anyio.run(_read_async, opened, outcome, on_chunk, options, backend=transport.backend)
    return outcome


def _read_sync(
    opened: AbstractContextManager[Any],
    outcome: Outcome,
    on_chunk: Callable[[Chunk], object],
    options: dict[str, Any],
) -> None:
    with opened as source:
        outcome.opened = True
        with Stream(source, **options) as stream:
            try:
                for chunk in stream:
                    outcome.chunks.append(chunk)
                    on_chunk(chunk)
            except SSEError as error:
                # Its traceback would keep a reference to the response, and so to urllib3's pool.
                outcome.error = error.with_traceback(None)
            outcome.end = stream.end


async def _read_async(
    opened: AbstractAsyncContextManager[Any],
    outcome: Outcome,
    on_chunk: Callable[[Chunk], object],
    options: dict[str, Any],
) -> None:
    async with opened as source:
        outcome.opened = True
        async with AsyncStream(source, **options) as stream:
            try:
                async for chunk in stream:
                    outcome.chunks.append(chunk)
                    on_chunk(chunk)
            except SSEError as error:
                # Its traceback would keep a reference to the response, and so to urllib3's pool.
                outcome.error = error.with_traceback(None)
            outcome.end = stream.end


@contextmanager
def open_sockets(url: str, context: Context) -> Iterator[Any]:
    with sockets.request("POST", url, json=QUESTION, ssl_context=context, timeout=LIMIT) as source:
        yield source


@contextmanager
def open_socket(url: str, context: Context) -> Iterator[Any]:
    """Open a socket on which the request was sent by hand."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 0
    sock = socket.create_connection((host, port), timeout=LIMIT)
    if context is not None:
        sock = context.wrap_socket(sock, server_hostname=host)
    head = f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n\r\n"
    sock.sendall(f"{head}{{}}".encode())
    with sock:
        yield sock


@contextmanager
def open_http_client(url: str, context: Context) -> Iterator[Any]:
    parts = urlsplit(url)
    if context is None:
        client = http.client.HTTPConnection(parts.netloc, timeout=LIMIT)
    else:
        client = http.client.HTTPSConnection(parts.netloc, timeout=LIMIT, context=context)
    try:
        client.request("POST", parts.path or "/", body=b"{}")
        yield client.getresponse()
    finally:
        client.close()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


@contextmanager
def open_urllib(url: str, context: Context) -> Iterator[Any]:
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.ProxyHandler({}),
        _NoRedirects(),
        urllib.request.HTTPSHandler(context=context),
    ]
    opener = urllib.request.build_opener(*handlers)
    try:
        response: Any = opener.open(url, b"{}", timeout=LIMIT)
    except HTTPError as error:
        response = error
    with response:
        yield response


@contextmanager
def open_urllib3(url: str, context: Context) -> Iterator[Any]:
    with urllib3.PoolManager(ssl_context=context, timeout=LIMIT, retries=False) as client:
        response = client.request(
            "POST",
            url,
            json=QUESTION,
            preload_content=False,
            redirect=False,
            headers={"Accept-Encoding": "gzip, br, zstd"},
        )
        try:
            yield response
        finally:
            response.close()


class _Context(requests.adapters.HTTPAdapter):
    def __init__(self, context: Context) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._context)


@contextmanager
def open_requests(url: str, context: Context) -> Iterator[Any]:
    with requests.Session() as client:
        client.mount("https://", _Context(context))
        client.trust_env = False
        with client.post(
            url, json=QUESTION, stream=True, timeout=LIMIT, allow_redirects=False
        ) as response:
            yield response


def _open_httpx(library: Any) -> Callable[[str, Context], AbstractContextManager[Any]]:
    @contextmanager
    def open_response(url: str, context: Context) -> Iterator[Any]:
        verify = context or NO_AUTHORITIES
        with library.Client(verify=verify, timeout=LIMIT, trust_env=False) as client:
            with client.stream("POST", url, json=QUESTION) as response:
                yield response

    return open_response


def _open_async_httpx(library: Any) -> Callable[[str, Context], AbstractAsyncContextManager[Any]]:
    @asynccontextmanager
    async def open_response(url: str, context: Context) -> AsyncIterator[Any]:
        verify = context or NO_AUTHORITIES
        async with library.AsyncClient(verify=verify, timeout=LIMIT, trust_env=False) as client:
            async with client.stream("POST", url, json=QUESTION) as response:
                yield response

    return open_response


@asynccontextmanager
async def open_aiohttp(url: str, context: Context) -> AsyncIterator[Any]:
    timeout = aiohttp.ClientTimeout(total=LIMIT)
    async with aiohttp.ClientSession(timeout=timeout) as client:
        verify = True if context is None else context
        async with client.post(url, json=QUESTION, ssl=verify, allow_redirects=False) as response:
            yield response


@asynccontextmanager
async def open_trio(url: str, context: Context) -> AsyncIterator[Any]:
    source = await trio_adapter.request(
        "POST", url, json=QUESTION, ssl_context=context, timeout=LIMIT
    )
    async with source:
        yield source


@asynccontextmanager
async def open_trio_stream(url: str, context: Context) -> AsyncIterator[Any]:
    """Open a stream on which the request was sent by hand."""
    parts = urlsplit(url)
    stream: Any = await trio.open_tcp_stream(parts.hostname or "", parts.port or 0)
    if context is not None:
        stream = trio.SSLStream(
            stream, context, server_hostname=parts.hostname, https_compatible=True
        )
    async with stream:
        await stream.send_all(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n{}")
        yield stream


@asynccontextmanager
async def open_anyio(url: str, context: Context) -> AsyncIterator[Any]:
    source = await anyio_adapter.request(
        "POST", url, json=QUESTION, ssl_context=context, timeout=LIMIT
    )
    async with source:
        yield source


TRANSPORTS = [
    Transport("sockets", open_sockets, decodes=False, ours=True),
    Transport("socket", open_socket, decodes=False),
    Transport("http.client", open_http_client, decodes=False),
    Transport("urllib.request", open_urllib, decodes=False),
    Transport("urllib3", open_urllib3),
    Transport("requests", open_requests),
    Transport("httpx", _open_httpx(httpx)),
    Transport("httpx2", _open_httpx(httpx2)),
    *(
        Transport(f"{library.__name__}-{backend}", _open_async_httpx(library), backend)
        for library in (httpx, httpx2)
        for backend in ("asyncio", "trio")
    ),
    Transport("aiohttp", open_aiohttp, "asyncio"),
    Transport("trio", open_trio, "trio", decodes=False, ours=True),
    Transport("trio-stream", open_trio_stream, "trio", decodes=False),
    Transport("anyio-asyncio", open_anyio, "asyncio", decodes=False, ours=True),
    Transport("anyio-trio", open_anyio, "trio", decodes=False, ours=True),
]
