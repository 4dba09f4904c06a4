"""How far the reading of a long file has come."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from typing import Final

from ._say import write_error
from ._terminal import is_terminal

_MIB: Final = 2**20
# How much must come before it is told, so that short files and slow pipes tell nothing.
_STEP: Final = 4 * _MIB


def with_progress(pieces: Iterator[bytes], file: int) -> Iterator[bytes]:
    """
    Pass bytes on, and show on the terminal that is standard error how many there were.

    Args:
        pieces: The bytes.
        file: The number of the file that they are read from.

    Returns:
        The same bytes. What was shown is erased at their end, and when they are closed.
    """
    size = _size(file)
    seen = told = shown = 0
    try:
        for piece in pieces:
            seen += len(piece)
            if seen - told >= _STEP:
                told = seen
                line = _line(seen, size)
                write_error(f"\r{line}".ljust(shown))
                shown = len(line) + 1
            yield piece
    finally:
        if shown:
            write_error(f"\r{' ' * (shown - 1)}\r")


def shows_progress(output: str) -> bool:
    """
    Tell whether progress can be seen and is in nobody's way.

    Args:
        output: What is printed: "result" is so at the end alone.
    """
    return is_terminal(sys.stderr) and (output == "result" or not is_terminal(sys.stdout))


def _size(file: int) -> int:
    found = os.fstat(file)
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _line(seen: int, size: int) -> str:
    if seen > size:
        # No file of a known size, or one that grows.
        return f"{seen / _MIB:.1f} MiB"
    return f"{seen / _MIB:.1f} of {size / _MIB:.1f} MiB, {seen * 100 // size}%"
