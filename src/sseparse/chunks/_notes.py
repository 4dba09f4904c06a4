"""What had to be assumed to make a completion of its chunks."""

from __future__ import annotations

from enum import Enum

from attrs import frozen


class NoteKind(Enum):
    """Name the assumptions."""

    ROLE_ASSUMED = "the server never sent a role; it is taken to be the assistant's"
    """No chunk of the choice named a role."""
    MODEL_CHANGED = "the server named another model later; the first is kept"
    """The last chunk names another model than the first that named one; `detail` is its name."""
    USAGE_ELSEWHERE = "the server sent token counts, but not in usage; they are taken from there"
    """No chunk had `usage`; its `x_groq` or a choice had."""
    INDEX_ASSUMED = "the server sent no index; it is taken to be 0"
    """A chunk's choice had none."""
    CONTENT_PARTS = "the content came as a list of parts; their texts are joined"
    """Text parts became content, thinking parts became reasoning."""
    FINISHED_AGAIN = "the server sent another finish reason later; the first is kept"
    """`finish_reasons_seen` has them all."""
    AFTER_FINISH = "more came after the finish reason; it is kept"
    """A delta that was not empty came later than the choice's finish reason."""
    CALL_WITHOUT_INDEX = "the tool call came without an index; it was found by its id or its place"
    """A piece of the call had none, or a negative one."""
    CALL_INDEX_SHARED = "an earlier tool call has the same index; the id or the name is another"
    """Some servers number all calls 0."""
    CALL_UNNAMED = "a piece of a tool call came with neither index, id nor name, and none was open"
    """It became a call of its own."""
    ARGUMENTS_MISSING = "the choice finished, and no arguments of the tool call came"
    """They are kept as the empty text."""
    ARGUMENTS_OBJECT = "the arguments came as a JSON object; its JSON text is kept"
    """They should be a JSON text."""
    VALUE_IGNORED = "a known field came with a value of an unforeseen type; its chunk alone has it"
    """`detail` is the field's name; the chunk's `extra` has the value."""


@frozen
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
        return f"{where}: {self.kind.value}{detail}" if where else f"{self.kind.value}{detail}"
