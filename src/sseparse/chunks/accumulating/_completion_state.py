"""One choice of a legacy completion, as it grows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..models._completion_chunk import CompletionChunkChoice
from ..models._logprobs import CompletionLogprobs
from ..models._notes import Note, NoteKind
from ..models._results import CompletionChoice
from ._budget import OBJECT, Budget
from ._choice_extra import ChoiceExtra
from ._finish import FinishReasons
from ._merge import copy_fields, keep_last, unknown_fields
from ._notes import Notes
from ._text import GrowingText


class CompletionChoiceState:
    """
    Collect one choice's texts.

    Attributes:
        index: The choice's index.
        finish: Why it ended.
        content: Its text.
    """

    __slots__ = (
        "_budget",
        "_extra",
        "_logprobs",
        "_logprobs_extra",
        "_notes",
        "content",
        "finish",
        "index",
    )

    def __init__(self, index: int, budget: Budget) -> None:
        self.index = index
        self.finish = FinishReasons(budget)
        self.content = GrowingText(budget)
        self._budget = budget
        budget.left -= OBJECT
        self._logprobs: dict[str, list[Any]] | None = None
        self._logprobs_extra: dict[str, Any] = {}
        self._extra: ChoiceExtra | None = None
        self._notes = Notes(index)

    def add(self, choice: CompletionChunkChoice) -> None:
        """Add what a chunk brings for this choice."""
        if self.finish.reasons and choice.text:
            self._notes.add(NoteKind.AFTER_FINISH)
        self.content.add(choice.text)
        if choice.finish_reason:
            self.finish.add(choice.finish_reason)
        if choice.logprobs is not None:
            self._add_logprobs(choice.logprobs)
        if choice.extra:
            self._notes.add_unread(choice)
            self._extra = self._extra or ChoiceExtra(self._budget)
            self._extra.add(unknown_fields(choice))
        if "index" in choice.absent:
            self._notes.add(NoteKind.INDEX_ASSUMED)

    def _add_logprobs(self, logprobs: CompletionLogprobs) -> None:
        if self._logprobs is None:
            self._logprobs = {}
        for name in logprobs.wire_fields():
            values = getattr(logprobs, name)
            if values is not None:
                self._logprobs.setdefault(name, []).extend(values)
                self._budget.charge(values)
        if logprobs.extra:
            self._notes.add_unread(logprobs)
            keep_last(self._logprobs_extra, unknown_fields(logprobs), self._budget)

    def result(self) -> CompletionChoice:
        """Return the choice so far."""
        return CompletionChoice(
            index=self.index,
            text=self.content.value or "",
            finish_reason=self.finish.first,
            logprobs=self._logprobs_result(),
            finish_reasons_seen=self.finish.seen,
            extra=self._extra.result() if self._extra else {},
        )

    def notes(self) -> Iterator[Note]:
        """Tell what had to be assumed so far."""
        yield from self._notes
        if self.finish.seen is not None:
            yield Note(NoteKind.FINISHED_AGAIN, self.index)

    def _logprobs_result(self) -> CompletionLogprobs | None:
        if self._logprobs is None:
            return None
        lists: dict[str, Any] = {name: [*values] for name, values in self._logprobs.items()}
        return CompletionLogprobs(**lists, extra=copy_fields(self._logprobs_extra))
