"""
Parsing is linear in the bytes received, measured in operations and not in seconds.

Only the Python core is measured, because compiled code can't be traced. Both cores have the same
structure, and test_accelerated.py compares their results.
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
    """Count 1 for a line of Python, and 1 for every 64 bytes that it can copy."""
    if frame.f_code.co_name not in ("_join_pending", "_plain_values"):
        return 1
    # Joining the pending line to new bytes copies all of it.
    return 1 + len(getattr(frame.f_locals.get("self"), "_pending", b"")) // 64


def operations(body: bytes, size: int, most: float = math.inf) -> int:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return count_lines(lambda: run_stage(Parser(), pieces), most=most, cost=cost)


@pytest.mark.skipif(ACCELERATED, reason="compiled code has no lines of Python to count")
@pytest.mark.parametrize("size", [16, 1024, 1 << 30])
@pytest.mark.parametrize("load", LOADS)
def test_cost_is_linear(load: str, size: int) -> None:
    """Twice the bytes take at most 2.2 times the operations, for each shape and each cut."""
    once = operations(LOADS[load](256), size)
    twice = operations(LOADS[load](512), size, most=2.2 * once)

    assert twice <= 2.2 * once
