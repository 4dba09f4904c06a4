"""A body that is one JSON object: the answer of a server that did not stream."""

from __future__ import annotations

from typing import Any

from ._completion_chunk import CompletionChunk
from ._decoder import Chunk, kind_of
from ._json import is_list, is_object
from ._results import ChatCompletion, Completion
from ._to_chunks import to_chunks
from ._wire import build


def chunks_of(body: dict[str, Any]) -> list[Chunk] | None:
    """Return the chunks that would have streamed a whole completion; None if it is none."""
    choices = body.get("choices")
    if not is_list(choices):
        return None
    first = choices[0] if choices else None
    if is_object(first) and "delta" in first:
        return [build(kind_of(body), body)]
    if kind_of(body) is CompletionChunk:
        return [*to_chunks(build(Completion, body))]
    return [*to_chunks(build(ChatCompletion, body))]
