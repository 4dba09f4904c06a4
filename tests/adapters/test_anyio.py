"""Responses read from anyio's streams on asyncio and trio, and cancellation of both adapters."""

import socket
import threading
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

import anyio
import anyio.abc
import pytest

from sseparse import AsyncStream, EndCause, NotEventStream, TransportError
from sseparse.adapters import anyio as adapter
from sseparse.adapters import trio as trio_adapter

from .raw_server import LIMIT, RawServer

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'

pytestmark = pytest.mark.anyio


class Scripted(anyio.abc.ByteReceiveStream):
    """A stream that returns or raises each item of a script, then waits forever."""

    def __init__(self, script: Iterable[bytes | Exception]) -> None:
        self.script = list(script)
        self.closed = False

    async def receive(self, max_bytes: int = 0) -> bytes:
        assert max_bytes == 65536
        await anyio.lowlevel.checkpoint()
        if not self.script:
            await anyio.sleep_forever()
        item = self.script.pop(0)
        if isinstance(item, Exception):
            raise item
        return item

    async def aclose(self) -> None:
        self.closed = True
        await anyio.lowlevel.checkpoint()


async def test_body() -> None:
    """The head is read first, and the bytes of the body are returned as they arrive."""
    stream = Scripted([HEAD, b"Content-Length: 7\r\n\r\n: a", b"\n: b"])
    source = adapter.source(stream)
    assert (source.status, source.headers, source.pooled) == (None, {}, False)

    assert await anext(source) == b": a"
    assert (source.status, source.headers["content-length"]) == (200, "7")
    assert [piece async for piece in source] == [b"\n: b"]
    await source.aclose()
    await source.aclose()
    assert stream.closed
    with pytest.raises(RuntimeError, match="closed"):
        await anext(source)


async def test_stream() -> None:
    """A stream reads the body to the end of the connection, and closes it."""
    stream = Scripted([HEAD + b"\r\n" + CHUNK[:30], CHUNK[30:], anyio.EndOfStream()])
    async with AsyncStream(adapter.source(stream)) as chunks:
        assert [chunk.text async for chunk in chunks] == ["Hi"]
    assert stream.closed
    assert chunks.end is not None
    assert chunks.end.cause is EndCause.FINISHED


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (anyio.BrokenResourceError("reset"), "^anyio failed: BrokenResourceError: reset$"),
        (anyio.ClosedResourceError(), "^anyio failed: ClosedResourceError: no reason given$"),
        (OSError(5, "bad"), "^anyio failed: OSError: .*bad"),
    ],
)
async def test_failures(item: Exception, message: str) -> None:
    """An exception of anyio is the cause of the TransportError."""
    source = adapter.source(Scripted([HEAD + b"\r\n: a\n", item]))
    assert await anext(source) == b": a\n"
    with pytest.raises(TransportError, match=message) as raised:
        await anext(source)
    assert raised.value.__cause__ is item


async def test_cut_and_encoded() -> None:
    """Truncated, non-HTTP and compressed responses raise their errors."""
    with pytest.raises(TransportError, match="before the head"):
        await anext(adapter.source(Scripted([HEAD, anyio.EndOfStream()])))
    with pytest.raises(TransportError, match="as an iterable"):
        await anext(adapter.source(Scripted([CHUNK])))
    with pytest.raises(NotEventStream, match="gzip"):
        await anext(adapter.source(Scripted([HEAD + b"Content-Encoding: gzip\r\n\r\n\x1f"])))


async def test_cancelled_reads() -> None:
    """A cancelled read loses no bytes, and cancelled closing doesn't wait."""
    stream = Scripted([HEAD + b"\r\n: a\n"])
    source = adapter.source(stream)
    assert await anext(source) == b": a\n"
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anext(source)
    stream.script.append(b": b\n")
    assert await anext(source) == b": b\n"
    with anyio.CancelScope() as scope:
        scope.cancel()
        await source.aclose()
    assert stream.closed


async def test_two_readers() -> None:
    """Reading in two tasks raises RuntimeError."""
    with pytest.raises(RuntimeError, match="another task"):
        await anext(adapter.source(Scripted([anyio.BusyResourceError("reading from")])))


async def test_wrong_objects() -> None:
    """An object that isn't a stream of anyio raises TypeError."""
    with pytest.raises(TypeError, match="takes a stream of anyio, not list"):
        adapter.source([])  # type: ignore[arg-type] # the misuse


# Cancelled requests.


@pytest.fixture
def adapters(anyio_backend_name: str) -> list[Any]:
    """Return the adapters that run on this event loop."""
    return [adapter, trio_adapter] if anyio_backend_name == "trio" else [adapter]


async def cancel_when(
    happened: threading.Event, work: Callable[..., Awaitable[Any]], *args: Any, **options: Any
) -> None:
    """Start a call, and cancel it when an event is set."""

    async def run() -> None:
        await work(*args, **options)
        pytest.fail("it ended before it was cancelled")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        assert await anyio.to_thread.run_sync(happened.wait, LIMIT)
        tasks.cancel_scope.cancel()


async def test_cancelled_before_the_head(adapters: list[Any]) -> None:
    """Cancellation while waiting for the head closes the connection."""
    for module in adapters:
        received = threading.Event()

        def answer(request: bytes, received: threading.Event = received) -> bytes:
            received.set()
            return b""

        with RawServer(answer, hold=True) as server:
            await cancel_when(received, module.request, "POST", server.url)
            assert await anyio.to_thread.run_sync(server.gone.wait, LIMIT)


async def test_cancelled_in_the_body(adapters: list[Any]) -> None:
    """Cancellation while reading a stream closes the connection."""
    for module in adapters:
        with RawServer(HEAD + b"\r\n" + CHUNK, hold=True) as server:
            first = threading.Event()

            async def read(
                url: str = server.url, module: Any = module, first: threading.Event = first
            ) -> None:
                async with AsyncStream(await module.request("POST", url)) as stream:
                    async for _ in stream:
                        first.set()

            await cancel_when(first, read)
            assert await anyio.to_thread.run_sync(server.gone.wait, LIMIT)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_cancelled_before_the_response(adapters: list[Any], scheme: str) -> None:
    """Cancellation while sending a large request or during the handshake closes the connection."""
    for module in adapters:
        began, cancelled = threading.Event(), threading.Event()
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def serve(
                listener: socket.socket = listener,
                began: threading.Event = began,
                cancelled: threading.Event = cancelled,
            ) -> None:
                sock, _ = listener.accept()
                with sock:
                    sock.settimeout(LIMIT)
                    sock.recv(1)
                    began.set()
                    cancelled.wait(LIMIT)
                    with suppress(ConnectionResetError):
                        while sock.recv(65536):
                            pass

            thread = threading.Thread(target=serve)
            thread.start()
            url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/"
            await cancel_when(began, module.request, "POST", url, content=bytes(20_000_000))
            cancelled.set()
            await anyio.to_thread.run_sync(thread.join)
