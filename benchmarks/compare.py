"""
Measure beside other libraries, in one run: microseconds an item, and growth when doubled.

Each figure is the least of five rounds, the contenders taking turns; for growth the median, since
small blocks of memory are sometimes had again for nothing. A contender that is not
installed is said and left out.
"""

import gc
import platform
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from statistics import median
from typing import Any

import msgspec
from shapes import CHAT, DIALECT, HEAVY, Shape, pieces

from sseparse import Accumulator, ChatCompletionChunk, ChunkParser, Parser

ROUNDS = 5
COUNT = 5000
Work = Callable[[list[bytes]], int]


def sseparse_events(feeds: list[bytes]) -> int:
    parser = Parser()
    return sum(len(parser.feed(piece)) for piece in feeds)


def sseparse_chunks(feeds: list[bytes]) -> int:
    parser = ChunkParser()
    return sum(len(parser.feed(piece)) for piece in feeds)


def sseparse_completion(feeds: list[bytes]) -> int:
    parser, accumulator, seen = ChunkParser(), Accumulator(), 0
    for piece in feeds:
        for chunk in parser.feed(piece):
            accumulator.add(chunk)
            seen += 1
    assert accumulator.text
    return seen


def bare_msgspec(feeds: list[bytes]) -> int:
    """Decode the same payloads and nothing else: the floor of any typed decoding."""
    decoder = msgspec.json.Decoder(ChatCompletionChunk)
    seen = 0
    for payload in _payloads(b"".join(feeds)):
        decoder.decode(payload)
        seen += 1
    return seen


_CUT: dict[int, list[bytes]] = {}


def _payloads(body: bytes) -> list[bytes]:
    if hash(body) not in _CUT:
        _CUT[hash(body)] = [block[6:] for block in body.split(b"\n\n")[:-1]]
    return _CUT[hash(body)]


def openai_events(feeds: list[bytes]) -> int:
    from openai._streaming import SSEDecoder

    return sum(1 for _ in SSEDecoder().iter_bytes(iter(feeds)))


def _openai_chunks(feeds: list[bytes]) -> Iterator[Any]:
    import openai
    from openai._models import construct_type
    from openai._streaming import SSEDecoder
    from openai.types.chat import ChatCompletionChunk as OpenAIChunk

    assert openai.VERSION
    for event in SSEDecoder().iter_bytes(iter(feeds)):
        yield construct_type(type_=OpenAIChunk, value=event.json())


def openai_chunks(feeds: list[bytes]) -> int:
    return sum(1 for _ in _openai_chunks(feeds))


def openai_completion(feeds: list[bytes]) -> int:
    from openai.lib.streaming.chat import ChatCompletionStreamState

    state, seen = ChatCompletionStreamState(), 0
    for chunk in _openai_chunks(feeds):
        state.handle_chunk(chunk)
        seen += 1
    return seen


def httpx_sse_events(feeds: list[bytes]) -> int:
    import httpx
    from httpx_sse import EventSource

    class Pieces(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield from feeds

    headers = {"content-type": "text/event-stream"}
    response = httpx.Response(200, headers=headers, stream=Pieces())
    return sum(1 for _ in EventSource(response).iter_sse())


def least(works: dict[str, Work], feeds: list[bytes], items: int) -> dict[str, float]:
    """Time each piece of work, in turns; return microseconds an item."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(ROUNDS):
        for name, work in works.items():
            start = time.perf_counter()
            seen = work(feeds)
            best[name] = min(best[name], time.perf_counter() - start)
            assert seen == items, f"{name} saw {seen} items, not {items}"
    return {name: seconds / items * 1e6 for name, seconds in best.items()}


def available(works: dict[str, Work]) -> dict[str, Work]:
    found = {}
    for name, work in works.items():
        try:
            work(pieces(CHAT.make(1), 4096))
        except ImportError as error:
            print(f"{name}: not installed ({error.name}), left out")
        else:
            found[name] = work
    return found


def table(title: str, works: dict[str, Work], shape: Shape, sizes: list[int]) -> None:
    print(f"\n{title} ({shape.name}: {shape.exercises}), µs an item")
    works = available(works)
    print(f"{'feed':>10}  " + "  ".join(f"{name:>22}" for name in works))
    body = shape.make(COUNT)
    for size in sizes:
        feeds = (
            pieces(body, size) if size else [block + b"\n\n" for block in body.split(b"\n\n")[:-1]]
        )
        figures = least(works, feeds, COUNT)
        ours = figures[next(iter(works))]
        cells = (f"{value:12.2f} ({value / ours:6.1f}x)" for value in figures.values())
        label = f"{size} B" if size else "one event"
        print(f"{label:>10}  " + "  ".join(f"{cell:>22}" for cell in cells))


def growth() -> None:
    # The collector's passes depend on what else is alive, not on the parser.
    gc.disable()
    print("\ngrowth: seconds for n, and times as long for 2n (2.0 is linear); medians")
    for shape in HEAVY:
        for label, size in (("whole", 1 << 30), ("16 B", 16)):
            once, twice = (_median_time(shape, count, size) for count in (131072, 262144))
            megabytes = len(shape.make(131072)) / 1e6
            print(
                f"{shape.name:>30}, {label:>5}: {once:7.3f} s for {megabytes:.1f} MB, "
                f"{twice / once:.2f} times that for twice as much"
            )


def _median_time(shape: Shape, count: int, size: int) -> float:
    feeds = pieces(shape.make(count), size)
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        seen = sseparse_events(feeds)
        times.append(time.perf_counter() - start)
        assert seen == shape.events(count)
    return median(times)


def main() -> None:
    versions = []
    for package in ("sseparse", "msgspec", "openai", "httpx-sse"):
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{package} absent")
    print(f"CPython {platform.python_version()}, {', '.join(versions)}")
    sizes = [16, 0, 4096, 65536]
    table(
        "bytes to events",
        {"sseparse": sseparse_events, "httpx-sse": httpx_sse_events, "openai": openai_events},
        CHAT,
        sizes,
    )
    for shape in (CHAT, DIALECT):
        table(
            "bytes to typed chunks",
            {"sseparse": sseparse_chunks, "bare msgspec": bare_msgspec, "openai": openai_chunks}
            if shape is CHAT
            else {"sseparse": sseparse_chunks, "openai": openai_chunks},
            shape,
            sizes,
        )
    table(
        "bytes to the finished completion",
        {
            "sseparse": sseparse_completion,
            "bare msgspec": bare_msgspec,
            "openai": openai_completion,
        },
        CHAT,
        sizes,
    )
    growth()


if __name__ == "__main__":
    main()
