"""Asynchronous streams of chat completions and legacy completions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, Unpack

from ..adapters._registry import AsyncReadable
from ..streams._async import AsyncItemStream
from ._accumulator import Accumulator
from ._models import ChatCompletionChunk, Chunk, ChunkT, CompletionChunk, CompletionKind
from ._results import ChatCompletion, Completion, Result, ResultT
from ._stream import ChunkReader, StreamOptions

if TYPE_CHECKING:
    from ._updates import Update
else:
    Update: TypeAlias = Any  # most programs do without updates


class AsyncChunkStream(AsyncItemStream[ChunkT, ResultT, Update], Generic[ChunkT, ResultT]):
    """Base class of `AsyncStream`, `AsyncChatStream` and `AsyncCompletionStream`."""

    _kind: ClassVar[CompletionKind | None] = None
    accumulator: Accumulator[ChunkT, ResultT]

    def __init__(self, source: AsyncReadable, **options: Unpack[StreamOptions]) -> None:
        super().__init__(source, ChunkReader, kind=self._kind, **options)


class AsyncChatStream(AsyncChunkStream[ChatCompletionChunk, ChatCompletion]):
    """
    Asynchronous iterator over the chunks of a chat completion.

    `ChatStream` for an asynchronous source.

    Args:
        source: An asynchronous iterable of bytes, a streamed response of aiohttp or of an
            asynchronous client of httpx or httpx2, or a stream of trio or anyio on which a request
            was sent.
        options: The options of `ChatStream`. Deadlines use the clock of the event loop, asyncio's
            or trio's.

    Attributes:
        accumulator: The accumulator of the chunks returned so far.

    Raises:
        TypeError, ValueError, ImportError, SSEError: As for `ChatStream`.
    """

    _kind = "chat"


class AsyncCompletionStream(AsyncChunkStream[CompletionChunk, Completion]):
    """
    Asynchronous iterator over the chunks of a legacy completion.

    The options are those of `ChatStream`. A chunk of a chat completion is a `WrongKind` error.
    """

    _kind = "completion"


class AsyncStream(AsyncChunkStream[Chunk, Result]):
    """
    Asynchronous iterator over the chunks of a streamed completion, chat or legacy.

    The first chunk with choices decides which. The options are those of `ChatStream`.
    """
