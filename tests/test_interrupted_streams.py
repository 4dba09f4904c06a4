"""A stream that is interrupted at any line loses nothing silently."""

import itertools
import sys
from collections.abc import Callable
from typing import Any

import pytest

from interruptions import CHUNKS, TEXT, Interruption, Trickle, interrupting, read_twice
from sseparse import Accumulator, BrokenStage, Deadlines, EventStream, SSEError, Stream
from sseparse.moderation import Gate


def rewriting_stream(source: Any, **options: Any) -> Stream:
    return Stream(source, think_tags=True, deltas="cumulative", **options)


@pytest.mark.parametrize(
    ("kind", "timed"),
    [
        *((kind, timed) for kind in (EventStream, Stream) for timed in (False, True)),
        (rewriting_stream, False),
    ],
)
def test_stream_interrupted_at_any_line(kind: Any, *, timed: bool) -> None:
    """Iterating again returns all other items or raises, so no loss is silent."""
    deadlines = Deadlines(total=1e6) if timed else None
    expected = list(kind(Trickle()))
    for at in itertools.count(1):
        stream = kind(Trickle(), deadlines=deadlines)
        try:
            items, place = read_twice(stream, at)
        except (SSEError, RuntimeError):
            assert not stream.end.complete
            if kind is not EventStream:
                with pytest.raises((SSEError, RuntimeError)):
                    stream.result()
            continue
        assert items == expected
        assert stream.end.complete
        assert kind is EventStream or stream.result().choices[0].message.content == TEXT
        if not place:
            break
    assert at > 100


READERS: dict[str, Callable[[Accumulator], object]] = {
    "text": lambda accumulator: accumulator.text,
    "snapshot": lambda accumulator: accumulator.snapshot(),
    "json_content": lambda accumulator: accumulator.json_content(),
    "result": lambda accumulator: accumulator.result(),
}


@pytest.mark.parametrize("reader", READERS)
def test_reader_interrupted_at_any_line(reader: str) -> None:
    """Afterwards the text is complete or the accumulator is broken; it's never truncated."""
    at, place, broken = 0, "x", 0
    while place:
        at += 1
        accumulator = Accumulator()
        for chunk in CHUNKS:
            accumulator.add(chunk)
        places: list[str] = []
        before = sys.gettrace()
        sys.settrace(interrupting(at, places))
        try:
            READERS[reader](accumulator)
        except Interruption:
            broken += accumulator.error is not None
        finally:
            sys.settrace(before)
        if accumulator.error is None:
            assert accumulator.result().text == TEXT, places[-1]
        else:
            with pytest.raises(BrokenStage):
                accumulator.result()
        place = places[at - 1] if len(places) >= at else ""
    assert broken > 5


def test_interrupted_result() -> None:
    """result() of a stream raises if its accumulator is broken."""
    broken = 0
    for at in itertools.count(1):
        stream = Stream(Trickle())
        list(stream)
        places: list[str] = []
        before = sys.gettrace()
        sys.settrace(interrupting(at, places))
        try:
            stream.result()
            break
        except Interruption:
            pass
        finally:
            sys.settrace(before)
        if stream.accumulator.error is not None:
            broken += 1
            with pytest.raises(BrokenStage):
                stream.result()
    assert broken


def test_texts_interrupted_at_any_line() -> None:
    """Iterating text deltas again returns all other texts or raises."""
    at, place = 0, "x"
    while place:
        at += 1
        stream = Stream(Trickle())
        try:
            texts, place = read_twice(stream.text_deltas(), at)
        except SSEError:
            continue
        assert "".join(texts) == TEXT, place
    assert at > 50


@pytest.mark.parametrize(("read", "concurrent"), [(Gate.text_deltas, 1), (Gate.chunks, 2)])
def test_gate_interrupted_at_any_line(read: Any, concurrent: int) -> None:
    """Iterating again returns all other text or raises, so no loss is silent."""
    at, place, intact = 0, "x", 0
    while place:
        at += 1
        gate = Gate(lambda _: True, hold=2, concurrent=concurrent)
        try:
            items, place = read_twice(read(gate, iter(CHUNKS)), at)
        except SSEError:
            continue
        assert "".join(getattr(item, "text", item) for item in items) == TEXT, place
        intact += 1
    assert at > 50
    assert intact > 10
