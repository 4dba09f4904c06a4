"""The way back: chunks as bytes on the wire."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from ..models._chat_chunk import ChatCompletionChunk
from ..models._chunk import Chunk
from ..models._model import Model

# Not to the standard, but to some readers of lines, these end a line; in JSON they may be escaped.
_LINE_ENDS = (
    ("\u0085".encode(), b"\\u0085"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)
_ENCODER = msgspec.json.Encoder()
# What a model keeps for itself has names with a blank, which the encoder writes like any other.
_EXTRA, _ABSENT = (f'"{name}"'.encode() for name in Model.__struct_encode_fields__)


def encode_chunk(chunk: Chunk) -> bytes:
    """
    Encode a chunk as it stands in an event stream: as one event whose data is its JSON.

    What the chunk was decoded from reads back as the same chunk: unknown fields are written at
    the level where they stood, and what was absent stays absent. The JSON has no line end in it,
    so it is one line. `encode(Event("[DONE]"))` writes the mark that ends a stream.

    Args:
        chunk: The chunk of a chat or legacy completion.

    Returns:
        The `data` line in UTF-8, and the blank line that dispatches the event.

    Raises:
        TypeError: It is no chunk.

    Source: WHATWG HTML, 9.2.5 "Parsing an event stream"; RFC 8259, 7 "Strings".
    """
    if not isinstance(chunk, Chunk):
        raise TypeError(
            f"encode_chunk() takes a ChatCompletionChunk or a CompletionChunk, "
            f"not {type(chunk).__name__}; to_chunks() makes them of a completion, "
            "and encode() encodes events"
        )
    return b"data: %b\n\n" % _json(chunk)


def _json(chunk: Chunk) -> bytes:
    try:
        data = _ENCODER.encode(chunk)
        if _EXTRA in data or _ABSENT in data:
            data = _ENCODER.encode(_fields(chunk))
    except UnicodeEncodeError:
        # Half of a surrogate pair, which has no UTF-8; escaped, it is JSON.
        data = json.dumps(_fields(chunk), separators=(",", ":"), allow_nan=False).encode()
    for raw, escaped in _LINE_ENDS:
        if raw in data:
            data = data.replace(raw, escaped)
    return data


def _fields(chunk: Chunk) -> dict[str, Any]:
    """Return a chunk's fields, and a null where nothing else would tell what it is."""
    fields = chunk.to_dict()
    if not chunk.choices or "choices" in chunk.extra:
        return fields
    first = fields["choices"][0]
    if isinstance(chunk, ChatCompletionChunk):
        if "delta" not in first and ("text" in first or "message" in first):
            first["delta"] = None
    elif "text" not in first and "delta" not in first:
        first["text"] = None
    return fields
