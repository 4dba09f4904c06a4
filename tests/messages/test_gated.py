"""Tests of the parts of events that a moderation gate releases."""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, get_args

import pytest

from recorded import differences, pruned
from sseparse.messages import (
    Message,
    MessageAccumulator,
    MessageDeltaEvent,
    MessageEvent,
    MessageParser,
    encode_event,
)
from sseparse.moderation import Gate, Replace
from sseparse.payloads._gated import Dropped, GatedText, Rest, TextEnd, TextKey
from sseparse.payloads._model import Kind

from .events import (
    HELLO,
    PING,
    STOP,
    block_start,
    block_stop,
    delta,
    json_piece,
    message_delta,
    message_start,
    parsed,
    text,
    text_start,
    tool_start,
)
from .recordings import Recording

KINDS: tuple[Kind, ...] = get_args(Kind)
# What a gate drops: it can have generated text in another form.
DROPPED = re.compile(
    r"content\.\d+\.(caller|citations|content|data|encrypted_content|signature)"
    r"|container(\.skills)?|context_management|service_tier|stop_details\.\w+"
    r"|usage\.(iterations|inference_geo|service_tier)"
)


def released(
    events: Iterable[MessageEvent], unchecked: Collection[Kind] = (), mask: str | None = None
) -> list[MessageEvent]:
    """Return what a gate releases if it approves all texts, or masks them."""
    items: list[MessageEvent] = []
    for event in events:
        for part in event.split_texts(unchecked):
            if isinstance(part, GatedText):
                assert part.key.kind not in unchecked
                items.append(part.template.with_text(part.text if mask is None else mask))
            elif isinstance(part, Rest):
                items.append(part.rest.with_approved(lambda _: ""))
    return items


def result_of(events: Iterable[MessageEvent]) -> Message:
    accumulator = MessageAccumulator()
    for event in events:
        accumulator.add(event)
    return accumulator.snapshot()


@pytest.mark.parametrize("unchecked", [(), KINDS])
def test_recordings(recordings: list[Recording], unchecked: Collection[Kind]) -> None:
    """What is released makes the same message, apart from what is dropped."""
    for recording in recordings:
        events = MessageParser().feed(recording.body)
        found = pruned(result_of(released(events, unchecked)).to_dict())
        expected = result_of(events).to_dict()
        if not unchecked:
            blocks = expected["content"]
            expected["content"] = [each for each in blocks if each["type"] != "redacted_thinking"]
        paths = differences(found, pruned(expected))
        assert [path for path in paths if not DROPPED.fullmatch(path)] == [], recording.name


def test_no_text_is_in_a_rest(recordings: list[Recording]) -> None:
    """If all texts are masked, no word of a text is in what is encoded."""
    for recording in recordings:
        events = MessageParser().feed(recording.body)
        words = set(re.findall(r"\w{6,}", result_of(events).text))
        items = [item.to_dict() for item in released(events, mask=" ")]
        assert words.isdisjoint(re.findall(r"\w{6,}", "\n".join(strings(items)))), recording.name


def strings(value: Any) -> Iterator[str]:
    """Yield the strings in a JSON value, except those that are never generated."""
    if isinstance(value, str):
        yield value
    for inner in value if isinstance(value, list) else ():
        yield from strings(inner)
    for name, inner in value.items() if isinstance(value, dict) else ():
        if name not in ("type", "id", "name", "model", "role", "tool_use_id", "stop_reason"):
            yield from strings(inner)


