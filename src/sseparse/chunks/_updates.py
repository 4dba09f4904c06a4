"""Updates that describe what each chunk changed in a completion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define

from ..payloads._growing import GrowingText
from ..payloads._model import Kind
from ..payloads._partial_json import JSONFault
from ..payloads._updates import (
    TEXT_UPDATES,
    ArgumentsDelta,
    ChoiceFinished,
    ContentDelta,
    ContentDone,
    LogprobsDelta,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    RefusalDone,
    ToolCallDone,
    ToolCallStarted,
    TranscriptDelta,
    TranscriptDone,
    UpdateRecorder,
    UsageReported,
    decode_arguments,
)
from ._choices import ChoiceState
from ._models import (
    ChoiceLogprobs,
    ChunkChoice,
    CompletionChunkChoice,
    CompletionLogprobs,
    CompletionUsage,
)
from ._tool_calls import CallChange, ToolCallState

Update = (
    ContentDelta
    | ContentDone
    | ReasoningDelta
    | ReasoningDone
    | RefusalDelta
    | RefusalDone
    | TranscriptDelta
    | TranscriptDone
    | LogprobsDelta[ChoiceLogprobs | CompletionLogprobs]
    | ToolCallStarted
    | ArgumentsDelta
    | ToolCallDone
    | ChoiceFinished
    | UsageReported[CompletionUsage]
)
"""Any of the updates above: what `updates()` returns."""


class UpdateTracker(UpdateRecorder[Update, CompletionUsage]):
    """Updates of a completion that weren't returned yet."""

    def __init__(self) -> None:
        super().__init__()
        self._choices: dict[int, ChoiceTracker] = {}

    def add(
        self,
        state: ChoiceState,
        choice: ChunkChoice | CompletionChunkChoice,
        changes: Sequence[CallChange],
    ) -> None:
        """Record what a chunk's choice changed in `state` and in its calls."""
        tracker = self._find(state)
        if isinstance(choice, ChunkChoice):
            for kind, text in choice.texts():
                tracker.add_text(kind, text)
            if changes:
                tracker.calls.add(changes)
        elif choice.text:
            tracker.add_text("content", choice.text)
        if choice.logprobs is not None and choice.logprobs != type(choice.logprobs)():
            self._updates.append(LogprobsDelta(choice.index, choice.logprobs))
        if choice.finish_reason:
            tracker.finish(choice.finish_reason)

    def add_text(self, state: ChoiceState, text: str) -> None:
        """Record text that a chunk added to a choice."""
        if text:
            self._find(state).add_text("content", text)

    def _find(self, state: ChoiceState) -> ChoiceTracker:
        tracker = self._choices.get(state.index)
        if tracker is None:
            tracker = self._choices[state.index] = ChoiceTracker(state, self._updates)
        return tracker

    def close(self) -> None:
        for tracker in self._choices.values():
            tracker.close()


class ChoiceTracker:
    """Updates of one choice."""

    def __init__(self, state: ChoiceState, updates: list[Update]) -> None:
        self.calls = ToolCallTracker(state, updates)
        self._state = state
        self._updates = updates
        self._open: dict[Kind, None] = {}
        self._reasoning: GrowingText | None = None
        self._is_finished = False

    def add_text(self, kind: Kind, text: str) -> None:
        if kind == "reasoning":
            self._add_reasoning(text)
        self._updates.append(TEXT_UPDATES[kind][0](self._state.index, text))
        self._open[kind] = None

    def _add_reasoning(self, text: str) -> None:
        if self._reasoning is None:
            # The state also has the reasoning that `Accumulator.add()` added before.
            self._reasoning = GrowingText(self._state.budget)
            self._reasoning.add(self._state.full_text("reasoning").removesuffix(text))
        self._reasoning.add(text)

    def finish(self, reason: str) -> None:
        if self._is_finished:
            self.calls.finish(first=False)
            return
        self._is_finished = True
        self._close_texts()
        self.calls.finish(first=True)
        self._updates.append(ChoiceFinished(self._state.index, reason))

    def close(self) -> None:
        self._close_texts()
        self.calls.close()

    def _close_texts(self) -> None:
        for kind in self._open:
            if kind == "reasoning" and self._reasoning is not None:
                text = self._reasoning.value or ""
            else:
                text = self._state.full_text(kind)
            self._updates.append(TEXT_UPDATES[kind][1](self._state.index, text))
        self._open.clear()


@define(eq=False)
class TrackedCall:
    """A tool call whose updates aren't complete."""

    state: ToolCallState
    place: int  # in the order in which the calls began
    is_started: bool = False
    held: GrowingText | None = None  # arguments that wait for the name


