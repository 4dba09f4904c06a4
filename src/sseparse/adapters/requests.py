"""
The bytes of a streamed response of requests.

The library is not imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import NotEventStream
from . import urllib3
from ._blocking import BlockingSource
from ._redirects import turned_into_get

if TYPE_CHECKING:
    from requests import Response

__all__ = ("ContentSource", "ResponseSource", "source")


class ResponseSource(urllib3.ResponseSource):
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


def source(response: Response) -> ResponseSource | ContentSource:
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
    return ContentSource(response) if isinstance(held, bytes) else ResponseSource(response)
