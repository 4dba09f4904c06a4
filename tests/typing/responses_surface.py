"""Types of the names of the Responses API, as mypy and pyright infer them; never run."""

from collections.abc import AsyncIterable, Iterable, Iterator
from typing import assert_type

from sseparse import End, SSEError
from sseparse.responses import (
    AsyncResponseStream,
    DeltaEvent,
    LifecycleEvent,
    OutputItem,
    Response,
    ResponseAccumulator,
    ResponseDecoder,
    ResponseEvent,
    ResponseParser,
    ResponseReader,
    ResponseStream,
    ResponseUsage,
    ToolCallView,
    Update,
    encode_event,
    to_events,
)


class Answer:
    """A type that the text of a response is parsed as."""


def stages(response: Response) -> None:
    assert_type(ResponseParser(starting_after=3).feed(b""), list[ResponseEvent])
    assert_type(ResponseDecoder().feed_frame(""), list[ResponseEvent])
    assert_type(ResponseParser().end, End | None)
    assert_type(ResponseReader(max_items=None).feed(b""), list[ResponseEvent])
    assert_type(ResponseReader().result(), Response)
    assert_type(ResponseReader().usage, ResponseUsage | None)
    accumulator = ResponseAccumulator()
    assert_type(accumulator.error, SSEError | None)
    assert_type(accumulator.snapshot(), Response)
    assert_type(accumulator.last_sequence_number, int | None)
    assert_type(to_events(response, pieces=3), Iterator[ResponseEvent])
    for event in to_events(response):
        assert_type(accumulator.updates(event), list[Update])
        assert_type(encode_event(event), bytes)


def streams(source: Iterable[bytes]) -> None:
    stream = ResponseStream(source, on_incomplete="accept", drain=0.5)
    for event in stream:
        assert_type(event, ResponseEvent)
        assert_type(event.text, str)
        if isinstance(event, DeltaEvent):
            assert_type(event.delta, str)
        if isinstance(event, LifecycleEvent):
            assert_type(event.response, Response | None)
    assert_type(stream.updates(), Iterator[Update])
    assert_type(stream.text_deltas(), Iterator[str])
    assert_type(stream.result(), Response)
    assert_type(stream.parse(Answer), Answer)
    result = stream.result()
    assert_type(result.output, list[OutputItem])
    assert_type(result.tool_calls, list[ToolCallView])
    assert_type(result.parse(Answer), Answer)
    ResponseStream(source, resumes=stream.accumulator)


async def asynchronous_streams(source: AsyncIterable[bytes]) -> None:
    async with AsyncResponseStream(source) as stream:
        async for event in stream:
            assert_type(event, ResponseEvent)
    assert_type(await stream.result(), Response)
