"""State of the choices of a completion while chunks arrive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from .._json import is_list
from ..payloads._growing import (
    OBJECT,
    Budget,
    GrowingText,
    ItemList,
    copy_fields,
    copy_grown,
    grow_fields,
    keep_last,
    unknown_fields,
)
from ..payloads._model import Kind
from ..payloads._results import Note, NoteRecorder
from ._message_parts import AudioState, ReasoningDetails
from ._models import (
    ChoiceDelta,
    ChoiceLogprobs,
    ChunkChoice,
    CompletionChunkChoice,
    CompletionLogprobs,
    FunctionDelta,
    ToolCallDelta,
)
from ._results import FILTER_OFFSETS, ChatChoice, ChatMessage, CompletionChoice, NoteKind
from ._texts import (
    REASONING_NAMES,
    is_reasoning,
    other_parts,
    other_reasoning,
    reasoning_of,
    reasoning_parts,
    reasoning_texts,
    text_of,
)
from ._tool_calls import CallChange, ToolCallAssembler, ToolCallState

# The fields of a delta that are content.
_CONTENT = tuple(name for name in ChoiceDelta.__struct_fields__ if name not in ("role", "absent"))

LogprobsT = TypeVar("LogprobsT", ChoiceLogprobs, CompletionLogprobs)


class ChoiceExtra:
    """
    Unknown fields of a choice. The last value of each counts, except for fields sent in pieces.

    Source: Azure OpenAI documentation, "Content streaming"; vLLM, `return_token_ids`.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._fields: dict[str, Any] = {}
        self._token_ids: list[Any] | None = None
        self.filters: list[dict[str, Any]] = []

    def add(self, fields: dict[str, Any]) -> None:
        # Some servers repeat the message so far in each chunk. The decoder reports errors.
        fields = {name: fields[name] for name in fields if name not in ("message", "error")}
        if is_list(fields.get("token_ids")):  # vLLM: the tokens of each piece of text
            self._token_ids = self._token_ids or []
            self._token_ids += fields["token_ids"]
            self._budget.charge(fields.pop("token_ids"))
        if fields.get(FILTER_OFFSETS) is not None:  # Azure: the verdict on one part of the text
            filters = {name: fields[name] for name in fields if name.startswith("content_filter_")}
            self.filters.append(filters)
            self._budget.charge(filters)
        keep_last(self._fields, fields, self._budget)

    def result(self) -> dict[str, Any]:
        token_ids = {} if self._token_ids is None else {"token_ids": [*self._token_ids]}
        return {**copy_fields(self._fields), **token_ids}


