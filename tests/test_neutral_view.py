"""A user interface that is written against updates works with all APIs."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from attrs import define, field

from sseparse import ChatStream, IncompleteStream
from sseparse.chunks import (
    ArgumentsDelta,
    ChoiceFinished,
    ContentDelta,
    ContentDone,
    ReasoningDelta,
    ReasoningDone,
    ToolCallDone,
    ToolCallStarted,
    UsageReported,
)
from sseparse.messages import MessageStream, TokenCounts
from sseparse.responses import ResponseStream

STREAMS: dict[str, Any] = {
    "chat": ChatStream,
    "responses": ResponseStream,
    "messages": MessageStream,
}


def chat() -> list[dict[str, Any]]:
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}
    deltas = [
        *({"role": "assistant", "reasoning_content": "Let me "}, {"reasoning_content": "see."}),
        *({"content": "Hel"}, {"content": "lo"}, {"tool_calls": [call]}),
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a": '}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
    ]
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    return [*chunks, {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}}]


def messages() -> list[dict[str, Any]]:
    def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"type": "content_block_start", "index": index, "content_block": start},
            *({"type": "content_block_delta", "index": index, "delta": each} for each in deltas),
            {"type": "content_block_stop", "index": index},
        ]

    call: dict[str, Any] = {"type": "tool_use", "id": "c1", "name": "f", "input": {}}
    end = {"stop_reason": "tool_use", "stop_sequence": None}
    return [
        {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 3}}},
        *block(
            0,
            {"type": "thinking", "thinking": ""},
            {"type": "thinking_delta", "thinking": "Let me "},
            {"type": "thinking_delta", "thinking": "see."},
        ),
        *block(
            1,
            {"type": "text", "text": ""},
            {"type": "text_delta", "text": "Hel"},
            {"type": "text_delta", "text": "lo"},
        ),
        *block(
            2,
            call,
            {"type": "input_json_delta", "partial_json": '{"a": '},
            {"type": "input_json_delta", "partial_json": "1}"},
        ),
        {"type": "message_delta", "delta": end, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]


def responses() -> list[dict[str, Any]]:
    def item(
        index: int, start: dict[str, Any], done: dict[str, Any], kind: str, *deltas: str
    ) -> list[dict[str, Any]]:
        place = {"output_index": index, "item_id": start["id"]}
        return [
            {"type": "response.output_item.added", "output_index": index, "item": start},
            *(
                {"type": f"response.{kind}.delta", **place, "content_index": 0, "delta": each}
                for each in deltas
            ),
            {"type": "response.output_item.done", "output_index": index, "item": done},
        ]

    thought = {"type": "reasoning_text", "text": "Let me see."}
    part = {"type": "output_text", "text": "Hello"}
    reasoning: dict[str, Any] = {
        "type": "reasoning",
        "id": "i0",
        "content": [thought],
        "summary": [],
    }
    message: dict[str, Any] = {
        "type": "message",
        "id": "i1",
        "role": "assistant",
        "content": [part],
    }
    call: dict[str, Any] = {"type": "function_call", "id": "i2", "call_id": "c1", "name": "f"}
    output = [reasoning, message, {**call, "arguments": '{"a": 1}'}]
    usage = {"input_tokens": 3, "output_tokens": 5}
    end = {"id": "r", "object": "response", "status": "completed", "output": output}
    return [
        {"type": "response.created", "response": {"id": "r", "object": "response", "output": []}},
        *item(0, {**reasoning, "content": []}, output[0], "reasoning_text", "Let me ", "see."),
        *item(1, {**message, "content": []}, output[1], "output_text", "Hel", "lo"),
        *item(2, {**call, "arguments": ""}, output[2], "function_call_arguments", '{"a": ', "1}"),
        {"type": "response.completed", "response": {**end, "usage": usage}},
    ]


EVENTS = {"chat": chat, "responses": responses, "messages": messages}


def body(api: str, count: int | None = None) -> bytes:
    """Return the body of a stream, or its first events."""
    events = EVENTS[api]()
    names = (f"event: {each['type']}\n" if "type" in each else "" for each in events)
    lines = [
        f"{name}data: {json.dumps(each)}\n\n" for name, each in zip(names, events, strict=True)
    ]
    end = ["data: [DONE]\n\n"] if api == "chat" else []
    return "".join([*lines, *end][:count]).encode()


@define
class Screen:
    """A user interface: it shows what updates report, and knows no API."""

    reasoning: dict[int | None, str] = field(factory=dict[int | None, str])
    text: dict[int | None, str] = field(factory=dict[int | None, str])
    calls: dict[int | None, list[Any]] = field(factory=dict[int | None, list[Any]])
    order: list[str] = field(factory=list[str])
    counts: TokenCounts | None = None

    def show(self, updates: Iterable[Any]) -> None:
        for update in updates:
            name = type(update).__name__
            if self.order[-1:] != [name]:
                self.order.append(name)
            match update:
                case ContentDelta():
                    self.text[update.item] = self.text.get(update.item, "") + update.text
                case ReasoningDelta():
                    known = self.reasoning.get(update.item, "")
                    self.reasoning[update.item] = known + update.text
                case ContentDone():
                    assert update.text == self.text[update.item]
                case ReasoningDone():
                    assert update.text == self.reasoning[update.item]
                case ToolCallStarted():
                    self.calls[update.call] = [update.id, update.name, ""]
                case ArgumentsDelta():
                    self.calls[update.call][2] += update.text
                case ToolCallDone():
                    assert update.arguments == self.calls[update.call][2]
                    assert update.fault is None
                    self.calls[update.call].append(update.value)
                case ChoiceFinished():
                    assert update.choice == 0
                    assert update.reason
                case UsageReported():
                    self.counts = update.usage.token_counts()


@pytest.mark.parametrize("api", STREAMS)
def test_updates(api: str) -> None:
    """The same code shows the same answer of each API."""
    screen = Screen()
    stream = STREAMS[api]([body(api)])
    screen.show(stream.updates())

    assert [*screen.reasoning.values()] == ["Let me see."]
    assert [*screen.text.values()] == ["Hello"]
    assert screen.calls == {0: ["c1", "f", '{"a": 1}', {"a": 1}]}
    assert screen.counts is not None
    assert screen.counts[:2] == (3, 5)
    for before, after in (
        *(("ReasoningDelta", "ReasoningDone"), ("ContentDelta", "ContentDone")),
        *(("ToolCallStarted", "ArgumentsDelta"), ("ArgumentsDelta", "ToolCallDone")),
        *(("ToolCallDone", "ChoiceFinished"), ("ContentDone", "ChoiceFinished")),
    ):
        assert screen.order.index(before) < screen.order.index(after)
    assert screen.order[-2:] == ["ChoiceFinished", "UsageReported"]


@pytest.mark.parametrize("api", STREAMS)
def test_result(api: str) -> None:
    """The text, the calls and the counts of each API have the same names."""
    result = STREAMS[api]([body(api)]).result()

    assert result.text == "Hello"
    assert result.parse(str.upper) == "HELLO"
    (call,) = result.tool_calls
    assert (call.id, call.name, call.value) == ("c1", "f", {"a": 1})
    assert call.parse(dict[str, int]) == {"a": 1}
    assert result.usage.token_counts()[:2] == (3, 5)
    assert "".join(STREAMS[api]([body(api)]).text_deltas()) == "Hello"


@pytest.mark.parametrize("api", STREAMS)
def test_truncated(api: str) -> None:
    """A truncated stream of each API raises, with what it has in `partial`."""
    count = len(EVENTS[api]()) - 2
    stream = STREAMS[api]([body(api, count)])
    with pytest.raises(IncompleteStream) as info:
        stream.result()

    assert info.value.partial.text == "Hello"
    assert stream.snapshot() == info.value.partial
