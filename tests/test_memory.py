"""Memory of idle streams, large events and long answers."""

import subprocess
import sys
import tracemalloc

import pytest

from sseparse import Accumulator, ChunkParser, Parser

MEBIBYTE = 1 << 20


IDLE = """
import gc, tracemalloc
from sseparse import {kind}

async def no_bytes():
    for piece in ():
        yield piece

def source():
    return no_bytes() if "{kind}".startswith("Async") else iter(())

{kind}(source())
sources = [source() for _ in range({count})]
streams = [None] * {count}
gc.collect()
tracemalloc.start()
for number, one in enumerate(sources):
    streams[number] = {kind}(one)
print(tracemalloc.get_traced_memory()[0] / {count})
"""


@pytest.mark.parametrize("kind", ["Stream", "AsyncStream", "EventStream", "AsyncEventStream"])
def test_idle_stream_is_small(kind: str) -> None:
    """A stream before its first byte, with all its objects, uses at most 2 KiB (3.14: 2.25)."""
    # In a separate process, because other tests can make the objects of a class larger.
    code = IDLE.format(kind=kind, count=500)
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )

    assert float(result.stdout) <= (2048 if sys.version_info < (3, 14) else 2304)


@pytest.mark.parametrize(
    "piece",
    [b"x" * 65536, (b"\ndata: " + b"x" * 57) * 1024],
    ids=["one line", "many lines"],
)
def test_large_event_is_stored_at_most_twice(piece: bytes) -> None:
    """The peak is the received bytes, the text of the event, and an eighth for growth."""
    parser = Parser()
    tracemalloc.start()
    parser.feed(b"data: ")
    for _ in range(256):
        parser.feed(piece)
    (event,) = parser.feed(b"\n\n")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(event.data) > 14 * MEBIBYTE
    assert peak <= 2.2 * len(event.data)


def test_memory_of_a_long_answer() -> None:
    """A completion in small chunks uses less than twice the memory of its text."""
    parser, accumulator = ChunkParser(), Accumulator()
    event = b'data: {"choices":[{"index":0,"delta":{"content":" tokn"}}]}\n\n'
    tracemalloc.start()
    for _ in range(20_000):
        for chunk in parser.feed(event):
            accumulator.add(chunk)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert accumulator.text == " tokn" * 20_000
    assert held < 2 * len(accumulator.text)
