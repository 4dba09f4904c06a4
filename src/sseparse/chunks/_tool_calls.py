"""Tool calls out of their pieces."""

from __future__ import annotations

from typing import Any

from ..payloads._growing import Budget, GrowingText, copy_fields, keep_last, unknown_fields
from ..payloads._model import Model
from ._models import CustomToolDelta, FunctionDelta, ToolCallDelta
from ._results import CustomTool, Function, NoteKind, ToolCall


class FunctionState:
    """
    Collect a function's name and arguments.

    Attributes:
        arguments: The arguments, or a custom tool's input.
        noted: What had to be assumed.
    """

    def __init__(self, budget: Budget) -> None:
        self.noted: set[NoteKind] = set()
        self._budget = budget
        self._name = GrowingText(budget)
        self._name_length = 0
        self.arguments = GrowingText(budget)
        self._extra: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """The name so far."""
        return self._name.value or ""

    def is_named(self, name: str) -> bool:
        """Tell whether it has that name so far."""
        # A name may come in many pieces, which are not joined for a look at each.
        return len(name) == self._name_length and name == self.name

    def add(self, delta: FunctionDelta | CustomToolDelta) -> None:
        """Add a piece; a name that only repeats what is there adds nothing."""
        name, arguments = delta.name, delta.text
        if name and not self.is_named(name):
            self._name.add(name)
            self._name_length += len(name)
        if arguments:
            self.arguments.add(arguments)
        if isinstance(delta, FunctionDelta) and isinstance(delta.arguments, dict):
            self.noted.add(NoteKind.ARGUMENTS_OBJECT)
        if delta.extra:
            keep_last(self._extra, unknown_fields(delta), self._budget)

    def function(self) -> Function:
        """Return the function call so far."""
        return Function(
            name=self.name, arguments=self.arguments.value or "", extra=self._extra_of(Function)
        )

    def custom(self) -> CustomTool:
        """Return the custom tool's call so far."""
        return CustomTool(
            name=self.name, input=self.arguments.value or "", extra=self._extra_of(CustomTool)
        )

    def _extra_of(self, kind: type[Model]) -> dict[str, Any]:
        # A call that came as a function and as a custom tool may have fields of the other.
        known = kind.wire_fields()
        fields = copy_fields(self._extra)
        return {name: value for name, value in fields.items() if name not in known}


class ToolCallState:
    """
    Collect one tool call.

    Attributes:
        place: Where it stands among the tool calls.
        id: Its id, or None as long as none came.
        is_custom: Whether it calls a custom tool, whose input is free text.
        callee: What is called, and with what.
        noted: What had to be assumed.
    """

    def __init__(self, place: int, budget: Budget) -> None:
        self.place = place
        self.id: str | None = None
        self.is_custom = False
        self.callee = FunctionState(budget)
        self.noted = self.callee.noted
        self._budget = budget
        self._type: str | None = None
        self._extra: dict[str, Any] = {}

    def add(self, delta: ToolCallDelta) -> None:
        """Add a piece."""
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

    def is_another(self, name: str) -> bool:
        """Tell whether a piece of that name begins another call."""
        return bool(name and self.callee.arguments.value) and not self.callee.is_named(name)

    @property
    def type(self) -> str:
        """What is called: "function" or "custom", or what the server says."""
        return self._type or ("custom" if self.is_custom else "function")

    def result(self) -> ToolCall:
        """Return the call so far."""
        return ToolCall(
            id=self.id,
            type=self.type,
            function=None if self.is_custom else self.callee.function(),
            custom=self.callee.custom() if self.is_custom else None,
            extra=copy_fields(self._extra),
        )


class ToolCalls:
    """
    Collect the tool calls of one choice.

    Servers differ in how they say which call a piece belongs to: some send no index, some -1,
    some 0 for all calls. So the index alone decides nothing.

    Attributes:
        calls: The calls, in the order in which they began.
    """

    def __init__(self, budget: Budget) -> None:
        self.calls: list[ToolCallState] = []
        self._budget = budget
        self._by_index: dict[int, ToolCallState] = {}
        self._by_id: dict[tuple[int | None, str], ToolCallState] = {}

    def add(self, delta: ToolCallDelta) -> ToolCallState:
        """
        Add a piece to the call that it belongs to, or begin a new call with it.

        Returns:
            The call.

        Raises:
            LimitExceeded: There are too many tool calls.
        """
        index = delta.index if delta.index is not None and delta.index >= 0 else None
        call = self._find(index, delta) or self._begin(index, delta)
        call.add(delta)
        if index is None:
            call.noted.add(NoteKind.CALL_WITHOUT_INDEX)
        else:
            self._by_index[index] = call
        if call.id is not None:
            self._by_id[index, call.id] = call
        return call

    def _find(self, index: int | None, delta: ToolCallDelta) -> ToolCallState | None:
        if index is not None:
            call = self._by_index.get(index)
            # Another id on a known index is another call: some servers number all calls 0.
            if call is not None and delta.id and call.id and delta.id != call.id:
                return self._by_id.get((index, delta.id))
            # So is another name, once arguments came: no name goes on after that.
            if call is not None and not delta.id and call.is_another(_name_in(delta)):
                return None
            return call
        if delta.id:
            return self._by_id.get((None, delta.id))
        return None if _name_in(delta) or not self.calls else self.calls[-1]

    def _begin(self, index: int | None, delta: ToolCallDelta) -> ToolCallState:
        self._budget.charge_call()
        call = ToolCallState(len(self.calls), self._budget)
        self.calls.append(call)
        if index is not None and index in self._by_index:
            call.noted.add(NoteKind.CALL_INDEX_SHARED)
        if index is None and not delta.id and not _name_in(delta):
            call.noted.add(NoteKind.CALL_UNNAMED)
        return call

    def result(self) -> list[ToolCall] | None:
        """Return the calls so far, in the order in which they began; None for none."""
        return [call.result() for call in self.calls] or None


def _name_in(delta: ToolCallDelta) -> str:
    callee = delta.function or delta.custom
    return (callee.name or "") if callee is not None else ""
