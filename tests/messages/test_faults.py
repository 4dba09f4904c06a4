"""Every two of the deviations of servers at once, on a stream that is otherwise faithful."""

import json
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest

from dialect_cases import check_updates
from sseparse import EndCause
from sseparse.messages import MessageReader, MessageStream

Event = dict[str, Any]
Fault = Callable[[list[Event]], list[Event]]

BLOCKS: list[Event] = [
    {"type": "thinking", "thinking": "Think first", "signature": "SIG"},
    {"type": "text", "text": "Red green"},
    {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}},
    {"type": "tool_use", "id": "t2", "name": "g", "input": {"y": 2}},
]
EMPTY = {"thinking": "", "text": "", "signature": "", "input": {}}
MESSAGE: Event = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 1},
}


def deltas_of(block: Event) -> list[Event]:
    if block["type"] == "thinking":
        return [
            {"type": "thinking_delta", "thinking": "Think "},
            {"type": "thinking_delta", "thinking": "first"},
            {"type": "signature_delta", "signature": "SIG"},
        ]
    if block["type"] == "text":
        return [{"type": "text_delta", "text": text} for text in ("Red ", "green")]
    text = json.dumps(block["input"])
    return [{"type": "input_json_delta", "partial_json": each} for each in ("", text[:3], text[3:])]


def faithful() -> list[Event]:
    """Return the events of a message as Anthropic sends them."""
    events: list[Event] = [{"type": "message_start", "message": MESSAGE}]
    for index, block in enumerate(BLOCKS):
        empty = {name: EMPTY.get(name, value) for name, value in block.items()}
        if block["type"] == "text":
            empty["type"] = "text"
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        kind = "content_block_delta"
        events += [{"type": kind, "index": index, "delta": delta} for delta in deltas_of(block)]
        events.append({"type": "content_block_stop", "index": index})
    events.append(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": 7},
        }
    )
    events.append({"type": "message_stop"})
    copied: list[Event] = json.loads(json.dumps(events))
    return copied


def only(keep: Callable[[Event], bool]) -> Fault:
    """Drop events."""
    return lambda events: [event for event in events if keep(event)]


def renumbered(number: Callable[[int], int]) -> Fault:
    """Change the index of each block."""

    def change(events: list[Event]) -> list[Event]:
        return [
            {**event, "index": number(event["index"])} if "index" in event else event
            for event in events
        ]

    return change


def began_again(events: list[Event]) -> list[Event]:
    return [each for event in events for each in (event, events[0])][:-1]


def starts_again(events: list[Event]) -> list[Event]:
    twice = "content_block_start"
    return [each for event in events for each in ((event,) * (1 + (event["type"] == twice)))]


def stops_again(events: list[Event]) -> list[Event]:
    twice = "content_block_stop"
    return [each for event in events for each in ((event,) * (1 + (event["type"] == twice)))]


def sorted_keys(events: list[Event]) -> list[Event]:
    sorted_events: list[Event] = json.loads(json.dumps(events, sort_keys=True))
    return sorted_events


def strangers(events: list[Event]) -> list[Event]:
    between: Event = {"type": "ping"}
    unknown: Event = {"type": "dream", "index": 0, "delta": {"text": "lost"}}
    return [each for event in events for each in (between, unknown, event)]


def nulls(events: list[Event]) -> list[Event]:
    return [{**event, "new": None} for event in events]


def empty_deltas(events: list[Event]) -> list[Event]:
    kind = "content_block_delta"
    return [
        each
        for event in events
        for each in ((event, {**event, "delta": {}}) if event["type"] == kind else (event,))
    ]


def thin_starts(events: list[Event]) -> list[Event]:
    for event in events:
        if event["type"] == "content_block_start":
            for name in ("signature", "input", "thinking", "text"):
                event["content_block"].pop(name, None)
    return events


def thin_message(events: list[Event]) -> list[Event]:
    message = {"id": "msg_1", "model": "m", "usage": MESSAGE["usage"]}
    return [
        {**event, "message": message} if event["type"] == "message_start" else event
        for event in events
    ]


def is_call(event: Event) -> bool:
    return bool(event.get("content_block", {}).get("type") == "tool_use")


FAULTS: dict[str, Fault] = {
    "gaps": renumbered(lambda index: index * 2 + 1),
    "one index": renumbered(lambda _index: 0),
    "no stops": only(lambda event: event["type"] != "content_block_stop"),
    "no starts of texts": only(
        lambda event: event["type"] != "content_block_start" or is_call(event)
    ),
    "message starts again": began_again,
    "blocks start again": starts_again,
    "blocks stop again": stops_again,
    "sorted keys": sorted_keys,
    "strangers": strangers,
    "nulls": nulls,
    "empty deltas": empty_deltas,
    "thin starts": thin_starts,
    "thin message": thin_message,
}
# Without starts, the blocks of one index can't be distinguished.
PAIRS = [
    pair for pair in combinations(FAULTS, 2) if set(pair) != {"one index", "no starts of texts"}
]


def body_of(events: list[Event], *, named: bool) -> bytes:
    lines = []
    for event in events:
        name = f"event: {event['type']}\n" if named else ""
        lines.append(f"{name}data: {json.dumps(event)}\n\n")
    return "".join(lines).encode()


@pytest.mark.parametrize("end", ["DONE", "FINISHED", "INCOMPLETE"])
@pytest.mark.parametrize("names", PAIRS, ids=" and ".join)
def test_two_faults(names: tuple[str, str], end: str) -> None:
    """Two deviations at once lose no text and no call, even if the last events are missing."""
    events = faithful()
    last = {"DONE": "", "FINISHED": "message_stop", "INCOMPLETE": "message_delta"}[end]
    kinds = [event["type"] for event in events]
    events = events[: kinds.index(last) if last else None]
    for name in names:
        events = FAULTS[name](events)
    for named in (True, False):
        if end == "DONE":
            check_updates(MessageStream([body_of(events, named=named)]))
        reader = MessageReader()
        reader.feed(body_of(events, named=named))
        reader.close()
        result = reader.snapshot()
        assert reader.end.cause is EndCause[end]
        assert result.text == "Red green"
        content = result.to_dict()["content"]
        assert [block["type"] for block in content] == [block["type"] for block in BLOCKS]
        assert (content[0]["thinking"], content[0]["signature"]) == ("Think first", "SIG")
        calls = [(call.name, call.value) for call in result.tool_calls]
        assert calls == [("f", {"x": 1}), ("g", {"y": 2})]
        assert [block["input"] for block in content[2:]] == [{"x": 1}, {"y": 2}]
