"""Tests of streams of responses."""

import copy
import gc
import pickle
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import sseparse
from sseparse import IncompleteStream
from sseparse.responses import (
    AsyncResponseStream,
    ContentDelta,
    ResponseAccumulator,
    ResponseDecoder,
    ResponseParser,
    ResponseReader,
    ResponseStream,
)
from sseparse.timing import Timeline

from .events import added, body, completed, created, delta, message

EVENTS = [created(), added(message()), delta("Hel"), delta("lo")]
ITEM = message("Hello", status="completed")
LAST = completed(output=[ITEM], usage={"input_tokens": 3, "output_tokens": 2})
BODY = body(*EVENTS, LAST)


def pieces(data: bytes, size: int = 50) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def async_pieces(data: bytes) -> AsyncIterator[bytes]:
    for piece in pieces(data):
        yield piece


def test_a_stream() -> None:
    """A stream yields the events, and has the result."""
    with ResponseStream(pieces(BODY)) as stream:
        assert "".join(event.text for event in stream) == "Hello"
    result = stream.result()
    assert result.text == "Hello"
    assert stream.accumulator.usage == result.usage
    assert stream.accumulator.finished
    reader = ResponseReader()
    assert reader.usage is None
    reader.feed(BODY)
    assert reader.usage == result.usage


async def test_an_asynchronous_stream(anyio_backend: str) -> None:
    """An asynchronous stream does the same."""
    async with AsyncResponseStream(async_pieces(BODY)) as stream:
        assert "".join([event.text async for event in stream]) == "Hello"
    assert stream.accumulator.finished
    async with AsyncResponseStream(async_pieces(BODY)) as stream:
        assert (await stream.result()).text == "Hello"


def test_views_of_a_stream() -> None:
    """Text, updates and the parsed result are as with the other APIs."""
    assert "".join(ResponseStream(pieces(BODY)).text_deltas()) == "Hello"
    updates = list(ResponseStream(pieces(BODY)).updates())
    assert updates[0] == ContentDelta(0, "Hel", 0)
    numbers = body(completed(output=[message("[1]")]))
    assert ResponseStream(pieces(numbers)).parse(list[int]) == [1]


def test_a_timeline() -> None:
    """A timeline records the first token, the tool and the usage."""
    timeline = Timeline()
    stream = ResponseStream(pieces(BODY), timeline=timeline)
    stream.result()
    summary = timeline.summary()
    assert (summary.characters, summary.tokens, summary.chunks) == (5, 2, 5)


def test_resuming() -> None:
    """A stream that resumes another one completes its result, and drops what that one had."""
    numbered = [{**event, "sequence_number": at} for at, event in enumerate([*EVENTS, LAST])]
    first = ResponseStream(pieces(body(*numbered[:3])))
    with pytest.raises(IncompleteStream):
        first.result()
    assert first.accumulator.last_sequence_number == 2
    # The server sends some events again.
    second = ResponseStream(pieces(body(*numbered[1:])), resumes=first.accumulator)
    assert "".join(second.text_deltas()) == "lo"
    assert second.result().text == "Hello"
    with pytest.raises(ValueError, match="resumes has limits of its own"):
        ResponseStream(pieces(b""), resumes=first.accumulator, max_items=5)
    # Without the accumulator, the terminal event has all.
    third = ResponseStream(pieces(body(*numbered[1:])), starting_after=2)
    assert [event.sequence_number for event in third] == [3, 4]
    assert third.result().text == "Hello"


def test_resuming_what_the_end_lacks() -> None:
    """A resumed stream adds to the items so far."""
    last = completed(output=[])
    numbered = [{**event, "sequence_number": at} for at, event in enumerate([*EVENTS, last])]
    first = ResponseReader()
    first.feed(body(*numbered[:3]))
    first.close()
    second = ResponseReader(resumes=first.accumulator)
    second.feed(body(*numbered))
    assert second.result().text == "Hello"


@pytest.mark.parametrize(
    "options",
    [
        {"on_incomplete": "x"},
        {"max_items": -1},
        {"max_accumulated_bytes": 0},
        {"drain": -1},
        {"max_objects": -1},
        {"starting_after": -1},
        {"on_bad_json": "x"},
        {"errors": "x"},
    ],
    ids=str,
)
def test_invalid_options(options: dict[str, Any]) -> None:
    """Invalid options are reported at once."""
    with pytest.raises(ValueError, match=next(iter(options))):
        ResponseStream([], **options)


def test_copying() -> None:
    """Stages and streams can't be copied or pickled."""
    stages = [
        ResponseParser(),
        ResponseDecoder(),
        ResponseAccumulator(),
        ResponseReader(),
        ResponseStream([]),
    ]
    for stage in stages:
        for copying in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="can't be copied"):
                copying(stage)


def test_the_package_is_an_attribute() -> None:
    """The package is an attribute of the root package."""
    assert sseparse.responses.ResponseStream is ResponseStream


def test_dropped_reader_is_freed() -> None:
    """A reader without references is freed at once, not by a garbage collection."""
    reader = ResponseReader()
    reader.feed(body(created()))
    reference = weakref.ref(reader)
    gc.collect()
    gc.disable()
    try:
        del reader
        assert reference() is None
    finally:
        gc.enable()
