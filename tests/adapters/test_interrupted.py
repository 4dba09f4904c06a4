"""Reads of an asynchronous response that a time limit interrupts."""

import asyncio
import gc
import gzip
import ssl
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import anyio
import anyio.lowlevel
import httpx
import httpx2
import pytest
import trustme

import sseparse.adapters.anyio
import sseparse.adapters.trio
from sseparse import AsyncEventStream, Deadlines, StreamTimeout, TransportError
from sseparse.adapters import source

from .scripted_server import SAFETY, Exchange, serving

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

pytestmark = pytest.mark.anyio
both = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def interrupt(read: Callable[[], Awaitable[object]]) -> None:
    """Interrupt a read, before it begins and in its midst."""
    for seconds in (0, 0.01, 0.01):
        with anyio.move_on_after(seconds) as scope:
            await read()
        assert scope.cancelled_caught


class Halting:
    """A server that sends the first part of a body, and the others when `go` is set."""

    def __init__(self, *parts: bytes, head: bytes = CHUNKED) -> None:
        self.go = threading.Event()
        self._head = head
        self._parts = parts

    def __call__(self, exchange: Exchange) -> None:
        exchange.send(self._head + self._parts[0])
        assert self.go.wait(SAFETY)
        for part in self._parts[1:]:
            exchange.send(part)


@both
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_httpx(library: Any, scheme: str) -> None:
    """An interrupted read continues, even within a chunk; then the connection is used again."""
    rest = chunk(b"data: one\n\n") + chunk(b"data: two\n\n") + b"0\r\n\r\n"
    answer = Halting(rest[:20], rest[20:])
    authority = trustme.CA() if scheme == "https" else None
    context = ssl.create_default_context()
    if authority is not None:
        authority.configure_trust(context)
    with serving(answer, authority) as server:
        async with library.AsyncClient(verify=context) as client:
            for _ in range(3):
                answer.go.clear()
                async with client.stream("GET", server.url) as response:
                    stream = AsyncEventStream(response)
                    assert (await anext(stream)).data == "one"
                    await interrupt(stream.__anext__)
                    answer.go.set()
                    assert [event.data async for event in stream] == ["two"]
                    network = response.extensions["network_stream"]
                    assert "read" not in vars(network)
            assert server.connections == 1


@both
async def test_compressed(library: Any) -> None:
    """A body that is decompressed continues, too."""
    data = gzip.compress(b"data: one\n\ndata: two\n\n")
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(data)
    answer = Halting(data[:15], data[15:], head=head)
    with serving(answer) as server:
        async with library.AsyncClient() as client, client.stream("GET", server.url) as response:
            stream = AsyncEventStream(response)
            await interrupt(lambda: anext(stream))
            answer.go.set()
            assert [event.data async for event in stream] == ["one", "two"]


@both
async def test_timeout(library: Any) -> None:
    """Interrupted reads don't extend the client's timeout."""

    def answer(exchange: Exchange) -> None:
        exchange.send(CHUNKED)
        exchange.hold()

    waits = 0
    with serving(answer) as server:
        async with library.AsyncClient(timeout=0.2) as client:
            async with client.stream("GET", server.url) as response:
                stream = AsyncEventStream(response)
                with anyio.fail_after(SAFETY), pytest.raises(StreamTimeout) as raised:
                    while True:
                        with anyio.move_on_after(0.01):
                            await anext(stream)
                        waits += 1
                assert isinstance(raised.value.__cause__, library.ReadTimeout)
                assert waits > 1


@both
@pytest.mark.parametrize("closes", ["stream", "response"])
async def test_closing(library: Any, closes: str) -> None:
    """After an interrupted read, closing the stream or the response closes the connection."""
    ended = threading.Event()

    def answer(exchange: Exchange) -> None:
        exchange.send(CHUNKED + chunk(b"data: one\n\n"))
        exchange.wait_for_fin()
        ended.set()

    with serving(answer) as server:
        async with library.AsyncClient() as client, client.stream("GET", server.url) as response:
            stream = AsyncEventStream(response)
            assert (await anext(stream)).data == "one"
            await interrupt(lambda: anext(stream))
            await (stream if closes == "stream" else response).aclose()
            assert await anyio.to_thread.run_sync(ended.wait, SAFETY)
            await stream.aclose()


