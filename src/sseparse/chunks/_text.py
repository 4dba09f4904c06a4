"""Text that grows."""

from __future__ import annotations

from ._budget import OVERHEAD, Budget
from ._halves import has_halves, join_halves
from ._partial_json import PartialJSON


class GrowingText:
    """
    Collect pieces of text; join them when asked.

    The join is kept, so that asking often does not join the same pieces again.
    """

    __slots__ = ("_budget", "_json", "_parts")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._parts: list[str] = []
        self._json: PartialJSON | None = None

    def add(self, piece: str) -> None:
        """Append a piece."""
        self._parts.append(piece)
        self._budget.left -= len(piece) + OVERHEAD
        if self._json is not None:
            self._read(self._json, piece)

    def _read(self, json: PartialJSON, text: str) -> None:
        json.feed(text)
        self._budget.charge_values(text)

    @property
    def value(self) -> str | None:
        """The whole text so far; None where nothing ever came, not even an empty piece."""
        parts = self._parts
        if len(parts) > 1:
            text, new = parts[0], "".join(parts[1:])
            if not new.isascii() and has_halves(new):
                text, new = text[:-1], join_halves(text[-1:] + new)
            parts[:] = [text + new]
        return parts[0] if parts else None

    @property
    def json(self) -> PartialJSON:
        """The text so far, read as JSON: from now on as it comes."""
        if self._json is None:
            self._json = PartialJSON()
            self._read(self._json, self.value or "")
        return self._json
