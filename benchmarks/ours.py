"""Tasks of sseparse that the benchmarks measure."""

from collections.abc import Callable
from typing import Any

from attrs import frozen
from shapes import Expected, Sample

from sseparse import Accumulator, ChatCompletion, ChunkParser, Parser
from sseparse.chunks import ArgumentsDelta, ContentDelta, ReasoningDelta


@frozen
class Stream:
    """
    A stream to measure.

    Attributes:
        sample: The stream.
        feeds: The pieces of its body.
    """

    sample: Sample
    feeds: list[bytes]


def events(feeds: list[bytes]) -> int:
    """Return the number of events."""
    return _count(Parser(max_line_bytes=None, max_event_bytes=None), feeds)


def chunks(feeds: list[bytes]) -> int:
    """Return the number of chunks."""
    return _count(ChunkParser(max_line_bytes=None, max_event_bytes=None), feeds)


def _count(parser: Parser | ChunkParser, feeds: list[bytes]) -> int:
    seen = 0
    for piece in feeds:
        for _ in parser.feed(piece):
            seen += 1
    return seen


def completion(feeds: list[bytes]) -> list[str]:
    """Return the texts of the choices and the arguments of the tool calls."""
    parser = ChunkParser(max_line_bytes=None, max_event_bytes=None)
    accumulator = Accumulator()
    for piece in feeds:
        for chunk in parser.feed(piece):
            accumulator.add(chunk)
    result = accumulator.result()
    if not isinstance(result, ChatCompletion):
        return [choice.text for choice in result.choices]
    texts = [choice.message.content or "" for choice in result.choices]
    calls = [call for choice in result.choices for call in choice.message.tool_calls or ()]
    return texts + [call.function.arguments for call in calls if call.function is not None]


def updates(feeds: list[bytes]) -> int:
    """Return the number of characters of texts and arguments in the updates."""
    parser = ChunkParser(max_line_bytes=None, max_event_bytes=None)
    accumulator, characters = Accumulator(), 0
    for piece in feeds:
        for chunk in parser.feed(piece):
            for update in accumulator.updates(chunk):
                if isinstance(update, ContentDelta | ArgumentsDelta | ReasoningDelta):
                    characters += len(update.text)
    return characters


TASKS: dict[str, Callable[[list[bytes]], Any]] = {
    "events": events,
    "chunks": chunks,
    "completion": completion,
    "updates": updates,
}


def expected_result(task: str, expected: Expected) -> Any:
    """Return the expected result of a task."""
    if task == "events":
        return expected.events
    if task == "chunks":
        return expected.chunks
    if task == "completion":
        return [*expected.texts, *expected.arguments]
    return sum(map(len, expected.texts + expected.arguments))