@both
async def test_leaving_by_a_cancellation(library: Any) -> None:
    """A stream that a cancellation leaves closes its connection."""
    ended = threading.Event()

    def answer(exchange: Exchange) -> None:
        exchange.send(CHUNKED + chunk(b"data: one\n\n"))
        exchange.wait_for_fin()
        ended.set()

    with serving(answer) as server:
        async with library.AsyncClient() as client, client.stream("GET", server.url) as response:
            with anyio.CancelScope() as scope:
                async with AsyncEventStream(response) as stream:
                    await anext(stream)
                    scope.cancel()
                    await anext(stream)
            assert await anyio.to_thread.run_sync(ended.wait, SAFETY)


@both
@pytest.mark.filterwarnings("error")
async def test_dropping(library: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A stream that is dropped after an interrupted read leaves nothing to the event loop."""

    def answer(exchange: Exchange) -> None:
        exchange.send(CHUNKED)
        exchange.hold()

    with serving(answer) as server:
        async with library.AsyncClient() as client:
            async with client.stream("GET", server.url) as response:
                stream = AsyncEventStream(response)
                await interrupt(stream.__anext__)
            del stream, response
            gc.collect()
            await anyio.lowlevel.checkpoint()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@both
async def test_deadlines(library: Any) -> None:
    """A deadline passes during interrupted reads."""

    def answer(exchange: Exchange) -> None:
        exchange.send(CHUNKED)
        exchange.hold()

    with serving(answer) as server:
        async with library.AsyncClient() as client, client.stream("GET", server.url) as response:
            stream = AsyncEventStream(response, deadlines=Deadlines(first_event=0.1))
            with anyio.fail_after(SAFETY), pytest.raises(StreamTimeout):
                while True:
                    with anyio.move_on_after(0.01):
                        await anext(stream)


@both
async def test_another_reader(library: Any) -> None:
    """A second task that reads at the same time raises an error and disturbs nothing."""
    answer = Halting(chunk(b"data: one\n\n"), chunk(b"data: two\n\n") + b"0\r\n\r\n")
    with serving(answer) as server:
        async with library.AsyncClient() as client, client.stream("GET", server.url) as response:
            pieces = source(response)
            assert await anext(pieces) == b"data: one\n\n"

            async def read() -> None:
                assert await anext(pieces) == b"data: two\n\n"

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await anyio.wait_all_tasks_blocked()
                with pytest.raises(RuntimeError, match="another task"):
                    await anext(pieces)
                answer.go.set()
            await pieces.aclose()


@both
async def test_interruption_outside_of_a_read(library: Any) -> None:
    """An interruption of httpx's own work is an error at the next read, not the stream's end."""

    async def trace(name: str, _: object) -> None:
        if name.endswith("receive_response_body.started"):
            await anyio.sleep_forever()

    def answer(exchange: Exchange) -> None:
        exchange.send(CHUNKED + chunk(b"data: one\n\n"))
        exchange.hold()

    extensions = {"trace": trace}
    with serving(answer) as server:
        async with library.AsyncClient() as client:
            async with client.stream("GET", server.url, extensions=extensions) as response:
                stream = AsyncEventStream(response)
                with anyio.move_on_after(0.01) as scope:
                    await anext(stream)
                assert scope.cancelled_caught
                with pytest.raises(TransportError, match="a moment other than a read"):
                    await anext(stream)


async def test_another_request_on_the_connection() -> None:
    """At the end of a body, another task can have the connection before the reader returns."""
    others: list[str] = []

    async with anyio.create_task_group() as tasks, httpx.AsyncClient() as client:
        over = anyio.Event()

        async def send_another() -> None:
            others.append((await client.get(server.url)).text)
            over.set()

        async def trace(name: str, _: object) -> None:
            if name.endswith("response_closed.complete") and not others:
                tasks.start_soon(send_another)
                await over.wait()

        rest = chunk(b"data: one\n\n") + b"0\r\n\r\n"
        with serving(lambda exchange: exchange.send(CHUNKED + rest)) as server:
            extensions = {"trace": trace}
            async with client.stream("GET", server.url, extensions=extensions) as response:
                assert [event.data async for event in AsyncEventStream(response)] == ["one"]
            assert (others, server.connections) == (["data: one\n\n"], 1)


async def by_trio(url: str) -> Any:
    return await sseparse.adapters.trio.request("GET", url)


async def by_anyio(url: str) -> Any:
    return await sseparse.adapters.anyio.request("GET", url)


@pytest.mark.parametrize(
    ("anyio_backend", "request_by"),
    [("trio", by_trio), ("trio", by_anyio), ("asyncio", by_anyio)],
    ids=["trio", "anyio-trio", "anyio-asyncio"],
)
async def test_end_after_an_interruption(request_by: Callable[[str], Awaitable[Any]]) -> None:
    """The end of a body after an interrupted read is its end."""
    answer = Halting(chunk(b"data: one\n\n"), b"0\r\n\r\n")
    with serving(answer) as server:
        async with AsyncEventStream(await request_by(server.url)) as stream:
            assert (await anext(stream)).data == "one"
            await interrupt(lambda: anext(stream))
            answer.go.set()
            assert [event.data async for event in stream] == []


@both
async def test_end_after_an_interruption_of_httpx(library: Any) -> None:
    """The same over httpx and httpx2."""
    answer = Halting(chunk(b"data: one\n\n"), b"0\r\n\r\n")
    with serving(answer) as server:
        async with library.AsyncClient() as client, client.stream("GET", server.url) as response:
            stream = AsyncEventStream(response)
            assert (await anext(stream)).data == "one"
            await interrupt(lambda: anext(stream))
            answer.go.set()
            assert [event.data async for event in stream] == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_end_after_an_interruption_of_aiohttp() -> None:
    """The same over aiohttp."""
    answer = Halting(chunk(b"data: one\n\n"), b"0\r\n\r\n")
    with serving(answer) as server:
        async with aiohttp.ClientSession() as session, session.get(server.url) as response:
            stream = AsyncEventStream(response)
            assert (await anext(stream)).data == "one"
            await interrupt(lambda: anext(stream))
            answer.go.set()
            assert [event.data async for event in stream] == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@both
async def test_wait_for(library: Any) -> None:
    """`asyncio.wait_for()`, which can read in another task, interrupts a read."""
    answer = Halting(chunk(b"data: one\n\n"), chunk(b"data: two\n\n") + b"0\r\n\r\n")
    with serving(answer) as server:
        async with library.AsyncClient() as client, client.stream("GET", server.url) as response:
            stream = AsyncEventStream(response)
            assert (await asyncio.wait_for(anext(stream), SAFETY)).data == "one"
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(stream), 0.01)
            answer.go.set()
            assert (await asyncio.wait_for(anext(stream), SAFETY)).data == "two"


@both
async def test_pieces_of_one_read(library: Any) -> None:
    """What one read brings is returned together, and before the error that follows it."""
    second = chunk(b"data: two\n\n") + chunk(b"data: three\n\n") + b"not a chunk\r\n"
    answer = Halting(chunk(b"data: one\n\n"), second)
    with serving(answer) as server:
        client = library.AsyncClient(timeout=None)
        async with client, client.stream("GET", server.url) as response:
            pieces = source(response)
            assert await anext(pieces) == b"data: one\n\n"
            await interrupt(lambda: anext(pieces))
            answer.go.set()
            assert await anext(pieces) == b"data: two\n\ndata: three\n\n"
            with pytest.raises(TransportError):
                await anext(pieces)
            await pieces.aclose()
