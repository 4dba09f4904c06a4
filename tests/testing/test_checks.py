"""The checks find what they are for."""

from typing import Any

import pytest

from sseparse import ChunkParser, LimitExceeded, Parser
from sseparse.testing import check_parser, every_split, run_stage


@pytest.mark.parametrize("body", [b"", b"a", b"data: a\n\n"])
def test_every_split(body: bytes) -> None:
    """Whole, byte by byte, and in two everywhere are among the cuts; each is the body."""
    cuts = list(every_split(body))

    assert all(b"".join(cut) == body for cut in cuts)
    assert [body] in cuts
    assert [bytes([byte]) for byte in body] in cuts
    for at in range(len(body) + 1):
        assert [body[:at], body[at:]] in cuts


def test_every_split_is_bounded_and_repeatable() -> None:
    """A large body is cut in two at so many positions; one seed, one set of cuts."""
    body = bytes(5000)

    cuts = list(every_split(body, most=10))

    assert len([cut for cut in cuts if len(cut) == 2]) == 10
    assert cuts == list(every_split(body, most=10))
    assert cuts != list(every_split(body, most=10, seed=1))


def test_run_stage() -> None:
    """The items before a fault, and the fault."""
    outcome = run_stage(Parser(max_line_bytes=9), [b"data: a\n\ndata: too long", b"\n\n"])

    assert [event.data for event in outcome.items] == ["a"]
    assert isinstance(outcome.error, LimitExceeded)


def test_a_sound_parser_passes() -> None:
    """check_parser() gives what the parser made of the whole."""
    outcome = check_parser(ChunkParser, b"data: {}\n\n", state=lambda parser: parser.done)

    assert [chunk.to_dict() for chunk in outcome.items] == [{}]


class Piecewise(Parser):
    """A parser with the commonest fault: each piece must hold whole lines."""

    def feed(self, data: Any) -> list[Any]:
        return [line for line in bytes(data).split(b"\n") if line]


class Forgetful(Parser):
    """A parser whose state depends on the pieces, though its events do not."""

    def feed(self, data: Any) -> list[Any]:
        self.longest = max(getattr(self, "longest", 0), len(data))
        return super().feed(data)


def test_a_faulty_parser_is_found() -> None:
    """Other items, or another state, at any cut: an AssertionError that shows the cut."""
    with pytest.raises(AssertionError, match=r"fed as \[1, 1, 1\] bytes"):
        check_parser(Piecewise, b"abc")
    check_parser(Forgetful, b"data: a\n\n")
    with pytest.raises(AssertionError):
        check_parser(Forgetful, b"data: a\n\n", state=lambda parser: parser.longest)
