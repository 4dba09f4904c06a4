"""Updates: what changed in a completion with each chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

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
from ._choices import ChatChoiceState, CompletionChoiceState
from ._models import (
    ChoiceDelta,
    ChoiceLogprobs,
    ChunkChoice,
    CompletionChunkChoice,
    CompletionLogprobs,
    CompletionUsage,
    CustomToolDelta,
    FunctionDelta,
)
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


_NO_LOGPROBS = ChoiceLogprobs()
_NO_LEGACY_LOGPROBS = CompletionLogprobs()
_DELTAS: Mapping[Kind, type[ContentDelta | ReasoningDelta | RefusalDelta | TranscriptDelta]] = {
    "content": ContentDelta,
    "reasoning": ReasoningDelta,
    "refusal": RefusalDelta,
    "transcript": TranscriptDelta,
}


class Watch:
    """Tell what changes in a completion."""

    def __init__(self) -> None:
        self._chat: dict[int, ChatWatch] = {}
        self._legacy: dict[int, CompletionWatch] = {}
        self._usage: CompletionUsage | None = None
        self._told: list[Update] = []

    def see_chat(
        self, state: ChatChoiceState, choice: ChunkChoice, calls: Sequence[ToolCallState]
    ) -> None:
        """Look at what a chunk brought for a choice, after it was added."""
        watch = self._chat.get(state.index)
        if watch is None:
            watch = self._chat[state.index] = ChatWatch(state)
        watch.see(choice, calls, self._told)

    def see_legacy(self, state: CompletionChoiceState, choice: CompletionChunkChoice) -> None:
        """Look at what a chunk brought for a choice, after it was added."""
        watch = self._legacy.get(state.index)
        if watch is None:
            watch = self._legacy[state.index] = CompletionWatch(state)
        watch.see(choice, self._told)

    def see_usage(self, usage: CompletionUsage | None) -> None:
        """Look at the token counts, after a chunk was added that has any."""
        if usage is not None and usage != self._usage:
            self._usage = usage
            self._told.append(UsageReported(usage))

    def see_end(self) -> None:
        """Look at the end of the stream."""
        for watches in (self._chat, self._legacy):
            for watch in watches.values():
                watch.end(self._told)

    def take(self) -> list[Update]:
        """Return what there is to tell since the last time."""
        told, self._told = self._told, []
        return told


class CompletionWatch:
    """
    Tell what changes in one choice of a legacy completion.

    Args:
        state: The choice.
    """

    def __init__(self, state: CompletionChoiceState) -> None:
        self._state = state
        self._open = False
        self._finished = False

    def see(self, choice: CompletionChunkChoice, told: list[Update]) -> None:
        """Look at what a chunk brought, after it was added; append what there is to tell."""
        if choice.text:
            self._open = True
            told.append(ContentDelta(choice.index, choice.text))
        if choice.logprobs is not None and choice.logprobs != _NO_LEGACY_LOGPROBS:
            told.append(LogprobsDelta(choice.index, choice.logprobs))
        if choice.finish_reason and not self._finished:
            self._finished = True
            self.end(told)
            told.append(ChoiceFinished(choice.index, choice.finish_reason))

    def end(self, told: list[Update]) -> None:
        """Look at the end of the stream."""
        if self._open:
            self._open = False
            told.append(ContentDone(self._state.index, self._state.content.value or ""))


class ChatWatch:
    """
    Tell what changes in one choice of a chat completion.

    Args:
        state: The choice.
    """

    def __init__(self, state: ChatChoiceState) -> None:
        self._state = state
        self._open: dict[type[Update], None] = {}
        self._calls = CallsWatch(state)
        self._reasoning: GrowingText | None = None
        self._finished = False

    def see(self, choice: ChunkChoice, calls: Sequence[ToolCallState], told: list[Update]) -> None:
        """Look at what a chunk brought, after it was added; append what there is to tell."""
        delta = choice.delta
        self._see_texts(choice, told)
        if calls:
            self._calls.see(delta, calls, told)
        if delta.function_call is not None:
            self._calls.see_function_call(delta.function_call, told)
        if choice.logprobs is not None and choice.logprobs != _NO_LOGPROBS:
            told.append(LogprobsDelta(choice.index, choice.logprobs))
        if choice.finish_reason:
            first, self._finished = not self._finished, True
            if first:
                self._tell_texts_done(told)
            self._calls.see_finish(told, first=first)
            if first:
                told.append(ChoiceFinished(choice.index, choice.finish_reason))

    def end(self, told: list[Update]) -> None:
        """Look at the end of the stream."""
        self._tell_texts_done(told)
        self._calls.end(told)

    def _see_texts(self, choice: ChunkChoice, told: list[Update]) -> None:
        for piece in choice.pieces():
            update = _DELTAS.get(piece.kind)
            if update is None:
                continue  # arguments belong to a call, which `CallsWatch` finds
            if piece.kind == "reasoning":
                self._add_reasoning(piece.text)
            told.append(update(piece.choice, piece.text))
            self._open[update] = None

    def _add_reasoning(self, text: str) -> None:
        if self._reasoning is None:
            # What came before updates were asked for.
            self._reasoning = GrowingText(self._state.budget)
            self._reasoning.add(self._state.reasoning.removesuffix(text))
        self._reasoning.add(text)

    def _tell_texts_done(self, told: list[Update]) -> None:
        state = self._state
        index = state.index
        for kind in self._open:
            if kind is ContentDelta:
                told.append(ContentDone(index, state.content.value or ""))
            elif kind is RefusalDelta:
                told.append(RefusalDone(index, state.refusal.value or ""))
            elif kind is TranscriptDelta:
                told.append(TranscriptDone(index, state.transcript))
            else:
                reasoning = self._reasoning.value if self._reasoning else ""
                told.append(ReasoningDone(index, reasoning or ""))
        self._open.clear()


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
