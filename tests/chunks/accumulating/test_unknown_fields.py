"""Unknown fields of deltas lose nothing, and their labels aren't multiplied."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse import Accumulator, ChunkDecoder, Event, LimitExceeded, to_chunks


def accumulator_of(*deltas: dict[str, Any]) -> Accumulator:
    decoder, accumulator = ChunkDecoder(), Accumulator()
    for delta in deltas:
        for chunk in decoder.feed(Event(json.dumps({"choices": [{"index": 0, "delta": delta}]}))):
            accumulator.add(chunk)
    return accumulator


def extra_of(*deltas: dict[str, Any]) -> dict[str, Any]:
    """Return the unknown fields of the message, which are the same after a round trip."""
    snapshot: Any = accumulator_of(*deltas).snapshot()
    again = Accumulator()
    for chunk in to_chunks(snapshot):
        again.add(chunk)
    assert again.snapshot() == snapshot
    fields: dict[str, Any] = snapshot.choices[0].message.extra
    return fields


def pieces_of(name: str, *values: Any) -> Any:
    """Return what becomes of the values of a field that arrive on a delta each."""
    return extra_of(*({name: value} for value in values))[name]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["calm"] * 93, "calm"),
        (["a", "b"], "ab"),
        (["a", "a", "b", "a"], "aaba"),
        (["", "a", "", "a"], "a"),
        (["a", None, "a", "b", ""], "aab"),
        ([""], ""),
        (["\ud83d", "\ude00"], "\U0001f600"),
        (["a", 1], 1),
        ([1, "a", "b"], "ab"),
        ([1, 2], 2),
        ([True, None], True),
        ([{"a": 1}, {"b": 2}], {"b": 2}),
        (["a", ["b"], ["c"], "d", {"e": 1}], ["b", "c", "d", {"e": 1}]),
    ],
)
def test_values_of_a_field(values: list[Any], expected: Any) -> None:
    """A string is a label until a piece differs, then a text; lists are appended."""
    assert pieces_of("mood", *values) == expected


@pytest.mark.parametrize(
    "name", ["id", "call_id", "type", "name", "status", "channel", "format", "item_id"]
)
def test_words(name: str) -> None:
    """Fields that are a word by their name have the last value, however often they change."""
    assert pieces_of(name, "analysis", "analysis", "final") == "final"
    entry = {"index": 0, name: "analysis"}
    expected = 2 if name == "id" else 1  # another id is another entry
    assert len(pieces_of("entries", [entry], [entry | {name: "final"}])) == expected


@given(st.lists(st.text("ab", max_size=2), min_size=1, max_size=6))
def test_text_or_label(pieces: list[str]) -> None:
    """The value is the only piece if all are equal, else all pieces joined."""
    different = {piece for piece in pieces if piece}
    expected = "".join(pieces) if len(different) > 1 else "".join(different)
    assert pieces_of("mood", *pieces) == expected


IMAGE: dict[str, Any] = {"type": "image_url", "index": 0}


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param(
            [{"id": "a", "data": "A"}, {"id": "b", "data": "B"}, {"id": "a", "data": "C"}],
            [{"id": "a", "data": "AC"}, {"id": "b", "data": "B"}],
            id="an id identifies an entry",
        ),
        pytest.param(
            [{"index": 0, "id": 1}, {"index": 0, "id": 2}, {"index": 0, "id": 1, "x": 1}],
            [{"index": 0, "id": 1, "x": 1}, {"index": 0, "id": 2}],
            id="another id is another entry, also with the index of the first",
        ),
        pytest.param(
            [{"index": 0, "id": ""}, {"index": 0, "id": "a"}, {"id": "a"}],
            [{"index": 0, "id": "a"}, {"id": "a"}],
            id="an empty id is none, and an index is part of the key",
        ),
        pytest.param(
            [{"id": ["a"], "index": "0"}, {"id": ["a"], "index": "0"}],
            [{"id": ["a"], "index": "0"}] * 2,
            id="ids and indexes of other types identify nothing",
        ),
        pytest.param(
            [IMAGE | {"image_url": {"url": "A"}}, IMAGE | {"image_url": {"url": "B"}}],
            [IMAGE | {"image_url": {"url": "A"}}, IMAGE | {"image_url": {"url": "B"}}],
            id="another URL is another image",
        ),
        pytest.param(
            [IMAGE | {"image_url": {"url": "A"}}, IMAGE | {"detail": "low"}],
            [IMAGE | {"image_url": {"url": "A"}, "detail": "low"}],
            id="a piece without URL continues its image",
        ),
        pytest.param(
            [IMAGE | {"url": "A"}, IMAGE | {"url": "A", "text": "a"}, IMAGE | {"text": "b"}],
            [IMAGE | {"url": "A", "text": "ab"}],
            id="the same URL is the same image",
        ),
        pytest.param(
            [{"url": "A"}, {"url": "A"}],
            [{"url": "A"}, {"url": "A"}],
            id="entries without index and id are appended",
        ),
        pytest.param(
            [{"index": 0, "type": "a", "x": None, "tags": [1]}, {"index": 0, "tags": [2]}],
            [{"index": 0, "type": "a", "x": None, "tags": [1, 2]}],
            id="lists in entries are appended",
        ),
        pytest.param(
            [{"index": 0, "parts": [{"index": 0, "text": text}]} for text in ("a", "b")],
            [{"index": 0, "parts": [{"index": 0, "text": "ab"}]}],
            id="entries in entries are merged",
        ),
        pytest.param(
            [{"index": 0, "output": {"a": 1}}, {"index": 0, "output": {"b": 1}}],
            [{"index": 0, "output": {"b": 1}}],
            id="objects in entries are replaced",
        ),
    ],
)
def test_entries(pieces: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Pieces of an entry are merged by index or id, unless they can't be of one entry."""
    assert pieces_of("entries", *([piece] for piece in pieces)) == expected
    assert pieces_of("entries", pieces) == expected


