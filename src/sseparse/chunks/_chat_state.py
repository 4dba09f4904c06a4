"""One choice of a chat completion, as it grows."""

from __future__ import annotations

from typing import Any

from ._chat_chunk import AudioDelta, ChoiceDelta, ChunkChoice
from ._finish import FinishReasons
from ._json import is_list
from ._logprobs import ChoiceLogprobs, TokenLogprob
from ._merge import ItemList, keep_last, unknown_fields
from ._parts import other_parts, text_of, thinking_of
from ._reasoning import ReasoningDetails
from ._results import Audio, ChatChoice, ChatMessage
from ._text import GrowingText
from ._tool_calls import FunctionState, ToolCalls

# Lists of things that belong to the message, in fields that the schema does not name.
_LISTS = ("images", "executed_tools")


class ChatChoiceState:
    """Collect one choice's deltas."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.finish = FinishReasons()
        self._role: str | None = None
        self.content = GrowingText()
        self._refusal = GrowingText()
        self._reasoning_content = GrowingText()
        self._reasoning = GrowingText()
        self._details: ReasoningDetails | None = None
        self._tool_calls: ToolCalls | None = None
        self._function_call: FunctionState | None = None
        self._audio: _AudioState | None = None
        self._annotations = ItemList()
        self._parts: list[Any] = []
        self._lists: dict[str, ItemList] = {}
        self._logprobs: _LogprobsState | None = None
        self._message_extra: dict[str, Any] = {}
        self._extra: dict[str, Any] = {}

    def add(self, choice: ChunkChoice) -> None:
        """Add what a chunk brings for this choice."""
        self._add_delta(choice.delta)
        if choice.finish_reason:
            self.finish.add(choice.finish_reason)
        if choice.logprobs is not None:
            self._logprobs = self._logprobs or _LogprobsState()
            self._logprobs.add(choice.logprobs)
        if choice.extra:
            # `message` repeats the whole answer so far; nothing in it is new.
            keep_last(self._extra, unknown_fields(choice))
            self._extra.pop("message", None)

    def _add_delta(self, delta: ChoiceDelta) -> None:
        if delta.content is not None:
            self._add_content(delta.content)
        if delta.role and self._role is None:
            self._role = delta.role
        if delta.reasoning_content is not None:
            self._reasoning_content.add(delta.reasoning_content)
        if delta.reasoning is not None:
            self._reasoning.add(delta.reasoning)
        if delta.refusal is not None:
            self._refusal.add(delta.refusal)
        if delta.tool_calls:
            self._tool_calls = self._tool_calls or ToolCalls()
            for call in delta.tool_calls:
                self._tool_calls.add(call)
        if delta.reasoning_details:
            self._details = self._details or ReasoningDetails()
            for detail in delta.reasoning_details:
                self._details.add(detail)
        if delta.function_call is not None:
            self._function_call = self._function_call or FunctionState()
            self._function_call.add(delta.function_call)
        if delta.audio is not None:
            self._audio = self._audio or _AudioState()
            self._audio.add(delta.audio)
        if delta.annotations:
            self._annotations.add(delta.annotations)
        if delta.extra:
            self._add_extra(unknown_fields(delta))

    def _add_content(self, content: str | list[Any]) -> None:
        if isinstance(content, str):
            self.content.add(content)
            return
        for growing, text in (
            (self.content, text_of(content)),
            (self._reasoning, thinking_of(content)),
        ):
            if text:
                growing.add(text)
        self._parts += other_parts(content)

    def _add_extra(self, extra: dict[str, Any]) -> None:
        keep_last(self._message_extra, extra)
        for name in _LISTS:
            items = self._message_extra.pop(name, None)
            if is_list(items):
                self._lists.setdefault(name, ItemList()).add(items)

    def result(self) -> ChatChoice:
        """Return the choice so far."""
        return ChatChoice(
            index=self.index,
            message=self._message(),
            finish_reason=self.finish.first,
            logprobs=self._logprobs.result() if self._logprobs else None,
            finish_reasons_seen=self.finish.seen,
            extra={**self._extra},
        )

    def _message(self) -> ChatMessage:
        lists = {name: items.result() for name, items in self._lists.items()}
        parts = {"content_parts": [*self._parts]} if self._parts else {}
        return ChatMessage(
            # The schema knows no other role for an answer, and some servers never send it.
            role=self._role or "assistant",
            content=self.content.value,
            refusal=self._refusal.value,
            tool_calls=self._tool_calls.result() if self._tool_calls else None,
            function_call=self._function_call.function() if self._function_call else None,
            audio=self._audio.result() if self._audio else None,
            annotations=self._annotations.result(),
            reasoning_content=self._reasoning_content.value,
            reasoning=self._reasoning.value,
            reasoning_details=self._details.result() if self._details else None,
            extra={**self._message_extra, **lists, **parts},
        )


class _AudioState:
    def __init__(self) -> None:
        self._id: str | None = None
        self._data = GrowingText()
        self._transcript = GrowingText()
        self._expires_at: int | None = None
        self._extra: dict[str, Any] = {}

    def add(self, delta: AudioDelta) -> None:
        self._id = delta.id or self._id
        if delta.data is not None:
            self._data.add(delta.data)
        if delta.transcript is not None:
            self._transcript.add(delta.transcript)
        if delta.expires_at is not None:
            self._expires_at = delta.expires_at
        keep_last(self._extra, unknown_fields(delta))

    def result(self) -> Audio:
        return Audio(
            id=self._id,
            data=self._data.value,
            transcript=self._transcript.value,
            expires_at=self._expires_at,
            extra={**self._extra},
        )


class _LogprobsState:
    def __init__(self) -> None:
        self._content: list[TokenLogprob] | None = None
        self._refusal: list[TokenLogprob] | None = None
        self._lists: dict[str, list[Any]] = {}
        self._extra: dict[str, Any] = {}

    def add(self, logprobs: ChoiceLogprobs) -> None:
        if logprobs.content is not None:
            self._content = self._content or []
            self._content += logprobs.content
        if logprobs.refusal is not None:
            self._refusal = self._refusal or []
            self._refusal += logprobs.refusal
        for name, value in unknown_fields(logprobs).items():
            if is_list(value):
                self._lists.setdefault(name, []).extend(value)
            else:
                keep_last(self._extra, {name: value})

    def result(self) -> ChoiceLogprobs:
        lists = {name: [*items] for name, items in self._lists.items()}
        return ChoiceLogprobs(
            content=None if self._content is None else [*self._content],
            refusal=None if self._refusal is None else [*self._refusal],
            extra={**self._extra, **lists},
        )
