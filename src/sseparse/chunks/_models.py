"""Wire models of chat chunks and legacy completion chunks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Final

from .._json import is_list, is_object
from ..payloads._model import Model, Piece

TEXTS: Final = ("text", "summary", "data")
"""The fields of an entry that come piece by piece."""
KEY: Final = ("type", "index")
"""What says to which entry a piece belongs."""
ENCRYPTED: Final = "reasoning.encrypted"
"""The type of an entry that comes whole."""


def text_in(detail: dict[str, Any]) -> str:
    """Return the text of a piece that can be read, "" if there is none."""
    text = detail.get("text") or detail.get("summary")
    return text if isinstance(text, str) else ""


def reasoning_texts(one: str, other: str, details: list[dict[str, Any]] | None) -> list[str]:
    """
    Return the texts of the reasoning that a delta or a message has under its different names.

    Servers that use two names send the same text under both, or different texts. Structured
    details repeat what another name has.
    """
    if not one and not other:
        return [text_in(detail) for detail in details or ()]
    return [one] if one == other else [one, other]


def text_of(content: str | list[Any] | None) -> str:
    """Return the text that stands in a content, be it a string or a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(_texts(content, "text")) if content else ""


def thinking_of(content: list[Any]) -> str:
    """Return the reasoning that stands in a list of parts, as Mistral sends it."""
    return "".join(
        text_of(part["thinking"]) for part in content if _is(part, "thinking", (list, str))
    )


def other_parts(content: list[Any]) -> list[Any]:
    """Return the parts that are not, or not only, text or reasoning."""
    return [part for part in content if not _is_only_text(part)]


def _is_only_text(part: Any) -> bool:
    if _is(part, "text", str):
        return len(part) == 2
    if not _is(part, "thinking", (list, str)):
        return False
    inner: Any = part["thinking"]
    if is_list(inner) and not all(map(_is_only_text, inner)):
        return False
    return set(part) <= {"type", "thinking", "closed"}


def _texts(parts: list[Any], kind: str) -> list[str]:
    return [part[kind] for part in parts if _is(part, kind, str)]


def _is(part: Any, kind: str, shape: type | tuple[type, ...]) -> bool:
    return is_object(part) and part.get("type") == kind and isinstance(part.get(kind), shape)


class TopLogprob(Model, kw_only=True):
    """
    Give one of the likeliest tokens at a position.

    Attributes:
        token: The token.
        logprob: Its natural logarithmic probability.
        bytes: Its UTF-8 bytes.
    """

    token: str | None = None
    logprob: float | None = None
    bytes: list[int] | None = None


class TokenLogprob(Model, kw_only=True):
    """
    Give the log-probability of one token.

    Attributes:
        token: The token.
        logprob: Its natural logarithmic probability; -9999.0 stands for very unlikely.
        bytes: Its UTF-8 bytes: one character may be spread over several tokens.
        top_logprobs: The likeliest tokens at this position.
    """

    token: str | None = None
    logprob: float | None = None
    bytes: list[int] | None = None
    top_logprobs: list[TopLogprob] | None = None


class ChoiceLogprobs(Model, kw_only=True):
    """
    Hold the log-probabilities of a choice's tokens.

    Attributes:
        content: Those of its content.
        refusal: Those of its refusal.
    """

    content: list[TokenLogprob] | None = None
    refusal: list[TokenLogprob] | None = None


class CompletionLogprobs(Model, kw_only=True):
    """
    Hold the log-probabilities of a legacy completion, in four lists of one length.

    Attributes:
        tokens: The tokens.
        token_logprobs: The natural logarithmic probability of each.
        top_logprobs: The likeliest tokens at the position of each, and their probabilities.
        text_offset: Where each begins in the text.
    """

    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None
    text_offset: list[int] | None = None


class PromptTokensDetails(Model, kw_only=True):
    """
    Break down the prompt's tokens.

    Attributes:
        cached_tokens: Those read from the server's cache.
        audio_tokens: Those of sound.
        cache_write_tokens: Those written to the server's cache.
        image_tokens: Those of images.
        text_tokens: Those of text.
    """

    cached_tokens: int | None = None
    audio_tokens: int | None = None
    cache_write_tokens: int | None = None
    image_tokens: int | None = None
    text_tokens: int | None = None


class CompletionTokensDetails(Model, kw_only=True):
    """
    Break down the completion's tokens.

    Attributes:
        reasoning_tokens: Those of reasoning.
        audio_tokens: Those of sound.
        accepted_prediction_tokens: Those of the predicted output that came true.
        rejected_prediction_tokens: Those of the predicted output that did not.
        image_tokens: Those of images.
        text_tokens: Those of text.
    """

    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None
    image_tokens: int | None = None
    text_tokens: int | None = None


