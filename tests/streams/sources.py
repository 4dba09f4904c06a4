"""Sources that record what was read from them and whether they were closed."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self


def chunk(text: str | None = "a", **choice: Any) -> bytes:
    delta = {} if text is None else {"content": text}
    return data(json.dumps({"choices": [{"index": 0, "delta": delta, **choice}]}))


def data(text: str) -> bytes:
    return f"data: {text}\n\n".encode()


FINISH = chunk(None, finish_reason="stop")
DONE = data("[DONE]")


class Source:
    """
    An iterator over pieces of bytes, which raises those that are exceptions.

    `left` is the number of unread pieces, `closed` the number of calls of close().
    """

    def __init__(self, *pieces: bytes | BaseException) -> None:
        self._pieces: Iterator[bytes | BaseException] = iter(pieces)
        self.left = len(pieces)
        self.closed = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        piece = next(self._pieces)
        self.left -= 1
        if isinstance(piece, BaseException):
            raise piece
        return piece

    def close(self) -> None:
        self.closed += 1


class AsyncSource:
    """An asynchronous `Source`."""

    def __init__(self, *pieces: bytes | BaseException) -> None:
        self._source = Source(*pieces)

    @property
    def left(self) -> int:
        return self._source.left

    @property
    def closed(self) -> int:
        return self._source.closed

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return next(self._source)
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        self._source.close()


class Response:
    """A response with a status and headers, of no HTTP library."""

    def __init__(self, status: int, content_type: str, *pieces: bytes) -> None:
        self.status = status
        self.headers = {"content-type": content_type}
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)
