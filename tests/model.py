"""A model for the examples in the documentation, which a replay server uses."""

import json
import re
from typing import Any

from sseparse import Event, encode
from sseparse.testing import ReceivedRequest, Replay

CHAT = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
LEGACY = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "gpt-3.5-turbo"}
PACE = 0.001  # seconds between pieces; the documentation shows a real model's times


def answer(request: ReceivedRequest) -> Replay:
    """Answer as the API would: most questions with the numbers up to 5."""
    options = request.json()
    legacy = not request.path.endswith("/chat/completions")
    pieces = pieces_of(options["prompt"] if legacy else options["messages"][-1]["content"])
    if options.get("stream"):
        return Replay(legacy_body(pieces) if legacy else chat_body(pieces), delays=PACE)
    text, message = "".join(pieces), {"role": "assistant", "content": "".join(pieces)}
    content = {"text": text} if legacy else {"message": message}
    reason = "length" if legacy else "stop"
    completion = {"choices": [{"index": 0, **content, "finish_reason": reason}]}
    return Replay(json.dumps(completion).encode(), content_type="application/json")


def pieces_of(question: str) -> list[str]:
    if question == "1,2,3,":
        return re.findall(r"\d+|,", ",".join(map(str, range(4, 101))))
    if "1+1" in question:
        return ["2"]
    last = 100 if "to 100" in question else 5
    return re.findall(r"\d+|,| ", ", ".join(map(str, range(1, last + 1))))


def chat_body(pieces: list[str]) -> bytes:
    deltas = [{"role": "assistant"}, *({"content": piece} for piece in pieces), {}]
    return body(CHAT, [{"delta": delta} for delta in deltas], "stop")


def legacy_body(pieces: list[str]) -> bytes:
    return body(LEGACY, [{"text": piece} for piece in pieces], "length")


def body(common: dict[str, Any], deltas: list[dict[str, Any]], reason: str) -> bytes:
    choices = [{"index": 0, **delta, "finish_reason": None} for delta in deltas]
    choices[-1]["finish_reason"] = reason
    events = [Event(json.dumps({**common, "choices": [choice]})) for choice in choices]
    return b"".join(encode(event) for event in [*events, Event("[DONE]")])
