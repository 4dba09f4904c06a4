"""Many concurrent streams with different content, over memory or loopback sockets."""

import asyncio
import contextlib
import gc
import math
import ssl
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterable, Callable, Coroutine
from contextlib import aclosing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import anyio
from anyio.lowlevel import checkpoint
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from attrs import define, frozen
from processes import HOST, resident
from stamping import chunk
from ways import Target, open_anyio, receive

import sseparse
from sseparse import AsyncEventStream, AsyncStream
from sseparse.adapters import anyio as anyio_adapter

CHUNKS = 20
"""Text chunks in a stream."""
SIZE = 180
"""Bytes in a piece: less than a chunk, so that most streams hold an incomplete one."""
LIMIT = 300.0
"""Seconds after which a job fails."""
MAX_CONNECTING = 100
"""Maximum number of connections that are opened at a time."""
_NUMBER = b"@@@@@"


def _event(delta: str, finish: str) -> bytes:
    return (
        b'data: {"id":"chatcmpl-' + _NUMBER + b'","object":"chat.completion.chunk",'
        b'"created":1755878837,"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,'
        b'"delta":' + delta.encode() + b',"finish_reason":' + finish.encode() + b"}]}\n\n"
    )


_TEXT = "".join(f"<{_NUMBER.decode()} {number}>" for number in range(CHUNKS))
_BODY = b"".join(
    [
        *(
            _event(f'{{"content":"<{_NUMBER.decode()} {number}>"}}', "null")
            for number in range(CHUNKS)
        ),
        _event("{}", '"stop"'),
        b"data: [DONE]\n\n",
    ]
)
ROUNDS = math.ceil((len(_BODY) + SIZE - 1) / SIZE)


def text_of(stream: int) -> str:
    return _TEXT.replace(_NUMBER.decode(), f"{stream:05d}")


def body_of(stream: int) -> bytes:
    return _BODY.replace(_NUMBER, b"%05d" % stream)


def piece_of(stream: int, number: int) -> bytes:
    """Return a piece of the body of a stream, cut in other places than those of the next stream."""
    end = (number + 1) * SIZE - stream % SIZE
    return body_of(stream)[max(0, end - SIZE) : end]


@frozen
class Job:
    """
    Input of a process.

    Attributes:
        backend: Event loop.
        reader: Name in `READERS`.
        streams: Number of streams.
        traced: Whether allocations are traced, which is slow.
        port: Port of the server; None for memory streams.
    """

    backend: str
    reader: str
    streams: int
    traced: bool = False
    port: int | None = None


@define
class Finding:
    """
    Results of a process.

    Attributes:
        opened: Seconds until all streams were open.
        seconds: Seconds from then to the end of the last one.
        items: Number of items.
        wrong: Number of streams with wrong content.
        resident: Growth of the resident memory in bytes until half was read; None if unavailable.
        traced: Growth of the allocated memory in bytes until then; None if not traced.
        traced_here: The part of it that sseparse allocated.
    """

    opened: float = 0.0
    seconds: float = 0.0
    items: int = 0
    wrong: int = 0
    resident: int | None = None
    traced: int | None = None
    traced_here: int | None = None


class Meter:
    """Counter of items that measures the memory when half of them were read."""

    def __init__(self, job: Job) -> None:
        self.finding = Finding()
        self._job = job
        self._read = 0.0
        self._measured = False
        self._open = 0
        self._started = time.perf_counter()
        gc.collect()
        if job.traced:
            tracemalloc.start()
        self._resident = resident()
        self._traced = tracemalloc.get_traced_memory()[0]

    def opened(self) -> None:
        self._open += 1
        if self._open == self._job.streams:
            self.finding.opened = time.perf_counter() - self._started

    def count(self, share: float = 1 / CHUNKS) -> None:
        """Count an item, which is the given share of its stream."""
        self.finding.items += 1
        self._read += share
        if not self._measured and self._read >= self._job.streams / 2:
            self._measured = True
            self._measure()

    def check(self, *, right: bool) -> None:
        self.finding.wrong += not right

    def stop(self) -> Finding:
        elapsed = time.perf_counter() - self._started
        self.finding.seconds = elapsed - self.finding.opened
        return self.finding

    def _measure(self) -> None:
        gc.collect()
        now = resident()
        if now is not None and self._resident is not None:
            self.finding.resident = now - self._resident
        if self._job.traced:
            self.finding.traced = tracemalloc.get_traced_memory()[0] - self._traced
            self.finding.traced_here = _allocated_here()


def _allocated_here() -> int:
    folder = Path(sseparse.__file__).parent
    # attrs generates the initialisers of classes of sseparse.
    patterns = (f"{folder}/*", "<attrs generated*sseparse*")
    snapshot = tracemalloc.take_snapshot().filter_traces(
        [tracemalloc.Filter(inclusive=True, filename_pattern=pattern) for pattern in patterns]
    )
    return sum(statistic.size for statistic in snapshot.statistics("filename"))


