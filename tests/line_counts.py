"""Work in operations counted, not in seconds: machines differ in speed, and some are busy."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def count_lines(
    work: Callable[[], object], *, most: float, cost: Callable[[FrameType], int] = lambda _: 1
) -> int:
    """
    Do some work; return how many lines of Python it took.

    Work that takes more than `most` fails there, instead of going on for hours.

    Args:
        work: What to call. It is traced, and so not seen by coverage.
        most: How many lines it may take.
        cost: How many lines the line at hand counts for.
    """
    counted = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal counted
        if event == "line":
            counted += cost(frame)
            if counted > most:
                raise AssertionError(f"more than {most:.0f} lines of Python")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return counted
