"""Tests that decoding and accumulating are linear in the length of a stream."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from line_counts import count_lines
from sseparse import (
    Accumulator,
    ChunkParser,
    EndCause,
    LimitExceeded,
    NotEventStream,
    ServerSentError,
)
from sseparse.testing import run_stage

LENGTH = 2_000_000
MOST = 5_000_000  # lines of Python
ESCAPES = rb"\"" * (LENGTH // 2)
DEEP = b"[" * 501
BODIES = {
    "an event": b': x\n\ndata: {"a":' + DEEP + b'"' + ESCAPES + b"\n\n",
    "an incomplete event": b': x\n\ndata: {"a":' + DEEP + b'"' + ESCAPES,
    "an error event": b'event: error\ndata: {"a":' + DEEP + b'"' + ESCAPES + b"\n\n",
    "a body": b'{"a":' + DEEP + b'"' + ESCAPES,
    "a list": b"[" + DEEP + b'"' + ESCAPES + b"]",
    "a lone backslash": b': x\n\ndata: {"a":' + DEEP + b'"' + ESCAPES + b"\\\n\n",
    "brackets and escapes": b': x\n\ndata: {"a":"' + rb"[\"" * (LENGTH // 3) + b"\n\n",
    "many strings": b': x\n\ndata: {"a":[' + b'"[",' * (LENGTH // 4) + b"\n\n",
}

ERRORS = {
    "an error event": ServerSentError,
    "brackets and escapes": LimitExceeded,  # max_objects, which is checked before decoding
    "a body": NotEventStream,
    "a list": NotEventStream,
}


@contextmanager
def processor_seconds(limit: int) -> Iterator[None]:
    """Fail instead of hanging if the block takes more processor time than the limit."""

    def fail(_number: int, _frame: FrameType | None) -> None:
        pytest.fail(f"more than {limit} s of processor time")

    before = signal.signal(signal.SIGVTALRM, fail)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize("body", BODIES)
def test_truncated_strings(body: str) -> None:
    """The depth of JSON with a truncated string of many escaped quotes is found in one pass."""
    with processor_seconds(60):
        outcome = run_stage(ChunkParser(on_bad_json="skip"), [BODIES[body]])

    assert outcome.items == []
    assert isinstance(outcome.error, ERRORS.get(body, type(None)))


def test_truncated_tool_call() -> None:
    """A stream that ends inside large tool arguments is reported as incomplete in linear time."""
    code = json.dumps(json.dumps({"code": 'print("[x]")\n' * 100_000}))
    body = '{"choices": [{"delta": {"tool_calls": [{"function": {"arguments": ' + code
    parser = ChunkParser()
    parser.feed(b": x\n\ndata: " + body[:-10].encode())
    with processor_seconds(60):
        assert parser.close() == []

    assert parser.end is not None
    assert parser.end.cause is EndCause.INCOMPLETE
    assert parser.end.mid_event


@given(
    # Brackets, quotes and backslashes in any order.
    strings=st.lists(st.text('[]{}"\\a\u00e9'), max_size=8),
    depth=st.integers(495, 505),
    cut=st.integers(0, 20),
)
def test_brackets_in_strings(strings: list[str], depth: int, cut: int) -> None:
    """Brackets in strings don't count as nesting."""
    inner = "".join(f"{json.dumps(text, ensure_ascii=False)}," for text in strings)
    # Strings of many brackets, so that a count of all brackets would exceed the limit.
    text = '{"choices": [], "a": ' + "[" * (depth - 1) + inner + '"' + "[" * 501 + '"'
    data = (text + "]" * (depth - 1) + "}").encode()
    parser = ChunkParser()
    items = parser.feed(b"data: " + data + b"\n\n")
    if depth > 500:
        assert "nested deeper than 500" in str(parser.error)
        return
    assert len(items) == 1

    # Without its end the text isn't JSON; it isn't reported as too deep.
    parser = ChunkParser()
    assert parser.feed(b"data: " + data[: -cut - 1] + b"\n\n") == []
    assert "deeper" not in str(parser.error)


def chunk_of(delta: dict[str, Any], **choice: Any) -> Any:
    body = {"choices": [{"index": 0, "delta": delta, **choice}]}
    (chunk,) = ChunkParser(max_objects=None).feed(b"data: " + json.dumps(body).encode() + b"\n\n")
    return chunk


