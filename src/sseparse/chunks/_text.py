"""Text that grows."""

from __future__ import annotations


class GrowingText:
    """
    Collect pieces of text; join them when asked.

    The join is kept, so that asking often does not join the same pieces again.
    """

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[str] = []

    def add(self, piece: str) -> None:
        """Append a piece."""
        self._parts.append(piece)

    @property
    def value(self) -> str | None:
        """The whole text so far; None where nothing ever came, not even an empty piece."""
        parts = self._parts
        if len(parts) > 1:
            text, new = parts[0], "".join(parts[1:])
            if not new.isascii() and _has_halves(new):
                text, new = text[:-1], _mended(text[-1:] + new)
            parts[:] = [text + new]
        return parts[0] if parts else None


def _has_halves(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _mended(text: str) -> str:
    """Join the halves of surrogate pairs that came in different pieces."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
