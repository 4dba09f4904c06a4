"""What had to be assumed to make a completion of its chunks."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from attrs import frozen


class NoteKind(Enum):
    """Name the assumptions."""

    ROLE_ASSUMED = "role_assumed"
    """No chunk of the choice named a role."""
    MODEL_CHANGED = "model_changed"
    """The last chunk names another model than the first that named one; `detail` is its name."""
    USAGE_ELSEWHERE = "usage_elsewhere"
    """No chunk had `usage`; its `x_groq` or a choice had."""
    INDEX_ASSUMED = "index_assumed"
    """A chunk's choice had none."""
    CONTENT_PARTS = "content_parts"
    """Text parts became content, thinking parts became reasoning."""
    FINISHED_AGAIN = "finished_again"
    """`finish_reasons_seen` has them all."""
    AFTER_FINISH = "after_finish"
    """A delta that was not empty came later than the choice's finish reason."""
    CALL_WITHOUT_INDEX = "call_without_index"
    """A piece of the call had none, or a negative one."""
    CALL_INDEX_SHARED = "call_index_shared"
    """Some servers number all calls 0."""
    CALL_UNNAMED = "call_unnamed"
    """It became a call of its own."""
    ARGUMENTS_MISSING = "arguments_missing"
    """They are kept as the empty text."""
    ARGUMENTS_OBJECT = "arguments_object"
    """They should be a JSON text."""
    VALUE_IGNORED = "value_ignored"
    """`detail` is the field's name; the chunk's `extra` has the value."""


_SAID: Final[Mapping[NoteKind, str]] = {
    NoteKind.ROLE_ASSUMED: "the server never sent a role; it is taken to be the assistant's",
    NoteKind.MODEL_CHANGED: "the server named another model later; the first is kept",
    NoteKind.USAGE_ELSEWHERE: (
        "token counts came in another field than usage; they are taken from there"
    ),
    NoteKind.INDEX_ASSUMED: "the server sent no index; it is taken to be 0",
    NoteKind.CONTENT_PARTS: "the content came as a list of parts; their texts are joined",
    NoteKind.FINISHED_AGAIN: "the server sent another finish reason later; the first is kept",
    NoteKind.AFTER_FINISH: "more came after the finish reason; it is kept",
    NoteKind.CALL_WITHOUT_INDEX: (
        "the tool call has no index; its pieces were found by id or by place"
    ),
    NoteKind.CALL_INDEX_SHARED: (
        "an earlier tool call has the same index; id or name tell them apart"
    ),
    NoteKind.CALL_UNNAMED: "a piece of a tool call had no index, id or name, and no call was open",
    NoteKind.ARGUMENTS_MISSING: "the choice finished, and no arguments of the tool call came",
    NoteKind.ARGUMENTS_OBJECT: "the arguments came as a JSON object; its JSON text is kept",
    NoteKind.VALUE_IGNORED: (
        "a known field has a value of an unforeseen type; only its chunk keeps it"
    ),
}


@frozen(repr=False)
class Note:
    """
    Tell one thing that had to be assumed.

    Attributes:
        kind: What was assumed.
        choice: The choice it is about, by its index; None for the completion itself.
        call: The tool call it is about, by its place in `tool_calls`; None for none.
        detail: What the kind leaves open, "" for nothing.
    """

    kind: NoteKind
    choice: int | None = None
    call: int | None = None
    detail: str = ""

    def __str__(self) -> str:
        places = (("choice", self.choice), ("tool call", self.call))
        where = ", ".join(f"{name} {number}" for name, number in places if number is not None)
        detail = f" ({self.detail})" if self.detail else ""
        return f"{where}: {_SAID[self.kind]}{detail}" if where else f"{_SAID[self.kind]}{detail}"

    def __repr__(self) -> str:
        places = (("choice", self.choice), ("call", self.call), ("detail", self.detail or None))
        said = "".join(f", {name}={value!r}" for name, value in places if value is not None)
        return f"Note({self.kind.name}{said})"
