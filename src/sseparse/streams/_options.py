"""The options of streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from .._deadlines import Deadlines
from .._ends import End
from .._options import ChunkOptions
from ..chunks import Chunk


class Recorder(Protocol):
    """Describe what notes when something comes; `sseparse.timing.Timeline` does."""

    def on_bytes(self, size: int, /, *, events: int, comments: int) -> None:
        """Note that a piece of `size` bytes came, and how much was in it."""
        ...

    def on_chunk(self, chunk: Chunk, /) -> None:
        """Note that a chunk came."""
        ...

    def on_end(self, end: End, /) -> None:
        """Note that the stream ended."""
        ...


class StreamOptions(ChunkOptions, total=False):
    """Name the options of a stream of chunks; `Stream` says what they do."""

    on_incomplete: Literal["raise", "accept"]
    deadlines: Deadlines | None
    drain: float
    max_tool_calls: int | None
    max_accumulated_bytes: int | None
    timeline: Recorder | None
    usage: Literal["server", "estimate"]
    messages: Sequence[Mapping[str, Any] | str | int | Sequence[int]] | None
    tools: Sequence[Mapping[str, Any]] | None
    encoding: str | None
