"""The bytes of a response of `http.client`, which `urllib.request.urlopen` returns too."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, cast

from ._blocking import READ_SIZE, BlockingSource

if TYPE_CHECKING:
    from urllib.error import HTTPError

__all__ = ("ResponseSource", "source")


class ResponseSource(BlockingSource):
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


def source(response: HTTPResponse | HTTPError) -> ResponseSource:
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
    return ResponseSource(response)
