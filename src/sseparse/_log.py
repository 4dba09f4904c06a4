"""Debug messages of the logger `sseparse`."""

from __future__ import annotations

import sys


def debug(message: str, *args: object) -> None:
    """
    Log a message, without content, headers, keys or URLs.

    It's called a few times for each stream, and never for each piece or event.
    """
    # Importing `logging` takes as long as a third of this package does. A program that hasn't
    # imported it can't have configured it, and without configuration no debug message is shown.
    get_logger = getattr(sys.modules.get("logging"), "getLogger", None)
    if get_logger is not None:
        get_logger("sseparse").debug(message, *args, stacklevel=2)
