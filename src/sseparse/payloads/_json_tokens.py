"""Strings of JSON text that arrives in pieces, and surrogate pairs cut in half."""

from __future__ import annotations

import re


def has_halves(text: str) -> bool:
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
    """A character that JSON doesn't allow at an offset of the piece."""

    def __init__(self, at: int, reason: str) -> None:
        super().__init__(reason)
        self.at = at
        self.reason = reason


_NOT_HEX = re.compile("[^0-9a-fA-F]")
# The end of a run of characters that stand for themselves.
_SPECIAL = re.compile(r'["\\\x00-\x1f]')
_ESCAPED = dict(zip('"\\/bfnrt', '"\\/\b\f\n\r\t', strict=True))
_CODE_LENGTH = len(r"\u0000")


class StringToken:
    """Reader of a string from the character after its opening quote (RFC 8259, section 7)."""

    __slots__ = ("_escape", "_half", "complete", "pieces")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.complete = False  # whether the closing quote was read
        self._escape = ""  # an unfinished escape
        self._half = ""  # the first half of an escaped surrogate pair

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
        if text[end] == '"':
            self._add("")
            self.complete = True
        elif text[end] == "\\":
            self._escape = "\\"
        else:
            raise Unexpected(end, f"control character {text[end]!a} in a string")
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
            digits = self._escape[2:]
            unit = chr(int(digits, 16))
            if self._half:
                unit = join_halves(self._half + unit)
            unit, self._half = split_half(unit)
            self.pieces.append(unit)
            self._escape = ""
        return end

    def _add(self, piece: str) -> None:
        self.pieces.append(self._half + piece)
        self._half = ""
