"""Checks of stages."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from attrs import define

from .._errors import SSEError
from .._stage import Stage


def every_split(body: bytes, *, most: int = 600, seed: int = 0) -> Iterator[list[bytes]]:
    """
    Cut a body in the ways that find a parser's faults.

    Whole; byte by byte; in two at every position; and four times at random, empty pieces among
    them.

    Args:
        body: The bytes to cut.
        most: Up to how many bytes the body is cut in two at every position; past that, at this
            many positions drawn at random.
        seed: Where the random cuts begin; the same seed gives the same cuts.

    Yields:
        The pieces, which together are the body.
    """
    draw = random.Random(seed)  # noqa: S311 - cuts are no secrets
    yield [body]
    yield [body[at : at + 1] for at in range(len(body))]
    everywhere = range(len(body) + 1)
    places = everywhere if len(everywhere) <= most else sorted(draw.sample(everywhere, most))
    for at in places:
        yield [body[:at], body[at:]]
    for _ in range(4):
        cuts = sorted(draw.choices(range(len(body) + 1), k=min(len(body), 16)))
        yield [body[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True)]


T = TypeVar("T")


@define
class Outcome(Generic[T]):
    """
    Hold what a stage made of a body.

    Attributes:
        items: The items, in order.
        error: The fault that stopped it, or None.
    """

    items: list[T]
    error: SSEError | None

    def same_as(self, other: Outcome[T]) -> bool:
        """Tell whether both are the same; errors are when type and message are."""
        return self.items == other.items and _told(self.error) == _told(other.error)


def run_stage(stage: Stage[bytes, T], pieces: Iterable[bytes]) -> Outcome[T]:
    """
    Feed pieces to a stage, then close it.

    Args:
        stage: The stage, fresh.
        pieces: What to feed it.

    Returns:
        The items, and the fault that stopped the stage.
    """
    items: list[T] = []
    for piece in pieces:
        items += stage.feed(piece)
        if stage.error is not None:
            return Outcome(items, stage.error)
    items += stage.close()
    return Outcome(items, stage.error)


def check_parser(
    make: Callable[[], Stage[bytes, T]],
    body: bytes,
    *,
    state: Callable[[Any], object] = lambda stage: None,  # noqa: ARG005 - nothing to compare
) -> Outcome[T]:
    """
    Check that a parser gives the same however its input is cut.

    Args:
        make: Makes a fresh parser: `Parser`, `ChunkParser`, or a stage of your own.
        body: The bytes to feed it.
        state: What else must be the same at the end, read off the parser.

    Returns:
        What the parser made of the whole body.

    Raises:
        AssertionError: Some cut gave other items, another error or another state.
    """
    parser = make()
    whole = run_stage(parser, [body])
    expected = state(parser)
    for pieces in every_split(body):
        parser = make()
        outcome = run_stage(parser, pieces)
        if not outcome.same_as(whole) or state(parser) != expected:
            raise AssertionError(
                f"fed whole: {whole!r}, {expected!r}\n"
                f"fed as {[len(piece) for piece in pieces]} bytes: {outcome!r}, {state(parser)!r}"
            )
    return whole


def _told(error: SSEError | None) -> tuple[type, str] | None:
    return None if error is None else (type(error), str(error))
