"""Objects that can't be read raise TypeError with what to pass instead."""

import contextlib
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

import aiohttp
import anyio
import httpx
import httpx2
import pytest
import requests
import urllib3

from sseparse import AsyncEventStream, AsyncStream, EventStream, NotEventStream, Stream
from sseparse.adapters import trio as trio_adapter
from sseparse.testing import Replay, ReplayServer

from .transports import LIMIT, TRANSPORTS, Transport, read

BODY = (
    b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
SYNC = [each for each in TRANSPORTS if each.backend is None and "httpx" not in each.name]
ASYNC = [each for each in TRANSPORTS if each.backend is not None and "httpx" not in each.name]


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with ReplayServer(BODY) as server:
        yield server


@pytest.mark.parametrize("transport", SYNC, ids=str)
def test_a_synchronous_one(transport: Transport, server: ReplayServer) -> None:
    """An asynchronous stream rejects a synchronous source and names the class that reads it."""
    with transport.open(server.url, None) as source:
        with pytest.raises(TypeError, match=r"which is synchronous; use Stream$"):
            AsyncStream(source)
        with pytest.raises(TypeError, match=r"which is synchronous; use EventStream$"):
            AsyncEventStream(source)


@pytest.mark.parametrize("transport", ASYNC, ids=str)
def test_an_asynchronous_one(transport: Transport, server: ReplayServer) -> None:
    """A synchronous stream rejects an asynchronous source and names the class that reads it."""

    async def main() -> None:
        async with transport.open(server.url, None) as source:
            with pytest.raises(TypeError, match=r"which is asynchronous; use AsyncStream$"):
                Stream(source)
            with pytest.raises(TypeError, match=r"which is asynchronous; use AsyncEventStream$"):
                EventStream(source)
            await AsyncStream(source).aclose()

    anyio.run(main, backend=transport.backend or "")


@pytest.mark.parametrize("value", [None, 5, object(), {1: 2}.keys, Exception("no")])
def test_not_a_source(value: Any) -> None:
    """An object that isn't a source raises TypeError that names the sources."""
    for reader in (Stream, EventStream, AsyncStream, AsyncEventStream):
        with pytest.raises(TypeError, match=r"cannot read .*; pass an .*iterable of bytes, a"):
            reader(value)


class TestUnopened:
    """Objects that return a response when opened: the error says how to open them."""

    @pytest.mark.parametrize("reader", [Stream, AsyncStream])
    def test_managers(self, reader: Any) -> None:
        """A context manager raises TypeError that says to enter it."""
        with pytest.raises(TypeError, match=r"gives a response: enter it, with"):
            reader(httpx2.stream("GET", "http://127.0.0.1"))

        async def main() -> None:
            async with aiohttp.ClientSession() as client:
                unopened = client.post("http://127.0.0.1")
                with pytest.raises(TypeError, match=r"gives a response: enter it, async with"):
                    reader(unopened)
                unopened.close()

        anyio.run(main)

    @pytest.mark.parametrize("reader", [Stream, AsyncStream])
    def test_coroutines(self, reader: Any) -> None:
        """A coroutine raises TypeError that says to await it."""
        unopened = trio_adapter.request("GET", "http://127.0.0.1")
        with pytest.raises(TypeError, match=r"gives a response: await it$"):
            reader(unopened)
        unopened.close()


class TestReadAlready:
    """Responses that were read already."""

    def test_kept_content(self, server: ReplayServer) -> None:
        """Content that the library kept is parsed."""
        responses: list[Any] = [requests.post(server.url, timeout=LIMIT), httpx.post(server.url)]
        responses.append(httpx2.post(server.url))
        for response in responses:
            assert response.content == BODY
            assert Stream(response).result().text == "hi"

    def test_kept_content_by_aiohttp(self, server: ReplayServer) -> None:
        """Content that aiohttp kept is parsed."""

        async def main() -> None:
            async with aiohttp.ClientSession() as client, client.post(server.url) as response:
                assert await response.read() == BODY
                assert (await AsyncStream(response).result()).text == "hi"

        anyio.run(main)

    def test_consumed_content(self, server: ReplayServer) -> None:
        """A response that was streamed already raises RuntimeError."""
        with requests.post(server.url, stream=True, timeout=LIMIT) as response:
            assert b"".join(response.iter_content(100)) == BODY
            with pytest.raises(RuntimeError, match=r"read or closed already.*stream=True"):
                Stream(response).result()
        with urllib.request.urlopen(server.url, b"{}") as opened:  # noqa: S310 - our own server
            assert opened.read() == BODY
            with pytest.raises(RuntimeError, match=r"read or closed already"):
                Stream(opened).result()
        for library in (httpx, httpx2):
            with library.stream("POST", server.url) as streamed:
                assert b"".join(streamed.iter_bytes()) == BODY
                with pytest.raises(RuntimeError, match=r"read|stream"):
                    Stream(streamed).result()

    def test_consumed_content_of_aiohttp(self, server: ReplayServer) -> None:
        """A response of aiohttp that was streamed already raises RuntimeError."""

        async def main() -> None:
            async with aiohttp.ClientSession() as client, client.post(server.url) as response:
                assert b"".join([piece async for piece in response.content]) == BODY
                with pytest.raises(RuntimeError, match=r"read|closed"):
                    await AsyncStream(response).result()

        anyio.run(main)


@pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
def test_unknown_encoding(transport: Transport) -> None:
    """A body with an unknown encoding raises NotEventStream, even if it contains event lines."""
    packed = bytes(range(128, 256)) + b"\ndata: 5\n\n"
    replay = Replay(packed, pieces="whole", headers={"Content-Encoding": "lzma"})
    with ReplayServer(replay) as server:
        outcome = read(transport, server.url)

    assert isinstance(outcome.error, NotEventStream)
    assert "marked as compressed with lzma" in str(outcome.error)
    assert outcome.error.headers["content-encoding"] == "lzma"


class TestHints:
    """Objects that don't return a response when entered: the error doesn't say to enter them."""

    @pytest.mark.parametrize("reader", [Stream, AsyncStream])
    def test_clients(self, reader: Any) -> None:
        """A client raises TypeError that asks for the response."""
        pool = urllib3.PoolManager()
        for client in (httpx.Client(), httpx2.AsyncClient(), requests.Session(), pool):
            with pytest.raises(TypeError, match=r"which sends requests; pass the response to one"):
                reader(client)

    @pytest.mark.parametrize("reader", [Stream, AsyncStream])
    def test_other_managers(self, reader: Any) -> None:
        """A context manager that returns itself raises TypeError without such advice."""
        for manager in (contextlib.ExitStack(), threading.Lock(), contextlib.AsyncExitStack()):
            with pytest.raises(TypeError, match="cannot read") as raised:
                reader(manager)
            assert "enter it" not in str(raised.value)

    def test_wrapped_responses(self, server: ReplayServer) -> None:
        """A response in contextlib.closing() must be entered."""
        response = requests.post(server.url, stream=True, timeout=LIMIT)
        with pytest.raises(TypeError, match="enter it, with"):
            Stream(contextlib.closing(response))  # type: ignore[arg-type]
        assert Stream(response).result().text == "hi"


class TestLines:
    """Lines that lost their ends."""

    def test_iter_lines(self, server: ReplayServer) -> None:
        """The lines of a library raise TypeError with what to pass instead."""
        for reader in (Stream, EventStream):
            with requests.post(server.url, stream=True, timeout=LIMIT) as response:
                with pytest.raises(TypeError, match=r"iter_lines\(\).*pass the response itself"):
                    reader(response.iter_lines())
            with httpx.stream("POST", server.url) as streamed:
                with pytest.raises(TypeError, match=r"iter_lines\(\).*pass the response itself"):
                    reader(streamed.iter_lines())  # type: ignore[arg-type]

        async def main() -> None:
            async with httpx2.AsyncClient() as client, client.stream("POST", server.url) as opened:
                with pytest.raises(TypeError, match=r"aiter_lines\(\).*pass the response itself"):
                    AsyncEventStream(opened.aiter_lines())  # type: ignore[arg-type]

        anyio.run(main)

    @pytest.mark.parametrize(
        "body", [BODY, b": one\ndata: 1\n\n", b"event: a\ndata: 1\n\n", b"id: 5\r\ndata: 1\r\n\r\n"]
    )
    def test_any_lines(self, body: bytes) -> None:
        """Joined lines of any source raise NotEventStream, however they are cut."""
        lines = body.splitlines()
        for pieces in (lines, [b"".join(lines)], [bytes([byte]) for byte in b"".join(lines)]):
            for reader in (Stream, EventStream):
                with pytest.raises(NotEventStream, match="its lines lost their ends; pass"):
                    list(reader(iter(pieces)))

    def test_cut_lines(self) -> None:
        """A line in which a truncated body ends isn't such a line."""
        for body in (b"data: a", b"data: a\ndata: b", b": data", b"data: adata: b", b"id: 5\n"):
            assert list(EventStream([body])) == []
