"""Where a stream can be taken up again: what events say of it, and how it is asked for."""

from __future__ import annotations

import re
from typing import Any, Final, cast

from attrs import frozen

from .._errors import LimitExceeded
from .._events import Event

# RFC 9110, 5.5: "Field values containing CR, LF, or NUL characters are invalid and dangerous";
# other control characters are invalid too, the tab is not.
_CONTROL: Final = re.compile("[\0-\x08\x0a-\x1f\x7f]")


# Servers answer 431 to a longer header: by default nginx and Apache from 8 KiB on, Node from 16.
_MAX_ID_BYTES: Final = 8192


def header_value(last_event_id: str) -> bytes | None:
    """
    Encode an ID for the `Last-Event-ID` header; None for one that cannot stand there.

    HTTP drops blanks around a value, and its libraries refuse them.

    Source: WHATWG HTML, 9.2.3: "the EventSource's last event ID string, encoded as UTF-8".
    """
    text = last_event_id.strip(" \t")
    if not text or too_long(text) is not None or _CONTROL.search(text):
        return None
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None


def too_long(last_event_id: str) -> LimitExceeded | None:
    """Return the error of an ID that is too long for a header, or None."""
    text = last_event_id.strip(" \t")
    # A character has a byte at least, so that most long ones need not be encoded.
    if len(text) <= _MAX_ID_BYTES and len(text.encode(errors="replace")) <= _MAX_ID_BYTES:
        return None
    return LimitExceeded(limit="last_event_id", maximum=_MAX_ID_BYTES)


@frozen
class Progress:
    """Hold what an event of the Responses API says of its place in the response."""

    sequence_number: int | None
    response_id: str | None
    type: str


def progress(event: Event) -> Progress:
    """Read an event of the Responses API; what is not there is None."""
    body = _object(_json(event))
    number = body.get("sequence_number")
    response_id = _object(body.get("response")).get("id")
    kind = body.get("type")
    return Progress(
        sequence_number=number if isinstance(number, int) and type(number) is not bool else None,
        response_id=response_id if isinstance(response_id, str) else None,
        type=kind if isinstance(kind, str) else event.event,
    )


def _json(event: Event) -> Any:
    try:
        return event.json()
    except (ValueError, RecursionError):
        return None


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
