"""The options that streams hand on to their parsers."""

from __future__ import annotations

from typing import Literal, TypedDict


class ParserOptions(TypedDict, total=False):
    """Name the options that every stream takes; `Parser` says what they do."""

    last_event_id: str
    retry: int | None
    errors: Literal["replace", "strict"]
    max_line_bytes: int | None
    max_event_bytes: int | None


class EventOptions(ParserOptions, total=False):
    """Name the options that a stream of events takes besides."""

    incomplete: Literal["discard", "dispatch"]


class ChunkOptions(ParserOptions, total=False):
    """Name the options that a stream of chunks takes besides; `ChunkParser` says what they do."""

    on_bad_json: Literal["raise", "skip"]
