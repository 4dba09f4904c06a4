"""What each chunk changes in a choice, for those who ask for updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..models._chat_chunk import ChunkChoice
from ..models._completion_chunk import CompletionChunkChoice
from ..models._logprobs import ChoiceLogprobs, CompletionLogprobs
from ..models._piece import Kind
from ..models._updates import (
    ChoiceFinished,
    ContentDelta,
    ContentDone,
    LogprobsDelta,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    RefusalDone,
    TranscriptDelta,
    TranscriptDone,
    Update,
    UsageReported,
)
from ..models._usage import CompletionUsage
from ._chat_state import ChatChoiceState
from ._completion_state import CompletionChoiceState
from ._text import GrowingText
from ._tool_calls import ToolCallState
from ._watch_calls import CallsWatch

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
