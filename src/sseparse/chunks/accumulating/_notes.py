"""What had to be assumed, noted while chunks are added."""

from __future__ import annotations

from collections.abc import Iterator

from ..models._model import Model
from ..models._notes import Note, NoteKind


class Notes:
    """
    Collect notes, each once, in the order in which they were first taken.

    Args:
        choice: The choice they are about, by its index; None for the completion itself.
    """

    __slots__ = ("_choice", "_notes")

    def __init__(self, choice: int | None = None) -> None:
        self._choice = choice
        # Most have none.
        self._notes: dict[Note, None] | None = None

    def add(self, kind: NoteKind, call: int | None = None, detail: str = "") -> None:
        """Take a note."""
        note = Note(kind, self._choice, call, detail)
        if self._notes is None:
            self._notes = {}
        self._notes[note] = None

    def add_unread(self, model: Model, call: int | None = None) -> None:
        """Note the known fields of a model whose values were of an unforeseen type."""
        known = model.wire_fields()
        for name in model.extra:
            if name in known:
                self.add(NoteKind.VALUE_IGNORED, call, name)

    def __iter__(self) -> Iterator[Note]:
        return iter(self._notes or ())
