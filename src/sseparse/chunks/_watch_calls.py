"""What each chunk changes in a tool call, for those who ask for updates."""

from __future__ import annotations

from typing import Any, Final

from ._chat_chunk import CustomToolDelta, FunctionDelta
from ._partial_json import JSONFault, PartialJSON
from ._tool_calls import FunctionState, ToolCallState, arguments_of
from ._updates import ArgumentsDelta, ToolCallDone, ToolCallStarted, Update

# The finish reasons of an answer that its model would have gone on with.
_CUTTING: Final = ("length", "content_filter")
_NOTHING_CAME: Final = JSONFault(offset=0, reason="no arguments came")


class CallWatch:
    """
    Tell what changes in one tool call.

    Args:
        choice: The choice it belongs to, by its index.
        callee: What is called, and with what.
        call: The tool call; None for a function call of the form before tool calls.

    Attributes:
        place: Where the call stands among the tool calls, or None.
    """

    def __init__(
        self, choice: int, callee: FunctionState, call: ToolCallState | None = None
    ) -> None:
        self.place = None if call is None else call.place
        self._choice = choice
        self._callee = callee
        self._call = call

    @property
    def _id(self) -> str | None:
        return None if self._call is None else self._call.id

    @property
    def _type(self) -> str:
        return "function" if self._call is None else self._call.type

    @property
    def _is_free_text(self) -> bool:
        return self._call is not None and self._call.is_custom

    def started(self) -> Update:
        """Tell that it begins."""
        return ToolCallStarted(self._choice, self.place, self._id, self._callee.name, self._type)

    def see(self, piece: FunctionDelta | CustomToolDelta, told: list[Update]) -> None:
        """Look at a piece, after it was added."""
        text = arguments_of(piece)
        if text:
            value = None if self._is_free_text else self._callee.arguments.json.value
            told.append(ArgumentsDelta(self._choice, self.place, text, value))

    def is_whole(self, *, finished: bool) -> bool:
        """
        Tell whether nothing more can come.

        Args:
            finished: Whether the choice has its finish reason; if not, another call began.
        """
        if self._is_free_text or not self._callee.arguments.value:
            # Neither shows its end.
            return finished
        json = self._callee.arguments.json
        return json.complete or json.fault is not None

    def done(self, reason: str | None) -> Update:
        """
        Tell that it is done.

        Args:
            reason: The choice's finish reason, or None where none came so far.
        """
        value, fault = self._free_text(reason) if self._is_free_text else self._decoded()
        return ToolCallDone(
            choice=self._choice,
            call=self.place,
            id=self._id,
            name=self._callee.name,
            type=self._type,
            arguments=self._callee.arguments.value or "",
            value=value,
            fault=fault,
        )

    def _free_text(self, reason: str | None) -> tuple[None, JSONFault | None]:
        if reason not in _CUTTING:
            return None, None
        length = len(self._callee.arguments.value or "")
        return None, JSONFault(offset=length, reason=f"the answer was cut: {reason}")

    def _decoded(self) -> tuple[Any, JSONFault | None]:
        if not self._callee.arguments.value:
            return None, _NOTHING_CAME
        json = self._callee.arguments.json
        if not json.complete and json.fault is None:
            # Another one is closed: more may come all the same, and be read by this one.
            json = PartialJSON()
            json.feed(self._callee.arguments.value)
            json.close()
        return json.value, json.fault
