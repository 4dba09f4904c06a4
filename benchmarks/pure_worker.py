"""Process that measures sseparse; SSEPARSE_PURE in its environment selects the core."""

import gc
import json
import sys
import time
from typing import Any

from ours import TASKS

import sseparse


def cut(body: bytes, lengths: list[int]) -> list[bytes]:
    """Cut a body into pieces of the given lengths."""
    feeds, at = [], 0
    for length in lengths:
        feeds.append(body[at : at + length])
        at += length
    return feeds


def run(task: str, feeds: list[bytes]) -> dict[str, Any]:
    """Run a task once."""
    gc.collect()
    start = time.process_time()
    try:
        outcome = TASKS[task](feeds)
    except Exception as error:  # reported to the parent process
        return {"error": type(error).__name__}
    return {"seconds": time.process_time() - start, "outcome": outcome}


def main() -> None:
    gc.disable()
    task, feeds = "events", list[bytes]()
    for line in iter(sys.stdin.buffer.readline, b""):
        question = json.loads(line)
        body = sys.stdin.buffer.read(question["bytes"])
        answer: dict[str, Any] = {}
        if question["ask"] == "about":
            answer = {"accelerated": bool(getattr(sseparse, "ACCELERATED", False))}
        elif question["ask"] == "take":
            task, feeds = question["work"], cut(body, question["lengths"])
            gc.collect()
            gc.freeze()
        else:
            answer = run(task, feeds)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
