"""The options that parsers take and streams hand on."""

from __future__ import annotations

import math
from typing import Literal, TypedDict


def check_choice(name: str, value: str, *known: str) -> None:
    """Refuse a value that an option does not have, and name those that it has."""
    if value not in known:
        raise ValueError(f"{name} is {value!r}; give one of {', '.join(map(repr, known))}")


def check_id(name: str, value: object) -> None:
    """Refuse a last event ID that is no text."""
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}; give text, '' for none")


def check_retry(name: str, value: object) -> None:
    """Refuse a reconnection time that is no number of milliseconds."""
    if value is not None and (not isinstance(value, int) or value < 0):
        raise ValueError(f"{name} is {value!r}; give milliseconds, 0 or more, or None")


def check_bytes(name: str, value: object) -> None:
    """Refuse a limit of bytes that nothing could keep to."""
    if value is not None and (not isinstance(value, int) or value < 1):
        raise ValueError(
            f"{name} is {value!r}; give a number of bytes above 0, or None for no limit"
        )


def check_number(name: str, value: object) -> None:
    """Refuse a limit that is no number of things."""
    if value is not None and (not isinstance(value, int) or value < 0):
        raise ValueError(f"{name} is {value!r}; give a number, or None for no limit")


def check_seconds(name: str, value: object) -> None:
    """Refuse a time that nothing could take."""
    if not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{name} is {value!r}; give seconds, 0 or more")


class ParserOptions(TypedDict, total=False):
    """Name the options of every parser; `Parser` says what they do."""

    last_event_id: str
    retry: int | None
    errors: Literal["replace", "strict"]
    max_line_bytes: int | None
    max_event_bytes: int | None


class EventOptions(ParserOptions, total=False):
    """Name the options of a parser of events; `Parser` says what they do."""

    incomplete: Literal["discard", "dispatch"]


class ChunkOptions(ParserOptions, total=False):
    """Name the options of a parser of chunks; `ChunkParser` says what they do."""

    on_bad_json: Literal["raise", "skip"]
    max_choices: int | None
    max_objects: int | None
