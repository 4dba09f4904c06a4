"""Texts cut into pieces, as a server sends them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import accumulate, pairwise

Pieces = int | Callable[[str], Iterable[str]] | None
"""How to cut: pieces of so many characters, by a function, or not at all."""

Cut = Callable[[str], list[str]]
"""Cuts a text into its pieces: none for an empty text."""

_GROUP = 4


def cutter(pieces: Pieces) -> Cut:
    """
    Return what cuts a text as asked for.

    Raises:
        ValueError: The pieces would be shorter than a character. What is returned raises it too,
            when the pieces that a function makes do not join to the text.
        TypeError: It is neither a number nor a function nor None.
    """
    if pieces is None:
        return _whole
    if isinstance(pieces, int):
        if pieces < 1:
            raise ValueError(f"pieces is {pieces}; give a number of characters, 1 or more")
        return partial(_by_size, pieces)
    if not callable(pieces):
        raise TypeError(
            f"pieces is a {type(pieces).__name__}; give a number of characters, a function that "
            "cuts a text, or None"
        )
    return partial(_by_function, pieces)


def _whole(text: str) -> list[str]:
    return [text] if text else []


def _by_size(size: int, text: str) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def _by_function(function: Callable[[str], Iterable[str]], text: str) -> list[str]:
    if not text:
        return []
    pieces = list(function(text))
    if "".join(pieces) != text:
        raise ValueError(
            f"the pieces of a text of {len(text)} characters do not join to it; "
            "the function given as pieces must keep all of the text"
        )
    return pieces


def in_groups(pieces: Iterable[str]) -> Iterator[str]:
    """Shift the cuts of a base64 text so that each piece can be decoded alone."""
    held = ""
    for piece in pieces:
        held += piece
        whole = len(held) - len(held) % _GROUP
        if whole:
            yield held[:whole]
            held = held[whole:]
    if held:
        yield held


def shares(pieces: list[str], lengths: Iterable[int]) -> list[slice]:
    """
    Tell which tokens belong to which piece: those that begin in it, and to the last the rest.

    Args:
        pieces: The pieces of a text.
        lengths: The lengths of its tokens, in characters, as far as they can be told.

    Returns:
        For each piece, where its tokens stand among all.
    """
    begins = list(accumulate(lengths, initial=0))
    ends = list(accumulate(map(len, pieces)))[:-1]
    cuts = [bisect_left(begins, end) for end in ends]
    return [slice(*bounds) for bounds in pairwise([0, *cuts, None])]
