"""Tests of encoding events, and messages as events."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse import Event, encode
from sseparse.messages import (
    ContentBlock,
    Message,
    MessageAccumulator,
    MessageEvent,
    MessageParser,
    MessageReader,
    MessageStopEvent,
    OtherEvent,
    encode_event,
    to_events,
)
from sseparse.payloads._model import build

from .events import (
    HELLO,
    PING,
    block_start,
    block_stop,
    delta,
    encoded,
    json_piece,
    message_delta,
    message_of,
    message_start,
    parsed,
    text,
    text_start,
    tool_start,
)
from .recordings import Recording, accumulated


def decoded(data: bytes) -> list[MessageEvent]:
    parser = MessageParser(max_objects=None)
    events = [*parser.feed(data)]
    assert parser.error is None
    return events


def rebuilt(message: Message, pieces: int | None = None) -> Message:
    """Return the message of the events of a message, which are encoded and decoded."""
    events = list(to_events(message, pieces=pieces))
    read = decoded(b"".join(map(encode_event, events)))
    direct, wired = MessageAccumulator(), MessageAccumulator()
    for event in events:
        direct.add(event)
    for event in read:
        wired.add(event)
    assert direct.snapshot() == wired.snapshot()
    return wired.snapshot()


def test_recorded_events(recordings: list[Recording]) -> None:
    """Each recorded event is restored exactly."""
    events = [event for each in recordings for event in MessageParser().feed(each.body)]
    for event in events:
        assert decoded(encode_event(event)) == [event]
    assert len(events) > 3000


@pytest.mark.parametrize("pieces", [None, 7])
def test_recorded_messages(recordings: list[Recording], pieces: int | None) -> None:
    """The events of each recorded message accumulate to it."""
    for recording in recordings:
        message = accumulated([recording.body])[0].snapshot()
        assert rebuilt(message, pieces) == message, recording.name
        reader = MessageReader()
        for event in to_events(message, pieces=pieces):
            reader.feed(encode_event(event))
        if not reader.over:
            reader.close()
        assert (reader.error is None) == (message.stop_reason is not None)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "message_start"},
        {"type": "message_start", "message": {}, "x": None},
        {"type": "message_start", "message": {"id": 5, "content": None, "usage": {"a": [1]}}},
        *({"type": "content_block_start"}, {"type": "content_block_delta", "index": "1"}),
        {"type": "content_block_start", "index": 0, "content_block": {"x": "\u2028\x85\n"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": 5, "text": "\ud83d"}},
        {"type": "content_block_delta", "index": 0, "delta": {"text": [], "x": {"y": None}}},
        {"type": "content_block_delta", "index": 0, "delta": "x"},
        *({"type": "message_delta", "usage": 5}, {"type": "content_block_stop", "index": None}),
        *({"type": "new\nevent: x", "a": 1}, {"type": "é"}, {"type": ""}, {"type": "message"}),
        {"type": "ping", " extra": 1, "absent": 2},
    ],
)
def test_odd_events(event: dict[str, Any]) -> None:
    """An event is restored at its level, whatever it has and lacks, in one line."""
    (first,) = decoded(encoded(event, named=False))
    wire = encode_event(first)

    assert decoded(wire) == [first]
    assert len(wire.decode().splitlines()) in (2, 3)


def test_names() -> None:
    """The name of the event is its type, if that can be one."""
    assert encode_event(MessageStopEvent(type="message_stop")) == (
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    )
    assert encode_event(OtherEvent(type="a b")) == b'data: {"type":"a b"}\n\n'


def test_shape_of_events() -> None:
    """The events are in the shape of the API's streams."""
    message = message_of(
        *(message_start(), block_start(0, "thinking", thinking="", signature="")),
        *(delta(0, "thinking_delta", thinking="hm"), delta(0, "signature_delta", signature="s")),
        *(block_start(1, "text", text="", citations=[]), text(1, "abc")),
        *(delta(1, "citations_delta", citation={"a": 1}), tool_start(2), json_piece(2, '{"b":2}')),
        *(block_start(3, "redacted_thinking", data="x"), message_delta("tool_use")),
    )
    found = [event.to_dict() for event in to_events(message, pieces=2)]

    assert [event["type"].removeprefix("content_block_") for event in found] == [
        *("message_start", "start", "delta", "delta", "stop"),
        *("start", "delta", "delta", "delta", "stop"),
        *("start", "delta", "delta", "delta", "delta", "stop", "start", "stop"),
        *("message_delta", "message_stop"),
    ]
    assert found[0]["message"]["stop_reason"] is None
    assert found[0]["message"]["content"] == []
    blocks = [event["content_block"] for event in found if "content_block" in event]
    assert blocks == [
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "text", "text": "", "citations": []},
        {"type": "tool_use", "id": "toolu_2", "name": "f", "input": {}},
        {"type": "redacted_thinking", "data": "x"},
    ]
    assert rebuilt(message, 2) == message


@pytest.mark.parametrize(
    "message",
    [
        message_of(),
        message_of(message_start(container={"id": "c"}, x=1, context_management={"a": 1})),
        message_of(message_start(), tool_start(), json_piece(0, '{"a": "b')),
        message_of(message_start(), block_start(0, "tool_use", input={"a": 1}), message_delta()),
        message_of(message_start(), block_start(0, "text", text=5), text(0, "a")),
        message_of(message_start(), block_start(0, "thinking", thinking="a", x=1), block_stop()),
        message_of(*HELLO[:6], {"type": "message_delta", "delta": {"stop_details": {"a": 1}}}),
        message_of(message_start(usage=None), text_start(), text(0, "\ud83d"), text(0, "\ude00")),
        message_of(message_start(), text(0, "a"), block_start(5, "new", text="b"), text(5, "c")),
    ],
)
def test_odd_messages(message: Message) -> None:
    """A message is restored, complete or not."""
    before = message.to_dict()

    assert rebuilt(message) == message
    assert rebuilt(message, 1) == message
    assert message.to_dict() == before


