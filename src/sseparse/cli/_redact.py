"""Keeps a secret out of what is shown and saved."""

from __future__ import annotations

from typing import Final

_SHORTEST: Final = 8
"""Shorter keys, such as "none", are no secrets but words, which an answer may well hold."""

_MARK: Final = "[key]"


class Redactor:
    """
    Put "[key]" in place of a secret, in what comes piece by piece.

    What may be the beginning of the secret is held back until the next piece tells.

    Args:
        secret: The secret; one of less than 8 characters is none.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret if len(secret) >= _SHORTEST else ""
        self._held = ""

    def whole(self, text: str) -> str:
        """Return a text that came whole, without the secret."""
        return text.replace(self._secret, _MARK) if self._secret else text

    def finds(self, text: str) -> bool:
        """Tell whether the secret stands in a text."""
        return bool(self._secret) and self._secret in text

    def feed(self, piece: str) -> str:
        """Return what can be shown of a piece and of what was held back."""
        text = self.whole(self._held + piece)
        longest = min(len(self._secret) - 1, len(text))
        sizes = range(longest, 0, -1)
        size = next((size for size in sizes if text.endswith(self._secret[:size])), 0)
        shown = len(text) - size
        self._held = text[shown:]
        return text[:shown]

    def rest(self) -> str:
        """Return what is held back: nothing more comes."""
        rest, self._held = self._held, ""
        return rest


class BodyRedactor:
    """
    Do so in the bytes of a body.

    Args:
        secret: The secret, which is ASCII.
    """

    def __init__(self, secret: str) -> None:
        self._redactor = Redactor(secret)

    def feed(self, piece: bytes) -> bytes:
        """Return what can be passed on of a piece and of what was held back."""
        # In Latin-1, each byte is a character.
        return self._redactor.feed(piece.decode("latin-1")).encode("latin-1")

    def rest(self) -> bytes:
        """Return what is held back: nothing more comes."""
        return self._redactor.rest().encode("latin-1")
