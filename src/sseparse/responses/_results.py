"""Responses and what they consist of, and the notes about assumptions made in accumulating them."""

# No `from __future__ import annotations`: see `payloads._model`.
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self

from msgspec.structs import replace

from .._json import is_object
from ..payloads._model import Model, TokenCounts, encode_json
from ..payloads._parse import Parsable, ParsableModel
from ..payloads._results import AccumulatedResult, ToolCallView
from ..payloads._results import NoteKind as BaseNoteKind


class NoteKind(BaseNoteKind):
    """Kinds of notes on a response."""

    RESTARTED = "restarted", "another response began; what came before it is dropped"
    """Another response began in the same stream; `detail` is the id of the earlier one."""
    OUTPUT_ASSEMBLED = (
        "output_assembled",
        "the last event has no output; the items streamed before it are used",
    )
    """The terminal event's `output` is missing or empty, although items were streamed."""
    ITEM_UNANNOUNCED = (
        "item_unannounced",
        "a part of the item arrived before or without the item; its type is assumed",
    )
    """No event announced the item: its type is that which the event's own type implies."""
    ITEM_REPLACED = "item_replaced", "the item began again; what came before it is dropped"
    """The item was announced twice, and had text before the second time."""
    INDEX_SHARED = "index_shared", "several items have the same output_index"
    """Another item with the same `output_index` was announced; it follows the earlier one."""
    PART_ASSUMED = (
        "part_assumed",
        "a content index lies beyond the last part; its text belongs to that part",
    )
    """The index of a text was that of no part; some servers count the deltas."""
    VALUE_KEPT = (
        "value_kept",
        "a complete event lacks a text or call that was streamed; what was streamed is used",
    )
    """A complete text, item or output is empty where deltas or earlier events brought something."""
    EVENT_SPLIT = (
        "event_split",
        "an event had several values, or a repeated data:; each value was read",
    )
    """An event had a JSON value on each line, or `data:` before its value."""
    VALUE_IGNORED = "value_ignored", "a value has an unexpected type; it is ignored"
    """A value was left out. `detail` is the name of its field; the value is in the event."""


class InputTokensDetails(Model, kw_only=True):
    """
    Details of the tokens of the request.

    Attributes:
        cached_tokens: Tokens that the server read from its cache.
    """

    cached_tokens: int | None = None


class OutputTokensDetails(Model, kw_only=True):
    """
    Details of the tokens of the answer.

    Attributes:
        reasoning_tokens: Tokens that are reasoning.
    """

    reasoning_tokens: int | None = None


class ResponseUsage(Model, kw_only=True):
    """
    Token counts of a response.

    Attributes:
        input_tokens: Tokens of the request.
        input_tokens_details: Details of these tokens.
        output_tokens: Tokens of the answer, reasoning included.
        output_tokens_details: Details of these tokens.
        total_tokens: The sum.
    """

    input_tokens: int | None = None
    input_tokens_details: InputTokensDetails | None = None
    output_tokens: int | None = None
    output_tokens_details: OutputTokensDetails | None = None
    total_tokens: int | None = None

    def token_counts(self) -> TokenCounts:
        """Return the counts under names that all APIs share."""
        details, output = self.input_tokens_details, self.output_tokens_details
        return TokenCounts(
            input=self.input_tokens,
            output=self.output_tokens,
            cached=None if details is None else details.cached_tokens,
            reasoning=None if output is None else output.reasoning_tokens,
        )


