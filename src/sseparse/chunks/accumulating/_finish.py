"""Why a choice ended."""

from __future__ import annotations

from collections.abc import Mapping

from ..._ends import End, EndCause
from ..._errors import IncompleteStream, count, describe_unfinished
from ._budget import Budget


class FinishReasons:
    """
    Collect a choice's finish reasons.

    The first is the one that counts; some servers send it twice, or another one after it.

    Attributes:
        reasons: All of them, in order.
    """

    __slots__ = ("_budget", "_differ", "reasons")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._differ = False
        self.reasons: list[str] = []

    def add(self, reason: str) -> None:
        """Add a reason."""
        self.reasons.append(reason)
        self._differ = self._differ or reason != self.reasons[0]
        self._budget.charge(reason)

    @property
    def first(self) -> str | None:
        """The first reason, or None."""
        return self.reasons[0] if self.reasons else None

    @property
    def seen(self) -> list[str] | None:
        """All reasons, where they were not all the same; else None."""
        return [*self.reasons] if self._differ else None


def make_incomplete(finish_reasons: Mapping[int, str | None], chunks_seen: int) -> IncompleteStream:
    """Return the error for chunks that don't show an end. They show neither bytes nor [DONE]."""
    chunks = count(chunks_seen, "chunk")
    if finish_reasons:
        missing = f"No finish_reason for {describe_unfinished(finish_reasons)} in {chunks}"
    else:
        missing = f"No choice in {chunks}" if chunks_seen else "No chunk was added"
    return IncompleteStream(
        f"{missing}: pass the parser's `end` to result() to learn how the stream ended. "
        "What was accumulated is in .partial.",
        end=End(EndCause.INCOMPLETE, events_seen=chunks_seen, finish_reasons=finish_reasons),
    )
