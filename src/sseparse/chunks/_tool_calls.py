"""Tool calls out of their pieces."""

from __future__ import annotations

import json
from typing import Any

from ._chat_chunk import CustomToolDelta, FunctionDelta, ToolCallDelta
from ._merge import keep_last, unknown_fields
from ._results import CustomTool, Function, ToolCall
from ._text import GrowingText


class FunctionState:
    """Collect a function's name and arguments."""

    def __init__(self) -> None:
        self._name = GrowingText()
        self._arguments = GrowingText()
        self._extra: dict[str, Any] = {}

    def add(self, delta: FunctionDelta | CustomToolDelta) -> None:
        """Add a piece; a name that only repeats what is there adds nothing."""
        name = delta.name
        arguments = delta.arguments if isinstance(delta, FunctionDelta) else delta.input
        if name and name != self._name.value:
            self._name.add(name)
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments, separators=(",", ":"))
        if arguments:
            self._arguments.add(arguments)
        keep_last(self._extra, unknown_fields(delta))

    def function(self) -> Function:
        """Return the function call so far."""
        return Function(
            name=self._name.value or "",
            arguments=self._arguments.value or "",
            extra={**self._extra},
        )

    def custom(self) -> CustomTool:
        """Return the custom tool's call so far."""
        return CustomTool(
            name=self._name.value or "", input=self._arguments.value or "", extra={**self._extra}
        )


class ToolCallState:
    """Collect one tool call."""

    def __init__(self) -> None:
        self.id: str | None = None
        self._type: str | None = None
        self._custom = False
        self._callee = FunctionState()
        self._extra: dict[str, Any] = {}

    def add(self, delta: ToolCallDelta) -> None:
        """Add a piece."""
        self.id = self.id or delta.id or None
        self._type = delta.type or self._type
        if delta.function is not None:
            self._callee.add(delta.function)
        if delta.custom is not None:
            self._custom = True
            self._callee.add(delta.custom)
        keep_last(self._extra, unknown_fields(delta))

    def result(self) -> ToolCall:
        """Return the call so far."""
        return ToolCall(
            id=self.id,
            type=self._type or ("custom" if self._custom else "function"),
            function=None if self._custom else self._callee.function(),
            custom=self._callee.custom() if self._custom else None,
            extra={**self._extra},
        )


class ToolCalls:
    """
    Collect the tool calls of one choice.

    Servers differ in how they say which call a piece belongs to: some send no index, some -1,
    some 0 for all calls. So the index alone decides nothing.
    """

    def __init__(self) -> None:
        self._calls: list[ToolCallState] = []
        self._by_index: dict[int, ToolCallState] = {}
        self._by_id: dict[tuple[int | None, str], ToolCallState] = {}

    def add(self, delta: ToolCallDelta) -> None:
        """Add a piece to the call that it belongs to, or begin a new call with it."""
        index = delta.index if delta.index is not None and delta.index >= 0 else None
        call = self._find(index, delta)
        if call is None:
            call = ToolCallState()
            self._calls.append(call)
        call.add(delta)
        if index is not None:
            self._by_index[index] = call
        if call.id is not None:
            self._by_id[index, call.id] = call

    def _find(self, index: int | None, delta: ToolCallDelta) -> ToolCallState | None:
        if index is not None:
            call = self._by_index.get(index)
            # Another id on a known index is another call: some servers number all calls 0.
            if call is not None and delta.id and call.id and delta.id != call.id:
                return self._by_id.get((index, delta.id))
            return call
        if delta.id:
            return self._by_id.get((None, delta.id))
        if delta.function is not None and delta.function.name:
            return None
        return self._calls[-1] if self._calls else None

    def result(self) -> list[ToolCall] | None:
        """Return the calls so far, in the order in which they began; None for none."""
        return [call.result() for call in self._calls] or None
