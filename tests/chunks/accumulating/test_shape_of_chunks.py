"""The shape of a chunk decides what it is, before its labels."""

import json
from typing import Any

import pytest

from sseparse import (
    Accumulator,
    ChatCompletion,
    ChunkDecoder,
    Completion,
    Event,
    encode_chunk,
)
from sseparse.sse._parser import Parser

LABELS = ["text_completion", "chat.completion.chunk", "chat.completion", "other", None]


def read(*bodies: dict[str, Any]) -> Any:
    """Return the completion, which is the same after encoding and decoding the chunks."""
    decoder, accumulator = ChunkDecoder(), Accumulator()
    chunks = [chunk for body in bodies for chunk in decoder.feed(Event(json.dumps(body)))]
    for chunk in chunks:
        accumulator.add(chunk)
    wire = b"".join(encode_chunk(chunk) for chunk in chunks)
    again = ChunkDecoder()
    assert [chunk for event in Parser().feed(wire) for chunk in again.feed(event)] == chunks
    assert decoder.error is None
    return accumulator.snapshot()


@pytest.mark.parametrize("label", LABELS)
def test_delta(label: str | None) -> None:
    """A choice with a delta is a chat chunk, whatever `object` says."""
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    result = read(
        {"object": label, "choices": [{"index": 0, "delta": {"reasoning_content": "Hm"}}]},
        {"object": label, "choices": [{"index": 0, "delta": {"content": "a"}}]},
        {"object": label, "choices": [{"index": 0, "text": "b", "delta": {"content": "b"}}]},
        {"object": label, "choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]},
        {"object": label, "choices": [], "usage": usage},
    )
    assert isinstance(result, ChatCompletion)
    assert (result.text, result.choices[0].message.reasoning_content) == ("ab", "Hm")
    assert result.usage is not None
    assert result.usage.total_tokens == 3


@pytest.mark.parametrize("label", LABELS)
def test_text(label: str | None) -> None:
    """A choice with a text and no delta is a legacy chunk, whatever `object` says."""
    bodies = [{"object": label, "choices": [{"index": 0, "text": text}]} for text in ("a", "b")]
    result = read(*bodies, {"object": label, "choices": [{"index": 0, "finish_reason": "stop"}]})
    assert isinstance(result, Completion)
    assert result.text == "ab"


@pytest.mark.parametrize("label", LABELS)
def test_label(label: str | None) -> None:
    """The label decides if no choice shows the kind."""
    kind = Completion if label == "text_completion" else ChatCompletion
    assert type(read({"object": label, "choices": []})) is kind
    result = read({"object": label, "choices": [{"index": 0, "finish_reason": "stop"}]})
    assert type(result) is kind


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("index", [0, "0", 0.0])
def test_pieces_in_messages(label: str | None, index: Any) -> None:
    """Pieces in `message` instead of `delta` are accumulated as deltas."""
    result = read(
        {"object": label, "choices": [{"index": index, "message": {"role": "assistant"}}]},
        {"object": label, "choices": [{"index": index, "message": {"content": "a"}}]},
        {"object": label, "choices": [{"index": index, "message": {"content": "b"}}]},
        {"object": label, "choices": [{"index": index, "message": {}, "finish_reason": "stop"}]},
    )
    assert isinstance(result, ChatCompletion)
    assert result.text == "ab"
    assert result.choices[0].finish_reason == "stop"
    assert result.choices[0].extra == {}


@pytest.mark.parametrize("index", [1, "1"])
def test_messages_of_several_choices(index: Any) -> None:
    """The pieces of all choices are accumulated, in the same chunk or in several."""
    both = [
        {"index": 0, "message": {"content": "a"}},
        {"index": index, "message": {"content": "x"}},
    ]
    result = read(
        {"choices": both},
        {"choices": [{"index": index, "message": {"content": "y"}}]},
        {"choices": [{"index": 0, "message": {"content": "b"}}]},
    )
    assert [choice.message.content for choice in result.choices] == ["ab", "xy"]


@pytest.mark.parametrize("index", [0, "0", 0.0])
def test_messages_after_deltas(index: Any) -> None:
    """After deltas, a message repeats them and isn't added."""
    result = read(
        {"choices": [{"index": index, "delta": {"content": "a"}, "message": {"content": "a"}}]},
        {"choices": [{"index": index, "delta": {"content": "b"}, "message": {"content": "ab"}}]},
        {"choices": [{"index": index, "message": {"content": "ab"}, "finish_reason": "stop"}]},
    )
    assert result.text == "ab"
    assert result.choices[0].extra == {}


def test_message_of_another_choice_after_deltas() -> None:
    """A choice that arrives as a message, next to one with deltas, is read once."""
    result = read(
        {"choices": [{"index": 0, "delta": {"content": "a"}}]},
        {"choices": [{"index": 1, "message": {"content": "x"}}]},
        {"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}]},
    )
    assert [choice.message.content for choice in result.choices] == ["a", "x"]
