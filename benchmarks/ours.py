"""What is measured of this library: from the bytes of a stream to what comes out."""

from collections.abc import Callable
from typing import Any

from attrs import frozen
from shapes import Expected, Made

from sseparse import Accumulator, ChatCompletion, ChunkParser, Parser
from sseparse.chunks import ArgumentsDelta, ContentDelta, ReasoningDelta


@frozen
class Stream:
    """
    Hold a stream to be measured.

    Attributes:
        made: What it is.
        feeds: Its bytes, cut.
    """

    made: Made
    feeds: list[bytes]


def events(feeds: list[bytes]) -> int:
    """Return how many events there are."""
    return _count(Parser(max_line_bytes=None, max_event_bytes=None), feeds)


def chunks(feeds: list[bytes]) -> int:
    """Return how many chunks there are."""
    return _count(ChunkParser(max_line_bytes=None, max_event_bytes=None), feeds)


def _count(parser: Parser | ChunkParser, feeds: list[bytes]) -> int:
    seen = 0
    for piece in feeds:
        for _ in parser.feed(piece):
            seen += 1
    return seen


def completion(feeds: list[bytes]) -> list[str]:
    """Return the texts of the choices, and the arguments of the tool calls."""
    parser = ChunkParser(max_line_bytes=None, max_event_bytes=None)
    accumulator = Accumulator()
    for piece in feeds:
        for chunk in parser.feed(piece):
            accumulator.add(chunk)
    result = accumulator.result()
    if not isinstance(result, ChatCompletion):
        return [choice.text for choice in result.choices]
    told = [choice.message.content or "" for choice in result.choices]
    calls = [call for choice in result.choices for call in choice.message.tool_calls or ()]
    return told + [call.function.arguments for call in calls if call.function is not None]


def updates(feeds: list[bytes]) -> int:
    """Return how many characters the updates tell, of texts and of arguments."""
    parser = ChunkParser(max_line_bytes=None, max_event_bytes=None)
    accumulator, told = Accumulator(), 0
    for piece in feeds:
        for chunk in parser.feed(piece):
            for update in accumulator.updates(chunk):
                if isinstance(update, ContentDelta | ArgumentsDelta | ReasoningDelta):
                    told += len(update.text)
    return told


WORKS: dict[str, Callable[[list[bytes]], Any]] = {
    "events": events,
    "chunks": chunks,
    "completion": completion,
    "updates": updates,
}


def outcome(work: str, expected: Expected) -> Any:
    """Return what has to come out of a piece of work."""
    if work == "events":
        return expected.events
    if work == "chunks":
        return expected.chunks
    if work == "completion":
        return [*expected.texts, *expected.arguments]
    return sum(map(len, expected.texts + expected.arguments))
