"""Shapes of the JSON objects that servers of chat and legacy completions send."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final

from .._json import is_list, is_object
from ..payloads._model import to_integer
from ._models import CHAT, LEGACY, ChatCompletionChunk, Chunk, CompletionChunk

_FIELDS: Final = ("choices", "usage", "error")
_LABELS: Final = (CHAT, LEGACY, "error", "chat.completion")


def kind_of(body: dict[str, Any]) -> type[Chunk]:
    """Return the chunk class of the API that a chunk, or a complete response, belongs to."""
    # Servers label chat chunks "text_completion": what the choices have decides.
    label = CompletionChunk if body.get("object") == LEGACY else ChatCompletionChunk
    return shape_of(body) or label


def shape_of(body: dict[str, Any]) -> type[Chunk] | None:
    """Return the chunk class that the first choice has the shape of, or None."""
    first = first_choice(body)
    if "delta" in first or "message" in first:
        return ChatCompletionChunk
    return CompletionChunk if "text" in first else None


def first_choice(body: dict[str, Any]) -> dict[str, Any]:
    """Return the first choice of a chunk or of a complete response; empty if there is none."""
    choices = body.get("choices")
    first = choices[0] if is_list(choices) and choices else None
    return first if is_object(first) else {}


def has_chunk_shape(body: dict[str, Any]) -> bool:
    """Return whether a JSON object has what identifies a chunk, a completion or an error."""
    has_label = body.get("object") in _LABELS or body.get("type") == "error"
    return has_label or any(name in body for name in _FIELDS)


def is_complete(body: dict[str, Any], seen: Container[int]) -> bool:
    """
    Return whether a JSON object is a complete chat completion, not a chunk of one.

    Args:
        body: The object.
        seen: The indexes of earlier choices: after their deltas, a message only repeats them.
    """
    first = first_choice(body)
    if "delta" in first or not is_object(first.get("message")):
        return False
    index = first.get("index")
    return (index if isinstance(index, int) else to_integer(index) or 0) not in seen


def as_chunk(body: dict[str, Any]) -> dict[str, Any]:
    """Return a complete chat completion as its only chunk: its messages become deltas."""
    choices = [_with_delta(choice, place) for place, choice in enumerate(body["choices"])]
    return {**body, "choices": choices}


def _with_delta(choice: Any, place: int) -> Any:
    if not is_object(choice) or not is_object(choice.get("message")):
        return choice
    rest = {name: value for name, value in choice.items() if name != "message"}
    delta = {**choice["message"]}
    calls = delta.get("tool_calls")
    if is_list(calls):
        # The calls of a message have no index: their order counts.
        delta["tool_calls"] = [
            {"index": place, **call} if is_object(call) else call
            for place, call in enumerate(calls)
        ]
    # A choice can lack its index, too.
    return {"index": place, **rest, "delta": delta}
