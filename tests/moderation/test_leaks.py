"""Text that wasn't approved is in no part of a released chunk."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, get_args

import pytest

from sseparse import Stream, encode_chunk
from sseparse.moderation import Flagged, Gate, Replace
from sseparse.payloads._model import Kind

WORD = "secret"
TEXT = f"It is a {WORD} word."
PART = {"type": "text", "text": TEXT}
TOKEN = {"token": WORD, "logprob": -1.0, "bytes": [*WORD.encode()]}
TOP = {"token": "x", "logprob": -1.0, "bytes": None, "top_logprobs": [TOKEN]}

DELTAS: dict[str, Any] = {
    "content": {"content": TEXT},
    "content with role": {"role": "assistant", "content": TEXT},
    "content parts": {"content": [PART, TEXT, {**PART, "type": "output_text"}]},
    "other parts": {"content": [{"type": "image_url", "image_url": {"url": TEXT}}]},
    "thinking parts": {"content": [{"type": "thinking", "thinking": [PART]}]},
    "content of another type": {"content": {"text": TEXT}},
    "refusal": {"refusal": TEXT},
    "reasoning_content": {"reasoning_content": TEXT},
    "reasoning": {"reasoning": TEXT},
    "both": {"reasoning": TEXT, "reasoning_content": TEXT},
    "reasoning parts": {"reasoning": [PART, {"summary": [PART]}]},
    "reasoning_details": {"reasoning_details": [{"type": "reasoning.text", "text": TEXT}]},
    "summary": {"reasoning": "Ok.", "reasoning_details": [{"summary": TEXT}]},
    "encrypted": {"reasoning_details": [{"type": "reasoning.encrypted", "data": TEXT}]},
    **{
        name: {name: TEXT}
        for name in ("reasoning_text", "thinking_content", "thinking", "thought", "unknown")
    },
    "thinking with content": {"content": "Ok.", "thinking": [TEXT], "tokens": [TEXT]},
    "arguments": {"tool_calls": [{"index": 0, "id": "c", "function": {"arguments": TEXT}}]},
    "arguments with name": {
        "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": TEXT}}
        ]
    },
    "arguments object": {"tool_calls": [{"index": 0, "function": {"arguments": {"a": TEXT}}}]},
    "arguments without function": {"tool_calls": [{"index": 0, "name": "f", "arguments": TEXT}]},
    "input": {"tool_calls": [{"index": 0, "custom": {"name": "f", "input": TEXT}}]},
    "function_call": {"function_call": {"name": "f", "arguments": TEXT}},
    "fields of calls": {
        "tool_calls": [{"index": 0, "id": "c", "x": TEXT, "function": {"name": "f", "y": TEXT}}]
    },
    "transcript": {"audio": {"id": "a", "transcript": TEXT, "expires_at": 1}},
    "audio": {"audio": {"id": "a", "data": TEXT}},
    "annotations": {"annotations": [{"type": "url_citation", "title": TEXT}]},
}
CHOICES: dict[str, Any] = {
    **{name: {"delta": delta} for name, delta in DELTAS.items()},
    **{
        f"{name} with finish": {"delta": delta, "finish_reason": "stop"}
        for name, delta in DELTAS.items()
    },
    "message": {"delta": {"content": "Ok."}, "message": {"content": TEXT}},
    "message alone": {"message": {"content": TEXT}, "finish_reason": "stop"},
    "text next to delta": {"delta": {"content": "Ok."}, "text": TEXT},
    "unknown choice field": {"delta": {}, "content_filter_results": {"detail": TEXT}},
    "logprobs": {"delta": {"content": "Ok."}, "logprobs": {"content": [TOKEN]}},
    "top logprobs": {"delta": {"content": "Ok."}, "logprobs": {"content": [TOP]}},
    "logprobs of refusals": {"delta": {"refusal": "No."}, "logprobs": {"refusal": [TOKEN]}},
    "logprobs alone": {"delta": {}, "logprobs": {"content": [TOKEN], "x": TEXT}},
    "legacy text": {"text": TEXT},
    "legacy text with finish": {"text": TEXT, "finish_reason": "length"},
    "legacy logprobs": {
        "text": "Ok.",
        "logprobs": {"tokens": [WORD], "token_logprobs": [-1.0], "top_logprobs": [{WORD: -1.0}]},
    },
    "legacy unknown field": {"text": "Ok.", "reasoning": TEXT},
    "legacy fields alone": {"text": "", "unknown": TEXT},
}
CHUNKS: dict[str, Any] = {
    **{name: {"choices": [{"index": 0, **choice}]} for name, choice in CHOICES.items()},
    "second choice": {
        "choices": [
            {"index": n, "delta": {"content": text}} for n, text in enumerate(["Ok.", TEXT])
        ]
    },
    "unknown field": {"choices": [{"index": 0, "delta": {"content": "Ok."}}], "citation": TEXT},
    "unknown field alone": {"choices": [], "prompt_filter_results": [{"detail": TEXT}]},
    "moderation": {
        "choices": [{"index": 0, "delta": {"content": "Ok."}}],
        "moderation": {"x": TEXT},
    },
    "obfuscation": {"choices": [{"index": 0, "delta": {"content": "Ok."}}], "obfuscation": TEXT},
    "usage": {
        "choices": [],
        "usage": {
            "total_tokens": 3,
            "cost": 0.5,
            "note": TEXT,
            "x": {"y": TEXT, "z": 1},
            "prompt_tokens_details": {"cached_tokens": 1, "note": TEXT},
            "completion_tokens_details": {"reasoning_tokens": 1, "note": TEXT},
        },
    },
    "x_groq": {
        "choices": [{"index": 0, "delta": {}}],
        "x_groq": {"id": TEXT, "usage": {"total_tokens": 3, "note": TEXT}},
    },
    "usage in a choice": {
        "choices": [{"index": 0, "delta": {}, "usage": {"total_tokens": 3, "note": TEXT}}]
    },
}
KINDS = get_args(Kind)
CHECKED: list[dict[str, Any]] = [
    {"unchecked": ()},
    {"kinds": KINDS},
    *[{"kinds": (kind,), "unchecked": ()} for kind in KINDS if kind != "content"],
]


def has_no_word(text: str) -> bool:
    return WORD not in text


def mask(text: str) -> Replace:
    return Replace(text.replace(WORD, "*"))


def stream_of(fields: dict[str, Any]) -> Stream:
    body = [b"data: %b\n\n" % json.dumps(each).encode() for each in (fields, fields)]
    return Stream([*body, b"data: [DONE]\n\n"], on_incomplete="accept")


def read_all(gate: Gate, stream: Any) -> Iterator[bytes]:
    with suppress(Flagged):
        yield from map(encode_chunk, gate.chunks(stream))


def gates(options: dict[str, Any]) -> Iterator[Gate]:
    yield Gate(has_no_word, **options)
    yield Gate(has_no_word, on_flagged="stop_choice", **options)
    yield Gate(mask, hold=len(WORD), **options)


@pytest.mark.parametrize("place", CHUNKS)
def test_no_leak(place: str) -> None:
    """A word that the check flags or masks isn't in a chunk, wherever the server sent it."""
    stream = [*stream_of(CHUNKS[place])]
    for options in CHECKED:
        for gate in gates(options):
            encoded = b"".join(read_all(gate, stream))
            assert WORD.encode() not in encoded, (options, encoded)


