"""State of tool calls while their deltas arrive."""

from __future__ import annotations

from typing import Any, Final

from ..payloads._growing import OVERHEAD, Budget, copy_grown, grow_fields, unknown_fields
from ._callee import Callee, FunctionState, is_object_text
from ._models import FunctionDelta, ToolCallDelta
from ._results import CustomTool, Function, NoteKind, ToolCall


class ToolCallState:
    """State of one tool call, or of a function call, the form before tool calls."""

    def __init__(self, position: int | None, budget: Budget) -> None:
        self.position = position  # in `message.tool_calls`; None for a function call
        self.id: str | None = None
        self.head_id: str | None = None  # of the latest delta with a name
        self.callee = FunctionState(budget)
        self.notes = self.callee.notes
        self._budget = budget
        self._type: str | None = None
        self._extra: dict[str, Any] = {}

    def add(self, delta: ToolCallDelta, *, is_finished: bool) -> str:
        """Add a delta, and return the text that it adds to the arguments or to the input."""
        if delta.id and delta.id != self.id:
            if self.id is None:
                self.id = delta.id
                self._budget.charge(delta.id)
            else:
                self.notes.add(NoteKind.CALL_ID_CHANGED)
        if delta.type and delta.type != self._type:
            self._budget.replace(self._type, delta.type)
            self._type = delta.type
        text = ""
        if delta.function is not None:
            text = self.callee.add(delta.function, is_finished=is_finished)
        if delta.custom is not None:
            text += self.callee.add(delta.custom, is_finished=is_finished)
        if delta.extra:
            grow_fields(self._extra, unknown_fields(delta), self._budget)
        return text

    @property
    def type(self) -> str:
        return self._type or ("custom" if self.callee.is_custom else "function")

    def result(self) -> ToolCall:
        is_custom = self.callee.is_custom
        return ToolCall(
            id=self.id,
            type=self.type,
            function=None if is_custom else self.callee.result(Function),
            custom=self.callee.result(CustomTool) if is_custom else None,
            extra=copy_grown(self._extra),
        )


# A call, and the text that a delta added to its arguments or to its input.
CallChange = tuple[ToolCallState, str]

_NO_CALLEE: Final = FunctionDelta()


