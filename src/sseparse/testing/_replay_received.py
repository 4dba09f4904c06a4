"""What came to a replay server: connections, and requests on them."""

from __future__ import annotations

import json
import re
from concurrent.futures import Future
from typing import Any

from attrs import Factory, define, field, frozen

# RFC 9112, 3.2: a path, or a URL with one.
_TARGET = re.compile(r"(?:(?i:https?)://(?P<host>[^/?#]+))?(?P<path>/[^?]*)?(?:\?.*)?", re.DOTALL)


def _size_of_body(request: ReceivedRequest) -> int:
    return len(request.body)


@frozen
class ReceivedRequest:
    """
    Hold a request as the server got it.

    Attributes:
        method: The method: "POST".
        target: The request target as sent: "/v1/chat/completions?a=b", for one.
        headers: The headers, by lower-case name; the values of one sent twice are joined by ", ".
        body: The body; of a larger one, the first MiB.
        body_size: The size of the complete body, in bytes; that of `body` where not given.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    body_size: int = field(default=Factory(_size_of_body, takes_self=True), kw_only=True)

    @property
    def path(self) -> str:
        """
        The path of the target, without the query; "" where the target has none.

        That of "http://host/path?query" is "/path". No path: "*", "host:port", "path", and any
        target of the method CONNECT.
        """
        match = None if self.method == "CONNECT" else _TARGET.fullmatch(self.target)
        if match is None:
            return ""
        return match["path"] or ("/" if match["host"] else "")

    def json(self) -> Any:
        """
        Decode the body as JSON.

        Raises:
            ValueError: The body is not JSON, or not all of it was kept.
        """
        if self.body_size > len(self.body):
            raise ValueError(
                f"The body has {self.body_size:,} bytes, and only the first {len(self.body):,} "
                "were kept: it can't be decoded as JSON."
            )
        return json.loads(self.body)


@frozen
class Answered:
    """
    Tell what became of a request.

    Attributes:
        request: The request; None where what came was none.
        bytes_sent: How many bytes the client was sent for it, those of HTTP included.
        how: How that ended, in words: "to its end", for one.
    """

    request: ReceivedRequest | None
    bytes_sent: int
    how: str


@define(eq=False)
class ReceivedConnection:
    """
    Tell what became of a connection to the server.

    Attributes:
        requests: How many requests came on it.
    """

    _closed: Future[bool]
    requests: int = 0

    def wait_closed(self, timeout: float = 30.0) -> bool:
        """
        Wait until the client closes its side of the connection.

        The server sees that also while it waits itself, for a delay, a permit or for nothing at
        all, and after it has closed its own side. A connection that it has reset is gone before
        the client could close it.

        Args:
            timeout: How long to wait, in seconds.

        Returns:
            Whether the client has closed it, properly or by a reset; at once if the server is
            through with the connection.
        """
        try:
            return self._closed.result(timeout)
        except TimeoutError:
            return False
