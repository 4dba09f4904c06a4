"""Tests of many concurrent streams with different content."""

import anyio
import anyio.abc
import pytest
from anyio.lowlevel import checkpoint
from anyio.streams.memory import MemoryObjectSendStream

from sseparse import AsyncEventStream, AsyncStream, EndCause
from sseparse.adapters import anyio as anyio_adapter

STREAMS = 10_000
EVENTS = 2
SIZE = 50  # bytes of a piece: less than an event
LIMIT = 300  # seconds, far more than needed
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def text_of(stream: int) -> str:
    return "".join(f"<{stream} {number}>" for number in range(EVENTS))


def body_of(stream: int) -> bytes:
    deltas = [f'{{"content":"<{stream} {number}>"}}' for number in range(EVENTS)]
    events = [f'data: {{"choices":[{{"index":0,"delta":{delta}}}]}}\n\n' for delta in deltas]
    return "".join([*events, "data: [DONE]\n\n"]).encode()


def pieces_of(stream: int) -> list[bytes]:
    """Cut the body of a stream, in other places than that of the next stream."""
    body, first = body_of(stream), 1 + stream % SIZE
    cuts = [body[at : at + SIZE] for at in range(first, len(body), SIZE)]
    return [body[:first], *cuts]


async def send_in_turns(senders: list[MemoryObjectSendStream[bytes]]) -> None:
    """Send one piece to each stream, then the next piece to each, and so on."""
    left = [(sender, iter(pieces_of(number))) for number, sender in enumerate(senders)]
    while left:
        remaining = []
        for sender, pieces in left:
            piece = next(pieces, None)
            if piece is None:
                sender.close()
                continue
            try:
                sender.send_nowait(piece)
            except anyio.WouldBlock:
                await sender.send(piece)
            remaining.append((sender, pieces))
        left = remaining
        await checkpoint()


@pytest.mark.anyio
async def test_memory() -> None:
    """Each of ten thousand interleaved streams yields all of its own chunks, in order."""
    texts: dict[int, str] = {}
    senders = []

    async def read(source: anyio.abc.ObjectReceiveStream[bytes], number: int) -> None:
        async with AsyncStream(source) as stream:
            parts = [chunk.text async for chunk in stream]
        assert stream.end is not None
        assert stream.end.cause is EndCause.DONE
        assert stream.accumulator.text == "".join(parts)
        texts[number] = "".join(parts)

    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as tasks:
            for number in range(STREAMS):
                sender, receiver = anyio.create_memory_object_stream[bytes](1)
                senders.append(sender)
                tasks.start_soon(read, receiver, number)
            await send_in_turns(senders)
    assert texts == {number: text_of(number) for number in range(STREAMS)}


def max_sockets() -> int:
    """Return the number of streams that the limit of open files allows: each needs two."""
    resource = pytest.importorskip("resource")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 300 if soft == resource.RLIM_INFINITY else min(300, (soft - 100) // 2)


class Server:
    """Server that waits for all its connections, then sends one piece to each in turn."""

    def __init__(self, connections: int) -> None:
        self.all_closed = anyio.Event()
        self._all_connected = anyio.Event()
        self._connections = connections
        self._closed = 0
        self._streams: dict[int, anyio.abc.SocketStream] = {}

    async def handle(self, stream: anyio.abc.SocketStream) -> None:
        async with stream:
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                request += await stream.receive()
            await stream.send(HEAD)
            self._streams[int(request.split()[1].strip(b"/"))] = stream
            if len(self._streams) == self._connections:
                self._all_connected.set()
            try:
                await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                self._closed += 1
            if self._closed == self._connections:
                self.all_closed.set()

    async def send_in_turns(self) -> None:
        await self._all_connected.wait()
        left = {number: iter(pieces_of(number)) for number in self._streams}
        while left:
            for number, pieces in list(left.items()):
                piece = next(pieces, None)
                if piece is None:
                    del left[number]
                    await self._streams[number].send_eof()
                else:
                    await self._streams[number].send(piece)


@pytest.mark.anyio
async def test_sockets() -> None:
    """Each of hundreds of interleaved connections yields its own events, then is closed."""
    count = max_sockets()
    server = Server(count)
    received: dict[int, list[str]] = {}
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", backlog=512)
    port = listener.extra_attributes[anyio.abc.SocketAttribute.local_port]()

    async def read(number: int) -> None:
        source = await anyio_adapter.request("GET", f"http://127.0.0.1:{port}/{number}")
        async with AsyncEventStream(source) as stream:
            received[number] = [event.data async for event in stream]

    with anyio.fail_after(LIMIT):
        async with listener, anyio.create_task_group() as serving:
            serving.start_soon(listener.serve, server.handle)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.send_in_turns)
                for number in range(count):
                    tasks.start_soon(read, number)
            await server.all_closed.wait()
            serving.cancel_scope.cancel()
    expected = {number: body_of(number).decode().split("\n\n")[:-1] for number in range(count)}
    assert {key: [f"data: {data}" for data in found] for key, found in received.items()} == expected
