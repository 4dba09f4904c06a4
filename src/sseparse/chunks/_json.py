"""JSON that may be anything."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn, TypeGuard

import msgspec

UNREADABLE = (ValueError, RecursionError)
"""What decoding raises: bad JSON, bad UTF-8, numbers out of range; and nesting without end."""


MAX_DEPTH = 500
"""How deep JSON may be nested: what is decoded is walked through by functions that recurse."""

_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")

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
    """Tell whether JSON is nested deeper than is decoded, whatever the caller's stack allows."""
    if len(data) <= 2 * MAX_DEPTH or count_objects(data) <= MAX_DEPTH:
        return False
    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


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
