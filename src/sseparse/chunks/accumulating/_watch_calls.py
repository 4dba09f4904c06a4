"""What each chunk changes in the tool calls of a choice, for those who ask for updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..models._chat_chunk import ChoiceDelta, CustomToolDelta, FunctionDelta
from ..models._updates import ArgumentsDelta, ToolCallDone, ToolCallStarted, Update
from ..partial_json._parser import JSONFault, PartialJSON
from ._chat_state import ChatChoiceState
from ._tool_calls import FunctionState, ToolCallState

# The finish reasons of an answer that its model would have gone on with.
_CUTTING: Final = ("length", "content_filter")
_NOTHING_CAME: Final = JSONFault(offset=0, reason="no arguments came")


class CallsWatch:
    """
    Tell what changes in the tool calls of one choice.

    Args:
        state: The choice.
    """

    def __init__(self, state: ChatChoiceState) -> None:
        self._state = state
        self._calls: dict[int | None, _CallWatch] = {}
        # Those that were begun and not told done.
        self._open: dict[int | None, _CallWatch] = {}
        # Those of them that got something since they were last looked at.
        self._touched: dict[int | None, _CallWatch] = {}

    def see(self, delta: ChoiceDelta, calls: Sequence[ToolCallState], told: list[Update]) -> None:
        """
        Look at a chunk's pieces of tool calls, after they were added.

        Args:
            delta: What the chunk brought.
            calls: For each piece the call that it belongs to.
            told: Where to append what there is to tell.
        """
        last_piece: dict[int | None, int] = {}
        # The touched calls that get no further piece from this chunk. Each is looked at once:
        # to look at all of them at each new call would be quadratic.
        settled: set[int | None] | None = None
        begun = None
        for at, (piece, call) in enumerate(zip(delta.tool_calls or (), calls, strict=True)):
            place = call.place
            if place not in self._calls:
                if settled is None:
                    last_piece = {each.place: at for at, each in enumerate(calls)}
                    settled = {each for each in self._touched if last_piece.get(each, -1) < at}
                self._tell_done(told, settled)
                settled.clear()
                self._begin(call.callee, call, told)
                begun = place
            for part in (piece.function, piece.custom):
                if part is not None:
                    self._see_piece(place, part, told)
            if settled is not None and last_piece[place] == at:
                settled.add(place)
        if settled is not None:
            self._tell_done(told, settled - {begun})

    def see_function_call(self, piece: FunctionDelta, told: list[Update]) -> None:
        """Look at a piece of a function call, the form before tool calls, after it was added."""
        callee = self._state.function_call
        if None not in self._calls and callee is not None:
            self._begin(callee, None, told)
        self._see_piece(None, piece, told)

    def see_finish(self, told: list[Update], *, first: bool) -> None:
        """Look at a finish reason; the first one ends what does not show its end."""
        if first:
            self._touched = {**self._open}
        self._tell_done(told, set(self._touched), finished=True)

    def end(self, told: list[Update]) -> None:
        """Look at the end of the stream."""
        told += [call.done(self._state.finish.first) for call in self._open.values()]
        self._open.clear()
        self._touched.clear()

    def _begin(
        self, callee: FunctionState, state: ToolCallState | None, told: list[Update]
    ) -> None:
        call = _CallWatch(self._state.index, callee, state, len(self._calls))
        self._calls[call.place] = self._open[call.place] = self._touched[call.place] = call
        told.append(call.started())

    def _see_piece(
        self, place: int | None, piece: FunctionDelta | CustomToolDelta, told: list[Update]
    ) -> None:
        call = self._calls[place]
        call.see(piece, told)
        if place in self._open:
            self._touched[place] = call

    def _tell_done(
        self, told: list[Update], places: set[int | None], *, finished: bool = False
    ) -> None:
        """Emit which of the touched calls are done: another call began, or the choice finished."""
        touched = [self._touched.pop(place) for place in places & self._touched.keys()]
        for call in sorted(touched, key=lambda call: (call.place or 0, call.number)):
            place = call.place
            if call.is_whole(finished=finished):
                del self._open[place]
                told.append(call.done(self._state.finish.first))


class _CallWatch:
    """
    Tell what changes in one tool call.

    Args:
        choice: The choice it belongs to, by its index.
        callee: What is called, and with what.
        call: The tool call; None for a function call of the form before tool calls.
        number: How many calls began before.

    Attributes:
        number: The same.
        place: Where the call stands among the tool calls, or None.
    """

    def __init__(
        self, choice: int, callee: FunctionState, call: ToolCallState | None, number: int
    ) -> None:
        self.number = number
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
        text = piece.text
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
        return json.complete if json.fault is None else finished

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
        # Read anew: of the other one the reader has the value, and more may come all the same.
        json = PartialJSON()
        json.feed(self._callee.arguments.value)
        json.close()
        return json.value, json.fault
