"""Messages, and the notes about assumptions made in accumulating them."""

# No `from __future__ import annotations`: see `payloads._model`.
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import msgspec

from ..payloads._growing import no_json
from ..payloads._model import NEVER, Model, Piece, TokenCounts, encode_json
from ..payloads._parse import Parsable
from ..payloads._results import AccumulatedResult, ToolCallView
from ..payloads._results import NoteKind as BaseNoteKind

if TYPE_CHECKING:
    from ..payloads._partial_json import JSONFault

TOOL_USE: Final = "tool_use"
# Blocks with an input. Only the first is a call to the client; servers run the others themselves.
CALLS: Final = (TOOL_USE, "server_tool_use", "mcp_tool_use")


class NoteKind(BaseNoteKind):
    """Kinds of notes on a message."""

    MESSAGE_REPEATED = (
        "message_repeated",
        "the server sent the start of the message again; it is ignored",
    )
    """A `message_start` with the id of the message arrived again."""
    RESTARTED = (
        "restarted",
        "another message began before this one; only this one is kept",
    )
    """A `message_start` with another id arrived. `detail` is the id of the message before it."""
    BEFORE_MESSAGE = (
        "before_message",
        "an event arrived before the start of the message; it is ignored",
    )
    """An event with content arrived before `message_start`. `detail` is its type."""
    BLOCK_ASSUMED = (
        "block_assumed",
        "the server sent no start of the block; its type is that of its first delta",
    )
    """A delta arrived for a block that never began."""
    BLOCK_REPEATED = (
        "block_repeated",
        "the server sent the start of the open block again; it is ignored",
    )
    """The start of an open block arrived again."""
    INDEX_ASSUMED = "index_assumed", "the server sent no index of the block; its order decides"
    """An event of the block had no index."""
    INDEX_SHARED = "index_shared", "an earlier block has the same index"
    """A block began at the index of an earlier block."""
    AFTER_STOP = "after_stop", "more data followed the end of the block; it is included"
    """A delta followed the block's `content_block_stop`."""
    DELTA_UNKNOWN = (
        "delta_unknown",
        "a delta has an unknown type; of each field the last value is kept",
    )
    """A delta of an unknown type, which is `detail`, arrived."""
    INPUT_ASSUMED = "input_assumed", "the server sent no input of the tool; {} is assumed"
    """A call of a tool began without `input`."""
    INPUT_INVALID = (
        "input_invalid",
        "the input isn't complete JSON, or is too large; its text is in input_json",
    )
    """
    The text of a tool's input isn't in `input`, because it isn't complete JSON, or because what it
    decodes to would exceed `max_accumulated_bytes`.
    """
    MODEL_CHANGED = (
        "model_changed",
        "another model continued the message; it is the message's model",
    )
    """A block of type "fallback" names another model. `detail` is the first model."""
    CALLS_UNANNOUNCED = (
        "calls_unannounced",
        "the message calls tools, though its stop_reason isn't tool_use",
    )
    """The message has calls of tools and ended with another reason, which is `detail`."""
    VALUE_IGNORED = (
        "value_ignored",
        "a value has an unexpected type, or is one too many; it is ignored",
    )
    """
    A value was left out. `detail` is the name of its field; the value is in the event's `extra`.
    For "usage", the value is some of its unknown fields, because there were more than 256.
    """
    EVENT_SPLIT = (
        "event_split",
        "an event had several values, or a repeated data:; each value was read",
    )
    """An event had a JSON value on each line, or `data:` before its value."""


class MessageUsage(Model, kw_only=True):
    """
    Token counts of a request and its message; None where the server sent no count.

    Attributes:
        input_tokens: Tokens of the request that were neither written to the cache nor read from it.
        output_tokens: Tokens of the message. In the partial message of a truncated stream, the
            count of `message_start`, usually 1: servers count the tokens at the end.
        cache_creation_input_tokens: Tokens of the request written to the cache.
        cache_read_input_tokens: Tokens of the request read from the cache.
        cache_creation: Breakdown of `cache_creation_input_tokens` by lifetime.
        output_tokens_details: Breakdown of `output_tokens`.
        server_tool_use: How often the server ran each of its tools.
        service_tier: The service tier that was used.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: dict[str, Any] | None = None
    output_tokens_details: dict[str, Any] | None = None
    server_tool_use: dict[str, Any] | None = None
    service_tier: str | None = None

    def token_counts(self) -> TokenCounts:
        """Return the counts under names that all APIs share. `input` includes the cache's."""
        parts = (
            self.input_tokens,
            self.cache_creation_input_tokens,
            self.cache_read_input_tokens,
        )
        thinking = (self.output_tokens_details or {}).get("thinking_tokens")
        return TokenCounts(
            input=None if self.input_tokens is None else sum(filter(None, parts)),
            output=self.output_tokens,
            cached=self.cache_read_input_tokens,
            reasoning=thinking if type(thinking) is int else None,
        )


