"""Completions, and the notes about assumptions made in accumulating them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, TypeVar, cast, overload

import msgspec
from attrs import frozen

from .._errors import count
from ..payloads._model import NEVER, Model
from ..payloads._parse import ParsableModel, TextType, parse_text
from ._models import ChoiceLogprobs, CompletionLogprobs, CompletionUsage

T = TypeVar("T")


class NoteKind(Enum):
    """Kinds of notes."""

    ROLE_ASSUMED = "role_assumed"
    """No chunk of the choice had a role."""
    MODEL_CHANGED = "model_changed"
    """The last chunk has another model than the first; `detail` is its name."""
    USAGE_ELSEWHERE = "usage_elsewhere"
    """The token counts were in `x_groq` or in a choice, not in `usage`."""
    INDEX_ASSUMED = "index_assumed"
    """A chunk had a choice without an index."""
    CONTENT_PARTS = "content_parts"
    """Content was a list: its text parts became content, its thinking parts reasoning."""
    FINISHED_AGAIN = "finished_again"
    """The choice has several finish reasons; `finish_reasons_seen` lists them."""
    AFTER_FINISH = "after_finish"
    """A delta that wasn't empty followed the choice's finish reason."""
    CALL_WITHOUT_INDEX = "call_without_index"
    """A piece of the call had no index or a negative one."""
    CALL_INDEX_SHARED = "call_index_shared"
    """Calls have the same index; some servers number all calls 0."""
    CALL_ID_CHANGED = "call_id_changed"
    """Pieces of the call have different ids; the first id counts."""
    CALL_UNNAMED = "call_unnamed"
    """A piece of a call that couldn't be matched became a call of its own."""
    ARGUMENTS_MISSING = "arguments_missing"
    """The choice finished, and the call has no arguments: `arguments` is ""."""
    ARGUMENTS_OBJECT = "arguments_object"
    """The arguments were a JSON object, not a JSON text."""
    EVENT_SPLIT = "event_split"
    """An event had a JSON value on each line, or `data:` before its value."""
    ARGUMENTS_REPEATED = "arguments_repeated"
    """The complete arguments arrived again; they count once."""
    ARGUMENTS_REPLACED = "arguments_replaced"
    """The arguments began with `{}`, a placeholder; the arguments after it replaced it."""
    VALUE_IGNORED = "value_ignored"
    """
    A value was left out. `detail` is the name of its field; the value is in the chunk's `extra`.
    For "usage", the value is some of its unknown fields, because there were more than 256.
    """
    REASONING_UNOPENED = "reasoning_unopened"
    """With `think_tags`, an end tag had no start tag: the text before it is the reasoning."""
    NOT_CUMULATIVE = "not_cumulative"
    """deltas="cumulative": a text didn't begin with the previous one; `detail` is its field."""
    NOT_COUNTED = "not_counted"
    """usage="estimate": the tokens can't be counted; `detail` says why."""


_MESSAGES: Final[Mapping[NoteKind, str]] = {
    NoteKind.ROLE_ASSUMED: 'the server sent no role; "assistant" is assumed',
    NoteKind.MODEL_CHANGED: "the server sent another model later; the first is used",
    NoteKind.USAGE_ELSEWHERE: "the token counts were in another field than usage",
    NoteKind.INDEX_ASSUMED: "the server sent no index; 0 is assumed",
    NoteKind.CONTENT_PARTS: "the content was a list of parts; their texts are joined",
    NoteKind.FINISHED_AGAIN: "the server sent another finish reason later; the first is used",
    NoteKind.AFTER_FINISH: "more data followed the finish reason; it is included",
    NoteKind.CALL_WITHOUT_INDEX: "the tool call has no index; id or order match its pieces",
    NoteKind.CALL_INDEX_SHARED: "an earlier tool call has the same index and another id or name",
    NoteKind.CALL_ID_CHANGED: "the server sent another id of the call later; the first is used",
    NoteKind.CALL_UNNAMED: "a piece of a tool call had no index, id or name, and no call was open",
    NoteKind.ARGUMENTS_MISSING: "the choice finished, and the tool call has no arguments",
    NoteKind.ARGUMENTS_OBJECT: "the arguments were a JSON object; its JSON text is used",
    NoteKind.EVENT_SPLIT: "an event had several values, or a repeated data:; each value was read",
    NoteKind.ARGUMENTS_REPEATED: "the server sent the complete arguments again; they are used once",
    NoteKind.ARGUMENTS_REPLACED: "the server sent {} before the arguments; it is ignored",
    NoteKind.VALUE_IGNORED: "a value has an unexpected type, or is one too many; it is ignored",
    NoteKind.REASONING_UNOPENED: "an end tag had no start tag; the text before it is the reasoning",
    NoteKind.NOT_CUMULATIVE: "a text doesn't begin with the one before it; it is added to it",
    NoteKind.NOT_COUNTED: "the tokens aren't counted",
}


