"""State of an output item while its parts and texts arrive."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from ..payloads._growing import OBJECT, Budget, GrowingText, GrowingTexts, check_count, no_json
from ._events import ContentPartEvent, PartEvent, index_of
from ._parts import PartList, PartState
from ._results import ContentPart, OutputItem
from ._targets import ITEM_TYPES, PART_TYPES, Target, as_object, commands_of, diff_of

if TYPE_CHECKING:
    from ..payloads._partial_json import PartialJSON

# The fields that a complete item keeps from its earlier form if it lacks them.
_KEPT: Final = ("arguments", "input", "code", "name", "call_id")


def fits(known: str, wanted: str) -> bool:
    """Return whether an item of a type can have the texts of another type's item; "" is any."""
    return known == wanted or not wanted or known not in ITEM_TYPES


def rest_of(before: str, after: str) -> str:
    """Return what a complete text adds to the pieces before it; nothing if it contradicts them."""
    return after[len(before) :] if after.startswith(before) else ""


def keep_streamed(item: OutputItem, streamed: OutputItem) -> OutputItem:
    """
    Return a complete item, with the streamed values of the fields that it lacks.

    Some gateways end what they streamed with empty texts (agentgateway/agentgateway#2281).
    """
    if item.type != streamed.type:
        return item
    kept: dict[str, Any] = {
        name: value
        for name in _KEPT
        if not getattr(item, name) and (value := getattr(streamed, name))
    }
    if item.full_arguments:
        kept.pop("arguments", None)  # they are an object
    # Some servers have the text of reasoning outside its parts.
    for name in () if item.extra.get("text") else ("content", "summary"):
        parts = getattr(streamed, name)
        if not _have_text(getattr(item, name)) and _have_text(parts):
            kept[name] = parts
    return replace(item, **kept) if kept else item


def _have_text(parts: list[ContentPart] | None) -> bool:
    """Return whether there is text, or a part that isn't known."""
    return any(
        part.text or part.refusal or (part.extra and part.type not in PART_TYPES)
        for part in parts or ()
    )


