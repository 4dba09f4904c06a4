"""How much memory a stream takes: for nothing, and for an event."""

import gc
import tracemalloc
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from sseparse import AsyncStream, EventStream, Parser, Stream

MEBIBYTE = 1 << 20
STREAMS = 500


async def no_bytes() -> AsyncIterator[bytes]:
    for piece in list[bytes]():
        yield piece


IDLE: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "Stream": (lambda: iter(()), Stream),
    "AsyncStream": (no_bytes, AsyncStream),
    "EventStream": (lambda: iter(()), EventStream),
}


@pytest.mark.parametrize("kind", IDLE)
def test_an_idle_stream_is_small(kind: str) -> None:
    """One that has seen nothing, with its parser, decoder and accumulator, takes 2 KiB at most."""
    make_source, make = IDLE[kind]
    make(make_source())
    sources = [make_source() for _ in range(STREAMS)]
    streams: list[object] = [None] * STREAMS
    gc.collect()
    tracemalloc.start()
    for number, source in enumerate(sources):
        streams[number] = make(source)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held / STREAMS <= 2048


@pytest.mark.parametrize(
    "piece",
    [b"x" * 65536, (b"\ndata: " + b"x" * 57) * 1024],
    ids=["one line", "many lines"],
)
def test_an_event_is_held_twice_at_most(piece: bytes) -> None:
    """The bytes that came and the text made of them; an eighth more to grow into."""
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
