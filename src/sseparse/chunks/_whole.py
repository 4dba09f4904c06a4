"""
A chat completion that comes whole: the answer of a server that did not stream.

A whole legacy completion has the shape of its chunks.
"""

from __future__ import annotations

from typing import Any

from ._chunk import Chunk
from ._json import is_list, is_object
from ._results import ChatCompletion
from ._to_chunks import to_chunks
from ._wire import build


def is_whole(body: dict[str, Any]) -> bool:
    """Tell whether a JSON object is a whole chat completion instead of a chunk of one."""
    choices = body.get("choices")
    if not is_list(choices) or not choices or not is_object(choices[0]):
        return False
    return "delta" not in choices[0] and is_object(choices[0].get("message"))


def chunks_of(body: dict[str, Any]) -> list[Chunk]:
    """Return the chunks that would have streamed a whole chat completion."""
    return [*to_chunks(build(ChatCompletion, body))]