class ItemState:
    """
    An output item. Once it's done, deltas don't change it any more.

    Attributes:
        item: The item as an event had it last, without what deltas brought.
        index: The item's `output_index`.
        place: Position among the output items in the order in which they began, so that no two
            have the same one; that in the result, unless a server sends them in another order.
        is_announced: Whether an event had the item itself.
        is_done: Whether the item is complete.
    """

    __slots__ = (
        *("_budget", "_json", "_lists", "_max_items", "_texts", "index", "is_announced"),
        *("is_done", "item", "place"),
    )

    def __init__(
        self,
        index: int,
        place: int,
        item: OutputItem,
        budget: Budget,
        max_items: int | None,
        *,
        is_announced: bool,
    ) -> None:
        self.index = index
        self.place = place
        self.item = item
        self.is_announced = is_announced
        self.is_done = False
        self._budget = budget
        self._max_items = max_items
        self._lists: dict[str, PartList] = {}
        # By their field, and the index of a command; 0 for other fields.
        self._texts: GrowingTexts[tuple[str, int]] = GrowingTexts(budget)
        self._json: PartialJSON | None = None  # of arguments that no delta brought
        budget.left -= OBJECT
        budget.charge(item)
        self._announce_parts(item)

    @property
    def has_text(self) -> bool:
        """Whether a delta or a complete text was received."""
        return bool(self._lists or self._texts)

    def announce(self, item: OutputItem, *, keep: bool) -> None:
        """Set the item as it begins, and keep or drop what was received of it before."""
        if not keep:
            self._clear()
        self._set(item)
        self.is_announced, self.is_done = True, False
        if not self.has_text:
            self._announce_parts(item)

    def _announce_parts(self, item: OutputItem) -> None:
        for name in ("content", "summary"):
            for index, part in enumerate(getattr(item, name) or ()):
                self._parts(name).announce(index, part)

    def finish(self, item: OutputItem) -> None:
        """Set the complete item; fields that it lacks stay as they were streamed."""
        item = keep_streamed(item, self.result())
        self._clear()
        self._set(item)
        self.is_done = self.is_announced = True

    def _clear(self) -> None:
        """Drop what was received of the item apart from the item itself."""
        self._texts.drop()
        for parts in self._lists.values():
            parts.release()
        self._lists.clear()

    def _set(self, item: OutputItem) -> None:
        self._budget.replace(self.item, item)
        self.item, self._json = item, None

    def _set_field(self, name: str, value: str) -> None:
        self._budget.replace(getattr(self.item, name), value)
        changes: dict[str, Any] = {name: value}
        self.item = replace(self.item, **changes)

    def set_name(self, name: str) -> None:
        """Set the name of a function that no event had before."""
        if not self.item.name:
            self._set_field("name", name)

    def set_status(self, status: str) -> None:
        """Set the status, of an item that has one."""
        if self.item.status is not None:
            self._set_field("status", status)

    def _parts(self, name: str) -> PartList:
        parts = self._lists.get(name)
        if parts is None:
            parts = self._lists[name] = PartList(self._budget, self._max_items)
        return parts

    def set_part(
        self, event: ContentPartEvent, part: ContentPart, *, is_done: bool
    ) -> ContentPart | None:
        """Set a part that begins or is complete; return what it was before, if it was known."""
        parts = self._parts(event.parts)
        index = index_of(event, event.parts)
        return parts.finish(index, part) if is_done else parts.announce(index, part)

    def find_part(self, event: PartEvent, target: Target) -> tuple[PartState, bool]:
        """Return the part that an event is about, and whether that is assumed."""
        return self._parts(target.parts).find(index_of(event, target.parts), target.part_type)

    def text(self, event: PartEvent, target: Target) -> GrowingText:
        """Return the text of a field to which deltas are added."""
        field, index = target.field, index_of(event, "") or 0
        text = self._texts.get((field, index))
        if text is not None:
            return text
        known = len(self._texts)
        check_count("items", "texts of an output item", self._max_items, known, index)
        return self._texts.begin((field, index), self._start_of(field, index))

    def set_text(self, event: PartEvent, target: Target, value: str) -> str:
        """Set the complete text of a field, if it isn't empty; return what the text was."""
        before = self.text(event, target).value or ""
        self._texts.replace((target.field, index_of(event, "") or 0), value or before)
        return before

    @property
    def arguments(self) -> PartialJSON:
        """The arguments so far, parsed as JSON."""
        field = "input" if self.item.type == "custom_tool_call" else "arguments"
        text = self._texts.get((field, 0))
        if text is not None:
            return text.json
        if self._json is None:
            self._json = no_json()
            start = self.item.full_arguments if field == "arguments" else self.item.input
            self._json.feed(start or "")
        return self._json

    def _start_of(self, field: str, index: int) -> str | None:
        """Return the text of a field as the item has it."""
        if field == "command":
            commands = commands_of(self.item)
            value = commands[index] if index < len(commands) else None
        else:
            value = diff_of(self.item) if field == "diff" else getattr(self.item, field)
        return value if isinstance(value, str) else None

    def result(self) -> OutputItem:
        item = self.item
        if not self.has_text:
            return item
        changes: dict[str, Any] = {name: parts.result() for name, parts in self._lists.items()}
        commands = [*commands_of(item)]
        extra = {**item.extra}
        for (field, index), text in sorted(self._texts.read_all().items(), key=itemgetter(0)):
            if field == "diff":
                extra["operation"] = {**as_object(extra.get("operation")), field: text}
            elif field == "command":
                commands[index : index + 1] = [text]
                extra["action"] = {**as_object(extra.get("action")), "commands": commands}
            else:
                changes[field] = text
        for name in changes:
            extra.pop(name, None)  # a value of another type
        return replace(item, extra=extra, **changes)
