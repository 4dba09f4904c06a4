"""Connections return to their pool after [DONE], and are closed otherwise."""

import http.client
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import anyio
import attrs
import httpx
import httpx2
import pytest
import requests
import urllib3

from sseparse import AsyncStream, Deadlines, Stream
from sseparse.testing import Replay, ReplayServer, faulty

from .transports import LIMIT

BODY = (
    b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
# The end of the body is delayed, and sent in pieces.
SLOW_END = Replay(BODY + b": bye\n\n: bye\n\n", delays=[0, 0, 0.01, 0.01])
DRAIN = LIMIT  # seconds; as much as a slow machine may need
Consume = Callable[[Stream], None]


def read_all(stream: Stream) -> None:
    assert stream.result().text == "hi"


def read_first(stream: Stream) -> None:
    """Stop after the complete answer, before the end of the stream."""
    assert next(stream).text == "hi"


def read_response(response: Any, consume: Consume, options: dict[str, Any]) -> None:
    with Stream(response, **options) as stream:
        consume(stream)


def by_http_client(url: str, times: int, consume: Consume, options: dict[str, Any]) -> None:
    client = http.client.HTTPConnection(urlsplit(url).netloc, timeout=LIMIT)
    for _ in range(times):
        client.request("POST", "/", body=b"{}")
        read_response(client.getresponse(), consume, options)
    client.close()


def by_urllib3(url: str, times: int, consume: Consume, options: dict[str, Any]) -> None:
    with urllib3.HTTPConnectionPool(urlsplit(url).netloc, maxsize=1, block=True) as client:
        for _ in range(times):
            read_response(client.request("POST", "/", preload_content=False), consume, options)


def by_requests(url: str, times: int, consume: Consume, options: dict[str, Any]) -> None:
    with requests.Session() as client:
        client.trust_env = False
        for _ in range(times):
            read_response(client.post(url, stream=True), consume, options)


def by_httpx(url: str, times: int, consume: Consume, options: dict[str, Any]) -> None:
    _by_httpx(httpx, url, times, consume, options)


def by_httpx2(url: str, times: int, consume: Consume, options: dict[str, Any]) -> None:
    _by_httpx(httpx2, url, times, consume, options)


def _by_httpx(
    library: Any, url: str, times: int, consume: Consume, options: dict[str, Any]
) -> None:
    with library.Client(trust_env=False) as client:
        for _ in range(times):
            with client.stream("POST", url) as response:
                read_response(response, consume, options)


# Connections of http.client aren't closed with a response that is left; their owner does that.
POOLS = [by_urllib3, by_requests, by_httpx, by_httpx2]
SYNC = [by_http_client, *POOLS]


class TestSync:
    """Blocking clients with a pool of connections."""

    @pytest.mark.parametrize("replay", [Replay(BODY), SLOW_END], ids=["at once", "slow end"])
    @pytest.mark.parametrize("consume", [read_all, read_first])
    @pytest.mark.parametrize("send", SYNC)
    def test_one_connection(self, send: Any, consume: Consume, replay: Replay) -> None:
        """Ten requests in a row use one connection."""
        if consume is read_first:
            # [DONE] arrives with the first event; otherwise the connection would be closed.
            replay = attrs.evolve(replay, pieces="whole", delays=0.0)
        with ReplayServer(replay) as server:
            send(server.url, 10, consume, {"drain": DRAIN})
            assert [each.requests for each in server.connections] == [10]

    @pytest.mark.parametrize("send", SYNC)
    def test_with_deadlines(self, send: Any) -> None:
        """Deadlines of one response don't apply to the next one."""
        with ReplayServer(SLOW_END) as server:
            options = {"drain": DRAIN, "deadlines": Deadlines(total=LIMIT)}
            send(server.url, 3, read_all, options)
            assert [each.requests for each in server.connections] == [3]

    @pytest.mark.parametrize("send", POOLS)
    def test_endless_response(self, send: Any) -> None:
        """A response that never ends delays closing by the drain, and its connection is closed."""
        with ReplayServer(faulty("left-open", BODY)) as server:
            send(server.url, 2, read_all, {"drain": 0.02})
            assert [each.requests for each in server.connections] == [1, 1]
            assert all(each.wait_closed(LIMIT) for each in server.connections)

    @pytest.mark.parametrize("send", POOLS)
    def test_no_drain(self, send: Any) -> None:
        """Without a drain the connection is closed."""
        with ReplayServer(SLOW_END) as server:
            send(server.url, 2, read_all, {"drain": 0})
            assert [each.requests for each in server.connections] == [1, 1]

    @pytest.mark.parametrize("send", POOLS)
    def test_left_early(self, send: Any) -> None:
        """Leaving before [DONE] closes the connection without reading the rest."""
        with ReplayServer(Replay(BODY, delays=[0, 3600])) as server:
            send(server.url, 2, read_first, {"drain": DRAIN})
            assert [each.requests for each in server.connections] == [1, 1]
            assert all(each.wait_closed(LIMIT) for each in server.connections)


async def send_by_httpx(library: Any, url: str, times: int, options: dict[str, Any]) -> None:
    async with library.AsyncClient(trust_env=False) as client:
        for _ in range(times):
            async with client.stream("POST", url) as response:
                async with AsyncStream(response, **options) as stream:
                    assert (await stream.result()).text == "hi"


async def send_by_aiohttp(_: Any, url: str, times: int, options: dict[str, Any]) -> None:
    async with aiohttp.ClientSession() as client:
        for _ in range(times):
            async with client.post(url) as response:
                async with AsyncStream(response, **options) as stream:
                    assert (await stream.result()).text == "hi"


ASYNC = [
    pytest.param(send_by_aiohttp, None, "asyncio", id="aiohttp"),
    *(
        pytest.param(send_by_httpx, library, backend, id=f"{library.__name__}-{backend}")
        for library in (httpx, httpx2)
        for backend in ("asyncio", "trio")
    ),
]


@pytest.mark.parametrize(("send", "library", "backend"), ASYNC)
class TestAsync:
    """Asynchronous clients."""

    @pytest.mark.parametrize("replay", [Replay(BODY), SLOW_END], ids=["at once", "slow end"])
    def test_one_connection(self, send: Any, library: Any, backend: str, replay: Replay) -> None:
        """Ten requests in a row use one connection."""
        with ReplayServer(replay) as server:
            anyio.run(send, library, server.url, 10, {"drain": DRAIN}, backend=backend)
            assert [each.requests for each in server.connections] == [10]

    def test_endless_response(self, send: Any, library: Any, backend: str) -> None:
        """A response that never ends delays closing by the drain, and its connection is closed."""
        with ReplayServer(faulty("left-open", BODY)) as server:
            anyio.run(send, library, server.url, 2, {"drain": 0.02}, backend=backend)
            assert [each.requests for each in server.connections] == [1, 1]
            assert all(each.wait_closed(LIMIT) for each in server.connections)
