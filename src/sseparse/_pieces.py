"""What is fed: bytes of every kind, in pieces of a bearable size."""

from __future__ import annotations

from typing import TypeVar, cast

from ._stage import Stage

T = TypeVar("T")

SLICE = 65536
"""
How many bytes are worked on at once.

What a feed holds beyond that is taken slice by slice, so that no limit is passed by more than a
slice, and the work stays in the processor's cache.
"""


def as_bytes(data: object) -> bytes:
    """Copy what holds bytes; refuse all else with a word on what to do."""
    if not isinstance(data, bytes | bytearray | memoryview):
        hint = "; encode it, or read the response's bytes" if isinstance(data, str) else ""
        raise TypeError(
            f"feed() takes bytes, bytearray or memoryview, not {type(data).__name__}{hint}"
        )
    return bytes(cast("bytes", data))


def feed_slices(stage: Stage[bytes, T], data: bytes) -> list[T]:
    """Feed a large piece to a stage, slice by slice, up to the one that holds a fault."""
    items: list[T] = []
    for at in range(0, len(data), SLICE):
        items += stage.feed(data[at : at + SLICE])
        if stage.error is not None:
            break
    return items
