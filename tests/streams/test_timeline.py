"""A timeline is told of all that comes, when it comes, and of the end."""

from typing import Any

import pytest

from sseparse import (
    AsyncEventStream,
    AsyncStream,
    Chunk,
    Deadlines,
    End,
    EndCause,
    EventStream,
    IncompleteStream,
    Stream,
)

from .sources import AsyncSource

FIRST = b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}\n\n'
LAST = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


class Notes:
    """A timeline that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.results: list[Any] = []

    def on_bytes(self, size: int, *, events: int = 0, comments: int = 0) -> None:
        self.told.append((size, events, comments))

    def on_item(self, item: Chunk) -> None:
        self.told.append(item.text)

    def on_end(self, end: End, result: object) -> None:
        self.results.append(result)
        self.told.append(end.cause)


def test_each_piece_then_its_chunks_then_the_end() -> None:
    """Pieces are told with how much was in them, chunks after their piece, the end once."""
    notes = Notes()
    stream = Stream([b": wait\n", FIRST + FIRST[:9], FIRST[9:] + LAST, DONE], timeline=notes)

    assert stream.result().choices[0].finish_reason == "stop"
    stream.close()

    assert notes.told == [
        (7, 0, 1),
        *((len(FIRST) + 9, 1, 0), "Hi"),
        *((len(FIRST) - 9 + len(LAST), 2, 0), "Hi", ""),
        # [DONE] is an event that holds no chunk.
        *((len(DONE), 1, 0), EndCause.DONE),
    ]


def test_chunks_are_told_when_they_come() -> None:
    """What the reader has not yet taken has come all the same."""
    notes = Notes()
    stream = Stream([FIRST + FIRST, LAST], timeline=notes)

    next(stream)

    assert notes.told == [(2 * len(FIRST), 2, 0), "Hi", "Hi"]
    stream.close()
    assert notes.told[-1] is EndCause.CANCELLED


def test_last_event_without_its_blank_line() -> None:
    """A chunk that only the end of the body completes is told before the end."""
    notes = Notes()

    Stream([FIRST, LAST.rstrip()], timeline=notes).result()

    assert notes.told[-3:] == [(0, 1, 0), "", EndCause.FINISHED]


def test_faults_are_told_as_the_end() -> None:
    """A stream that was cut ends for its timeline too."""
    notes = Notes()

    with pytest.raises(IncompleteStream):
        Stream([FIRST], timeline=notes).result()

    assert notes.told == [(len(FIRST), 1, 0), "Hi", EndCause.INCOMPLETE]


def test_error_of_the_server() -> None:
    """What the server said instead of an answer ends it."""
    notes = Notes()
    stream = Stream([FIRST, b'data: {"error": {"message": "no"}}\n\n'], timeline=notes)

    with pytest.raises(Exception, match="no"):
        stream.result()

    assert notes.told[-1] is EndCause.SERVER_ERROR


def test_deadlines_go_on_beside_it() -> None:
    """Deadlines see the same events as without a timeline."""
    notes = Notes()
    stream = Stream([FIRST, LAST], timeline=notes, deadlines=Deadlines(first_event=60))

    assert [chunk.text for chunk in stream] == ["Hi", ""]
    assert notes.told[-1] is EndCause.FINISHED


def test_events() -> None:
    """Streams of events tell pieces and the end."""
    notes = Notes()

    assert len(list(EventStream([b"data: 1\n\n: x\n\n", b"data: 2\n\n"], timeline=notes))) == 2
    assert notes.told == [(14, 1, 1), (9, 1, 0), EndCause.FINISHED]


@pytest.mark.anyio
async def test_asynchronous_streams() -> None:
    """Asynchronous streams tell the same."""
    notes, of_events = Notes(), Notes()

    result = await AsyncStream(AsyncSource(FIRST, LAST), timeline=notes).result()
    events = [event async for event in AsyncEventStream(AsyncSource(FIRST), timeline=of_events)]

    assert result.choices[0].finish_reason == "stop"
    assert notes.told == [(len(FIRST), 1, 0), "Hi", (len(LAST), 1, 0), "", EndCause.FINISHED]
    assert len(events) == 1
    assert of_events.told == [(len(FIRST), 1, 0), EndCause.FINISHED]
