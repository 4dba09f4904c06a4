"""How much a chunk brought that the model generated."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..chunks import ChatCompletionChunk, ChoiceDelta, Chunk, FunctionDelta
from ..chunks.models._details import text_in
from ..chunks.models._parts import text_of, thinking_of


class Generated(NamedTuple):
    """
    Count what a chunk brought, in characters, over all its choices.

    Attributes:
        content: Those of the answer.
        reasoning: Those of reasoning.
        other: Those of refusals, of tool calls' arguments and of transcripts.
    """

    content: int
    reasoning: int
    other: int


def length(text: str) -> int:
    """Count the characters of a piece of text; one cut in half counts where its end comes."""
    return len(text) - (not text.isascii() and "\ud800" <= text[-1] <= "\udbff")


def generated(chunk: Chunk) -> Generated:
    """Count what a chunk brought."""
    if not isinstance(chunk, ChatCompletionChunk):
        return Generated(sum(length(choice.text) for choice in chunk.choices), 0, 0)
    deltas = [choice.delta for choice in chunk.choices]
    return Generated(
        sum(length(text_of(delta.content)) for delta in deltas),
        sum(map(_reasoning, deltas)),
        sum(map(_other, deltas)),
    )


def _reasoning(delta: ChoiceDelta) -> int:
    # Servers that send it under several names send the same text under each.
    details = "".join(map(text_in, delta.reasoning_details or ()))
    text = delta.reasoning_content or delta.reasoning or details
    parts: list[Any] = delta.content if isinstance(delta.content, list) else []
    return len(text) + len(thinking_of(parts))


def _other(delta: ChoiceDelta) -> int:
    calls = delta.tool_calls or ()
    return (
        len(delta.refusal or "")
        + _arguments(delta.function_call)
        + sum(_arguments(call.function) for call in calls)
        + sum(len(call.custom.input or "") for call in calls if call.custom is not None)
        + (len(delta.audio.transcript or "") if delta.audio is not None else 0)
    )


def _arguments(function: FunctionDelta | None) -> int:
    arguments = None if function is None else function.arguments
    # A few servers send the object itself: it has no length of its own.
    return len(arguments) if isinstance(arguments, str) else int(bool(arguments))
