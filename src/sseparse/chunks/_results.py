"""Completions, and the notes on what accumulating them decided."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, ClassVar, Final

import msgspec
from attrs import frozen

from ..payloads._model import NEVER, Model
from ._models import ChoiceLogprobs, CompletionLogprobs, CompletionUsage


class NoteKind(Enum):
    """Name the assumptions."""

    ROLE_ASSUMED = "role_assumed"
    """No chunk of the choice named a role."""
    MODEL_CHANGED = "model_changed"
    """The last chunk names another model than the first that named one; `detail` is its name."""
    USAGE_ELSEWHERE = "usage_elsewhere"
    """No chunk had `usage`; its `x_groq` or a choice had."""
    INDEX_ASSUMED = "index_assumed"
    """A chunk's choice had none."""
    CONTENT_PARTS = "content_parts"
    """Text parts became content, thinking parts became reasoning."""
    FINISHED_AGAIN = "finished_again"
    """`finish_reasons_seen` has them all."""
    AFTER_FINISH = "after_finish"
    """A delta that was not empty came later than the choice's finish reason."""
    CALL_WITHOUT_INDEX = "call_without_index"
    """A piece of the call had none, or a negative one."""
    CALL_INDEX_SHARED = "call_index_shared"
    """Some servers number all calls 0."""
    CALL_UNNAMED = "call_unnamed"
    """It became a call of its own."""
    ARGUMENTS_MISSING = "arguments_missing"
    """They are kept as the empty text."""
    ARGUMENTS_OBJECT = "arguments_object"
    """They should be a JSON text."""
    VALUE_IGNORED = "value_ignored"
    """`detail` is the field's name; the chunk's `extra` has the value."""


_SAID: Final[Mapping[NoteKind, str]] = {
    NoteKind.ROLE_ASSUMED: "the server never sent a role; it is taken to be the assistant's",
    NoteKind.MODEL_CHANGED: "the server named another model later; the first is kept",
    NoteKind.USAGE_ELSEWHERE: (
        "token counts came in another field than usage; they are taken from there"
    ),
    NoteKind.INDEX_ASSUMED: "the server sent no index; it is taken to be 0",
    NoteKind.CONTENT_PARTS: "the content came as a list of parts; their texts are joined",
    NoteKind.FINISHED_AGAIN: "the server sent another finish reason later; the first is kept",
    NoteKind.AFTER_FINISH: "more came after the finish reason; it is kept",
    NoteKind.CALL_WITHOUT_INDEX: (
        "the tool call has no index; its pieces were found by id or by place"
    ),
    NoteKind.CALL_INDEX_SHARED: (
        "an earlier tool call has the same index; id or name tell them apart"
    ),
    NoteKind.CALL_UNNAMED: "a piece of a tool call had no index, id or name, and no call was open",
    NoteKind.ARGUMENTS_MISSING: "the choice finished, and no arguments of the tool call came",
    NoteKind.ARGUMENTS_OBJECT: "the arguments came as a JSON object; its JSON text is kept",
    NoteKind.VALUE_IGNORED: (
        "a known field has a value of an unforeseen type; only its chunk keeps it"
    ),
}


@frozen(repr=False)
class Note:
    """
    Tell one thing that had to be assumed.

    Attributes:
        kind: What was assumed.
        choice: The choice it is about, by its index; None for the completion itself.
        call: The tool call it is about, by its place in `tool_calls`; None for none.
        detail: What the kind leaves open, "" for nothing.
    """

    kind: NoteKind
    choice: int | None = None
    call: int | None = None
    detail: str = ""

    def __str__(self) -> str:
        places = (("choice", self.choice), ("tool call", self.call))
        where = ", ".join(f"{name} {number}" for name, number in places if number is not None)
        detail = f" ({self.detail})" if self.detail else ""
        return f"{where}: {_SAID[self.kind]}{detail}" if where else f"{_SAID[self.kind]}{detail}"

    def __repr__(self) -> str:
        places = (("choice", self.choice), ("call", self.call), ("detail", self.detail or None))
        said = "".join(f", {name}={value!r}" for name, value in places if value is not None)
        return f"Note({self.kind.name}{said})"


# A field without a default is one that the API always sends: to_dict() keeps it when it is None.


FILTER_OFFSETS = "content_filter_offsets"
"""What says that a filter beside the answer judged a stretch of it."""


class Function(Model, kw_only=True):
    """
    Name the function to call, and give its arguments.

    Attributes:
        name: The function's name.
        arguments: The arguments, as the JSON text that came.
    """

    name: str
    arguments: str


class CustomTool(Model, kw_only=True):
    """
    Name the custom tool to call, and give its input.

    Attributes:
        name: The tool's name.
        input: The input, free text.
    """

    name: str
    input: str