SECRET: dict[str, Any] = {"secret": ["SECRET"], "SECRET": {"SECRET": "SECRET"}}
SECRETS = [
    message_start(**SECRET, stop_details=SECRET, container=SECRET, context_management=SECRET),
    message_start(usage={"input_tokens": 1, "iterations": ["SECRET"], "cache_creation": SECRET}),
    message_start(content=[{"type": "text", "text": "SECRET", "citations": [SECRET], **SECRET}]),
    message_start(content=[{"type": "tool_use", "name": "f", "input": SECRET}]),
    {**message_start(), **SECRET},
    block_start(0, "text", text="SECRET", citations=[SECRET]),
    block_start(0, "thinking", thinking="SECRET", signature="The SECRET"),
    block_start(0, "redacted_thinking", data="SECRET"),
    tool_start(0, input=SECRET, caller=SECRET),
    block_start(0, "web_search_tool_result", tool_use_id="t", content=[SECRET]),
    block_start(0, "compaction", content="SECRET", encrypted_content="SECRET"),
    block_start(0, "new", text="SECRET", input="SECRET", **SECRET),
    block_start(0, "fallback", to=SECRET),
    {**text_start(), **SECRET},
    delta(0, "text_delta", text="SECRET", **SECRET),
    {**delta(0, "text_delta", text="SECRET", citation=SECRET), **SECRET},
    delta(0, "thinking_delta", thinking="SECRET", signature="SECRET"),
    json_piece(0, "SECRET"),
    delta(0, "input_json_delta", partial_json="", **SECRET),
    delta(0, "signature_delta", signature="The SECRET"),
    delta(0, "citations_delta", citation=SECRET),
    delta(0, "compaction_delta", content="SECRET", encrypted_content="SECRET"),
    *(delta(0, "new_delta", text="SECRET"), delta(0, "", text="SECRET")),
    {**block_stop(), **SECRET},
    message_delta(usage={"output_tokens": 1, **SECRET}, context_management=SECRET, **SECRET),
    {
        "type": "message_delta",
        "delta": {"stop_details": {"type": "refusal", "explanation": "SECRET"}},
    },
    {"type": "message_delta", "delta": {"container": SECRET, **SECRET}},
    *({**PING, **SECRET}, {"type": "new", **SECRET}, {**STOP, **SECRET}),
]


@pytest.mark.parametrize("event", SECRETS, ids=range(len(SECRETS)))
def test_each_place_of_a_text(event: dict[str, Any]) -> None:
    """No text is in a Rest or a template, whatever field it's in, and what is dropped is said."""
    (parsed_event,) = parsed(event)
    parts = parsed_event.split_texts(())
    items = [part.rest for part in parts if isinstance(part, Rest)]
    items += [part.template.with_text("-") for part in parts if isinstance(part, GatedText)]

    assert not any(b"SECRET" in encode_event(item) for item in items)
    assert any(isinstance(part, GatedText | Dropped) for part in parts)
    assert [type(part) for part in parsed_event.split_texts(KINDS)]


def test_stream() -> None:
    """Texts are between the start and the end of their block."""
    parts = [part for event in parsed(*HELLO) for part in event.split_texts(())]

    assert [type(part) for part in parts] == [
        *(TextEnd, Rest, Rest, GatedText, GatedText, TextEnd, Rest),
        *(TextEnd, Rest, TextEnd, Rest),
    ]
    assert [part.key for part in parts if isinstance(part, GatedText)] == [
        TextKey("content", 0, 0)
    ] * 2
    rests = [part for part in parts if isinstance(part, Rest)]
    assert [(rest.choice, rest.item) for rest in rests] == [
        *((None, None), (0, 0), (0, 0)),
        *((None, None), (None, None)),
    ]
    ends = [(part.item, part.is_final) for part in parts if isinstance(part, TextEnd)]
    assert ends == [(None, True), (0, True), (None, False), (None, True)]


def test_kinds_of_starts() -> None:
    """What makes no sense without a text is of its kind."""
    events = [
        *(text_start(), tool_start(), block_start(0, "thinking", thinking="")),
        *(block_start(0, "redacted_thinking", data="x"), json_piece(0, "")),
        block_start(0, "web_fetch_tool_result", tool_use_id="t"),
    ]
    rests = [part for event in parsed(*events) for part in event.split_texts(())]

    assert [rest.kind for rest in rests if isinstance(rest, Rest)] == [
        *("content", "arguments", "reasoning", "arguments", None),
    ]


def test_unchecked() -> None:
    """Text of a kind that isn't checked stays as it was received."""
    events = parsed(
        *(tool_start(0, caller={"a": 1}), json_piece(0, "{}"), text(0, "x")),
        delta(0, "signature_delta", signature="s"),
    )

    assert released(events, ["arguments", "reasoning"]) == events