def many(value: Any, count: int) -> dict[str, Any]:
    return {f"k{at}": value for at in range(count)}


def call(extra: dict[str, Any]) -> dict[str, Any]:
    return {"tool_calls": [{"index": 0, **extra}]}


# Fields that are merged: a large value arrives first, then many small ones.
MERGED: dict[str, Callable[[Any], dict[str, Any]]] = {
    "a provider": lambda value: {"extra_content": value},
    "a feature": lambda value: {"extra_content": {"a": value}},
    "a feature's field": lambda value: {"extra_content": {"a": {"b": value}}},
    "a tool call": lambda value: call({"extra_content": {"a": value}}),
    "a function": lambda value: call({"function": {"extra_content": {"a": value}}}),
    "a custom tool": lambda value: call({"custom": {"extra_content": {"a": value}}}),
    "a function call": lambda value: {"function_call": {"extra_content": {"a": value}}},
    "an annotation": lambda value: {"annotations": [{"index": 0, **value}]},
    "an annotation's field": lambda value: {
        "annotations": [{"index": 0, "extra_content": {"a": value}}]
    },
    "an image": lambda value: {"images": [{"index": 0, **value}]},
    "audio": lambda value: {"audio": {"extra_content": {"a": value}}},
    "reasoning details": lambda value: {
        "reasoning_details": [{"type": "reasoning.text", "index": 0, **value}]
    },
}


@pytest.mark.parametrize("place", MERGED)
def test_merging(place: str) -> None:
    """Merging a chunk costs its own size, not that of the accumulated value."""
    accumulator = Accumulator()
    accumulator.add(chunk_of(MERGED[place](many(1, 100_000))))
    piece = chunk_of(MERGED[place]({"x": 2}))

    def add_pieces(count: int) -> None:
        for _ in range(count):
            accumulator.add(piece)

    # Counted lines reveal a loop over the accumulated value, processor time a copy of it.
    count_lines(lambda: add_pieces(100), most=400 * 100)
    with processor_seconds(5):
        add_pieces(10_000)


@pytest.mark.parametrize("place", MERGED)
def test_merging_changes_no_chunk(place: str) -> None:
    """Merging changes neither chunks nor earlier snapshots."""
    first, second = (chunk_of(MERGED[place]({"x": value, f"x{value}": 1})) for value in (1, 2))
    before = [first.to_dict(), second.to_dict()]
    accumulator = Accumulator()
    accumulator.add(first)
    snapshot = accumulator.snapshot()
    early = snapshot.to_dict()
    accumulator.add(second)
    accumulator.add(first)

    assert [first.to_dict(), second.to_dict()] == before
    assert snapshot.to_dict() == early
    merged = str(accumulator.snapshot().to_dict())
    assert "'x1': 1" in merged
    assert "'x2': 1" in merged


@pytest.mark.parametrize("kind", ["function", "custom"])
def test_many_tool_calls_in_one_chunk(kind: str) -> None:
    """Updates of a chunk that begins many tool calls and continues each take linear time."""

    def make_task(count: int) -> Callable[[], object]:
        text = {"function": "arguments", "custom": "input"}[kind]
        begun = [
            {"index": at, "id": f"c{at}", kind: {"name": "f", text: "{"}} for at in range(count)
        ]
        ended = [{"index": at, kind: {text: "}"}} for at in range(count)]
        chunk = chunk_of({"tool_calls": begun + ended})
        return lambda: Accumulator().updates(chunk)

    once = count_lines(make_task(800), most=MOST)
    assert count_lines(make_task(1600), most=2.2 * once) <= 2.2 * once


@pytest.mark.parametrize("order", [1, -1])
def test_many_tool_calls_in_many_chunks(order: int) -> None:
    """Updates of chunks that each begin a tool call and continue another take linear time."""

    def make_task(count: int) -> Callable[[], object]:
        def piece(at: int, text: str) -> dict[str, Any]:
            return {"index": at, "id": f"c{at}", "function": {"name": "f", "arguments": text}}

        pairs = zip(range(count), range(count)[::order], strict=True)
        chunks = [
            chunk_of({"tool_calls": [piece(one, "{"), piece(other, "}")]}) for one, other in pairs
        ]
        accumulator = Accumulator()
        return lambda: [accumulator.updates(chunk) for chunk in chunks]

    once = count_lines(make_task(400), most=MOST)
    assert count_lines(make_task(800), most=2.2 * once) <= 2.2 * once


