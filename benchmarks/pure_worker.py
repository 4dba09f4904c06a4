"""Measure this library in a process of its own; SSEPARSE_PURE in its environment picks the core."""

import gc
import json
import sys
import time
from typing import Any

from ours import WORKS

import sseparse


def cut(body: bytes, lengths: list[int]) -> list[bytes]:
    """Cut a body into pieces of these lengths."""
    feeds, at = [], 0
    for length in lengths:
        feeds.append(body[at : at + length])
        at += length
    return feeds


def run(work: str, feeds: list[bytes]) -> dict[str, Any]:
    """Do a piece of work once."""
    gc.collect()
    start = time.process_time()
    try:
        outcome = WORKS[work](feeds)
    except Exception as error:  # told to the process that asked
        return {"error": type(error).__name__}
    return {"seconds": time.process_time() - start, "outcome": outcome}


def main() -> None:
    gc.disable()
    work, feeds = "events", list[bytes]()
    for line in iter(sys.stdin.buffer.readline, b""):
        question = json.loads(line)
        body = sys.stdin.buffer.read(question["bytes"])
        answer: dict[str, Any] = {}
        if question["ask"] == "about":
            answer = {"accelerated": bool(getattr(sseparse, "ACCELERATED", False))}
        elif question["ask"] == "take":
            work, feeds = question["work"], cut(body, question["lengths"])
            gc.collect()
            gc.freeze()
        else:
            answer = run(work, feeds)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
