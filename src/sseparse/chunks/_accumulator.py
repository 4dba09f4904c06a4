"""The finished completion out of its chunks."""

from __future__ import annotations

from typing import Any

from .._ends import End, EndCause
from .._errors import IncompleteStream
from ._chat_chunk import ChatCompletionChunk
from ._chat_state import ChatChoiceState
from ._completion_chunk import CompletionChunk
from ._completion_state import CompletionChoiceState
from ._decoder import Chunk
from ._json import is_object
from ._merge import keep_last, unknown_fields
from ._results import ChatCompletion, Completion
from ._usage import CompletionUsage
from ._wire import build

Result = ChatCompletion | Completion

# Not part of a completion: padding that hides its length, and errors, which are raised.
_DROPPED = ("p", "error")


class Accumulator:
    """
    Put chunks together into the completion that the non-streaming API would have answered.

    Whether it is a chat or a legacy completion, the chunks decide. Choices are kept apart by
    their index, in whatever order they come. Usage is replaced, never added up, and a finish
    reason is never invented. Work is linear in what is added.
    """

    def __init__(self) -> None:
        self._id: str | None = None
        self._created: int | float | None = None
        self._model: str | None = None
        self._usage: CompletionUsage | None = None
        self._system_fingerprint: str | None = None
        self._service_tier: str | None = None
        self._moderation: dict[str, Any] | None = None
        self._extra: dict[str, Any] = {}
        self._chat: dict[int, ChatChoiceState] = {}
        self._legacy: dict[int, CompletionChoiceState] = {}
        self._kind: type[Result] | None = None
        self._likely_kind: type[Result] = ChatCompletion
        self._chunks_seen = 0

    def add(self, chunk: Chunk) -> None:
        """
        Add a chunk.

        Args:
            chunk: The next chunk of the one stream that this accumulator serves.

        Raises:
            TypeError: It is no chunk, or of the other kind than the chunks before it.
        """
        if isinstance(chunk, ChatCompletionChunk):
            self._add_chat(chunk)
        elif isinstance(chunk, CompletionChunk):
            self._add_legacy(chunk)
        else:
            raise TypeError(
                f"add() takes a ChatCompletionChunk or a CompletionChunk, "
                f"not {type(chunk).__name__}; ChunkParser makes them from bytes"
            )
        self._chunks_seen += 1
        if self._id is None or self._created is None or self._model is None:
            self._id = self._id or chunk.id or None
            self._created = self._created or chunk.created or None
            self._model = self._model or chunk.model or None
        if chunk.usage is not None:
            self._usage = chunk.usage
        if chunk.system_fingerprint is not None:
            self._system_fingerprint = chunk.system_fingerprint
        if chunk.extra:
            keep_last(self._extra, unknown_fields(chunk))

    def _add_chat(self, chunk: ChatCompletionChunk) -> None:
        if self._kind is not ChatCompletion:
            self._settle(ChatCompletion, chunk)
        for choice in chunk.choices:
            state = self._chat.get(choice.index)
            if state is None:
                state = self._chat[choice.index] = ChatChoiceState(choice.index)
            state.add(choice)
        if chunk.service_tier is not None:
            self._service_tier = chunk.service_tier
        if chunk.moderation is not None:
            self._moderation = chunk.moderation

    def _add_legacy(self, chunk: CompletionChunk) -> None:
        if self._kind is not Completion:
            self._settle(Completion, chunk)
        for choice in chunk.choices:
            state = self._legacy.get(choice.index)
            if state is None:
                state = self._legacy[choice.index] = CompletionChoiceState(choice.index)
            state.add(choice)

    def _settle(self, kind: type[Result], chunk: Chunk) -> None:
        """Keep to the kind of the first chunk with choices; until then the latest is likely."""
        if not chunk.choices:
            self._likely_kind = self._kind or kind
        elif self._kind is None:
            self._kind = self._likely_kind = kind
        else:
            raise TypeError(
                "chunks of chat and of legacy completions do not mix; use an accumulator a stream"
            )

    @property
    def _choices(self) -> dict[int, ChatChoiceState] | dict[int, CompletionChoiceState]:
        return self._legacy if self._kind is Completion else self._chat

    @property
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
        if self._usage is None:
            # Groq's older servers report usage here alone.
            groq = self._extra.get("x_groq")
            usage = groq.get("usage") if is_object(groq) else None
            return build(CompletionUsage, usage) if is_object(usage) else None
        return self._usage

    def snapshot(self) -> Result:
        """
        Return the completion as far as it has come.

        The snapshot does not change when more chunks are added. Read it: what is innermost in it
        (token counts, log-probabilities, unknown fields) may be the chunks' own.
        """
        extra = {name: value for name, value in self._extra.items() if name not in _DROPPED}
        if self._likely_kind is Completion:
            return Completion(
                id=self._id,
                created=self._created,
                model=self._model,
                choices=[self._legacy[index].result() for index in sorted(self._legacy)],
                usage=self.usage,
                system_fingerprint=self._system_fingerprint,
                extra=extra,
            )
        return ChatCompletion(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=[self._chat[index].result() for index in sorted(self._chat)],
            usage=self.usage,
            system_fingerprint=self._system_fingerprint,
            service_tier=self._service_tier,
            moderation=self._moderation,
            extra=extra,
        )

    def result(self) -> Result:
        """
        Return the completion, if it is whole.

        Raises:
            IncompleteStream: A choice has no finish reason, or there is no choice; `partial`
                holds what came. `snapshot()` returns that without a question.
        """
        if not self.finished:
            end = End(cause=EndCause.INCOMPLETE, events_seen=self._chunks_seen)
            error = IncompleteStream(end=end)
            error.partial = self.snapshot()
            raise error
        return self.snapshot()
