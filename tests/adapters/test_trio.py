"""Responses read from trio's streams."""

from collections.abc import Iterable

import pytest
import trio
import trio.testing

from sseparse import AsyncStream, EndCause, NotEventStream, TransportError
from sseparse.adapters import trio as adapter

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "trio"


class Scripted(trio.abc.ReceiveStream):
    """A stream that returns or raises each item of a script, then waits forever."""

    def __init__(self, script: Iterable[bytes | Exception]) -> None:
        self.script = list(script)
        self.closed = False

    async def receive_some(self, max_bytes: int | None = None) -> bytearray:
        assert max_bytes == 65536
        await trio.lowlevel.checkpoint()
        if not self.script:
            await trio.sleep_forever()
        item = self.script.pop(0)
        if isinstance(item, Exception):
            raise item
        return bytearray(item)

    async def aclose(self) -> None:
        self.closed = True
        await trio.lowlevel.checkpoint()


async def test_body() -> None:
    """The head is read first, and the body is returned as bytes objects as they arrive."""
    ours, theirs = trio.testing.memory_stream_one_way_pair()
    source = adapter.source(theirs)
    assert (source.status, source.headers, source.pooled) == (None, {}, False)

    await ours.send_all(HEAD + b"Content-Length: 7\r\n\r\n: a")
    assert await anext(source) == b": a"
    assert (source.status, source.headers["content-length"]) == (200, "7")
    await ours.send_all(b"\n: b")
    piece = await anext(source)
    assert (piece, type(piece)) == (b"\n: b", bytes)
    assert [piece async for piece in source] == []
    await source.aclose()
    await source.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await anext(source)
    with pytest.raises(trio.BrokenResourceError):
        await ours.send_all(b"x")


async def test_stream() -> None:
    """A stream reads the body to the end of the connection, and closes it."""
    stream = Scripted([HEAD + b"\r\n" + CHUNK[:30], CHUNK[30:], b""])
    async with AsyncStream(adapter.source(stream)) as chunks:
        assert [chunk.text async for chunk in chunks] == ["Hi"]
    assert stream.closed
    assert chunks.end is not None
    assert chunks.end.cause is EndCause.FINISHED


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (trio.BrokenResourceError("reset"), "^trio failed: BrokenResourceError: reset$"),
        (trio.ClosedResourceError(), "^trio failed: ClosedResourceError: no reason given$"),
        (OSError(5, "bad"), "^trio failed: OSError: .*bad"),
    ],
)
async def test_failures(item: Exception, message: str) -> None:
    """An exception of trio is the cause of the TransportError."""
    source = adapter.source(Scripted([HEAD + b"\r\n: a\n", item]))
    assert await anext(source) == b": a\n"
    with pytest.raises(TransportError, match=message) as raised:
        await anext(source)
    assert raised.value.__cause__ is item


async def test_causes_of_failures() -> None:
    """The message has the cause of an exception that has no message itself."""
    broken = trio.BrokenResourceError()
    broken.__cause__ = ConnectionResetError("by peer")
    with pytest.raises(TransportError, match="BrokenResourceError: by peer"):
        await anext(adapter.source(Scripted([broken])))


async def test_cut_and_encoded() -> None:
    """Truncated, non-HTTP and compressed responses raise their errors."""
    with pytest.raises(TransportError, match="before the head"):
        await anext(adapter.source(Scripted([HEAD, b""])))
    with pytest.raises(TransportError, match="as an iterable"):
        await anext(adapter.source(Scripted([CHUNK])))
    with pytest.raises(NotEventStream, match="gzip"):
        await anext(adapter.source(Scripted([HEAD + b"Content-Encoding: gzip\r\n\r\n\x1f"])))


async def test_cancelled_reads() -> None:
    """A cancelled read loses no bytes, and cancelled closing doesn't wait."""
    stream = Scripted([HEAD + b"\r\n: a\n"])
    source = adapter.source(stream)
    assert await anext(source) == b": a\n"
    with trio.CancelScope() as scope:
        scope.cancel()
        await anext(source)
    stream.script.append(b": b\n")
    assert await anext(source) == b": b\n"
    with trio.CancelScope() as scope:
        scope.cancel()
        await source.aclose()
    assert stream.closed


async def test_two_readers() -> None:
    """Reading in two tasks raises RuntimeError in the second one only."""
    ours, theirs = trio.testing.memory_stream_one_way_pair()
    source = adapter.source(theirs)
    got: list[bytes] = []

    async def read() -> None:
        got.append(await anext(source))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="another task"):
            await anext(source)
        await ours.send_all(HEAD + b"\r\n: a\n")
    assert got == [b": a\n"]
    await source.aclose()


def test_wrong_objects() -> None:
    """An object that isn't a stream of trio raises TypeError."""
    with pytest.raises(TypeError, match="takes a stream of trio, not list"):
        adapter.source([])  # type: ignore[arg-type] # the misuse