class ContentPart(Model, kw_only=True):
    """
    A part of a message, of reasoning, or of a summary of reasoning.

    Attributes:
        type: "output_text", "refusal", "reasoning_text" or "summary_text"; some servers send "text"
            for "output_text".
        text: The text; None for a refusal.
        refusal: The refusal; None for a text.
        annotations: References of the text, such as citations and files.
        logprobs: Log-probabilities of the text's tokens, if requested.
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {"type": str}

    type: str
    text: str | None = None
    refusal: str | None = None
    annotations: list[dict[str, Any]] | None = None
    logprobs: list[dict[str, Any]] | None = None


class OutputItem(ParsableModel, kw_only=True):
    """
    An item of a response's output. What isn't a field here is in `extra`, whatever the type is.

    Attributes:
        type: "message", "reasoning", "function_call", "custom_tool_call", "web_search_call", or
            another one; new types need no new release.
        id: The item's id.
        status: "in_progress", "completed", "incomplete", or a status of the type's own.
        role: The author's role, of a message.
        content: The parts of a message, or of reasoning that the server shows.
        summary: The parts of a summary of reasoning.
        call_id: The id that the answer to a tool call names.
        name: Name of the function or tool, of a tool call.
        arguments: The arguments of a function call or MCP call, as the JSON text that the server
            sent.
        input: The input of a custom tool, which is free text.
        code: The code that the code interpreter runs.
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {"type": str}

    @classmethod
    def adapt(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of an item, whose content some servers send as a text."""
        content = fields.get("content")
        if not isinstance(content, str):
            return fields
        kind = "reasoning_text" if fields.get("type") == "reasoning" else "output_text"
        return {**fields, "content": [{"type": kind, "text": content}]}

    type: str
    id: str | None = None
    status: str | None = None
    role: str | None = None
    content: list[ContentPart] | None = None
    summary: list[ContentPart] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None
    code: str | None = None

    @property
    def text(self) -> str:
        """The text of a message, "" for other items."""
        if self.type == "reasoning":
            return ""  # some servers have parts of type "text" in it, too
        return "".join(part.text or "" for part in self.parts("output_text", "text"))

    @property
    def refusal(self) -> str:
        """The refusal of a message, or ""."""
        return "".join(part.refusal or "" for part in self.parts("refusal"))

    @property
    def reasoning_text(self) -> str:
        """
        The reasoning, or its summary if the server shows only that; or "".

        A blank line separates the parts of a summary. Updates have only the text of the parts.
        """
        if self.type != "reasoning":
            return ""
        texts = [part.text for part in self.content or self.summary or () if part.text]
        return ("" if self.content else "\n\n").join(texts)

    def parts(self, *kinds: str) -> Iterator[ContentPart]:
        """Yield the parts of `content` that have one of these types."""
        return (part for part in self.content or () if part.type in kinds)

    @property
    def full_arguments(self) -> str | None:
        """The arguments, also if the server sent them as an object; None if there are none."""
        fields = self.extra.get("arguments")
        # An empty object begins arguments that follow.
        is_sent = self.arguments is None and self.type == "function_call" and bool(fields)
        return encode_json(fields).decode() if is_sent and is_object(fields) else self.arguments

    def tool_call(self) -> ToolCallView | None:
        """Return the call of a function or custom tool; None if the item is another one."""
        if self.type == "function_call":
            return ToolCallView(self.call_id, self.name or "", self.full_arguments or "")
        if self.type == "custom_tool_call":
            return ToolCallView(self.call_id, self.name or "", self.input or "", "custom")
        return None

    def _generated_text(self) -> tuple[str, str | None]:
        if (call := self.tool_call()) is not None:
            return f"text of the arguments of {call.name!r}", call.arguments
        return f"text of the {self.type or 'item'}", self.text


class Response(Parsable, AccumulatedResult, kw_only=True, eq=False):
    """
    A response, complete or partial. What isn't a field here is in `extra`.

    Attributes:
        id: The response's id.
        object: "response".
        created_at: When the response was created, in seconds since the epoch.
        status: "completed", "incomplete", "failed", "cancelled"; "queued" or "in_progress" if it is
            partial.
        model: The model that answers.
        output: The items: messages, reasoning, tool calls.
        error: Why the response failed, or None.
        incomplete_details: Why the response is incomplete, or None.
        usage: Token counts; None if the server sent none.

    Source: OpenAI API reference, "The response object".
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {"output": list}

    id: str | None = None
    object: str | None = None
    created_at: int | float | None = None
    status: str | None = None
    model: str | None = None
    output: list[OutputItem]
    error: dict[str, Any] | None = None
    incomplete_details: dict[str, Any] | None = None
    usage: ResponseUsage | None = None

    @property
    def text(self) -> str:
        """The text of all messages, joined: `output_text` of the official libraries."""
        return "".join(item.text for item in self.output if item.type == "message")

    @property
    def refusal(self) -> str:
        """The refusals of all messages, joined; "" if the model refused nothing."""
        return "".join(item.refusal for item in self.output)

    @property
    def tool_calls(self) -> list[ToolCallView]:
        """The calls of functions and custom tools, in order."""
        calls = (item.tool_call() for item in self.output)
        return [call for call in calls if call is not None]

    @property
    def incomplete_reason(self) -> str | None:
        """Why the response is incomplete, such as "max_output_tokens"; None if it isn't."""
        reason = (self.incomplete_details or {}).get("reason")
        return reason if isinstance(reason, str) else None

    def with_head(self, known: Self) -> Self:
        """Return a copy with the id, model and time of another one where they are missing."""
        names = ("id", "object", "created_at", "model")
        missing = {name: getattr(known, name) for name in names if getattr(self, name) is None}
        return replace(self, **missing)

    def _generated_text(self) -> tuple[str, str | None]:
        what = f"text of the response (status {self.status!r})"
        if self.refusal:
            return f"{what}: the model refused: {self.refusal}", None
        return what, self.text
