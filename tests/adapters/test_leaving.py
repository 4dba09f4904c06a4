"""Readers that stop early: by break, cancellation, or closing from another thread."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
import trio

from sseparse import AsyncStream, Deadlines, EndCause, Stream
from sseparse.testing import Replay, ReplayServer

from .transports import LIMIT, TRANSPORTS, Transport

BODY = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\n'
)
SYNC = [each for each in TRANSPORTS if each.backend is None]
ASYNC = [each for each in TRANSPORTS if each.backend is not None]


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    """Serve a response that stops after its first event."""
    with ReplayServer(Replay(BODY, fault="stall", fault_after=1)) as server:
        yield server


def saw_close(server: ReplayServer) -> bool:
    return all(each.wait_closed(LIMIT) for each in server.connections)


class TestBreak:
    """`break` in a block closes the response before the block is left."""

    @pytest.mark.parametrize("transport", SYNC, ids=str)
    def test_sync(self, transport: Transport, server: ReplayServer) -> None:
        """`break` closes the connection of a synchronous stream."""
        with transport.open(server.url, None) as source:
            with Stream(source) as stream:
                for chunk in stream:
                    assert chunk.text == "Hel"
                    break
            assert saw_close(server)
        assert stream.end is not None
        assert stream.end.cause is EndCause.CANCELLED

    @pytest.mark.parametrize("transport", ASYNC, ids=str)
    def test_async(self, transport: Transport, server: ReplayServer) -> None:
        """`break` closes the connection of an asynchronous stream."""

        async def read() -> None:
            async with transport.open(server.url, None) as source:
                async with AsyncStream(source) as stream:
                    async for chunk in stream:
                        assert chunk.text == "Hel"
                        break
                assert await anyio.to_thread.run_sync(saw_close, server)

        anyio.run(read, backend=transport.backend or "")

    @pytest.mark.parametrize("transport", SYNC, ids=str)
    def test_an_exception(self, transport: Transport, server: ReplayServer) -> None:
        """An exception in the block closes the connection, and is raised unchanged."""
        with pytest.raises(KeyError), transport.open(server.url, None) as source:
            with Stream(source) as stream:
                next(stream)
                raise KeyError
        assert saw_close(server)


async def by_anyio(read: Callable[[], Any], waits: anyio.Event) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await waits.wait()
        await anyio.sleep(0.01)  # into the read, most likely; any other place is as good
        tasks.cancel_scope.cancel()


async def by_task(read: Callable[[], Any], waits: anyio.Event) -> None:
    task = asyncio.create_task(read())
    await waits.wait()
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_timeout(read: Callable[[], Awaitable[None]], waits: anyio.Event) -> None:
    async def begin(scope: trio.CancelScope) -> None:
        await waits.wait()
        scope.deadline = trio.current_time() + 0.01

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            nursery.start_soon(begin, scope)
            await read()


def cancellations() -> Iterator[Any]:
    for transport in ASYNC:
        own = by_task if transport.backend == "asyncio" else by_timeout
        for cancel in (by_anyio, own):
            yield pytest.param(transport, cancel, id=f"{transport}-{cancel.__name__}")


@pytest.mark.parametrize(("transport", "cancel"), [*cancellations()])
def test_cancellation(transport: Transport, cancel: Any, server: ReplayServer) -> None:
    """Cancelling a reader leaves no task, no socket and no warning."""

    async def main() -> None:
        waits = anyio.Event()

        async def read() -> None:
            async with transport.open(server.url, None) as source:
                async with AsyncStream(source) as stream:
                    assert (await anext(stream)).text == "Hel"
                    waits.set()
                    await anext(stream)

        await cancel(read, waits)
        if transport.backend == "asyncio":
            # Tasks of a library that outlive its session end by themselves.
            if others := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(others, timeout=LIMIT)
            assert asyncio.all_tasks() == {asyncio.current_task()}

    anyio.run(main, backend=transport.backend or "")
    gc.collect()
    assert saw_close(server)


@pytest.mark.parametrize(
    "transport", [each for each in ASYNC if each.backend == "asyncio"], ids=str
)
def test_cancellation_while_closing(transport: Transport, server: ReplayServer) -> None:
    """A scope that is cancelled while a stream closes catches its own cancellation."""

    async def read(turns: int) -> None:
        loop = asyncio.get_running_loop()
        async with transport.open(server.url, None) as source:
            stream = AsyncStream(source, deadlines=Deadlines(total=LIMIT))
            await anext(stream)
            with anyio.CancelScope() as scope:
                after(loop, turns, scope.cancel)
                await stream.aclose()
            await stream.aclose()

    async def main() -> None:
        for turns in range(12):
            await read(turns)

    asyncio.run(main())


def after(loop: asyncio.AbstractEventLoop, turns: int, call: Callable[[], object]) -> None:
    if turns:
        loop.call_soon(after, loop, turns - 1, call)
    else:
        loop.call_soon(call)


@contextmanager
def reading(stream: Stream) -> Iterator[list[BaseException]]:
    """Read in another thread, which ends before the block is left."""
    raised: list[BaseException] = []

    def read() -> None:
        try:
            stream.result()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    yield raised
    thread.join(LIMIT)
    assert not thread.is_alive()


@pytest.mark.parametrize("transport", SYNC, ids=str)
def test_closed_from_another_thread(transport: Transport, server: ReplayServer) -> None:
    """Closing from another thread ends a waiting read with RuntimeError."""
    with transport.open(server.url, None) as source:
        stream = Stream(source)
        assert next(stream).text == "Hel"
        with reading(stream) as raised:
            # Most often the other thread waits in its read by now; it doesn't have to.
            threading.Event().wait(0.02)
            stream.close()
        assert [type(error) for error in raised] == [RuntimeError]
        assert saw_close(server)
    assert stream.end is not None
    assert stream.end.cause is EndCause.CANCELLED


def test_iterators_hold_no_event_loop() -> None:
    """A stream that was never read and never closed causes no warning."""

    async def pieces() -> AsyncIterator[bytes]:
        yield BODY

    async def main() -> None:
        AsyncStream(pieces())

    anyio.run(main)
    gc.collect()
