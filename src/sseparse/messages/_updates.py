"""Updates that describe what each event changed in a message."""

from __future__ import annotations

from typing import Any, Final

from ..payloads._model import encode_json
from ..payloads._updates import (
    TEXT_UPDATES,
    ArgumentsDelta,
    ChoiceFinished,
    ContentDelta,
    ContentDone,
    ReasoningDelta,
    ReasoningDone,
    ToolCallDone,
    ToolCallStarted,
    UpdateRecorder,
    UsageReported,
    decode_arguments,
)
from ._blocks import INPUT, BlockState, decode_input
from ._events import BlockDelta
from ._results import MessageUsage

Update = (
    ContentDelta
    | ContentDone
    | ReasoningDelta
    | ReasoningDone
    | ToolCallStarted
    | ArgumentsDelta
    | ToolCallDone
    | ChoiceFinished
    | UsageReported[MessageUsage]
)
"""Any of the updates above: what `updates()` returns."""

# The updates of each type of block that has text, whose field has the same name.
_TEXTS: Final = {"text": TEXT_UPDATES["content"], "thinking": TEXT_UPDATES["reasoning"]}


class UpdateTracker(UpdateRecorder[Update, MessageUsage]):
    """Updates of a message that weren't returned yet."""

    def __init__(self) -> None:
        super().__init__()
        self.restart()

    def restart(self) -> None:
        """Forget the message: another one begins."""
        self._is_finished = False
        self._usage = None
        # By place. What was reported, and isn't done: texts and calls. A call is done once, a text
        # at the first end of its block, and at the end of the message if more came.
        self._texts: dict[int, BlockState] = {}
        self._ended: set[int] = set()
        self._calls: dict[int, BlockState] = {}
        self._started: set[int] = set()

    def begin(self, state: BlockState) -> None:
        """Record the start of a block."""
        if state.call is not None:
            self._start_call(state)
            if text := state.start.input_json:
                self._add_arguments(state, text, state.text(INPUT).json.value)
        for kind in _TEXTS:
            self._add_text(state, kind, getattr(state.start, kind))

    def add(self, state: BlockState, delta: BlockDelta) -> None:
        """Record a delta that was added to a block."""
        match delta.type:
            case "text_delta":
                self._add_text(state, "text", delta.text)
            case "thinking_delta":
                self._add_text(state, "thinking", delta.thinking)
            case "input_json_delta" if state.call is not None:
                self._start_call(state)
                if delta.partial_json:
                    value = state.text(INPUT).json.value
                    self._add_arguments(state, delta.partial_json, value)
            case _:
                pass

    def _add_text(self, state: BlockState, kind: str, text: str | None) -> None:
        if text and state.start.type == kind:
            self._updates.append(_TEXTS[kind][0](0, text, state.place))
            self._texts[state.place] = state

    def _start_call(self, state: BlockState) -> None:
        if state.place not in self._started:
            self._started.add(state.place)
            self._calls[state.place] = state
            self._updates.append(ToolCallStarted(*_identify(state), state.place))

    def _add_arguments(self, state: BlockState, text: str, value: Any) -> None:
        self._updates.append(ArgumentsDelta(0, state.call, text, value, state.place))

    def end(self, state: BlockState) -> None:
        """Record the end of a block."""
        if state.place in self._texts and state.place not in self._ended:
            self._end_text(state)
        # As in chat: an input that is {} can be a placeholder, and one that isn't complete can go
        # on, so that only the finish counts.
        if state.place in self._calls and (
            self._is_finished or state.start.input or state.text(INPUT).json.complete
        ):
            self._end_call(state)

    def _end_text(self, state: BlockState) -> None:
        del self._texts[state.place]
        self._ended.add(state.place)
        kind = state.start.type
        self._updates.append(_TEXTS[kind][1](0, state.full_text(kind), state.place))

    def _end_call(self, state: BlockState) -> None:
        if self._calls.pop(state.place, None) is None:
            return
        text = state.full_text(INPUT)
        if text.strip():
            decoded = decode_input(text)
            value, fault = decode_arguments(text) if decoded is None else (decoded[0], None)
        else:
            # The input is what the block began with.
            value, fault = state.result().input, None
            text = encode_json(value).decode()
            self._add_arguments(state, text, value)
        self._updates.append(ToolCallDone(*_identify(state), text, value, fault, state.place))

    def finish(self, reason: str) -> None:
        """Record a stop reason; the first one ends the blocks whose end wasn't sent."""
        if not self._is_finished:
            self._is_finished = True
            self.close()
            self._updates.append(ChoiceFinished(0, reason))

    def close(self) -> None:
        """End all blocks."""
        states = {**self._texts, **self._calls}
        for place in sorted(states):
            if place in self._texts:
                self._end_text(states[place])
            self._end_call(states[place])


def _identify(state: BlockState) -> tuple[int, int | None, str | None, str, str]:
    return 0, state.call, state.start.id, state.start.name or "", "function"
