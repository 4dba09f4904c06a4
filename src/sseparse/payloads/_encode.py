"""Encoding of items that have a type as server-sent events."""

from __future__ import annotations

import re
from typing import Final

from ..sse._event import Event, encode
from ._model import Model

# The standard doesn't end lines at these characters, but some line readers do (`str.splitlines`).
_LINE_ENDS: Final = {end: f"\\u{ord(end):04x}" for end in "\u0085\u2028\u2029"}
_NAME: Final = re.compile(r"[!-~]+")


def encode_typed(item: Model, kind: str) -> bytes:
    """Encode an item as an event with its type as name, and its JSON as data on a single line."""
    data = item.to_json()
    for raw, escaped in _LINE_ENDS.items():
        data = data.replace(raw, escaped)
    # A type that can't be the name of an event is in the data only.
    return encode(Event(data, kind if _NAME.fullmatch(kind) else "message"))
