"""Structured reasoning is joined in the form in which it must be sent back."""

import json
from typing import Any

import pytest

from sseparse import Accumulator, ChunkDecoder, Event


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
