"""What the command says on standard error."""

from __future__ import annotations

import contextlib
import sys
from typing import Final

from ._ending import one_line

DIM: Final = "\x1b[2m"
RESET: Final = "\x1b[0m"


def say(text: str, status: int = 0, *, dim: bool = False) -> int:
    """
    Say one line on standard error, if anybody can hear it.

    Args:
        text: What to say.
        status: What to return.
        dim: Whether to say it quietly, to a terminal with colours.

    Returns:
        The status.
    """
    line = f"sseparse: {one_line(text)}"
    write_error(f"{DIM}{line}{RESET}\n" if dim else f"{line}\n")
    return status


def write_error(text: str) -> None:
    """Write a text on standard error as it is; that it is closed harms nothing else."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()
