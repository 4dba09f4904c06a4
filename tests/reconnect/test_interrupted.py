"""Waits for events that a time limit interrupts."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx2
import pytest

from adapters.scripted_server import SAFETY, Exchange, serving
from sseparse import Event, StreamTimeout
from sseparse.reconnect import AsyncEventSource

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

pytestmark = pytest.mark.anyio


async def interrupt(events: AsyncEventSource[Event]) -> None:
    """Interrupt a wait, before it begins and in its midst."""
    for seconds in (0, 0.01, 0.01):
        with anyio.move_on_after(seconds) as scope:
            await anext(events)
        assert scope.cancelled_caught


async def test_interrupted_read() -> None:
    """An interrupted read loses neither its connection nor bytes of a half-received event."""
    go = threading.Event()

    def answer(exchange: Exchange) -> None:
        exchange.send(HEAD + b"id: 1\ndata: one\n\ndata: tw")
        assert go.wait(SAFETY)
        exchange.send(b"o\n\ndata: three\n\n")
        exchange.hold()

    with serving(answer) as server:
        async with AsyncEventSource(server.url) as events:
            assert (await anext(events)).data == "one"
            await interrupt(events)
            assert (events.ready_state, events.last_error) == ("open", None)
            go.set()
            assert [(await anext(events)).data for _ in range(2)] == ["two", "three"]
        assert server.connections == 1


async def test_interrupted_connect() -> None:
    """An interrupted attempt to connect continues: no second request is sent."""
    go = threading.Event()

    def answer(exchange: Exchange) -> None:
        assert go.wait(SAFETY)
        exchange.send(HEAD + b"data: one\n\n")
        exchange.hold()

    with serving(answer) as server:
        async with AsyncEventSource(server.url) as events:
            await interrupt(events)
            assert events.ready_state == "connecting"
            go.set()
            assert (await anext(events)).data == "one"
        assert server.connections == 1


async def test_interrupted_delay() -> None:
    """An interrupted delay before a connection isn't begun again."""
    delays: list[float] = []
    over = anyio.Event()

    async def sleep(seconds: float) -> None:
        delays.append(seconds)
        await over.wait()

    def answer(exchange: Exchange) -> None:
        exchange.send(HEAD + b"retry: 7000\ndata: one\n\n")
        exchange.hang_up()

    with serving(answer) as server:
        async with AsyncEventSource(server.url, sleep=sleep, rnd=lambda: 0.0) as events:
            assert (await anext(events)).data == "one"
            await interrupt(events)
            assert (delays, server.connections) == ([7.0], 1)
            over.set()
            assert (await anext(events)).data == "one"
        assert server.connections == 2


async def test_read_timeout_over_interrupted_reads() -> None:
    """Interrupted reads don't extend `read_timeout`."""
    waits = 0

    def answer(exchange: Exchange) -> None:
        exchange.send(HEAD + b"data: one\n\n")
        exchange.hold()

    async def sleep(_: float) -> None:
        pass

    with serving(answer) as server:
        async with AsyncEventSource(server.url, read_timeout=0.2, sleep=sleep) as events:
            assert (await anext(events)).data == "one"
            with anyio.fail_after(SAFETY):
                while events.last_error is None:
                    with anyio.move_on_after(0.01):
                        await anext(events)
                    waits += 1
            assert isinstance(events.last_error, StreamTimeout)
            assert waits > 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("limit", ["timeout", "wait_for"])
async def test_limits_of_asyncio(limit: str) -> None:
    """The limits of asyncio, of which `wait_for()` can use another task, interrupt a wait."""
    go = threading.Event()

    def answer(exchange: Exchange) -> None:
        exchange.send(HEAD + b"data: one\n\n")
        assert go.wait(SAFETY)
        exchange.send(b"data: two\n\n")
        exchange.hold()

    async def receive(events: AsyncEventSource[Event], seconds: float) -> str:
        if limit == "wait_for":
            return (await asyncio.wait_for(anext(events), seconds)).data
        async with asyncio.timeout(seconds):
            return (await anext(events)).data

    with serving(answer) as server:
        async with AsyncEventSource(server.url) as events:
            assert await receive(events, SAFETY) == "one"
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await receive(events, 0.01)
            go.set()
            assert await receive(events, SAFETY) == "two"
        assert server.connections == 1


class Broken(httpx2.AsyncByteStream):
    """A body that is exhausted after an interruption, as that of any generator is."""

    def __init__(self, go: anyio.Event) -> None:
        self._go = go

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"data: one\n\n"
        await self._go.wait()
        yield b"data: two\n\n"
        await anyio.sleep_forever()


async def test_any_transport() -> None:
    """The transport of the client doesn't matter."""
    go = anyio.Event()
    headers = {"content-type": "text/event-stream"}
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, headers=headers, stream=Broken(go))
    )
    async with httpx2.AsyncClient(transport=transport) as client:
        async with AsyncEventSource("http://events.test/", client=client) as events:
            assert (await anext(events)).data == "one"
            await interrupt(events)
            go.set()
            assert (await anext(events)).data == "two"


@pytest.mark.parametrize("phase", ["connect", "read"])
async def test_closing_after_an_interruption(phase: str) -> None:
    """Closing the stream ends what an interrupted wait left: the connection is closed."""
    ended = threading.Event()

    def answer(exchange: Exchange) -> None:
        if phase == "read":
            exchange.send(HEAD)
        exchange.wait_for_fin()
        ended.set()

    with serving(answer) as server:
        async with AsyncEventSource(server.url) as events:
            await interrupt(events)
        assert await anyio.to_thread.run_sync(ended.wait, SAFETY)
        assert server.connections == 1


async def test_cancelling_the_reader() -> None:
    """A stream that is left by a cancellation closes its connection, too."""
    ended = threading.Event()

    def answer(exchange: Exchange) -> None:
        exchange.send(HEAD + b"data: one\n\n")
        exchange.wait_for_fin()
        ended.set()

    with serving(answer) as server:
        with anyio.CancelScope() as scope:
            async with AsyncEventSource(server.url) as events:
                await anext(events)
                scope.cancel()
                await anext(events)
        assert await anyio.to_thread.run_sync(ended.wait, SAFETY)


async def test_closing_from_another_task() -> None:
    """Another task can end a read at once."""

    def answer(exchange: Exchange) -> None:
        exchange.send(HEAD)
        exchange.hold()

    with serving(answer) as server, anyio.fail_after(SAFETY):
        async with AsyncEventSource(server.url) as events, anyio.create_task_group() as tasks:

            async def close() -> None:
                while events.ready_state != "open":
                    await anyio.lowlevel.checkpoint()
                await events.aclose()

            tasks.start_soon(close)
            assert [event async for event in events] == []


async def test_closing_at_the_beginning() -> None:
    """Another task can close the stream before the reader's first request is sent."""
    with serving(Exchange.hold) as server, anyio.fail_after(SAFETY):
        events = AsyncEventSource(server.url)

        async def read() -> None:
            assert [event async for event in events] == []

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            tasks.start_soon(events.aclose)
        assert events.ready_state == "closed"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_event_loops() -> None:
    """Outside the event loops of asyncio and trio, a read raises an error."""
    events = AsyncEventSource("http://events.test/")
    reading = anext(events)
    await anyio.to_thread.run_sync(expect_no_loop, reading)


def expect_no_loop(reading: Any) -> None:
    with pytest.raises(RuntimeError, match="needs the event loop of asyncio or trio"):
        reading.send(None)
