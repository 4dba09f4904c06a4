"""What is fed: bytes of every kind, in pieces of a bearable size."""

from __future__ import annotations

from typing import TypeVar

from ._stage import Stage

T = TypeVar("T")

SLICE = 65536
"""
How many bytes are worked on at once.

What a feed holds beyond that is taken slice by slice, so that no limit is passed by more than a
slice, and the work stays in the processor's cache.
"""

# A tuple: to make a union allocates, and a check must not fail where memory is short.
_BYTES = (bytes, bytearray, memoryview)


def check_piece(data: object) -> None:
    """Raise TypeError unless the data is bytes, a bytearray or a memoryview."""
    if not isinstance(data, _BYTES):
        hint = "; encode it, or read the response's bytes" if isinstance(data, str) else ""
        raise TypeError(
            f"feed() takes bytes, bytearray or memoryview, not {type(data).__name__}{hint}"
        )
    if isinstance(data, memoryview):
        # Of a released view this raises ValueError.
        _ = data.nbytes


def feed_slices(stage: Stage[bytes, T], data: bytes) -> list[T]:
    """Feed a large piece to a stage, slice by slice, up to the one that holds a fault."""
    items: list[T] = []
    for at in range(0, len(data), SLICE):
        items += stage.feed(data[at : at + SLICE])
        if stage.error is not None:
            break
    return items
