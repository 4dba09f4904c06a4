"""Checks that a parser's output doesn't depend on how its input is cut."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any, Generic, TypeVar

from attrs import define

from .._errors import SSEError
from .._stage import Stage

T = TypeVar("T")


def every_split(body: bytes, *, most: int = 600, seed: int = 0) -> Iterator[list[bytes]]:
    """
    Yield the pieces of a body for each of the splits that reveal errors of incremental parsers.

    The splits are: one piece; single bytes; two pieces, at every position; and four random splits,
    which include empty pieces.

    Args:
        body: The bytes to split.
        most: Maximum number of positions at which the body is split in two. If it has more, some
            are chosen at random. Default: 600.
        seed: The seed of the random splits. The same seed gives the same splits. Default: 0.
    """
    draw = random.Random(seed)  # noqa: S311 - not for cryptography
    yield [body]
    yield [body[at : at + 1] for at in range(len(body))]
    positions = range(len(body) + 1)
    for at in positions if len(positions) <= most else sorted(draw.sample(positions, most)):
        yield [body[:at], body[at:]]
    for _ in range(4):
        cuts = sorted(draw.choices(positions, k=min(len(body), 16)))
        yield [body[start:stop] for start, stop in pairwise([0, *cuts, len(body)])]


@define
class Outcome(Generic[T]):
    """
    The items that a stage returned, in order, and the error that stopped it, or None.

    Attributes:
        items: The items, in order.
        error: The error that stopped the stage, or None.
    """

    items: list[T]
    error: SSEError | None

    def same_as(self, other: Outcome[T]) -> bool:
        """Return whether both have equal items, and errors of the same type and message."""
        mine, others = [(type(each.error), str(each.error)) for each in (self, other)]
        return self.items == other.items and mine == others


def run_stage(stage: Stage[bytes, T], pieces: Iterable[bytes]) -> Outcome[T]:
    """Feed pieces to a new stage, close it, and return its items and the error that stopped it."""
    items: list[T] = []
    for piece in pieces:
        items += stage.feed(piece)
        if stage.error is not None:
            break
    else:
        items += stage.close()
    return Outcome(items, stage.error)


def check_parser(
    make: Callable[[], Stage[bytes, T]],
    body: bytes,
    *,
    state: Callable[[Any], object] = lambda stage: None,  # noqa: ARG005 - nothing to compare
) -> Outcome[T]:
    """
    Check that a parser returns the same items and error for every split of its input.

    Args:
        make: Returns a new parser: `Parser`, `ChunkParser`, or a stage of your own.
        body: The bytes to feed.
        state: Returns additional state of the parser that must be equal at the end; by default,
            there is none.

    Returns:
        The outcome for the body as one piece.

    Raises:
        AssertionError: A split gave other items, another error or another state.
    """

    def run(pieces: list[bytes]) -> tuple[Outcome[T], object]:
        parser = make()
        return run_stage(parser, pieces), state(parser)

    expected, expected_state = run([body])
    for pieces in every_split(body):
        outcome, final_state = run(pieces)
        if not outcome.same_as(expected) or final_state != expected_state:
            raise AssertionError(
                f"fed in one piece: {expected!r}, {expected_state!r}\n"
                f"fed in pieces of {list(map(len, pieces))} bytes: {outcome!r}, {final_state!r}"
            )
    return expected
