"""State of the choices of a completion while chunks arrive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .._end import End, EndCause
from .._errors import IncompleteStream, count
from .._json import is_list
from ..payloads._growing import (
    OBJECT,
    Budget,
    GrowingText,
    ItemList,
    copy_fields,
    keep_last,
    unknown_fields,
)
from ..payloads._model import Model
from ._incomplete import describe_unfinished
from ._message_parts import ReasoningDetails
from ._models import (
    AudioDelta,
    ChoiceDelta,
    ChoiceLogprobs,
    ChunkChoice,
    CompletionChunkChoice,
    CompletionLogprobs,
    TokenLogprob,
    ToolCallDelta,
    other_parts,
    reasoning_texts,
    text_of,
    thinking_of,
)
from ._results import FILTER_OFFSETS, ChatChoice, ChatMessage, CompletionChoice, Note, NoteKind
from ._tool_calls import FunctionState, ToolCalls, ToolCallState

if TYPE_CHECKING:
    from ._message_parts import AudioState


class Notes:
    """
    Collect notes, each once, in the order in which they were first taken.

    Args:
        choice: The choice they are about, by its index; None for the completion itself.
    """

    __slots__ = ("_choice", "_notes")

    def __init__(self, choice: int | None = None) -> None:
        self._choice = choice
        # Most have none.
        self._notes: dict[Note, None] | None = None

    def add(self, kind: NoteKind, call: int | None = None, detail: str = "") -> None:
        """Take a note."""
        note = Note(kind, self._choice, call, detail)
        if self._notes is None:
            self._notes = {}
        self._notes[note] = None

    def add_unread(self, model: Model, call: int | None = None) -> None:
        """Note the known fields of a model whose values were of an unforeseen type."""
        known = model.wire_fields()
        for name in model.extra:
            if name in known:
                self.add(NoteKind.VALUE_IGNORED, call, name)

    def __iter__(self) -> Iterator[Note]:
        return iter(self._notes or ())


class FinishReasons:
    """
    Collect a choice's finish reasons.

    The first is the one that counts; some servers send it twice, or another one after it.

    Attributes:
        reasons: All of them, in order.
    """

    __slots__ = ("_budget", "_differ", "reasons")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._differ = False
        self.reasons: list[str] = []

    def add(self, reason: str) -> None:
        """Add a reason."""
        self.reasons.append(reason)
        self._differ = self._differ or reason != self.reasons[0]
        self._budget.charge(reason)

    @property
    def first(self) -> str | None:
        """The first reason, or None."""
        return self.reasons[0] if self.reasons else None

    @property
    def seen(self) -> list[str] | None:
        """All reasons, where they were not all the same; else None."""
        return [*self.reasons] if self._differ else None


def make_incomplete(finish_reasons: Mapping[int, str | None], chunks_seen: int) -> IncompleteStream:
    """Return the error for chunks that don't show an end. They show neither bytes nor [DONE]."""
    chunks = count(chunks_seen, "chunk")
    if finish_reasons:
        missing = f"No finish_reason for {describe_unfinished(finish_reasons)} in {chunks}"
    else:
        missing = f"No choice in {chunks}" if chunks_seen else "No chunk was added"
    return IncompleteStream(
        f"{missing}: pass the parser's `end` to result() to learn how the stream ended. "
        "What was accumulated is in .partial.",
        end=End(EndCause.INCOMPLETE, events_seen=chunks_seen, finish_reasons=finish_reasons),
    )


# Azure's asynchronous filter says these of one stretch of the text after the other.
_FILTER = "content_filter_"
# vLLM: the tokens of each piece.
_TOKEN_IDS = "token_ids"  # noqa: S105 - no password
# Some servers repeat the whole answer so far; nothing in it is new.
_MESSAGE = "message"


