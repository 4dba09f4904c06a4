"""What a choice brings is answered by two methods of its own: `pieces()` and `only_text()`."""

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

# Of each field a value, and the pieces of text that it is.
DELTA: dict[str, tuple[Any, list[tuple[str, str]]]] = {
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


def test_every_field_has_an_answer() -> None:
    """A field that the models gain needs a line in the tables of this module."""
    assert set(DELTA) == set(ChoiceDelta.wire_fields())
    assert {"index", "delta", *CHOICE} == set(ChunkChoice.wire_fields())


@pytest.mark.parametrize("name", DELTA)
def test_a_field_of_a_delta(name: str) -> None:
    """Its texts are pieces; next to content it leaves the choice more than text."""
    value, pieces = DELTA[name]
    choice = ChunkChoice(index=3, delta=ChoiceDelta(**{name: value}))
    assert choice.pieces() == [(kind, text, 3) for kind, text in pieces]

    choice.delta.content = choice.delta.content or "a"
    assert choice.only_text() is None


@pytest.mark.parametrize("name", CHOICE)
def test_a_field_of_a_choice(name: str) -> None:
    """So does a field of the choice."""
    choice = ChunkChoice(index=0, delta=ChoiceDelta(content="a"), **{name: CHOICE[name]})
    assert choice.pieces() == [("content", "a", 0)]
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
    """Unknown fields, and those that were assumed, are more than text; no text is None."""
    assert choice.only_text() is None


@pytest.mark.parametrize("text", ["a", ""])
def test_text_alone(text: str) -> None:
    """Content and nothing else is text alone, empty text too."""
    choice = ChunkChoice(index=0, delta=ChoiceDelta(content=text))
    assert choice.only_text() == text
    assert choice.pieces() == ([("content", "a", 0)] if text else [])


@pytest.mark.parametrize(
    ("fields", "reasoning"),
    [
        ({"reasoning_content": "a", "reasoning": "a"}, "a"),
        ({"reasoning_content": "AAA", "reasoning": "bb"}, "AAAbb"),
        ({"reasoning": "a", "reasoning_details": [{"text": "a"}]}, "a"),
    ],
)
def test_reasoning_under_several_names(fields: dict[str, Any], reasoning: str) -> None:
    """The same text under two names counts once, different texts both."""
    choice = ChunkChoice(index=0, delta=ChoiceDelta(**fields))
    assert choice.pieces() == [("reasoning", reasoning, 0)]


def test_chunks() -> None:
    """A chunk has the pieces of its choices, of either kind of completion."""
    deltas = [ChunkChoice(index=at, delta=ChoiceDelta(content="ab"[at])) for at in (1, 0)]
    texts = [CompletionChunkChoice(index=at, text="ab"[at]) for at in (1, 0)]
    texts.append(CompletionChunkChoice(index=2, text=""))
    expected = [("content", "b", 1), ("content", "a", 0)]

    assert ChatCompletionChunk(choices=deltas).pieces() == expected
    assert CompletionChunk(choices=texts).pieces() == expected
