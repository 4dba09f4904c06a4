"""A model that answers what the documentation asks, streamed or not, with a replay server."""

import json
import re
from typing import Any

from sseparse import Event, encode
from sseparse.testing import ReceivedRequest, Replay

CHAT = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
LEGACY = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "gpt-3.5-turbo"}
PACE = 0.001  # seconds; a page shows a model's own


def answer(request: ReceivedRequest) -> Replay:
    """Answer as the API would; any question but a few with the numbers up to 5."""
    asked = request.json()
    legacy = not request.path.endswith("/chat/completions")
    pieces = pieces_of(asked["prompt"] if legacy else asked["messages"][-1]["content"])
    if asked.get("stream"):
        return Replay(legacy_body(pieces) if legacy else chat_body(pieces), delays=PACE)
    text, message = "".join(pieces), {"role": "assistant", "content": "".join(pieces)}
    told = {"text": text} if legacy else {"message": message}
    whole = {"choices": [{"index": 0, **told, "finish_reason": "length" if legacy else "stop"}]}
    return Replay(json.dumps(whole).encode(), content_type="application/json")


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


def body(about: dict[str, Any], news: list[dict[str, Any]], reason: str) -> bytes:
    choices = [{"index": 0, **new, "finish_reason": None} for new in news]
    choices[-1]["finish_reason"] = reason
    events = [Event(json.dumps({**about, "choices": [choice]})) for choice in choices]
    return b"".join(encode(event) for event in [*events, Event("[DONE]")])
