"""Updates that describe what each chunk changed in a completion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from ..payloads._growing import GrowingText
from ..payloads._model import Kind
from ..payloads._partial_json import JSONFault, PartialJSON
from ..payloads._updates import (
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
    UsageReported,
)
from ._choices import ChoiceState
from ._models import (
    ChoiceLogprobs,
    ChunkChoice,
    CompletionChunkChoice,
    CompletionLogprobs,
    CompletionUsage,
    FunctionDelta,
    ToolCallDelta,
)
from ._tool_calls import ToolCallState

if TYPE_CHECKING:
    from ._choices import ChatChoiceState

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

# For each kind of text, the updates of its pieces and of the complete text.
_TEXT_UPDATES: Final[Mapping[Kind, tuple[Callable[[int, str], Update], ...]]] = {
    "content": (ContentDelta, ContentDone),
    "reasoning": (ReasoningDelta, ReasoningDone),
    "refusal": (RefusalDelta, RefusalDone),
    "transcript": (TranscriptDelta, TranscriptDone),
}


class UpdateTracker:
    """Updates of a completion that weren't returned yet."""

    def __init__(self) -> None:
        self._updates: list[Update] = []
        self._choices: dict[int, ChoiceTracker] = {}
        self._usage: CompletionUsage | None = None

    def add(
        self,
        state: ChoiceState,
        choice: ChunkChoice | CompletionChunkChoice,
        calls: Sequence[ToolCallState] = (),
    ) -> None:
        """Record the changes that a chunk's choice made in `state` and in its `calls`."""
        tracker = self._choices.get(state.index)
        if tracker is None:
            tracker = self._choices[state.index] = ChoiceTracker(state, self._updates)
        if isinstance(choice, CompletionChunkChoice):
            if choice.text:
                tracker.add_text("content", choice.text)
        else:
            for piece in choice.pieces():
                if piece.kind != "arguments":  # `ToolCallTracker` knows which call they belong to
                    tracker.add_text(piece.kind, piece.text)
            if calls:
                tracker.calls.add(choice.delta.tool_calls or (), calls)
            call, function = (
                cast("ChatChoiceState", state).function_call,
                choice.delta.function_call,
            )
            if call is not None and function is not None:
                tracker.calls.add_function_call(call, function)
        if choice.logprobs is not None and choice.logprobs != type(choice.logprobs)():
            self._updates.append(LogprobsDelta(choice.index, choice.logprobs))
        if choice.finish_reason:
            tracker.finish(choice.finish_reason)

    def add_usage(self, usage: CompletionUsage | None) -> None:
        if usage is not None and usage != self._usage:
            self._usage = usage
            self._updates.append(UsageReported(usage))

    def close(self) -> None:
        for tracker in self._choices.values():
            tracker.close()

    def pop_updates(self) -> list[Update]:
        updates = [*self._updates]
        self._updates.clear()
        return updates


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
        self._updates.append(_TEXT_UPDATES[kind][0](self._state.index, text))
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
            self._updates.append(_TEXT_UPDATES[kind][1](self._state.index, text))
        self._open.clear()


class ToolCallTracker:
    """Updates of the tool calls of one choice, and of its function call."""

    def __init__(self, state: ChoiceState, updates: list[Update]) -> None:
        self._state = state
        self._updates = updates
        # The order in which the calls began, by their position. A function call, the form before
        # tool calls, has the position None.
        self._order: dict[int | None, int] = {}
        # The calls for which no `ToolCallDone` was emitted.
        self._open: dict[int | None, ToolCallState] = {}
        # The open calls that received a delta since they were last checked.
        self._touched: dict[int | None, ToolCallState] = {}

    def add(self, deltas: Sequence[ToolCallDelta], calls: Sequence[ToolCallState]) -> None:
        """Record a chunk's deltas of tool calls; `calls` are the calls that they belong to."""
        if all(call.position in self._order for call in calls):
            for delta, call in zip(deltas, calls, strict=True):
                self._add_delta(call, delta)
            return
        last_at = {call.position: at for at, call in enumerate(calls)}
        # The touched calls without further deltas in this chunk. Each is checked once, because
        # checking all touched calls whenever a call begins is quadratic.
        settled = self._touched.keys() - last_at.keys()
        newest = None
        for at, (delta, call) in enumerate(zip(deltas, calls, strict=True)):
            if call.position not in self._order:
                self._finish_calls(settled)
                settled.clear()
                self._begin(call)
                newest = call.position
            self._add_delta(call, delta)
            if last_at[call.position] == at:
                settled.add(call.position)
        self._finish_calls(settled - {newest})

    def add_function_call(self, call: ToolCallState, delta: FunctionDelta) -> None:
        if call.position not in self._order:
            self._begin(call)
        self._add_arguments(call, delta.text)

    def finish(self, *, first: bool) -> None:
        """Record a finish reason; the first completes the calls that don't show their end."""
        if first:
            self._touched = {**self._open}
        self._finish_calls(set(self._touched), is_finished=True)

    def close(self) -> None:
        self._updates += [self._done(call) for call in self._open.values()]
        self._open.clear()
        self._touched.clear()

    def _begin(self, call: ToolCallState) -> None:
        self._order[call.position] = len(self._order)
        self._open[call.position] = self._touched[call.position] = call
        self._updates.append(ToolCallStarted(*self._identify(call)))

    def _identify(self, call: ToolCallState) -> tuple[int, int | None, str | None, str, str]:
        return self._state.index, call.position, call.id, call.callee.name, call.type

    def _add_delta(self, call: ToolCallState, delta: ToolCallDelta) -> None:
        for part in (delta.function, delta.custom):
            if part is not None:
                self._add_arguments(call, part.text)

    def _add_arguments(self, call: ToolCallState, text: str) -> None:
        if text:
            value = None if call.is_custom else call.callee.arguments.json.value
            self._updates.append(ArgumentsDelta(self._state.index, call.position, text, value))
        if call.position in self._open:
            self._touched[call.position] = call

    def _finish_calls(self, positions: set[int | None], *, is_finished: bool = False) -> None:
        """Emit `ToolCallDone` for those of the touched calls that are complete."""
        touched = [self._touched.pop(position) for position in positions & self._touched.keys()]
        touched.sort(key=lambda call: (call.position or 0, self._order[call.position]))
        for call in touched:
            if _is_complete(call, is_finished=is_finished):
                del self._open[call.position]
                self._updates.append(self._done(call))

    def _done(self, call: ToolCallState) -> ToolCallDone:
        value, fault = _decode_arguments(call, self._state.finish_reason)
        arguments = call.callee.arguments.value or ""
        return ToolCallDone(*self._identify(call), arguments, value, fault)


def _is_complete(call: ToolCallState, *, is_finished: bool) -> bool:
    """Return whether a call is complete once its choice finished, or else another call began."""
    arguments = call.callee.arguments
    if call.is_custom or not arguments.value:
        return is_finished  # free text and missing arguments don't show their end
    return arguments.json.complete if arguments.json.fault is None else is_finished


def _decode_arguments(call: ToolCallState, reason: str | None) -> tuple[Any, JSONFault | None]:
    text = call.callee.arguments.value or ""
    if call.is_custom:
        if reason not in ("length", "content_filter"):
            return None, None
        return None, JSONFault(len(text), f"the input is truncated: {reason}")
    if not text:
        return None, JSONFault(0, "no arguments received")
    # Decoded again: the value in the updates can still grow, and its reader can change it.
    json = PartialJSON()
    json.feed(text)
    json.close()
    return json.value, json.fault