class ToolCallAssembler:
    """
    Tool calls of one choice, assembled from their deltas.

    The index alone doesn't identify a call: some servers send no index, some -1, some 0 for all,
    some another one at each piece. Nor does the id alone: some servers send one for all calls, some
    another one at each piece. A call whose arguments are a JSON object has no more of them.
    """

    def __init__(self, budget: Budget) -> None:
        self.calls: list[ToolCallState] = []  # in the order in which they began
        self._budget = budget
        self._by_index: dict[int, ToolCallState] = {}
        # With an index, and without one: the latest call of an id.
        self._by_id: dict[tuple[int | None, str], ToolCallState] = {}

    def add(
        self, delta: ToolCallDelta, *, is_finished: bool, place: int | None = None
    ) -> CallChange:
        """
        Add a delta to the call that it belongs to, or to a new call.

        Args:
            delta: The next delta.
            is_finished: Whether an earlier chunk finished the choice.
            place: Its position among the deltas of its chunk, which can be the index of one that
                has none; None if it's the only one.
        """
        has_index = delta.index is not None and delta.index >= 0
        callee = delta.function or delta.custom or _NO_CALLEE
        index = delta.index if has_index else self._assume_index(delta, callee, place)
        call = self._find(index, delta.id, callee) or self._begin(index, delta.id, callee.name)
        text = call.add(delta, is_finished=is_finished)
        if callee.name:
            call.head_id = delta.id or None
        if not has_index:
            call.notes.add(NoteKind.CALL_WITHOUT_INDEX)
        if index is not None:
            if index not in self._by_index:
                self._budget.left -= OVERHEAD
            self._by_index[index] = call
        # Another id without text can be that of the next call, whose name comes late.
        if delta.id and (delta.id == call.id or callee.text):
            self._register(index, delta.id, call)
        return call, text

    def _find(self, index: int | None, id_: str | None, callee: Callee) -> ToolCallState | None:
        """Return the call that a delta continues, or None if it begins one."""
        if index is None:
            call = self.calls[-1] if self.calls else None
        else:
            call = self._by_index.get(index)
        if not id_ and not callee.name:
            return self._find_by_place(index, call, callee)
        known = self._by_id.get((index, id_)) or self._by_id.get((None, id_)) if id_ else None
        if known is not None:
            if not _continues_id(known, callee, is_new_index=call is None):
                return None
            return known if callee.name else self._continue(index, known, callee.text)
        if call is None or (id_ and callee.name and call.id):
            return None
        has_index = index is not None
        if callee.name:
            continues = _continues_name(call, callee, has_index=has_index)
        else:
            continues = _continues_with_another_id(call, callee, has_index=has_index)
        return call if continues else None

    def _assume_index(self, delta: ToolCallDelta, callee: Callee, place: int | None) -> int | None:
        """Return the place of a delta without an index; None for a piece of the latest call."""
        if place is None or delta.id:
            return place
        if callee.name:
            latest = self.calls[-1].callee if self.calls else None
            is_open = latest is not None and latest.is_named(callee.name) and not latest.is_done
            return None if is_open else place
        # Servers also send the name of a call and its arguments in one chunk.
        call = self._by_index.get(place)
        return None if call is None or call.callee.excludes(callee.text) else place

    def _find_by_place(
        self, index: int | None, call: ToolCallState | None, callee: Callee
    ) -> ToolCallState | None:
        """Return the call of a delta without id and name: that at its index, or the latest."""
        if call is None:
            latest = self.calls[-1] if self.calls else None
            # A call without id and name is only continued at its own index.
            if latest is None or not (latest.id or latest.callee.name):
                return None
            return None if latest.callee.excludes(callee.text) else latest
        return self._continue(index, call, callee.text)

    def _continue(self, index: int | None, call: ToolCallState, text: str) -> ToolCallState:
        """Return the call, or begin another if its name was repeated and other arguments follow."""
        if not (call.callee.is_named_again and call.callee.excludes(text)):
            return call
        id_, name = call.head_id, call.callee.name
        begun = self._begin(index, id_, name)
        begun.callee.add_name(name)
        if id_:
            begun.id = id_
            self._register(index, id_, begun)
        return begun

    def _begin(self, index: int | None, id_: str | None, name: str | None) -> ToolCallState:
        self._budget.charge_call()
        call = ToolCallState(len(self.calls), self._budget)
        self.calls.append(call)
        if index is not None and index in self._by_index:
            call.notes.add(NoteKind.CALL_INDEX_SHARED)
        if index is None and not id_ and not name:
            call.notes.add(NoteKind.CALL_UNNAMED)
        return call

    def _register(self, index: int | None, id_: str, call: ToolCallState) -> None:
        if (index, id_) not in self._by_id:
            self._budget.charge(id_)  # there can be another one at each piece
        self._by_id[index, id_] = self._by_id[None, id_] = call

    def result(self) -> list[ToolCall] | None:
        return [call.result() for call in self.calls] or None


# Rules for a delta that can continue a call or begin another one.


def _continues_id(call: ToolCallState, callee: Callee, *, is_new_index: bool) -> bool:
    """Return whether a delta with the id of a call continues it."""
    name, text, state = callee.name, callee.text, call.callee
    if not name or not state.name:
        return True
    # Some servers send one id for all calls, and the name before the arguments.
    if not state.is_named(name):
        return not is_new_index and not state.is_done
    if is_new_index:
        return not state.is_done or state.repeats(text)
    return not state.excludes(text)


def _continues_with_another_id(call: ToolCallState, callee: Callee, *, has_index: bool) -> bool:
    """Return whether a delta with an id that is new, and without a name, continues a call."""
    return (has_index or bool(call.callee.name)) and not call.callee.ends_before(callee.text)


def _continues_name(call: ToolCallState, callee: Callee, *, has_index: bool) -> bool:
    """Return whether a delta with a name continues a call; one of the two has no id."""
    name, text, state = callee.name or "", callee.text, call.callee
    if not state.name:  # it comes late
        return not state.excludes(text)
    if state.is_named(name):
        if state.has_placeholder:
            return not is_object_text(text) or state.repeats(text)
        return not state.excludes(text)
    # A name in pieces is complete when the arguments begin.
    return has_index and not state.is_name_complete and not state.ends_before(text)
