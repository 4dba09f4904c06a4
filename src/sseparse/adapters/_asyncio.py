"""Adapter for `asyncio.StreamReader`, such as the output of a child process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from .._errors import translated
from .._stage import Uncopyable
from ._http import READ_SIZE

if TYPE_CHECKING:
    from asyncio import StreamReader


class StreamReaderSource(Uncopyable, AsyncIterator[bytes]):
    """Bytes of a reader, as they arrive. Iterating over the reader itself would wait for lines."""

    status: int | None = None

    def __init__(self, reader: StreamReader) -> None:
        self.headers: Mapping[str, str] = {}
        self._reader = reader

    async def __anext__(self) -> bytes:
        try:
            # A cancellation loses nothing: bytes are removed only when it need not wait.
            piece = await self._reader.read(READ_SIZE)
        except OSError as error:
            raise translated("asyncio", error) from error
        if not piece:
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """Close nothing: the process or connection belongs to the caller."""
