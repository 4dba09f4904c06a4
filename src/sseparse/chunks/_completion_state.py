"""One choice of a legacy completion, as it grows."""

from __future__ import annotations

from typing import Any

from ._completion_chunk import CompletionChunkChoice
from ._finish import FinishReasons
from ._logprobs import CompletionLogprobs
from ._merge import keep_last, unknown_fields
from ._results import CompletionChoice
from ._text import GrowingText

_LISTS = ("tokens", "token_logprobs", "top_logprobs", "text_offset")


class CompletionChoiceState:
    """Collect one choice's texts."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.finish = FinishReasons()
        self.content = GrowingText()
        self._logprobs: dict[str, list[Any]] | None = None
        self._logprobs_extra: dict[str, Any] = {}
        self._extra: dict[str, Any] = {}

    def add(self, choice: CompletionChunkChoice) -> None:
        """Add what a chunk brings for this choice."""
        self.content.add(choice.text)
        if choice.finish_reason:
            self.finish.add(choice.finish_reason)
        if choice.logprobs is not None:
            self._add_logprobs(choice.logprobs)
        keep_last(self._extra, unknown_fields(choice))

    def _add_logprobs(self, logprobs: CompletionLogprobs) -> None:
        if self._logprobs is None:
            self._logprobs = {}
        for name in _LISTS:
            values = getattr(logprobs, name)
            if values is not None:
                self._logprobs.setdefault(name, []).extend(values)
        keep_last(self._logprobs_extra, unknown_fields(logprobs))

    def result(self) -> CompletionChoice:
        """Return the choice so far."""
        return CompletionChoice(
            index=self.index,
            text=self.content.value or "",
            finish_reason=self.finish.first,
            logprobs=self._logprobs_result(),
            finish_reasons_seen=self.finish.seen,
            extra={**self._extra},
        )

    def _logprobs_result(self) -> CompletionLogprobs | None:
        if self._logprobs is None:
            return None
        lists: dict[str, Any] = {name: [*values] for name, values in self._logprobs.items()}
        return CompletionLogprobs(**lists, extra={**self._logprobs_extra})
