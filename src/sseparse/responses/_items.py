"""State of an output item while its parts and texts arrive."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from ..payloads._growing import OBJECT, Budget, GrowingText, check_count, no_json, weigh
from ._events import ContentPartEvent, PartEvent, index_of
from ._results import ContentPart, OutputItem
from ._targets import ITEM_TYPES, Target, as_object, commands_of, diff_of

if TYPE_CHECKING:
    from ..payloads._partial_json import PartialJSON

_PART_TYPES: Final = ("output_text", "refusal", "reasoning_text", "summary_text")
# The texts that are in an object of the item, not in a field of its own.
_NESTED: Final = ("diff", "command")
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
    # Some servers have the text of reasoning outside its parts.
    for name in () if item.extra.get("text") else ("content", "summary"):
        parts = getattr(streamed, name)
        if not _have_text(getattr(item, name)) and _have_text(parts):
            kept[name] = parts
    return replace(item, **kept) if kept else item


def _have_text(parts: list[ContentPart] | None) -> bool:
    """Return whether there is text, or a part that isn't known."""
    return any(
        part.text or part.refusal or (part.extra and part.type not in _PART_TYPES)
        for part in parts or ()
    )


class PartState:
    """
    A part of an item.

    Attributes:
        is_announced: Whether an event announced it.
        is_done: Whether its complete text was received.
    """

    __slots__ = (
        *("_annotations", "_budget", "_logprobs", "_part", "_texts"),
        *("is_announced", "is_done"),
    )

    def __init__(self, part: ContentPart, budget: Budget) -> None:
        self.is_announced = self.is_done = False
        self._part = part
        self._budget = budget
        self._texts: dict[str, GrowingText] = {}
        self._annotations: list[dict[str, Any]] = []
        self._logprobs: list[dict[str, Any]] = []
        budget.left -= OBJECT
        budget.charge(part)

    @property
    def type(self) -> str:
        return self._part.type

    def text(self, field: str) -> GrowingText:
        """Return the text that deltas are added to."""
        text = self._texts.get(field)
        if text is None:
            text = self._texts[field] = GrowingText(self._budget)
            if start := getattr(self._part, field):
                text.add(start)
        return text

    def value(self, field: str) -> str:
        """Return the text so far."""
        text = self._texts.get(field)
        return (getattr(self._part, field) if text is None else text.value) or ""

    def is_continued_by(self, part: ContentPart) -> bool:
        """Return whether a complete part has the text so far, and perhaps more."""
        texts = ((self.value(name), getattr(part, name) or "") for name in ("text", "refusal"))
        return part.type == self.type and all(new.startswith(old) for old, new in texts)

    def set(self, part: ContentPart, *, keep: bool) -> None:
        """Replace the part; what deltas brought is dropped, or kept if the part has no text."""
        old = self.result()
        if keep and part.type == old.type and not (part.text or part.refusal):
            part = replace(part, text=old.text or part.text, refusal=old.refusal or part.refusal)
        self._clear()
        self._budget.replace(self._part, part)
        self._part = part

    def _clear(self) -> None:
        _release(self._texts)
        self._budget.left += sum(map(weigh, (*self._annotations, *self._logprobs)))
        self._annotations.clear()
        self._logprobs.clear()

    def release(self) -> None:
        """Give back what the part takes of the budget, because it is dropped."""
        self._clear()
        self._budget.left += OBJECT + weigh(self._part)

    def set_text(self, field: str, value: str, logprobs: list[dict[str, Any]] | None) -> None:
        """Set the complete text, and its log-probabilities if there are some."""
        self.is_done = True
        if field in self._texts:
            self._texts.pop(field).release()
        changes: dict[str, Any] = {field: value}
        if logprobs:
            self._budget.left += sum(map(weigh, self._logprobs))
            self._logprobs.clear()
            changes["logprobs"] = logprobs
        for name, new in changes.items():
            self._budget.replace(getattr(self._part, name), new)
        self._part = replace(self._part, **changes)

    def add_logprobs(self, logprobs: list[dict[str, Any]]) -> None:
        self._logprobs += logprobs
        self._budget.left -= sum(map(weigh, logprobs))

    def add_annotation(self, annotation: dict[str, Any]) -> None:
        self._annotations.append(annotation)
        self._budget.charge(annotation)

    def result(self) -> ContentPart:
        changes: dict[str, Any] = {name: text.value for name, text in self._texts.items()}
        if self._annotations:
            changes["annotations"] = [*(self._part.annotations or ()), *self._annotations]
        if self._logprobs:
            changes["logprobs"] = [*(self._part.logprobs or ()), *self._logprobs]
        return replace(self._part, **changes) if changes else self._part


