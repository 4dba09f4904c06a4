"""What goes into the gate and what comes out of it, as small values."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Window:
    """
    Ask for a verdict on a stretch of text.

    Attributes:
        text: What to check: the end of what came before, then the new text.
        overlap: How many characters at its beginning earlier windows held too.
        choice: The choice it belongs to, by its index.
        number: Which window of that choice it is, from 0.
    """

    text: str
    overlap: int
    choice: int
    number: int

    @property
    def new(self) -> str:
        """The text that goes to the reader if this window passes."""
        return self.text[self.overlap :]


@frozen
class Release:
    """
    Hold text that passed.

    Attributes:
        text: The text.
        choice: The choice it belongs to, by its index.
    """

    text: str
    choice: int = 0
