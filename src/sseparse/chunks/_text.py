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
            parts[:] = [_mended("".join(parts))]
        return parts[0] if parts else None


def _mended(text: str) -> str:
    """Join the halves of surrogate pairs that came in different pieces."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return text
