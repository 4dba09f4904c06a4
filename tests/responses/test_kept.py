"""What was streamed isn't lost by complete events that lack it."""

from typing import Any

import pytest

from sseparse.responses import ResponseAccumulator

from .events import (
    accumulate,
    added,
    arguments,
    call,
    completed,
    delta,
    done,
    message,
    notes,
    parse,
)

PART = {"type": "response.content_part.done", "output_index": 0, "content_index": 0}
EMPTY_PART = {**PART, "part": {"type": "output_text", "text": ""}}
EMPTY_TEXT = {"type": "response.output_text.done", "output_index": 0, "text": ""}
STREAMED: list[Any] = [added(message()), delta("Red")]


@pytest.mark.parametrize(
    "last",
    [EMPTY_PART, EMPTY_TEXT, done(message()), done(message("")), completed(output=[message("")])],
    ids=["part", "text", "item", "item-with-part", "output"],
)
def test_empty_texts(last: Any) -> None:
    """An empty text doesn't replace what deltas brought; a note says so."""
    assert accumulate(*STREAMED, last).text == "Red"
    assert notes(*STREAMED, last) == ["VALUE_KEPT"]
    assert notes(added(message()), last) == []


def test_empty_arguments() -> None:
    """Neither do empty arguments, or a call without its name."""
    empty = {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": ""}
    events = [added(call()), arguments("{}"), empty, done(call(name=None, call_id=None))]
    (item,) = accumulate(*events).snapshot().output
    assert (item.name, item.call_id, item.arguments) == ("get_weather", "call_1", "{}")
    assert notes(*events) == ["VALUE_KEPT", "VALUE_KEPT"]


def test_parts_of_unknown_types() -> None:
    """A complete message with a part of an unknown type replaces the text."""
    item = {**message(), "content": [{"type": "image", "url": "u"}]}
    assert accumulate(*STREAMED, done(item)).text == ""


def test_lost_items() -> None:
    """Messages and calls that the last output lacks stay at their place, with a note."""
    first, second = call("{}", id="a", call_id="a"), call("[]", id="b", call_id="b")
    events = [added(message("Red")), done(first, 1), done(second, 2), added({"type": "x"}, 3)]
    for output, types in (
        ([first, second], ["message", "function_call", "function_call"]),
        ([second, message("Red")], ["function_call", "function_call", "message"]),
        ([{"type": "y"}], ["message", "function_call", "function_call", "y"]),
    ):
        result = accumulate(*events, completed(output=output)).snapshot()
        assert [item.type for item in result.output] == types
        assert sorted(each.arguments for each in result.tool_calls) == ["[]", "{}"]
        assert [note.kind.name for note in result.notes] == ["VALUE_KEPT"]
    # Without ids, an item of the output is the next one of its type.
    renamed = [call("{}", id="c", call_id="c"), call("[]", id="c", call_id="c"), message("Red")]
    assert notes(*events, completed(output=renamed)) == []


def test_items_that_are_not_kept() -> None:
    """Items without text, and messages of which the last output has another one, aren't kept."""
    events = [added(message("Red")), added(message("a", id="b"), 1), added({"type": "x"}, 2)]
    result = accumulate(*events, completed(output=[message("Red")])).snapshot()
    assert (result.text, result.notes) == ("Red", ())
    empty = [added(message()), done({"type": "y"}, 1)]
    result = accumulate(*empty, completed(output=[{"type": "y"}])).snapshot()
    assert [item.type for item in result.output] == ["y"]


def test_repeated_ids() -> None:
    """Items with the same id are matched in their order."""
    output = [message(""), message("Red")]
    result = accumulate(added(message("")), added(message("Red"), 1), completed(output=output))
    assert [item.text for item in result.snapshot().output] == ["", "Red"]
    shared = added(call("{}", id="a", call_id="c")), done(call("{}", id="b", call_id="b"), 1)
    assert notes(*shared, completed(output=[call("{}", id="a"), call("{}", id="b")])) == []
    result = accumulate(added(message("Red")), completed(output=[message(""), message("")]))
    assert [item.text for item in result.snapshot().output] == ["Red", ""]


def test_deltas_after_the_end_of_an_item() -> None:
    """A delta of an item that is done is dropped, with a note."""
    assert notes(added(message()), done(message("Red")), delta("x")) == ["VALUE_IGNORED"]


def test_parts_that_count_deltas() -> None:
    """A delta at a new index continues a part that no event announced, until that part is done."""
    counted = [added(message()), delta("Red "), delta("green", content_index=1)]
    complete = {**PART, "content_index": 2, "part": {"type": "output_text", "text": "Red green"}}
    for events in (counted, [*counted, complete]):
        (item,) = accumulate(*events).snapshot().output
        assert [part.text for part in item.content or ()] == ["Red green"]
    other = delta("!", content_index=3)
    assert accumulate(*counted, complete, other).text == "Red green!"
    late = {**EMPTY_PART, "type": "response.content_part.added"}
    assert accumulate(*STREAMED, late).text == "Red"


def test_json_arguments() -> None:
    """The arguments of a call can be read while they are received, by the call's position."""
    accumulator = ResponseAccumulator()
    assert accumulator.json_arguments().value is None
    for event in parse(added(message()), added(call(), 1), arguments('{"a": [1,', 1)):
        accumulator.add(event)
    assert accumulator.json_arguments().value == {"a": [1]}
    custom = {"type": "custom_tool_call", "id": "c", "name": "f", "input": "[]"}
    for event in parse(done(custom, 2), added(call("{}", id="d", call_id="d"), 3)):
        accumulator.add(event)
    values = [accumulator.json_arguments(at).value for at in range(4)]
    assert values == [{"a": [1]}, [], {}, None]
    assert accumulator.json_arguments(1) is accumulator.json_arguments(1)
    assert accumulator.json_arguments(-1).value is None

    # An item with a lower index, and items that change their type.
    changes = [added(call("[0]", id="e", call_id="e"), 0), done({"type": "x", "id": "d"}, 3)]
    changes.append(added({"type": "x", "id": "c"}, 2))
    for event in parse(*changes):
        accumulator.add(event)
        assert accumulator.json_arguments(0).value is not None
    values = [accumulator.json_arguments(at).value for at in range(3)]
    assert values == [[0], {"a": [1]}, None]
    before = accumulator.snapshot()
    accumulator.add(parse(completed(output=[item.to_dict() for item in before.output]))[0])
    assert accumulator.json_arguments(0).value == [0]
    assert accumulator.snapshot().output == before.output


def test_refusal() -> None:
    """A response has the refusals of its messages."""
    part = {"type": "refusal", "refusal": "No."}
    output = [{**message(), "content": [part]}, message("Red")]
    assert accumulate(completed(output=output)).snapshot().refusal == "No."
    assert accumulate(completed()).snapshot().refusal == ""


def test_reasoning_text() -> None:
    """A blank line separates the parts of a summary; those of reasoning are one text."""
    for name, kind, text in (
        ("summary", "summary_text", "a\n\nb"),
        ("content", "reasoning_text", "ab"),
    ):
        parts = [{"type": kind, "text": each} for each in ("a", "", "b")]
        item = {"type": "reasoning", name: parts}
        assert accumulate(completed(output=[item])).snapshot().output[0].reasoning_text == text