async def read_bare(source: AsyncIterable[bytes], number: int, meter: Meter) -> None:
    """Read bytes without parsing, and check their CRC."""
    checksum = 0
    async for piece in source:
        checksum = zlib.crc32(piece, checksum)
        meter.count(len(piece) / len(_BODY))
    meter.check(right=checksum == zlib.crc32(body_of(number)))


async def read_events(source: Any, number: int, meter: Meter) -> None:
    received = []
    async with AsyncEventStream(source) as stream:
        async for event in stream:
            received.append(event.data)
            meter.count()
    expected = body_of(number).decode().split("\n\n")[:-1]
    meter.check(right=[f"data: {data}" for data in received] == expected)


async def read_chunks(source: Any, number: int, meter: Meter) -> None:
    texts = []
    async with AsyncStream(source) as stream:
        async for part in stream:
            texts.append(part.text)
            meter.count()
        text = stream.accumulator.text
    complete = stream.end is not None and stream.end.complete
    meter.check(right=complete and "".join(texts) == text == text_of(number))


Reader = Callable[[Any, int, Meter], Coroutine[Any, Any, None]]
READERS: dict[str, Reader] = {
    "bytes alone": read_bare,
    "AsyncEventStream": read_events,
    "AsyncStream": read_chunks,
}


def run(job: Job) -> Finding:
    """Run a job in this process, which should be a new one."""
    return anyio.run(_run, job, backend=job.backend)


async def _run(job: Job) -> Finding:
    meter = Meter(job)
    with anyio.fail_after(LIMIT):
        await (_over_memory(job, meter) if job.port is None else _over_sockets(job, meter))
    return meter.stop()


async def _over_memory(job: Job, meter: Meter) -> None:
    read = READERS[job.reader]
    senders = []

    async def read_memory(receiver: MemoryObjectReceiveStream[bytes], number: int) -> None:
        async with receiver:
            await read(receiver, number, meter)

    async with anyio.create_task_group() as tasks:
        for number in range(job.streams):
            sender, receiver = anyio.create_memory_object_stream[bytes](1)
            senders.append(sender)
            tasks.start_soon(read_memory, receiver, number)
            meter.opened()
        await _send_in_turns(senders)


async def _send_in_turns(senders: list[MemoryObjectSendStream[bytes]]) -> None:
    """Send one piece to each stream, then the next piece to each, and so on."""
    for round_number in range(ROUNDS):
        for number, sender in enumerate(senders):
            if piece := piece_of(number, round_number):
                try:
                    sender.send_nowait(piece)
                except anyio.WouldBlock:
                    await sender.send(piece)
        await checkpoint()
    for sender in senders:
        sender.close()


async def _over_sockets(job: Job, meter: Meter) -> None:
    limiter = anyio.CapacityLimiter(MAX_CONNECTING)
    context = ssl.create_default_context()
    bare = job.reader == "bytes alone"
    read = READERS[job.reader]

    async def read_bare_socket(number: int, url: str) -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with limiter:
                stream = await stack.enter_async_context(open_anyio(Target(url, context)))
            meter.opened()
            async with aclosing(receive(stream)) as pieces:
                await read(pieces, number, meter)

    async def read_socket(number: int, url: str) -> None:
        async with limiter:
            source = await anyio_adapter.request("GET", url)
        meter.opened()
        await read(source, number, meter)

    async with anyio.create_task_group() as tasks:
        for number in range(job.streams):
            url = f"http://{HOST}:{job.port}/{number}/{job.streams}"
            tasks.start_soon(read_bare_socket if bare else read_socket, number, url)


def serve_swarm(pipe: Connection) -> None:
    """Run a server process that serves one job after the other."""
    asyncio.run(_serve_swarm(pipe))


async def _serve_swarm(pipe: Connection) -> None:
    waiting: dict[int, asyncio.StreamWriter] = {}
    tasks = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        number, streams = (int(part) for part in head.split()[1].strip(b"/").split(b"/"))
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        )
        waiting[number] = writer
        if len(waiting) == streams:
            task = asyncio.create_task(_serve_in_turns(dict(waiting)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            waiting.clear()

    server = await asyncio.start_server(accept, HOST, 0, backlog=4096)
    async with server:
        pipe.send([server.sockets[0].getsockname()[1]])
        with contextlib.suppress(EOFError):
            await asyncio.to_thread(pipe.recv)


async def _serve_in_turns(writers: dict[int, asyncio.StreamWriter]) -> None:
    # This runs when all streams are connected.
    for round_number in range(ROUNDS):
        for number, writer in writers.items():
            if piece := piece_of(number, round_number):
                writer.write(chunk(piece))
        await asyncio.sleep(0)
    for writer in writers.values():
        writer.write(chunk(b""))
        writer.close()