class PartList:
    """The parts of an item's content or summary, by their index."""

    __slots__ = ("_budget", "_by_index", "_by_type", "_highest", "_last_announced", "_max_items")

    def __init__(self, budget: Budget, max_items: int | None) -> None:
        self._budget = budget
        self._max_items = max_items
        self._by_index: dict[int, PartState] = {}
        self._by_type: dict[str, PartState] = {}  # the latest of each type
        self._highest = -1
        self._last_announced = -1

    def announce(self, index: int | None, part: ContentPart) -> ContentPart | None:
        """Set a part that begins, and return what it was before, if it was known."""
        index = self._highest + 1 if index is None else index
        known = self._by_index.get(index)
        # One that is announced again begins again.
        keep = known is not None and not known.is_announced
        before = self._set(index, known, part, keep=keep)
        self._by_index[index].is_announced = True
        self._last_announced = max(index, self._last_announced)
        return before

    def finish(self, index: int | None, part: ContentPart) -> ContentPart | None:
        """Set a complete part, announced or not, and return what it was before."""
        known = self._by_type.get(part.type) if index is None else self._by_index.get(index)
        last = self._by_index.get(self._last_announced)
        if last is None:
            last = self._undone(part.type, index)
        if known is None and last is not None and last.is_continued_by(part):
            known = last  # at an index that counts deltas: see find()
        index = self._highest + 1 if index is None else index
        before = self._set(index, known, part, keep=True)
        (known or self._by_index[index]).is_done = True
        return before

    def _set(
        self, index: int, known: PartState | None, part: ContentPart, *, keep: bool
    ) -> ContentPart | None:
        if known is None:
            self._add(index, part)
            return None
        before = known.result()
        known.set(part, keep=keep)
        self._by_type[part.type] = known
        return before

    def find(self, index: int | None, kind: str) -> tuple[PartState, bool]:
        """Return the part that a text of a type of part belongs to, and whether that is assumed."""
        at_index = None if index is None else self._by_index.get(index)
        if at_index is not None and _can_be(at_index, kind):
            return at_index, False
        latest = self._by_type.get(kind)
        if latest is not None and (index is None or at_index is not None):
            return latest, False
        last = self._by_index.get(self._last_announced)
        is_beyond = index is not None and index > self._last_announced
        if last is None and is_beyond:
            last = self._undone(kind, index)
        if last is not None and is_beyond and _can_be(last, kind):
            # vLLM counts the deltas, or goes on counting in the next item (vllm#35184, #45742).
            return last, True
        place = self._highest + 1 if index is None or at_index is not None else index
        return self._add(place, ContentPart(type=kind)), False

    def _undone(self, kind: str, index: int | None) -> PartState | None:
        """Return the part that a text at a new index continues: the latest, unless it is done."""
        latest = self._by_type.get(kind)
        is_known = index is not None and index <= self._highest
        return None if latest is None or latest.is_done or is_known else latest

    def _add(self, index: int, part: ContentPart) -> PartState:
        check_count("items", "parts of an output item", self._max_items, len(self._by_index), index)
        state = PartState(part, self._budget)
        self._by_index[index] = self._by_type[part.type] = state
        self._highest = max(index, self._highest)
        return state

    def release(self) -> None:
        """Give back what the parts take of the budget."""
        for part in self._by_index.values():
            part.release()

    def result(self) -> list[ContentPart]:
        return [self._by_index[index].result() for index in sorted(self._by_index)]


def _can_be(part: PartState, kind: str) -> bool:
    return part.type == kind or part.type not in _PART_TYPES


