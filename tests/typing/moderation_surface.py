"""Type checks of gates: they return the type of items that the stream has."""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TypeVar, assert_type

from sseparse import (
    AsyncChatStream,
    AsyncCompletionStream,
    AsyncStream,
    ChatCompletionChunk,
    ChatStream,
    Chunk,
    CompletionChunk,
    CompletionStream,
    Stream,
)
from sseparse.messages import AsyncMessageStream, MessageEvent, MessageStream
from sseparse.moderation import Gate, GatedItem, Release
from sseparse.responses import AsyncResponseStream, ResponseEvent, ResponseStream

ItemT = TypeVar("ItemT", bound=GatedItem)


def checked(items: Iterable[ItemT]) -> Iterator[ItemT]:
    return Gate(lambda text: "no" not in text).chunks(items)


def streams(
    chat: ChatStream,
    legacy: CompletionStream,
    either: Stream,
    responses: ResponseStream,
    messages: MessageStream,
) -> None:
    gate = Gate()
    assert_type(gate.chunks(chat), Iterator[ChatCompletionChunk])
    assert_type(gate.chunks(legacy), Iterator[CompletionChunk])
    assert_type(gate.chunks(either), Iterator[Chunk])
    assert_type(gate.chunks(responses), Iterator[ResponseEvent])
    assert_type(gate.chunks(messages), Iterator[MessageEvent])
    assert_type(checked(messages), Iterator[MessageEvent])
    assert_type(gate.text_deltas(responses), Iterator[str])
    assert_type(gate.releases(messages), Iterator[Release])


def async_streams(
    chat: AsyncChatStream,
    legacy: AsyncCompletionStream,
    either: AsyncStream,
    responses: AsyncResponseStream,
    messages: AsyncMessageStream,
) -> None:
    gate = Gate()
    assert_type(gate.achunks(chat), AsyncIterator[ChatCompletionChunk])
    assert_type(gate.achunks(legacy), AsyncIterator[CompletionChunk])
    assert_type(gate.achunks(either), AsyncIterator[Chunk])
    assert_type(gate.achunks(responses), AsyncIterator[ResponseEvent])
    assert_type(gate.achunks(messages), AsyncIterator[MessageEvent])
    assert_type(gate.atext_deltas(messages), AsyncIterator[str])
