"""What is fed: bytes of every kind, in pieces of a bearable size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

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


def slices(data: bytes) -> Iterator[bytes]:
    """Cut a large piece into those that are worked on at once."""
    return (data[at : at + SLICE] for at in range(0, len(data), SLICE))
