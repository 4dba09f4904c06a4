"""Tests that decoding and accumulating messages are linear, also for hostile input."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from line_counts import count_lines
from sseparse import LimitExceeded
from sseparse.messages import MessageAccumulator, MessageEvent, MessageParser, MessageReader
from sseparse.messages import to_events as events_of

from .events import (
    block_start,
    block_stop,
    delta,
    encoded,
    json_piece,
    message_delta,
    message_start,
    parsed,
    text,
    text_start,
    tool_start,
)

MOST = 5_000_000  # lines of Python
COUNT = 100

# Streams of `count` events that are hostile, each in its way.
LOADS: dict[str, Callable[[int], Sequence[dict[str, Any]]]] = {
    "text": lambda count: [text_start(), *[text(0, "a")] * count],
    "blocks": lambda count: [
        each for at in range(count) for each in (text_start(at), text(at, "a"), block_stop(at))
    ],
    "open blocks": lambda count: [tool_start(at) for at in range(count)],
    "one index": lambda count: [tool_start(0, id=f"t{at}") for at in range(count)],
    "ends": lambda count: [
        *(text(at, "a") for at in range(count)),
        *(block_stop(at) for at in range(count)),
    ],
    "open texts": lambda count: [text(at, "a") for at in range(count)],
    "repeated ends": lambda count: [
        *(tool_start(), json_piece(0, "[1")),
        *[json_piece(0, ",1"), block_stop()] * count,
    ],
    "the same start": lambda count: [tool_start()] * count,
    "descending indexes": lambda count: [text(-at, "a") for at in range(count)],
    "no indexes": lambda count: [
        {"type": "content_block_start", "content_block": {"type": "text"}} for _ in range(count)
    ],
    "input": lambda count: [tool_start(), *[json_piece(0, "[")] * count],
    "empty input": lambda count: [tool_start(), *[json_piece(0, "")] * count],
    "text in a call": lambda count: [tool_start(), *[text(0, "a"), json_piece(0, "1")] * count],
    "citations": lambda count: [delta(0, "citations_delta", citation={"a": 1})] * count,
    "unknown deltas": lambda count: [
        delta(0, f"d{at}", **{f"k{at}": at, "same": [at]}) for at in range(count)
    ],
    "counts": lambda count: [message_delta(None, usage={f"k{at}": at}) for at in range(count)],
    "fields": lambda count: [message_delta(None, **{f"k{at}": at}) for at in range(count)],
    "reasons": lambda count: [message_delta(f"r{at}") for at in range(count)],
    "messages": lambda count: [message_start(id=f"m{at}") for at in range(count)],
    "the same message": lambda count: [message_start()] * count,
    "filled messages": lambda count: [
        message_start(id="m2", content=[{"type": "tool_use", "input": {"a": 1}}] * count)
    ],
    "names": lambda count: [block_start(0, "tool_use", name="f" * count, input={})],
    "after the stop": lambda count: [tool_start(), block_stop(), *[json_piece(0, "1")] * count],
}


def events_for(load: str, count: int) -> list[MessageEvent]:
    parser = MessageParser(max_objects=None)
    return parser.feed(encoded(message_start(), *LOADS[load](count)))


def check_linear(make_task: Callable[[int], Callable[[], object]]) -> None:
    once = count_lines(make_task(COUNT), most=MOST)
    assert count_lines(make_task(2 * COUNT), most=2.3 * once + 100) <= 2.3 * once + 100


@pytest.mark.parametrize("load", LOADS)
def test_accumulating(load: str) -> None:
    """Adding events, with their updates and views, costs their own size."""

    def make_task(count: int) -> Callable[[], object]:
        events = events_for(load, count)
        plain, tracked = MessageAccumulator(), MessageAccumulator()

        def task() -> None:
            for event in events:
                plain.add(event)
                tracked.updates(event)
                _ = tracked.json_input(0).value
            tracked.last_updates()

        return task

    check_linear(make_task)


@pytest.mark.parametrize("load", LOADS)
def test_snapshots(load: str) -> None:
    """A snapshot, and the events of it, cost its own size."""

    def make_task(count: int) -> Callable[[], object]:
        accumulator = MessageAccumulator()
        for event in events_for(load, count):
            accumulator.add(event)

        def task() -> None:
            message = accumulator.snapshot()
            _ = message.text, message.tool_calls, accumulator.text, accumulator.usage
            assert [*events_of(message)]

        return task

    check_linear(make_task)


def test_repeated_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of an input that alternate with ends of its block aren't decoded again and again."""
    events = parsed(message_start(), tool_start(), *[json_piece(0, "[1,"), block_stop()] * COUNT)
    decoded: list[int] = []
    decode = msgspec.json.decode

    def count(data: str) -> object:
        decoded.append(len(data))
        return decode(data)

    monkeypatch.setattr(msgspec.json, "decode", count)
    accumulator = MessageAccumulator()
    for event in events:
        accumulator.updates(event)
    accumulator.last_updates()
    assert sum(decoded) <= 2 * 3 * COUNT


