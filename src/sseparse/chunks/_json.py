"""JSON that may be anything."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn, TypeGuard

import msgspec

UNREADABLE = (ValueError, RecursionError)
"""What decoding raises: bad JSON, bad UTF-8, numbers out of range; and nesting without end."""


JSON_BLANKS = " \t\r\n"
"""What may stand around a JSON value (RFC 8259, 2)."""


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Tell whether a decoded value is a JSON object."""
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Tell whether a decoded value is a JSON array."""
    return isinstance(value, list)


def load_object(data: str) -> dict[str, Any]:
    """
    Decode an event's data that has to be a JSON object.

    Raises:
        ValueError: It is not JSON, or some other JSON value.
        RecursionError: It is nested too deep.
    """
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