def test_wrong_arguments() -> None:
    """Wrong arguments are rejected with advice."""
    wrong: Any = Event("x")
    with pytest.raises(TypeError, match=r"encode_event\(\) takes a MessageEvent, not Event"):
        encode_event(wrong)
    with pytest.raises(TypeError, match=r"to_events\(\) takes a Message, not Event"):
        to_events(wrong)
    with pytest.raises(ValueError, match="pieces is 0"):
        to_events(message_of(), pieces=0)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
STREAM = [
    *(message_start(), block_start(0, "thinking", thinking="", signature="")),
    *(delta(0, "thinking_delta", thinking="hm"), block_stop(0), text_start(1), text(1, "a")),
    *(
        PING,
        text(1, "b"),
        block_stop(1),
        tool_start(2),
        json_piece(2, '{"a":'),
        json_piece(2, "1}"),
    ),
    *(block_stop(2), message_delta("tool_use"), {"type": "message_stop"}),
]
NEW = {
    "event": {"type": "new_event", "index": 1, "delta": {"type": "text_delta", "text": "!"}},
    "delta": delta(1, "new_delta", value="!"),
    "block": block_start(9, "new_block", value="!"),
}


@pytest.mark.parametrize("new", NEW)
@pytest.mark.parametrize("at", range(5, 10))
def test_new_types(new: str, at: int) -> None:
    """A new type of event, delta or block changes nothing else, and no event before or after it."""
    events = [*STREAM[:at], NEW[new], *STREAM[at:]]
    found = parsed(*events)
    message = message_of(*events)

    assert [*found[:at], *found[at + 1 :]] == parsed(*STREAM)
    expected = message_of(*STREAM)
    assert message.text == expected.text
    assert message.content[:1] == expected.content[:1]
    assert message.tool_calls == expected.tool_calls
    assert message.usage == expected.usage
    assert decoded(encode_event(found[at])) == [found[at]]
    assert rebuilt(message) == message


@given(at=st.integers(0, len(STREAM) - 1), name=st.text(min_size=1, max_size=3), value=VALUES)
def test_new_fields(at: int, name: str, value: Any) -> None:
    """An unknown field in any place of an event changes nothing but the `extra` of its level."""
    name = f"x{name}"
    for path in (
        (),
        ("message",),
        ("content_block",),
        ("delta",),
        ("usage",),
        ("message", "usage"),
    ):
        event: Any = {**STREAM[at]}
        level = event
        for key in path:
            level[key] = {**level.get(key, {})}
            level = level[key]
        level[name] = value
        found = parsed(*STREAM[:at], event, *STREAM[at + 1 :])
        expected = parsed(*STREAM)
        assert [*found[:at], *found[at + 1 :]] == [*expected[:at], *expected[at + 1 :]]
        assert decoded(encode_event(found[at])) == [found[at]]
        message = message_of(*STREAM[:at], event, *STREAM[at + 1 :])
        assert message.text == "ab"
        assert [call.value for call in message.tool_calls] == [{"a": 1}]
        assert rebuilt(message) == message


def test_new_fields_leave_the_fast_path_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an event with unknown fields, the events of its type are decoded as before."""
    built: list[Any] = []

    def build_and_count(kind: Any, body: dict[str, Any]) -> Any:
        built.append(body)
        return build(kind, body)

    monkeypatch.setattr("sseparse.messages._decoder.build", build_and_count)
    new = {**text(1, "!"), "new": 1}
    events = [*STREAM[:6], *[new] * 10, *[text(1, "a")] * 100, {"type": "keepalive"}, *STREAM[6:]]
    found = parsed(*events)

    assert len(found) == len(events)
    assert sum(body["type"] == "keepalive" for body in built) == 1
    assert sum("new" in body for body in built) == 10
    assert len(built) < 50


@given(
    blocks=st.lists(
        st.fixed_dictionaries(
            {"type": st.sampled_from(["text", "thinking", "tool_use", "new"])},
            optional={
                "text": st.text(max_size=5),
                "thinking": st.text(max_size=5),
                "signature": st.text(max_size=3),
                "input": VALUES,
                "citations": st.none() | st.lists(st.dictionaries(st.text(max_size=2), VALUES)),
                "content": VALUES,
                "new": VALUES,
            },
        ),
        max_size=3,
    ),
    pieces=st.none() | st.integers(1, 3),
    reason=st.none() | st.sampled_from(["end_turn", "tool_use"]),
)
def test_any_message(blocks: list[Any], pieces: int | None, reason: str | None) -> None:
    """The events of any message accumulate to it."""
    message = message_of(message_start(content=blocks, stop_reason=reason))

    assert rebuilt(message, pieces) == message


def test_events_of_the_standard() -> None:
    """Encoded events are those that a server sends."""
    (event,) = parsed(text_start())
    data = '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}'
    assert encode_event(event) == encode(Event(data, "content_block_start"))
    assert ContentBlock(type="text").to_dict() == {"type": "text"}
