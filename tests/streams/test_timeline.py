"""Timelines of streams: bytes, items and the end."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from sseparse import (
    AsyncEventStream,
    AsyncStream,
    Chunk,
    ChunkReader,
    Deadlines,
    End,
    EndCause,
    EventStream,
    IncompleteStream,
    Stream,
)
from sseparse.messages import MessageReader, MessageStream
from sseparse.moderation import Gate
from sseparse.responses import ResponseReader, ResponseStream
from sseparse.timing import Timeline

from .sources import AsyncSource

FIRST = b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}\n\n'
LAST = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


class RecordingTimeline:
    """A timeline that records its calls."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.results: list[Any] = []

    def on_bytes(self, size: int, *, events: int = 0, comments: int = 0) -> None:
        self.calls.append((size, events, comments))

    def on_item(self, item: Chunk) -> None:
        self.calls.append(item.text)

    def on_end(self, end: End, result: object) -> None:
        self.results.append(result)
        self.calls.append(end.cause)


def test_order_of_calls() -> None:
    """A timeline receives each piece, then its chunks, and the end once."""
    timeline = RecordingTimeline()
    stream = Stream([b": wait\n", FIRST + FIRST[:9], FIRST[9:] + LAST, DONE], timeline=timeline)

    assert stream.result().choices[0].finish_reason == "stop"
    stream.close()

    assert timeline.calls == [
        (7, 0, 1),
        *((len(FIRST) + 9, 1, 0), "Hi"),
        *((len(FIRST) - 9 + len(LAST), 2, 0), "Hi", ""),
        # [DONE] is an event without a chunk.
        *((len(DONE), 1, 0), EndCause.DONE),
    ]


def test_chunks_are_recorded_without_delay() -> None:
    """A timeline records chunks when they're received, before the caller reads them."""
    timeline = RecordingTimeline()
    stream = Stream([FIRST + FIRST, LAST], timeline=timeline)

    next(stream)

    assert timeline.calls == [(2 * len(FIRST), 2, 0), "Hi", "Hi"]
    stream.close()
    assert timeline.calls[-1] is EndCause.CANCELLED


def test_last_event_without_its_blank_line() -> None:
    """A chunk that the end of the body completes is recorded before the end."""
    timeline = RecordingTimeline()

    Stream([FIRST, LAST.rstrip()], timeline=timeline).result()

    assert timeline.calls[-3:] == [(0, 1, 0), "", EndCause.FINISHED]


def test_truncated_stream() -> None:
    """The end of a truncated stream is recorded."""
    timeline = RecordingTimeline()

    with pytest.raises(IncompleteStream):
        Stream([FIRST], timeline=timeline).result()

    assert timeline.calls == [(len(FIRST), 1, 0), "Hi", EndCause.INCOMPLETE]


def test_server_error() -> None:
    """An error of the server is recorded as the end."""
    timeline = RecordingTimeline()
    stream = Stream([FIRST, b'data: {"error": {"message": "no"}}\n\n'], timeline=timeline)

    with pytest.raises(Exception, match="no"):
        stream.result()

    assert timeline.calls[-1] is EndCause.SERVER_ERROR


def test_deadlines() -> None:
    """A stream with a timeline can also have deadlines."""
    timeline = RecordingTimeline()
    stream = Stream([FIRST, LAST], timeline=timeline, deadlines=Deadlines(first_event=60))

    assert [chunk.text for chunk in stream] == ["Hi", ""]
    assert timeline.calls[-1] is EndCause.FINISHED


def test_event_stream() -> None:
    """A timeline of an event stream receives its pieces and its end."""
    timeline = RecordingTimeline()

    assert len(list(EventStream([b"data: 1\n\n: x\n\n", b"data: 2\n\n"], timeline=timeline))) == 2
    assert timeline.calls == [(14, 1, 1), (9, 1, 0), EndCause.FINISHED]


@pytest.mark.anyio
async def test_asynchronous_streams() -> None:
    """Asynchronous streams make the same calls as synchronous streams."""
    timeline, event_timeline = RecordingTimeline(), RecordingTimeline()

    result = await AsyncStream(AsyncSource(FIRST, LAST), timeline=timeline).result()
    events = [
        event async for event in AsyncEventStream(AsyncSource(FIRST), timeline=event_timeline)
    ]

    assert result.choices[0].finish_reason == "stop"
    assert timeline.calls == [(len(FIRST), 1, 0), "Hi", (len(LAST), 1, 0), "", EndCause.FINISHED]
    assert len(events) == 1
    assert event_timeline.calls == [(len(FIRST), 1, 0), EndCause.FINISHED]


@pytest.mark.parametrize(
    "make",
    [
        partial(Stream, [FIRST]),
        partial(EventStream, [FIRST]),
        partial(ResponseStream, [FIRST]),
        partial(MessageStream, [FIRST]),
        partial(AsyncStream, AsyncSource(FIRST)),
        partial(AsyncEventStream, AsyncSource(FIRST)),
        ChunkReader,
        ResponseReader,
        MessageReader,
    ],
    ids=lambda make: make.func.__name__ if isinstance(make, partial) else make.__name__,
)
def test_timeline_of_another_stream(make: Callable[..., object]) -> None:
    """A timeline belongs to one stream: a second one is an error when it's made."""
    timeline = Timeline()
    make(timeline=timeline)

    with pytest.raises(RuntimeError, match="has another stream; make one for each request"):
        make(timeline=timeline)


def test_timeline_with_measurements() -> None:
    """A timeline whose methods were called for one stream can't be given to another."""
    timeline = Timeline()
    timeline.on_bytes(5)

    with pytest.raises(RuntimeError, match="has recorded a stream already"):
        Stream([FIRST], timeline=timeline)


@pytest.mark.parametrize(
    ("value", "given"), [(True, "bool"), (Timeline, "the class Timeline")], ids=["bool", "class"]
)
def test_invalid_timeline(value: Any, given: str) -> None:
    """What isn't a timeline raises an error when the stream is made."""
    message = rf"timeline is {given}; give a Timeline\(\), or None"
    for make in (Stream, EventStream, ResponseStream, MessageStream):
        with pytest.raises(TypeError, match=message):
            make([FIRST], timeline=value)
    with pytest.raises(TypeError, match=message):
        ChunkReader(timeline=value)
    with pytest.raises(TypeError, match=message):
        Gate(timeline=value)
