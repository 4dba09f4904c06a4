"""`to_json()` of chunks, completions and their parts."""

import json
from typing import Any

import msgspec
import pytest

from sseparse import Accumulator, ChunkDecoder, Event
from sseparse.payloads._model import Model
from test_copying import ALL_PARTS

MODELS = {name: value for name, value in ALL_PARTS.items() if isinstance(value, Model)}


def decode(body: dict[str, Any]) -> Any:
    (chunk,) = ChunkDecoder().feed(Event(json.dumps(body)))
    return chunk


@pytest.mark.parametrize("name", MODELS)
def test_same_as_to_dict(name: str) -> None:
    """The JSON is that of `to_dict()`, without the private fields of a model."""
    text = MODELS[name].to_json()

    assert json.loads(text) == MODELS[name].to_dict()
    assert '" ' not in text


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [{"index": 0, "delta": {"content": "é", "mood": [1]}, "x": {}}], "y": None},
        {"choices": [{"delta": {"content": "a"}}], "usage": {"x": 1 << 70}},
        {"choices": [{"index": 0, "delta": {"content": "\ud83d"}}], "x": "\ude00"},
        {"object": "text_completion", "choices": [{"text": "a"}]},
    ],
)
def test_wire_form(body: dict[str, Any]) -> None:
    """Unknown fields are at their own level, and fields that the server left out stay out."""
    assert json.loads(decode(body).to_json()) == body


def test_text_is_utf_8() -> None:
    """The JSON is compact, and only half of a surrogate pair is escaped."""
    choice = {"index": 0, "delta": {"content": "é"}}
    assert decode({"choices": [choice]}).to_json() == (
        '{"choices":[{"index":0,"delta":{"content":"é"}}]}'
    )
    assert r"\ud83d" in decode({"choices": [], "x": "\ud83d"}).to_json()


def test_inside_another_object() -> None:
    """`msgspec.Raw` embeds the JSON in a larger object."""
    chunk = decode({"choices": [], "x": 1})
    text = msgspec.json.encode([msgspec.Raw(chunk.to_json())])

    assert text == b'[{"choices":[],"x":1}]'


def test_kind_of_a_result_is_encoded() -> None:
    """msgspec doesn't leave out a completion's `object`, although it has a default."""
    accumulator = Accumulator()
    accumulator.add(decode({"choices": [{"index": 0, "delta": {"role": "assistant"}}]}))

    assert json.loads(msgspec.json.encode(accumulator.snapshot()))["object"] == "chat.completion"
