"""Tests of `pieces()` and `only_text()` of chunks and their choices."""

from typing import Any

import pytest

from sseparse.chunks import (
    AudioDelta,
    ChatCompletionChunk,
    ChoiceDelta,
    ChoiceLogprobs,
    ChunkChoice,
    CompletionChunk,
    CompletionChunkChoice,
    CustomToolDelta,
    FunctionDelta,
    ToolCallDelta,
)
from sseparse.payloads._model import Kind, Piece

# A value of each field, and its pieces.
DELTA: dict[str, tuple[Any, list[tuple[Kind, str]]]] = {
    "role": ("assistant", []),
    "content": (
        [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}],
        [("reasoning", "hm"), ("content", "a")],
    ),
    "refusal": ("no", [("refusal", "no")]),
    "tool_calls": (
        [
            ToolCallDelta(function=FunctionDelta(name="f", arguments="{")),
            ToolCallDelta(custom=CustomToolDelta(input="ls")),
            ToolCallDelta(function=FunctionDelta(arguments={"a": 1})),
            ToolCallDelta(id="c"),
        ],
        [("arguments", "{"), ("arguments", "ls"), ("arguments", '{"a":1}')],
    ),
    "function_call": (FunctionDelta(arguments="{}"), [("arguments", "{}")]),
    "audio": (AudioDelta(data="AAAA", transcript="hey"), [("transcript", "hey")]),
    "annotations": ([{"type": "url_citation"}], []),
    "reasoning_content": ("why", [("reasoning", "why")]),
    "reasoning": ("why", [("reasoning", "why")]),
    "reasoning_details": ([{"text": "a"}, {"summary": "b"}, {"data": "c"}], [("reasoning", "ab")]),
}
CHOICE: dict[str, Any] = {"finish_reason": "stop", "logprobs": ChoiceLogprobs()}


def test_all_fields_are_tested() -> None:
    """The tables of this module have an entry for each field of the models."""
    assert set(DELTA) == set(ChoiceDelta.wire_fields())
    assert {"index", "delta", *CHOICE} == set(ChunkChoice.wire_fields())


@pytest.mark.parametrize("name", DELTA)
def test_a_field_of_a_delta(name: str) -> None:
    """A delta's texts are pieces; a choice with another field than content isn't only text."""
    value, pieces = DELTA[name]
    choice = ChunkChoice(index=3, delta=ChoiceDelta(**{name: value}))
    assert choice.pieces() == [Piece(kind, text, 3) for kind, text in pieces]

    choice.delta.content = choice.delta.content or "a"
    assert choice.only_text() is None


@pytest.mark.parametrize("name", CHOICE)
def test_a_field_of_a_choice(name: str) -> None:
    """A choice with a field of its own isn't only text."""
    choice = ChunkChoice(index=0, delta=ChoiceDelta(content="a"), **{name: CHOICE[name]})
    assert choice.pieces() == [Piece("content", "a", 0)]
    assert choice.only_text() is None


@pytest.mark.parametrize(
    "choice",
    [
        ChunkChoice(index=0, delta=ChoiceDelta(content="a", extra={"x": 1})),
        ChunkChoice(index=0, delta=ChoiceDelta(content="a"), extra={"x": 1}),
        ChunkChoice(index=0, delta=ChoiceDelta(content="a"), absent=("index",)),
        ChunkChoice(index=0, delta=ChoiceDelta()),
    ],
)
def test_unknown_and_missing_fields(choice: ChunkChoice) -> None:
    """A choice with unknown or missing fields, or without text, isn't only text."""
    assert choice.only_text() is None


@pytest.mark.parametrize("text", ["a", ""])
def test_only_text(text: str) -> None:
    """A choice with content and nothing else is only text, even if the text is empty."""
    choice = ChunkChoice(index=0, delta=ChoiceDelta(content=text))
    assert choice.only_text() == text
    assert choice.pieces() == ([Piece("content", "a", 0)] if text else [])


@pytest.mark.parametrize(
    ("fields", "reasoning"),
    [
        ({"reasoning_content": "a", "reasoning": "a"}, "a"),
        ({"reasoning_content": "AAA", "reasoning": "bb"}, "AAAbb"),
        ({"reasoning": "a", "reasoning_details": [{"text": "a"}]}, "a"),
    ],
)
def test_reasoning_under_several_names(fields: dict[str, Any], reasoning: str) -> None:
    """The same text under two names is one piece; different texts are joined."""
    choice = ChunkChoice(index=0, delta=ChoiceDelta(**fields))
    assert choice.pieces() == [Piece("reasoning", reasoning, 0)]


def test_chunks() -> None:
    """A chunk has the pieces of its choices, in chat and in legacy completions."""
    deltas = [ChunkChoice(index=at, delta=ChoiceDelta(content="ab"[at])) for at in (1, 0)]
    texts = [CompletionChunkChoice(index=at, text="ab"[at]) for at in (1, 0)]
    texts.append(CompletionChunkChoice(index=2, text=""))
    expected = [Piece("content", "b", 1), Piece("content", "a", 0)]

    assert ChatCompletionChunk(choices=deltas).pieces() == expected
    assert CompletionChunk(choices=texts).pieces() == expected
