"""
Measure the processor time of a client, from the bytes of a server to the finished completion.

The server runs in its own process; the time is that of the client's process, per chunk, in
microseconds. For each transport, the usual code of its library, which only reads the bytes, and
sseparse take turns; a figure is the least of the rounds. "Floors" is what sseparse adds, in times
of msgspec decoding a chunk, because the speed of a machine varies.

Each event is an HTTP chunk of its own. In "at once", the server sends all of them in one write, and
a read returns many; in "one by one", it sends one after another, and most reads return one. Other
clients follow for comparison.
"""

import argparse
import asyncio
import gc
import socket
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from multiprocessing.connection import Connection
from ssl import create_default_context
from typing import Any

import anyio
import msgspec
from attrs import frozen
from measure import decoding, local
from processes import HOST, listen, process, serve_until_closed
from shapes import CHAT, Sample
from ways import SIZE, TRANSPORTS, Target, Way

from sseparse import AsyncChatStream, ChatCompletionChunk, ChatStream

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
PAUSE = 0.0003
"""Seconds between two events that are sent one by one."""
MODES = {"at once": (2_000, 1), "one by one": (200, 2)}
"""Events of a stream, and how often a round is repeated, by the server's behaviour."""
GOAL = 3.0
"""Goal: maximum microseconds per chunk that sseparse adds to a library."""
QUESTION: Any = [{"role": "user", "content": "hi"}]
Read = Callable[[], float]


@frozen
class ClientCost:
    """
    Processor time of a client, in microseconds per chunk.

    Attributes:
        mode: The server's behaviour.
        name: The transport or client.
        bare: The library without sseparse; None for another client.
        full: Bytes to the finished completion.
        floor: msgspec alone, decoding a chunk, at about the same time.
    """

    mode: str
    name: str
    bare: float | None
    full: float
    floor: float

    @property
    def added(self) -> float | None:
        return None if self.bare is None else self.full - self.bare


# The server


def serve(pipe: Connection, samples: dict[str, Sample]) -> None:
    """Answer requests for the samples, by path, until the pipe closes."""
    serve_until_closed(pipe, [listen(answer, samples)])


def answer(sock: socket.socket, samples: dict[str, Sample]) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(OSError), sock:
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(SIZE)
        path = head.split(b" ", 2)[1].decode()
        is_raw = path.startswith("/raw/")
        mode = path.removeprefix("/raw").split("/")[1].replace("-", " ")
        blocks = list(samples[mode].blocks)
        if not is_raw:
            blocks = [b"%x\r\n%b\r\n" % (len(block), block) for block in blocks]
            sock.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n")
            blocks[-1] += b"0\r\n\r\n"
        if mode == "at once":
            sock.sendall(b"".join(blocks))
        else:
            for block in blocks:
                time.sleep(PAUSE)
                sock.sendall(block)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(SIZE):
            pass


# The clients


@asynccontextmanager
async def open_streams(target: Target) -> AsyncIterator[asyncio.StreamReader]:
    """Open a connection without HTTP, as to a child process."""
    port, path = target.url.removeprefix(f"http://{HOST}:").split("/", 1)
    reader, writer = await asyncio.open_connection(HOST, int(port))
    writer.write(f"GET /raw/{path} HTTP/1.1\r\n\r\n".encode())
    try:
        yield reader
    finally:
        writer.close()


async def read_streams(reader: asyncio.StreamReader) -> AsyncGenerator[bytes, None]:
    while piece := await reader.read(SIZE):
        yield piece


WAYS = (*TRANSPORTS, Way("asyncio streams", "asyncio", open_streams, read_streams, "asyncio"))


def transport(way: Way, target: Target, expected: str | None) -> Read:
    """Return a function that reads a response; with sseparse if there is an expected text."""

    def read() -> float:
        with way.open(target) as opened:
            start = time.process_time()
            if expected is None:
                for _ in way.read(opened):
                    pass
            else:
                check(ChatStream(opened).result().text, expected)
            return time.process_time() - start

    async def read_async() -> float:
        async with way.open(target) as opened:
            start = time.process_time()
            if expected is None:
                async for _ in way.read(opened):
                    pass
            else:
                check((await AsyncChatStream(opened).result()).text, expected)
            return time.process_time() - start

    if way.backend is None:
        return read
    return lambda: anyio.run(read_async, backend=way.backend or "")


def check(text: str | None, expected: str) -> None:
    if text != expected:
        raise ValueError("unexpected text")


