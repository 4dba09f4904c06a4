"""Whether a response is an event stream: by its Content-Type, or by how its body begins."""

from __future__ import annotations

import re

from ._lines import FIELDS
from ._utf8 import MARK

BODY_START = 512
"""How many bytes of a body are kept to tell what it was."""

EVENT_STREAM = "text/event-stream"
_LINE_END = re.compile(rb"[\r\n]")


def is_event_stream_type(content_type: str) -> bool:
    """Return whether a Content-Type header names an event stream, with any parameters."""
    return content_type.partition(";")[0].strip(" \t\r\n").lower() == EVENT_STREAM


def looks_like_events(start: bytes) -> bool:
    """Tell whether a body that begins so may be an event stream; nothing at all may be one."""
    text = start.removeprefix(MARK).lstrip(b"\r\n")
    line = _LINE_END.split(text, maxsplit=1)[0]
    name, colon, _ = line.partition(b":")
    if colon:
        return not name or name in FIELDS
    return any(field.startswith(line) for field in FIELDS)
