"""Server-sent events and comments, and their encoding."""

from __future__ import annotations

import re
from typing import Any

from attrs import define, field


def _is_name(event_type: str) -> bool:
    """Return whether only an `event` field, or the caller, can have given the type."""
    return event_type not in {"", "message"}


@define(init=False)
class Event:
    """
    A server-sent event. Treat it as immutable.

    Attributes:
        data: The values of the data lines, joined with LF.
        event: The event's type.
        id: The stream's last event ID at this event. An earlier event can have set it.
        retry: The reconnection time in milliseconds that this event itself set, or None.
        named: Whether the event has an `event` field. An event without one has the type "message".
            By default, True if the type isn't "message". Two events that differ only in `named` are
            equal, because the standard doesn't distinguish them.

    Source: WHATWG HTML, 9.2.6 "Interpreting an event stream".
    """

    data: str
    event: str = "message"
    id: str = ""
    retry: int | None = None
    named: bool = field(default=False, eq=False)

    def __init__(
        self,
        data: str,
        event: str = "message",
        id: str = "",  # noqa: A002 - the standard names it so
        retry: int | None = None,
        named: bool | None = None,
    ) -> None:
        self.data = data
        self.event = event
        self.id = id
        self.retry = retry
        # Not a default of attrs, because it depends on the type.
        self.named = _is_name(event) if named is None else named

    def __repr__(self) -> str:
        named = "" if self.named == _is_name(self.event) else f", named={self.named}"
        return (
            f"Event(data={self.data!r}, event={self.event!r}, id={self.id!r}, "
            f"retry={self.retry!r}{named})"
        )

    def json(self) -> Any:
        """
        Decode the data as JSON.

        Raises:
            ValueError: The data isn't JSON.
        """
        import json  # noqa: PLC0415 - most programs don't need it

        return json.loads(self.data)


@define
class Comment:
    """
    A comment line, which servers send to keep a connection alive.

    Attributes:
        text: Everything after the colon, including leading spaces.
    """

    text: str


_LINE_END = re.compile("\r\n|\r|\n")
_FORBIDDEN = re.compile("[\r\n\0]")


def encode(item: Event | Comment) -> bytes:
    """
    Encode an event or a comment for an event stream.

    Each line of the data becomes a `data` line. CR, LF and CRLF all end a line, so a parser returns
    each of them as LF. Each line of a comment becomes a comment. The type "message" is omitted
    unless the event is `named`. An empty id is omitted too: a parser gives an event without an id
    the id of the event before it.

    Returns:
        The lines in UTF-8, including the blank line that ends an event.

    Raises:
        ValueError: The type or the id contains CR, LF or NUL, the type is empty, the retry is
            negative, or the text has lone surrogates.
        TypeError: The item is neither an event nor a comment.

    Source: WHATWG HTML, 9.2.5 "Parsing an event stream".
    """
    if isinstance(item, Comment):
        return "".join(f":{line}\n" for line in _LINE_END.split(item.text)).encode()
    if not isinstance(item, Event):
        raise TypeError(f"encode() takes an Event or a Comment, not {type(item).__name__}")
    if not item.event:
        raise ValueError('event type is empty; use "message" for an event without a type')
    for name, value in (("event", item.event), ("id", item.id)):
        if _FORBIDDEN.search(value):
            raise ValueError(f"{name} {value!r} contains CR, LF or NUL, which would forge lines")
    lines = [f"event: {item.event}"] if item.named or item.event != "message" else []
    if item.id:
        lines.append(f"id: {item.id}")
    if item.retry is not None:
        if item.retry < 0:
            raise ValueError(f"retry is {item.retry}; give milliseconds, 0 or more")
        lines.append(f"retry: {item.retry}")
    lines += [f"data: {line}" for line in _LINE_END.split(item.data)]
    return "\n".join([*lines, "", ""]).encode()
