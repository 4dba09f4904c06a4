"""Counted work, for tests of growth: seconds depend on the machine, counts don't."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def count_lines(work: Callable[[], object], *, at_most: float = 10_000_000) -> int:
    """
    Count the lines of Python that a function runs.

    Raises:
        AssertionError: There are more than `at_most`: work that grows too fast fails, not hangs.
    """
    lines = 0

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        if lines > at_most:
            raise AssertionError(f"more than {at_most:,} lines of Python")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return lines
