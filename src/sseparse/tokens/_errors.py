"""What stands in the way of counting."""

from __future__ import annotations

from pathlib import Path

from .._errors import SSEError


class UnknownEncoding(SSEError, ValueError):
    """
    Report a name of which tiktoken knows no encoding.

    Attributes:
        name: The name, of a model or an encoding; None where there is none, as
            in a completion that names no model.
        known: The names of the encodings that there are.
    """

    def __init__(self, *, name: str | None, known: tuple[str, ...]) -> None:
        seen = "no model is named" if name is None else f"no encoding for {name!r}"
        super().__init__(
            f"{seen}: name the encoding that counts its tokens, one of {', '.join(known)}; "
            "none is guessed"
        )
        self.name = name
        self.known = known


class VocabularyMissing(SSEError):
    """
    Report a vocabulary that is not on this machine, and that nobody asked to fetch.

    Attributes:
        encoding: The encoding's name.
        path: The file that was looked for in tiktoken's cache; None where it is not known, or
            where the cache is turned off.
        reason: What is wrong with it.
    """

    def __init__(self, *, encoding: str, reason: str, path: Path | None = None) -> None:
        place = "" if path is None else f" ({path})"
        by_hand = "" if path is None else ", or put the file there"
        super().__init__(
            f"the vocabulary of {encoding} is not here: {reason}{place}; "
            f'TokenCounter("{encoding}", download=True) once lets tiktoken fetch it{by_hand}'
        )
        self.encoding = encoding
        self.path = path
        self.reason = reason


class Uncountable(SSEError, ValueError):
    """
    Report a text that tiktoken cannot take.

    Attributes:
        blanks: How long its longest run of blanks is, in characters.
        maximum: How long one may be.
    """

    def __init__(self, *, blanks: int, maximum: int) -> None:
        super().__init__(
            f"the text has {blanks:,} blanks on end: more than {maximum:,} are more than tiktoken "
            "can take; shorten the run before it is counted"
        )
        self.blanks = blanks
        self.maximum = maximum
