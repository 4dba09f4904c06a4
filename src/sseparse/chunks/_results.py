"""Completions, and the notes about assumptions made in accumulating them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, cast, overload

import msgspec

from .._errors import count
from ..payloads._model import NEVER, Model
from ..payloads._parse import ParsableModel, TextType, parse_text
from ..payloads._results import AccumulatedResult, ToolCallView
from ..payloads._results import NoteKind as BaseNoteKind
from ._models import ChoiceLogprobs, CompletionLogprobs, CompletionUsage

T = TypeVar("T")


class NoteKind(BaseNoteKind):
    """Kinds of notes on a completion."""

    ROLE_ASSUMED = "role_assumed", 'the server sent no role; "assistant" is assumed'
    """No chunk of the choice had a role."""
    MODEL_CHANGED = "model_changed", "the server sent another model later; the first is used"
    """The last chunk has another model than the first; `detail` is its name."""
    USAGE_ELSEWHERE = "usage_elsewhere", "the token counts were in another field than usage"
    """The token counts were in `x_groq` or in a choice, not in `usage`."""
    INDEX_ASSUMED = "index_assumed", "the server sent no index; 0 is assumed"
    """A chunk had a choice without an index."""
    CONTENT_PARTS = "content_parts", "the content was a list of parts; their texts are joined"
    """Content was a list: its text parts became content, its thinking parts reasoning."""
    FINISHED_AGAIN = (
        "finished_again",
        "the server sent another finish reason later; the first is used",
    )
    """The choice has several finish reasons; `finish_reasons_seen` lists them."""
    AFTER_FINISH = "after_finish", "more data followed the finish reason; it is included"
    """A delta that wasn't empty followed the choice's finish reason."""
    CALL_WITHOUT_INDEX = (
        "call_without_index",
        "the tool call has no index; id or order match its pieces",
    )
    """A piece of the call had no index or a negative one."""
    CALL_INDEX_SHARED = (
        "call_index_shared",
        "an earlier tool call has the same index and another id or name",
    )
    """Calls have the same index; some servers number all calls 0."""
    CALL_ID_CHANGED = (
        "call_id_changed",
        "the server sent another id of the call later; the first is used",
    )
    """Pieces of the call have different ids; the first id counts."""
    CALL_UNNAMED = (
        "call_unnamed",
        "a piece of a tool call had no index, id or name, and no call was open",
    )
    """A piece of a call that couldn't be matched became a call of its own."""
    ARGUMENTS_MISSING = (
        "arguments_missing",
        "the choice finished, and the tool call has no arguments",
    )
    """The choice finished, and the call has no arguments: `arguments` is ""."""
    ARGUMENTS_OBJECT = "arguments_object", "the arguments were a JSON object; its JSON text is used"
    """The arguments were a JSON object, not a JSON text."""
    EVENT_SPLIT = (
        "event_split",
        "an event had several values, or a repeated data:; each value was read",
    )
    """An event had a JSON value on each line, or `data:` before its value."""
    ARGUMENTS_REPEATED = (
        "arguments_repeated",
        "the server sent the complete arguments again; they are used once",
    )
    """The complete arguments arrived again; they count once."""
    ARGUMENTS_REPLACED = (
        "arguments_replaced",
        "the server sent {} before the arguments; it is ignored",
    )
    """The arguments began with `{}`, a placeholder; the arguments after it replaced it."""
    VALUE_IGNORED = (
        "value_ignored",
        "a value has an unexpected type, or is one too many; it is ignored",
    )
    """
    A value was left out. `detail` is the name of its field; the value is in the chunk's `extra`.
    For "usage", the value is some of its unknown fields, because there were more than 256.
    """
    REASONING_UNOPENED = (
        "reasoning_unopened",
        "an end tag had no start tag; the text before it is the reasoning",
    )
    """With `think_tags`, an end tag had no start tag: the text before it is the reasoning."""
    NOT_CUMULATIVE = (
        "not_cumulative",
        "a text doesn't begin with the one before it; it is added to it",
    )
    """deltas="cumulative": a text didn't begin with the previous one; `detail` is its field."""
    NOT_COUNTED = "not_counted", "the tokens aren't counted"
    """usage="estimate": the tokens can't be counted; `detail` says why."""


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

    def view(self) -> ToolCallView:
        """Return the neutral view of the call."""
        if self.custom is not None:
            return ToolCallView(self.id, self.custom.name, self.custom.input, "custom")
        function = self.function or Function(name="", arguments="")
        return ToolCallView(self.id, function.name, function.arguments)

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


def call_views(message: ChatMessage) -> list[ToolCallView]:
    """Return the neutral views of the tool calls and the function call of a message."""
    views = [call.view() for call in message.tool_calls or ()]
    if (function := message.function_call) is not None:
        views.append(ToolCallView(None, function.name, function.arguments))
    return views


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


class ChoicesResult(AccumulatedResult, kw_only=True, eq=False):
    """Base class of completions."""

    @property
    def text(self) -> str:
        """The text of choice 0, or ""."""
        return next((each.text for each in cast("Result", self).choices if each.index == 0), "")

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


class ChatCompletion(ChoicesResult, kw_only=True):
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
    def tool_calls(self) -> list[ToolCallView]:
        """The tool calls of choice 0, and its function call, which preceded them."""
        message = next((each.message for each in self.choices if each.index == 0), None)
        return [] if message is None else call_views(message)


class CompletionChoice(Model, kw_only=True):
    """A choice of a legacy completion. The fields except `text` are those of `ChatChoice`."""

    index: int
    text: str
    finish_reason: str | None
    logprobs: CompletionLogprobs | None
    finish_reasons_seen: list[str] | None = None


class Completion(ChoicesResult, kw_only=True):
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
    def tool_calls(self) -> list[ToolCallView]:
        """Always empty: legacy completions call no tools."""
        return []


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
