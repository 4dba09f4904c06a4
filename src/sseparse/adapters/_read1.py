"""Adapters for http.client, urllib3 and requests, which read with read1()."""

from __future__ import annotations

import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import Container, Mapping
from contextlib import suppress
from http.client import HTTPException, HTTPResponse, IncompleteRead
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Self, cast

from .._errors import NotEventStream, StreamTimeout, TransportError
from .._stage import Uncopyable
from ._http import shorter, turned_into_get, undecoded

if TYPE_CHECKING:
    from urllib.error import HTTPError

    from requests import Response
    from urllib3 import BaseHTTPResponse


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


class HTTPClientSource(BlockingSource):
    """
    Iterate the bytes of a response, as they come.

    Attributes:
        status: The HTTP status.
        headers: The response's headers; names are found in any case.
        pooled: Whether the connection can be used again once the body was read to its end.
    """

    def __init__(self, response: HTTPResponse | HTTPError) -> None:
        # An HTTPError holds the response that it reports.
        inner: object = getattr(response, "fp", None)
        found = response if isinstance(response, HTTPResponse) else inner
        if not isinstance(found, HTTPResponse):
            raise TypeError(
                f"{type(response).__name__} is no response of http.client, and holds none; pass "
                "an http.client.HTTPResponse, what urlopen() returns for a URL of http or https, "
                "or the HTTPError that it raises"
            )
        if found.isclosed():
            raise RuntimeError("this response was read or closed already; pass one yet unread")
        super().__init__(
            "http.client",
            status=found.status,
            headers=cast("Mapping[str, str]", found.headers),
            http_response=found,
            decoded=(),
        )
        self.pooled = not found.will_close
        self._response = found
        self._outer = response

    def _read(self) -> bytes:
        piece = self._response.read1(READ_SIZE)
        left = self._response.length
        if left and not piece:
            # What read1() does not report, though it knows the Content-Length.
            raise IncompleteRead(b"", left)
        if left == 0:
            # What read1() does at the end of a chunked body only, before Python 3.13.
            self._response.close()
        return piece

    def _is_over(self) -> bool:
        return self._response.isclosed()

    def _close(self) -> None:
        if not self._response.isclosed():
            # The connection would stay open, and take the rest of this body for its next response.
            self._socket.shut_down()
        self._outer.close()


def http_client_source(response: HTTPResponse | HTTPError) -> HTTPClientSource:
    """
    Find the bytes of a response.

    Args:
        response: A response of `http.client`, or of `urllib.request.urlopen()` for a URL of http
            or https; or the `urllib.error.HTTPError` that it raises for a status of 400 or more.

    Returns:
        An iterable of bytes with `close()`, `status` and `headers`. Reading raises
        `TransportError`, or `StreamTimeout` where the connection's timeout passed, with the
        library's exception as its cause; and `NotEventStream` where the body is compressed, which
        nothing here decompresses. `close()` before the end shuts the connection down: the rest of
        the body is still on its way there.

    Raises:
        TypeError: It is no such response.
        RuntimeError: It was read or closed already.
    """
    return HTTPClientSource(response)


class Urllib3Source(BlockingSource):
    """
    Iterate the bytes of a response, decompressed, as they come.

    Attributes:
        status: The HTTP status.
        headers: The response's headers; names are found in any case.
        pooled: Whether the connection goes back to its pool once the body was read to its end.
    """

    def __init__(
        self,
        response: BaseHTTPResponse,
        library: str = "urllib3",
        refused: NotEventStream | None = None,
    ) -> None:
        # Asking for `data` would read a body that was not read yet.
        body: object = getattr(response, "_body", None)
        self._held = body if isinstance(body, bytes) else None
        if self._held is None:
            _require_unread(response, library)
        super().__init__(
            library,
            status=response.status,
            headers=response.headers,
            http_response=getattr(response, "_fp", None),
            decoded=response.CONTENT_DECODERS,
            refused=refused,
        )
        self._response = response

    def _read(self) -> bytes:
        if self._held is not None:
            piece, self._held = self._held, b""
            return piece
        # Without an amount a short Content-Length goes unnoticed, and decompressing has no bounds.
        return self._response.read1(READ_SIZE, decode_content=True)

    def _is_over(self) -> bool:
        return self._response.closed

    def _close(self) -> None:
        self._response.close()
        # Closed it is; a pool that lends a fixed number of connections wants it back all the same.
        self._response.release_conn()