class ToolCallTracker:
    """Updates of the tool calls of one choice, and of its function call."""

    def __init__(self, state: ChoiceState, updates: list[Update]) -> None:
        self._state = state
        self._updates = updates
        # The calls by their position. A function call, the form before tool calls, has the
        # position None.
        self._calls: dict[int | None, TrackedCall] = {}
        # The calls for which no `ToolCallDone` was emitted.
        self._open: dict[int | None, TrackedCall] = {}
        # The open calls that received a delta since they were last checked.
        self._touched: dict[int | None, TrackedCall] = {}

    def add(self, changes: Sequence[CallChange]) -> None:
        """Record what the deltas of a chunk changed."""
        for call, _ in changes:
            if call.position not in self._calls:
                self._add_with_new(changes)
                return
        for call, text in changes:
            self._add_text(call, text)

    def _add_with_new(self, changes: Sequence[CallChange]) -> None:
        """Record what the deltas of a chunk changed if some of them begin a call."""
        last_at = {call.position: at for at, (call, _) in enumerate(changes)}
        # The touched calls without further deltas in this chunk. Each is checked once, because
        # checking all touched calls whenever a call begins is quadratic.
        settled = self._touched.keys() - last_at.keys()
        newest = None
        for at, (call, text) in enumerate(changes):
            if call.position not in self._calls:
                self._check_calls(settled)
                settled.clear()
                self._begin(call)
                newest = call.position
            self._add_text(call, text)
            if last_at[call.position] == at:
                settled.add(call.position)
        self._check_calls(settled - {newest})

    def finish(self, *, first: bool) -> None:
        """Record a finish reason; the first completes the calls that don't show their end."""
        if first:
            self._touched = {**self._open}
        self._check_calls(set(self._touched), is_finished=True)

    def close(self) -> None:
        calls = [*self._open.values()]
        for tracked in calls:
            self._report(tracked, is_last=True)
        self._updates += [self._done(tracked.state) for tracked in calls]
        self._open.clear()
        self._touched.clear()

    def _begin(self, call: ToolCallState) -> None:
        tracked = TrackedCall(call, len(self._calls))
        self._calls[call.position] = self._open[call.position] = tracked

    def _add_text(self, call: ToolCallState, text: str) -> None:
        tracked = self._calls[call.position]
        if tracked.is_started or call.callee.is_name_complete:
            self._report(tracked, text)
        elif text:
            tracked.held = tracked.held or GrowingText(self._state.budget)
            tracked.held.add(text)
        if call.position in self._open:
            self._touched[call.position] = tracked

    def _report(self, tracked: TrackedCall, text: str = "", *, is_last: bool = False) -> None:
        """Emit the start of a call, if it's missing, and the arguments that weren't emitted yet."""
        call = tracked.state
        if not tracked.is_started:
            tracked.is_started = True
            self._updates.append(ToolCallStarted(*self._identify(call)))
        if tracked.held is not None:
            text = (tracked.held.value or "") + text
            tracked.held = None
        if is_last:
            text += call.callee.release_placeholder()
        if text:
            value = None if call.callee.is_custom else call.callee.arguments.json.value
            self._updates.append(ArgumentsDelta(self._state.index, call.position, text, value))

    def _identify(self, call: ToolCallState) -> tuple[int, int | None, str | None, str, str]:
        return self._state.index, call.position, call.id, call.callee.name, call.type

    def _check_calls(self, positions: set[int | None], *, is_finished: bool = False) -> None:
        """Emit what is now certain about the touched calls: the start, the arguments, the end."""
        touched = [self._touched.pop(position) for position in positions & self._touched.keys()]
        touched.sort(key=lambda tracked: (tracked.state.position or 0, tracked.place))
        named = [tracked for tracked in touched if tracked.state.callee.name]
        for tracked in named:
            self._report(tracked, is_last=is_finished)
        for tracked in named:
            if _is_complete(tracked.state, is_finished=is_finished):
                del self._open[tracked.state.position]
                self._updates.append(self._done(tracked.state))

    def _done(self, call: ToolCallState) -> ToolCallDone:
        value, fault = _decode_arguments(call, self._state.finish_reason)
        arguments = call.callee.arguments.value or ""
        return ToolCallDone(*self._identify(call), arguments, value, fault)


def _is_complete(call: ToolCallState, *, is_finished: bool) -> bool:
    """Return whether a call is complete once its choice finished, or else another call began."""
    arguments = call.callee.arguments
    if call.callee.is_custom or call.callee.has_placeholder or not arguments.value:
        return is_finished  # free text and missing arguments don't show their end
    return arguments.json.complete if arguments.json.fault is None else is_finished


def _decode_arguments(call: ToolCallState, reason: str | None) -> tuple[Any, JSONFault | None]:
    text = call.callee.arguments.value or ""
    if call.callee.is_custom:
        if reason not in ("length", "content_filter"):
            return None, None
        return None, JSONFault(len(text), f"the input is truncated: {reason}")
    return decode_arguments(text)
