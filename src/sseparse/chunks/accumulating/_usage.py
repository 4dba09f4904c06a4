"""Which of the reported token counts are those of the completion."""

from __future__ import annotations

from typing import Any

from .._json import is_object
from ..decoding._wire import build
from ..models._chat_chunk import ChunkChoice
from ..models._chunk import Chunk
from ..models._completion_chunk import CompletionChunkChoice
from ..models._usage import CompletionUsage

_EMPTY = CompletionUsage()


class ReportedUsage:
    """
    Token counts as the server reported them so far.

    The last counts win, and are never added up. Empty ones don't replace others. Counts in other
    places, Groq's `x_groq` and the choices, count where `usage` isn't sent.
    """

    __slots__ = ("_elsewhere", "_usage")

    def __init__(self) -> None:
        self._usage: CompletionUsage | None = None
        self._elsewhere: CompletionUsage | None = None

    @property
    def value(self) -> CompletionUsage | None:
        """The token counts, or None where none were reported."""
        return self._elsewhere if self._usage is None else self._usage

    @property
    def is_elsewhere(self) -> bool:
        """Whether they were reported in another place than `usage`."""
        return self._usage is None and self._elsewhere is not None

    def add(self, chunk: Chunk) -> None:
        """Add the counts of a chunk, but for those inside its choices."""
        if chunk.usage is not None and (self._usage is None or chunk.usage != _EMPTY):
            self._usage = chunk.usage
        self._add_elsewhere(chunk.extra.get("x_groq"))

    def add_choice(self, choice: ChunkChoice | CompletionChunkChoice) -> None:
        """Add the counts inside a choice."""
        self._add_elsewhere(choice.extra)

    def _add_elsewhere(self, holder: Any) -> None:
        usage = holder.get("usage") if is_object(holder) else None
        if is_object(usage):
            self._elsewhere = build(CompletionUsage, usage)
