"""Accumulator of chunks, which builds the completion that they stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    TypeAlias,
    TypedDict,
    Unpack,
    cast,
    overload,
)

from .._end import End
from .._errors import IncompleteStream, count
from .._json import is_object
from .._options import check_choice, check_number
from .._stage import breaking
from ..payloads._accumulator import ResultAccumulator, unfinished
from ..payloads._growing import (
    MAX_ACCUMULATED,
    Budget,
    check_count,
    copy_fields,
    keep_last,
    no_json,
    unknown_fields,
)
from ..payloads._model import Model, build
from ..payloads._results import Note, NoteRecorder
from ._choices import ChatChoiceState, CompletionChoiceState
from ._errors import describe_unfinished, incomplete
from ._models import (
    ChatCompletionChunk,
    Chunk,
    ChunkChoice,
    ChunkT,
    CompletionChunk,
    CompletionChunkChoice,
    CompletionKind,
    CompletionUsage,
)
from ._results import ChatCompletion, Completion, NoteKind, Result, ResultT
from ._usage import UsageState

if TYPE_CHECKING:
    from ..payloads._partial_json import PartialJSON
    from ._updates import Update, UpdateTracker
else:
    Update: TypeAlias = Any  # most programs do without updates


MAX_CHOICES = 16384
MAX_TOOL_CALLS = 4096


class AccumulatorOptions(TypedDict, total=False):
    """Limits of an accumulator; see `Accumulator`."""

    max_choices: int | None
    max_tool_calls: int | None
    max_accumulated_bytes: int | None


class Accumulator(ResultAccumulator[ChunkT, ResultT, Update], Generic[ChunkT, ResultT]):
    """
    Accumulator of chunks: builds the completion that the non-streaming API would have returned.

    The chunks decide whether it is a chat or a legacy completion. Choices are identified by their
    index and can arrive in any order. Token counts are replaced, never added up; a finish reason is
    never invented. The time is linear in the size of the chunks.

    Args:
        kind: Kind of the completion: "chat", or "completion" for legacy completions. With None, the
            default, the first chunk with choices decides.
        max_choices: Maximum number of choices; every index must be below it. None for no limit.
        max_tool_calls: Maximum number of tool calls in all choices together. None for no limit.
        max_accumulated_bytes: Maximum size of the accumulated data, approximately in bytes of
            memory. None for no limit.

    Attributes:
        id: The id of the completion, or None.
        model: The model of the completion, or None.

    Raises:
        ValueError: A limit isn't a valid number.
    """

    _active_tracker: UpdateTracker | None

    @overload
    def __init__(
        self: Accumulator[ChatCompletionChunk, ChatCompletion],
        *,
        kind: Literal["chat"],
        **limits: Unpack[AccumulatorOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: Accumulator[CompletionChunk, Completion],
        *,
        kind: Literal["completion"],
        **limits: Unpack[AccumulatorOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: Accumulator[Chunk, Result],
        *,
        kind: CompletionKind | None = ...,
        **limits: Unpack[AccumulatorOptions],
    ) -> None: ...

    def __init__(
        self,
        *,
        kind: CompletionKind | None = None,
        max_choices: int | None = MAX_CHOICES,
        max_tool_calls: int | None = MAX_TOOL_CALLS,
        max_accumulated_bytes: int | None = MAX_ACCUMULATED,
    ) -> None:
        super().__init__(max_accumulated_bytes)
        check_number("max_choices", max_choices)
        check_number("max_tool_calls", max_tool_calls)
        self._max_choices = max_choices
        self._budget = Budget(max_accumulated_bytes, max_tool_calls)
        self.id: str | None = None
        self._created: int | float | None = None
        self.model: str | None = None
        self._last_model: str | None = None
        self._lacks_head = True  # whether id, created or model is still missing
        self._usage: UsageState | None = None
        self._usage_elsewhere: UsageState | None = None  # from `x_groq` or a choice
        self._system_fingerprint: str | None = None
        self._service_tier: str | None = None
        self._moderation: dict[str, Any] | None = None
        # Most completions have none, and there can be many idle streams.
        self._extra: dict[str, Any] | None = None
        self._notes: NoteRecorder | None = None
        self._choices: dict[int, ChatChoiceState | CompletionChoiceState] = {}
        self._kind: type[Result] | None = None
        if kind is not None:
            check_choice("kind", kind, "chat", "completion")
            self._kind = ChatCompletion if kind == "chat" else Completion
        self._likely_kind: type[Result] = self._kind or ChatCompletion
        self._chunks_seen = 0
        # The choices that the fast path of add() can append to: those that didn't finish.
        self._open: dict[int, ChatChoiceState | CompletionChoiceState] = {}

    def add(self, chunk: ChunkT) -> None:
        """
        Add a chunk.

        Args:
            chunk: The next chunk of the stream. An accumulator serves one stream.

        Raises:
            TypeError: `chunk` isn't a chunk, or is of the other kind (chat, legacy) than the chunks
                before it.
            LimitExceeded: The chunk exceeds a limit; `partial` has the completion so far. Later
                calls raise the same error.
        """
        if self.stopped:
            self._raise_error()
        chat = chunk if isinstance(chunk, ChatCompletionChunk) else None
        if chat is None or self._kind is not ChatCompletion:
            self._check(chunk)
        try:
            if chat is not None:
                # Fast path: a chat choice that brings only text, for a choice that began and didn't
                # finish. All other choices take the slow path, `_add_choice`.
                for choice in chat.choices:
                    text = choice.only_text()
                    if text is not None and (state := self._open.get(choice.index)) is not None:
                        state.content.add(text)
                        if self._active_tracker is not None:
                            self._active_tracker.add_text(state, text)
                    else:
                        self._add_choice(choice)
                if chat.service_tier is not None:
                    self._service_tier = chat.service_tier
                if chat.moderation is not None:
                    self._moderation = chat.moderation
            else:
                for legacy_choice in chunk.choices:
                    self._add_choice(legacy_choice)
            self._chunks_seen += 1
            self._last_model = chunk.model or self._last_model
            if self._lacks_head:
                self._add_head(chunk)
            if chunk.system_fingerprint is not None:
                self._system_fingerprint = chunk.system_fingerprint
            if chunk.usage is not None or chunk.extra:
                self._add_usage_and_extra(chunk)
            if self._budget.left < 0:
                self._budget.raise_overrun()
        except BaseException as error:
            self._break_off(error)
            raise

    def _make_tracker(self) -> UpdateTracker:
        from ._updates import UpdateTracker  # noqa: PLC0415 - most programs need none

        return UpdateTracker()

    def _add_head(self, chunk: Chunk) -> None:
        # The first value that isn't empty counts.
        self.id = self.id or chunk.id or None
        self._created = self._created or chunk.created or None
        self.model = self.model or chunk.model or None
        self._lacks_head = self.id is None or self._created is None or self.model is None

    def _add_usage_and_extra(self, chunk: Chunk) -> None:
        if chunk.usage is not None:
            self._usage = self._usage or UsageState(self._budget)
            self._add_usage(self._usage, chunk.usage)
        if chunk.extra:
            self._add_usage_elsewhere(chunk.extra.get("x_groq"))
            self._note_ignored_values(chunk)
            self._extra = self._extra or {}
            keep_last(self._extra, unknown_fields(chunk), self._budget)

    def _add_usage_elsewhere(self, fields: Any) -> None:
        usage = fields.get("usage") if is_object(fields) else None
        if is_object(usage):
            self._usage_elsewhere = self._usage_elsewhere or UsageState(self._budget)
            self._add_usage(self._usage_elsewhere, build(CompletionUsage, usage))

    def _add_usage(self, state: UsageState, usage: CompletionUsage) -> None:
        for model in state.add(usage):
            self._note_ignored_values(model)

    def _note_ignored_values(self, model: Model) -> None:
        if model.extra:
            self._notes = self._notes or NoteRecorder(NoteKind.VALUE_IGNORED)
            self._notes.add_ignored_values(model)

    def _add_choice(self, choice: ChunkChoice | CompletionChunkChoice) -> None:
        state: Any = self._choices.get(choice.index)
        if state is None:
            # Choices are numbered from 0: an index beyond the limit means that there are too many.
            check_count("choices", "choices", self._max_choices, len(self._choices), choice.index)
            is_chat = isinstance(choice, ChunkChoice)
            kind = ChatChoiceState if is_chat else CompletionChoiceState
            state = self._choices[choice.index] = kind(choice.index, self._budget)
            self._open[choice.index] = state
        calls = state.add(choice)
        if choice.extra:
            self._add_usage_elsewhere(choice.extra)
        if choice.finish_reason:
            self._open.pop(choice.index, None)
        if self._active_tracker is not None:
            self._active_tracker.add(state, choice, calls)

    def _check(self, chunk: Chunk, /) -> None:
        """Check the kind of a chunk. The first chunk with choices decides the completion's kind."""
        kind = ChatCompletion if isinstance(chunk, ChatCompletionChunk) else Completion
        if kind is Completion and not isinstance(chunk, CompletionChunk):
            raise TypeError(
                "add() takes a ChatCompletionChunk or a CompletionChunk, not "
                f"{type(chunk).__name__}: ChunkParser parses bytes into chunks"
            )
        if not chunk.choices:
            self._likely_kind = self._kind or kind
        elif self._kind is None:
            self._kind = self._likely_kind = kind
        elif self._kind is not kind:
            raise TypeError("Chat and legacy chunks can't be mixed: use one Accumulator per stream")

    @property
    @breaking
    def text(self) -> str:
        """The text of choice 0 so far, "" if there is none."""
        state = self._choices.get(0)
        return (state.content.value or "") if state is not None else ""

    @property
    def finished(self) -> bool:
        """Whether there is a choice, and every choice has a finish reason, with no text after."""
        return bool(self._choices) and not any(each.is_open for each in self._choices.values())

    @property
    def usage(self) -> CompletionUsage | None:
        """The latest value of each token count that the server sent; None if it sent none."""
        state = self._used_usage
        return None if state is None else state.result()

    @property
    def _used_usage(self) -> UsageState | None:
        usage, elsewhere = self._usage, self._usage_elsewhere
        if usage is None or (usage.is_zero and elsewhere is not None and not elsewhere.is_zero):
            return elsewhere
        return usage

    @breaking
    def json_content(self, *, choice: int = 0) -> PartialJSON:
        """
        Return the parser of a choice's text as partial JSON, for use with `response_format`.

        The first call parses the text received so far; new text is parsed as it is added.

        Args:
            choice: The choice's index.

        Returns:
            The parser of the text; a new one if there is no such choice yet.
        """
        state = self._choices.get(choice)
        return no_json() if state is None else state.content.json

    @breaking
    def json_arguments(self, call: int = 0, *, choice: int = 0) -> PartialJSON:
        """
        Return the parser of a tool call's arguments as partial JSON.

        The first call parses the arguments received so far; new ones are parsed as they are added.

        Args:
            call: The tool call's position in `message.tool_calls`.
            choice: The choice's index.

        Returns:
            The parser of the arguments; a new one if there is no such call yet.
        """
        state = self._choices.get(choice)
        assembler = state.tool_calls if isinstance(state, ChatChoiceState) else None
        calls = assembler.calls if assembler else []
        return calls[call].callee.arguments.json if 0 <= call < len(calls) else no_json()

    @breaking
    def snapshot(self) -> ResultT:
        """
        Return the completion so far.

        Adding chunks doesn't change the snapshot. Don't modify its innermost values (token counts,
        log-probabilities, unknown fields): they can be shared with the chunks.
        """
        # Padding and errors aren't part of a completion. A chunk of the other kind, before the
        # first choice, can have an unknown field that this kind knows.
        dropped = {"p", "obfuscation", "error", *self._likely_kind.wire_fields()}
        fields = copy_fields(self._extra or {})
        common: dict[str, Any] = {
            "id": self.id,
            "created": self._created,
            "model": self.model,
            "choices": [self._choices[index].result() for index in sorted(self._choices)],
            "usage": self.usage,
            "system_fingerprint": self._system_fingerprint,
            "extra": {name: value for name, value in fields.items() if name not in dropped},
            "notes": tuple(self._all_notes()),
        }
        result = (
            Completion(**common)
            if self._likely_kind is Completion
            else ChatCompletion(
                **common, service_tier=self._service_tier, moderation=self._moderation
            )
        )
        return cast("ResultT", result)

    def _all_notes(self) -> Iterator[Note]:
        yield from self._notes or ()
        if self._last_model != self.model and self._last_model is not None:
            yield Note(NoteKind.MODEL_CHANGED, detail=self._last_model)
        usage = self._used_usage
        if usage is not None and usage.is_truncated:
            yield Note(NoteKind.VALUE_IGNORED, detail="usage")
        if usage is not self._usage:
            yield Note(NoteKind.USAGE_ELSEWHERE)
        for index in sorted(self._choices):
            yield from self._choices[index].notes()

    @property
    def _is_empty(self) -> bool:
        return not self._choices

    def _missing(self, end: End | None) -> IncompleteStream:
        if end is not None:
            return incomplete(end)
        states = self._choices.items()
        reasons = {index: None if each.is_open else each.finish_reason for index, each in states}
        chunks = count(self._chunks_seen, "chunk")
        if reasons:
            missing = f"No finish_reason for {describe_unfinished(reasons)} in {chunks}"
        else:
            missing = f"No choice in {chunks}" if self._chunks_seen else "No chunk was added"
        return unfinished(missing, events_seen=self._chunks_seen, finish_reasons=reasons)
