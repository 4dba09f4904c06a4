"""Tests that what isn't known changes nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sseparse import ServerSentError
from sseparse.responses import (
    Response,
    ResponseAccumulator,
    ResponseDecoder,
    ResponseEvent,
    ResponseParser,
    encode_event,
    to_events,
)
from sseparse.testing import run_stage

from .events import (
    added,
    arguments,
    body,
    call,
    completed,
    created,
    delta,
    done,
    lifecycle,
    message,
)
from .recordings import read

PART = {"type": "response.content_part.added", "output_index": 0, "content_index": 0}
TEXTS = [delta(text) for text in "abcdefgh"]
STREAM: list[dict[str, Any]] = [
    created(),
    lifecycle("in_progress"),
    added(message()),
    {**PART, "item_id": "msg_1", "part": {"type": "output_text", "text": "", "annotations": []}},
    *TEXTS,
    done(message("abcdefgh")),
    added(call(), 1),
    *(arguments(text, 1) for text in ("{", '"a"', ":", "1", "}")),
    done(call('{"a":1}'), 1),
    completed(output=[message("abcdefgh"), call('{"a":1}')]),
]
INNER = range(1, len(STREAM) - 1)

values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
names = st.sampled_from(["new", "x_field", "content_filters", "usage_extra", "output"])


def result_of(events: list[dict[str, Any]], *, named: bool) -> tuple[Response, list[ResponseEvent]]:
    reader, found = read([body(*events, named=named)])
    return reader.result(), found


@given(
    at=st.lists(st.sampled_from(INNER), min_size=1, max_size=4),
    kind=st.sampled_from(["keepalive", "response.new.delta", "response.new.done", "new"]),
    fields=st.dictionaries(names, values, max_size=3),
    named=st.booleans(),
)
def test_unknown_events(at: list[int], kind: str, fields: dict[str, Any], named: bool) -> None:
    """Events of unknown types are returned, and change neither the others nor the result."""
    events = [*STREAM]
    injected = {"type": kind, **fields}
    for place in sorted(at, reverse=True):
        events.insert(place, injected)
    expected, plain = result_of(STREAM, named=named)
    result, found = result_of(events, named=named)
    assert result == expected
    assert [event for event in found if event.type != kind] == plain
    others = [event.to_dict() for event in found if event.type == kind]
    assert others == [injected] * len(at)


@given(
    at=st.sets(st.sampled_from(INNER), min_size=1),
    name=names.filter(lambda name: name != "output"),
    value=values,
    named=st.booleans(),
)
def test_unknown_fields(at: set[int], name: str, value: Any, named: bool) -> None:
    """Unknown fields of events are kept in the events, and change nothing else."""
    events = [{**each, name: value} if place in at else each for place, each in enumerate(STREAM)]
    expected, plain = result_of(STREAM, named=named)
    result, found = result_of(events, named=named)
    assert result == expected
    for place, (event, other) in enumerate(zip(found, plain, strict=True)):
        extra = {name: value} if place in at else {}
        assert event.to_dict() == {**other.to_dict(), **extra}


@given(
    fields=st.dictionaries(names, values, max_size=3),
    at=st.sampled_from(range(4, len(STREAM) - 1)),
    named=st.booleans(),
)
def test_unknown_items(fields: dict[str, Any], at: int, named: bool) -> None:
    """Items of unknown types are in the result with all their fields, next to the others."""
    item = {"type": "new_item", "id": "n", **fields}
    events = [*STREAM[:at], added(item, 2), done(item, 2), *STREAM[at:-1], completed()]
    expected, _ = result_of([*STREAM[:-1], completed()], named=named)
    result, _ = result_of(events, named=named)
    assert result.output[:2] == expected.output
    assert result.output[2].to_dict() == item


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("place", INNER)
def test_the_fast_path(place: int, named: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What isn't known, anywhere, doesn't slow down the rest of the stream."""
    loaded: list[str] = []
    load = ResponseDecoder.load

    def counted(self: ResponseDecoder, data: str) -> Any:
        loaded.append(data)
        return load(self, data)

    monkeypatch.setattr(ResponseDecoder, "load", counted)

    def slow(events: list[dict[str, Any]]) -> list[str]:
        loaded.clear()
        ResponseParser().feed(body(*events, named=named))
        return [*loaded]

    plain = slow(STREAM)
    unknown = {"type": "new_event", "x": 1}
    assert len(slow([*STREAM[:place], unknown, *STREAM[place:]])) == len(plain) + 1
    changed = {**STREAM[place], "new": 1}
    more = len(slow([*STREAM[:place], changed, *STREAM[place + 1 :]])) - len(plain)
    assert more == (json.dumps(STREAM[place]) not in plain)


