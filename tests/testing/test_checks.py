"""Checks of parsers."""

from typing import Any

import pytest

from sseparse import ChunkParser, LimitExceeded, Parser
from sseparse.testing import check_parser, every_split, run_stage


@pytest.mark.parametrize("body", [b"", b"a", b"data: a\n\n"])
def test_every_split(body: bytes) -> None:
    """The cuts include one piece, single bytes, and two pieces at every position."""
    cuts = list(every_split(body))

    assert all(b"".join(cut) == body for cut in cuts)
    assert [body] in cuts
    assert [bytes([byte]) for byte in body] in cuts
    for at in range(len(body) + 1):
        assert [body[:at], body[at:]] in cuts


def test_every_split_is_bounded_and_repeatable() -> None:
    """A large body is cut in two at `most` positions. A seed always gives the same cuts."""
    body = bytes(5000)

    cuts = list(every_split(body, most=10))

    assert len([cut for cut in cuts if len(cut) == 2]) == 10
    assert cuts == list(every_split(body, most=10))
    assert cuts != list(every_split(body, most=10, seed=1))


def test_run_stage() -> None:
    """The outcome has the items before an error, and the error."""
    outcome = run_stage(Parser(max_line_bytes=9), [b"data: a\n\ndata: too long", b"\n\n"])

    assert [event.data for event in outcome.items] == ["a"]
    assert isinstance(outcome.error, LimitExceeded)


def test_correct_parser_passes() -> None:
    """check_parser() returns the outcome for the body as one piece."""
    outcome = check_parser(ChunkParser, b"data: {}\n\n", state=lambda parser: parser.done)

    assert [chunk.to_dict() for chunk in outcome.items] == [{}]


class LineSplitter(Parser):
    """A parser with the most common error: it expects complete lines in each piece."""

    def feed(self, data: Any) -> list[Any]:
        return [line for line in bytes(data).split(b"\n") if line]


class PieceCounter(Parser):
    """A parser whose state depends on the pieces, although its events don't."""

    def feed(self, data: Any) -> list[Any]:
        self.longest = max(getattr(self, "longest", 0), len(data))
        return super().feed(data)


def test_incorrect_parser_fails() -> None:
    """Other items or another state for any cut raise an AssertionError that shows the cut."""
    with pytest.raises(AssertionError, match=r"fed in pieces of \[1, 1, 1\] bytes"):
        check_parser(LineSplitter, b"abc")
    check_parser(PieceCounter, b"data: a\n\n")
    with pytest.raises(AssertionError):
        check_parser(PieceCounter, b"data: a\n\n", state=lambda parser: parser.longest)
