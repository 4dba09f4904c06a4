"""Very many streams at once, each with content of its own."""

import anyio
import anyio.abc
import pytest
from anyio.lowlevel import checkpoint
from anyio.streams.memory import MemoryObjectSendStream

from sseparse import AsyncEventStream, AsyncStream, EndCause
from sseparse.adapters import anyio as anyio_adapter

STREAMS = 10_000
EVENTS = 2
SIZE = 50  # bytes in a piece: not quite an event
LIMIT = 120.0  # seconds: far more than any machine needs
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def text_of(stream: int) -> str:
    return "".join(f"<{stream} {number}>" for number in range(EVENTS))


def body_of(stream: int) -> bytes:
    deltas = [f'{{"content":"<{stream} {number}>"}}' for number in range(EVENTS)]
    events = [f'data: {{"choices":[{{"index":0,"delta":{delta}}}]}}\n\n' for delta in deltas]
    return "".join([*events, "data: [DONE]\n\n"]).encode()


def pieces_of(stream: int) -> list[bytes]:
    """Cut the body, each stream's at other places than the next one's."""
    body, first = body_of(stream), 1 + stream % SIZE
    cuts = [body[at : at + SIZE] for at in range(first, len(body), SIZE)]
    return [body[:first], *cuts]


async def send_in_turns(senders: list[MemoryObjectSendStream[bytes]]) -> None:
    """Send each stream its next piece before any gets the one after."""
    left = [(sender, iter(pieces_of(number))) for number, sender in enumerate(senders)]
    while left:
        going = []
        for sender, pieces in left:
            piece = next(pieces, None)
            if piece is None:
                sender.close()
                continue
            try:
                sender.send_nowait(piece)
            except anyio.WouldBlock:
                await sender.send(piece)
            going.append((sender, pieces))
        left = going
        await checkpoint()


@pytest.mark.anyio
async def test_memory() -> None:
    """Of ten thousand streams that take turns, each gives its own chunks, all and in order."""
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


def most_sockets() -> int:
    """Return how many streams the limit of open files allows, two files for each."""
    resource = pytest.importorskip("resource")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 300 if soft == resource.RLIM_INFINITY else min(300, (soft - 100) // 2)


class Server:
    """Answer so many connections, one piece for each in turn, once all of them are there."""

    def __init__(self, connections: int) -> None:
        self.all_closed = anyio.Event()
        self._everyone = anyio.Event()
        self._connections = connections
        self._closed = 0
        self._streams: dict[int, anyio.abc.SocketStream] = {}

    async def take(self, stream: anyio.abc.SocketStream) -> None:
        async with stream:
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                request += await stream.receive()
            await stream.send(HEAD)
            self._streams[int(request.split()[1].strip(b"/"))] = stream
            if len(self._streams) == self._connections:
                self._everyone.set()
            try:
                await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                self._closed += 1
            if self._closed == self._connections:
                self.all_closed.set()

    async def send_in_turns(self) -> None:
        await self._everyone.wait()
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
    """The same of hundreds of connections; each is closed at its end, which its server sees."""
    count = most_sockets()
    server = Server(count)
    datas: dict[int, list[str]] = {}
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", backlog=512)
    port = listener.extra_attributes[anyio.abc.SocketAttribute.local_port]()

    async def read(number: int) -> None:
        source = await anyio_adapter.request("GET", f"http://127.0.0.1:{port}/{number}")
        async with AsyncEventStream(source) as stream:
            datas[number] = [event.data async for event in stream]

    with anyio.fail_after(LIMIT):
        async with listener, anyio.create_task_group() as serving:
            serving.start_soon(listener.serve, server.take)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.send_in_turns)
                for number in range(count):
                    tasks.start_soon(read, number)
            await server.all_closed.wait()
            serving.cancel_scope.cancel()
    wanted = {number: body_of(number).decode().split("\n\n")[:-1] for number in range(count)}
    assert {key: [f"data: {data}" for data in found] for key, found in datas.items()} == wanted
