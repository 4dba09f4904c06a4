"""Asynchronous stream of messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

from ..adapters._registry import AsyncReadable
from ..streams._async import AsyncItemStream
from ._accumulator import MessageAccumulator
from ._events import MessageEvent
from ._results import Message
from ._stream import MessageReader, StreamOptions

if TYPE_CHECKING:
    from ._updates import Update
else:
    Update: TypeAlias = Any  # most programs do without updates


class AsyncMessageStream(AsyncItemStream[MessageEvent, Message, Update]):
    """
    Asynchronous iterator over the events of a streamed message.

    `MessageStream` for an asynchronous source.

    Args:
        source: An asynchronous iterable of bytes, a streamed response of aiohttp or of an
            asynchronous client of httpx or httpx2, or a stream of trio or anyio on which a request
            was sent.
        options: The options of `MessageStream`. Deadlines use the clock of the event loop,
            asyncio's or trio's.

    Attributes:
        accumulator: The accumulator of the events returned so far.

    Raises:
        TypeError, ValueError: As for `MessageStream`.
    """

    accumulator: MessageAccumulator

    def __init__(self, source: AsyncReadable, **options: Unpack[StreamOptions]) -> None:
        super().__init__(source, MessageReader, **options)