class ChoiceExtra:
    """
    Collect the fields; the last of each stays, but for those that come piece by piece.

    Attributes:
        filters: What a filter said of stretches of the text, one after the other.

    Source: Azure OpenAI documentation, "Content streaming"; vLLM, `return_token_ids`.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._fields: dict[str, Any] = {}
        self._token_ids: list[Any] | None = None
        self.filters: list[dict[str, Any]] = []

    def add(self, fields: dict[str, Any]) -> None:
        """Add a chunk's fields."""
        fields = {name: value for name, value in fields.items() if name != _MESSAGE}
        if is_list(fields.get(_TOKEN_IDS)):
            self._token_ids = self._token_ids or []
            self._token_ids += fields[_TOKEN_IDS]
            self._budget.charge(fields.pop(_TOKEN_IDS))
        if fields.get(FILTER_OFFSETS) is not None:
            filters = {name: fields[name] for name in fields if name.startswith(_FILTER)}
            self.filters.append(filters)
            self._budget.charge(filters)
        keep_last(self._fields, fields, self._budget)

    def result(self) -> dict[str, Any]:
        """Return the fields so far."""
        token_ids = {} if self._token_ids is None else {_TOKEN_IDS: [*self._token_ids]}
        return {**copy_fields(self._fields), **token_ids}


class CompletionChoiceState:
    """
    Collect one choice's texts.

    Attributes:
        index: The choice's index.
        finish: Why it ended.
        content: Its text.
    """

    __slots__ = (
        "_budget",
        "_extra",
        "_logprobs",
        "_logprobs_extra",
        "_notes",
        "content",
        "finish",
        "index",
    )

    def __init__(self, index: int, budget: Budget) -> None:
        self.index = index
        self.finish = FinishReasons(budget)
        self.content = GrowingText(budget)
        self._budget = budget
        budget.left -= OBJECT
        self._logprobs: dict[str, list[Any]] | None = None
        self._logprobs_extra: dict[str, Any] = {}
        self._extra: ChoiceExtra | None = None
        self._notes = Notes(index)

    def add(self, choice: CompletionChunkChoice) -> None:
        """Add what a chunk brings for this choice."""
        if self.finish.reasons and choice.text:
            self._notes.add(NoteKind.AFTER_FINISH)
        self.content.add(choice.text)
        if choice.finish_reason:
            self.finish.add(choice.finish_reason)
        if choice.logprobs is not None:
            self._add_logprobs(choice.logprobs)
        if choice.extra:
            self._notes.add_unread(choice)
            self._extra = self._extra or ChoiceExtra(self._budget)
            self._extra.add(unknown_fields(choice))
        if "index" in choice.absent:
            self._notes.add(NoteKind.INDEX_ASSUMED)

    def _add_logprobs(self, logprobs: CompletionLogprobs) -> None:
        if self._logprobs is None:
            self._logprobs = {}
        for name in logprobs.wire_fields():
            values = getattr(logprobs, name)
            if values is not None:
                self._logprobs.setdefault(name, []).extend(values)
                self._budget.charge(values)
        if logprobs.extra:
            self._notes.add_unread(logprobs)
            keep_last(self._logprobs_extra, unknown_fields(logprobs), self._budget)

    def result(self) -> CompletionChoice:
        """Return the choice so far."""
        return CompletionChoice(
            index=self.index,
            text=self.content.value or "",
            finish_reason=self.finish.first,
            logprobs=self._logprobs_result(),
            finish_reasons_seen=self.finish.seen,
            extra=self._extra.result() if self._extra else {},
        )

    def notes(self) -> Iterator[Note]:
        """Tell what had to be assumed so far."""
        yield from self._notes
        if self.finish.seen is not None:
            yield Note(NoteKind.FINISHED_AGAIN, self.index)

    def _logprobs_result(self) -> CompletionLogprobs | None:
        if self._logprobs is None:
            return None
        lists: dict[str, Any] = {name: [*values] for name, values in self._logprobs.items()}
        return CompletionLogprobs(**lists, extra=copy_fields(self._logprobs_extra))


# Lists of things that belong to the message, in fields that the schema does not name.
_LISTS = ("images", "executed_tools")
_SAYING = tuple(name for name in ChoiceDelta.__struct_fields__ if name not in ("role", "absent"))


