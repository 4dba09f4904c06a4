"""
The bytes of a streamed response of urllib3.

The library is not imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import NotEventStream
from ._blocking import READ_SIZE, BlockingSource

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

__all__ = ("ResponseSource", "source")


class ResponseSource(BlockingSource):
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


def source(response: BaseHTTPResponse) -> ResponseSource:
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
    return ResponseSource(response)
