"""Tests of the rules by which events make a message."""

import json
from typing import Any

import pytest

from sseparse import ParseError
from sseparse.messages import (
    ContentBlock,
    Message,
    MessageAccumulator,
    MessageEvent,
    MessageUsage,
    NoteKind,
    OtherEvent,
    TokenCounts,
)

from .events import (
    HELLO,
    MESSAGE,
    PING,
    STOP,
    accumulator_of,
    block_start,
    block_stop,
    delta,
    json_piece,
    message_delta,
    message_of,
    message_start,
    parsed,
    text,
    text_start,
    tool_start,
)


def kinds(message: Message) -> list[NoteKind]:
    """Return the kinds of a message's notes, each of which can be read."""
    assert all(str(note) and repr(note) for note in message.notes)
    return [note.kind for note in message.notes]  # type: ignore[misc]


def content(*events: dict[str, Any]) -> list[dict[str, Any]]:
    return [block.to_dict() for block in message_of(message_start(), *events).content]


def test_message() -> None:
    """The message is that of its start, with what the events add."""
    message = message_of(*HELLO, PING)

    assert message.to_dict() == {
        **MESSAGE,
        "content": [{"type": "text", "text": "Hello world"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }
    assert message.text == "Hello world"
    assert message.tool_calls == []
    assert message.notes == ()


def test_unknown_fields_of_the_start() -> None:
    """Unknown fields of the message and of blocks are kept at their level."""
    block = {"type": "text", "text": "", "x": [1]}
    start = {"type": "content_block_start", "index": 0, "content_block": block}
    message = message_of(message_start(new={"a": None}, service_tier="standard"), start)

    assert message.extra == {"new": {"a": None}, "service_tier": "standard"}
    assert message.content[0].extra == {"x": [1]}
    assert message.to_dict()["new"] == {"a": None}


def test_indexes() -> None:
    """Blocks are in the order of their indexes, whose gaps don't matter."""
    found = content(
        *(text_start(4), text_start(1), text(4, "b"), text(1, "a"), text(4, "c")),
        *(block_stop(1), block_stop(4), block_stop(9)),
    )

    assert [block["text"] for block in found] == ["a", "bc"]


def test_index_used_again() -> None:
    """A block at the index of a block that ended is another one, behind all others."""
    message = message_of(
        *(message_start(), text_start(), text(0, "a"), block_stop(), text_start(1), text(1, "b")),
        *(text_start(), text(0, "c"), block_stop(), text(0, "d"), text_start(0), text(0, "e")),
    )

    assert [block.text for block in message.content] == ["a", "b", "cd", "e"]
    assert [(note.kind, note.item) for note in message.notes] == [
        (NoteKind.INDEX_SHARED, 2),
        (NoteKind.AFTER_STOP, 2),
        (NoteKind.INDEX_SHARED, 3),
    ]


def test_start_again() -> None:
    """The same start of an open block is ignored, another one is another block."""
    message = message_of(
        *(message_start(), tool_start(), json_piece(0, "{"), tool_start(), json_piece(0, "}")),
        *(tool_start(id="other"), json_piece(0, "{}")),
    )

    assert [call.id for call in message.tool_calls] == ["toolu_0", "other"]
    assert kinds(message) == [NoteKind.BLOCK_REPEATED, NoteKind.INDEX_SHARED]


@pytest.mark.parametrize(
    ("kind", "fields", "block"),
    [
        ("text_delta", {"text": "a"}, {"type": "text", "text": "a"}),
        ("thinking_delta", {"thinking": "a"}, {"type": "thinking", "thinking": "a"}),
        ("signature_delta", {"signature": "a"}, {"type": "thinking", "signature": "a"}),
        ("input_json_delta", {"partial_json": "{}"}, {"type": "tool_use", "input": {}}),
        ("citations_delta", {"citation": {"a": 1}}, {"type": "text", "citations": [{"a": 1}]}),
        ("compaction_delta", {"content": "a"}, {"type": "compaction", "content": "a"}),
        ("new_delta", {"x": 1}, {"type": "new", "x": 1}),
    ],
)
def test_delta_without_a_block(kind: str, fields: Any, block: Any) -> None:
    """A delta without a block begins one of its own kind."""
    message = message_of(message_start(), delta(3, kind, **fields))

    assert [each.to_dict() for each in message.content] == [block]
    assert NoteKind.BLOCK_ASSUMED in kinds(message)


def test_delta_of_another_kind() -> None:
    """Text between the pieces of a call is a block of its own, and the call stays as it is."""
    message = message_of(
        *(message_start(), tool_start(), json_piece(0, '{"a":'), text(0, "Re"), text(0, "d")),
        *(json_piece(0, "1}"), delta(0, "thinking_delta", thinking="hm"), text(0, "!")),
        *(block_stop(), message_delta()),
    )

    assert [block.type for block in message.content] == ["tool_use", "text", "thinking"]
    assert message.text == "Red!"
    assert message.content[0].input == {"a": 1}
    assert kinds(message) == [
        NoteKind.CALLS_UNANNOUNCED,
        *(NoteKind.BLOCK_ASSUMED, NoteKind.BLOCK_ASSUMED),
    ]


def test_unknown_blocks_take_all_deltas() -> None:
    """A block of a type that is new takes deltas of all kinds."""
    found = content(
        block_start(0, "new", text="a", input={"b": 1}),
        *(text(0, "c"), json_piece(0, '{"d":2}'), delta(0, "signature_delta", signature="s")),
    )

    assert found == [{"type": "new", "text": "ac", "input": {"d": 2}, "signature": "s"}]


@pytest.mark.parametrize("named", [True, False])
def test_missing_index(named: bool) -> None:
    """Events without an index belong to the block that began last."""
    events = [
        *(text_start(0), text(0, "a"), block_stop(0), tool_start(1), json_piece(1, "{}")),
        block_stop(1),
    ]
    for event in events:
        if named or event["type"] != "content_block_start":
            del event["index"]
    message = message_of(message_start(), *events)

    assert [block.type for block in message.content] == ["text", "tool_use"]
    assert message.text == "a"
    assert message.content[1].input == {}
    assert set(kinds(message)) == {NoteKind.INDEX_ASSUMED}


def test_missing_parts() -> None:
    """Events without a block, a delta or a message are ignored."""
    message = message_of(
        *({"type": "message_start"}, {"type": "content_block_start", "index": 0}),
        {"type": "content_block_start", "index": 0, "content_block": None},
        *({"type": "content_block_delta", "index": 0}, {"type": "message_delta"}),
        {"type": "content_block_delta", "index": 0, "delta": {}},
        *(text_start(), {"type": "content_block_delta", "index": 0, "delta": {}}),
        *(delta(0, "text_delta", text=None), delta(0, "citations_delta")),
        {"type": "content_block_stop"},
    )

    assert [block.to_dict() for block in message.content] == [{"type": "text", "text": ""}]
    assert set(kinds(message)) == {NoteKind.VALUE_IGNORED, NoteKind.INDEX_ASSUMED}


def test_before_the_message() -> None:
    """What comes before the start of the message isn't part of it."""
    message = message_of(*(text_start(), text(0, "a"), block_stop(), message_delta(), STOP), PING)

    assert message.content == []
    assert message.stop_reason is None
    assert {note.detail for note in message.notes} == {
        *("content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop"),
    }
    assert set(kinds(message)) == {NoteKind.BEFORE_MESSAGE}


def test_message_again() -> None:
    """The start of the same message is ignored, another message replaces it."""
    events = [*HELLO[:4], message_start(), text(0, "!")]
    message = message_of(*events)
    assert message.text == "Hello world!"
    assert kinds(message) == [NoteKind.MESSAGE_REPEATED]

    message = message_of(*events, message_start(id="msg_2"), text(0, "Hi"))
    assert (message.id, message.text) == ("msg_2", "Hi")
    assert message.usage == MessageUsage(input_tokens=10, output_tokens=1)
    assert kinds(message) == [NoteKind.RESTARTED, NoteKind.BLOCK_ASSUMED]
    assert message.notes[0].detail == "msg_1"

    message = message_of(message_start(id=None), text_start(), message_start(), text(0, "a"))
    assert (message.id, message.text) == ("msg_1", "a")
    assert kinds(message) == [NoteKind.MESSAGE_REPEATED]
    assert message_of(*events, {"type": "message_start"}).id == "msg_1"


def test_filled_start() -> None:
    """A message can begin with its content; blocks follow it."""
    blocks = [{"type": "text", "text": "a"}, {"type": "tool_use", "id": "t", "input": {"b": 1}}]
    message = message_of(message_start(content=blocks), text(0, "c"), text_start(2), text(2, "d"))

    assert message.text == "acd"
    assert message.tool_calls[0].value == {"b": 1}
    assert kinds(message) == [NoteKind.AFTER_STOP]


@pytest.mark.parametrize(
    ("pieces", "value"),
    [
        ([], {}),
        ([""], {}),
        (["", '{"a"', ": [1, null]", "}"], {"a": [1, None]}),
        (["{", "}"], {}),
        (["[1]"], [1]),
        (["null"], None),
        (['{"a": "\\ud83d"}'], {"a": "\ud83d"}),
    ],
)
def test_input(pieces: list[str], value: Any) -> None:
    """The input is what the joined pieces say; without any, what the block began with."""
    events = [tool_start(), *[json_piece(0, piece) for piece in pieces], block_stop()]
    message = message_of(message_start(), *events)
    (block,) = message.content

    assert block.input == value
    assert block.input_json == "".join(pieces)
    assert block.input_fault is None
    assert block.arguments == ("".join(pieces) or "{}")
    assert message.tool_calls[0].value == value
    assert message.notes == ()


@pytest.mark.parametrize("kind", ["tool_use", "server_tool_use", "mcp_tool_use"])
@pytest.mark.parametrize(
    ("piece", "offset"),
    [
        ('{"path": "a.txt", "text": "Onc', 30),
        ('{"a": oops}', 6),
        ('{"a": 1} {}', 9),
        ('{"a": NaN}', 6),
        ('{"a":' * 600, 2500),
    ],
)
def test_invalid_input(kind: str, piece: str, offset: int) -> None:
    """An input that isn't complete JSON is in `input_json` only, with the place of the fault."""
    start = block_start(0, kind, id="t", name="f", input={"first": 1})
    message = message_of(message_start(), start, json_piece(0, piece), block_stop())
    (block,) = message.content

    assert block.input == {"first": 1}
    assert block.input_json == piece
    assert block.input_fault is not None
    assert block.input_fault.offset == offset
    assert kinds(message) == [NoteKind.INPUT_INVALID]
    assert block.to_dict() == {"type": kind, "id": "t", "name": "f", "input": {"first": 1}}
    if kind == "tool_use":
        assert message.tool_calls[0].value is None
        assert message.tool_calls[0].arguments == piece
    else:
        assert message.tool_calls == []


def test_input_in_the_middle() -> None:
    """While the input isn't complete, a snapshot doesn't have a half of it."""
    accumulator = accumulator_of(message_start(), tool_start())
    inputs = []
    for event in parsed(*(json_piece(0, each) for each in ('{"a"', ": {}", "}", " "))):
        accumulator.add(event)
        inputs.append(accumulator.snapshot().content[0].input)
        assert accumulator.snapshot() == accumulator.snapshot()

    assert inputs == [{}, {}, {"a": {}}, {"a": {}}]


def test_start_without_input() -> None:
    """A call without an input, as llama.cpp begins it, has the input {}."""
    message = message_of(message_start(), block_start(0, "tool_use", id="t", name="f"))

    assert message.content[0].input == {}
    assert kinds(message) == [NoteKind.INPUT_ASSUMED]
    assert ContentBlock(type="tool_use").arguments == ""
    assert ContentBlock(type="tool_use", input=["\ud83d"]).arguments == '["\\ud83d"]'


def test_input_as_text() -> None:
    """An input that arrives as the text of JSON is what the text decodes to."""
    message = message_of(message_start(), tool_start(input='{"a":1}'), block_stop())
    assert message.content[0].input == {"a": 1}
    assert message.tool_calls[0].arguments == '{"a":1}'
    # A text without fields begins a call whose input follows.
    message = message_of(message_start(), tool_start(input="{}"), json_piece(0, '{"b":2}'))
    assert message.content[0].input == {"b": 2}


def test_json_input() -> None:
    """`json_input()` has the input so far, from any time on."""
    accumulator = accumulator_of(message_start(), tool_start(2), json_piece(2, '{"a": "x'))
    json_input = accumulator.json_input(2)
    assert json_input.value == {"a": "x"}
    for event in parsed(json_piece(2, "yz"), json_piece(2, '"}')):
        accumulator.add(event)
    assert json_input.value == {"a": "xyz"}
    assert json_input.complete
    assert accumulator.json_input(2) is json_input
    assert accumulator.json_input(7).value is None
    assert MessageAccumulator().json_input(0).value is None

    accumulator = accumulator_of(message_start(), text_start(), text(0, "a"))
    before = accumulator.snapshot().to_dict()
    assert accumulator.json_input(0).value is None
    assert accumulator.snapshot().to_dict() == before


def test_thinking() -> None:
    """Reasoning and its signature are joined; hidden reasoning has a signature only."""
    found = content(
        block_start(0, "thinking", thinking="", signature=""),
        *(delta(0, "thinking_delta", thinking=each, estimated_tokens=3) for each in ("a", "b")),
        *(delta(0, "signature_delta", signature=each) for each in ("c", "d")),
        block_start(1, "thinking", thinking="", signature=""),
        delta(1, "signature_delta", signature="e"),
        block_start(2, "redacted_thinking", data="f"),
    )

    assert found == [
        {"type": "thinking", "thinking": "ab", "signature": "cd"},
        {"type": "thinking", "thinking": "", "signature": "e"},
        {"type": "redacted_thinking", "data": "f"},
    ]


@pytest.mark.parametrize("first", [{}, {"citations": None}, {"citations": []}])
def test_citations(first: dict[str, Any]) -> None:
    """Citations are collected, whether the block begins with a list or not."""
    found = content(
        block_start(0, "text", text="", **first),
        delta(0, "citations_delta", citation={"a": 1}),
        *(text(0, "x"), delta(0, "citations_delta", citation={"b": 2})),
    )

    assert found == [{"type": "text", "text": "x", "citations": [{"a": 1}, {"b": 2}]}]


def test_compaction() -> None:
    """A compaction replaces both of its fields."""
    found = content(
        block_start(0, "compaction", content=None),
        delta(0, "compaction_delta", content="a", encrypted_content="b"),
        delta(0, "compaction_delta", content="c"),
        delta(0, "compaction_delta", encrypted_content="d", x=1),
    )
    assert found == [{"type": "compaction", "encrypted_content": "d", "x": 1}]


def test_unknown_delta() -> None:
    """Of a delta of an unknown type, the last value of each field is kept."""
    start = block_start(0, "new", text="z", content=[])
    events = [delta(0, "new_delta", text="a", x=1), delta(0, "new_delta", content="b", x=2)]
    message = message_of(message_start(), start, *events)

    assert message.content[0].to_dict() == {"type": "new", "text": "a", "content": "b", "x": 2}
    assert [(note.kind, note.detail, note.item) for note in message.notes] == [
        (NoteKind.DELTA_UNKNOWN, "new_delta", 0)
    ]


def test_fallback() -> None:
    """After a fallback, the message's model is that which continues it."""
    fallback = {"from": {"model": "a"}, "to": {"model": "claude-b"}, "trigger": "refusal"}
    message = message_of(message_start(), block_start(0, "fallback", **fallback), text_start(1))

    assert message.model == "claude-b"
    assert message.content[0].to_dict() == {"type": "fallback", **fallback}
    assert [(note.kind, note.detail) for note in message.notes] == [
        (NoteKind.MODEL_CHANGED, "claude-opus-4-8")
    ]
    for target in ({}, {"to": None}, {"to": {"model": "claude-opus-4-8"}}):
        assert not message_of(message_start(), block_start(0, "fallback", **target)).notes


def test_message_deltas() -> None:
    """Fields that aren't null replace, the token counts one by one, and unknown fields stay."""
    start = {"input_tokens": 9, "output_tokens": 3, "cache_read_input_tokens": 4, "a": 1, "b": 2}
    message = message_of(
        message_start(usage=start, context_management={"x": 1}),
        message_delta("max_tokens", usage={"input_tokens": None, "output_tokens": 5, "a": None}),
        {
            "type": "message_delta",
            "delta": {"stop_reason": None, "container": {"id": "c"}, "stop_details": {"d": 1}},
            "usage": {"output_tokens": 6, "b": [], "c": None, "server_tool_use": {"n": 1}},
            "context_management": {"applied_edits": []},
            "input_transformations": [],
        },
        {"type": "message_delta", "delta": {"new": 1, "old": None}, "input_transformations": None},
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"n": 3}},
    )

    assert message.to_dict() == {
        **MESSAGE,
        "stop_reason": "max_tokens",
        "stop_details": {"d": 1},
        "container": {"id": "c"},
        "context_management": {"applied_edits": []},
        "input_transformations": [],
        "new": 1,
        "old": None,
        "amazon-bedrock-invocationMetrics": {"n": 3},
        "usage": {
            "input_tokens": 9,
            "output_tokens": 6,
            "cache_read_input_tokens": 4,
            "a": 1,
            "b": [],
            "c": None,
            "server_tool_use": {"n": 1},
        },
    }