def openai_python(target: Target, expected: str) -> Read:
    import openai

    client = openai.OpenAI(base_url=target.url, api_key="none", max_retries=0)

    def read() -> float:
        start = time.process_time()
        with client.chat.completions.stream(model="m", messages=QUESTION) as stream:
            check(stream.get_final_completion().choices[0].message.content, expected)
        return time.process_time() - start

    return read


def f3dx(target: Target, expected: str) -> Read:
    import f3dx as library

    client: Any = library.OpenAI(api_key="none", base_url=target.url, http2=False)
    request = {"model": "m", "messages": QUESTION}

    def read() -> float:
        start = time.process_time()
        parts: list[str] = []
        for chunk in client.chat_completions_create_stream(request):
            choices = chunk["choices"]
            if choices:
                parts.append(choices[0]["delta"].get("content") or "")
        used = time.process_time() - start
        check("".join(parts), expected)
        return used

    return read


CLIENTS: dict[str, Callable[[Target, str], Read]] = {"openai-python": openai_python, "f3dx": f3dx}


# The measurement


def least_times(reads: list[Read], rounds: int) -> list[float]:
    """Return the least time of each function; they take turns, after a warm-up round."""
    times: list[list[float]] = [[] for _ in reads]
    for number in range(rounds + 1):
        for read, kept in list(zip(reads, times, strict=True))[:: 1 if number % 2 else -1]:
            gc.collect()
            gc.disable()
            seconds = read()
            gc.enable()
            if number:
                kept.append(seconds)
    return [min(kept) for kept in times]


def floor(sample: Sample) -> float:
    """Return the time that msgspec alone needs to decode a chunk, in microseconds."""
    run = decoding(msgspec.json.Decoder(ChatCompletionChunk).decode, sample.payloads)
    turn = local(lambda _: run)(None)
    return least_times([lambda: turn()[0]], 5)[0] / len(sample.payloads) * 1e6


def measure_all(
    rounds: int, names: list[str], modes: list[str], missing: dict[str, str]
) -> Iterator[ClientCost]:
    """Measure each transport and client with each behaviour of the server."""
    samples = {mode: CHAT.build(count) for mode, (count, _) in MODES.items()}
    context = create_default_context()
    with process(serve, samples) as (port,):
        for mode in modes:
            (text,) = samples[mode].expected.texts
            micros = 1e6 / samples[mode].expected.chunks
            turns = rounds * MODES[mode][1]
            target = Target(f"http://{HOST}:{port}/{mode.replace(' ', '-')}", context)
            for way in WAYS:
                if way.name not in names:
                    continue
                reads = [transport(way, target, None), transport(way, target, text)]
                try:
                    bare, full = least_times(reads, turns)
                except ImportError as error:
                    missing[way.name] = f"not installed: {error}"
                    continue
                yield ClientCost(mode, way.name, bare * micros, full * micros, floor(samples[mode]))
            for name, client in CLIENTS.items():
                if name not in names:
                    continue
                try:
                    (full,) = least_times([client(target, text)], max(2, turns // 5))
                except ImportError as error:
                    missing[name] = f"not installed: {error}"
                    continue
                yield ClientCost(mode, name, None, full * micros, floor(samples[mode]))


NAMES = [*(way.name for way in WAYS), *CLIENTS]


def measure(rounds: int, missing: dict[str, str]) -> list[ClientCost]:
    """Measure everything."""
    return list(measure_all(rounds, NAMES, list(MODES), missing))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--mode", action="append", choices=MODES, help="only this behaviour")
    parser.add_argument("--transport", action="append", choices=NAMES, help="only this one")
    options = parser.parse_args()
    missing: dict[str, str] = {}
    print(f"{'us of processor time per chunk':<32}{'bare':>9}{'full':>9}{'added':>8}{'floors':>8}")
    names, modes = options.transport or NAMES, options.mode or list(MODES)
    for cost in measure_all(options.rounds, names, modes, missing):
        bare = "" if cost.bare is None else f"{cost.bare:.2f}"
        added = "" if cost.added is None else f"{cost.added:+.2f}"
        floors = "" if cost.added is None else f"{cost.added / cost.floor:+.1f}"
        label = f"{cost.mode}, {cost.name}"
        print(f"{label:<32}{bare:>9}{cost.full:>9.2f}{added:>8}{floors:>8}", flush=True)
    for name, reason in missing.items():
        print(f"{name}: {reason}", file=sys.stderr)


if __name__ == "__main__":
    main()
