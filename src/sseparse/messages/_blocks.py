"""State of the blocks of a message while events arrive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from .._json import UNREADABLE, is_deep
from ..payloads._growing import (
    OBJECT,
    Budget,
    GrowingText,
    GrowingTexts,
    unknown_fields,
    weigh_json,
)
from ..payloads._model import build
from ..payloads._results import Note, NoteRecorder
from ._events import BlockDelta
from ._results import CALLS, TOOL_USE, ContentBlock, NoteKind

INPUT: Final = "input_json"
# The types of the blocks that deltas belong to.
_TYPES: Final = {
    "text_delta": "text",
    "citations_delta": "text",
    "input_json_delta": TOOL_USE,
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
}


class BlockState:
    """
    State of a block.

    Args:
        start: The block as it began.
        index: Its index, which a later block can share.
        place: Its position in the order in which the blocks began.
        call: Its position among the calls of tools; None if it isn't one.
        budget: The budget of the message.

    Attributes:
        stopped: Whether the block is complete.
        others: Blocks of other types that deltas with the same index belong to.
    """

    __slots__ = (
        *("_budget", "_citations", "_decoded", "_fields", "_texts", "call", "index", "notes"),
        *("others", "place", "start", "stopped"),
    )

    def __init__(
        self, start: ContentBlock, index: int, place: int, call: int | None, budget: Budget
    ) -> None:
        if start.type in CALLS and isinstance(start.input, str):
            start = replace(start, input={}, input_json=start.arguments)
        self.start = start
        self.index = index
        self.place = place
        self.call = call
        self.stopped = False
        self.others: list[BlockState] = []
        self.notes = NoteRecorder(NoteKind.VALUE_IGNORED)
        self.notes.add_ignored_values(start)
        self._budget = budget
        self._texts: GrowingTexts[str] = GrowingTexts(budget)
        self._citations: list[dict[str, Any]] = []
        self._fields: dict[str, Any] = {}  # those that a delta replaced
        self._decoded: tuple[int, tuple[Any] | None] | None = None  # by the length of the text
        budget.left -= OBJECT
        budget.charge(start)
        if start.input is None and start.type in CALLS:
            self.notes.add(NoteKind.INPUT_ASSUMED)

    def add(self, delta: BlockDelta) -> None:
        """Add a delta."""
        if self.stopped:
            self.notes.add(NoteKind.AFTER_STOP)
        match delta.type:
            case "input_json_delta":
                self.text(INPUT).add(delta.partial_json or "")
            case "text_delta" | "thinking_delta" | "signature_delta":
                name = delta.type.removesuffix("_delta")
                self.text(name).add(getattr(delta, name) or "")
            case "citations_delta":
                if delta.citation is not None:
                    self._citations.append(delta.citation)
                    self._budget.charge(delta.citation)
            case "compaction_delta":
                self._replace("content", delta.content)
                self._replace("encrypted_content", delta.encrypted_content)
            case _:
                if delta.type and self.notes.add(NoteKind.DELTA_UNKNOWN, delta.type):
                    self._budget.charge(delta.type)
                for name in delta.wire_fields():
                    if name != "type" and (value := getattr(delta, name)) is not None:
                        self._replace(name, value)
        if delta.extra:
            self.notes.add_ignored_values(delta)
            for name, value in unknown_fields(delta).items():
                self._replace(name, value)

    def find(self, delta: BlockDelta) -> BlockState | None:
        """Return the block of this index that a delta belongs to; None for a new one."""
        return next((each for each in (self, *self.others) if takes(each.start, delta)), None)

    def text(self, name: str) -> GrowingText:
        """Return one of the texts of the block, to which deltas are added."""
        return self._texts.get(name) or self._texts.begin(name, getattr(self.start, name))

    def _replace(self, name: str, value: Any) -> None:
        if name not in self._fields:
            self._budget.charge(name)
        self._budget.replace(self._fields.get(name), value)
        self._fields[name] = value

    @property
    def has_input(self) -> bool:
        """Whether the block is a call of a tool, or received the input of one."""
        return self.start.type in CALLS or INPUT in self._texts

    def full_text(self, name: str) -> str:
        """Return one of the texts of the block so far."""
        return self._texts.read(name, getattr(self.start, name))

    def result(self) -> ContentBlock:
        block = self.start
        if self._fields:
            block = build(ContentBlock, {**block.to_dict(), **self._fields})
        fields: dict[str, Any] = self._texts.read_all()
        if self._citations:
            fields["citations"] = [*(block.citations or ()), *self._citations]
        if block.type in CALLS or INPUT in fields:
            fields["input"] = self._input(block)
        block = replace(block, **fields, absent=())
        # A value of another type is here only if nothing was read in its place.
        unread = block.extra.items()
        block.extra = {name: each for name, each in unread if getattr(block, name, None) is None}
        return block

    def _input(self, block: ContentBlock) -> Any:
        """Return the input: what the streamed text decodes to, else what the block began with."""
        first: Any = {} if block.input is None else block.input
        decoded = self._decode()
        return first if decoded is None else decoded[0]

    def _decode(self) -> tuple[Any] | None:
        """Decode the text of the input; None if there is none or it isn't complete JSON."""
        text = self.full_text(INPUT)
        if self._decoded is None or self._decoded[0] != len(text):
            fits = weigh_json(text) <= self._budget.left
            self._decoded = len(text), decode_input(text) if fits else None
        return self._decoded[1]

    def all_notes(self, item: int) -> Iterator[Note]:
        """Yield the notes on the block at a position of the result."""
        for note in self.notes:
            yield Note(note.kind, detail=note.detail, item=item)
        if self.full_text(INPUT).strip() and self._decode() is None:
            yield Note(NoteKind.INPUT_INVALID, item=item)


def decode_input(text: str) -> tuple[Any] | None:
    """Return the value of JSON text; None if it isn't complete, or deeper than can be decoded."""
    if is_deep(text):
        return None
    try:
        return (msgspec.json.decode(text),)
    except UNREADABLE:
        pass
    import json  # noqa: PLC0415 - most programs don't need it

    # Unlike msgspec, it decodes half of a surrogate pair.
    try:
        return (json.loads(text, parse_constant=_reject),)
    except UNREADABLE:
        return None


def _reject(name: str) -> None:
    raise ValueError(f"{name} isn't JSON")


def takes(block: ContentBlock, delta: BlockDelta) -> bool:
    """Return whether a delta can belong to a block. Unknown types of either can have anything."""
    kind, expected = block.type, _TYPES.get(delta.type)
    if expected is None or (kind not in CALLS and kind not in _TYPES.values()):
        return True
    return kind in CALLS if expected == TOOL_USE else kind == expected


def assumed_block(delta: BlockDelta) -> ContentBlock:
    """Return the start of the block that a delta without a block belongs to."""
    kind = _TYPES.get(delta.type) or delta.type.removesuffix("_delta")
    if kind == TOOL_USE:
        return ContentBlock(type=kind, input={})
    return ContentBlock(type=kind)