def test_misplaced_fields() -> None:
    """A field of the message that is outside of it leaves a note."""
    message = message_of(message_start(), {**message_delta(), "stop_reason": "x", "model": "y"})

    assert (message.stop_reason, message.model) == ("end_turn", "claude-opus-4-8")
    assert {note.detail for note in message.notes} == {"stop_reason", "model"}


def test_token_counts() -> None:
    """The neutral counts include the cache's tokens in the input."""
    usage = MessageUsage(
        input_tokens=1,
        output_tokens=2,
        cache_creation_input_tokens=4,
        cache_read_input_tokens=8,
        output_tokens_details={"thinking_tokens": 16},
    )
    assert usage.token_counts() == TokenCounts(input=13, output=2, cached=8, reasoning=16)
    assert MessageUsage().token_counts() == TokenCounts()
    assert MessageUsage(output_tokens_details={}).token_counts() == TokenCounts()


def test_no_input_tokens_at_the_end() -> None:
    """An input count of 0 doesn't replace a real one, unless the prompt was cached."""
    usage = {"input_tokens": 0, "output_tokens": 5}
    message = message_of(message_start(), message_delta(usage=usage))
    assert message.usage == MessageUsage(input_tokens=10, output_tokens=5)
    assert [(note.kind, note.detail) for note in message.notes] == [
        (NoteKind.VALUE_IGNORED, "input_tokens")
    ]

    usage["cache_read_input_tokens"] = 10
    message = message_of(message_start(), message_delta(usage=usage))
    assert message.usage is not None
    assert message.usage.to_dict() == usage
    assert message.notes == ()


