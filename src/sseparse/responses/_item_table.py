"""The output items of a response, and which of them an event is about."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from ..payloads._growing import Budget, check_count, no_json
from ._items import ItemState, at_least_0, fits
from ._results import OutputItem

if TYPE_CHECKING:
    from ..payloads._partial_json import PartialJSON


class ItemTable:
    """
    The output items by what events call them.

    An event is about the item that was announced with its `item_id`, unless two were; else about
    the one at its `output_index`; else, without an index, about the latest one. GitHub Copilot
    sends another id in each event (vercel/ai#18548), llama.cpp no index (llama.cpp#20607), LiteLLM
    one index for several items (BerriAI/litellm#36375).

    Args:
        budget: The budget of the result.
        max_items: Maximum number of items; None for no limit.
    """

    __slots__ = (
        "_at",
        "_at_by_type",
        "_budget",
        "_by_id",
        "_calls",
        "_latest",
        "_next",
        "_states",
        "max_items",
    )

    def __init__(self, budget: Budget, max_items: int | None) -> None:
        self._budget = budget
        self.max_items = max_items
        self._states: list[ItemState] = []
        self._by_id: dict[str, ItemState | None] = {}  # None if two have the id
        # The latest at an index, and the latest of each type.
        self._at: dict[int, ItemState] = {}
        self._at_by_type: dict[tuple[int, str], ItemState] = {}
        self._latest: dict[str, ItemState] = {}
        self._next = 0  # the index of an item without one
        self._calls: list[ItemState] | None = None  # in order; None until it's needed

    @classmethod
    def of(cls, output: list[OutputItem]) -> ItemTable:
        """Return the table of complete items."""
        table = cls(Budget(None), None)
        for item in output:
            table.add(None, item, is_announced=True)
        return table

    def __len__(self) -> int:
        return len(self._states)

    def find(self, item_id: str | None, index: int | None, kind: str = "") -> ItemState | None:
        """
        Return the item that an event is about, or None if it isn't known.

        Args:
            item_id: The event's `item_id`.
            index: The event's `output_index`.
            kind: The type of item that the event is about; "" for any.
        """
        state = self._by_id.get(item_id) if item_id else None
        if state is not None:
            return state
        index = at_least_0(index)
        if index is None:
            state = self._latest.get(kind) or (self._states[-1] if self._states else None)
        else:
            state = self._at_by_type.get((index, kind)) or self._at.get(index)
            if state is None and not item_id and (latest := self._latest.get(kind)):
                # vLLM ends code at the next index (vllm#23927).
                state = None if latest.is_done else latest
        return state if state is not None and fits(state.item.type, kind) else None

    def announce(
        self, index: int | None, item: OutputItem
    ) -> tuple[ItemState, OutputItem | None, str]:
        """
        Begin an item, or begin it again.

        Returns:
            The item; what it was before, if it was known; and what was unusual: "", "shared" if
            another item has the index, "replaced" if text of the item, or its type, is dropped.
        """
        index = at_least_0(index)
        known = self._at.get(index) if index is not None else self._find_id(item.id)
        if known is None:
            return self.add(index, item, is_announced=True), None, ""
        before = known.result()
        if not known.is_announced and fits(known.item.type, item.type):
            self._calls = None
            known.announce(item, keep=True)
            self._name(known)
            return known, before, ""
        if _is_other(known, item):
            return self.add(index, item, is_announced=True), None, "shared"
        had_text = known.has_text or before.type != item.type
        self._calls = None if before.type != item.type else self._calls
        known.announce(item, keep=False)
        known.is_done = False
        self._name(known)
        return known, before, "replaced" if had_text else ""

    def finish(self, index: int | None, item: OutputItem) -> tuple[ItemState, OutputItem | None]:
        """Complete an item, announced or not; return it, and what it was before."""
        index = at_least_0(index)
        state = self._find_done(index, item)
        before = None if state is None else state.result()
        if state is None:
            state = self.add(index, item, is_announced=True)
        elif state.item.type != item.type:
            self._calls = None
        state.finish(item)
        return state, before

    def json_arguments(self, call: int) -> PartialJSON:
        """Return the parser of the arguments of a call, by its position among the calls."""
        if self._calls is None:
            self._calls = [each for each in self.ordered() if each.item.tool_call() is not None]
        return self._calls[call].arguments if 0 <= call < len(self._calls) else no_json()

    def _find_done(self, index: int | None, item: OutputItem) -> ItemState | None:
        state = self._find_id(item.id)
        if state is not None:
            return state
        at_index = None
        if index is not None:
            at_index = self._at_by_type.get((index, item.type)) or self._at.get(index)
        if at_index is not None:
            is_other = at_index.is_announced and _is_other(at_index, item, is_done=True)
            return None if is_other else at_index
        # Without an index, or at one that wasn't announced: vLLM ends items at the next index.
        latest = self._latest.get(item.type)
        if latest is None or latest.is_done:
            return None
        return latest if index is None or not (latest.item.id and item.id) else None

    def _find_id(self, item_id: str | None) -> ItemState | None:
        return self._by_id.get(item_id) if item_id else None

    def add(self, index: int | None, item: OutputItem, *, is_announced: bool) -> ItemState:
        """Add an item, behind the others if it has no index."""
        if index is None:
            index = self._next
        check_count("items", "output items", self.max_items, len(self._states), index)
        place = len(self._states)
        state = ItemState(
            index, place, item, self._budget, self.max_items, is_announced=is_announced
        )
        self._states.append(state)
        if self._calls is not None and index < self._next - 1:
            self._calls = None  # not the last one
        elif self._calls is not None and item.tool_call() is not None:
            self._calls.append(state)
        self._at[index] = state
        self._next = max(index + 1, self._next)
        self._name(state)
        return state

    def _name(self, state: ItemState) -> None:
        item = state.item
        self._at_by_type[state.index, item.type] = state
        self._latest[item.type] = state
        if item.id and state.is_announced:
            is_first = self._by_id.get(item.id, state) is state
            self._by_id[item.id] = state if is_first else None

    def ordered(self) -> list[ItemState]:
        """Return the items in the order of their indexes; those of one index as they began."""
        return sorted(self._states, key=attrgetter("index"))


def _is_other(known: ItemState, item: OutputItem, *, is_done: bool = False) -> bool:
    """Return whether an item at the index of another one isn't that one."""
    old = known.item
    if item.id and item.id == old.id:
        return False
    if item.call_id and old.call_id and item.call_id != old.call_id:
        return True
    if item.type != old.type:
        # Perplexity announces its own search as a call, and ends it as results, without an id.
        return not is_done or known.is_done or bool(item.id)
    # Announced after the end of the other one, with another id.
    return known.is_done and not is_done and bool(item.id and old.id)
