"""A response's body on its way to the stream: without the key, and written to a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Self

from ..adapters.sockets import SocketSource
from ._recording import Recording
from ._redact import BodyRedactor, Redactor


class Tap:
    """
    Pass on the body of a response.

    Args:
        response: The response.
        first: What was read of its body already.
        key: What is kept out of it, and out of the headers.
        recording: Where it is written to, or None.

    Attributes:
        status: The HTTP status.
        headers: The response's headers.
        pooled: Whether the connection serves another request: never.
    """

    pooled = False

    def __init__(
        self,
        response: SocketSource,
        first: bytes,
        key: str,
        recording: Recording | None,
    ) -> None:
        self.status: int | None = response.status
        self.headers: Mapping[str, str] = Redactor(key).value(dict(response.headers))
        self._response = response
        self._first = first
        self._redactor = BodyRedactor(key)
        self._recording = recording

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        piece, self._first = self._first, b""
        try:
            shown = self._redactor.feed(piece or next(self._response))
        except StopIteration:
            shown = self._redactor.rest()
            if not shown:
                raise
        self._record(shown)
        return shown

    def _record(self, piece: bytes) -> None:
        if self._recording is not None:
            self._recording.write(piece)

    def wait_at_most(self, seconds: float | None) -> None:
        """Bound the reads to come, in seconds."""
        self._response.wait_at_most(seconds)

    def close(self) -> None:
        """Close the response; what is held back of it is written."""
        self._record(self._redactor.rest())
        self._response.close()


def read_up_to(response: Iterator[bytes], size: int) -> bytes:
    """Read the beginning of a body: so many bytes, or a piece more."""
    read = b""
    while len(read) < size and (piece := next(response, b"")):
        read += piece
    return read
