"""What a chunk brings, piece by piece."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from ._details import text_in

Kind = Literal["content", "reasoning", "refusal", "transcript", "arguments"]


class Piece(NamedTuple):
    """
    A piece of generated text.

    Attributes:
        kind: "content", "reasoning", "refusal", "transcript" of a spoken answer, or "arguments" of
            a function call or the input of a custom tool.
        text: The text, never empty.
        choice: The choice it belongs to, by its index.
    """

    kind: Kind
    text: str
    choice: int


def reasoning_texts(one: str, other: str, details: list[dict[str, Any]] | None) -> list[str]:
    """
    Return the texts of the reasoning that a delta or a message has under its different names.

    Servers that use two names send the same text under both, or different texts. Structured
    details repeat what another name has.
    """
    if not one and not other:
        return [text_in(detail) for detail in details or ()]
    return [one] if one == other else [one, other]