@frozen(repr=False)
class Note:
    """
    An assumption made in accumulating a completion. `str(note)` is a sentence about it.

    Attributes:
        kind: What was assumed.
        choice: Index of the choice; None if the note is about the completion.
        call: Position in `tool_calls`; None if the note isn't about a tool call.
        detail: Details of the assumption, such as the name of a field, or "".
    """

    kind: NoteKind
    choice: int | None = None
    call: int | None = None
    detail: str = ""

    def __str__(self) -> str:
        numbers = (("choice", self.choice), ("tool call", self.call))
        where = ", ".join(f"{name} {number}" for name, number in numbers if number is not None)
        message = _MESSAGES[self.kind] + (f" ({self.detail})" if self.detail else "")
        return f"{where}: {message}" if where else message

    def __repr__(self) -> str:
        fields = (("choice", self.choice), ("call", self.call), ("detail", self.detail or None))
        shown = "".join(f", {name}={value!r}" for name, value in fields if value is not None)
        return f"Note({self.kind.name}{shown})"


FILTER_OFFSETS = "content_filter_offsets"
"""The field in which a filter sends the part of the text that it checked."""

# In the models below, fields without a default are those that the API always sends: to_dict()
# includes them even if they are None.


class Function(ParsableModel, kw_only=True):
    """
    A function that is called.

    Attributes:
        name: Name of the function.
        arguments: The arguments, as the JSON text that the server sent.
    """

    name: str
    arguments: str

    def _generated_text(self) -> tuple[str, str]:
        return _arguments_of(self)


def _arguments_of(function: Function) -> tuple[str, str]:
    return f"text of the arguments of {function.name!r}", function.arguments


class CustomTool(Model, kw_only=True):
    """
    A custom tool that is called.

    Attributes:
        name: Name of the tool.
        input: The input, which is free text.
    """

    name: str
    input: str


class ToolCall(ParsableModel, kw_only=True):
    """
    A tool call.

    Attributes:
        id: The call's id; None if the server sent none.
        type: "function" or "custom".
        function: The function to call; None for a custom tool.
        custom: The custom tool to call; None for a function.
    """

    id: str | None
    type: str
    function: Function | None = None
    custom: CustomTool | None = None

    def _generated_text(self) -> tuple[str, str | None]:
        if self.function is not None:
            return _arguments_of(self.function)
        if self.custom is not None:
            return f"input of {self.custom.name!r}", self.custom.input
        return f"function or custom tool of the tool call {self.id!r}", None


class Audio(Model, kw_only=True):
    """
    A spoken answer.

    Attributes:
        id: The audio's id.
        data: The audio, in base64.
        transcript: The text that is spoken.
        expires_at: When the server deletes the audio, in seconds since the epoch.
    """

    id: str | None = None
    data: str | None = None
    transcript: str | None = None
    expires_at: int | None = None


