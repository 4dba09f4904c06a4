"""Accumulator: chunks to the completion they make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from .._end import End, EndCause
from .._errors import LimitExceeded
from .._json import is_object
from .._options import check_bytes, check_number
from .._stage import Breakable, breaking
from ..payloads._growing import Budget, GrowingText, copy_fields, keep_last, no_json, unknown_fields
from ..payloads._model import build
from ._choices import ChatChoiceState, CompletionChoiceState, Notes, make_incomplete
from ._incomplete import incomplete
from ._models import (
    ChatCompletionChunk,
    Chunk,
    ChunkChoice,
    CompletionChunk,
    CompletionChunkChoice,
    CompletionUsage,
)
from ._results import ChatCompletion, Completion, Note, NoteKind, Result

if TYPE_CHECKING:
    from ..payloads._partial_json import PartialJSON
    from ._updates import Update, Watch


MAX_CHOICES = 16384
MAX_TOOL_CALLS = 4096
MAX_ACCUMULATED = 512 * 1024 * 1024


def check_choice_limit(index: int, known: int, maximum: int | None) -> None:
    """
    Refuse a new choice that is one too many.

    Args:
        index: Its index. Choices are numbered from 0, so one beyond the limit says that there
            are more than it allows.
        known: How many choices there are.
        maximum: The limit; None for none.

    Raises:
        LimitExceeded: It is one too many.
    """
    if maximum is not None and (known >= maximum or index >= maximum):
        raise LimitExceeded(
            limit="choices",
            maximum=maximum,
            what=f"More than {maximum:,} choices, or an index as large",
            advice="raise max_choices if you trust the server",
        )


_EMPTY = CompletionUsage()


class ReportedUsage:
    """
    Token counts as the server reported them so far.

    The last counts win, and are never added up. Empty ones don't replace others. Counts in other
    places, Groq's `x_groq` and the choices, count where `usage` isn't sent.
    """

    __slots__ = ("_elsewhere", "_usage")

    def __init__(self) -> None:
        self._usage: CompletionUsage | None = None
        self._elsewhere: CompletionUsage | None = None

    @property
    def value(self) -> CompletionUsage | None:
        """The token counts, or None where none were reported."""
        return self._elsewhere if self._usage is None else self._usage

    @property
    def is_elsewhere(self) -> bool:
        """Whether they were reported in another place than `usage`."""
        return self._usage is None and self._elsewhere is not None

    def add(self, chunk: Chunk) -> None:
        """Add the counts of a chunk, but for those inside its choices."""
        if chunk.usage is not None and (self._usage is None or chunk.usage != _EMPTY):
            self._usage = chunk.usage
        self._add_elsewhere(chunk.extra.get("x_groq"))

    def add_choice(self, choice: ChunkChoice | CompletionChunkChoice) -> None:
        """Add the counts inside a choice."""
        self._add_elsewhere(choice.extra)

    def _add_elsewhere(self, holder: Any) -> None:
        usage = holder.get("usage") if is_object(holder) else None
        if is_object(usage):
            self._elsewhere = build(CompletionUsage, usage)


# Not part of a completion: padding that hides its length, and errors, which are raised.
_DROPPED = ("p", "obfuscation", "error")


class Accumulator(Breakable):
    """
    Put chunks together into the completion that the non-streaming API would have answered.

    Whether it is a chat or a legacy completion, the chunks decide. Choices are kept apart by
    their index, in whatever order they come. Usage is replaced, never added up, and a finish
    reason is never invented. Work is linear in what is added.

    Args:
        max_choices: How many choices there may be; an index beyond it is one too many, too.
            None for no limit.
        max_tool_calls: How many tool calls there may be, in all choices together; None for no
            limit.
        max_accumulated_bytes: How much may be kept, roughly in bytes of memory; None for no limit.

    Raises:
        ValueError: A limit is no number above 0.
    """

    def __init__(
        self,
        *,
        max_choices: int | None = MAX_CHOICES,
        max_tool_calls: int | None = MAX_TOOL_CALLS,
        max_accumulated_bytes: int | None = MAX_ACCUMULATED,
    ) -> None:
        super().__init__()
        check_number("max_choices", max_choices)
        check_number("max_tool_calls", max_tool_calls)
        check_bytes("max_accumulated_bytes", max_accumulated_bytes)
        self._max_choices = max_choices
        self._budget = Budget(max_accumulated_bytes, max_tool_calls)
        self._id: str | None = None
        self._created: int | float | None = None
        self._model: str | None = None
        self._usage = ReportedUsage()
        self._system_fingerprint: str | None = None
        self._service_tier: str | None = None
        self._moderation: dict[str, Any] | None = None
        self._extra: dict[str, Any] | None = None
        self._chat: dict[int, ChatChoiceState] = {}
        self._legacy: dict[int, CompletionChoiceState] | None = None
        self._kind: type[Result] | None = None
        self._likely_kind: type[Result] = ChatCompletion
        self._chunks_seen = 0
        self._last_model: str | None = None
        self._notes: Notes | None = None
        self._watch: Watch | None = None
        self._watching: Watch | None = None
        # Whether a field that names the completion has still to come.
        self._headless = True
        # The texts of the choices that neither finished nor are watched.
        self._texts: dict[int, GrowingText] = {}

    def add(self, chunk: Chunk) -> None:
        """
        Add a chunk.

        Args:
            chunk: The next chunk of the one stream that this accumulator serves.

        Raises:
            TypeError: It is no chunk, or of the other kind than the chunks before it.
            LimitExceeded: It exceeds a limit; `partial` holds what came. Later calls raise it.
        """
        if self.stopped:
            self._raise_error()
        chat = chunk if isinstance(chunk, ChatCompletionChunk) else None
        if chat is None or self._kind is not ChatCompletion:
            self._settle(chunk)
        try:
            if chat is not None:
                for choice in chat.choices:
                    text = choice.only_text()
                    if text is not None and (content := self._texts.get(choice.index)) is not None:
                        content.add(text)
                    else:
                        self._add_choice(choice)
                if chat.service_tier is not None:
                    self._service_tier = chat.service_tier
                if chat.moderation is not None:
                    self._moderation = chat.moderation
            else:
                self._add_legacy(cast("CompletionChunk", chunk))
            self._chunks_seen += 1
            self._last_model = chunk.model or self._last_model
            if self._headless:
                self._add_head(chunk)
            if chunk.system_fingerprint is not None:
                self._system_fingerprint = chunk.system_fingerprint
            if chunk.usage is not None or chunk.extra:
                self._add_rest(chunk)
            if self._budget.left < 0:
                self._budget.raise_overrun()
        except BaseException as error:
            self._break_off(error)
            raise

    def updates(self, chunk: Chunk) -> list[Update]:
        """
        Add a chunk; return what it changed.

        What ends without the server saying so is told by `last_updates()`. What `add()` took
        is not told.

        Args:
            chunk: The next chunk, as for `add()`.

        Returns:
            The changes, in order: texts, tool calls, what is done, the finish reason, and token
            counts; none where the chunk changed nothing that updates tell.

        Raises:
            TypeError, SSEError: As `add()` does.
        """
        self._raise_error()
        self._settle(chunk)
        try:
            if self._watch is None:
                # Most programs do without updates.
                from ._updates import Watch  # noqa: PLC0415

                self._watch = Watch()
            watch = self._watching = self._watch
            # What is added without a closer look is not told.
            self._texts.clear()
            self.add(chunk)
            self._watching = None
            watch.see_usage(self.usage)
            return watch.take()
        except BaseException as error:
            # What the fault cut short is not told later.
            self._watch = None
            super()._break_off(error)
            raise

    @breaking
    def last_updates(self) -> list[Update]:
        """
        Take the end of the stream; return what is done by it.

        Call it where the stream ended well. What a cut left open is not done.

        Returns:
            The `...Done` of the texts and tool calls that were still open.
        """
        if self.stopped and not isinstance(self._error, LimitExceeded):
            self._raise_error()
        if self._watch is None:
            return []
        self._watch.see_end()
        return self._watch.take()

    def _add_head(self, chunk: Chunk) -> None:
        """Keep of each field that names the completion the first value that is one."""
        self._id = self._id or chunk.id or None
        self._created = self._created or chunk.created or None
        self._model = self._model or chunk.model or None
        self._headless = self._id is None or self._created is None or self._model is None

    def _add_rest(self, chunk: Chunk) -> None:
        self._usage.add(chunk)
        if not chunk.extra:
            return
        self._notes = self._notes or Notes()
        self._notes.add_unread(chunk)
        self._extra = self._extra or {}
        keep_last(self._extra, unknown_fields(chunk), self._budget)

    def _add_choice(self, choice: ChunkChoice) -> None:
        state = self._chat.get(choice.index)
        if state is None:
            check_choice_limit(choice.index, len(self._chat), self._max_choices)
            state = self._chat[choice.index] = ChatChoiceState(choice.index, self._budget)
            if self._watching is None:
                self._texts[choice.index] = state.content
        calls = state.add(choice)
        if choice.extra:
            self._usage.add_choice(choice)
        if choice.finish_reason:
            self._texts.pop(choice.index, None)
        if self._watching is not None:
            self._watching.see_chat(state, choice, calls)

    def _add_legacy(self, chunk: CompletionChunk) -> None:
        states = self._legacy = self._legacy or {}
        for choice in chunk.choices:
            state = states.get(choice.index)
            if state is None:
                check_choice_limit(choice.index, len(states), self._max_choices)
                state = states[choice.index] = CompletionChoiceState(choice.index, self._budget)
            state.add(choice)
            if self._watching is not None:
                self._watching.see_legacy(state, choice)

    def _break_off(self, error: BaseException) -> None:
        super()._break_off(error)
        if isinstance(error, LimitExceeded):
            error.partial = self.snapshot()

    def _settle(self, chunk: Chunk) -> None:
        """Keep to the kind of the first chunk with choices; until then the latest is likely."""
        kind = ChatCompletion if isinstance(chunk, ChatCompletionChunk) else Completion
        if kind is Completion and not isinstance(chunk, CompletionChunk):
            raise TypeError(
                f"add() takes a ChatCompletionChunk or a CompletionChunk, "
                f"not {type(chunk).__name__}; ChunkParser makes them from bytes"
            )
        if not chunk.choices:
            self._likely_kind = self._kind or kind
        elif self._kind is None:
            self._kind = self._likely_kind = kind
        elif self._kind is not kind:
            raise TypeError("chat and legacy chunks do not mix: use one accumulator per stream")

    @property
    def _choices(self) -> dict[int, ChatChoiceState] | dict[int, CompletionChoiceState]:
        return self._legacy or self._chat

    @property
    @breaking
    def text(self) -> str:
        """The text of choice 0 so far, "" if there is none."""
        state = self._choices.get(0)
        return (state.content.value or "") if state is not None else ""

    @property
    def finished(self) -> bool:
        """Whether there is a choice, and every choice has its finish reason."""
        states = self._choices.values()
        return bool(states) and all(state.finish.first is not None for state in states)

    @property
    def usage(self) -> CompletionUsage | None:
        """The token counts that the server sent last, or None."""
        return self._usage.value

    @breaking
    def json_content(self, *, choice: int = 0) -> PartialJSON:
        """
        Return a choice's text so far, read as JSON: what `response_format` asks for.

        The first call reads what has come; from then on the text is read as it comes, once.

        Args:
            choice: The choice, by its index.

        Returns:
            The text read so far; one that has read nothing, where there is no such choice yet.
        """
        state = self._choices.get(choice)
        return no_json() if state is None else state.content.json

    @breaking
    def json_arguments(self, call: int = 0, *, choice: int = 0) -> PartialJSON:
        """
        Return a tool call's arguments so far, read as JSON.

        The first call reads what has come; from then on they are read as they come, once.

        Args:
            call: The tool call, by its place in `message.tool_calls`.
            choice: The choice, by its index.

        Returns:
            The arguments read so far; one that has read nothing, where there is no such call yet.
        """
        state = self._chat.get(choice)
        calls = state.tool_calls.calls if state is not None and state.tool_calls else []
        return calls[call].callee.arguments.json if 0 <= call < len(calls) else no_json()

    @breaking
    def snapshot(self) -> Result:
        """
        Return the completion as far as it has come.

        The snapshot does not change when more chunks are added. Read it: what is innermost in it
        (token counts, log-probabilities, unknown fields) may be the chunks' own.
        """
        # A chunk of the other kind, before the first choice, may have had one of these.
        dropped = {*_DROPPED, *self._likely_kind.wire_fields()}
        fields = copy_fields(self._extra or {})
        extra = {name: value for name, value in fields.items() if name not in dropped}
        if self._likely_kind is Completion:
            return Completion(
                id=self._id,
                created=self._created,
                model=self._model,
                choices=[state.result() for _, state in sorted((self._legacy or {}).items())],
                usage=self.usage,
                system_fingerprint=self._system_fingerprint,
                extra=extra,
                notes=tuple(self._all_notes()),
            )
        return ChatCompletion(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=[state.result() for _, state in sorted(self._chat.items())],
            usage=self.usage,
            system_fingerprint=self._system_fingerprint,
            service_tier=self._service_tier,
            moderation=self._moderation,
            extra=extra,
            notes=tuple(self._all_notes()),
        )

    def _all_notes(self) -> Iterator[Note]:
        yield from self._notes or ()
        if self._last_model != self._model and self._last_model is not None:
            yield Note(NoteKind.MODEL_CHANGED, detail=self._last_model)
        if self._usage.is_elsewhere:
            yield Note(NoteKind.USAGE_ELSEWHERE)
        for index in sorted(self._choices):
            yield from self._choices[index].notes()

    def result(self, end: End | None = None) -> Result:
        """
        Return the completion, if it is whole.

        Args:
            end: How the stream ended, as its parser's `end` tells. With it, the [DONE] mark makes
                a completion whole too: some answers, spoken ones for example, have no finish
                reason. And no fault does. Without it, only finish reasons count.

        Raises:
            IncompleteStream: A choice has no finish reason, or there is no choice; or `end` is
                not complete. `partial` holds what came, as `snapshot()` returns it.
            SSEError: An earlier call raised it; or, as `BrokenStage`, it was interrupted.
        """
        if self.error is not None:
            self.error.partial = self.snapshot()
            self._raise_error()
        if end is not None and not end.finish_reasons:
            # It can be the end of a parser of events, which knows no choices: to that, every end
            # between two events is FINISHED.
            is_incomplete = end.cause is EndCause.INCOMPLETE
            if end.cause is EndCause.FINISHED or (is_incomplete and self._choices):
                end = None
        if self.finished if end is None else end.complete:
            return self.snapshot()
        if end is None:
            reasons = {index: state.finish.first for index, state in self._choices.items()}
            error = make_incomplete(reasons, self._chunks_seen)
        else:
            error = incomplete(end)
        error.partial = self.snapshot()
        raise error
