"""Asynchronous stream of responses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

from ..adapters._registry import AsyncReadable
from ..streams._async import AsyncItemStream, AsyncStreamIterator
from ._accumulator import ResponseAccumulator
from ._events import ResponseEvent
from ._results import Response
from ._stream import ResponseReader, StreamOptions

if TYPE_CHECKING:
    from ._updates import Update
else:
    Update: TypeAlias = Any  # most programs do without updates


class AsyncResponseStream(AsyncItemStream[ResponseEvent, Response, Update]):
    """
    Asynchronous iterator over the events of a streamed response.

    `ResponseStream` for an asynchronous source.

    Args:
        source: An asynchronous iterable of bytes, a streamed response of aiohttp or of an
            asynchronous client of httpx or httpx2, or a stream of trio or anyio on which a request
            was sent.
        options: The options of `ResponseStream`. Deadlines use the clock of the event loop,
            asyncio's or trio's.

    Attributes:
        accumulator: The accumulator of the events returned so far.

    Raises:
        TypeError, ValueError: As for `ResponseStream`.
    """

    accumulator: ResponseAccumulator

    def __init__(self, source: AsyncReadable, **options: Unpack[StreamOptions]) -> None:
        super().__init__(source, ResponseReader, **options)

    def text_deltas(self) -> AsyncIterator[str]:
        """Iterate over the new text of the answer, as `ResponseStream.text_deltas()` does."""
        from ..payloads._updates import ContentDelta  # noqa: PLC0415 - as updates are loaded

        updates = self.updates()

        async def next_text() -> str:
            async for update in updates:
                if type(update) is ContentDelta:
                    return update.text
            raise StopAsyncIteration

        return AsyncStreamIterator(next_text)
