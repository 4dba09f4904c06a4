"""Every two of the deviations of servers at once, on streams that are otherwise faithful."""

import json
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest

from dialect_cases import check_updates
from sseparse import EndCause
from sseparse.responses import ResponseReader, ResponseStream

Event = dict[str, Any]
Fault = Callable[[list[Event]], list[Event]]

REASONING = [{"type": "summary_text", "text": "Plan now"}]
TEXT = [{"type": "output_text", "text": "Red green", "annotations": []}]
ITEMS: list[Event] = [
    {"id": "rs_1", "type": "reasoning", "summary": REASONING},
    {"id": "msg_1", "type": "message", "role": "assistant", "content": TEXT},
    {"id": "fc_1", "type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"x":1}'},
    {"id": "fc_2", "type": "function_call", "call_id": "c2", "name": "g", "arguments": '{"y":2}'},
]
EMPTY = {"summary": [], "content": [], "arguments": ""}


def head(status: str, output: list[Event]) -> Event:
    return {"id": "resp_1", "object": "response", "model": "m", "status": status, "output": output}


def texts_of(item: Event) -> tuple[str, Event, str, str]:
    """Return the kind of an item's events, the place of its text, the text and its field."""
    if item["type"] == "reasoning":
        return "reasoning_summary", {"summary_index": 0}, "Plan now", "text"
    if item["type"] == "message":
        return "output", {"content_index": 0}, "Red green", "text"
    return "function_call_arguments", {}, item["arguments"], "arguments"


def faithful() -> list[Event]:
    """Return the events of a response as OpenAI sends them."""
    events: list[Event] = [{"type": "response.created", "response": head("in_progress", [])}]
    for index, item in enumerate(ITEMS):
        kind, place, text, field = texts_of(item)
        where = {"item_id": item["id"], "output_index": index, **place}
        empty = {name: EMPTY.get(name, value) for name, value in item.items()}
        name = f"response.{kind}" if field == "arguments" else f"response.{kind}_text"
        part = f"response.{'content' if kind == 'output' else kind}_part"
        events.append({"type": "response.output_item.added", "output_index": index, "item": empty})
        if place:
            added = {"type": "summary_text" if kind == "reasoning_summary" else "output_text"}
            events.append({"type": f"{part}.added", **where, "part": {**added, "text": ""}})
        events += [{"type": f"{name}.delta", **where, "delta": text[:4]}]
        events += [{"type": f"{name}.delta", **where, "delta": text[4:]}]
        events.append({"type": f"{name}.done", **where, field: text})
        if place:
            events.append({"type": f"{part}.done", **where, "part": {**added, "text": text}})
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    events.append({"type": "response.completed", "response": head("completed", ITEMS)})
    for number, event in enumerate(events):
        event["sequence_number"] = number
    copied: list[Event] = json.loads(json.dumps(events))
    return copied


def without(*fields: str) -> Fault:
    """Drop fields of every event."""

    def drop(events: list[Event]) -> list[Event]:
        return [{name: event[name] for name in event if name not in fields} for event in events]

    return drop


def only(keep: Callable[[str], bool]) -> Fault:
    """Drop events by type."""
    return lambda events: [event for event in events if keep(event["type"])]


def empty_output(events: list[Event]) -> list[Event]:
    events[-1] = {**events[-1], "response": head("completed", [])}
    return events


def rotating_ids(events: list[Event]) -> list[Event]:
    return [
        {**event, **({"item_id": f"x{number}"} if "item_id" in event else {})}
        for number, event in enumerate(events)
    ]


def other_ids_when_done(events: list[Event]) -> list[Event]:
    for event in events:
        if event["type"] == "response.output_item.done":
            event["item"]["id"] += "_done"
    return events


def sorted_keys(events: list[Event]) -> list[Event]:
    return [dict(sorted(event.items())) for event in events]


def strangers(events: list[Event]) -> list[Event]:
    between: Event = {"type": "keepalive"}
    unknown: Event = {"type": "response.dream.delta", "output_index": 0, "delta": "lost"}
    return [each for event in events for each in (between, unknown, event)]


def gaps(events: list[Event]) -> list[Event]:
    return [
        {**event, "output_index": event["output_index"] * 2 + 1}
        if "output_index" in event
        else event
        for event in events
    ]


def null_fields(events: list[Event]) -> list[Event]:
    return [{**event, "logprobs": None, "obfuscation": None, "new": None} for event in events]


def counted_content(events: list[Event]) -> list[Event]:
    """Number the text deltas in content_index, as vLLM did."""
    number = 0
    for event in events:
        if "content_index" in event and event["type"].endswith((".delta", ".done")):
            number += 1
            event["content_index"] = number
    return events


FAULTS: dict[str, Fault] = {
    "no output_index": without("output_index"),
    "no item_id": without("item_id"),
    "no content_index": without("content_index", "summary_index"),
    "no sequence_number": without("sequence_number"),
    "no parts": only(lambda kind: "_part." not in kind),
    "no text done": only(lambda kind: not kind.endswith(("text.done", "arguments.done"))),
    "no item done": only(lambda kind: kind != "response.output_item.done"),
    "no deltas": only(lambda kind: not kind.endswith(".delta")),
    "no created": only(lambda kind: kind != "response.created"),
    "empty output": empty_output,
    "rotating ids": rotating_ids,
    "other ids when done": other_ids_when_done,
    "sorted keys": sorted_keys,
    "strangers": strangers,
    "gaps": gaps,
    "nulls": null_fields,
    "counted content": counted_content,
}


# Without parts, nothing tells a counted index from that of another part.
PAIRS = [pair for pair in combinations(FAULTS, 2) if set(pair) != {"no parts", "counted content"}]


def body_of(events: list[Event], *, named: bool) -> bytes:
    lines = []
    for event in events:
        name = f"event: {event['type']}\n" if named else ""
        lines.append(f"{name}data: {json.dumps(event)}\n\n")
    return "".join(lines).encode()


@pytest.mark.parametrize("cut", [False, True], ids=["complete", "cut"])
@pytest.mark.parametrize("names", PAIRS, ids=" and ".join)
def test_two_faults(names: tuple[str, str], cut: bool) -> None:
    """Two deviations at once lose no text and no call, even if the last event is missing."""
    events = faithful()
    for name in names:
        events = FAULTS[name](events)
    for named in (True, False):
        if not cut:
            check_updates(ResponseStream([body_of(events, named=named)]))
        reader = ResponseReader()
        reader.feed(body_of(events[:-1] if cut else events, named=named))
        reader.close()
        result = reader.snapshot()
        assert reader.end.cause is (EndCause.INCOMPLETE if cut else EndCause.DONE)
        assert result.text == "Red green"
        calls = [(call.name, call.arguments) for call in result.tool_calls]
        assert calls == [("f", '{"x":1}'), ("g", '{"y":2}')]
        output = result.to_dict()["output"]
        assert [item["type"] for item in output] == [item["type"] for item in ITEMS]
        assert "".join(part["text"] for part in output[0]["summary"]) == "Plan now"