class ToolCall(Model, kw_only=True):
    """
    Hold one tool call.

    Attributes:
        id: The call's id, or None where the server sent none.
        type: "function" or "custom".
        function: The function to call.
        custom: The custom tool to call.
    """

    id: str | None
    type: str
    function: Function | None = None
    custom: CustomTool | None = None


class Audio(Model, kw_only=True):
    """
    Hold the spoken answer.

    Attributes:
        id: The audio's id.
        data: The sound, base64.
        transcript: What is said.
        expires_at: When the server forgets the audio, in seconds since 1970.
    """

    id: str | None = None
    data: str | None = None
    transcript: str | None = None
    expires_at: int | None = None


class ChatMessage(Model, kw_only=True):
    """
    Hold the message of one choice.

    Attributes:
        role: Who speaks.
        content: The text; None where none came, as in an answer of tool calls alone.
        refusal: The refusal, if the model refused.
        tool_calls: The tool calls, in order.
        function_call: The function call, the form before tool calls.
        audio: The spoken answer.
        annotations: References that belong to the text.
        reasoning_content: The reasoning, where the server names it so.
        reasoning: The reasoning, where the server names it so.
        reasoning_details: The structured reasoning.
    """

    role: str
    content: str | None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None
    audio: Audio | None = None
    annotations: list[dict[str, Any]] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[dict[str, Any]] | None = None


class ChatChoice(Model, kw_only=True):
    """
    Hold one choice.

    Attributes:
        index: Its place among the choices.
        message: Its message.
        finish_reason: Why it ended: the first reason that came, or None where none did.
        logprobs: Its tokens' log-probabilities.
        finish_reasons_seen: All reasons that came, where they were not all the same.
        content_filters: What a filter that works beside the answer said of stretches of it, one
            after the other; the last also stands in `extra`. Not part of `to_dict()`.

    Source: Azure OpenAI documentation, "Content streaming".
    """

    _private: ClassVar[int] = 3

    content_filters: Annotated[list[dict[str, Any]], NEVER] = msgspec.field(  # pyright: ignore[reportUnknownVariableType]
        default_factory=list,  # a bare `list`, as in the base, is one that is left out when empty
        name=" content_filters",
    )
    index: int
    message: ChatMessage
    finish_reason: str | None
    logprobs: ChoiceLogprobs | None = None
    finish_reasons_seen: list[str] | None = None


class Answer(Model, kw_only=True, eq=False):
    """
    Hold a completion, whole or as far as it came.

    Two are equal when all but their notes is.

    Attributes:
        notes: What had to be assumed to make it of its chunks. Not part of `to_dict()`.
    """

    _private: ClassVar[int] = 3

    notes: Annotated[tuple[Note, ...], NEVER] = msgspec.field(default=(), name=" notes")

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        names = ("extra", *self.wire_fields())
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment] # it can change


class ChatCompletion(Answer, kw_only=True):
    """
    Hold a chat completion, whole or as far as it came.

    Attributes:
        id: The completion's id.
        object: "chat.completion".
        created: When the completion was created, in seconds since 1970.
        model: The model that answered.
        choices: The choices, by their index.
        usage: Token counts, as the server sent them last.
        system_fingerprint: The configuration that the server ran.
        service_tier: The tier that served the request.
        moderation: The verdict on the input and the output.

    Source: OpenAI API reference, "The chat completion object".
    """

    id: str | None
    object: str = "chat.completion"
    created: int | float | None
    model: str | None
    choices: list[ChatChoice]
    usage: CompletionUsage | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    moderation: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The text of choice 0, "" if there is none."""
        for choice in self.choices:
            if choice.index == 0:
                return choice.message.content or ""
        return ""


class CompletionChoice(Model, kw_only=True):
    """
    Hold one choice of a legacy completion.

    Attributes:
        index: Its place among the choices.
        text: Its text.
        finish_reason: Why it ended: the first reason that came, or None where none did.
        logprobs: Its tokens' log-probabilities.
        finish_reasons_seen: All reasons that came, where they were not all the same.
    """

    index: int
    text: str
    finish_reason: str | None
    logprobs: CompletionLogprobs | None
    finish_reasons_seen: list[str] | None = None


class Completion(Answer, kw_only=True):
    """
    Hold a legacy completion, whole or as far as it came.

    Attributes:
        id: The completion's id.
        object: "text_completion".
        created: When the completion was created, in seconds since 1970.
        model: The model that answered.
        choices: The choices, by their index.
        usage: Token counts, as the server sent them last.
        system_fingerprint: The configuration that the server ran.

    Source: OpenAI API reference, "The completion object".
    """

    id: str | None
    object: str = "text_completion"
    created: int | float | None
    model: str | None
    choices: list[CompletionChoice]
    usage: CompletionUsage | None = None
    system_fingerprint: str | None = None

    @property
    def text(self) -> str:
        """The text of choice 0, "" if there is none."""
        for choice in self.choices:
            if choice.index == 0:
                return choice.text
        return ""


Result = ChatCompletion | Completion