def test_many_unknown_counts() -> None:
    """A usage keeps at most 256 unknown fields."""
    accumulator = accumulator_of(message_start())
    for at in range(300):
        for event in parsed(message_delta(None, usage={f"k{at}": at})):
            accumulator.add(event)
    message = accumulator.snapshot()

    assert message.usage is not None
    assert len(message.usage.extra) == 256
    assert [note.detail for note in message.notes] == ["usage"]


def test_calls_with_another_reason() -> None:
    """Calls of a message that ended with end_turn, as gateways send it, leave a note."""
    message = message_of(message_start(), tool_start(), json_piece(0, "{}"), message_delta())
    assert [call.name for call in message.tool_calls] == ["f"]
    assert kinds(message) == [NoteKind.CALLS_UNANNOUNCED]

    server = block_start(0, "server_tool_use", id="t", name="f", input={})
    assert message_of(message_start(), server, message_delta()).notes == ()


def test_values_of_other_types() -> None:
    """A value of an unexpected type is converted, or ignored with a note."""
    message = message_of(
        message_start(model=5, stop_details="x"),
        {**text_start(), "index": "0"},
        {**text(0, "a"), "index": 0.0},
        *(delta(0, "text_delta", text=7), delta(0, "text_delta", text=[]), text(0, "b")),
        {"type": "message_delta", "delta": {"stop_reason": []}, "usage": {"output_tokens": "6"}},
    )

    assert (message.model, message.text, message.stop_reason) == ("5", "a7b", None)
    assert message.usage == MessageUsage(input_tokens=10, output_tokens=6)
    assert {note.detail for note in message.notes} == {"stop_details", "text", "stop_reason"}


