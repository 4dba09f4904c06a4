"""What a stream carries: events and comments."""

from __future__ import annotations

import json
from typing import Any

from attrs import define


@define
class Event:
    """
    Hold one dispatched event.

    Treat it as immutable. Two events are equal when all four attributes are.

    Attributes:
        data: The data lines' values, joined with LF.
        event: The event's type; "message" where the block named none.
        id: The stream's last event ID when this event was dispatched, which an earlier block
            may have set.
        retry: The reconnection time in milliseconds that this very block set, or None.

    Source: WHATWG HTML, 9.2.6 "Interpreting an event stream".
    """

    data: str
    event: str = "message"
    id: str = ""
    retry: int | None = None

    def json(self) -> Any:
        """
        Decode the data as JSON.

        Raises:
            ValueError: The data is not JSON.
        """
        return json.loads(self.data)


@define
class Comment:
    """
    Hold one comment line, which servers send as a sign of life.

    Attributes:
        text: All that follows the colon, nothing stripped.
    """

    text: str
