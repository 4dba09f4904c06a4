"""Cost measured in lines of Python, which doesn't depend on the speed of the machine."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def count_lines(
    work: Callable[[], object], *, most: float, cost: Callable[[FrameType], int] = lambda _: 1
) -> int:
    """
    Call a function and return how many lines of Python it executed.

    Args:
        work: The function. It's traced, so coverage doesn't see it.
        most: The limit, at which an AssertionError stops the function.
        cost: A function that returns how many lines the current line counts for.
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
