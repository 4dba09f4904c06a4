"""Base class of the events of APIs whose events have a type of their own."""

# No `from __future__ import annotations`: see `_model`.
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from ._gated import TextKey
from ._model import Model, Piece


class TypedEvent(Model, kw_only=True):
    """
    Base class of events that have a type.

    Attributes:
        type: The event's type.
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {"type": str}

    type: str

    @property
    def text(self) -> str:
        """The new text of the answer, or ""."""
        return "".join([piece.text for piece in self.pieces() if piece.kind == "content"])

    def only_text(self) -> str | None:
        """Return the text of an event that brings only text of the answer, else None."""
        return None

    def pieces(self) -> list[Piece]:
        """
        Return the new generated text. Events that repeat text have none.

        `item` of a piece is the index of the output item or content block.
        """
        return []

    def call_names(self) -> list[str]:
        """Return the names of the tools whose calls begin with the event."""
        return []

    # Of the protocol `GatedItem`, the methods that are the same for most events.

    def with_text(self, _: str, /) -> Self:
        """Return the event itself: only deltas have a text that a gate releases."""
        return self

    def with_approved(self, _: Callable[[TextKey], str | None], /) -> Self:
        """Return the event itself, which has no complete texts."""
        return self
