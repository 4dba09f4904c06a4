"""
A chat completion that comes whole: the answer of a server that did not stream.

A whole legacy completion has the shape of its chunks.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from .._json import is_list, is_object


def is_whole(body: dict[str, Any], seen: Container[int]) -> bool:
    """
    Tell whether a JSON object is a whole chat completion instead of a chunk of one.

    Args:
        body: The object.
        seen: The choices that came before it, by their indexes: after their deltas a message
            only repeats them.
    """
    choices = body.get("choices")
    first = choices[0] if is_list(choices) and choices else None
    if not is_object(first) or "delta" in first or not is_object(first.get("message")):
        return False
    index = first.get("index")
    return (index if isinstance(index, int) else 0) not in seen


def as_chunk(body: dict[str, Any]) -> dict[str, Any]:
    """Return the one chunk that would have streamed a whole completion: its messages are deltas."""
    choices = [_with_delta(choice, place) for place, choice in enumerate(body["choices"])]
    return {**body, "choices": choices}


def _with_delta(choice: Any, place: int) -> Any:
    if not is_object(choice) or not is_object(choice.get("message")):
        return choice
    rest = {name: value for name, value in choice.items() if name != "message"}
    delta = {**choice["message"]}
    calls = delta.get("tool_calls")
    if is_list(calls):
        # A message has them in order, and pieces of calls say their place.
        delta["tool_calls"] = [
            {"index": place, **call} if is_object(call) else call
            for place, call in enumerate(calls)
        ]
    # So are choices numbered by their order, where they have no numbers.
    return {"index": place, **rest, "delta": delta}
