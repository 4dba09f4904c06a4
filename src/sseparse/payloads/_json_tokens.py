"""Strings and numbers of JSON text that arrives in pieces."""

from __future__ import annotations

import re
from collections.abc import Callable


def has_halves(text: str) -> bool:
    """Return whether a text contains halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def join_halves(text: str) -> str:
    """Join the halves of surrogate pairs, which can arrive in different pieces."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def split_half(text: str) -> tuple[str, str]:
    """Split off the first half of a surrogate pair at the end of a text."""
    if "\ud800" <= text[-1:] <= "\udbff":
        return text[:-1], text[-1]
    return text, ""


class Unexpected(Exception):
    """
    A character that JSON doesn't allow in its place.

    Args:
        at: Its offset in the piece.
        reason: What was expected and what was found.
    """

    def __init__(self, at: int, reason: str) -> None:
        super().__init__(reason)
        self.at = at
        self.reason = reason


_NOT_HEX = re.compile("[^0-9a-fA-F]")
# The end of a run of characters that stand for themselves.
_SPECIAL = re.compile(r'["\\\x00-\x1f]')
_ESCAPED = {
    **{char: char for char in '"\\/'},
    **{"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"},
}
_CODE_LENGTH = len(r"\u0000")


class StringToken:
    """
    Reader of a string, starting after its opening quote.

    An unfinished escape, and the first half of an escaped surrogate pair, are held back.

    Attributes:
        pieces: The text read since the last `pop_text()`.
        complete: Whether the closing quote was read.

    Source: RFC 8259, section 7.
    """

    __slots__ = ("_escape", "_half", "complete", "pieces")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.complete = False
        self._escape = ""
        self._half = ""

    def read(self, text: str, at: int) -> int:
        """Read on at an offset; return the offset where the string, or the text, ends."""
        while at < len(text) and not self.complete:
            if not self._escape:
                at = self._read_run(text, at)
            elif self._escape == "\\":
                at = self._read_escape(text, at)
            else:
                at = self._read_code(text, at)
        return at

    def pop_text(self) -> str:
        """Return the text read since the last call."""
        new = "".join(self.pieces)
        self.pieces.clear()
        return new

    def _read_run(self, text: str, at: int) -> int:
        found = _SPECIAL.search(text, at)
        end = len(text) if found is None else found.start()
        if end > at:
            self._add(text[at:end])
        if found is None:
            return end
        special = found.group()
        if special == '"':
            self._add("")
            self.complete = True
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
            raise Unexpected(at, f"expected an escape, got {char!a}")
        return at + 1

    def _read_code(self, text: str, at: int) -> int:
        end = min(len(text), at + _CODE_LENGTH - len(self._escape))
        wrong = _NOT_HEX.search(text, at, end)
        if wrong is not None:
            raise Unexpected(wrong.start(), f"expected a hex digit, got {wrong.group()!a}")
        self._escape += text[at:end]
        if len(self._escape) == _CODE_LENGTH:
            unit = chr(int(self._escape[2:], 16))
            if self._half:
                unit = join_halves(self._half + unit)
            unit, self._half = split_half(unit)
            self.pieces.append(unit)
            self._escape = ""
        return end

    def _add(self, piece: str) -> None:
        self.pieces.append(self._half + piece)
        self._half = ""


_DIGITS = "0123456789"
_FIRST_DIGIT = {"0": "zero", **dict.fromkeys("123456789", "integer")}
_EXPONENT = {"e": "e", "E": "e"}
# How a number goes on: for each state, the characters it allows and the states they lead to.
_NUMBER_STATES: dict[str, dict[str, str]] = {
    "start": {"-": "minus", **_FIRST_DIGIT},
    "minus": _FIRST_DIGIT,
    "zero": {".": "point", **_EXPONENT},
    "integer": {**dict.fromkeys(_DIGITS, "integer"), ".": "point", **_EXPONENT},
    "point": dict.fromkeys(_DIGITS, "fraction"),
    "fraction": {**dict.fromkeys(_DIGITS, "fraction"), **_EXPONENT},
    "e": {"+": "sign", "-": "sign", **dict.fromkeys(_DIGITS, "exponent")},
    "sign": dict.fromkeys(_DIGITS, "exponent"),
    "exponent": dict.fromkeys(_DIGITS, "exponent"),
}
# The states in which a number can end, and what converts it there.
_NUMBER_ENDS: dict[str, Callable[[str], int | float]] = {
    **dict.fromkeys(("zero", "integer"), int),
    **dict.fromkeys(("fraction", "exponent"), float),
}
NUMBER_START = frozenset(_NUMBER_STATES["start"])


class NumberToken:
    """
    Reader of a number.

    Args:
        offset: Where the number begins, in characters from the start of the text.

    Source: RFC 8259, section 6.
    """

    __slots__ = ("_pieces", "_state", "offset")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self._pieces: list[str] = []
        self._state = "start"

    def read(self, text: str, at: int) -> int:
        """Read on at an offset; return the offset where the number, or the text, ends."""
        start, state = at, self._state
        while at < len(text) and (following := _NUMBER_STATES[state].get(text[at])) is not None:
            state = following
            at += 1
        self._pieces.append(text[start:at])
        self._state = state
        if at < len(text):
            if not self.can_end:
                raise Unexpected(at, f"expected a digit, got {text[at]!a}")
            if state == "zero" and text[at] in _DIGITS:
                raise Unexpected(at, f"expected no digit after a leading zero, got {text[at]!a}")
        return at

    @property
    def can_end(self) -> bool:
        """Whether the characters read so far are a number."""
        return self._state in _NUMBER_ENDS

    def value(self) -> int | float:
        """
        Return the number.

        Raises:
            ValueError: It is an integer of more digits than Python converts.
        """
        return _NUMBER_ENDS[self._state]("".join(self._pieces))
