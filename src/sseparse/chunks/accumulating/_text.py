"""Text that grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..partial_json._halves import has_halves, join_halves
from ._budget import OVERHEAD, Budget

if TYPE_CHECKING:
    from ..partial_json._parser import PartialJSON


def no_json() -> PartialJSON:
    """Make a reader of JSON that has read nothing."""
    # Most programs do without.
    from ..partial_json._parser import PartialJSON  # noqa: PLC0415

    return PartialJSON()


# So many pieces are kept before they are joined: each takes some ten times its text.
_MANY: Final = 64
# Or one for so many characters of a long text, which a join may copy.
_SHARE: Final = 256


class GrowingText:
    """
    Collect pieces of text; join them when asked, and when they are many.

    The join is kept, so that asking often does not join the same pieces again.
    """

    __slots__ = ("_budget", "_json", "_many", "_pieces", "_text")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._text: str | None = None
        self._pieces: list[str] = []
        self._many = _MANY
        self._json: PartialJSON | None = None

    def add(self, piece: str) -> None:
        """Append a piece."""
        pieces = self._pieces
        pieces.append(piece)
        self._budget.left -= len(piece) + OVERHEAD
        if len(pieces) == self._many:
            self._join()
        if self._json is not None:
            self._read(self._json, piece)

    def _read(self, json: PartialJSON, text: str) -> None:
        json.feed(text)
        self._budget.charge_values(text)

    @property
    def value(self) -> str | None:
        """The whole text so far; None where nothing ever came, not even an empty piece."""
        if self._pieces:
            self._join()
        return self._text

    def _join(self) -> None:
        new = "".join(self._pieces)
        self._budget.left += OVERHEAD * len(self._pieces)
        self._pieces.clear()
        # CPython appends in place to a text that a local variable alone holds.
        text = self._text or ""
        self._text = None
        if not new.isascii() and has_halves(new):
            text, new = text[:-1], join_halves(text[-1:] + new)
        text += new
        self._text = text
        self._many = max(_MANY, len(text) // _SHARE)

    @property
    def json(self) -> PartialJSON:
        """The text so far, read as JSON: from now on as it comes."""
        if self._json is None:
            self._json = no_json()
            self._read(self._json, self.value or "")
        return self._json
