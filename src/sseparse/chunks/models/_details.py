"""Structured reasoning, entry by entry, as OpenRouter sends it in `reasoning_details`."""

from __future__ import annotations

from typing import Any, Final

TEXTS: Final = ("text", "summary", "data")
"""The fields of an entry that come piece by piece."""
KEY: Final = ("type", "index")
"""What says to which entry a piece belongs."""
ENCRYPTED: Final = "reasoning.encrypted"
"""The type of an entry that comes whole."""


def text_in(detail: dict[str, Any]) -> str:
    """Return the text of a piece that can be read, "" if there is none."""
    text = detail.get("text") or detail.get("summary")
    return text if isinstance(text, str) else ""
