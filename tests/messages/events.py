"""Streams of messages, written by hand."""

import json
from typing import Any

from sseparse.messages import Message, MessageAccumulator, MessageEvent, MessageParser

MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [],
    "model": "claude-opus-4-8",
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 10, "output_tokens": 1},
}
STOP = {"type": "message_stop"}
PING = {"type": "ping"}


def message_start(**fields: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": {**MESSAGE, **fields}}


def block_start(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    block = {"type": kind, **fields}
    return {"type": "content_block_start", "index": index, "content_block": block}


def text_start(index: int = 0) -> dict[str, Any]:
    return block_start(index, "text", text="")


def tool_start(index: int = 0, **fields: Any) -> dict[str, Any]:
    call = {"id": f"toolu_{index}", "name": "f", "input": {}, **fields}
    return block_start(index, "tool_use", **call)


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def text(index: int, piece: str) -> dict[str, Any]:
    return delta(index, "text_delta", text=piece)


def json_piece(index: int, piece: str) -> dict[str, Any]:
    return delta(index, "input_json_delta", partial_json=piece)


def block_stop(index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def message_delta(reason: str | None = "end_turn", **fields: Any) -> dict[str, Any]:
    end = {"stop_reason": reason, "stop_sequence": None}
    return {"type": "message_delta", "delta": end, "usage": {"output_tokens": 5}, **fields}


HELLO = [
    message_start(),
    text_start(),
    text(0, "Hello"),
    text(0, " world"),
    block_stop(),
    message_delta(),
    STOP,
]


def encoded(*events: dict[str, Any], named: bool = True) -> bytes:
    """Return the body of a stream."""
    lines = [
        f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
        if named
        else f"data: {json.dumps(event)}\n\n"
        for event in events
    ]
    return "".join(lines).encode()


def parsed(*events: dict[str, Any]) -> list[MessageEvent]:
    parser = MessageParser()
    found = parser.feed(encoded(*events))
    assert parser.error is None
    return found


def accumulator_of(*events: dict[str, Any]) -> MessageAccumulator:
    accumulator = MessageAccumulator()
    for event in parsed(*events):
        accumulator.add(event)
    return accumulator


def message_of(*events: dict[str, Any]) -> Message:
    return accumulator_of(*events).snapshot()
