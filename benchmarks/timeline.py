"""
Cost of a Timeline in nanoseconds a chunk, alone and together with a parser and an accumulator.

Each figure is the least of several rounds. The first measures `on_item()` without the loop, over
so few chunks that they stay in the processor's cache, as a chunk does that was just decoded. The
last ones read a body in pieces of one event each, without and with a timeline.
"""

import platform
from collections.abc import Callable

import shapes
from measure import least

import sseparse
from sseparse.timing import Timeline

ROUNDS = 9
CHUNKS = 20_000
HOT = 200


def a_chunk(run: Callable[[], object]) -> float:
    """Return the least time of several rounds, in nanoseconds a chunk."""
    return least(run, ROUNDS) / CHUNKS


def record_chunks(chunks: list[sseparse.Chunk]) -> None:
    timeline = Timeline()
    for chunk in chunks:
        timeline.on_item(chunk)


def empty_loop(chunks: list[sseparse.Chunk]) -> None:
    for _chunk in chunks:
        pass


def read(pieces: list[bytes]) -> None:
    parser, accumulator = sseparse.ChunkParser(), sseparse.Accumulator()
    for piece in pieces:
        for chunk in parser.feed(piece):
            accumulator.add(chunk)


def read_timed(pieces: list[bytes]) -> None:
    timeline = Timeline()
    parser, accumulator = sseparse.ChunkParser(), sseparse.Accumulator()
    for piece in pieces:
        chunks = parser.feed(piece)
        timeline.on_bytes(len(piece), events=len(chunks))
        for chunk in chunks:
            timeline.on_item(chunk)
            accumulator.add(chunk)
    timeline.on_end(parser.end, accumulator.snapshot())


def main() -> None:
    body = shapes.CHAT.make(CHUNKS)
    chunks = sseparse.ChunkParser().feed(body)
    pieces = [event + b"\n\n" for event in body.split(b"\n\n")[:-1]]
    hot = chunks[:HOT] * (CHUNKS // HOT)
    alone = a_chunk(lambda: record_chunks(hot)) - a_chunk(lambda: empty_loop(hot))
    without = a_chunk(lambda: read(pieces))
    timed = a_chunk(lambda: read_timed(pieces))
    print(f"Python {platform.python_version()}, {CHUNKS} chunks, least of {ROUNDS} rounds")
    cold = a_chunk(lambda: record_chunks(chunks)) - a_chunk(lambda: empty_loop(chunks))
    print(f"on_item alone                     {alone:7.0f} ns a chunk")
    print(f"the same, chunks out of the cache  {cold:7.0f} ns a chunk")
    print(f"parse and accumulate               {without:7.0f} ns a chunk")
    print(
        f"with on_bytes and on_item         {timed:7.0f} ns a chunk ({timed / without:.3f} times)"
    )


if __name__ == "__main__":
    main()
