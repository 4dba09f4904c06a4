"""What the demo asks, and what its server answers: counting to 100, token by token."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from typing import Any

from attrs import frozen

from .. import Event, encode
from ..testing import Replay

_MESSAGE = "Count to 100, with a comma between each number and no newlines. E.g., 1, 2, 3, ..."
_PROMPT = "1,2,3,"

# Seconds: a model takes longer to begin than to go on.
_BEFORE_FIRST = 0.1
_BETWEEN = (0.01, 0.02)


@frozen
class Ask:
    """
    Hold one request of the demo, and the answer to it.

    Attributes:
        title: What it is.
        path: Where it goes.
        prompt: What the model is asked.
        request: The request's JSON body.
        replay: What the server answers.
    """

    title: str
    path: str
    prompt: str
    request: dict[str, Any]
    replay: Replay


def make_asks(*, fast: bool) -> list[Ask]:
    """
    Make the requests of the demo, and the answers to them.

    Args:
        fast: Whether the server answers without waiting between the tokens.
    """
    chat = {
        "model": "gpt-3.5-turbo",
        "messages": [{"role": "user", "content": _MESSAGE}],
        "temperature": 0,
        "stream": True,
    }
    legacy = {
        "model": "text-davinci-002",
        "prompt": _PROMPT,
        "max_tokens": 193,
        "temperature": 0,
        "stream": True,
    }
    return [
        Ask("Chat completion", "/v1/chat/completions", _MESSAGE, chat, _paced(_chat(), fast=fast)),
        Ask("Legacy completion", "/v1/completions", _PROMPT, legacy, _paced(_legacy(), fast=fast)),
    ]


def _chat() -> list[dict[str, Any]]:
    tokens = _joined(range(1, 101), [",", " "])
    deltas = [{"role": "assistant"}, *({"content": token} for token in tokens), {}]
    about = {
        "id": "chatcmpl-count-to-100",
        "object": "chat.completion.chunk",
        "created": 1677825464,
        "model": "gpt-3.5-turbo-0301",
    }
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "finish_reason": None} for delta in deltas
    ]
    choices[-1]["finish_reason"] = "stop"
    return [{**about, "choices": [choice]} for choice in choices]


def _legacy() -> list[dict[str, Any]]:
    about = {
        "id": "cmpl-count-to-100",
        "object": "text_completion",
        "created": 1661990400,
        "model": "text-davinci-002",
    }
    choices: list[dict[str, Any]] = [
        {"index": 0, "text": token, "logprobs": None, "finish_reason": None}
        for token in _joined(range(4, 101), [","])
    ]
    # The 193 tokens that the request allows are used up.
    choices[-1]["finish_reason"] = "length"
    return [{**about, "choices": [choice]} for choice in choices]


def _joined(numbers: Iterable[int], between: list[str]) -> list[str]:
    tokens: list[str] = []
    for number in numbers:
        tokens += [*(between if tokens else ()), str(number)]
    return tokens


def _paced(chunks: list[dict[str, Any]], *, fast: bool) -> Replay:
    events = [*(Event(json.dumps(chunk)) for chunk in chunks), Event("[DONE]")]
    body = b"".join(encode(event) for event in events)
    if fast:
        return Replay(body)
    draw = random.Random(100)  # noqa: S311 - the same times at every run
    return Replay(body, delays=[_BEFORE_FIRST, *(draw.uniform(*_BETWEEN) for _ in events[1:])])