def thinking(text: str | None = None, signature: str | None = None) -> dict[str, Any]:
    fields = {"type": "thinking", "thinking": text, "signature": signature}
    return {name: value for name, value in fields.items() if value is not None}


REDACTED = {"type": "redacted_thinking", "data": "RR"}


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param(
            [thinking("A", ""), thinking("B", ""), thinking("", "S1"), REDACTED],
            [thinking("AB", "S1"), REDACTED],
            id="text, then signature",
        ),
        pytest.param(
            [thinking("A"), thinking(None, "S1"), thinking("B"), {"signature": "S2"}],
            [thinking("A", "S1"), thinking("B", "S2")],
            id="text after a signature begins a block",
        ),
        pytest.param(
            [thinking("A", "S1"), thinking("B", "S2")],
            [thinking("A", "S1"), thinking("B", "S2")],
            id="complete blocks",
        ),
        pytest.param(
            [thinking("", "S1"), thinking("", "S2")],
            [thinking("", "S1"), thinking("", "S2")],
            id="blocks without text",
        ),
        pytest.param(
            [thinking("A", "S1"), thinking("", "S1"), thinking("", "")],
            [thinking("A", "S1")],
            id="a repeated or empty signature",
        ),
        pytest.param(
            [thinking("A"), REDACTED, thinking("B", "S"), REDACTED],
            [thinking("A"), REDACTED, thinking("B", "S"), REDACTED],
            id="another type begins a block",
        ),
        pytest.param(
            [thinking(text, sign) | {"index": 0} for text, sign in (("A", "S1"), ("B", ""))],
            [thinking("A", "S1") | {"index": 0}, thinking("B", "") | {"index": 0}],
            id="a block after a signature, with the same index",
        ),
        pytest.param(
            [{"signature": "a", "url": "A"}, {"signature": "a", "url": "B"}],
            [{"signature": "a", "url": "A"}, {"signature": "a", "url": "B"}],
            id="signed entries of another kind",
        ),
    ],
)
def test_thinking_blocks(pieces: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """A block of thinking ends with its signature, and has no index."""
    assert pieces_of("thinking_blocks", *([piece] for piece in pieces)) == expected
    assert pieces_of("thinking_blocks", pieces) == expected


def test_deep_lists() -> None:
    """Lists are merged to a depth that no server reaches; deeper ones are appended."""

    def nested(depth: int, leaf: str) -> list[dict[str, Any]]:
        return [{"index": 0, "a": nested(depth - 1, leaf)}] if depth else [{"index": 0, "x": leaf}]

    assert pieces_of("a", nested(6, "a"), nested(6, "b")) == nested(6, "ab")
    value: Any = pieces_of("a", nested(200, "a"), nested(200, "b"))
    for _ in range(7):
        (entry,) = value
        value = entry["a"]
    assert value == nested(193, "a") + nested(193, "b")


CITED = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A"}}
OTHER = {"type": "url_citation", "url_citation": {"url": "https://b.example", "title": "A"}}


def test_repeated_annotations() -> None:
    """An exact repetition of an annotation counts once; others are appended."""
    reordered = dict(reversed(CITED.items()))
    annotations: Any = accumulator_of(
        {"annotations": [CITED, CITED]},
        {"annotations": [OTHER, reordered, OTHER]},
        {"annotations": [CITED | {"index": 0}, OTHER | {"index": 0}, CITED | {"index": 0}]},
    ).snapshot()
    assert annotations.choices[0].message.annotations == [
        *(CITED, OTHER),
        *(CITED | {"index": 0}, OTHER | {"index": 0}),
    ]


def test_labels_within_the_limit() -> None:
    """Repetitions of a label that become a text are counted before they are joined."""
    chunks = [
        chunk
        for text in ("x" * 1000, "y")
        for chunk in ChunkDecoder().feed(Event(json.dumps({"choices": [{"delta": {"a": text}}]})))
    ]
    accumulator = Accumulator(max_accumulated_bytes=100_000)
    for _ in range(1000):
        accumulator.add(chunks[0])
    with pytest.raises(LimitExceeded) as caught:
        accumulator.add(chunks[1])
    assert caught.value.partial.choices[0].message.extra == {"a": "x" * 1000}


def test_audio() -> None:
    """Unknown fields of spoken answers follow the same rules."""
    snapshot: Any = accumulator_of(
        {"audio": {"format": "wav", "words": [1], "note": "a"}},
        {"audio": {"format": "wav", "words": [2], "note": "b"}},
    ).snapshot()
    assert snapshot.choices[0].message.audio.extra == {
        "format": "wav",
        "words": [1, 2],
        "note": "ab",
    }


def test_tool_calls() -> None:
    """Unknown fields of tool calls and functions follow the same rules."""
    pieces: list[Any] = [
        {"index": 0, "id": "a", "note": "a", "status": "x", "function": {"name": "f", "logs": [1]}},
        {"index": 0, "note": "b", "status": "y", "function": {"arguments": "{}", "logs": [2]}},
    ]
    snapshot: Any = accumulator_of(*({"tool_calls": [piece]} for piece in pieces)).snapshot()
    (call,) = snapshot.choices[0].message.tool_calls
    assert call.extra == {"note": "ab", "status": "y"}
    assert call.function.extra == {"logs": [1, 2]}
