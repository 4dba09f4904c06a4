"""Halves of surrogate pairs: servers cut characters, and JSON can escape the halves."""

from __future__ import annotations


def has_halves(text: str) -> bool:
    """Tell whether a text holds halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def join_halves(text: str) -> str:
    """Join the halves of surrogate pairs, which may have come in different pieces."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
