"""What a replay server was asked."""

from __future__ import annotations

import json
from typing import Any

from attrs import frozen


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
