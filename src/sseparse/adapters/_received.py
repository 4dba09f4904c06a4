"""What sources over HTTP/1.1 have received and not yet handed out; nothing here waits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Self

from .._errors import StreamTimeout, TransportError
from .._stage import Uncopyable, raise_stored
from ._http1 import HTTPBody

READ_SIZE = 65536
"""How many bytes a read asks for at most."""


class Received(Uncopyable):
    """
    Keep what has come of a response.

    Args:
        method: The request's method.

    Attributes:
        pooled: Whether the connection serves another request after this one: never.
    """

    pooled = False

    def __init__(self, method: str = "POST") -> None:
        self._http = HTTPBody(method)
        self._ready = b""
        self._closed = False

    @property
    def status(self) -> int | None:
        """The HTTP status, or None until the head of the response has come."""
        return self._http.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The response's headers by lower-case name; empty until its head has come."""
        return self._http.headers

    def _take(self, data: bytes) -> None:
        """Take what was read; nothing is the end of the connection."""
        try:
            pieces = self._http.feed(data) if data else self._http.close()
            self._ready = b"".join(pieces)
        except BaseException:
            self._http.stopped = True
            raise
        if self.status is None:
            raise_stored(self._http.error)

    def _pop(self) -> bytes | None:
        """Hand out what is ready: b"" if more must be read first, None at the body's end."""
        if self._closed:
            raise RuntimeError("the source was closed; ask again to read on")
        piece, self._ready = self._ready, b""
        if not piece:
            raise_stored(self._http.error)
        return None if not piece and self._http.whole else piece


class AsyncReceived(Received, ABC):
    """Iterate the body of a response; those who inherit read and close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not (piece := self._pop()):
            if piece is None:
                raise StopAsyncIteration
            self._take(await self._read())
        return piece

    async def read_head(self) -> None:
        """Read until the head of the response has come."""
        while self.status is None:
            self._take(await self._read())

    @abstractmethod
    async def aclose(self) -> None:
        """Close the stream, without waiting for the other side."""

    @abstractmethod
    async def _read(self) -> bytes:
        """Read what has come, waiting for it; nothing is the end of the connection."""


def failure(library: str, error: Exception) -> TransportError:
    """Tell of a library's exception, which the caller makes the cause."""
    reason = str(error) or error.__cause__ or "no reason given"
    return TransportError(f"{library} failed: {type(error).__name__}: {reason}")


def timed_out(library: str, error: Exception) -> StreamTimeout:
    """Tell of a library's timeout, which the caller makes the cause."""
    reason = str(error) or "timed out"
    message = f"{library} failed: {type(error).__name__}: {reason}"
    return StreamTimeout(message, clock="transport")