@pytest.mark.parametrize("kind", ["content", "reasoning", "arguments"])
def test_unchecked_kinds_bring_nothing_else(kind: Kind) -> None:
    """Text that isn't checked brings what belongs to it, and no other text or unknown field."""
    fields = dict.fromkeys(("text", "thinking", "partial_json", "data", "secret"), "SECRET")
    owns: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
        "content": ("text", {"text": "a", "citations": [{"a": 1}]}, {"text": "a"}),
        "reasoning": ("thinking", {"thinking": "a", "signature": "s"}, {"thinking": "a"}),
        "arguments": ("tool_use", {"input": {}, "caller": {"a": 1}}, {"partial_json": "a"}),
    }
    own = owns[kind]
    name = {"tool_use": "input_json"}.get(own[0], own[0])
    known = [
        block_start(0, own[0], id="i", name="f", **own[1]),
        delta(0, f"{name}_delta", **own[2]),
        delta(0, "signature_delta", signature="s"),
        delta(0, "citations_delta", citation={"a": 1}),
    ]
    events = [
        {**block_start(0, own[0], **{**fields, "id": "i", "name": "f", **own[1]}), "new": "SECRET"},
        {**delta(0, f"{name}_delta", **{**fields, **own[2]}), "new": "SECRET"},
        delta(0, "signature_delta", **fields, signature="s"),
        delta(0, "citations_delta", **fields, citation={"a": 1}),
    ]
    kinds: tuple[Kind, ...] = ("refusal",)
    expected = [*Gate(lambda _: True, kinds=kinds, unchecked=(kind,)).chunks(parsed(*known))]
    gate = Gate(lambda _: True, kinds=kinds, unchecked=(kind,))
    assert [*gate.chunks(parsed(*events))] == expected
    assert expected[:2] == parsed(*known)[:2]
    assert len(expected) == 2 + (kind != "arguments")
    assert {"secret", "new"} <= set(gate.withheld)


@pytest.mark.parametrize("unchecked", [(), ("reasoning",)])
def test_redacted_thinking(unchecked: tuple[Kind, ...]) -> None:
    """Encrypted reasoning leaves with its data, or it's withheld with its block."""
    block = [block_start(0, "redacted_thinking", data="x"), block_stop(0)]
    answer = [text_start(1), text(1, "One."), block_stop(1)]
    gate = Gate(lambda _: True, kinds=("content", "refusal"), unchecked=unchecked)
    items = [*gate.chunks(parsed(message_start(), *block, *answer, STOP))]

    if unchecked:
        assert items[1:3] == parsed(*block)
    else:
        assert [getattr(item, "index", None) for item in items] == [None, 0, 0, 0, None]
        assert gate.withheld == ("redacted_thinking",)
    gate = Gate(lambda _: True, kinds=("reasoning",))
    assert [item.type for item in gate.chunks(parsed(*block))] == []


def test_phrase_over_blocks() -> None:
    """A check sees a phrase that is split over two blocks, with a call between them."""
    events = [
        *(message_start(), text_start(0), text(0, "a bo"), block_stop(0)),
        *(tool_start(1), json_piece(1, "{}"), block_stop(1)),
        *(text_start(2), text(2, "mb."), block_stop(2)),
    ]
    gate = Gate(lambda each: "bomb" not in each, on_flagged="stop_choice")
    items = [*gate.chunks(parsed(*events))]

    assert result_of(items).text == "a bo"
    assert gate.flags[0].window.text == "a bomb."


def test_masked() -> None:
    """A template gets another text and nothing else."""
    for event in parsed(
        delta(3, "text_delta", text="a", x=1),
        delta(3, "thinking_delta", thinking="a", estimated_tokens=3),
        json_piece(3, "a"),
    ):
        (part,) = [each for each in event.split_texts(()) if isinstance(each, GatedText)]
        masked = part.template.with_text("***").to_dict()
        kind = event.to_dict()["delta"]["type"]
        assert masked["index"] == 3
        assert json.dumps(masked).count("***") == 1
        assert masked["delta"].keys() - {"type"} <= {"text", "thinking", "partial_json"}
        assert masked["delta"]["type"] == kind
    (ping,) = parsed(PING)
    assert ping.with_text("x") is ping


