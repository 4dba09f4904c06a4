"""What a terminal may be sent."""

from __future__ import annotations

import os
import re
from typing import Final, TextIO

# C0 and C1 controls but for tab and line feed, DEL, and what turns the direction of a text.
_UNSAFE: Final = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_DELETE: Final = 0x7F
_DUMB: Final = ("dumb", "unknown")


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a stream, which may be closed, is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def can_control() -> bool:
    """Tell whether terminals understand control sequences here."""
    return os.environ.get("TERM") not in _DUMB


def wants_colour(*, no_color: bool) -> bool:
    """
    Tell whether a terminal is to be sent colours.

    Args:
        no_color: Whether the user asked for none.

    Source:
        https://no-color.org: NO_COLOR, if it is set and not empty.
    """
    return not no_color and not os.environ.get("NO_COLOR") and can_control()


def visible(text: str) -> str:
    """Make control characters of a text visible, so that they do nothing to a terminal."""
    return _UNSAFE.sub(_picture, text)


def visible_json(text: str) -> str:
    """Escape the control characters of a line of JSON, which says the same."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code == _DELETE:
        return "\u2421"
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"
