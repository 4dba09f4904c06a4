"""Streams to measure, each with what it must give and the path that it exercises."""

import json
from collections.abc import Callable
from typing import Any

from attrs import frozen

WORDS = ("The", " answer", " is", " forty", "-two", ",", " of", " course", ".", " é", "\n")


@frozen
class Shape:
    """
    Name a stream.

    Attributes:
        name: What it is called.
        exercises: The path it takes.
        make: Makes the body of so many events.
        events: How many events a body of n has.
    """

    name: str
    exercises: str
    make: Callable[[int], bytes]
    events: Callable[[int], int] = lambda count: count


def _chunk(number: int, **extra: Any) -> bytes:
    body = {
        "id": "chatcmpl-8Xq2kLmN0pQrStUvWxYz1234567890",
        "object": "chat.completion.chunk",
        "created": 1755878837,
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "system_fingerprint": "fp_560af6e559",
        "choices": [
            {
                "index": 0,
                "delta": {"content": WORDS[number % len(WORDS)]},
                "logprobs": None,
                "finish_reason": None,
            }
        ],
        "usage": None,
        **extra,
    }
    return json.dumps(body, separators=(",", ":")).encode()


def _events(payloads: list[bytes]) -> bytes:
    return b"".join(b"data: " + payload + b"\n\n" for payload in payloads)


CHAT = Shape(
    "chat tokens",
    "one data line an event, fields of the schema alone",
    lambda count: _events([_chunk(number) for number in range(count)]),
)
DIALECT = Shape(
    "chat tokens, unknown keys",
    "the general path of decoding",
    lambda count: _events([_chunk(number, provider="x") for number in range(count)]),
)
LONG_LINE = Shape(
    "one long line",
    "a line that grows",
    lambda count: b"data: " + b"x" * (64 * count) + b"\n\n",
    lambda _count: 1,
)
DATA_LINES = Shape(
    "one event of many data lines",
    "data that grows line by line",
    lambda count: (b"data: " + b"x" * 57 + b"\n") * count + b"\n",
    lambda _count: 1,
)
MANY_EVENTS = Shape(
    "many events in one feed",
    "events in bulk",
    lambda count: (b"data: " + b"x" * 56 + b"\n\n") * count,
)
COMMENTS = Shape(
    "a flood of comments",
    "lines that mean nothing",
    lambda count: b": ping\n" * count,
    lambda _count: 0,
)
HEAVY = (LONG_LINE, DATA_LINES, MANY_EVENTS, COMMENTS)


def pieces(body: bytes, size: int) -> list[bytes]:
    """Cut a body into pieces of one size."""
    return [body[at : at + size] for at in range(0, len(body), size)]
