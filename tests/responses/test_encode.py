"""Tests of encoding responses as events, and events as server-sent events."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse import Event, encode
from sseparse.responses import (
    DeltaEvent,
    OtherEvent,
    Response,
    ResponseAccumulator,
    ResponseDecoder,
    ResponseParser,
    encode_event,
    to_events,
)
from sseparse.testing import run_stage

from .events import TEXT, call, completed, created, delta, lifecycle, message, parse
from .recordings import TERMINAL, Recording, read


def decoded(data: bytes) -> list[Any]:
    return run_stage(ResponseParser(), [data]).items


def rebuilt(response: Response, pieces: int | None = None) -> Response:
    accumulator = ResponseAccumulator()
    for event in to_events(response, pieces=pieces):
        accumulator.add(event)
    return accumulator.snapshot()


def test_recorded_events(recordings: list[Recording]) -> None:
    """Each recorded event is decoded from its encoding exactly, unknown fields included."""
    for recording in recordings:
        events = recording.events()
        assert decoded(b"".join(map(encode_event, events))) == events, recording.name


def test_recorded_results(recordings: list[Recording]) -> None:
    """The events made of each result add up to it, also without the terminal one."""
    for recording in recordings:
        reader, _ = read([recording.body])
        result = reader.snapshot()
        for pieces in (None, 7):
            events = list(to_events(result, pieces=pieces))
            assert decoded(b"".join(map(encode_event, events))) == events
            accumulator, items = ResponseAccumulator(), ResponseAccumulator()
            for event in events:
                accumulator.add(event)
                if event.type not in TERMINAL:
                    items.add(event)
            assert accumulator.snapshot() == result, recording.name
            assert items.snapshot().output == result.output, recording.name
            assert accumulator.finished == reader.accumulator.finished


def test_the_form_of_an_event() -> None:
    """An event is encoded with its type as its name, and its JSON on one line."""
    (event,) = parse(delta("a\u2028b", x=1))
    data = encode_event(event)
    assert data.startswith(b"event: response.output_text.delta\ndata: {")
    assert b'"delta":"a\\u2028b"' in data
    assert json.loads(data.splitlines()[1].removeprefix(b"data: ")) == event.to_dict()


@given(kind=st.text(min_size=1), value=st.text())
def test_types_of_any_text(kind: str, value: str) -> None:
    """Types that can't be names of events are in the data only."""
    event = OtherEvent(type=kind, extra={"value": value})
    assert decoded(encode_event(event)) in ([event], [])
    assert encode_event(event).count(b"\n") <= 3


@given(text=st.text(), extra=st.dictionaries(st.text(min_size=1), st.integers()))
def test_any_text(text: str, extra: dict[str, int]) -> None:
    """Any text and any unknown fields survive."""
    extra = {name: value for name, value in extra.items() if not hasattr(DeltaEvent, name)}
    event = DeltaEvent(type=TEXT, delta=text, extra=extra)
    assert decoded(encode_event(event)) == [event]


def test_half_characters() -> None:
    """Half of a surrogate pair is escaped."""
    data = encode(Event('{"type": "response.output_text.delta", "delta": "\\ud83d"}'))
    (event,) = decoded(data)
    assert decoded(encode_event(event)) == [event]


def test_the_shape_of_streams() -> None:
    """The events have the order and the numbers of OpenAI's streams."""
    result = ResponseAccumulator()
    item = message("Hello", status="completed")
    for event in parse(completed(output=[item, call("{}", status="completed")])):
        result.add(event)
    events = list(to_events(result.result(), pieces=3))
    assert [event.type.removeprefix("response.") for event in events] == [
        "created",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert [event.sequence_number for event in events] == list(range(13))
    assert [event.text for event in events if event.text] == ["Hel", "lo"]


def result_of(**fields: Any) -> Response:
    accumulator = ResponseAccumulator()
    for event in parse({"type": "response.completed", "response": {"id": "r", **fields}}):
        accumulator.add(event)
    return accumulator.snapshot()


RESULTS: dict[str, dict[str, Any]] = {
    "cancelled": {"status": "cancelled", "output": [message("a", status="incomplete")]},
    "incomplete": {
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
        "output": [],
    },
    "failed": {"status": "failed", "error": {"code": "x"}, "output": [message("a")]},
    "without a status": {"output": [message("a")], "usage": {"input_tokens": 1}},
    "queued": {"status": "queued", "output": [], "background": True},
    "in progress": {
        "status": "in_progress",
        "output": [
            message("a", status="in_progress"),
            call('{"a', status="in_progress"),
            {"type": "web_search_call", "status": "searching"},
        ],
    },
    "parts": {
        "output": [
            {
                "type": "message",
                "content": [
                    {"type": "output_text", "text": "ab", "logprobs": [{"token": "ab"}]},
                    {"type": "output_text", "text": "", "annotations": [{"url": "u"}]},
                    {"type": "refusal", "refusal": "no", "x": 1},
                    {"type": "new", "y": 2},
                ],
            },
            {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "s"}],
                "content": [{"type": "reasoning_text", "text": "t"}],
                "encrypted_content": "e",
            },
        ]
    },
    "tools": {
        "output": [
            {"type": "custom_tool_call", "input": "a", "call_id": "c"},
            {"type": "mcp_call", "arguments": "{}", "output": "x"},
            {"type": "code_interpreter_call", "code": "x", "outputs": []},
            {"type": "apply_patch_call", "operation": {"type": "x", "diff": "d"}},
            {"type": "shell_call", "action": {"commands": ["ls"]}},
            {"type": "tool_search_call", "arguments": {"a": 1}},
            {"type": "function_call", "arguments": ""},
            {"type": "function_call", "content": [{"type": "output_text", "text": "a"}]},
            {"type": "new"},
        ]
    },
}


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("pieces", [None, 1])
def test_results(name: str, pieces: int | None) -> None:
    """The events of a result add up to it, whatever its status and its items are."""
    result = result_of(**RESULTS[name])
    assert rebuilt(result, pieces) == result


def test_partial_results() -> None:
    """The events of a partial result don't complete it, and add up to it."""
    for events in ([], [created()], [created(), delta("ab")], [lifecycle("queued")]):
        accumulator = ResponseAccumulator()
        for event in parse(*events):
            accumulator.add(event)
        result = accumulator.snapshot()
        again = ResponseAccumulator()
        for event in to_events(result):
            again.add(event)
        assert again.snapshot() == result
        assert not again.finished


def test_no_events_are_shared() -> None:
    """Making events doesn't change the response."""
    result = result_of(**RESULTS["parts"])
    before = result.to_dict()
    list(to_events(result, pieces=1))
    assert result.to_dict() == before


def test_misuse() -> None:
    """Other arguments are misuse, reported at once."""
    with pytest.raises(TypeError, match="takes a ResponseEvent, not dict"):
        encode_event({})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="takes a Response, not dict"):
        to_events({})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="pieces is 0"):
        to_events(Response(output=[]), pieces=0)


def test_frames() -> None:
    """The JSON of an event is a frame of a WebSocket connection."""
    for event in to_events(result_of(**RESULTS["parts"])):
        assert ResponseDecoder().feed_frame(event.to_json()) == [event]
