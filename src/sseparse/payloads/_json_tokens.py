"""Tokens of JSON text that arrives in pieces."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any


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


_DIGITS = "0123456789"
_NOT_HEX = re.compile("[^0-9a-fA-F]")
# What ends a run of plain characters in a string.
_SPECIAL = re.compile(r'["\\\x00-\x1f]')
_ESCAPED = {
    '"': '"',
    "\\": "\\",
    "/": "/",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
}
# A backslash, the u, four digits.
_CODE_LENGTH = 6

WORDS: dict[str, tuple[str, Any]] = {
    "t": ("true", True),
    "f": ("false", False),
    "n": ("null", None),
}
"""The literals and their values, by their first letter (RFC 8259, 3)."""

_NONZERO = "123456789"
_EXPONENT = {"e": "e", "E": "e"}
NUMBER: dict[str, dict[str, str]] = {
    "start": {"-": "minus", "0": "zero", **dict.fromkeys(_NONZERO, "integer")},
    "minus": {"0": "zero", **dict.fromkeys(_NONZERO, "integer")},
    "zero": {".": "point", **_EXPONENT},
    "integer": {**dict.fromkeys(_DIGITS, "integer"), ".": "point", **_EXPONENT},
    "point": dict.fromkeys(_DIGITS, "fraction"),
    "fraction": {**dict.fromkeys(_DIGITS, "fraction"), **_EXPONENT},
    "e": {"+": "sign", "-": "sign", **dict.fromkeys(_DIGITS, "exponent")},
    "sign": dict.fromkeys(_DIGITS, "exponent"),
    "exponent": dict.fromkeys(_DIGITS, "exponent"),
}
"""How a number goes on: for each place in it, to what place a character leads (RFC 8259, 6)."""

# The places where a number may end, and what converts it there.
_NUMBER_ENDS: dict[str, Callable[[str], int | float]] = {
    "zero": int,
    "integer": int,
    "fraction": float,
    "exponent": float,
}


class Unexpected(Exception):
    """
    Stop at a character that JSON does not allow in its place.

    Args:
        at: Where it stands in the piece.
        reason: What was seen, and what was expected.
    """

    def __init__(self, at: int, reason: str) -> None:
        super().__init__(reason)
        self.at = at
        self.reason = reason


class StringToken:
    """
    Read a string, from behind its opening quote.

    An escape, and the first half of an escaped surrogate pair, wait until they are settled.

    Attributes:
        pieces: The text that came since it was last taken.
        whole: Whether the closing quote came.

    Source: RFC 8259, 7.
    """

    __slots__ = ("_escape", "_half", "pieces", "whole")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.whole = False
        self._escape = ""
        self._half = ""

    def read(self, text: str, at: int) -> int:
        """Read on; return where the string, or the text, ends."""
        while at < len(text) and not self.whole:
            if not self._escape:
                at = self._read_plain(text, at)
            elif self._escape == "\\":
                at = self._read_escape(text, at)
            else:
                at = self._read_code(text, at)
        return at

    def take(self) -> str:
        """Return the text that came since the last time."""
        new = "".join(self.pieces)
        self.pieces.clear()
        return new

    def _read_plain(self, text: str, at: int) -> int:
        found = _SPECIAL.search(text, at)
        end = len(text) if found is None else found.start()
        if end > at:
            self._add(text[at:end])
        if found is None:
            return end
        special = found.group()
        if special == '"':
            self._add("")
            self.whole = True
        elif special == "\\":
            self._escape = special
        else:
            raise Unexpected(end, f"control character {special!a} in a string")
        return end + 1

    def _read_escape(self, text: str, at: int) -> int:
        char = text[at]
        if char == "u":
            self._escape = "\\u"
        elif char in _ESCAPED:
            self._add(_ESCAPED[char])
            self._escape = ""
        else:
            raise Unexpected(at, f"expected an escape, saw {char!a}")
        return at + 1

    def _read_code(self, text: str, at: int) -> int:
        end = min(len(text), at + _CODE_LENGTH - len(self._escape))
        wrong = _NOT_HEX.search(text, at, end)
        if wrong is not None:
            raise Unexpected(wrong.start(), f"expected a hex digit, saw {wrong.group()!a}")
        self._escape += text[at:end]
        if len(self._escape) == _CODE_LENGTH:
            digits = self._escape[2:]
            self._add_unit(chr(int(digits, 16)))
            self._escape = ""
        return end

    def _add(self, piece: str) -> None:
        if self._half:
            self.pieces.append(self._half)
            self._half = ""
        self.pieces.append(piece)

    def _add_unit(self, unit: str) -> None:
        if self._half:
            unit = join_halves(self._half + unit)
        unit, self._half = split_half(unit)
        self.pieces.append(unit)


class NumberToken:
    """
    Read a number.

    Args:
        offset: Where it begins, in characters from the start of the whole text.

    Source: RFC 8259, 6.
    """

    __slots__ = ("_pieces", "_place", "offset")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self._pieces: list[str] = []
        self._place = "start"

    def read(self, text: str, at: int) -> int:
        """Read on; return where the number, or the text, ends."""
        start, place = at, self._place
        while at < len(text) and (following := NUMBER[place].get(text[at])) is not None:
            place = following
            at += 1
        self._pieces.append(text[start:at])
        self._place = place
        if at < len(text):
            self._check_end(at, text[at])
        return at

    @property
    def can_end(self) -> bool:
        """Whether what came is a number."""
        return self._place in _NUMBER_ENDS

    def value(self) -> int | float:
        """
        Return the number.

        Raises:
            ValueError: It is an integer of more digits than Python converts.
        """
        return _NUMBER_ENDS[self._place]("".join(self._pieces))

    def _check_end(self, at: int, char: str) -> None:
        if not self.can_end:
            raise Unexpected(at, f"expected a digit, saw {char!a}")
        if self._place == "zero" and char in _DIGITS:
            raise Unexpected(at, f"expected no digit after a leading zero, saw {char!a}")


class WordToken:
    """
    Read a literal.

    Args:
        first: Its first letter.

    Attributes:
        word: The literal.
        value: What it stands for.
        whole: Whether its last letter came.

    Source: RFC 8259, 3.
    """

    __slots__ = ("_seen", "value", "whole", "word")

    def __init__(self, first: str) -> None:
        self.word, self.value = WORDS[first]
        self.whole = False
        self._seen = 0

    def read(self, text: str, at: int) -> int:
        """Read a letter; return where it ends."""
        if text[at] != self.word[self._seen]:
            raise Unexpected(at, f"expected {self.word}, saw {text[at]!a}")
        self._seen += 1
        self.whole = self._seen == len(self.word)
        return at + 1


def split_half(text: str) -> tuple[str, str]:
    """Split off the first half of a surrogate pair that a text ends with."""
    if "\ud800" <= text[-1:] <= "\udbff":
        return text[:-1], text[-1]
    return text, ""