@pytest.mark.parametrize("load", ["text", "input", "unknown deltas", "names"])
@pytest.mark.parametrize("size", [1, 4096])
def test_decoding(load: str, size: int) -> None:
    """Decoding costs the size of the bytes, however they are cut."""

    def make_task(count: int) -> Callable[[], object]:
        body = encoded(message_start(), *LOADS[load](count // 5))
        return lambda: [
            reader.feed(body[at : at + size])
            for reader in [MessageReader(max_items=None)]
            for at in range(0, len(body), size)
        ]

    check_linear(make_task)


def test_large_input() -> None:
    """The views of a large input, at each of its pieces, take linear time."""
    value = json.dumps({"code": 'print("[x]")\n' * 3000})

    def make_task(count: int) -> Callable[[], object]:
        pieces = [value[at : at + 4] for at in range(0, 4 * count, 4)]
        events = parsed(message_start(), tool_start(), *[json_piece(0, piece) for piece in pieces])
        accumulator = MessageAccumulator()

        def task() -> None:
            for event in events:
                accumulator.add(event)
                _ = accumulator.json_input(0).value

        return task

    check_linear(lambda count: make_task(4 * count))


@pytest.mark.parametrize(
    "events",
    [
        [tool_start(), *[json_piece(0, "x" * 1000)] * 100],
        [*[delta(0, "citations_delta", citation={"a": [{}] * 50})] * 100],
        [delta(0, "x_delta", **{f"k{at}": "a" * 100}) for at in range(1000)],
        [message_delta(None, **{f"k{at}": "a" * 100}) for at in range(1000)],
        [message_start(id="m2", content=[{"type": "x", "a": [{}] * 9}] * 300)],
        [block_start(at, "x", content=["a" * 100]) for at in range(1000)],
        [message_delta("r" * 200_000)],
        [tool_start(0, id="i" * 200_000)],
        [delta(0, f"{at}" * 100) for at in range(1000)],
    ],
    ids=range(9),
)
def test_memory(events: list[dict[str, Any]]) -> None:
    """Whatever grows counts towards `max_accumulated_bytes`, whatever it is."""
    accumulator = MessageAccumulator(max_accumulated_bytes=100_000)
    with pytest.raises(LimitExceeded) as info:
        for event in parsed(message_start(), *events):
            accumulator.add(event)
    assert info.value.limit == "accumulated"
    assert info.value.partial == accumulator.snapshot()


def test_large_values_of_an_input() -> None:
    """An input that would take more memory than allowed once decoded isn't decoded."""
    events = parsed(message_start(), tool_start(), json_piece(0, f"[{'{},' * 2000}1]"))
    small, large = MessageAccumulator(max_accumulated_bytes=100_000), MessageAccumulator()
    for event in events:
        small.add(event)
        large.add(event)

    assert large.snapshot().content[0].input == [{}] * 2000 + [1]
    assert small.snapshot().content[0].input == {}
    assert small.snapshot().content[0].input_json == large.snapshot().content[0].input_json
    assert len(small.snapshot().notes) == 1


def test_replaced_values_dont_count() -> None:
    """A value that replaces another one takes its place in the limit."""
    accumulator = MessageAccumulator(max_accumulated_bytes=20_000)
    fields = {"container": {"id": "c" * 1000}, "x": "y" * 1000, "context_management": {"a": "b"}}
    event = {"type": "message_delta", "delta": fields, "usage": {"z": "z" * 1000}}
    events = [delta(0, "new_delta", x="a" * 1000), message_start(), event] * 100
    for each in parsed(message_start(), *events):
        accumulator.add(each)
    assert accumulator.error is None
