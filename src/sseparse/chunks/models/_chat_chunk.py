"""A chunk of a chat completion, and all that is inside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .._json import is_list
from ._logprobs import ChoiceLogprobs
from ._model import Model
from ._parts import text_of, thinking_of
from ._piece import Piece, reasoning_texts
from ._usage import CompletionUsage


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
