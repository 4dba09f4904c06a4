"""Measurements of a Timeline."""

import json
import sys
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse import (
    ChunkParser,
    End,
    EndCause,
    Parser,
)
from sseparse.timing import Stall, Timeline

from .arrivals import Clock, answer, chat, played, spread, usage


def test_times_count_from_the_request() -> None:
    """All times count from the request. The first byte can be earlier than the first event."""
    clock = Clock()
    timeline = Timeline(clock)
    clock.now += 5
    timeline.on_request()
    steps: list[tuple[float, Callable[[], None]]] = [
        (0.25, lambda: timeline.on_bytes(5, comments=1)),
        (0.5, lambda: timeline.on_bytes(20, events=1)),
        (0.5, lambda: timeline.on_item(chat(""))),
        (0.75, lambda: timeline.on_bytes(20, events=1)),
        (0.75, lambda: timeline.on_item(chat(reasoning="hm"))),
        (1.0, lambda: timeline.on_bytes(20, events=1)),
        (1.0, lambda: timeline.on_item(chat("four"))),
        (1.5, lambda: timeline.on_bytes(20, events=1)),
        (1.5, lambda: timeline.on_item(chat("ty-two"))),
        (2.0, timeline.on_end),
    ]
    for at, step in steps:
        clock.now = 1005.0 + at
        step()

    summary = timeline.summary()

    assert summary.time_to_first_byte == 0.25
    assert summary.time_to_first_event == 0.5
    assert summary.time_to_first_token == 0.75
    assert summary.time_to_first_text == 1.0
    assert summary.total == 2.0
    assert (summary.chunks, summary.events, summary.comments, summary.bytes) == (4, 4, 1, 85)
    assert summary.characters == 12
    assert summary.sooner == 1.0
    assert summary.sooner_ratio == 2.0
    assert summary.longest_silence == 0.5
    assert summary.gaps == spread(0.25, 0.5)
    assert summary.stalls == ()
    assert summary.tokens is None
    assert summary.characters_per_second == pytest.approx(10 / 0.75)


def test_a_hook_reads_the_clock_once() -> None:
    """The constructor and each hook read the clock once. A summary doesn't read it."""
    clock = Clock()
    timeline = Timeline(clock)
    hooks: list[Callable[[], None]] = [
        timeline.on_request,
        lambda: timeline.on_bytes(1, events=1, comments=1),
        lambda: timeline.on_bytes(1),
        lambda: timeline.on_item(chat("a")),
        lambda: timeline.on_item(chat("a")),
        lambda: timeline.on_item(chat(role="assistant")),
        lambda: timeline.on_release("a"),
        timeline.on_end,
        timeline.on_end,
    ]
    for number, hook in enumerate(hooks, 2):
        hook()
        assert clock.reads == number
    timeline.summary()
    timeline.to_dict()
    assert clock.reads == len(hooks) + 1


def test_events_without_chunks() -> None:
    """Without chunks, gaps are those between pieces of the body that completed events."""
    clock = Clock()
    timeline = Timeline(clock)
    parser = Parser()
    for piece in (b": hi\n\n", b"data: 1\n\ndata: 2\n\n", b"data: 3\n\n", b"data: "):
        clock.now += 0.5
        events = parser.feed(piece)
        timeline.on_bytes(len(piece), events=len(events), comments=piece.count(b": hi"))
    clock.now += 6
    timeline.on_end()
    summary = timeline.summary()

    assert (summary.events, summary.comments, summary.chunks) == (3, 1, 0)
    assert summary.time_to_first_byte == 0.5
    assert summary.time_to_first_event == 1.0
    assert summary.time_to_first_token is None
    assert summary.gaps == spread(0.5)
    assert summary.stalls == (Stall(1.5, 6.5),)
    assert summary.longest_silence == 6.0
    assert str(summary) == (
        "first event after 1.00 s, end after 8.00 s\n"
        "3 events, gaps p50 500 ms, p95 500 ms, max 500 ms, 1 stall"
    )