@pytest.mark.parametrize("place", [*DELTAS, "legacy text"])
def test_approved(place: str) -> None:
    """Text that the check approves is released, in the names of its kind."""
    texts = [piece.text for chunk in stream_of(CHUNKS[place]) for piece in chunk.pieces()]
    gate = Gate(lambda _: True, kinds=KINDS)
    chunks = [*gate.chunks(stream_of(CHUNKS[place]))]

    released = [piece.text for chunk in chunks for piece in chunk.pieces()]
    assert "".join(released) == "".join(texts)
    assert texts or gate.withheld


def test_unchecked_calls() -> None:
    """Calls whose arguments aren't checked bring no unknown fields."""
    call = {
        "index": 0,
        "id": "c",
        "x": TEXT,
        "function": {"name": "f", "arguments": "{}", "y": TEXT},
    }
    tool = {"index": 1, "custom": {"name": "g", "input": "a", "y": TEXT}}
    delta = {"tool_calls": [call, tool], "function_call": {"name": "h", "y": TEXT}}
    audio = {"audio": {"id": "a", "transcript": "Ok.", "x": TEXT}}
    for each in (delta, audio):
        gate = Gate(has_no_word, unchecked=("arguments", "transcript"))
        (chunk, *_) = gate.chunks(stream_of({"choices": [{"index": 0, "delta": each}]}))
        assert WORD.encode() not in encode_chunk(chunk)
        assert [piece.text for piece in chunk.pieces()] == (
            ["Ok."] if each is audio else ["{}", "a"]
        )


@pytest.mark.parametrize("unchecked", ["content", "reasoning"])
def test_mixed_parts(unchecked: Kind) -> None:
    """In a list with text and reasoning, the kind that isn't checked doesn't bring the other."""
    texts = ["Ok.", TEXT] if unchecked == "content" else [TEXT, "Ok."]
    parts = [{"type": "text", "text": texts[0]}, {"type": "thinking", "thinking": texts[1]}]
    stream = stream_of({"choices": [{"delta": {"content": parts}}]})
    checked: Kind = "reasoning" if unchecked == "content" else "content"
    gate = Gate(has_no_word, kinds=(checked,), unchecked=(unchecked,), on_flagged="stop_choice")

    chunks = [*gate.chunks(stream)]
    assert gate.flags
    assert [(piece.kind, piece.text) for chunk in chunks for piece in chunk.pieces()] == [
        (unchecked, "Ok.")
    ]


@pytest.mark.parametrize("place", ["usage", "x_groq", "usage in a choice"])
def test_token_counts(place: str) -> None:
    """Token counts, and numbers next to them, are kept."""
    usages = [chunk.usage for chunk in Gate(bool).chunks(stream_of(CHUNKS[place])) if chunk.usage]

    assert [usage.total_tokens for usage in usages] == [3, 3]
    if place == "usage":
        assert usages[0].to_dict() == {
            "total_tokens": 3,
            "cost": 0.5,
            "x": {"z": 1},
            "prompt_tokens_details": {"cached_tokens": 1},
            "completion_tokens_details": {"reasoning_tokens": 1},
        }
