"""Tasks of sseparse that the benchmarks measure."""

from collections.abc import Callable
from typing import Any

from attrs import frozen
from shapes import Expected, Sample

from sseparse import Accumulator, ChatCompletion, ChunkParser, Parser
from sseparse.chunks import ArgumentsDelta, ContentDelta, ReasoningDelta
from sseparse.messages import MessageAccumulator, MessageParser
from sseparse.responses import ResponseAccumulator, ResponseParser


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


def response_events(feeds: list[bytes]) -> int:
    """Return the number of events of the Responses API."""
    return _count(ResponseParser(max_line_bytes=None, max_event_bytes=None), feeds)


def message_events(feeds: list[bytes]) -> int:
    """Return the number of events of the Messages API."""
    return _count(MessageParser(max_line_bytes=None, max_event_bytes=None), feeds)


def _count(parser: Any, feeds: list[bytes]) -> int:
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


def response(feeds: list[bytes]) -> list[str]:
    """Return the text of the response and the arguments of its tool calls."""
    parser = ResponseParser(max_line_bytes=None, max_event_bytes=None)
    return _result(parser, ResponseAccumulator(), feeds)


def message(feeds: list[bytes]) -> list[str]:
    """Return the text of the message and the input of its tool calls."""
    parser = MessageParser(max_line_bytes=None, max_event_bytes=None)
    return _result(parser, MessageAccumulator(), feeds)


def _result(parser: Any, accumulator: Any, feeds: list[bytes]) -> list[str]:
    for piece in feeds:
        for event in parser.feed(piece):
            accumulator.add(event)
    result = accumulator.result()
    return [result.text, *(call.arguments for call in result.tool_calls)]


def updates(feeds: list[bytes]) -> int:
    """Return the number of characters of texts and arguments in the updates of chunks."""
    parser = ChunkParser(max_line_bytes=None, max_event_bytes=None)
    return _count_characters(parser, Accumulator(), feeds)


def response_updates(feeds: list[bytes]) -> int:
    """Return the number of characters of texts and arguments in the updates of a response."""
    parser = ResponseParser(max_line_bytes=None, max_event_bytes=None)
    return _count_characters(parser, ResponseAccumulator(), feeds)


def message_updates(feeds: list[bytes]) -> int:
    """Return the number of characters of texts and arguments in the updates of a message."""
    parser = MessageParser(max_line_bytes=None, max_event_bytes=None)
    return _count_characters(parser, MessageAccumulator(), feeds)


def _count_characters(parser: Any, accumulator: Any, feeds: list[bytes]) -> int:
    characters = 0
    for piece in feeds:
        for item in parser.feed(piece):
            for update in accumulator.updates(item):
                if isinstance(update, ContentDelta | ArgumentsDelta | ReasoningDelta):
                    characters += len(update.text)
    return characters


TASKS: dict[str, Callable[[list[bytes]], Any]] = {
    "events": events,
    "chunks": chunks,
    "completion": completion,
    "updates": updates,
    "response events": response_events,
    "response": response,
    "response updates": response_updates,
    "message events": message_events,
    "message": message,
    "message updates": message_updates,
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
