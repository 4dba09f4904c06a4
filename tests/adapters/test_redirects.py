"""Redirects that a client follows: one that turns a POST into a GET is an error."""

from collections.abc import Callable
from typing import Any

import aiohttp
import anyio
import httpx
import httpx2
import pytest
import requests

from sseparse import AsyncStream, NotEventStream, Stream
from sseparse.testing import Replay, ReplayServer

from .transports import LIMIT

BODY = (
    b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


def by_requests(url: str, method: str) -> str | None:
    with requests.request(method, url, stream=True, timeout=LIMIT) as response:
        with Stream(response) as stream:
            return stream.result().text


def by_requests_at_once(url: str, method: str) -> str | None:
    return Stream(requests.request(method, url, timeout=LIMIT)).result().text


def by_httpx(library: Any) -> Callable[[str, str], str | None]:
    def send(url: str, method: str) -> str | None:
        with library.Client(follow_redirects=True) as client:
            with client.stream(method, url) as response, Stream(response) as stream:
                return stream.result().text

    return send


def by_async_httpx(url: str, method: str) -> str | None:
    async def send() -> str | None:
        async with httpx2.AsyncClient(follow_redirects=True) as client:
            async with client.stream(method, url) as response:
                async with AsyncStream(response) as stream:
                    return (await stream.result()).text

    return anyio.run(send)


def by_aiohttp(url: str, method: str) -> str | None:
    async def send() -> str | None:
        async with aiohttp.ClientSession() as client, client.request(method, url) as response:
            async with AsyncStream(response) as stream:
                return (await stream.result()).text

    return anyio.run(send)


CLIENTS = [
    pytest.param(by_requests, id="requests"),
    pytest.param(by_requests_at_once, id="requests at once"),
    pytest.param(by_httpx(httpx), id="httpx"),
    pytest.param(by_httpx(httpx2), id="httpx2"),
    pytest.param(by_async_httpx, id="httpx2 async"),
    pytest.param(by_aiohttp, id="aiohttp"),
]


@pytest.mark.parametrize("send", CLIENTS)
class TestFollowed:
    """Clients that follow redirects."""

    @pytest.mark.parametrize("status", [301, 302, 303])
    def test_another_method(self, send: Callable[[str, str], str | None], status: int) -> None:
        """A response to a GET that replaced the POST raises NotEventStream."""
        moved = Replay(b"", status=status, headers={"Location": "/elsewhere"})
        with ReplayServer({"/": moved, "/elsewhere": BODY}) as server:
            with pytest.raises(NotEventStream, match=r"a redirect to /elsewhere; .*POST") as raised:
                send(f"{server.url}/", "POST")
        assert [request.method for request in server.requests] == ["POST", "GET"]
        assert raised.value.status == status

    @pytest.mark.parametrize(("status", "method"), [(307, "POST"), (308, "POST"), (301, "GET")])
    def test_the_same_method(
        self, send: Callable[[str, str], str | None], status: int, method: str
    ) -> None:
        """A response after a redirect that keeps the method is read."""
        moved = Replay(b"", status=status, headers={"Location": "/elsewhere"})
        with ReplayServer({"/": moved, "/elsewhere": BODY}) as server:
            assert send(f"{server.url}/", method) == "hi"
