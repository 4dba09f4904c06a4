"""Structured reasoning is joined in the form in which it must be sent back."""

import json
from typing import Any

import pytest

from sseparse import Accumulator, ChunkDecoder, ChunkReader, Event, to_chunks
from sseparse.chunks import ReasoningDelta, ReasoningDone
from sseparse.timing import Timeline


def details(*pieces: dict[str, Any]) -> Any:
    decoder = ChunkDecoder()
    accumulator = Accumulator()
    for piece in pieces:
        body = {"choices": [{"index": 0, "delta": {"reasoning_details": [piece]}}]}
        for chunk in decoder.feed(Event(json.dumps(body))):
            accumulator.add(chunk)
    return accumulator.snapshot().to_dict()["choices"][0]["message"]["reasoning_details"]


TEXT = {"type": "reasoning.text", "index": 0}
SUMMARY = {"type": "reasoning.summary", "index": 0}
ENCRYPTED = {"type": "reasoning.encrypted", "index": 0}


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param(
            [TEXT | {"text": "a", "format": "f"}, TEXT | {"text": "b", "format": "f"}],
            [TEXT | {"text": "ab", "format": "f"}],
            id="texts are joined, other fields are not",
        ),
        pytest.param(
            [TEXT | {"text": "a"}, TEXT | {"index": 1, "text": "b"}, TEXT | {"text": "c"}],
            [TEXT | {"text": "ac"}, TEXT | {"index": 1, "text": "b"}],
            id="different indexes are different entries",
        ),
        pytest.param(
            [
                TEXT | {"text": "a"},
                ENCRYPTED | {"index": 1, "data": "x"},
                TEXT | {"signature": "s"},
                ENCRYPTED | {"index": 7, "signature": "t"},
                TEXT | {"text": "b"},
            ],
            [
                TEXT | {"text": "ab", "signature": "s"},
                ENCRYPTED | {"index": 1, "data": "x", "signature": "t"},
            ],
            id="a signature joins the entry of its index, or else the latest of its type",
        ),
        pytest.param(
            [ENCRYPTED | {"data": "x"}, {"type": "reasoning.text", "signature": "s"}],
            [ENCRYPTED | {"data": "x"}, {"type": "reasoning.text", "signature": "s"}],
            id="a signature of another type is an entry of its own",
        ),
        pytest.param(
            [TEXT | {"text": "a"}, SUMMARY | {"summary": "b"}],
            [TEXT | {"text": "a"}, SUMMARY | {"summary": "b"}],
            id="different types are different entries",
        ),
        pytest.param(
            [TEXT | {"text": "a", "signature": None}, TEXT | {"signature": "s"}],
            [TEXT | {"text": "a", "signature": "s"}],
            id="a late signature",
        ),
        pytest.param(
            [TEXT | {"text": "a", "signature": "s"}, TEXT | {"text": "b", "signature": None}],
            [TEXT | {"text": "ab", "signature": "s"}],
            id="a null does not replace a signature",
        ),
        pytest.param(
            [TEXT | {"text": "a"}, {"signature": "s", "text": ""}],
            [TEXT | {"text": "a", "signature": "s"}],
            id="a signature alone joins the latest",
        ),
        pytest.param(
            [{"signature": "s"}], [{"signature": "s"}], id="a signature with nothing to join"
        ),
        pytest.param(
            [ENCRYPTED | {"data": "a"}, ENCRYPTED | {"data": "b"}],
            [ENCRYPTED | {"data": "a"}, ENCRYPTED | {"data": "b"}],
            id="encrypted entries are not joined",
        ),
        pytest.param(
            [{"type": "reasoning.text", "text": "a"}, {"type": "reasoning.text", "text": "b"}],
            [{"type": "reasoning.text", "text": "ab"}],
            id="no index: the same type continues the entry",
        ),
        pytest.param(
            [{"type": "a", "text": "a"}, {"type": "b", "text": "b"}, {"type": "a", "text": "c"}],
            [{"type": "a", "text": "a"}, {"type": "b", "text": "b"}, {"type": "a", "text": "c"}],
            id="no index: another type begins an entry",
        ),
        pytest.param(
            [TEXT | {"text": None, "id": None}, TEXT | {"text": "a", "id": "i"}],
            [TEXT | {"text": "a", "id": "i"}],
            id="of other fields, the first value that is not null counts",
        ),
    ],
)
def test_pieces_are_assigned_to_entries(
    pieces: list[dict[str, Any]], expected: list[dict[str, Any]]
) -> None:
    """Pieces with the same type and index form one entry."""
    assert details(*pieces) == expected


def choice(delta: dict[str, Any]) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta}]}