def test_stop() -> None:
    """A stopped message ends as a refusal, with its token counts."""
    gate = Gate(lambda _: False, on_flagged="stop_choice")
    items = [*gate.chunks(parsed(*HELLO))]
    assert [item.type for item in items] == [
        *("message_start", "content_block_start", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]
    message = result_of(items)

    assert message.stop_reason == "refusal"
    assert message.usage is not None
    assert message.usage.output_tokens == 5


@pytest.mark.parametrize("end", [[], [STOP]], ids=["cut", "stop"])
def test_stop_without_an_end(end: list[dict[str, Any]]) -> None:
    """A stopped message has a stop reason and the first token counts, if the server sends none."""
    gate = Gate(lambda _: False, on_flagged="stop_choice")
    start = message_start(usage={"input_tokens": 3, "output_tokens": 1})
    events = parsed(start, text_start(), text(0, "a"), block_stop(), *end)
    items = [*gate.chunks(events)]

    assert [item.type for item in items[3:]] == ["message_delta", *[item["type"] for item in end]]
    (reason,) = (item for item in items if isinstance(item, MessageDeltaEvent))
    assert reason.delta.stop_reason == "refusal"
    assert reason.usage is not None
    assert reason.usage.output_tokens == 1


def shape(gate: Gate, *events: dict[str, Any]) -> list[Any]:
    """Return what a gate releases of the deltas of a message."""
    deltas = [item.to_dict().get("delta", {}) for item in gate.chunks(parsed(*events))]
    return [each.get("thinking", each.get("signature")) for each in deltas if "type" in each]


@pytest.mark.parametrize("hold", [0, 3])
def test_signature(hold: int) -> None:
    """The signature of reasoning is released if all of that text was, as it was received."""
    thought = [*(delta(0, "thinking_delta", thinking=each) for each in ("One. ", "Two"))]
    sign = delta(0, "signature_delta", signature="EqQB+/9w==", new=1)
    block = [block_start(0, "thinking", thinking=""), *thought, sign, block_stop()]
    filled = {"type": "thinking", "thinking": "One. Two", "signature": "EqQB"}
    approved = Gate(lambda _: True, kinds=("reasoning",), hold=hold)
    masked = Gate(lambda text: Replace(text[:-1]), kinds=("reasoning",), hold=hold)

    *texts, signature = shape(approved, *block)
    assert ("".join(texts), signature) == ("One. Two", "EqQB+/9w==")
    assert approved.withheld == ("new",)
    assert "EqQB+/9w==" not in shape(masked, *block)
    assert masked.withheld == ("new", "signature")
    *texts, signature = shape(
        Gate(lambda _: True, kinds=("reasoning",)), message_start(content=[filled])
    )
    assert ("".join(texts), signature) == ("One. Two", "EqQB")
    assert shape(Gate(lambda _: True, kinds=("reasoning",)), block[0], sign) == ["EqQB+/9w=="]


def test_withheld_blocks() -> None:
    """Nothing of a withheld block is released, and the indexes of the others have no gap."""
    events = parsed(
        message_start(),
        *(block_start(0, "thinking", thinking=""), block_stop(0)),
        *(text_start(1), text(1, "One. "), block_stop(1)),
        *(block_start(2, "thinking", thinking=""), block_start(2, "thinking", thinking="")),
        *(delta(2, "signature_delta", signature="s"), block_stop(2)),
        *(tool_start(3), json_piece(3, "{}"), block_stop(3)),
        *(message_delta(), STOP),
    )
    items = [*Gate(lambda _: True).chunks(events)]

    assert [(item.type, getattr(item, "index", None)) for item in items[1:-2]] == [
        *(("content_block_start", 0), ("content_block_delta", 0), ("content_block_stop", 0)),
        *(("content_block_start", 1), ("content_block_delta", 1), ("content_block_stop", 1)),
    ]


def test_filled_start() -> None:
    """A message that begins with its content goes on as if it were streamed."""
    blocks = [
        {"type": "text", "text": "Hello"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
    ]
    usage = {"input_tokens": 3, "cache_creation": {"ephemeral_1h_input_tokens": 2}, "cost": 0.5}
    events = parsed(message_start(content=blocks, stop_reason="tool_use", usage=usage), STOP)
    items = released(events)

    assert [item.type for item in items] == [
        *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]
    assert result_of(items).to_dict() == result_of(events).to_dict()


@pytest.mark.parametrize("unchecked", [(), KINDS])
def test_input_as_text(unchecked: Collection[Kind]) -> None:
    """An input that arrives as the text of JSON is one piece of arguments, and is released."""
    events = parsed(
        message_start(),
        tool_start(0, input='{"x":1}'),
        block_stop(0),
        tool_start(1, input="{}"),
        json_piece(1, '{"y":2}'),
        block_stop(1),
    )
    pieces = [(piece.text, piece.item) for event in events for piece in event.pieces()]
    assert pieces == [('{"x":1}', 0), ('{"y":2}', 1)]
    calls = [call.arguments for call in result_of(released(events, unchecked)).tool_calls]
    assert calls == ['{"x":1}', '{"y":2}']
