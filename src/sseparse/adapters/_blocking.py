"""What the adapters of blocking HTTP clients share: the reading, and the socket under it."""

from __future__ import annotations

import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import Container, Mapping
from contextlib import suppress
from http.client import HTTPException
from time import monotonic
from typing import Any, Final, Self, cast

from .._errors import NotEventStream, StreamTimeout, TransportError
from .._stage import Uncopyable
from ._encodings import undecoded
from ._waits import shorter

READ_SIZE: Final = 65536
"""How many bytes a read asks for; it returns those that are there."""


class BlockingSource(Uncopyable, ABC):
    """
    Iterate the bytes of a blocking client's response, as they come.

    Args:
        library: The library's name, for messages.
        status: The HTTP status.
        headers: The response's headers; names are found in any case.
        http_response: The response of `http.client` at the bottom, whose socket is read.
        decoded: The values of Content-Encoding that the library decodes; None where it is
            not known, and then all of them.
        refused: Why it is no stream, where the client already showed that.

    Attributes:
        status: The HTTP status.
        headers: The response's headers; names are found in any case.
        pooled: Whether the connection goes back to a pool once the body was read to its end.
    """

    pooled = True

    def __init__(
        self,
        library: str,
        *,
        status: int,
        headers: Mapping[str, str],
        http_response: object,
        decoded: Container[str] | None,
        refused: NotEventStream | None = None,
    ) -> None:
        self.status: int | None = status
        self.headers = headers
        self._library = library
        self._socket = _Socket(http_response)
        if refused is None and decoded is not None:
            refused = undecoded(status, headers, decoded)
        self._refused = refused
        self._failure: TransportError | None = None
        self._woken = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._refused is not None:
            raise self._refused
        if self._failure is not None:
            # The libraries close a response that failed, and then it looks as if it was over.
            raise self._failure
        self._socket.begin()
        try:
            piece = self._read()
            if not piece and self._woken:
                raise ConnectionAbortedError("the connection was shut down under a read")
        except _failures() as error:
            # An owner of the connection would take the rest of this body for its next response.
            self._socket.shut_down()
            self._socket.let_go()
            self._failure = self._translated(error)
            raise self._failure from error
        if not piece or self._is_over():
            self._socket.let_go()
        if not piece:
            raise StopIteration
        return piece

    def wait_at_most(self, seconds: float | None) -> None:
        """
        Let reads from now on wait so long for bytes, and at most as long as the library lets them.

        Args:
            seconds: For how long, in seconds; None for as long as the library lets them.
        """
        self._socket.wait_at_most(seconds)

    def wake(self) -> None:
        """Make a read that another thread waits in fail now. The response is not closed."""
        self._woken = True
        self._socket.shut_down()

    def close(self) -> None:
        """Close the response, and with it the connection, unless it can be used again."""
        try:
            self._close()
        finally:
            self._socket.let_go()

    @abstractmethod
    def _read(self) -> bytes:
        """Return bytes as soon as there are any, or none where the body is over."""

    @abstractmethod
    def _is_over(self) -> bool:
        """Return whether the library is done with the response: its socket may be another's."""

    @abstractmethod
    def _close(self) -> None:
        """Close the response."""

    def _translated(self, error: Exception) -> TransportError:
        message = f"{self._library} failed: {type(error).__name__}: {error}"
        # Python's own, or urllib3's, which has the same name and another root.
        if any(kind.__name__ == "TimeoutError" for kind in type(error).__mro__):
            return StreamTimeout(message, clock="transport")
        return TransportError(message)


class _Socket:
    """
    Keep the socket under a response of `http.client` for as long as it is the response's own.

    Nothing happens where it cannot be found: the response comes from no socket, or from a library
    that keeps it elsewhere.
    """

    # The libraries take a line of framing byte by byte, and a body piece by piece until some of
    # it is decompressed: a timeout of the socket would start anew at each. So this stands in for
    # the socket in its file while reads are bounded, and gives each what is left.

    def __init__(self, http_response: object) -> None:
        # No public way leads there: the connection has let go of the socket of its last response.
        self._file: Any = getattr(getattr(http_response, "fp", None), "raw", None)
        self._read_from: Any = getattr(self._file, "_sock", None)
        found = self._read_from
        if not isinstance(found, socket.socket):
            # TLS inside TLS, or TLS by pyOpenSSL: the plain socket is inside.
            found = getattr(found, "socket", None)
        self._socket = found if isinstance(found, socket.socket) else None
        self._own = None if self._socket is None else self._socket.gettimeout()
        self._bound: float | None = None
        self._until: float | None = None

    def wait_at_most(self, seconds: float | None) -> None:
        self._bound = seconds
        if self._socket is not None:
            self._swap(self._read_from, self)

    def begin(self) -> None:
        """Begin to wait for a piece, which may take many reads."""
        self._until = None if self._bound is None else monotonic() + self._bound

    def _swap(self, there: object, other: object) -> None:
        if self._file._sock is there:  # noqa: SLF001 - no public way leads there
            self._file._sock = other  # noqa: SLF001 - nor there

    def recv_into(self, buffer: Any) -> int:
        sock = cast("socket.socket", self._socket)
        left = None if self._until is None else self._until - monotonic()
        sock.settimeout(shorter(self._own, left))
        count: int = self._read_from.recv_into(buffer)
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._read_from, name)

    def shut_down(self) -> None:
        sock = self._socket
        if sock is not None:
            # Of the plain socket: that of TLS would take its state from under the reader.
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def let_go(self) -> None:
        if self._socket is not None:
            self._swap(self, self._read_from)
            # A socket closed meanwhile needs none.
            with suppress(OSError):
                self._socket.settimeout(self._own)
            self._socket = None


def _failures() -> tuple[type[Exception], ...]:
    known = (OSError, HTTPException)
    exceptions = sys.modules.get("urllib3.exceptions")
    return known if exceptions is None else (*known, exceptions.HTTPError)
