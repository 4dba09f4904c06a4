"""Work is linear in the bytes received, in operations counted and not in seconds."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from sseparse import ACCELERATED, Parser
from sseparse.testing import run_stage

LOADS: dict[str, Callable[[int], bytes]] = {
    "one long line": lambda count: b"data: " + b"x" * (64 * count) + b"\n\n",
    "one event of many data lines": lambda count: (b"data: " + b"x" * 57 + b"\n") * count + b"\n",
    "many events": lambda count: (b"data: " + b"x" * 56 + b"\n\n") * count,
    "comments": lambda count: b": ping\n" * count,
    "an unknown field that never ends": lambda count: b"x" * (64 * count),
}


def operations(body: bytes, size: int) -> int:
    """Count the lines of Python that parsing takes, and every 64 bytes that a copy moves."""
    counted = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal counted
        if event == "line":
            counted += 1
            pending = getattr(frame.f_locals.get("self"), "pending", b"")
            # A line that joins what is pending to new bytes copies all of it.
            if frame.f_code.co_name in ("feed", "plain_events"):
                counted += len(pending) // 64
        return trace

    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    parser = Parser()
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run_stage(parser, pieces)
    finally:
        sys.settrace(before)
    return counted


@pytest.mark.skipif(ACCELERATED, reason="what compiled code does is not traced")
@pytest.mark.parametrize("size", [16, 1024, 1 << 30])
@pytest.mark.parametrize("load", LOADS)
def test_twice_the_bytes_take_twice_the_work(load: str, size: int) -> None:
    """However the load is shaped and cut, doubling it at most doubles the operations."""
    once = operations(LOADS[load](256), size)
    twice = operations(LOADS[load](512), size)

    assert twice <= 2.2 * once
