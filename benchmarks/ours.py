"""Tasks of sseparse that the benchmarks measure."""

from collections.abc import Callable
from typing import Any

from attrs import frozen
from shapes import Expected, Sample

from sseparse import Accumulator, ChatCompletion, ChunkParser, Completion, Parser
from sseparse.chunks import ArgumentsDelta, ContentDelta, ReasoningDelta
from sseparse.messages import MessageAccumulator, MessageParser
from sseparse.responses import ResponseAccumulator, ResponseParser

Task = Callable[[list[bytes]], Any]
"""Parses the pieces of a body."""


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


# Without the limits of lines and events, which large samples exceed.
_UNLIMITED: dict[str, Any] = {"max_line_bytes": None, "max_event_bytes": None}


def count_items(parser: Callable[..., Any]) -> Task:
    """Return a task whose result is the number of events or items."""

    def run(feeds: list[bytes]) -> int:
        stage, seen = parser(**_UNLIMITED), 0
        for piece in feeds:
            for _ in stage.feed(piece):
                seen += 1
        return seen

    return run


def accumulate(parser: Callable[..., Any], accumulator: Callable[[], Any]) -> Task:
    """Return a task whose result is the texts and the arguments of the tool calls."""

    def run(feeds: list[bytes]) -> list[str]:
        stage, accumulated = parser(**_UNLIMITED), accumulator()
        for piece in feeds:
            for item in stage.feed(piece):
                accumulated.add(item)
        return _texts_of(accumulated.result())

    return run


def _texts_of(result: Any) -> list[str]:
    if isinstance(result, Completion):
        return [choice.text for choice in result.choices]
    if not isinstance(result, ChatCompletion):
        return [result.text, *(call.arguments for call in result.tool_calls)]
    texts = [choice.message.content or "" for choice in result.choices]
    calls = [call for choice in result.choices for call in choice.message.tool_calls or ()]
    return texts + [call.function.arguments for call in calls if call.function is not None]


def count_characters(parser: Callable[..., Any], accumulator: Callable[[], Any]) -> Task:
    """Return a task whose result is the number of characters of texts and arguments in updates."""

    def run(feeds: list[bytes]) -> int:
        stage, accumulated = parser(**_UNLIMITED), accumulator()
        characters = 0
        for piece in feeds:
            for item in stage.feed(piece):
                for update in accumulated.updates(item):
                    if isinstance(update, ContentDelta | ArgumentsDelta | ReasoningDelta):
                        characters += len(update.text)
        return characters

    return run


CHAT = (ChunkParser, Accumulator)
RESPONSES = (ResponseParser, ResponseAccumulator)
MESSAGES = (MessageParser, MessageAccumulator)
TASKS: dict[str, Task] = {
    "events": count_items(Parser),
    "chunks": count_items(ChunkParser),
    "completion": accumulate(*CHAT),
    "updates": count_characters(*CHAT),
    "response events": count_items(ResponseParser),
    "response": accumulate(*RESPONSES),
    "response updates": count_characters(*RESPONSES),
    "message events": count_items(MessageParser),
    "message": accumulate(*MESSAGES),
    "message updates": count_characters(*MESSAGES),
}
TO_ITEMS = ("chunks", "response events", "message events")
"""The tasks whose result is the number of chunks, or of typed events of the other APIs."""
TO_RESULT = {"chat": "completion", "responses": "response", "messages": "message"}
"""The task that accumulates a stream, for each API."""


def expected_result(task: str, expected: Expected) -> Any:
    """Return the expected result of a task."""
    if task == "events":
        return expected.events
    if task in TO_ITEMS:
        return expected.chunks
    if task in TO_RESULT.values():
        return [*expected.texts, *expected.arguments]
    return sum(map(len, expected.texts + expected.arguments))
