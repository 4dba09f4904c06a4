"""
Work is linear in the bytes received, in operations counted and not in seconds.

Only the Python core is counted, since compiled code can't be traced. Both cores work in the same
way, and test_accelerated.py compares what they do.
"""

import math
from collections.abc import Callable
from types import FrameType

import pytest

from line_counts import count_lines
from sseparse import ACCELERATED, Parser
from sseparse.testing import run_stage

LOADS: dict[str, Callable[[int], bytes]] = {
    "one long line": lambda count: b"data: " + b"x" * (64 * count) + b"\n\n",
    "one event of many data lines": lambda count: (b"data: " + b"x" * 57 + b"\n") * count + b"\n",
    "many events": lambda count: (b"data: " + b"x" * 56 + b"\n\n") * count,
    "comments": lambda count: b": ping\n" * count,
    "an unknown field that never ends": lambda count: b"x" * (64 * count),
}


def cost(frame: FrameType) -> int:
    """Count a line, and every 64 bytes that a copy moves."""
    if frame.f_code.co_name not in ("_join_pending", "_plain_values"):
        return 1
    # A line that joins what is pending to new bytes copies all of it.
    return 1 + len(getattr(frame.f_locals.get("self"), "_pending", b"")) // 64


def operations(body: bytes, size: int, most: float = math.inf) -> int:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return count_lines(lambda: run_stage(Parser(), pieces), most=most, cost=cost)


@pytest.mark.skipif(ACCELERATED, reason="compiled code has no lines of Python to count")
@pytest.mark.parametrize("size", [16, 1024, 1 << 30])
@pytest.mark.parametrize("load", LOADS)
def test_twice_the_bytes_take_twice_the_work(load: str, size: int) -> None:
    """However the load is shaped and cut, doubling it at most doubles the operations."""
    once = operations(LOADS[load](256), size)
    twice = operations(LOADS[load](512), size, most=2.2 * once)

    assert twice <= 2.2 * once