class CompletionUsage(Model, kw_only=True):
    """
    Count the tokens of a request and its answer.

    Attributes:
        prompt_tokens: Those of the request.
        completion_tokens: Those of the answer.
        total_tokens: The total, which need not be the sum of the two: some servers count more.
        prompt_tokens_details: What the request's tokens were.
        completion_tokens_details: What the answer's tokens were.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None


class FunctionDelta(Model, kw_only=True):
    """
    Carry a piece of a function call.

    Attributes:
        name: The function's name.
        arguments: The next piece of the arguments' JSON; a few servers send the object itself.
    """

    name: str | None = None
    arguments: str | dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The next piece of the arguments' JSON, "" if there is none."""
        if isinstance(self.arguments, dict):
            return json.dumps(self.arguments, separators=(",", ":"))
        return self.arguments or ""


class CustomToolDelta(Model, kw_only=True):
    """
    Carry a piece of a custom tool's call.

    Attributes:
        name: The tool's name.
        input: The next piece of the input, which is free text.
    """

    name: str | None = None
    input: str | None = None

    @property
    def text(self) -> str:
        """The next piece of the input, "" if there is none."""
        return self.input or ""


class ToolCallDelta(Model, kw_only=True):
    """
    Carry a piece of a tool call.

    Attributes:
        index: The call's place; missing, negative or the same for all on some servers.
        id: The call's id, as a rule on its first piece alone.
        type: "function" or "custom".
        function: The piece of a function call.
        custom: The piece of a custom tool's call.
    """

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionDelta | None = None
    custom: CustomToolDelta | None = None


class AudioDelta(Model, kw_only=True):
    """
    Carry a piece of spoken answer.

    Attributes:
        id: The audio's id.
        data: The next piece of the sound, base64.
        transcript: The next piece of the transcript.
        expires_at: When the server forgets the audio, in seconds since 1970.
    """

    id: str | None = None
    data: str | None = None
    transcript: str | None = None
    expires_at: int | None = None


class ChoiceDelta(Model, kw_only=True):
    """
    Carry what a chunk adds to one choice's message.

    Attributes:
        role: Who speaks, as a rule on the first delta alone.
        content: The next piece of text; a list of parts on some servers.
        refusal: The next piece of a refusal.
        tool_calls: Pieces of tool calls.
        function_call: A piece of a function call, the form before tool calls.
        audio: A piece of spoken answer.
        annotations: References that belong to the text.
        reasoning_content: The next piece of reasoning, as DeepSeek and others name it.
        reasoning: The same, as OpenRouter, Groq and others name it.
        reasoning_details: Pieces of structured reasoning, as OpenRouter sends it.
    """

    role: str | None = None
    content: str | list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallDelta] | None = None
    function_call: FunctionDelta | None = None
    audio: AudioDelta | None = None
    annotations: list[dict[str, Any]] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[dict[str, Any]] | None = None

    @property
    def reasoning_text(self) -> str:
        """The next piece of reasoning, whatever the server calls it, "" if there is none."""
        thinking = thinking_of(self.content) if is_list(self.content) else ""
        other = thinking + (self.reasoning or "")
        return "".join(reasoning_texts(self.reasoning_content or "", other, self.reasoning_details))

    def callees(self) -> Iterator[FunctionDelta | CustomToolDelta]:
        """Yield the pieces of what is called, in order."""
        for call in self.tool_calls or ():
            if call.function is not None:
                yield call.function
            if call.custom is not None:
                yield call.custom
        if self.function_call is not None:
            yield self.function_call


