"""What becomes of connections: back to their pool after [DONE], closed after all else."""

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
# The end of the body comes after a while, and in pieces.
SLOW_END = Replay(BODY + b": bye\n\n: bye\n\n", delays=[0, 0, 0.01, 0.01])
DRAIN = LIMIT  # seconds; as much as a slow machine may need
Take = Callable[[Stream], None]


def whole(stream: Stream) -> None:
    assert stream.result().text == "hi"


def first(stream: Stream) -> None:
    """Leave where the answer is whole, before the stream said that it is over."""
    assert next(stream).text == "hi"


def one(response: Any, take: Take, options: dict[str, Any]) -> None:
    with Stream(response, **options) as stream:
        take(stream)


def by_http_client(url: str, times: int, take: Take, options: dict[str, Any]) -> None:
    client = http.client.HTTPConnection(urlsplit(url).netloc, timeout=LIMIT)
    for _ in range(times):
        client.request("POST", "/", body=b"{}")
        one(client.getresponse(), take, options)
    client.close()


def by_urllib3(url: str, times: int, take: Take, options: dict[str, Any]) -> None:
    with urllib3.HTTPConnectionPool(urlsplit(url).netloc, maxsize=1, block=True) as client:
        for _ in range(times):
            one(client.request("POST", "/", preload_content=False), take, options)


def by_requests(url: str, times: int, take: Take, options: dict[str, Any]) -> None:
    with requests.Session() as client:
        client.trust_env = False
        for _ in range(times):
            one(client.post(url, stream=True), take, options)


def by_httpx(url: str, times: int, take: Take, options: dict[str, Any]) -> None:
    _by_httpx(httpx, url, times, take, options)


def by_httpx2(url: str, times: int, take: Take, options: dict[str, Any]) -> None:
    _by_httpx(httpx2, url, times, take, options)


def _by_httpx(library: Any, url: str, times: int, take: Take, options: dict[str, Any]) -> None:
    with library.Client(trust_env=False) as client:
        for _ in range(times):
            with client.stream("POST", url) as response:
                one(response, take, options)


# A connection of http.client is not told of a response that was left early; its owner closes it.
POOLS = [by_urllib3, by_requests, by_httpx, by_httpx2]
SYNC = [by_http_client, *POOLS]


class TestSync:
    """Blocking clients that keep their connections."""

    @pytest.mark.parametrize("replay", [Replay(BODY), SLOW_END], ids=["at once", "slow end"])
    @pytest.mark.parametrize("take", [whole, first])
    @pytest.mark.parametrize("ask", SYNC)
    def test_one_connection(self, ask: Any, take: Take, replay: Replay) -> None:
        """Ten requests, one after the other, need one connection, counted at the server."""
        if take is first:
            # [DONE] has come with the first event; a stream left before it is closed.
            replay = attrs.evolve(replay, pieces="whole", delays=0.0)
        with ReplayServer(replay) as server:
            ask(server.url, 10, take, {"drain": DRAIN})
            assert [each.requests for each in server.connections] == [10]

    @pytest.mark.parametrize("ask", SYNC)
    def test_with_deadlines(self, ask: Any) -> None:
        """The bounds of one response are none of the next one's."""
        with ReplayServer(SLOW_END) as server:
            options = {"drain": DRAIN, "deadlines": Deadlines(total=LIMIT)}
            ask(server.url, 3, whole, options)
            assert [each.requests for each in server.connections] == [3]

    @pytest.mark.parametrize("ask", POOLS)
    def test_never_over(self, ask: Any) -> None:
        """A server that never ends costs the drain, and the connection."""
        with ReplayServer(faulty("left-open", BODY)) as server:
            ask(server.url, 2, whole, {"drain": 0.02})
            assert [each.requests for each in server.connections] == [1, 1]
            assert all(each.wait_closed(LIMIT) for each in server.connections)

    @pytest.mark.parametrize("ask", POOLS)
    def test_no_drain(self, ask: Any) -> None:
        """Without one the connection is closed."""
        with ReplayServer(SLOW_END) as server:
            ask(server.url, 2, whole, {"drain": 0})
            assert [each.requests for each in server.connections] == [1, 1]

    @pytest.mark.parametrize("ask", POOLS)
    def test_left_early(self, ask: Any) -> None:
        """So it is where the reader leaves before [DONE]: the rest is never read."""
        with ReplayServer(Replay(BODY, delays=[0, 3600])) as server:
            ask(server.url, 2, first, {"drain": DRAIN})
            assert [each.requests for each in server.connections] == [1, 1]
            assert all(each.wait_closed(LIMIT) for each in server.connections)


async def ask_httpx(library: Any, url: str, times: int, options: dict[str, Any]) -> None:
    async with library.AsyncClient(trust_env=False) as client:
        for _ in range(times):
            async with client.stream("POST", url) as response:
                async with AsyncStream(response, **options) as stream:
                    assert (await stream.result()).text == "hi"


async def ask_aiohttp(_: Any, url: str, times: int, options: dict[str, Any]) -> None:
    async with aiohttp.ClientSession() as client:
        for _ in range(times):
            async with client.post(url) as response:
                async with AsyncStream(response, **options) as stream:
                    assert (await stream.result()).text == "hi"


ASYNC = [
    pytest.param(ask_aiohttp, None, "asyncio", id="aiohttp"),
    *(
        pytest.param(ask_httpx, library, backend, id=f"{library.__name__}-{backend}")
        for library in (httpx, httpx2)
        for backend in ("asyncio", "trio")
    ),
]


@pytest.mark.parametrize(("ask", "library", "backend"), ASYNC)
class TestAsync:
    """Asynchronous clients."""

    @pytest.mark.parametrize("replay", [Replay(BODY), SLOW_END], ids=["at once", "slow end"])
    def test_one_connection(self, ask: Any, library: Any, backend: str, replay: Replay) -> None:
        """Ten requests, one connection."""
        with ReplayServer(replay) as server:
            anyio.run(ask, library, server.url, 10, {"drain": DRAIN}, backend=backend)
            assert [each.requests for each in server.connections] == [10]

    def test_never_over(self, ask: Any, library: Any, backend: str) -> None:
        """A server that never ends costs the drain, and the connection."""
        with ReplayServer(faulty("left-open", BODY)) as server:
            anyio.run(ask, library, server.url, 2, {"drain": 0.02}, backend=backend)
            assert [each.requests for each in server.connections] == [1, 1]
            assert all(each.wait_closed(LIMIT) for each in server.connections)
