"""A chunk of either kind."""

from __future__ import annotations

from typing import Any

from .._json import is_list, is_object
from ._chat_chunk import ChatCompletionChunk
from ._completion_chunk import CompletionChunk

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
