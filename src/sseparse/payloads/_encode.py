"""Encoding of items and errors, shared by the APIs."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from .._errors import ServerSentError
from ..sse._event import Event, encode
from ._model import Model, encode_json

# The standard doesn't end lines at these characters, but some line readers do (`str.splitlines`).
_LINE_ENDS: Final = {end.encode(): b"\\u%04x" % ord(end) for end in "\u0085\u2028\u2029"}
_NAME: Final = re.compile(r"[!-~]+")


def encode_typed(item: Model, kind: str) -> bytes:
    """Encode an item as an event with its type as name, and its JSON as data on a single line."""
    data = escape_line_ends(encode_json(item.to_dict())).decode()
    # A type that can't be the name of an event is in the data only.
    return encode(Event(data, kind if _NAME.fullmatch(kind) else "message"))


def escape_line_ends(data: bytes) -> bytes:
    """Escape the characters of JSON at which some readers end a line."""
    for raw, escaped in _LINE_ENDS.items():
        data = data.replace(raw, escaped)
    return data


def encode_object(fields: dict[str, Any], kind: str = "message") -> bytes:
    """Encode an object that isn't an item as an event."""
    return encode(Event(json.dumps(fields, separators=(",", ":")), kind))


def describe_error(error: Exception) -> dict[str, Any]:
    """
    Return the fields of OpenAI's error objects for an error.

    The message of an error that the server didn't send isn't quoted: it can have a part of a body,
    or the address of a server.
    """
    if not isinstance(error, Exception):
        raise TypeError(f"encode_error() takes an exception, not {type(error).__name__}")
    names = ("message", "type", "param", "code")
    if isinstance(error, ServerSentError):
        return {name: getattr(error, name) for name in names}
    message = f"The stream failed: {type(error).__name__}"
    return dict(zip(names, (message, "server_error", None, None), strict=True))


def check_pieces(pieces: int | None) -> None:
    """Raise ValueError unless the length of the pieces of texts is 1 or more, or None."""
    if pieces is not None and pieces < 1:
        raise ValueError(f"pieces is {pieces}: give a number of characters, 1 or more")


def cut(text: str, pieces: int | None) -> list[str]:
    """Return the pieces of a text, which have so many characters; an empty text has none."""
    size = pieces or len(text) or 1
    return [text[at : at + size] for at in range(0, len(text), size)]
