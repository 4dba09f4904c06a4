"""Adapters for the responses of web frameworks, which their test clients return."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

from .._stage import Uncopyable
from ._http import BodyCheck


class FrameworkSource(Uncopyable, Iterator[bytes]):
    """Bytes of a response of a web framework, as the application returns them."""

    def __init__(self, response: Any, body: Iterable[bytes]) -> None:
        self.status: int | None = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._pieces = iter(body)
        self._check = BodyCheck(self.status, self.headers, ())

    def __next__(self) -> bytes:
        if self._check.error is not None:
            raise self._check.error
        piece = next(self._pieces)
        return piece if self._check.passed else self._check.release(piece)

    def close(self) -> None:
        self._response.close()


class MemorySource(FrameworkSource, AsyncIterator[bytes]):
    """Bytes of a response of Django that has its complete body: no one waits for them."""

    async def __anext__(self) -> bytes:
        try:
            return next(self)
        except StopIteration:
            raise StopAsyncIteration from None

    def close(self) -> None:
        # The test client has closed the response. Each close() reports the end of the request, at
        # which Django closes connections to databases.
        pass

    async def aclose(self) -> None:
        """Close nothing, as `close()`."""


def werkzeug_source(response: Any) -> FrameworkSource:
    """Return the bytes of a response of werkzeug or Flask."""
    return FrameworkSource(response, response.iter_encoded())


def django_source(response: Any) -> MemorySource:
    """Return the bytes of a response of Django that doesn't stream."""
    return MemorySource(response, [response.content])