class LogprobsState:
    """Log-probabilities of a choice. Lists are joined; of other fields, the last value counts."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._lists: dict[str, list[Any]] = {}
        self._extra: dict[str, Any] = {}

    def add(self, logprobs: ChoiceLogprobs | CompletionLogprobs) -> None:
        # Some servers send lists for other texts, such as reasoning, or the lists of the other API.
        fields = {name: getattr(logprobs, name) for name in logprobs.wire_fields()}
        fields |= unknown_fields(logprobs)
        for name in [name for name, value in fields.items() if is_list(value)]:
            values = fields.pop(name)
            self._lists.setdefault(name, []).extend(values)
            self._budget.charge(values)
        keep_last(self._extra, fields, self._budget)

    def result(self, kind: type[LogprobsT]) -> LogprobsT:
        lists: dict[str, Any] = {name: list(values) for name, values in self._lists.items()}
        known = {name: lists.pop(name, None) for name in kind.wire_fields()}
        return kind(**known, extra={**copy_fields(self._extra), **lists})


class ChoiceState:
    """State that the choices of chat and legacy completions have in common."""

    def __init__(self, index: int, budget: Budget) -> None:
        self.index = index
        self.budget = budget
        self.finish_reason: str | None = None  # the first one; some servers send more
        self.is_open = True  # whether there is no finish reason after the last text
        self._finish_reasons: list[str] = []
        self._reasons_differ = False
        self.content = GrowingText(budget)
        self._logprobs: LogprobsState | None = None
        self._extra: ChoiceExtra | None = None
        self._notes = NoteRecorder(NoteKind.VALUE_IGNORED, index)
        budget.left -= OBJECT

    @property
    def finish_reasons_seen(self) -> list[str] | None:
        """All finish reasons if they differ, else None."""
        return [*self._finish_reasons] if self._reasons_differ else None

    def full_text(self, kind: Kind) -> str:  # noqa: ARG002 - for chat choices
        """Return all text of this kind so far; a legacy completion only has content."""
        return self.content.value or ""

    def _add_fields(self, choice: ChunkChoice | CompletionChunkChoice) -> None:
        if choice.logprobs is not None:
            self._logprobs = self._logprobs or LogprobsState(self.budget)
            self._logprobs.add(choice.logprobs)
            self._notes.add_ignored_values(choice.logprobs)
        if choice.finish_reason:
            self.finish_reason = self.finish_reason or choice.finish_reason
            self._finish_reasons.append(choice.finish_reason)
            self._reasons_differ |= choice.finish_reason != self.finish_reason
            self.budget.charge(choice.finish_reason)
        self.is_open = not choice.finish_reason and (self.is_open or choice.has_output())
        if choice.extra:
            self._notes.add_ignored_values(choice)
            self._extra = self._extra or ChoiceExtra(self.budget)
            self._extra.add(unknown_fields(choice))
        if "index" in choice.absent:
            self._notes.add(NoteKind.INDEX_ASSUMED)

    def notes(self) -> Iterator[Note]:
        yield from self._notes
        if self._reasons_differ:
            yield Note(NoteKind.FINISHED_AGAIN, self.index)


class CompletionChoiceState(ChoiceState):
    """State of one choice of a legacy completion."""

    def add(self, choice: CompletionChunkChoice) -> Sequence[CallChange]:
        if self.finish_reason and choice.text:
            self._notes.add(NoteKind.AFTER_FINISH)
        self.content.add(choice.text)
        self._add_fields(choice)
        return ()

    def result(self) -> CompletionChoice:
        return CompletionChoice(
            index=self.index,
            text=self.content.value or "",
            finish_reason=self.finish_reason,
            logprobs=self._logprobs.result(CompletionLogprobs) if self._logprobs else None,
            finish_reasons_seen=self.finish_reasons_seen,
            extra=self._extra.result() if self._extra else {},
        )


class ChatChoiceState(ChoiceState):
    """State of one choice of a chat completion."""

    def __init__(self, index: int, budget: Budget) -> None:
        super().__init__(index, budget)
        self._refusal = GrowingText(budget)
        self.tool_calls: ToolCallAssembler | None = None
        self.function_call: ToolCallState | None = None
        self._audio: AudioState | None = None
        self._role: str | None = None
        self._reasoning_content = GrowingText(budget)
        self._reasoning = GrowingText(budget)
        self._details: ReasoningDetails | None = None
        self._parts: list[Any] = []
        self._annotations: ItemList | None = None
        self._message_extra: dict[str, Any] = {}

    def full_text(self, kind: Kind) -> str:
        if kind == "reasoning":
            details = self._details.result() if self._details else None
            content, reasoning = self._reasoning_content.value or "", self._reasoning.value or ""
            return "".join(reasoning_texts(content, reasoning, details))
        if kind == "refusal":
            return self._refusal.value or ""
        if kind == "transcript":
            return (self._audio.transcript.value or "") if self._audio else ""
        return super().full_text(kind)

    def add(self, choice: ChunkChoice) -> Sequence[CallChange]:
        """Add the choice of a chunk, and return what it changed in calls."""
        if self.finish_reason and any(getattr(choice.delta, name) for name in _CONTENT):
            self._notes.add(NoteKind.AFTER_FINISH)
        changes = self._add_delta(choice.delta)
        self._add_fields(choice)
        return changes

    def _add_delta(self, delta: ChoiceDelta) -> Sequence[CallChange]:
        content = delta.content
        if isinstance(content, str):
            self.content.add(content)
        elif content is not None:
            self._add_parts(content)
        if delta.role and self._role is None:
            self._role = delta.role
            self.budget.charge(delta.role)
        if (
            delta.reasoning_content is not None
            or delta.reasoning is not None
            or delta.reasoning_details
            or delta.extra
            or content is not None
        ):
            self._add_reasoning(delta)
        if delta.refusal is not None:
            self._refusal.add(delta.refusal)
        if delta.audio is not None:
            self._audio = self._audio or AudioState(self.budget)
            self._audio.add(delta.audio)
            self._notes.add_ignored_values(delta.audio)
        if delta.annotations is not None:
            # OpenRouter sends the annotations of earlier chunks again.
            self._annotations = self._annotations or ItemList(self.budget, unique=True)
            self._annotations.add(delta.annotations)
        if delta.extra:
            self._add_unknown(delta)
        changes = self._add_calls(delta.tool_calls) if delta.tool_calls else []
        if delta.function_call is not None:
            changes.append(self._add_function_call(delta.function_call))
        return changes

    def _add_reasoning(self, delta: ChoiceDelta) -> None:
        if delta.reasoning_content is not None:
            self._reasoning_content.add(reasoning_of(delta.reasoning_content))
        if delta.reasoning is not None or delta.extra or is_list(delta.content):
            text = other_reasoning(delta)
            if text is not None:
                self._reasoning.add(text)
        for name in ("reasoning_content", "reasoning"):
            parts = getattr(delta, name)
            if is_list(parts):
                self._notes.add(NoteKind.CONTENT_PARTS, detail=name)
                self._keep_parts(reasoning_parts(parts))
        if delta.reasoning_details:
            self._details = self._details or ReasoningDetails(self.budget)
            for detail in delta.reasoning_details:
                self._details.add(detail)

    def _add_unknown(self, delta: ChoiceDelta) -> None:
        self._notes.add_ignored_values(delta)
        extra = {**unknown_fields(delta)}
        for name in REASONING_NAMES:
            if name in extra and is_reasoning(extra[name]):
                self._keep_parts(reasoning_parts(extra.pop(name)))
        parts = extra.get("content_parts")
        if parts and is_list(parts):
            self._keep_parts(extra.pop("content_parts"))
        grow_fields(self._message_extra, extra, self.budget)

    def _add_calls(self, deltas: list[ToolCallDelta]) -> list[CallChange]:
        self.tool_calls = self.tool_calls or ToolCallAssembler(self.budget)
        is_finished = self.finish_reason is not None
        changes: list[CallChange] = []
        for place, delta in enumerate(deltas):
            # Kimi K2.5 sends pieces of several calls in a chunk, without an index.
            known_place = place if len(deltas) > 1 else None
            change = self.tool_calls.add(delta, is_finished=is_finished, place=known_place)
            changes.append(change)
            for part in (delta, delta.function, delta.custom):
                if part is not None and part.extra:
                    self._notes.add_ignored_values(part, call=change[0].position)
        return changes

    def _add_function_call(self, delta: FunctionDelta) -> CallChange:
        call = self.function_call = self.function_call or ToolCallState(None, self.budget)
        self._notes.add_ignored_values(delta)
        return call, call.callee.add(delta, is_finished=self.finish_reason is not None)

    def _add_parts(self, parts: list[Any]) -> None:
        self._notes.add(NoteKind.CONTENT_PARTS)
        text = text_of(parts)
        if text:
            self.content.add(text)
        self._keep_parts(other_parts(parts))

    def _keep_parts(self, parts: list[Any]) -> None:
        self._parts += parts
        for part in parts:
            self.budget.charge(part)

    def result(self) -> ChatChoice:
        return ChatChoice(
            index=self.index,
            message=self._message(),
            finish_reason=self.finish_reason,
            logprobs=self._logprobs.result(ChoiceLogprobs) if self._logprobs else None,
            finish_reasons_seen=self.finish_reasons_seen,
            content_filters=[*self._extra.filters] if self._extra else [],
            extra=self._extra.result() if self._extra else {},
        )

    def _message(self) -> ChatMessage:
        parts = {"content_parts": [*self._parts]} if self._parts else {}
        return ChatMessage(
            # The schema has no other role for a response, and some servers never send it.
            role=self._role or "assistant",
            content=self.content.value,
            refusal=self._refusal.value,
            tool_calls=self.tool_calls.result() if self.tool_calls else None,
            function_call=self.function_call.result().function if self.function_call else None,
            audio=self._audio.result() if self._audio else None,
            annotations=self._annotations.result() if self._annotations else None,
            reasoning_content=self._reasoning_content.value,
            reasoning=self._reasoning.value,
            reasoning_details=self._details.result() if self._details else None,
            extra={**copy_grown(self._message_extra), **parts},
        )

    def notes(self) -> Iterator[Note]:
        if self._role is None:
            yield Note(NoteKind.ROLE_ASSUMED, self.index)
        yield from super().notes()
        calls = self.tool_calls.calls if self.tool_calls else []
        for call in [*calls, self.function_call] if self.function_call else calls:
            for kind in NoteKind:
                if kind in call.notes:
                    yield Note(kind, self.index, call.position)
            if self.finish_reason and not call.callee.arguments.value:
                yield Note(NoteKind.ARGUMENTS_MISSING, self.index, call.position)