class ChatMessage(Model, kw_only=True):
    """
    The message of a choice.

    Attributes:
        role: The author's role, usually "assistant".
        content: The text; None if there is none, as in an answer that only calls tools.
        refusal: The refusal, if the model refused.
        tool_calls: The tool calls; None if there are none.
        function_call: The function call, the form that preceded tool calls.
        audio: The spoken answer; None if there is none.
        annotations: References of the text, such as citations.
        reasoning_content: The reasoning, from servers that use this name.
        reasoning: The reasoning, from servers that use this name.
        reasoning_details: Structured reasoning, as OpenRouter sends it.
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
    A choice of a chat completion.

    Attributes:
        content_filters: Results of an asynchronous content filter, one for each part of the text,
            in order. The last one is also in `extra`. They aren't part of `to_dict()`.
        index: Index of the choice.
        message: The message of the choice.
        finish_reason: Why the choice ended: the first reason that the server sent; None if it sent
            none.
        logprobs: Log-probabilities of the choice's tokens, if requested.
        finish_reasons_seen: All finish reasons that the server sent, if they differ; otherwise
            None.

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

    @property
    def text(self) -> str:
        """The text of the message, or ""."""
        return self.message.content or ""


class AccumulatedResult(Model, kw_only=True, eq=False):
    """
    Base class of completions. They are equal if everything except their notes is.

    Attributes:
        notes: Assumptions made in accumulating the chunks. Not part of `to_dict()`.
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

    __hash__ = None  # type: ignore[assignment] # it is mutable

    @overload
    def parse(self, kind: TextType[T], /, choice: int = 0) -> T: ...
    @overload
    def parse(self, kind: object, /, choice: int = 0) -> Any: ...
    def parse(self, kind: Any, /, choice: int = 0) -> Any:
        """
        Parse the text of a choice as a type, such as the type of a `response_format`.

        Args:
            kind: A type that msgspec converts JSON to (a Struct, a dataclass, a class of attrs, a
                TypedDict, `list[int]`, …); a pydantic model or `TypeAdapter`; or another callable,
                such as `json.loads`, which is called with the text.
            choice: Index of the choice. Default: 0.

        Raises:
            ParseError: There is no such choice, the model refused, there is no text, or the text
                can't be parsed as the type. `partial` is the completion.
            TypeError: `kind` is neither such a type nor a callable.
        """
        choices = cast("Result", self).choices
        found = next((each for each in choices if each.index == choice), None)
        if found is None:
            number = count(len(choices), "choice")
            what, text, why = f"choice {choice} in a completion of {number}", None, ""
        else:
            reason = found.finish_reason
            ended = "no finish_reason" if reason is None else f"finish_reason {reason!r}"
            what, (text, why) = f"text of choice {choice} ({ended})", _text_of(found)
        return parse_text(text, kind, what=what, source=self, why_none=why)


class ChatCompletion(AccumulatedResult, kw_only=True):
    """
    A chat completion, complete or partial. Other fields are those of `ChatCompletionChunk`.

    Attributes:
        choices: The choices, in the order of their indexes.
        usage: Token counts, as last reported by the server; None if it sent none.

    Source: OpenAI API reference, "The chat completion object".
    """

    id: str | None
    object: str = msgspec.field(default_factory=lambda: "chat.completion")  # never left out
    created: int | float | None
    model: str | None
    choices: list[ChatChoice]
    usage: CompletionUsage | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    moderation: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The text of choice 0, or ""."""
        return next((each.text for each in self.choices if each.index == 0), "")


class CompletionChoice(Model, kw_only=True):
    """A choice of a legacy completion. The fields except `text` are those of `ChatChoice`."""

    index: int
    text: str
    finish_reason: str | None
    logprobs: CompletionLogprobs | None
    finish_reasons_seen: list[str] | None = None


class Completion(AccumulatedResult, kw_only=True):
    """
    A legacy completion, complete or partial. The fields are those of `ChatCompletion`.

    Source: OpenAI API reference, "The completion object".
    """

    id: str | None
    object: str = msgspec.field(default_factory=lambda: "text_completion")  # never left out
    created: int | float | None
    model: str | None
    choices: list[CompletionChoice]
    usage: CompletionUsage | None = None
    system_fingerprint: str | None = None

    @property
    def text(self) -> str:
        """The text of choice 0, or ""."""
        return next((each.text for each in self.choices if each.index == 0), "")


Result = ChatCompletion | Completion
"""A finished or partial completion: `ChatCompletion` or `Completion`."""
if TYPE_CHECKING:
    from typing_extensions import TypeVar as DefaultTypeVar

    ResultT = DefaultTypeVar("ResultT", bound=Result, default=Result)
else:
    ResultT = TypeVar("ResultT")


def _text_of(choice: ChatChoice | CompletionChoice) -> tuple[str | None, str]:
    """Return the text of a choice; or None, and why it has none."""
    if isinstance(choice, CompletionChoice):
        return choice.text, ""
    message = choice.message
    if message.refusal:
        return None, f": the model refused: {message.refusal}"
    return message.content, ""
