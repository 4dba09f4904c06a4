"""Server-sent events and comments, and how to encode them."""

from __future__ import annotations

import json
import re
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


_LINE_END = re.compile("\r\n|\r|\n")
_FORBIDDEN = re.compile("[\r\n\0]")


def encode(item: Event | Comment) -> bytes:
    """
    Encode an event, or a comment, as it stands in an event stream.

    Data is split into one `data` line for each line it has; CR, LF and CRLF all end a line, so
    they read back as LF. A comment of several lines becomes several comments. The default type
    "message" and the empty id take no line: ids stick, so after an event with an id an event
    without one reads back with the earlier id.

    Args:
        item: The event or comment.

    Returns:
        The lines in UTF-8, the blank line that dispatches an event included.

    Raises:
        ValueError: The type or the id holds CR, LF or NUL, which would forge lines; the type is
            empty; the retry is negative; the text has lone surrogates.
        TypeError: The item is neither an event nor a comment.

    Source: WHATWG HTML, 9.2.5 "Parsing an event stream".
    """
    if isinstance(item, Comment):
        return "".join(f":{line}\n" for line in _LINE_END.split(item.text)).encode()
    if not isinstance(item, Event):
        raise TypeError(f"encode() takes an Event or a Comment, not {type(item).__name__}")
    lines = [*_head(item), *(f"data: {line}" for line in _LINE_END.split(item.data)), "", ""]
    return "\n".join(lines).encode()


def _head(event: Event) -> list[str]:
    lines: list[str] = []
    if not event.event:
        raise ValueError('event type is empty; the type of an event that names none is "message"')
    if event.event != "message":
        lines.append(f"event: {_one_line('event', event.event)}")
    if event.id:
        lines.append(f"id: {_one_line('id', event.id)}")
    if event.retry is not None:
        if event.retry < 0:
            raise ValueError(f"retry is {event.retry}; give milliseconds, 0 or more")
        lines.append(f"retry: {event.retry}")
    return lines


def _one_line(name: str, value: str) -> str:
    if _FORBIDDEN.search(value):
        raise ValueError(f"{name} {value!r} holds CR, LF or NUL, which would forge lines")
    return value
