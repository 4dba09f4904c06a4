"""State of the output of a response while events about its items arrive."""

from __future__ import annotations

from bisect import insort
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from ..payloads._growing import Budget, GrowingText, check_count, no_json
from ..payloads._results import NoteRecorder
from ._events import (
    AnnotationEvent,
    ContentPartEvent,
    DeltaEvent,
    DoneEvent,
    ItemEvent,
    OutputItemEvent,
    PartEvent,
    ProgressEvent,
    ResponseEvent,
    valid_index,
)
from ._items import ItemState, fits, rest_of
from ._matching import match_output
from ._parts import PartState
from ._results import NoteKind, OutputItem
from ._targets import DELTAS, DONES, PARTS, Target

if TYPE_CHECKING:
    from ..payloads._partial_json import PartialJSON
    from ._updates import UpdateTracker

_index: Final = attrgetter("index")


class OutputState:
    """
    The output items of a response, by what events call them.

    An event is about the item that was announced with its `item_id`, unless two were; else about
    the one at its `output_index`; else, without an index, about the latest one. GitHub Copilot
    sends another id in each event (vercel/ai#18548), llama.cpp no index (llama.cpp#20607), LiteLLM
    one index for several items (BerriAI/litellm#36375).

    A method with an argument `tracker` reports to it what changed, unless it is None.

    Args:
        budget: The budget of the response.
        max_items: Maximum number of items, and of the parts of an item; None for no limit.
        notes: The notes on the response.

    Attributes:
        states: The items in the order of their indexes; those of one index as they began.
    """

    __slots__ = (
        *("_at", "_at_by_type", "_budget", "_by_id", "_calls", "_last", "_latest", "_max_items"),
        *("_next", "_notes", "states"),
    )

    def __init__(self, budget: Budget, max_items: int | None, notes: NoteRecorder) -> None:
        self._budget = budget
        self._max_items = max_items
        self._notes = notes
        self.states: list[ItemState] = []
        self._by_id: dict[str, ItemState | None] = {}  # None if two have the id
        # The latest at each index, of each type at each index, of each type, and of all.
        self._at: dict[int, ItemState] = {}
        self._at_by_type: dict[tuple[int, str], ItemState] = {}
        self._latest: dict[str, ItemState] = {}
        self._last: ItemState | None = None
        self._next = 0  # the index of an item without one
        self._calls: list[ItemState] | None = None  # of `states`; None until it's needed

    def add(self, event: ResponseEvent, tracker: UpdateTracker | None) -> None:
        """Add an event that isn't a delta; those of other classes add nothing."""
        # Not isinstance(), which goes through msgspec's metaclass.
        if type(event) is OutputItemEvent:
            self._add_item(event, tracker)
        elif type(event) is DoneEvent:
            self._add_text(event, tracker)
        elif type(event) is ContentPartEvent:
            self._add_part(event, tracker)
        elif type(event) is AnnotationEvent:
            self._add_annotation(event)
        elif type(event) is ProgressEvent:
            self._add_progress(event)

    def _add_item(self, event: OutputItemEvent, tracker: UpdateTracker | None) -> None:
        if event.item is None:
            self._notes.add(NoteKind.VALUE_IGNORED, "item")
        elif event.type.endswith(".done"):
            self._finish(event.output_index, event.item, tracker)
        else:
            self.announce(event.output_index, event.item, tracker)

    def announce(self, index: int | None, item: OutputItem, tracker: UpdateTracker | None) -> None:
        """Begin an item, or begin it again."""
        index = valid_index(index)
        state = self._at.get(index) if index is not None else self._find_id(item.id)
        # The deltas of an item can come before it.
        keep = state is not None and not state.is_announced and fits(state.item.type, item.type)
        before = None
        if state is None:
            state = self.begin(index, item)
        elif not keep and _is_other(state, item):
            state = self.begin(index, item)
            self._notes.add(NoteKind.INDEX_SHARED, item=state.index)
        else:
            before = state.result()
            if not keep and (state.has_text or before.type != item.type):
                self._notes.add(NoteKind.ITEM_REPLACED, item=state.index)
            self._forget_calls(before, item)
            state.announce(item, keep=keep)
            self._name(state)
        if tracker is not None:
            tracker.add_item(state, before)

    def begin(self, index: int | None, item: OutputItem, *, is_announced: bool = True) -> ItemState:
        """Add an item, behind the others if it has no index."""
        if index is None:
            index = self._next
        place = len(self.states)
        check_count("items", "output items", self._max_items, place, index)
        state = ItemState(
            index, place, item, self._budget, self._max_items, is_announced=is_announced
        )
        insort(self.states, state, key=_index)
        if self._calls is not None and item.tool_call() is not None:
            insort(self._calls, state, key=_index)
        self._at[index] = self._last = state
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

    def _finish(self, index: int | None, item: OutputItem, tracker: UpdateTracker | None) -> None:
        """Complete an item, announced or not."""
        index = valid_index(index)
        state, before = self._find_done(index, item), None
        if state is None:
            state = self.begin(index, item)
        else:
            before = state.result()
            if before.type != item.type:
                self._notes.add(NoteKind.ITEM_REPLACED, item=state.index)
            self._forget_calls(before, item)
        state.finish(item)
        if state.item is not item:
            self._notes.add(NoteKind.VALUE_KEPT, item=state.index)
        if tracker is not None:
            tracker.add_item(state, before)

    def complete(self, output: list[OutputItem], tracker: UpdateTracker | None) -> list[OutputItem]:
        """Return the output of the terminal event, completed by the items that were streamed."""
        matches = match_output(self.states, output)
        if tracker is not None:
            self._max_items = None  # without updates, these items aren't added
            for known, item in matches:
                if known is None or not known.is_done:
                    before = None if known is None else known.result()
                    state = known or self.begin(None, item)
                    state.finish(item)
                    tracker.add_item(state, before)
        return [item for _, item in matches]

    def _find(self, item_id: str | None, index: int | None, kind: str = "") -> ItemState | None:
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
        index, latest = valid_index(index), self._latest.get(kind)
        if index is None:
            state = latest or self._last
        else:
            state = self._at_by_type.get((index, kind)) or self._at.get(index)
            if state is None and not item_id and latest is not None and not latest.is_done:
                state = latest  # vLLM ends code at the next index (vllm#23927)
        return state if state is not None and fits(state.item.type, kind) else None

    def _find_done(self, index: int | None, item: OutputItem) -> ItemState | None:
        state = self._find_id(item.id)
        if state is not None:
            return state
        if index is not None:
            state = self._at_by_type.get((index, item.type)) or self._at.get(index)
        if state is not None:
            is_other = state.is_announced and _is_other(state, item, is_done=True)
            return None if is_other else state
        # Without an index, or at one that wasn't announced: vLLM ends items at the next index.
        latest = self._latest.get(item.type)
        if latest is None or latest.is_done:
            return None
        return latest if index is None or not (latest.item.id and item.id) else None

    def _find_id(self, item_id: str | None) -> ItemState | None:
        return self._by_id.get(item_id) if item_id else None

    def _find_open(
        self, event: ItemEvent, field: str, kind: str, known: ItemState | None = None
    ) -> ItemState | None:
        """
        Return the item that an event is about; None if it's complete, so that nothing is added.

        Args:
            event: The event.
            field: The field with what the event adds, for a note.
            kind: The type of the item, assumed if no event announced it.
            known: The item, if it can be of another type.
        """
        state = known or self._find(event.item_id, event.output_index, kind)
        if state is None:
            item = OutputItem(type=kind, id=event.item_id)
            if kind == "message":
                item.role = "assistant"
            state = self.begin(event.output_index, item, is_announced=False)
            self._notes.add(NoteKind.ITEM_UNANNOUNCED, item=state.index)
        if not state.is_done:
            return state
        self._notes.add(NoteKind.VALUE_IGNORED, field, item=state.index)
        return None

    def _find_part(self, state: ItemState, event: PartEvent, target: Target) -> PartState:
        part, is_assumed = state.find_part(event, target)
        if is_assumed:
            self._notes.add(NoteKind.PART_ASSUMED, item=state.index)
        return part

    def add_delta(
        self, event: DeltaEvent, target: Target, tracker: UpdateTracker | None
    ) -> tuple[ItemState, GrowingText] | None:
        """Add a delta, and return its item and its text; None if it's ignored."""
        state = self._find_open(event, "delta", target.item_type)
        if state is None:
            return None
        if target.parts:
            part = self._find_part(state, event, target)
            text = part.text(target.field)
            if event.logprobs:
                part.extend("logprobs", event.logprobs)
        else:
            text = state.text(event, target)
        text.add(event.delta)
        if tracker is not None:
            tracker.add_text(state, target, event.delta)
            if event.logprobs:
                tracker.add_logprobs(event.logprobs)
        return state, text

    def _add_text(self, event: DoneEvent, tracker: UpdateTracker | None) -> None:
        target, value = DONES.get(event.type), event.value
        if target is None or not target.item_type:
            return
        field = target.field
        if value is None:
            if event.extra.get(field) is not None:
                self._notes.add(NoteKind.VALUE_IGNORED, field)
            return
        state = self._find_open(event, field, target.item_type)
        if state is None:
            return
        if event.name:
            state.set_name(event.name)
        if target.parts:
            before = self._find_part(state, event, target).set_text(field, value, event.logprobs)
        else:
            before = state.set_text(event, target, value)
        if before and not value:
            self._notes.add(NoteKind.VALUE_KEPT, field, item=state.index)
        if tracker is not None:
            tracker.add_text(state, target, rest_of(before, value))

    def _add_part(self, event: ContentPartEvent, tracker: UpdateTracker | None) -> None:
        part = event.part
        if part is None:
            return
        kind = "reasoning" if part.type in ("reasoning_text", "summary_text") else "message"
        known = self._find(event.item_id, event.output_index)
        state = self._find_open(event, "part", kind, known)
        if state is None:
            return
        is_done = event.type.endswith(".done")
        before = state.set_part(event, part, is_done=is_done)
        is_reasoning = part.type == "text" and state.item.type == "reasoning"
        target = PARTS.get((event.parts, "reasoning_text" if is_reasoning else part.type))
        if target is None:
            return
        old, new = (getattr(each, target.field, None) or "" for each in (before, part))
        if is_done and old and not new:
            self._notes.add(NoteKind.VALUE_KEPT, target.field, item=state.index)
        if tracker is not None:
            tracker.add_text(state, target, rest_of(old, new))

    def _add_annotation(self, event: AnnotationEvent) -> None:
        if event.annotation is None:
            return
        state = self._find_open(event, "annotation", "message")
        if state is not None:
            part = self._find_part(state, event, DELTAS["response.output_text.delta"])
            part.extend("annotations", [event.annotation])

    def _add_progress(self, event: ProgressEvent) -> None:
        state = self._find(event.item_id, event.output_index)
        if state is not None and not state.is_done:
            state.set_status(event.status)

    def json_arguments(self, call: int) -> PartialJSON:
        """Return the parser of the arguments of a call, by its position among the calls."""
        if self._calls is None:
            self._calls = [each for each in self.states if each.item.tool_call() is not None]
        return self._calls[call].arguments if 0 <= call < len(self._calls) else no_json()

    def _forget_calls(self, before: OutputItem, item: OutputItem) -> None:
        """Forget which items are calls if one of them becomes an item of another type."""
        if before.type != item.type:
            self._calls = None


def _is_other(known: ItemState, item: OutputItem, *, is_done: bool = False) -> bool:
    """Return whether an item at the index of another one isn't that one."""
    old = known.item
    if item.id and item.id == old.id:
        return False
    if item.call_id and old.call_id and item.call_id != old.call_id:
        return True
    if item.type != old.type:
        # Perplexity announces its own search as a call, and ends it as results, without an id.
        is_search = is_done and not known.is_done and old.type == "function_call"
        return not is_search or bool(item.id or item.call_id)
    # Announced after the end of the other one, with another id.
    return known.is_done and not is_done and bool(item.id and old.id)
