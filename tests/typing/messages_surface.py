"""Types of the names of the Messages API, as mypy and pyright infer them; never run."""

from collections.abc import AsyncIterable, Iterable, Iterator
from typing import assert_type

from sseparse import End, SSEError
from sseparse.messages import (
    AsyncMessageStream,
    BlockDelta,
    ContentBlock,
    ContentBlockDeltaEvent,
    Message,
    MessageAccumulator,
    MessageDecoder,
    MessageDeltaEvent,
    MessageEvent,
    MessageParser,
    MessageReader,
    MessageStartEvent,
    MessageStream,
    MessageUsage,
    PartialJSON,
    ToolCallView,
    Update,
    encode_event,
    to_events,
)


class Answer:
    """A type that the text of a message is parsed as."""


def stages(message: Message) -> None:
    assert_type(MessageParser(max_objects=3).feed(b""), list[MessageEvent])
    assert_type(MessageDecoder().close(), list[MessageEvent])
    assert_type(MessageParser().end, End | None)
    assert_type(MessageReader(max_items=None).feed(b""), list[MessageEvent])
    assert_type(MessageReader().result(), Message)
    assert_type(MessageReader().usage, MessageUsage | None)
    accumulator = MessageAccumulator()
    assert_type(accumulator.error, SSEError | None)
    assert_type(accumulator.snapshot(), Message)
    assert_type(accumulator.json_input(0), PartialJSON)
    assert_type(to_events(message, pieces=3), Iterator[MessageEvent])
    for event in to_events(message):
        assert_type(accumulator.updates(event), list[Update])
        assert_type(encode_event(event), bytes)


def streams(source: Iterable[bytes]) -> None:
    stream = MessageStream(source, on_incomplete="accept", drain=0.5)
    for event in stream:
        assert_type(event, MessageEvent)
        assert_type(event.text, str)
        assert_type(event.usage, MessageUsage | None)
        if isinstance(event, MessageStartEvent):
            assert_type(event.message, Message)
        if isinstance(event, ContentBlockDeltaEvent):
            assert_type(event.delta, BlockDelta)
        if isinstance(event, MessageDeltaEvent):
            assert_type(event.usage, MessageUsage | None)
    assert_type(stream.updates(), Iterator[Update])
    assert_type(stream.text_deltas(), Iterator[str])
    assert_type(stream.result(), Message)
    assert_type(stream.parse(Answer), Answer)
    result = stream.result()
    assert_type(result.content, list[ContentBlock])
    assert_type(result.tool_calls, list[ToolCallView])
    assert_type(result.parse(Answer), Answer)


async def asynchronous_streams(source: AsyncIterable[bytes]) -> None:
    async with AsyncMessageStream(source) as stream:
        async for event in stream:
            assert_type(event, MessageEvent)
    assert_type(await stream.result(), Message)
