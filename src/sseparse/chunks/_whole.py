"""
A chat completion that comes whole: the answer of a server that did not stream.

A whole legacy completion has the shape of its chunks.
"""

from __future__ import annotations

from typing import Any

from ._json import is_list, is_object


def is_whole(body: dict[str, Any]) -> bool:
    """Tell whether a JSON object is a whole chat completion instead of a chunk of one."""
    choices = body.get("choices")
    if not is_list(choices) or not choices or not is_object(choices[0]):
        return False
    return "delta" not in choices[0] and is_object(choices[0].get("message"))


def as_chunk(body: dict[str, Any]) -> dict[str, Any]:
    """Return the one chunk that would have streamed a whole completion: its messages are deltas."""
    return {**body, "choices": [_with_delta(choice) for choice in body["choices"]]}


def _with_delta(choice: Any) -> Any:
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
    return {**rest, "delta": delta}
