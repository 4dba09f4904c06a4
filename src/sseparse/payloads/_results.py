"""What the results of all APIs share: notes, equality, and the neutral view of tool calls."""

# No `from __future__ import annotations`: see `_model`.
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeAlias

import msgspec
from attrs import frozen

from ._growing import no_json
from ._model import NEVER, Model, ignored_fields
from ._parse import Parsable


class NoteKind(Enum):
    """Base class of the kinds of notes of each API."""

    message: str

    def __new__(cls, value: str, message: str) -> Self:
        kind = object.__new__(cls)
        kind._value_ = value
        kind.message = message
        return kind


@frozen(repr=False)
class Note:
    """
    An assumption made in accumulating a result. `str(note)` is a sentence about it.

    Attributes:
        kind: What was assumed, a `NoteKind` of the API.
        choice: Index of the choice; None if the note isn't about a choice.
        call: Position in `tool_calls`; None if the note isn't about a tool call of a choice.
        detail: Details of the assumption, such as the name of a field, or "".
        item: Position among the result's output items or content blocks; None if the note isn't
            about one.
    """

    kind: NoteKind
    choice: int | None = None
    call: int | None = None
    detail: str = ""
    item: int | None = None

    def __str__(self) -> str:
        numbers = (("choice", self.choice), ("tool call", self.call), ("item", self.item))
        where = ", ".join(f"{name} {number}" for name, number in numbers if number is not None)
        message = self.kind.message + (f" ({self.detail})" if self.detail else "")
        return f"{where}: {message}" if where else message

    def __repr__(self) -> str:
        numbers = (("choice", self.choice), ("call", self.call), ("item", self.item))
        fields = (*numbers, ("detail", self.detail or None))
        shown = "".join(f", {name}={value!r}" for name, value in fields if value is not None)
        return f"Note({self.kind.name}{shown})"


class NoteRecorder:
    """
    Notes, each once and in the order of their first record.

    Args:
        value_ignored: The API's kind of notes on values that can't be read.
        choice: Index of the choice that all notes are about; None if they aren't about one.
    """

    __slots__ = ("_choice", "_notes", "_value_ignored")

    def __init__(self, value_ignored: NoteKind, choice: int | None = None) -> None:
        self._value_ignored = value_ignored
        self._choice = choice
        self._notes: dict[Note, None] | None = None  # most results have none

    def add(
        self, kind: NoteKind, detail: str = "", *, call: int | None = None, item: int | None = None
    ) -> bool:
        """Record a note; return whether it's new."""
        if self._notes is None:
            self._notes = {}
        known = len(self._notes)
        self._notes[Note(kind, self._choice, call, detail, item)] = None
        return len(self._notes) > known

    def add_ignored_values(self, *models: Model, call: int | None = None) -> None:
        """Record the known fields of models whose values have an unexpected type."""
        for model in models:
            if model.extra:
                for name in ignored_fields(model):
                    self.add(self._value_ignored, name, call=call)

    def __iter__(self) -> Iterator[Note]:
        return iter(self._notes or ())


if TYPE_CHECKING:
    Notes: TypeAlias = tuple[Note, ...]
else:
    Notes = tuple  # msgspec, which decodes results inside of events, rejects an empty enumeration


class AccumulatedResult(Model, kw_only=True, eq=False):
    """
    Base class of results. They are equal if everything except their notes is.

    Attributes:
        notes: Assumptions made in accumulating the items. Not part of `to_dict()`.
    """

    _private: ClassVar[int] = 3

    notes: Annotated[Notes, NEVER] = msgspec.field(default=(), name=" notes")

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        names = ("extra", *self.wire_fields())
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment] # it is mutable


@frozen
class ToolCallView(Parsable):
    """
    The neutral view of a tool call, the same for all APIs.

    Attributes:
        id: The id that the tool's answer names; None if the server sent none.
        name: Name of the function or tool.
        arguments: The arguments as JSON text, or the input of a custom tool, as the server sent it.
        type: "function", or "custom" for a custom tool, whose input is free text.
    """

    id: str | None
    name: str
    arguments: str
    type: str = "function"

    @property
    def value(self) -> Any:
        """The decoded arguments; None if they aren't complete JSON, and for a custom tool."""
        if self.type == "custom":
            return None
        json = no_json()
        json.feed(self.arguments)
        json.close()
        return json.value if json.fault is None else None

    def _generated_text(self) -> tuple[str, str]:
        return f"text of the arguments of {self.name!r}", self.arguments
