"""How long a read of a socket can be told to wait."""

from __future__ import annotations

from typing import Final

SHORTEST_WAIT: Final = 0.001
"""In seconds. A timeout of 0 would make the socket one that never waits, and fails instead."""

LONGEST_WAIT: Final = 2_000_000.0
"""In seconds. poll() takes milliseconds as an int of C; a longer time would come out short."""


def shorter(own: float | None, seconds: float | None) -> float | None:
    """Return the shorter of a socket's own timeout and a bound, as a timeout it can have."""
    if seconds is None:
        return own
    seconds = min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT)
    return seconds if own is None else min(own, seconds)
