"""The finished completion, in the shape of the non-streaming answer."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec

from ._logprobs import ChoiceLogprobs, CompletionLogprobs
from ._model import NEVER, Model
from ._notes import Note
from ._usage import CompletionUsage

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