class ChunkChoice(Model, kw_only=True):
    """
    Carry a chunk's part for one choice.

    Attributes:
        index: Which choice, when the request asked for several; 0 where the server sent none.
        delta: What is new; empty where the server sent none.
        finish_reason: Why the choice ended, or None while it goes on.
        logprobs: The new tokens' log-probabilities, where the request asked for them.
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {"index": int, "delta": ChoiceDelta}

    index: int
    delta: ChoiceDelta
    finish_reason: str | None = None
    logprobs: ChoiceLogprobs | None = None

    def only_text(self) -> str | None:
        """
        Return the text of a choice that brings text alone; None for every other choice.

        Nearly all choices bring the next words of an answer and nothing else. What handles them
        in one step asks here, and calls `pieces()` and reads the fields for all others.
        """
        delta = self.delta
        content = delta.content
        if (
            isinstance(content, str)
            and delta.role is None
            and delta.refusal is None
            and delta.tool_calls is None
            and delta.function_call is None
            and delta.audio is None
            and delta.annotations is None
            and delta.reasoning_content is None
            and delta.reasoning is None
            and delta.reasoning_details is None
            and self.finish_reason is None
            and self.logprobs is None
            and not (delta.extra or self.extra or self.absent)
        ):
            return content
        return None

    def pieces(self) -> list[Piece]:
        """Return the pieces of generated text that the choice brings, reasoning first."""
        delta, index = self.delta, self.index
        transcript = delta.audio.transcript if delta.audio is not None else None
        pieces = [
            Piece("reasoning", delta.reasoning_text, index),
            Piece("content", text_of(delta.content), index),
            Piece("refusal", delta.refusal or "", index),
            Piece("transcript", transcript or "", index),
            *[Piece("arguments", callee.text, index) for callee in delta.callees()],
        ]
        return [piece for piece in pieces if piece.text]


class ChatCompletionChunk(Model, kw_only=True):
    """
    Hold one chunk of a streamed chat completion.

    Attributes:
        id: The completion's id, the same on all its chunks as a rule.
        object: "chat.completion.chunk" by the schema; many servers differ.
        created: When the completion was created, in seconds since 1970.
        model: The model that answers.
        choices: The choices that this chunk adds to; none on chunks that carry only usage.
        usage: Token counts, on the last chunk as a rule.
        system_fingerprint: The configuration that the server ran.
        service_tier: The tier that served the request.
        moderation: The verdict on the input and the output.
        obfuscation: Padding that hides the text's length from listeners.

    Source: OpenAI API reference, "The chat completion chunk object".
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {"choices": list}

    id: str | None = None
    object: str | None = None
    created: int | float | None = None
    model: str | None = None
    choices: list[ChunkChoice]
    usage: CompletionUsage | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    moderation: dict[str, Any] | None = None
    obfuscation: str | None = None

    @property
    def text(self) -> str:
        """The new text of choice 0, "" if there is none."""
        return "".join(
            [text_of(choice.delta.content) for choice in self.choices if choice.index == 0]
        )

    def pieces(self) -> list[Piece]:
        """Return the pieces of generated text that the chunk brings, choice by choice."""
        return [piece for choice in self.choices for piece in choice.pieces()]


class CompletionChunkChoice(Model, kw_only=True):
    """
    Carry a chunk's part for one choice.

    Attributes:
        index: Which choice: several prompts times several answers are counted through.
        text: The new text; "" where the server sent none.
        finish_reason: Why the choice ended, or None while it goes on.
        logprobs: The new tokens' log-probabilities, where the request asked for them.
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {"index": int, "text": str}

    index: int
    text: str
    finish_reason: str | None = None
    logprobs: CompletionLogprobs | None = None


class CompletionChunk(Model, kw_only=True):
    """
    Hold one chunk of a streamed legacy completion.

    Attributes:
        id: The completion's id.
        object: "text_completion" by the schema.
        created: When the completion was created, in seconds since 1970.
        model: The model that answers.
        choices: The choices that this chunk adds to.
        usage: Token counts, on the last chunk as a rule.
        system_fingerprint: The configuration that the server ran.

    Source: OpenAI API reference, "The completion object": streamed and whole share one shape.
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {"choices": list}

    id: str | None = None
    object: str | None = None
    created: int | float | None = None
    model: str | None = None
    choices: list[CompletionChunkChoice]
    usage: CompletionUsage | None = None
    system_fingerprint: str | None = None

    @property
    def text(self) -> str:
        """The new text of choice 0, "" if there is none."""
        return "".join([choice.text for choice in self.choices if choice.index == 0])

    def pieces(self) -> list[Piece]:
        """Return the pieces of generated text that the chunk brings, choice by choice."""
        return [Piece("content", each.text, each.index) for each in self.choices if each.text]


Chunk = ChatCompletionChunk | CompletionChunk

LEGACY = "text_completion"


def kind_of(body: dict[str, Any]) -> type[Chunk]:
    """Tell which kind of completion a chunk, or a whole one, belongs to."""
    if body.get("object") == LEGACY:
        return CompletionChunk
    choices = body.get("choices")
    first = choices[0] if is_list(choices) and choices else None
    if is_object(first) and "text" in first and "delta" not in first:
        return CompletionChunk
    return ChatCompletionChunk
