"""Many streams at once, each with content of its own, over memory or over loopback sockets."""

import asyncio
import contextlib
import gc
import math
import os
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
from stamping import HOST, chunk
from ways import Target, open_anyio, receive

import sseparse
from sseparse import AsyncEventStream, AsyncStream
from sseparse.adapters import anyio as anyio_adapter

CHUNKS = 20
"""Chunks of text in a stream."""
SIZE = 180
"""Bytes in a piece: not quite a chunk, so that each stream holds a part of one most of the time."""
LIMIT = 300.0
"""Seconds after which a swarm gives up."""
CONNECTING = 100
"""How many connections are made at a time."""
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
    """Return a piece of a stream's body; each stream is cut at other places than the next."""
    end = (number + 1) * SIZE - stream % SIZE
    return body_of(stream)[max(0, end - SIZE) : end]


@frozen
class Job:
    """
    Say what a swarm does.

    Attributes:
        backend: The event loop.
        reader: Who reads: a name in `READERS`.
        streams: How many streams there are.
        traced: Whether allocations are traced, which makes all of it slow.
        port: Where the streams are served; None for memory.
    """

    backend: str
    reader: str
    streams: int
    traced: bool = False
    port: int | None = None


@define
class Finding:
    """
    Say how it went.

    Attributes:
        opened: Seconds until all streams were open.
        seconds: Seconds from then to the end of the last one.
        items: How many items were handed out.
        wrong: How many streams did not give what was theirs, all of it and in order.
        resident: Bytes of memory that the process had more when half was read than before the
            first stream; None where the system does not tell.
        traced: Bytes that Python had allocated more at that time; None if not traced.
        traced_here: Those of them that sseparse had allocated.
    """

    opened: float = 0.0
    seconds: float = 0.0
    items: int = 0
    wrong: int = 0
    resident: int | None = None
    traced: int | None = None
    traced_here: int | None = None


class Meter:
    """Count what is handed out, and look at the memory when half of it was."""

    def __init__(self, job: Job) -> None:
        self.finding = Finding()
        self._job = job
        self._read = 0.0
        self._looked = False
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

    def saw(self, share: float = 1 / CHUNKS) -> None:
        """Count an item, which is such a share of its stream."""
        self.finding.items += 1
        self._read += share
        if not self._looked and self._read >= self._job.streams / 2:
            self._looked = True
            self._look()

    def judge(self, *, right: bool) -> None:
        self.finding.wrong += not right

    def stop(self) -> Finding:
        elapsed = time.perf_counter() - self._started
        self.finding.seconds = elapsed - self.finding.opened
        return self.finding

    def _look(self) -> None:
        gc.collect()
        now = resident()
        if now is not None and self._resident is not None:
            self.finding.resident = now - self._resident
        if self._job.traced:
            self.finding.traced = tracemalloc.get_traced_memory()[0] - self._traced
            self.finding.traced_here = _allocated_here()


def resident() -> int | None:
    """Return the resident memory of this process in bytes, where Linux tells it."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except FileNotFoundError:
        return None
    return pages * os.sysconf("SC_PAGESIZE")


def _allocated_here() -> int:
    folder = Path(sseparse.__file__).parent
    # attrs writes the initialisers; what they allocate is sseparse's.
    patterns = (f"{folder}/*", "<attrs generated*sseparse*")
    snapshot = tracemalloc.take_snapshot().filter_traces(
        [tracemalloc.Filter(inclusive=True, filename_pattern=pattern) for pattern in patterns]
    )
    return sum(statistic.size for statistic in snapshot.statistics("filename"))


async def read_bare(source: AsyncIterable[bytes], number: int, meter: Meter) -> None:
    """Read bytes and understand nothing; keep their sum alone, to check them."""
    checksum = 0
    async for piece in source:
        checksum = zlib.crc32(piece, checksum)
        meter.saw(len(piece) / len(_BODY))
    meter.judge(right=checksum == zlib.crc32(body_of(number)))


async def read_events(source: Any, number: int, meter: Meter) -> None:
    datas = []
    async with AsyncEventStream(source) as stream:
        async for event in stream:
            datas.append(event.data)
            meter.saw()
    wanted = body_of(number).decode().split("\n\n")[:-1]
    meter.judge(right=[f"data: {data}" for data in datas] == wanted)


async def read_chunks(source: Any, number: int, meter: Meter) -> None:
    texts = []
    async with AsyncStream(source) as stream:
        async for part in stream:
            texts.append(part.text)
            meter.saw()
        text = stream.accumulator.text
    complete = stream.end is not None and stream.end.complete
    meter.judge(right=complete and "".join(texts) == text == text_of(number))


Reader = Callable[[Any, int, Meter], Coroutine[Any, Any, None]]
READERS: dict[str, Reader] = {
    "bytes alone": read_bare,
    "AsyncEventStream": read_events,
    "AsyncStream": read_chunks,
}


def run(job: Job) -> Finding:
    """Do a job in this process, which should be a fresh one."""
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
    """Send each stream its next piece before any of them gets the one after."""
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
    limiter = anyio.CapacityLimiter(CONNECTING)
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
    """Serve streams to one swarm after the other: a process's whole work."""
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
    # None is served before all are there; the last one has yet to read its head.
    for round_number in range(ROUNDS):
        for number, writer in writers.items():
            if piece := piece_of(number, round_number):
                writer.write(chunk(piece))
        await asyncio.sleep(0)
    for writer in writers.values():
        writer.write(chunk(b""))
        writer.close()