def test_chunks_without_bytes() -> None:
    """Without recorded events, the first chunk counts as the first event."""
    summary = played((0.5, chat("a")), (0.75, chat("b"))).summary()

    assert summary.time_to_first_event == 0.5
    assert summary.time_to_first_byte is None
    assert (summary.events, summary.chunks) == (0, 2)


def test_parser_without_a_stream() -> None:
    """The hooks can be called next to a parser, without a stream."""
    clock = Clock()
    timeline = Timeline(clock)
    parser = ChunkParser()
    body = b'data: {"choices":[{"index":0,"delta":{"content":"ab"}}]}\n\n'
    for _ in range(4):
        clock.now += 0.25
        timeline.on_bytes(len(body), events=1)
        for chunk in parser.feed(body):
            timeline.on_item(chunk)
    timeline.on_end()

    assert timeline.summary().characters == 8
    assert timeline.summary().characters_per_second == 8.0


def test_one_timeline_one_stream() -> None:
    """A request after the first record raises RuntimeError; later ends are ignored."""
    hooks: list[Callable[[Timeline], None]] = [
        lambda timeline: timeline.on_bytes(1),
        lambda timeline: timeline.on_item(chat("a")),
        lambda timeline: timeline.on_end(),
    ]
    for hook in hooks:
        timeline = Timeline()
        hook(timeline)
        with pytest.raises(RuntimeError, match="make another"):
            timeline.on_request()

    clock = Clock()
    timeline = Timeline(clock)
    timeline.on_end(End(EndCause.DONE), answer(usage(9)))
    clock.now += 1
    timeline.on_end(End(EndCause.CANCELLED), answer())
    assert timeline.summary().total == 0.0
    assert timeline.summary().end is EndCause.DONE
    assert timeline.summary().tokens == 9


def test_summary_of_an_open_stream() -> None:
    """A summary before the end has no total, and doesn't change the timeline."""
    clock = Clock()
    timeline = Timeline(clock)
    assert str(timeline.summary()) == "nothing received, still open"
    timeline.on_bytes(10)
    timeline.on_bytes(10)
    timeline.on_item(chat("hello"))
    summary = timeline.summary()

    assert summary.total is summary.sooner is summary.sooner_ratio is None
    assert summary.gaps is None
    assert summary.longest_silence == 0.0
    assert str(summary) == "first token after 0 ms, still open\n5 characters"
    assert timeline.summary() == summary


def test_default_clock() -> None:
    """The default clock is `time.perf_counter`, the finest one."""
    assert Timeline.__init__.__defaults__ == (time.perf_counter,)


def test_no_powers_of_ten() -> None:
    """Large and small figures are printed with all their digits."""
    quick = played((0.001, chat("a")), (0.002, chat("a" * 5000)), (9.0, chat("b" * 9000)))
    assert "first text 9,000 times sooner" in str(quick.summary(15_000))
    assert "15,000 tokens (1,670 tokens/s)" in str(quick.summary(15_000))
    assert "first token after 0.0004 ms" in str(played((4e-7, chat("a"))).summary())


def test_release_delay() -> None:
    """The delay of a character is the time from its arrival to its release."""
    clock = Clock()
    timeline = Timeline(clock)
    for at, arrives, leaves in (
        (1.0, "abcd", ""),
        (2.0, "ef", "abc"),
        (3.0, "", "def"),
        (4.0, "gh", "g"),
        (5.0, "", "h"),
    ):
        clock.now = 1000.0 + at
        if arrives:
            timeline.on_item(chat(arrives))
        if leaves:
            timeline.on_release(leaves)
    timeline.on_end()
    summary = timeline.summary()

    # a b c: 1 s, d: 2 s, e f: 1 s, g: 0 s, h: 1 s
    assert summary.release_delay is not None
    assert (summary.release_delay.p50, summary.release_delay.p95) == (1.0, 2.0)
    assert summary.release_delay.max == 2.0
    assert summary.released == 8
    assert "gate delay p50 1.00 s, max 2.00 s" in str(summary)


