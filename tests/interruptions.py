"""Interruption of a stage or stream at one of the lines it executes."""

import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import sseparse
from sseparse import ChunkDecoder, Event

# Between the lines of these, an interruption would lose the current item or piece; Python handles
# no signal there.
DRIVERS = {
    "SyncDriver.__next__",
    "SyncDriver._read",
    "EventReader.pop",
    "ItemStream._next_text",
    "StreamIterator.__next__",
    "ReleaseIterator.__next__",
    "TextIterator.__next__",
    "ReleaseIterator._read_item",
}
SRC = str(Path(sseparse.__file__).parent)


def chunk_data(text: str, finish: str | None = None) -> str:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return json.dumps({"id": "1", "created": 1, "model": "m", "choices": [choice]})


DATA = [chunk_data("one. "), chunk_data("two. "), chunk_data("three.", "stop")]
TEXT = "one. two. three."
BODY = "".join(f"id: {number}\ndata: {data}\n\n" for number, data in enumerate(DATA)).encode()
PIECES = [b": hello\n\n", BODY[:40], BODY[40:], b"data: [DO", b"NE]\n\n"]
CHUNKS = [ChunkDecoder().feed(Event(data))[0] for data in DATA]


class Interruption(BaseException):
    """A BaseException, like KeyboardInterrupt."""


def interrupting(at: int, places: list[str]) -> Callable[[FrameType, str, Any], Any]:
    """Return a trace function that raises at the given count of executed lines of the library."""

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(SRC):
            return None
        if event == "line" and frame.f_code.co_qualname not in DRIVERS:
            places.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
            if len(places) == at:
                raise Interruption
        return trace

    return trace


class Trickle:
    """An iterator of bytes that can be continued after an exception."""

    def __init__(self) -> None:
        self._pieces = iter(PIECES)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


def read_twice(stream: Any, at: int) -> tuple[list[Any], str]:
    """Iterate a stream, interrupt that at one line, and iterate again to its end."""
    items: list[Any] = []
    places: list[str] = []
    before = sys.gettrace()
    sys.settrace(interrupting(at, places))
    try:
        for item in stream:
            items.append(item)  # noqa: PERF402 - keeps the items before an exception
    except Interruption:
        sys.settrace(before)
        for item in stream:
            items.append(item)  # noqa: PERF402 - keeps the items before an exception
    finally:
        sys.settrace(before)
    return items, places[at - 1] if len(places) >= at else ""
