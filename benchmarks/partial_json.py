"""
Partial JSON: microseconds per delta, including a parse after each.

sseparse continues where it stopped. The others parse the entire text again each time, so they are
measured at parses spread evenly over the stream, and the figure is the mean.
"""

import json
from collections.abc import Callable
from typing import Any

from measure import Contender, Job, Prepare, Row, gather, local, take_turns

from sseparse.chunks import PartialJSON

DELTA = 4
"""Characters in a delta: about one token."""
SAMPLES = 40
SIZES = (1_000, 8_000)
Parse = Callable[[Any], object]


def many_keys(length: int) -> str:
    row = {"id": 12345, "name": "item", "ok": True, "tags": ["a", "b"], "size": {"w": 1.5, "h": -2}}
    rows = [row] * (length // len(json.dumps(row)) + 1)
    return json.dumps({"rows": rows})


def ascii_string(length: int) -> str:
    return json.dumps({"path": "main.py", "content": "total = price * count + " * (length // 24)})


def emoji_string(length: int) -> str:
    text = "h\u00e9llo \U0001f600 \u4f60\u597d, " * (length // 12)
    return json.dumps({"path": "main.py", "content": text}, ensure_ascii=False)


TEXTS: dict[str, Callable[[int], str]] = {
    "many keys": many_keys,
    "one string, ASCII": ascii_string,
    "one string, emoji": emoji_string,
}


def sseparse() -> Prepare:
    def prepare(text: str) -> Callable[[], bool]:
        deltas = [text[at : at + DELTA] for at in range(0, len(text), DELTA)]

        def run() -> bool:
            parser = PartialJSON()
            for delta in deltas:
                parser.feed(delta)
                _ = parser.value
            return parser.complete

        return run

    return local(prepare)


def prefixes(text: str) -> list[str]:
    """Return a sample of the texts that a parse after each delta would read."""
    # Each sample is the middle of its part, so the mean is that of all texts.
    step = len(text) / SAMPLES
    return [text[: int(step * (number + 0.5))] for number in range(SAMPLES)]


def repeat(parse: Parse) -> Prepare:
    def prepare(text: str) -> Callable[[], None]:
        parts = prefixes(text)

        def run() -> None:
            for part in parts:
                parse(part)

        return run

    return local(prepare)


def langchain_parse() -> Prepare:
    from langchain_core.utils.json import parse_partial_json

    return repeat(parse_partial_json)


def langchain_add() -> Prepare:
    from langchain_core.messages import AIMessageChunk

    def message(text: str) -> Any:
        call = {"name": None, "args": text, "id": None, "index": 0, "type": "tool_call_chunk"}
        return AIMessageChunk(content="", tool_call_chunks=[call])

    def prepare(text: str) -> Callable[[], None]:
        pairs = [(message(part[:-DELTA]), message(part[-DELTA:])) for part in prefixes(text)]

        def run() -> None:
            for message_so_far, delta in pairs:
                _ = (message_so_far + delta).tool_calls

        return run

    return local(prepare)


def jiter() -> Prepare:
    import jiter

    # As in anthropic and openai-python: encode and parse the entire text.
    return repeat(lambda text: jiter.from_json(text.encode(), partial_mode="trailing-strings"))


CONTENDERS = (
    Contender("sseparse", "ours", sseparse),
    Contender("jiter (anthropic, openai)", "peer", jiter, samples=SAMPLES),
    Contender("langchain-core, parse_partial_json", "peer", langchain_parse, samples=SAMPLES),
    Contender("langchain-core, AIMessageChunk +", "peer", langchain_add, samples=SAMPLES),
)


def measure(rounds: int, missing: dict[str, str]) -> list[Row]:
    """Measure each text at each size."""
    found = gather(CONTENDERS, missing)
    rows = []
    for name, make in TEXTS.items():
        for size in SIZES:
            text = make(size * DELTA)
            given = Job(text, -(-len(text) // DELTA), expected=True)
            rows.append(Row(f"{name}, {size:,} deltas", take_turns(found, given, rounds)))
    return rows