def check_reasoning(*deltas: dict[str, Any]) -> Any:
    """Return the message, after checking that chunks, updates and a round trip agree on it."""
    decoder, accumulator, again = ChunkDecoder(), Accumulator(), Accumulator()
    chunks: list[Any] = []
    for delta in deltas:
        chunks += decoder.feed(Event(json.dumps(choice(delta))))
    updates = [update for chunk in chunks for update in accumulator.updates(chunk)]
    updates += accumulator.last_updates()
    pieces = [
        piece.text for chunk in chunks for piece in chunk.pieces() if piece.kind == "reasoning"
    ]
    assert pieces == [each for each in (c.choices[0].delta.reasoning_text for c in chunks) if each]
    assert pieces == [update.text for update in updates if isinstance(update, ReasoningDelta)]
    done = [update.text for update in updates if isinstance(update, ReasoningDone)]
    assert done == (["".join(pieces)] if pieces else [])

    snapshot: Any = accumulator.snapshot()
    for chunk in to_chunks(snapshot):
        again.add(chunk)
    assert again.snapshot() == snapshot
    return snapshot.choices[0].message


NAMES = ["reasoning_text", "thinking_content", "thinking", "thought"]


@pytest.mark.parametrize("name", NAMES)
def test_other_names(name: str) -> None:
    """Reasoning under another name is the message's reasoning, and no unknown field."""
    message = check_reasoning(
        {name: ""}, {name: "Let "}, {name: "Let "}, {name: 1}, {"content": "4"}
    )
    assert (message.reasoning, message.content, message.extra) == ("Let Let 1", "4", {})


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_same_text_under_two_names(name: str) -> None:
    """The same text under several names counts once."""
    deltas = [dict.fromkeys((name, "thought", "thinking_content"), text) for text in ("a", "b", "")]
    message = check_reasoning(*deltas)
    assert (getattr(message, name), message.extra) == ("ab", {})
    assert {message.reasoning, message.reasoning_content} == {"ab", None}


def test_different_texts_under_two_names() -> None:
    """Different texts under two names are both kept, in an order of their own."""
    message = check_reasoning({"reasoning_content": "a", "thought": "b", "reasoning": "c"})
    assert (message.reasoning_content, message.reasoning) == ("a", "cb")


@pytest.mark.parametrize("value", [True, {"text": "a"}, None])
def test_values_that_are_no_reasoning(value: Any) -> None:
    """A value that isn't a text is an unknown field, as Gemini's `thought: true`."""
    message = check_reasoning({"thought": value, "content": "a"})
    assert (message.reasoning, message.content) == (None, "a")
    assert message.extra == ({} if value is None else {"thought": value})


PARTS: list[tuple[Any, str]] = [
    (["a", "b"], "ab"),
    ([{"type": "text", "text": "a"}, {"text": "b"}], "ab"),
    ([{"type": "thinking", "thinking": "a"}, {"type": "reasoning_text", "text": "b"}], "ab"),
    ([{"type": "thinking", "thinking": [{"text": "a"}, "b"]}], "ab"),
    ([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "ab"}]}], "ab"),
]


@pytest.mark.parametrize(("parts", "text"), PARTS)
@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", *NAMES])
def test_lists(name: str, parts: list[Any], text: str) -> None:
    """Reasoning can be a list of strings or parts; their texts are joined."""
    message = check_reasoning({name: parts}, {name: "!"}, {"content": "ok"})
    field = name if name == "reasoning_content" else "reasoning"
    assert (getattr(message, field), message.extra) == (text + "!", {})


MORE: list[tuple[Any, str]] = [
    ({"type": "thinking", "thinking": "a", "signature": "S"}, "a"),
    ({"type": "thinking", "thinking": [{"type": "text", "text": "a", "signature": "S"}]}, "a"),
    ({"type": "thinking", "thinking": "b", "text": "a"}, "a"),
    ({"type": "redacted_thinking", "data": "RR"}, ""),
    ({"type": "text", "text": 1}, ""),
    (1, ""),
]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thought"])
@pytest.mark.parametrize(("part", "text"), MORE)
def test_parts_with_more_than_text(name: str, part: Any, text: str) -> None:
    """A part with more than its text is kept, too."""
    message = check_reasoning({name: [part, {"type": "text", "text": "!"}]})
    assert (message.reasoning_content or message.reasoning) == f"{text}!"
    assert message.extra == {"content_parts": [part]}


def test_lists_without_text() -> None:
    """The parts of a list without text are kept."""
    message = check_reasoning({"reasoning_content": []}, {"thought": [[]]})
    assert (message.reasoning_content, message.reasoning) == ("", "")
    assert message.extra == {"content_parts": [[]]}


def test_timeline() -> None:
    """A timeline sees reasoning under another name."""
    timeline = Timeline()
    reader = ChunkReader(timeline=timeline)
    for name in NAMES:
        reader.feed(f"data: {json.dumps(choice({name: 'a'}))}\n\n".encode())
    reader.feed(b"data: [DONE]\n\n")
    reader.close()
    assert timeline.record().sizes == (1, 1, 1, 1)
    assert timeline.record().texts == (0, 0, 0, 0)
