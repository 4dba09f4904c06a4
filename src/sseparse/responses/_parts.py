"""State of the parts of an output item while their texts arrive."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ..payloads._growing import OBJECT, Budget, GrowingText, GrowingTexts, check_count, weigh
from ._results import ContentPart
from ._targets import PART_TYPES, PARTS


def _text_type(part: ContentPart) -> str:
    """Return the type of part that the API has for the text of a part; usually it's its own."""
    target = PARTS.get(("content", part.type))
    return part.type if target is None else target.part_type


class PartState:
    """
    A part of an item.

    Attributes:
        is_announced: Whether an event announced it.
        is_done: Whether its complete text was received.
    """

    __slots__ = ("_budget", "_lists", "_part", "_texts", "is_announced", "is_done")

    def __init__(self, part: ContentPart, budget: Budget) -> None:
        self.is_announced = self.is_done = False
        self._part = part
        self._budget = budget
        self._texts: GrowingTexts[str] = GrowingTexts(budget)
        # The annotations and log-probabilities that events added to those of the part.
        self._lists: dict[str, list[dict[str, Any]]] = {}
        budget.left -= OBJECT
        budget.charge(part)

    @property
    def type(self) -> str:
        return _text_type(self._part)

    def text(self, field: str) -> GrowingText:
        """Return the text to which deltas are added."""
        text = self._texts.get(field)
        return text or self._texts.begin(field, getattr(self._part, field))

    def value(self, field: str) -> str:
        """Return a text so far."""
        return self._texts.read(field, getattr(self._part, field))

    def can_have(self, kind: str) -> bool:
        """Return whether the part can have the text of a type of part; an unknown one can."""
        return self.type == kind or self._part.type not in PART_TYPES

    def is_continued_by(self, part: ContentPart) -> bool:
        """Return whether a complete part has the text so far, and perhaps more."""
        texts = ((self.value(name), getattr(part, name) or "") for name in ("text", "refusal"))
        return _text_type(part) == self.type and all(new.startswith(old) for old, new in texts)

    def set(self, part: ContentPart, *, keep: bool) -> ContentPart:
        """
        Replace the part, and return what it was.

        Args:
            part: The part.
            keep: Whether a part without text keeps that of the deltas, which is dropped otherwise.
        """
        old = self.result()
        if keep and _text_type(part) == self.type and not (part.text or part.refusal):
            part = replace(part, text=old.text or part.text, refusal=old.refusal or part.refusal)
        self._clear()
        self._budget.replace(self._part, part)
        self._part = part
        return old

    def set_text(self, field: str, value: str, logprobs: list[dict[str, Any]] | None) -> str:
        """Set the complete text and log-probabilities, if not empty; return what the text was."""
        before = self.value(field)
        self.is_done = True
        self._texts.replace(field, value or before)
        if logprobs:
            self._drop_entries("logprobs")
            self._budget.replace(self._part.logprobs, logprobs)
            self._part = replace(self._part, logprobs=logprobs)
        return before

    def extend(self, field: str, entries: list[dict[str, Any]]) -> None:
        """Add entries to the annotations or the log-probabilities."""
        self._budget.left -= sum(map(weigh, entries))
        self._lists.setdefault(field, []).extend(entries)

    def _drop_entries(self, field: str) -> None:
        self._budget.left += sum(map(weigh, self._lists.pop(field, ())))

    def _clear(self) -> None:
        self._texts.drop()
        for field in [*self._lists]:
            self._drop_entries(field)

    def release(self) -> None:
        """Give back what the part takes of the budget, because it is dropped."""
        self._clear()
        self._budget.left += OBJECT + weigh(self._part)

    def result(self) -> ContentPart:
        changes: dict[str, Any] = self._texts.read_all()
        for field, entries in self._lists.items():
            changes[field] = [*(getattr(self._part, field) or ()), *entries]
        return replace(self._part, **changes) if changes else self._part


class PartList:
    """
    The parts of an item's content or summary, by their index.

    vLLM counts the deltas where the API has the index of a part, or goes on counting in the next
    item (vllm-project/vllm#35184, #45742). So a new index can be that of a known part.
    """

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
        state, before = self._by_index.get(index), None
        if state is None:
            state = self._add(index, part)
        else:
            # One that is announced again begins again.
            before = self._replace(state, part, keep=not state.is_announced)
        state.is_announced = True
        self._last_announced = max(index, self._last_announced)
        return before

    def finish(self, index: int | None, part: ContentPart) -> ContentPart | None:
        """Set a complete part, announced or not, and return what it was before."""
        state, before = self._find_done(index, part), None
        if state is None:
            state = self._add(index, part)
        else:
            before = self._replace(state, part, keep=True)
        state.is_done = True
        return before

    def _find_done(self, index: int | None, part: ContentPart) -> PartState | None:
        if index is None:
            return self._by_type.get(_text_type(part))
        state = self._by_index.get(index)
        if state is None:
            state = self._find_continued(index, _text_type(part))
            return state if state is not None and state.is_continued_by(part) else None
        return state

    def find(self, index: int | None, kind: str) -> tuple[PartState, bool]:
        """Return the part that a text of a type of part belongs to, and whether that is assumed."""
        at_index = None if index is None else self._by_index.get(index)
        if at_index is not None and at_index.can_have(kind):
            return at_index, False
        if index is None or at_index is not None:
            return self._by_type.get(kind) or self._add(None, ContentPart(type=kind)), False
        if index > self._last_announced:
            state = self._find_continued(index, kind)
            if state is not None and state.can_have(kind):
                return state, True
        return self._add(index, ContentPart(type=kind)), False

    def _find_continued(self, index: int, kind: str) -> PartState | None:
        """Return the known part that a new index can be about."""
        announced = self._by_index.get(self._last_announced)
        if announced is not None:
            return announced
        latest = self._by_type.get(kind)
        is_open = latest is not None and not latest.is_done
        return latest if is_open and index > self._highest else None

    def _add(self, index: int | None, part: ContentPart) -> PartState:
        index = self._highest + 1 if index is None else index
        check_count("items", "parts of an output item", self._max_items, len(self._by_index), index)
        state = PartState(part, self._budget)
        self._by_index[index] = self._by_type[state.type] = state
        self._highest = max(index, self._highest)
        return state

    def _replace(self, state: PartState, part: ContentPart, *, keep: bool) -> ContentPart:
        self._by_type[_text_type(part)] = state
        return state.set(part, keep=keep)

    def release(self) -> None:
        """Give back what the parts take of the budget."""
        for part in self._by_index.values():
            part.release()

    def result(self) -> list[ContentPart]:
        return [self._by_index[index].result() for index in sorted(self._by_index)]
