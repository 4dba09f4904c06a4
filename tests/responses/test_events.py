"""Tests of the events and results of the Responses API."""

import copy
import pickle
from typing import Any

import msgspec
import pytest

from sseparse import ParseError
from sseparse.responses import (
    ContentPart,
    DoneEvent,
    OutputItem,
    ProgressEvent,
    Response,
    ResponseEvent,
    ResponseUsage,
    ToolCallView,
)

from .events import added, arguments, call, completed, delta, done, message, parse

SUMMARY = "response.reasoning_summary_text.delta"


def event_of(value: Any) -> ResponseEvent:
    (event,) = parse(value)
    return event


@pytest.mark.parametrize(
    ("value", "text", "pieces"),
    [
        (delta("a", 2), "a", [("content", "a", 2)]),
        (delta(""), "", []),
        (delta("a", 1, "response.refusal.delta"), "", [("refusal", "a", 1)]),
        (delta("a", 1, "response.reasoning_text.delta"), "", [("reasoning", "a", 1)]),
        (delta("a", 1, SUMMARY), "", [("reasoning", "a", 1)]),
        (arguments("a", 1), "", [("arguments", "a", 1)]),
        (delta("a", None, "response.audio.transcript.delta"), "", [("transcript", "a", None)]),
        (delta("a", None, "response.audio.delta"), "", []),
        (added(message("a", "b"), 3), "ab", [("content", "a", 3), ("content", "b", 3)]),
        (added(message(), 3), "", []),
        (added(call("{}"), 3), "", [("arguments", "{}", 3)]),
        (added(None), "", []),
        (done(message("a")), "", []),
        (completed(output=[message("a")]), "", []),
        ({"type": "response.output_text.done", "text": "a"}, "", []),
        ({"type": "keepalive"}, "", []),
    ],
    ids=str,
)
def test_generated_text(value: Any, text: str, pieces: list[tuple[str, str, int | None]]) -> None:
    """Events say which generated text is new; repetitions have none."""
    event = event_of(value)
    assert event.text == text
    assert [(each.kind, each.text, each.item) for each in event.pieces()] == pieces


def test_text_of_parts() -> None:
    """A part that is announced with a text brings it; a complete one repeats it."""
    part = {"type": "output_text", "text": "a"}
    begin = {"type": "response.content_part.added", "output_index": 1, "part": part}
    event = event_of(begin)
    assert event.text == "a"
    assert [each.item for each in event.pieces()] == [1]
    for other in (
        {**begin, "type": "response.content_part.done"},
        {**begin, "part": {"type": "new", "text": "a"}},
        {**begin, "part": {"type": "output_text", "text": ""}},
        {**begin, "part": None},
    ):
        assert event_of(other).text == ""
        assert event_of(other).pieces() == []


def test_only_text() -> None:
    """`only_text()` is the text of the answer's deltas, None for other events."""
    assert event_of(delta("a")).only_text() == "a"
    for value in (arguments("a"), completed(), added(message("a"))):
        assert event_of(value).only_text() is None


def test_names_of_calls() -> None:
    """The beginning of a call has the name of its function or tool."""
    assert event_of(added(call())).call_names() == ["get_weather"]
    assert event_of(added({"type": "custom_tool_call", "name": "sql"})).call_names() == ["sql"]
    for value in (added(call(name="")), added(message()), added(None), done(call()), delta("a")):
        assert event_of(value).call_names() == []


def test_complete_values() -> None:
    """The value of a complete text is in the field of its type."""
    fields = {"output_text": "text", "refusal": "refusal", "code_interpreter_call_code": "code"}
    for kind, field in fields.items():
        event = event_of({"type": f"response.{kind}.done", field: "a"})
        assert isinstance(event, DoneEvent)
        assert event.value == "a"
    assert DoneEvent(type="response.output_text.done", extra={"text": 5}).value is None
    assert DoneEvent(type="new", extra={"text": "a"}).value is None


def test_progress() -> None:
    """The status of a tool is the last word of the type."""
    event = event_of({"type": "response.web_search_call.searching"})
    assert isinstance(event, ProgressEvent)
    assert event.status == "searching"


def test_usage() -> None:
    """Token counts are in the events about the response, and have neutral names."""
    usage = {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 2, "new": 1},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 12,
        "cost": 0.5,
    }
    event = event_of(completed(usage=usage))
    assert event.usage is not None
    assert event.usage.to_dict() == usage
    assert event.usage.token_counts() == (5, 7, 2, 3, False)
    assert ResponseUsage(input_tokens=1).token_counts() == (1, None, None, None, False)
    assert event_of({"type": "response.completed"}).usage is None
    assert event_of(delta("a")).usage is None


def response_of(*items: Any) -> Response:
    event: Any = event_of(completed(output=[*items]))
    response: Response = event.response
    return response


def test_texts_of_a_response() -> None:
    """The text is that of all messages; reasoning and refusals are apart."""
    refusal = {"type": "refusal", "refusal": "no"}
    reasoning = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}]}
    shown = {**reasoning, "content": [{"type": "reasoning_text", "text": "t"}]}
    response = response_of(message("a", "b"), reasoning, shown, message("c", content=[refusal]))
    response.output.append(OutputItem(type="new", content=[ContentPart(type="output_text")]))
    assert response.text == "ab"
    assert [item.reasoning_text for item in response.output] == ["", "s", "t", "", ""]
    assert [item.refusal for item in response.output] == ["", "", "", "no", ""]


def test_tool_calls() -> None:
    """Calls of functions and custom tools have one neutral view."""
    tool = {"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "SELECT"}
    response = response_of(call('{"a": 1}'), message("a"), tool, {"type": "function_call"})
    assert response.tool_calls == [
        ToolCallView("call_1", "get_weather", '{"a": 1}'),
        ToolCallView("c", "sql", "SELECT", "custom"),
        ToolCallView(None, "", ""),
    ]
    assert [each.value for each in response.tool_calls] == [{"a": 1}, None, None]
    assert response.tool_calls[0].parse(dict[str, int]) == {"a": 1}


class Point(msgspec.Struct):
    x: int


def test_parsing() -> None:
    """The text of a response, and of an item, can be parsed as a type."""
    response = response_of(message('{"x": 1}'), call('{"x": 2}'))
    assert response.parse(Point) == Point(1)
    assert response.output[0].parse(Point) == Point(1)
    assert response.output[1].parse(Point) == Point(2)
    with pytest.raises(ParseError, match="no text of the response \\(status 'completed'\\)"):
        response_of().parse(Point)
    with pytest.raises(ParseError, match="the model refused: no"):
        response_of(message(content=[{"type": "refusal", "refusal": "no"}])).parse(Point)
    with pytest.raises(ParseError, match="no text of the item"):
        OutputItem(type="").parse(Point)


def test_values_can_be_copied() -> None:
    """Events and results can be copied and pickled, and compared."""
    event: Any = event_of(completed(output=[message("a")], new=1))
    for again in (copy.copy(event), copy.deepcopy(event), pickle.loads(pickle.dumps(event))):
        assert again == event
    assert event.response != response_of()
    assert event.response != 5
