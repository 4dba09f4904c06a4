"""The same answer in each API: reasoning, "Hello" in two pieces and a tool call."""

import json
from typing import Any

from attrs import frozen

from sseparse import Event, encode

ARGUMENTS = '{"city": "Lisbon"}'

Object = dict[str, Any]


def events(*values: Object, named: bool = True) -> list[bytes]:
    return [
        encode(Event(json.dumps(value), value["type"] if named and "type" in value else "message"))
        for value in values
    ]


@frozen
class Answer:
    """An API, the events of the answer, and how they end."""

    name: str
    path: str
    events: list[bytes]
    result: Object
    finish: str
    truncated: str
    """What is missing from a truncated stream."""

    @property
    def body(self) -> bytes:
        return b"".join(self.events)

    @property
    def cut(self) -> bytes:
        """The body up to the text."""
        at = next(at for at, event in enumerate(self.events) if b'"lo"' in event)
        return b"".join(self.events[: at + 1])


def chat_answer() -> Answer:
    function = {"name": "weather", "arguments": ARGUMENTS}
    deltas: list[Object] = [
        {"reasoning_content": "Hm."},
        {"content": "Hel"},
        {"content": "lo"},
        {"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": function}]},
    ]
    values: list[Object] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    values.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    usage = {"prompt_tokens": 9, "completion_tokens": 7}
    values.append({"choices": [], "usage": usage})
    return Answer(
        "chat",
        "/v1/chat/completions",
        [*events(*({"id": "x", "model": "m", **value} for value in values)), b"data: [DONE]\n\n"],
        {"object": "chat.completion"},
        "finish_reason=tool_calls, complete",
        " without [DONE] or a finish_reason",
    )


def responses_answer() -> Answer:
    summary = {"type": "summary_text", "text": "Hm."}
    items: list[Object] = [
        {"type": "reasoning", "id": "rs", "summary": [summary]},
        {
            "type": "message",
            "id": "msg",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
        },
        {
            "type": "function_call",
            "id": "fc",
            "call_id": "c",
            "name": "weather",
            "arguments": ARGUMENTS,
            "status": "completed",
        },
    ]
    starts: list[Object] = [
        {**items[0], "summary": []},
        {**items[1], "content": [], "status": "in_progress"},
        {**items[2], "arguments": "", "status": "in_progress"},
    ]
    deltas: list[list[Object]] = [
        [
            {"type": "response.reasoning_summary_part.added", "summary_index": 0, "part": summary}
            | {"part": {"type": "summary_text", "text": ""}},
            {"type": "response.reasoning_summary_text.delta", "summary_index": 0, "delta": "Hm."},
        ],
        [
            {"type": "response.content_part.added", "content_index": 0}
            | {"part": {"type": "output_text", "text": "", "annotations": []}},
            {"type": "response.output_text.delta", "content_index": 0, "delta": "Hel"},
            {"type": "response.output_text.delta", "content_index": 0, "delta": "lo"},
        ],
        [{"type": "response.function_call_arguments.delta", "delta": ARGUMENTS}],
    ]
    response: Object = {"id": "resp_1", "object": "response", "model": "m"}
    usage = {"input_tokens": 9, "output_tokens": 7, "total_tokens": 16}
    start: Object = {**response, "status": "in_progress", "output": []}
    values: list[Object] = [{"type": "response.created", "response": start}]
    for at, item in enumerate(items):
        values.append(
            {"type": "response.output_item.added", "output_index": at, "item": starts[at]}
        )
        values += [{**delta, "output_index": at, "item_id": item["id"]} for delta in deltas[at]]
        values.append({"type": "response.output_item.done", "output_index": at, "item": item})
    final = {**response, "status": "completed", "output": items, "usage": usage}
    values.append({"type": "response.completed", "response": final})
    numbered = [{**value, "sequence_number": at} for at, value in enumerate(values)]
    return Answer(
        "responses",
        "/v1/responses",
        events(*numbered),
        final,
        "status=completed, stream complete",
        " without a terminal event, such as response.completed",
    )


def messages_answer() -> Answer:
    blocks: list[tuple[Object, list[Object]]] = [
        (
            {"type": "thinking", "thinking": "", "signature": ""},
            [{"type": "thinking_delta", "thinking": "Hm."}],
        ),
        (
            {"type": "text", "text": ""},
            [{"type": "text_delta", "text": text} for text in ("Hel", "lo")],
        ),
        (
            {"type": "tool_use", "id": "c", "name": "weather", "input": {}},
            [{"type": "input_json_delta", "partial_json": ARGUMENTS}],
        ),
    ]
    message: Object = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
    message |= {"content": [], "stop_reason": None, "stop_sequence": None}
    message["usage"] = {"input_tokens": 9, "output_tokens": 1}
    values: list[Object] = [{"type": "message_start", "message": message}, {"type": "ping"}]
    for at, (block, deltas) in enumerate(blocks):
        values.append({"type": "content_block_start", "index": at, "content_block": block})
        values += [{"type": "content_block_delta", "index": at, "delta": delta} for delta in deltas]
        values.append({"type": "content_block_stop", "index": at})
    delta = {"stop_reason": "tool_use"}
    values.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}})
    return Answer(
        "messages",
        "/v1/messages",
        events(*values, {"type": "message_stop"}),
        {"type": "message", "role": "assistant", "stop_reason": "tool_use"},
        "stop_reason=tool_use, complete",
        " without message_stop or a stop_reason",
    )


ANSWERS = [chat_answer(), responses_answer(), messages_answer()]