def test_snapshots_stay() -> None:
    """Adding events changes neither earlier snapshots nor events."""
    events = parsed(
        *(message_start(content=[{"type": "text", "text": "a", "x": 1}], y=1), text(0, "b")),
        *(tool_start(1), json_piece(1, "{}"), delta(1, "new_delta", z=1)),
        *(delta(1, "new_delta", z=2), message_delta(new=1, usage={"u": 1}), message_delta(new=2)),
    )
    before = [json.dumps(event.to_dict()) for event in events]
    accumulator = MessageAccumulator()
    seen: list[tuple[Message, str]] = []
    for event in events:
        accumulator.add(event)
        seen.append((accumulator.snapshot(), json.dumps(accumulator.snapshot().to_dict())))

    assert [json.dumps(event.to_dict()) for event in events] == before
    assert all(json.dumps(message.to_dict()) == written for message, written in seen)


def test_properties_of_an_accumulator() -> None:
    """The accumulator shows what it has so far."""
    accumulator = MessageAccumulator()
    assert (accumulator.id, accumulator.model, accumulator.text) == (None, None, "")
    assert accumulator.usage is None
    assert accumulator.snapshot().content == []
    for event in parsed(*HELLO[:4]):
        accumulator.add(event)
    assert (accumulator.id, accumulator.model) == ("msg_1", "claude-opus-4-8")
    assert accumulator.text == "Hello world"
    assert not accumulator.finished


