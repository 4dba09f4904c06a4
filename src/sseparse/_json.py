"""JSON that may be anything."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn, TypeGuard

import msgspec

UNREADABLE = (ValueError, RecursionError)
"""What decoding raises: bad JSON, bad UTF-8, numbers out of range; and nesting without end."""


MAX_DEPTH = 500
"""How deep JSON may be nested: what is decoded is walked through by functions that recurse."""

_BRACKETS = b"[]{}"
_NEITHER_BRACKET_NOR_QUOTE = bytes(set(range(256)) - {*_BRACKETS, *b'"'})

JSON_BLANKS = " \t\r\n"
"""What may stand around a JSON value (RFC 8259, 2)."""


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Tell whether a decoded value is a JSON object."""
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Tell whether a decoded value is a JSON array."""
    return isinstance(value, list)


def count_objects(data: str | bytes) -> int:
    """
    Return how many JSON objects and arrays a text holds at most, without decoding it.

    Decoded, they take up to sixty times as much memory as their text; nothing else takes near as
    much.
    """
    if isinstance(data, str):
        return data.count("{") + data.count("[")
    return data.count(b"{") + data.count(b"[")


def is_deep(data: str | bytes) -> bool:
    """Return whether JSON is nested deeper than MAX_DEPTH, whatever the caller's stack allows."""
    if len(data) <= 2 * MAX_DEPTH or count_objects(data) <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _brackets(data):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _brackets(data: str | bytes) -> bytes:
    """
    Return the brackets of a JSON text that stand outside its strings.

    The decoder stops where a string isn't terminated, so that such a string is skipped up to the
    end of the text. A pattern that requires the closing quote would fail there and be tried again
    at every quote: quadratic on every tool call that is cut inside its arguments. Each step here
    is one pass.
    """
    text = data if isinstance(data, bytes) else data.encode("utf-8", "replace")
    text = text.replace(rb"\\", b"").replace(rb"\"", b"")  # the escapes that matter (RFC 8259, 7)
    text = text.translate(None, _NEITHER_BRACKET_NOR_QUOTE)
    # Two quotes next to each other change nothing for what stands around them. Without those, the
    # pieces between quotes are no more than the brackets.
    return b"".join(text.replace(b'""', b"").split(b'"')[::2])


def load_object(data: str) -> dict[str, Any]:
    """
    Decode an event's data that has to be a JSON object.

    Raises:
        ValueError: It is not JSON, or some other JSON value, or nested too deep.
        RecursionError: The caller's stack leaves no room for it.
    """
    if is_deep(data):
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    try:
        value = msgspec.json.decode(data)
    except msgspec.DecodeError:
        # The standard library reads what msgspec does not: half of a surrogate pair, escaped,
        # which servers send when a token ends inside a character.
        value = json.loads(data, parse_constant=_refuse_constant, parse_float=_finite)
    if not is_object(value):
        raise ValueError(f"JSON, but no object: {type(value).__name__}")
    return value


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"number out of range: {digits[:20]}")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
