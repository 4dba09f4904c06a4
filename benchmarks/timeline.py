"""
Measure what a Timeline costs: nanoseconds a chunk, alone and riding along a whole stream.

Each figure is the least of several rounds. The first measures `on_chunk` over chunks as a server
sends them, few enough to stay in the processor's cache as a chunk just decoded is, less the
empty loop; the second reads a body in pieces of one event each, with parser
and accumulator, and compares it without and with a timeline.
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


def note_chunks(chunks: list[sseparse.Chunk]) -> None:
    timeline = Timeline()
    for chunk in chunks:
        timeline.on_chunk(chunk)


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
            timeline.on_chunk(chunk)
            accumulator.add(chunk)
    timeline.on_end()


def main() -> None:
    body = shapes.CHAT.make(CHUNKS)
    chunks = sseparse.ChunkParser().feed(body)
    pieces = [event + b"\n\n" for event in body.split(b"\n\n")[:-1]]
    hot = chunks[:HOT] * (CHUNKS // HOT)
    alone = a_chunk(lambda: note_chunks(hot)) - a_chunk(lambda: empty_loop(hot))
    without = a_chunk(lambda: read(pieces))
    timed = a_chunk(lambda: read_timed(pieces))
    print(f"Python {platform.python_version()}, {CHUNKS} chunks, least of {ROUNDS} rounds")
    cold = a_chunk(lambda: note_chunks(chunks)) - a_chunk(lambda: empty_loop(chunks))
    print(f"on_chunk alone                     {alone:7.0f} ns a chunk")
    print(f"the same, chunks out of the cache  {cold:7.0f} ns a chunk")
    print(f"parse and accumulate               {without:7.0f} ns a chunk")
    print(
        f"with on_bytes and on_chunk         {timed:7.0f} ns a chunk ({timed / without:.3f} times)"
    )


if __name__ == "__main__":
    main()