def test_release_of_text_that_never_arrived() -> None:
    """Released text that no chunk brought, or a later one, has no delay."""
    clock = Clock()
    timeline = Timeline(clock)
    timeline.on_release("abc")
    assert timeline.summary().release_delay is None
    clock.now += 1
    timeline.on_item(chat("abc"))
    assert timeline.summary().release_delay is None
    assert timeline.summary().released == 3


def test_to_dict_is_json() -> None:
    """The dictionary is ready for JSON, and has the arrivals and releases."""
    clock = Clock()
    timeline = Timeline(clock)
    timeline.on_bytes(5, comments=1)
    clock.now += 0.5
    timeline.on_item(chat("ab"))
    clock.now += 2
    timeline.on_item(chat("c"))
    timeline.on_release("abc")
    timeline.on_end(End(EndCause.TIMEOUT))
    found = json.loads(json.dumps(timeline.to_dict(7)))

    assert found["arrivals"] == [[0.5, 2], [2.5, 1]]
    assert found["comment_times"] == [0.0]
    assert found["releases"] == [[2.5, 3]]
    assert found["stalls"] == []
    names = ("mean", "p50", "p90", "p95", "p99", "max")
    assert found["gaps"] == {**dict.fromkeys(names, 2.0), "count": 1, "histogram": [[2.0], [1]]}
    assert (found["tokens"], found["end"], found["total"]) == (7, "timeout", 2.5)
    assert json.loads(json.dumps(Timeline().to_dict()))["end"] is None
    stalled = played(*[(at, chat("a")) for at in (0.0, 0.5, 1.0, 9.0)]).to_dict()
    assert stalled["stalls"] == [{"start": 1.0, "seconds": 8.0}]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.data())
def test_every_released_character_is_timed(sizes: list[int], data: st.DataObject) -> None:
    """However text is released, the delay of each character lies within the stream."""
    clock = Clock()
    timeline = Timeline(clock)
    held = 0
    for size in sizes:
        clock.now += 1
        timeline.on_item(chat("x" * size))
        held += size
        released = data.draw(st.integers(0, held))
        timeline.on_release("x" * released)
        held -= released
    delay = timeline.summary().release_delay

    assert timeline.summary().released == sum(sizes) - held
    assert (delay is None) == (held == sum(sizes))
    if delay is not None:
        assert 0 <= delay.p50 <= delay.p95 <= delay.max <= len(sizes) - 1


def test_result_that_still_grows() -> None:
    """The result is read when it's needed: a stream still adds chunks received before its end."""
    timeline, result = Timeline(), answer()
    timeline.on_end(None, result)
    result.usage = usage(7)

    assert timeline.summary().tokens == 7


def test_empty_pieces() -> None:
    """Empty pieces of the body, which some transports return, don't end a silence."""
    clock = Clock()
    timeline = Timeline(clock)
    for moment, size in [(1, 0), (2, 5), (4, 0), (9, 5)]:
        clock.now = 1000 + moment
        timeline.on_bytes(size)

    summary = timeline.summary()

    assert (summary.time_to_first_byte, summary.longest_silence) == (2, 7)


def test_summary_from_another_thread() -> None:
    """A summary that another thread makes leaves out chunks that are half recorded."""
    timeline = Timeline()

    def record() -> None:
        for _ in range(2000):
            timeline.on_bytes(5, events=1)
            timeline.on_item(chat("a"))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    writer = threading.Thread(target=record)
    writer.start()
    try:
        while writer.is_alive():
            summary = timeline.summary()
            assert summary.characters == summary.chunks
    finally:
        writer.join()
        sys.setswitchinterval(before)