class ItemState:
    """
    An output item. Once it's done, deltas don't change it any more.

    Attributes:
        index: The item's `output_index`.
        place: Position among the output items in the order in which they began, so that no two
            have the same one; that in the result, unless a server sends them in another order.
        is_announced: Whether an event had the item itself.
        is_done: Whether the item is complete.
    """

    __slots__ = (
        *("_budget", "_item", "_json", "_lists", "_max_items", "_texts", "index"),
        *("is_announced", "is_done", "place"),
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
        self.is_announced = is_announced
        self.is_done = False
        self._budget = budget
        self._max_items = max_items
        self._lists: dict[str, PartList] = {}
        self._texts: dict[tuple[str, int], GrowingText] = {}
        self._item = item
        self._json: PartialJSON | None = None  # of arguments that no delta brought
        budget.left -= OBJECT
        budget.charge(item)
        self._announce_parts(item)

    @property
    def item(self) -> OutputItem:
        """The item as an event had it last, without what deltas brought."""
        return self._item

    @property
    def has_text(self) -> bool:
        """Whether a delta or a complete text was received."""
        return bool(self._lists or self._texts)

    def announce(self, item: OutputItem, *, keep: bool) -> None:
        """Set the item as it begins, and keep or drop what was received of it before."""
        if not keep:
            self._clear()
        self._set(item)
        self.is_announced = True
        if not self.has_text:
            self._announce_parts(item)

    def _announce_parts(self, item: OutputItem) -> None:
        for name in ("content", "summary"):
            for index, part in enumerate(getattr(item, name) or ()):
                self.parts(name).announce(index, part)

    def finish(self, item: OutputItem) -> None:
        """Set the complete item; fields that it lacks stay as they were streamed."""
        item = keep_streamed(item, self.result())
        self._clear()
        self._set(item)
        self.is_done = self.is_announced = True

    def _clear(self) -> None:
        """Drop what was received of the item besides the item itself."""
        _release(self._texts)
        for parts in self._lists.values():
            parts.release()
        self._lists.clear()

    def _set(self, item: OutputItem) -> None:
        self._budget.replace(self._item, item)
        self._item, self._json = item, None

    def parts(self, name: str) -> PartList:
        found = self._lists.get(name)
        if found is None:
            found = self._lists[name] = PartList(self._budget, self._max_items)
        return found

    def set_part(
        self, event: ContentPartEvent, part: ContentPart, *, is_done: bool
    ) -> ContentPart | None:
        """Set a part that begins or is complete; return what it was before, if it was known."""
        index = event.summary_index if event.parts == "summary" else event.content_index
        parts = self.parts(event.parts)
        return (parts.finish if is_done else parts.announce)(at_least_0(index), part)

    def find_part(self, event: PartEvent, target: Target) -> tuple[PartState, bool]:
        """Return the part that an event is about, and whether that is assumed."""
        index = at_least_0(index_of(event, target))
        return self.parts(target.parts).find(index, target.part_type)

    def text(self, target: Target, index: int | None) -> GrowingText:
        """Return the text of a field that deltas are added to."""
        key = target.field, at_least_0(index) or 0
        text = self._texts.get(key)
        if text is None:
            check_count(
                "items", "texts of an output item", self._max_items, len(self._texts), key[1]
            )
            text = self._texts[key] = GrowingText(self._budget)
            if start := self._start_of(*key):
                text.add(start)
        return text

    def set_text(self, target: Target, index: int | None, value: str) -> None:
        """Replace the text of a field."""
        key = target.field, at_least_0(index) or 0
        self.text(target, index).release()
        new = self._texts[key] = GrowingText(self._budget)
        new.add(value)

    @property
    def arguments(self) -> PartialJSON:
        """The arguments so far, parsed as JSON."""
        field = "input" if self._item.type == "custom_tool_call" else "arguments"
        text = self._texts.get((field, 0))
        if text is not None:
            return text.json
        if self._json is None:
            self._json = no_json()
            self._json.feed(self._start_of(field, 0) or "")
        return self._json

    def set_name(self, name: str) -> None:
        """Set the name of a function that no event had before."""
        if not self._item.name:
            self._budget.charge(name)
            self._item = replace(self._item, name=name)

    def set_status(self, status: str) -> None:
        """Set the status, of an item that has one."""
        if self._item.status is not None:
            self._budget.replace(self._item.status, status)
            self._item = replace(self._item, status=status)

    def _start_of(self, field: str, index: int) -> str | None:
        if field not in _NESTED:
            value = getattr(self._item, field)
        elif field == "diff":
            value = diff_of(self._item)
        else:
            commands = commands_of(self._item)
            value = commands[index] if index < len(commands) else None
        return value if isinstance(value, str) else None

    def result(self) -> OutputItem:
        item = self._item
        if not self.has_text:
            return item
        changes: dict[str, Any] = {name: parts.result() for name, parts in self._lists.items()}
        commands = [*commands_of(item)]
        extra = {**item.extra}
        for (field, index), text in sorted(self._texts.items(), key=itemgetter(0)):
            if field == "diff":
                extra["operation"] = {**as_object(extra.get("operation")), field: text.value}
            elif field == "command":
                commands[index : index + 1] = [text.value]
                extra["action"] = {**as_object(extra.get("action")), "commands": commands}
            else:
                changes[field] = text.value
        for name in changes:
            extra.pop(name, None)  # a value of another type
        return replace(item, extra=extra, **changes)


def _release(texts: dict[Any, GrowingText]) -> None:
    for text in texts.values():
        text.release()
    texts.clear()


def at_least_0(index: int | None) -> int | None:
    """Return an index; None for a negative one, which some servers send."""
    return None if index is None or index < 0 else index
