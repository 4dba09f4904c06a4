"""What came to a replay server: connections, and requests on them."""

from __future__ import annotations

import json
from concurrent.futures import Future
from typing import Any

from attrs import define, frozen


@frozen
class ReceivedRequest:
    """
    Hold a request as the server got it.

    Attributes:
        method: The method: "POST".
        target: The path, and the query if there is one: "/v1/chat/completions".
        headers: The headers, by lower-case name; the values of one sent twice are joined by ", ".
        body: The whole body.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    def json(self) -> Any:
        """
        Decode the body as JSON.

        Raises:
            ValueError: The body is not JSON.
        """
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