class ContentBlock(Parsable, Model, kw_only=True):
    """
    A block of a message's content: text, thinking, a call of a tool, the result of one, ….

    Fields that only a few types of blocks have are in `extra`. Send all blocks back unchanged in
    the next request, in their order: `to_dict()` returns what to send.

    Attributes:
        input_json: The text of a tool's input, as it was streamed; "" if `input` arrived in one
            piece. Not part of `to_dict()`.
        type: The type, such as "text", "thinking", "tool_use" or "web_search_tool_result".
        text: The text, of type "text".
        citations: The sources of the text.
        thinking: The reasoning, of type "thinking"; "" if the server keeps it secret.
        signature: The server's signature of the reasoning.
        data: The encrypted reasoning, of type "redacted_thinking".
        id: The id of a call.
        name: The name of the tool that is called.
        input: The input of the tool, usually an object. If the streamed text isn't complete JSON,
            it's what the block began with, usually {}: `input_fault` says why.
        caller: What called the tool.
        server_name: The name of the MCP server that has the tool.
        tool_use_id: The id of the call that a result answers.
        content: The result of a tool, or the summary of type "compaction".
        encrypted_content: The encrypted summary, of type "compaction".
        is_error: Whether the tool failed.

    Source: Anthropic API reference, "Messages".
    """

    _private: ClassVar[int] = 3
    required: ClassVar[Mapping[str, Callable[[], Any]]] = {"type": str}

    input_json: Annotated[str, NEVER] = msgspec.field(default="", name=" input_json")
    type: str
    text: str | None = None
    citations: list[dict[str, Any]] | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Any = None
    caller: dict[str, Any] | None = None
    server_name: str | None = None
    tool_use_id: str | None = None
    content: Any = None
    encrypted_content: str | None = None
    is_error: bool | None = None

    @property
    def arguments(self) -> str:
        """The JSON text of a tool's input, as it was streamed."""
        if self.input_json or self.input is None:
            return self.input_json
        if isinstance(self.input, str) and self.type in CALLS:
            # A bridge forwards the arguments of OpenAI's API (nielspeter/claude-code-proxy#13). An
            # empty object begins an input that follows.
            return "" if self.input.strip() == "{}" else self.input
        return encode_json(self.input).decode()

    @property
    def input_fault(self) -> "JSONFault | None":
        """Where and why `input_json` isn't complete JSON; None if it is, or if it's empty."""
        if not self.input_json:
            return None
        json = no_json()
        json.feed(self.input_json)
        json.close()
        return json.fault

    def tool_call(self) -> ToolCallView | None:
        """Return the call of a tool for you to run; None if the block is another one."""
        if self.type != TOOL_USE:
            return None
        return ToolCallView(self.id, self.name or "", self.arguments)

    def pieces(self, item: int) -> Iterator[Piece]:
        """Yield the generated text of the block at a position, for a block that begins with it."""
        if self.text and self.type == "text":
            yield Piece("content", self.text, 0, item)
        if self.thinking:
            yield Piece("reasoning", self.thinking, 0, item)
        if self.input and self.type in CALLS and self.arguments:
            yield Piece("arguments", self.arguments, 0, item)

    def _generated_text(self) -> tuple[str, str | None]:
        if self.type in CALLS:
            return f"text of the input of {self.name!r}", self.arguments
        return f"text of a block of type {self.type!r}", self.text


class Message(Parsable, AccumulatedResult, kw_only=True, eq=False):
    """
    A message, complete or partial.

    Attributes:
        id: The message's id; None if the server sent none.
        role: The author's role, "assistant".
        content: The blocks, in the order of their indexes.
        model: The model that answered; after a fallback, the last one.
        stop_reason: Why the message ended, such as "end_turn", "max_tokens" or "tool_use"; None if
            it didn't end. A server can end a message that calls tools with "end_turn": look at
            `tool_calls`.
        stop_sequence: The stop sequence of the request that ended the message.
        usage: Token counts, as last reported by the server; None if it sent none.
        stop_details: More about the stop reason, such as why the model refused.
        container: The container in which code ran.
        context_management: What the server removed from the context.

    Source: Anthropic API reference, "Messages".
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {
        **dict.fromkeys(("id", "model", "stop_reason", "stop_sequence"), lambda: None),
        "type": lambda: "message",
        "role": lambda: "assistant",
        "content": list,
    }

    id: str | None
    type: str
    role: str
    content: list[ContentBlock]
    model: str | None
    stop_reason: str | None
    stop_sequence: str | None
    usage: MessageUsage | None = None
    stop_details: dict[str, Any] | None = None
    container: dict[str, Any] | None = None
    context_management: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The text of all text blocks, joined; "" if there is none."""
        return "".join(
            [block.text for block in self.content if block.type == "text" and block.text]
        )

    @property
    def tool_calls(self) -> list[ToolCallView]:
        """The calls of tools for you to run. Those that the server runs are only in `content`."""
        return [call for block in self.content if (call := block.tool_call()) is not None]

    def _generated_text(self) -> tuple[str, str | None]:
        reason = self.stop_reason
        ended = "no stop_reason" if reason is None else f"stop_reason {reason!r}"
        return f"text of the message ({ended})", self.text


def empty_message() -> Message:
    """Return a message of which nothing is known."""
    return Message(**{name: make() for name, make in Message.required.items()})
