"""Options of parsers and streams, and their checks."""

from __future__ import annotations

import math
from typing import Literal, TypedDict


def check_choice(name: str, value: str, *known: str) -> None:
    """Raise ValueError unless the option has one of the known values."""
    if value not in known:
        raise ValueError(f"{name} is {value!r}; give one of {', '.join(map(repr, known))}")


def wrong_type(name: str, value: object, wanted: str) -> TypeError:
    """Return the error for an option of another type."""
    given = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
    return TypeError(f"{name} is {given}; give {wanted}")


def check_hook(name: str, value: object, method: str, wanted: str) -> None:
    """Raise TypeError unless an option is an object with a method."""
    if isinstance(value, type) or not hasattr(value, method):
        raise wrong_type(name, value, wanted)


def check_id(name: str, value: object) -> None:
    """Raise ValueError unless a last event ID is text."""
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}; give text, '' for none")


def check_retry(name: str, value: object) -> None:
    """Raise ValueError unless a reconnection time is a number of milliseconds, or None."""
    if value is not None and (not isinstance(value, int) or value < 0):
        raise ValueError(f"{name} is {value!r}; give milliseconds, 0 or more, or None")


def check_bytes(name: str, value: object) -> None:
    """Raise ValueError unless a limit is a number of bytes above 0, or None."""
    if value is not None and (not isinstance(value, int) or value < 1):
        raise ValueError(
            f"{name} is {value!r}; give a number of bytes above 0, or None for no limit"
        )


def check_number(name: str, value: object) -> None:
    """Raise ValueError unless a limit is a number of 0 or more, or None."""
    if value is not None and (not isinstance(value, int) or value < 0):
        raise ValueError(f"{name} is {value!r}; give a number, or None for no limit")


def check_seconds(name: str, value: object) -> None:
    """Raise ValueError unless a time is finite and 0 or more."""
    if not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{name} is {value!r}; give seconds, 0 or more")


class ParserOptions(TypedDict, total=False):
    """Options of every parser; see `Parser`."""

    last_event_id: str
    retry: int | None
    errors: Literal["replace", "strict"]
    max_line_bytes: int | None
    max_event_bytes: int | None


class EventOptions(ParserOptions, total=False):
    """Options of a parser of events; see `Parser`."""

    incomplete: Literal["discard", "dispatch"]


class ItemOptions(ParserOptions, total=False):
    """Options of a parser of an API's items."""

    on_bad_json: Literal["raise", "skip"]
    max_objects: int | None
