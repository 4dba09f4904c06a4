"""Why a choice ended."""

from __future__ import annotations


class FinishReasons:
    """
    Collect a choice's finish reasons.

    The first is the one that counts; some servers send it twice, or another one after it.
    """

    def __init__(self) -> None:
        self._all: list[str] = []

    def add(self, reason: str) -> None:
        """Add a reason."""
        self._all.append(reason)

    @property
    def first(self) -> str | None:
        """The first reason, or None."""
        return self._all[0] if self._all else None

    @property
    def seen(self) -> list[str] | None:
        """All reasons, where they were not all the same; else None."""
        return [*self._all] if len(set(self._all)) > 1 else None
