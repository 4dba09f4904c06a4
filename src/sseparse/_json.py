"""Checks of JSON that isn't trusted, and its decoding."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

import msgspec

# What decoding raises: invalid JSON, invalid UTF-8 and numbers out of range; a stack too deep.
UNREADABLE = (ValueError, RecursionError)

# The deepest nesting of JSON that is decoded: functions that recurse process the result.
MAX_DEPTH = 500

JSON_BLANKS = " \t\r\n"  # RFC 8259, 2
_NEITHER_BRACKET_NOR_QUOTE = bytes(set(range(256)) - {*b'[]{}"'})


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def count_objects(data: str | bytes) -> int:
    """Return an upper bound of the objects and arrays in JSON, without decoding it."""
    # Decoded, they use up to sixty times the memory of their text, far more than other values.
    if isinstance(data, str):
        return data.count("{") + data.count("[")
    return data.count(b"{") + data.count(b"[")


def is_deep(data: str | bytes) -> bool:
    """Return whether JSON is nested deeper than MAX_DEPTH, however deep the caller's stack is."""
    if len(data) <= 2 * MAX_DEPTH or count_objects(data) <= MAX_DEPTH:
        return False
    # Of the brackets outside strings. Each step is one pass. A pattern with a closing quote would
    # be quadratic on a string that isn't terminated, which is in every tool call that is cut inside
    # its arguments. The decoder stops at such a string, so it's skipped up to the end of the text.
    text = data if isinstance(data, bytes) else data.encode("utf-8", "replace")
    text = text.replace(rb"\\", b"").replace(rb"\"", b"")  # the escapes that matter (RFC 8259, 7)
    text = text.translate(None, _NEITHER_BRACKET_NOR_QUOTE)
    # Two adjacent quotes don't change what is outside strings. Without them, there are no more
    # pieces between quotes than brackets.
    depth = 0
    for bracket in b"".join(text.replace(b'""', b"").split(b'"')[::2]):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def load_object(data: str) -> dict[str, Any]:
    """Decode the data of an event as a JSON object, or raise one of UNREADABLE."""
    if is_deep(data):
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    try:
        value = msgspec.json.decode(data)
    except msgspec.DecodeError:
        # Unlike msgspec, the standard library decodes an escaped lone surrogate, which servers
        # send when a token ends inside a character. It also reads NaN and Infinity, which aren't
        # JSON, but which servers in Python send as the log-probability of an impossible token.
        import json  # noqa: PLC0415 - most programs don't need it

        value = json.loads(data, parse_constant=read_as_null, parse_float=_parse_finite)
    if not is_object(value):
        raise ValueError(f"expected a JSON object, got {type(value).__name__}")
    return value


def _parse_finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"number out of range: {digits[:20]}")
    return value


def read_as_null(_name: str) -> None:
    """Read NaN, Infinity or -Infinity as null."""