def test_parsing() -> None:
    """Texts and inputs are parsed as types of the caller."""
    message = message_of(message_start(), text_start(), text(0, "[1]"), tool_start(1))
    assert message.parse(list[int]) == [1]
    assert message.content[0].parse(json.loads) == [1]
    assert message.content[1].parse(dict[str, int]) == {}
    assert message.tool_calls[0].parse(dict[str, int]) == {}

    with pytest.raises(ParseError, match=r"no text of the message \(no stop_reason\)"):
        message_of(message_start()).parse(list[int])
    with pytest.raises(ParseError, match=r"stop_reason 'end_turn'\) can't be parsed"):
        message_of(*HELLO).parse(list[int])
    with pytest.raises(ParseError, match="no text of a block of type 'image'"):
        ContentBlock(type="image").parse(str)


def test_events() -> None:
    """Events show their text, their pieces and the tools that they call."""
    blocks = [
        *({"type": "text", "text": "a"}, {"type": "thinking", "thinking": "b"}),
        {"type": "tool_use", "name": "f", "input": {"c": 1}},
        {"type": "server_tool_use", "name": "g", "input": {}},
    ]
    starts = [{"type": "content_block_start", "index": 5, "content_block": b} for b in blocks]
    deltas = [
        *(text(5, "d"), delta(5, "thinking_delta", thinking="e"), json_piece(5, "f")),
        *(json_piece(5, ""), delta(5, "signature_delta", signature="s"), delta(5, "x", text="y")),
    ]
    filled, *events = parsed(message_start(content=blocks), *starts, *deltas, block_stop(), PING)

    pieces = [("content", "a"), ("reasoning", "b"), ("arguments", '{"c":1}')]
    assert [piece[:2] for piece in filled.pieces()] == pieces
    assert [piece.item for piece in filled.pieces()] == [0, 1, 2]
    assert filled.text == "a"
    assert filled.call_names() == ["f", "g"]
    assert filled.usage == MessageUsage(input_tokens=10, output_tokens=1)
    found = [(event.text, [p[:2] for p in event.pieces()], event.call_names()) for event in events]
    assert found == [
        ("a", [pieces[0]], []),
        ("", [pieces[1]], []),
        ("", [pieces[2]], ["f"]),
        ("", [], ["g"]),
        ("d", [("content", "d")], []),
        ("", [("reasoning", "e")], []),
        ("", [("arguments", "f")], []),
        *[("", [], [])] * 5,
    ]
    assert all(piece.item == 5 for event in events for piece in event.pieces())
    assert [event.only_text() for event in events] == [*[None] * 4, "d", *[None] * 7]
    assert all(event.usage is None for event in events)


def test_other_events() -> None:
    """Events of unknown types are items, and change nothing."""
    found: list[MessageEvent] = parsed(*HELLO[:2], {"type": "new", "delta": {"text": "x"}}, PING)

    assert found[2] == OtherEvent(type="new", extra={"delta": {"text": "x"}})
    assert found[3] == OtherEvent(type="ping")
    assert message_of(*HELLO[:2], {"type": "new"}, PING, *HELLO[2:]) == message_of(*HELLO)
