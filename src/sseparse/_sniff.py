"""Whether a body that held no event was an event stream at all."""

from __future__ import annotations

import re

from ._lines import FIELDS
from ._utf8 import MARK

BODY_START = 512
"""How many bytes of a body are kept to tell what it was."""

_LINE_END = re.compile(rb"[\r\n]")


def looks_like_events(start: bytes) -> bool:
    """Tell whether a body that begins so may be an event stream; nothing at all may be one."""
    text = start.removeprefix(MARK).lstrip(b"\r\n")
    line = _LINE_END.split(text, maxsplit=1)[0]
    name, colon, _ = line.partition(b":")
    if colon:
        return not name or name in FIELDS
    return any(field.startswith(line) for field in FIELDS)
