"""Streams of one kind of completion, chat or legacy."""

from collections.abc import AsyncIterator
from typing import Any, Literal

import pytest

from sseparse import (
    Accumulator,
    AsyncChatStream,
    AsyncCompletionStream,
    ChatCompletion,
    ChatCompletionChunk,
    ChatStream,
    ChunkDecoder,
    ChunkParser,
    ChunkReader,
    Completion,
    CompletionChunk,
    CompletionStream,
    EndCause,
)
from sseparse.chunks import WrongKind

DONE = b"data: [DONE]\n\n"
CHAT = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'
LEGACY = b'data: {"choices":[{"index":0,"text":"Hi","finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"object":"text_completion","choices":[],"usage":{"total_tokens":3}}\n\n'
ODD = b'data: {"odd":1,"choices":[{"index":0,"delta":{"content":"!"}}]}\n\n'


async def asynchronously(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@pytest.mark.parametrize("extra", [[], [USAGE], [ODD]], ids=["", "usage", "unknown field"])
def test_chat(extra: list[bytes]) -> None:
    """A ChatStream has chat chunks and a chat completion, whatever the labels say."""
    stream = ChatStream([CHAT, *extra, DONE])
    chunks = list(stream)

    assert all(type(chunk) is ChatCompletionChunk for chunk in chunks)
    assert type(stream.result()) is ChatCompletion
    assert "".join(chunk.text for chunk in chunks) == stream.result().text


@pytest.mark.parametrize("extra", [[], [USAGE]], ids=["", "usage"])
def test_legacy(extra: list[bytes]) -> None:
    """A CompletionStream has chunks of a legacy completion and the completion."""
    stream = CompletionStream([LEGACY, *extra, DONE])

    assert all(type(chunk) is CompletionChunk for chunk in stream)
    assert type(stream.result()) is Completion
    assert stream.result().choices[0].text == "Hi"


def test_no_chunk() -> None:
    """The result of a stream without a choice is of its kind, too."""
    assert type(CompletionStream([DONE], on_incomplete="accept").result()) is Completion
    assert type(ChatStream([USAGE, DONE], on_incomplete="accept").result()) is ChatCompletion
    assert type(Accumulator(kind="completion").snapshot()) is Completion


@pytest.mark.anyio
async def test_asynchronous_streams() -> None:
    """The asynchronous streams have the same kinds."""
    async with AsyncChatStream(asynchronously([CHAT, DONE])) as chat:
        assert type(await chat.result()) is ChatCompletion
    async with AsyncCompletionStream(asynchronously([LEGACY, DONE])) as legacy:
        assert type(await legacy.result()) is Completion


@pytest.mark.parametrize("size", [1 << 20, 7, 1])
@pytest.mark.parametrize(
    ("kind", "own", "other"), [("chat", CHAT, LEGACY), ("completion", LEGACY, CHAT)]
)
def test_the_other_kind(
    kind: Literal["chat", "completion"], own: bytes, other: bytes, size: int
) -> None:
    """A chunk of the other kind is an error, after the chunks before it."""
    reader: Any = ChunkReader(kind=kind)
    chunks: list[Any] = []
    body = own + other
    for at in range(0, len(body), size):
        chunks += reader.feed(body[at : at + size]) if not reader.closed else []
    reader.close()

    assert [chunk.text for chunk in chunks] == ["Hi"]
    assert isinstance(reader.error, WrongKind)
    assert kind in str(reader.error)
    assert "choices" in reader.error.body
    assert reader.end.cause is EndCause.INCOMPLETE
    assert reader.error.partial.text == "Hi"


@pytest.mark.parametrize("make", [ChunkDecoder, ChunkParser, ChunkReader, Accumulator])
def test_unknown_kind(make: Any) -> None:
    """Another kind is a ValueError."""
    with pytest.raises(ValueError, match="kind is 'responses'"):
        make(kind="responses")
