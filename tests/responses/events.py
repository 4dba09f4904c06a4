"""Events of a response, as servers send them."""

import json
from typing import Any

from sseparse.responses import ResponseAccumulator, ResponseEvent, ResponseParser
from sseparse.testing import run_stage

ID = "msg_1"
TEXT = "response.output_text.delta"


def body(*events: Any, named: bool = True) -> bytes:
    """Encode JSON objects, or data, as events."""
    lines = []
    for event in events:
        data = event if isinstance(event, str) else json.dumps(event)
        name = event.get("type") if isinstance(event, dict) and named else None
        lines.append(f"event: {name}\ndata: {data}\n\n" if name else f"data: {data}\n\n")
    return "".join(lines).encode()


def created(**fields: Any) -> dict[str, Any]:
    return lifecycle("created", status="in_progress", **fields)


def completed(**fields: Any) -> dict[str, Any]:
    return lifecycle("completed", **fields)


def lifecycle(name: str, **fields: Any) -> dict[str, Any]:
    response = {"id": "resp_1", "object": "response", "status": name, "output": [], **fields}
    return {"type": f"response.{name}", "response": response}


def message(*texts: str, **fields: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text} for text in texts]
    return {"type": "message", "id": ID, "role": "assistant", "content": content, **fields}


def call(arguments: str = "", **fields: Any) -> dict[str, Any]:
    named = {"id": "fc_1", "call_id": "call_1", "name": "get_weather", **fields}
    return {"type": "function_call", "status": "in_progress", "arguments": arguments, **named}


def added(item: Any, index: int | None = 0) -> dict[str, Any]:
    return placed({"type": "response.output_item.added", "item": item}, index)


def done(item: Any, index: int | None = 0) -> dict[str, Any]:
    return placed({"type": "response.output_item.done", "item": item}, index)


def placed(event: dict[str, Any], index: int | None) -> dict[str, Any]:
    return event if index is None else {**event, "output_index": index}


def delta(text: Any, index: int | None = 0, kind: str = TEXT, **fields: Any) -> dict[str, Any]:
    event = {"type": kind, "delta": text, **fields}
    if kind == TEXT:
        event = {"content_index": 0, "item_id": ID, **event}
    return placed(event, index)


def arguments(text: Any, index: int | None = 0, **fields: Any) -> dict[str, Any]:
    return delta(text, index, "response.function_call_arguments.delta", **fields)


def parse(*events: Any, named: bool = True) -> list[ResponseEvent]:
    return run_stage(ResponseParser(), [body(*events, named=named)]).items


def accumulate(*events: Any, **limits: Any) -> ResponseAccumulator:
    accumulator = ResponseAccumulator(**limits)
    for event in parse(*events):
        accumulator.add(event)
    return accumulator


def output(*events: Any) -> list[dict[str, Any]]:
    """Return the items that events add up to."""
    return [item.to_dict() for item in accumulate(*events).snapshot().output]


def notes(*events: Any) -> list[str]:
    """Return the names of the notes on what events add up to."""
    return [note.kind.name for note in accumulate(*events).snapshot().notes]