def _require_unread(response: BaseHTTPResponse, library: str) -> None:
    if not hasattr(response, "_fp") or not hasattr(response, "read1"):
        raise TypeError(
            f"{type(response).__name__} cannot be read piece by piece: it is of HTTP/2, or of "
            "urllib3 before 2.7; pass [response.data] if all of it at once will do"
        )
    if response.closed:
        option = "stream=True" if library == "requests" else "preload_content=False"
        raise RuntimeError(
            "this response was read or closed already, and its body was not kept; pass one yet "
            f"unread, requested with {option}"
        )


def urllib3_source(response: BaseHTTPResponse) -> Urllib3Source:
    """
    Find the bytes of a response.

    Args:
        response: A response of urllib3, requested with `preload_content=False`; or one without,
            whose body was read before it was returned.

    Returns:
        An iterable of bytes, decompressed, with `close()`, `status` and `headers`. Reading raises
        `TransportError`, or `StreamTimeout` where the library's read timeout passed, with the
        library's exception as its cause; and `NotEventStream` where the body is compressed in a
        way that the library does not know.

    Raises:
        TypeError: It cannot be read piece by piece.
        RuntimeError: It was read or closed already.
    """
    return Urllib3Source(response)


class RequestsSource(Urllib3Source):
    """
    Iterate the bytes of a response that is yet unread, decompressed, as they come.

    Attributes:
        status: The HTTP status.
        headers: The response's headers; names are found in any case.
        pooled: Whether the connection goes back to its pool once the body was read to its end.
    """

    # `iter_content()` and `iter_lines()` hold bytes back wherever a server does not send each
    # event as one chunk; only urllib3's response underneath does not.

    def __init__(self, response: Response) -> None:
        if not hasattr(response.raw, "CONTENT_DECODERS"):
            raise TypeError(
                f"this response is read from {type(response.raw).__name__}, and not by urllib3; "
                "pass response.iter_content(None) instead"
            )
        super().__init__(response.raw, "requests", _refused(response))
        self._outer = response

    def _close(self) -> None:
        self._outer.close()


class ContentSource(BlockingSource):
    """
    Iterate the bytes of a response that was read already: its content, in one piece.

    Attributes:
        status: The HTTP status.
        headers: The response's headers; names are found in any case.
        pooled: Whether the connection goes back to its pool once the body was read to its end.
    """

    def __init__(self, response: Response) -> None:
        super().__init__(
            "requests",
            status=response.status_code,
            headers=response.headers,
            http_response=None,
            decoded=getattr(response.raw, "CONTENT_DECODERS", None),
            refused=_refused(response),
        )
        self._left = response.content
        self._response = response

    def _read(self) -> bytes:
        piece, self._left = self._left, b""
        return piece

    def _is_over(self) -> bool:
        return True

    def _close(self) -> None:
        self._response.close()


def _refused(response: Response) -> NotEventStream | None:
    hops = [
        (each.request.method or "", each.status_code, each.headers) for each in response.history
    ]
    return turned_into_get(hops, response.request.method or "") if hops else None


def requests_source(response: Response) -> RequestsSource | ContentSource:
    """
    Find the bytes of a response.

    Args:
        response: A response of requests, requested with `stream=True`; or one without, which was
            read before it was returned.

    Returns:
        An iterable of bytes, decompressed, with `close()`, `status` and `headers`. Reading raises
        `TransportError`, or `StreamTimeout` where the library's read timeout passed, with the
        library's exception (one of urllib3) as its cause; and `NotEventStream` where the body is
        compressed in a way that the library does not know.

    Raises:
        TypeError: It is not read by urllib3.
        RuntimeError: It was read already, and its content was not kept, or it was closed.
    """
    held: object = getattr(response, "_content", False)
    return ContentSource(response) if isinstance(held, bytes) else RequestsSource(response)
