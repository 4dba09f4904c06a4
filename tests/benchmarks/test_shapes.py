"""Tests of the streams that the benchmarks measure."""

import ours
import pytest
from api_shapes import API_SHAPES
from shapes import CHUNKED, SHAPES, Sample, Shape

from sseparse import Accumulator, ChatCompletion, ChunkParser, Comment, Completion, Event, Parser

FEEDS: dict[str, int | None] = {"16 B": 16, "one event": None, "4 KiB": 4096, "64 KiB": 65536}
UNITS = 60

ALL = SHAPES + API_SHAPES

every_shape = pytest.mark.parametrize("shape", ALL, ids=lambda shape: shape.name)
api_shape = pytest.mark.parametrize("shape", API_SHAPES, ids=lambda shape: shape.name)
chunked_shape = pytest.mark.parametrize("shape", CHUNKED, ids=lambda shape: shape.name)
every_feed = pytest.mark.parametrize("size", FEEDS.values(), ids=FEEDS)


def accumulated(sample: Sample, size: int | None) -> tuple[int, Accumulator, ChunkParser]:
    """Accumulate the chunks; return their number, the accumulator and the parser."""
    parser, accumulator, seen = ChunkParser(), Accumulator(), 0
    for piece in sample.feeds(size):
        for chunk in parser.feed(piece):
            accumulator.add(chunk)
            seen += 1
    assert parser.close() == []
    return seen, accumulator, parser


def logprobs(result: ChatCompletion) -> int:
    """Count the tokens that have log-probabilities."""
    found = (choice.logprobs for choice in result.choices)
    return sum(len(logprobs.content or ()) for logprobs in found if logprobs is not None)


@every_feed
@every_shape
def test_events(shape: Shape, size: int | None) -> None:
    """Events, comments and the size of the data are as expected at each size of feed."""
    sample = shape.build(UNITS)
    parser = Parser(comments=True)
    items = [item for piece in sample.feeds(size) for item in parser.feed(piece)]
    events = [item for item in items if isinstance(item, Event)]

    assert parser.close() == []
    assert parser.error is None
    assert len(events) == sample.expected.events
    assert sum(len(event.data) for event in events) == sample.expected.data
    assert sum(isinstance(item, Comment) for item in items) == sample.expected.comments


@every_feed
@chunked_shape
def test_completions(shape: Shape, size: int | None) -> None:
    """Chunks, texts, arguments and log-probabilities are as expected at each size of feed."""
    sample = shape.build(UNITS)
    seen, accumulator, parser = accumulated(sample, size)
    result = accumulator.result()

    assert parser.done
    assert seen == sample.expected.chunks == len(sample.payloads)
    if isinstance(result, Completion):
        assert sample.expected.legacy
        assert tuple(choice.text for choice in result.choices) == sample.expected.texts
        return
    assert not sample.expected.legacy
    messages = [choice.message for choice in result.choices]
    calls = [call for message in messages for call in message.tool_calls or ()]
    assert tuple(message.content or "" for message in messages) == sample.expected.texts
    assert tuple(call.function and call.function.arguments for call in calls) == (
        sample.expected.arguments
    )
    assert logprobs(result) == sample.expected.logprobs


@every_feed
@api_shape
def test_results_of_the_other_apis(shape: Shape, size: int | None) -> None:
    """Typed events and results of the other APIs are as expected at each size of feed."""
    sample = shape.build(UNITS)
    feeds, expected = sample.feeds(size), sample.expected
    result = ours.TO_RESULT[expected.api]

    for task in (f"{result} events", result, f"{result} updates"):
        assert ours.TASKS[task](feeds) == ours.expected_result(task, expected)
    assert expected.chunks == len(sample.payloads) == expected.events


@every_shape
def test_shapes_are_repeatable(shape: Shape) -> None:
    """Building a shape twice gives the same bytes, and so does joining its feeds."""
    sample = shape.build(UNITS)

    assert shape.make(UNITS) == sample.body
    assert all(b"".join(sample.feeds(size)) == sample.body for size in FEEDS.values())


@every_shape
def test_shapes_grow_with_their_units(shape: Shape) -> None:
    """Twice the units are about twice the bytes."""
    once, twice = len(shape.make(400)), len(shape.make(800))

    assert 1.7 * once < twice < 2.1 * once


def test_shape_names() -> None:
    """Each shape has a unique name and names the path that it exercises."""
    assert len({shape.name for shape in ALL}) == len(ALL)
    assert all(shape.exercises for shape in ALL)
