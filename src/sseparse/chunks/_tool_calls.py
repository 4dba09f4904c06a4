"""State of tool calls while their deltas arrive."""

from __future__ import annotations

from typing import Any, TypeVar

from ..payloads._growing import Budget, GrowingText, copy_fields, keep_last, unknown_fields
from ._models import CustomToolDelta, FunctionDelta, ToolCallDelta
from ._results import CustomTool, Function, NoteKind, ToolCall

CalleeT = TypeVar("CalleeT", Function, CustomTool)


class FunctionState:
    """Name and arguments of a function call, or name and input of a custom tool call."""

    def __init__(self, budget: Budget) -> None:
        self.notes: set[NoteKind] = set()
        self.arguments = GrowingText(budget)  # or the input of a custom tool
        self._budget = budget
        self._name = GrowingText(budget)
        self._name_length = 0
        self._extra: dict[str, Any] = {}

    @property
    def name(self) -> str:
        return self._name.value or ""

    def is_named(self, name: str) -> bool:
        # The lengths are compared first: joining a name at each of its pieces is quadratic.
        return len(name) == self._name_length and name == self.name

    def add(self, delta: FunctionDelta | CustomToolDelta) -> None:
        name, arguments = delta.name, delta.text
        if name and not self.is_named(name):  # some servers repeat the name
            self._name.add(name)
            self._name_length += len(name)
        if arguments:
            self.arguments.add(arguments)
        if isinstance(delta, FunctionDelta) and isinstance(delta.arguments, dict):
            self.notes.add(NoteKind.ARGUMENTS_OBJECT)
        if delta.extra:
            keep_last(self._extra, unknown_fields(delta), self._budget)

    def result(self, kind: type[CalleeT]) -> CalleeT:
        name_field, text_field = kind.wire_fields()
        texts: dict[str, Any] = {name_field: self.name, text_field: self.arguments.value or ""}
        # A call that arrived both as a function and as a custom tool can have fields of the other.
        fields = copy_fields(self._extra)
        extra = {name: value for name, value in fields.items() if name not in texts}
        return kind(**texts, extra=extra)


class ToolCallState:
    """State of one tool call, or of a function call, the form before tool calls."""

    def __init__(self, position: int | None, budget: Budget) -> None:
        self.position = position  # in `message.tool_calls`; None for a function call
        self.id: str | None = None
        self.is_custom = False
        self.callee = FunctionState(budget)
        self.notes = self.callee.notes
        self._budget = budget
        self._type: str | None = None
        self._extra: dict[str, Any] = {}

    def add(self, delta: ToolCallDelta) -> None:
        if delta.id and self.id is None:
            self.id = delta.id
            self._budget.charge(delta.id)
        if delta.type and delta.type != self._type:
            self._budget.replace(self._type, delta.type)
            self._type = delta.type
        if delta.function is not None:
            self.callee.add(delta.function)
        if delta.custom is not None:
            self.is_custom = True
            self.callee.add(delta.custom)
        if delta.extra:
            keep_last(self._extra, unknown_fields(delta), self._budget)

    @property
    def type(self) -> str:
        return self._type or ("custom" if self.is_custom else "function")

    def result(self) -> ToolCall:
        return ToolCall(
            id=self.id,
            type=self.type,
            function=None if self.is_custom else self.callee.result(Function),
            custom=self.callee.result(CustomTool) if self.is_custom else None,
            extra=copy_fields(self._extra),
        )


class ToolCallAssembler:
    """
    Tool calls of one choice, assembled from their deltas.

    The index alone doesn't identify a call: some servers send no index, some -1, some 0 for all.
    """

    def __init__(self, budget: Budget) -> None:
        self.calls: list[ToolCallState] = []  # in the order in which they began
        self._budget = budget
        self._by_index: dict[int, ToolCallState] = {}
        self._by_id: dict[tuple[int | None, str], ToolCallState] = {}

    def add(self, delta: ToolCallDelta) -> ToolCallState:
        """Add a delta to the call that it belongs to, or to a new call, and return that call."""
        index = delta.index if delta.index is not None and delta.index >= 0 else None
        call = self._find(index, delta) or self._begin(index, delta)
        call.add(delta)
        if index is None:
            call.notes.add(NoteKind.CALL_WITHOUT_INDEX)
        else:
            self._by_index[index] = call
        if call.id is not None:
            self._by_id[index, call.id] = call
        return call

    def _find(self, index: int | None, delta: ToolCallDelta) -> ToolCallState | None:
        name = _name_in(delta)
        if index is not None:
            call = self._by_index.get(index)
            # Another id on a known index is another call: some servers number all calls 0.
            if call is not None and delta.id and call.id and delta.id != call.id:
                return self._by_id.get((index, delta.id))
            # Another name is another call once arguments arrived: no name continues after them.
            if call is not None and name and not delta.id and call.callee.arguments.value:
                return call if call.callee.is_named(name) else None
            return call
        if delta.id:
            return self._by_id.get((None, delta.id))
        return None if name or not self.calls else self.calls[-1]

    def _begin(self, index: int | None, delta: ToolCallDelta) -> ToolCallState:
        self._budget.charge_call()
        call = ToolCallState(len(self.calls), self._budget)
        self.calls.append(call)
        if index is not None and index in self._by_index:
            call.notes.add(NoteKind.CALL_INDEX_SHARED)
        if index is None and not delta.id and not _name_in(delta):
            call.notes.add(NoteKind.CALL_UNNAMED)
        return call

    def result(self) -> list[ToolCall] | None:
        return [call.result() for call in self.calls] or None


def _name_in(delta: ToolCallDelta) -> str:
    callee = delta.function or delta.custom
    return (callee.name or "") if callee is not None else ""