SNAPSHOTS: dict[str, Callable[[int], Any]] = {
    "text": lambda at: chunk_of({"content": f"{at} "}),
    "audio": lambda at: chunk_of({"audio": {"data": "QQ==", "transcript": "a"}}),
    "one finish reason": lambda _: chunk_of({}, finish_reason="stop"),
    "finish reasons": lambda at: chunk_of({}, finish_reason=f"r{at % 7}"),
    "annotations": lambda at: chunk_of({"annotations": [{"index": at, "url": f"u{at}"}]}),
    "one annotation": lambda at: chunk_of({"annotations": [{"index": 0, f"k{at}": 1}]}),
    "features": lambda at: chunk_of({"extra_content": {"a": {f"k{at}": 1}}}),
    "reasoning details": lambda at: chunk_of(
        {"reasoning_details": [{"type": "reasoning.text", "index": at, "text": "a"}]}
    ),
    "tool calls": lambda at: chunk_of(
        {
            "tool_calls": [
                {"index": at, "id": f"c{at}", "function": {"name": "f", "arguments": "{}"}}
            ]
        }
    ),
    "log-probabilities": lambda _: chunk_of({}, logprobs={"content": [{"token": "a"}]}),
    "unknown fields": lambda at: chunk_of({f"k{at}": 1}, **{f"c{at}": 1}),
}


@pytest.mark.parametrize("load", SNAPSHOTS)
def test_snapshots(load: str) -> None:
    """A snapshot costs its own size."""

    def make_task(count: int) -> Callable[[], object]:
        accumulator = Accumulator()
        for at in range(count):
            accumulator.add(SNAPSHOTS[load](at))
        accumulator.snapshot()
        return accumulator.snapshot

    once = count_lines(make_task(200), most=MOST)
    assert count_lines(make_task(400), most=2.2 * once) <= 2.2 * once


def test_snapshots_after_padded_audio() -> None:
    """Audio is decoded once, even with many snapshots."""

    def make_task(count: int) -> Callable[[], object]:
        accumulator = Accumulator()
        chunk = chunk_of({"audio": {"data": "QUJDRA=="}})

        def add_and_snapshot() -> None:
            for _ in range(count):
                accumulator.add(chunk)
                accumulator.snapshot()

        return add_and_snapshot

    once = count_lines(make_task(200), most=MOST)
    assert count_lines(make_task(400), most=2.2 * once) <= 2.2 * once


@pytest.mark.parametrize(
    ("pieces", "data"),
    [
        (["QUI=", "Q0RF", "RkdISQ==", "Sg", "=="], "QUJDREVGR0hJSg=="),
        (["QUI=", "Q", "0", "Q="], "QUJDRA=="),
        (["QUI=", "not base64", "Q0Q="], "QUI=not base64Q0Q="),
        (["QUI=", "\u00e9", "Q0Q="], "QUI=\u00e9Q0Q="),
        (["=", "QUI=", "Q0Q="], "QUJDRA=="),
    ],
)
def test_snapshots_between_pieces_of_audio(pieces: list[str], data: str) -> None:
    """An earlier snapshot doesn't change the audio of a later one."""
    once, often = Accumulator(), Accumulator()
    for piece in pieces:
        chunk = chunk_of({"audio": {"data": piece}})
        once.add(chunk)
        often.add(chunk)
        often.snapshot()

    (choice,) = once.snapshot().to_dict()["choices"]
    assert choice["message"]["audio"]["data"] == data
    assert often.snapshot() == once.snapshot()


def test_snapshots_after_repeated_finish_reasons() -> None:
    """A repeated finish reason is stored once."""
    chunk = chunk_of({}, finish_reason="stop")
    accumulator = Accumulator()
    with processor_seconds(20):
        for _ in range(60_000):
            accumulator.add(chunk)
            accumulator.snapshot()

    assert accumulator.snapshot().choices[0].finish_reasons_seen is None