class ChatChoiceState:
    """
    Collect one choice's deltas.

    Attributes:
        index: The choice's index.
        budget: What its texts and values are charged to.
        finish: Why it ended.
        content: Its text.
        refusal: Its refusal.
        tool_calls: Its tool calls, or None for none.
        function_call: Its function call, the form before tool calls, or None for none.
    """

    __slots__ = (
        "_annotations",
        "_audio",
        "_details",
        "_extra",
        "_lists",
        "_logprobs",
        "_message_extra",
        "_notes",
        "_parts",
        "_reasoning",
        "_reasoning_content",
        "_role",
        "budget",
        "content",
        "finish",
        "function_call",
        "index",
        "refusal",
        "tool_calls",
    )

    def __init__(self, index: int, budget: Budget) -> None:
        self.index = index
        self.finish = FinishReasons(budget)
        self.content = GrowingText(budget)
        self.refusal = GrowingText(budget)
        self.tool_calls: ToolCalls | None = None
        self.function_call: FunctionState | None = None
        self.budget = budget
        budget.left -= OBJECT
        self._audio: AudioState | None = None
        self._role: str | None = None
        self._reasoning_content = GrowingText(budget)
        self._reasoning = GrowingText(budget)
        self._details: ReasoningDetails | None = None
        self._annotations: ItemList | None = None
        self._parts: list[Any] = []
        self._lists: dict[str, ItemList] = {}
        self._logprobs: _LogprobsState | None = None
        self._message_extra: dict[str, Any] = {}
        self._extra: ChoiceExtra | None = None
        self._notes = Notes(index)

    @property
    def transcript(self) -> str:
        """What is said in the spoken answer so far, "" if there is none."""
        return (self._audio.transcript.value or "") if self._audio else ""

    @property
    def reasoning(self) -> str:
        """The reasoning so far, whatever the server calls it."""
        details = self._details.result() if self._details else None
        one, other = self._reasoning_content.value or "", self._reasoning.value or ""
        return "".join(reasoning_texts(one, other, details))

    def add(self, choice: ChunkChoice) -> Sequence[ToolCallState]:
        """
        Add what a chunk brings for this choice.

        Returns:
            For each piece of a tool call in the chunk, the call that it belongs to.

        Raises:
            LimitExceeded: There are too many tool calls.
        """
        if self.finish.reasons and _says_something(choice.delta):
            self._notes.add(NoteKind.AFTER_FINISH)
        calls = self._add_delta(choice.delta)
        if choice.finish_reason:
            self.finish.add(choice.finish_reason)
        if choice.logprobs is not None:
            self._logprobs = self._logprobs or _LogprobsState(self.budget)
            self._logprobs.add(choice.logprobs)
            self._notes.add_unread(choice.logprobs)
        if choice.extra:
            self._add_choice_extra(choice)
        if choice.absent and "index" in choice.absent:
            self._notes.add(NoteKind.INDEX_ASSUMED)
        return calls

    def _add_delta(self, delta: ChoiceDelta) -> Sequence[ToolCallState]:
        content = delta.content
        if isinstance(content, str):
            self.content.add(content)
        elif content is not None:
            self._add_parts(content)
        if delta.role and self._role is None:
            self._role = delta.role
            self.budget.charge(delta.role)
        if delta.reasoning_content is not None:
            self._reasoning_content.add(delta.reasoning_content)
        if delta.reasoning is not None:
            self._reasoning.add(delta.reasoning)
        if delta.refusal is not None:
            self.refusal.add(delta.refusal)
        if delta.reasoning_details:
            self._details = self._details or ReasoningDetails(self.budget)
            for detail in delta.reasoning_details:
                self._details.add(detail)
        if delta.function_call is not None:
            self.function_call = self.function_call or FunctionState(self.budget)
            self.function_call.add(delta.function_call)
            self._notes.add_unread(delta.function_call)
        if delta.audio is not None:
            self._add_audio(delta.audio)
        if delta.annotations is not None:
            self._annotations = self._annotations or ItemList(self.budget)
            self._annotations.add(delta.annotations)
        if delta.extra:
            self._add_delta_extra(delta)
        return self._add_calls(delta.tool_calls) if delta.tool_calls else ()

    def _add_calls(self, deltas: list[ToolCallDelta]) -> Sequence[ToolCallState]:
        if self.tool_calls is None:
            self.tool_calls = ToolCalls(self.budget)
        calls = [self.tool_calls.add(delta) for delta in deltas]
        for delta, call in zip(deltas, calls, strict=True):
            for part in (delta, delta.function, delta.custom):
                if part is not None and part.extra:
                    self._notes.add_unread(part, call.place)
        return calls

    def _add_audio(self, delta: AudioDelta) -> None:
        if self._audio is None:
            # Few answers are spoken.
            from ._message_parts import AudioState  # noqa: PLC0415

            self._audio = AudioState(self.budget)
        self._audio.add(delta)
        self._notes.add_unread(delta)

    def _add_parts(self, parts: list[Any]) -> None:
        text, thinking = text_of(parts), thinking_of(parts)
        self._notes.add(NoteKind.CONTENT_PARTS)
        if text:
            self.content.add(text)
        if thinking:
            self._reasoning.add(thinking)
        for part in other_parts(parts):
            self._parts.append(part)
            self.budget.charge(part)

    def _add_delta_extra(self, delta: ChoiceDelta) -> None:
        self._notes.add_unread(delta)
        extra = {**unknown_fields(delta)}
        for name in _LISTS:
            items = extra.get(name)
            if is_list(items):
                del extra[name]
                self._lists.setdefault(name, ItemList(self.budget)).add(items)
        keep_last(self._message_extra, extra, self.budget)

    def _add_choice_extra(self, choice: ChunkChoice) -> None:
        self._notes.add_unread(choice)
        self._extra = self._extra or ChoiceExtra(self.budget)
        self._extra.add(unknown_fields(choice))

    def result(self) -> ChatChoice:
        """Return the choice so far."""
        return ChatChoice(
            index=self.index,
            message=self._message(),
            finish_reason=self.finish.first,
            logprobs=self._logprobs.result() if self._logprobs else None,
            finish_reasons_seen=self.finish.seen,
            content_filters=[*self._extra.filters] if self._extra else [],
            extra=self._extra.result() if self._extra else {},
        )

    def notes(self) -> Iterator[Note]:
        """Tell what had to be assumed so far."""
        if self._role is None:
            yield Note(NoteKind.ROLE_ASSUMED, self.index)
        yield from self._notes
        if self.finish.seen is not None:
            yield Note(NoteKind.FINISHED_AGAIN, self.index)
        for call in self.tool_calls.calls if self.tool_calls else ():
            for kind in NoteKind:
                if kind in call.noted:
                    yield Note(kind, self.index, call.place)
            if self.finish.reasons and not call.callee.arguments.value:
                yield Note(NoteKind.ARGUMENTS_MISSING, self.index, call.place)
        if self.function_call is not None:
            for kind in self.function_call.noted:
                yield Note(kind, self.index)
            if self.finish.reasons and not self.function_call.arguments.value:
                yield Note(NoteKind.ARGUMENTS_MISSING, self.index)

    def _message(self) -> ChatMessage:
        lists = {name: items.result() for name, items in self._lists.items()}
        parts = {"content_parts": [*self._parts]} if self._parts else {}
        return ChatMessage(
            # The schema knows no other role for an answer, and some servers never send it.
            role=self._role or "assistant",
            content=self.content.value,
            refusal=self.refusal.value,
            tool_calls=self.tool_calls.result() if self.tool_calls else None,
            function_call=self.function_call.function() if self.function_call else None,
            audio=self._audio.result() if self._audio else None,
            annotations=self._annotations.result() if self._annotations else None,
            reasoning_content=self._reasoning_content.value,
            reasoning=self._reasoning.value,
            reasoning_details=self._details.result() if self._details else None,
            extra={**copy_fields(self._message_extra), **lists, **parts},
        )


def _says_something(delta: ChoiceDelta) -> bool:
    return any(getattr(delta, name) for name in _SAYING)


class _LogprobsState:
    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._content: list[TokenLogprob] | None = None
        self._refusal: list[TokenLogprob] | None = None
        self._lists: dict[str, list[Any]] = {}
        self._extra: dict[str, Any] = {}

    def add(self, logprobs: ChoiceLogprobs) -> None:
        if logprobs.content is not None:
            self._content = self._content or []
            self._content += logprobs.content
            self._budget.charge(logprobs.content)
        if logprobs.refusal is not None:
            self._refusal = self._refusal or []
            self._refusal += logprobs.refusal
            self._budget.charge(logprobs.refusal)
        for name, value in unknown_fields(logprobs).items():
            if is_list(value):
                self._lists.setdefault(name, []).extend(value)
                self._budget.charge(value)
            else:
                keep_last(self._extra, {name: value}, self._budget)

    def result(self) -> ChoiceLogprobs:
        lists = {name: [*items] for name, items in self._lists.items()}
        return ChoiceLogprobs(
            content=None if self._content is None else [*self._content],
            refusal=None if self._refusal is None else [*self._refusal],
            extra={**copy_fields(self._extra), **lists},
        )