@given(data=st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """Any bytes after a stream's beginning give events or an error, never another exception."""
    begin = body(*STREAM[:6])
    reader, _ = read([begin, data])
    assert reader.snapshot().text.startswith("ab")
    _ = reader.error


TYPES = [
    *(event["type"] for event in STREAM),
    *("error", "keepalive", "response.completed", "response.failed", "response.audio.delta"),
    *("response.output_text.done", "response.function_call_arguments.done"),
    *("response.reasoning_summary_text.delta", "response.reasoning_summary_part.added"),
    *("response.shell_call_command.added", "response.shell_call_command.delta"),
    *("response.apply_patch_call_operation_diff.delta", "response.web_search_call.searching"),
    *("response.output_text.annotation.added", "response.content_part.done"),
]
VALUES: list[Any] = [
    *(None, True, 0, 1, -1, 3, 10**30, 0.5, "", "a", "b", "1", "\ud83d", [], {}, [1], ["a"]),
    *({"a": 1}, {"type": 5}, [[]], [{}], [{"type": "output_text", "text": "a"}]),
    *({"type": "output_text", "text": "ab"}, {"type": "refusal", "refusal": "no"}),
    *({"type": "summary_text", "text": 5}, {"type": "output_text", "logprobs": [{"a": 1}]}),
    *(
        message("a"),
        message("ab", id="b"),
        call("{}"),
        call("[", id="a", name=""),
        {**call(), "arguments": None},
    ),
    *({"type": "reasoning", "content": "x", "summary": [{"type": "summary_text"}]},),
    *({"type": "shell_call", "action": {"commands": [1, "ls"]}}, {"type": "shell_call"}),
    *({"type": "apply_patch_call", "operation": {"diff": 5}}, {"type": "new", "id": "a"}),
    *({"id": "a", "output": [message("a")]}, {"status": "failed"}, {"output": [5, call("{}")]}),
    *({"id": 5, "usage": {"input_tokens": "7"}, "incomplete_details": {"reason": "x"}},),
]
FIELDS = ["output_index", "content_index", "summary_index", "command_index", "item_id", "delta"]
FIELDS += ["text", "arguments", "refusal", "command", "part", "item", "response", "logprobs"]
FIELDS += ["annotation", "error", "message", "sequence_number", "name"]
hostile_events = st.lists(
    st.builds(
        lambda kind, fields: {"type": kind, **fields},
        st.sampled_from(TYPES),
        st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(VALUES), max_size=6),
    ),
    max_size=12,
)


@settings(max_examples=200)
@given(events=hostile_events, named=st.booleans())
def test_hostile_events(events: list[dict[str, Any]], named: bool) -> None:
    """Events with any values give events, updates and a result, never another exception."""
    reader, found = read([body(*events, named=named)])
    accumulator = ResponseAccumulator()
    for event in found:
        accumulator.updates(event)
        assert run_stage(ResponseParser(), [encode_event(event)]).items == [event]
    accumulator.last_updates()
    result = accumulator.snapshot()
    if not isinstance(reader.error, ServerSentError):  # after which more is added
        assert result == reader.snapshot()
    again = ResponseAccumulator()
    for event in to_events(result):
        again.add(event)
    assert again.snapshot().text == result.text
