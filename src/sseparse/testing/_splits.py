"""Ways to cut a body into pieces."""

from __future__ import annotations

import random
from collections.abc import Iterator


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
