"""Places in a text where a window ends."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_STOPS: Final = (
    ".!?\u2026\u203c\u2047\u2048\u2049"  # with the ellipsis, and the double marks
    "\u0589\u061f\u06d4\u0964\u0965\u1362\u104b"  # of Armenian, Arabic, Urdu, Hindi, Amharic, ...
)
_WIDE_STOPS: Final = "\u3002\uff01\uff1f\uff61"  # no space follows these
_CLOSERS: Final = (
    "\"'\u201d\u2019\u00bb\u203a)]}\u300d\u300f\uff09\u3011\u300b\u3009"
    "*_`~"  # Markdown
)
_SPACES: Final = " \t\r\n"
_END: Final = re.compile(
    rf"[{re.escape(_STOPS)}][{re.escape(_CLOSERS)}]*+\s|[{_WIDE_STOPS}]|\n",
)
_LETTER: Final = re.compile(r"[^\W\d_]")
# The last word before a stop, which isn't the end of a sentence after one of these.
_WORD: Final = re.compile(r"[\w.]*\Z")
_ABBREVIATION: Final = re.compile(
    r"(?:[^\W\d_]\.)+[^\W\d_]"  # such as e.g., i.e., a.m. and z.B.
    r"|Mrs?|Ms|Mx|Dr|Prof|Rev|Hon|Gen|Col|Capt|Lt|Sgt|Sr|Sra|Jr|St|Mme|Mlle"
    r"|vs|cf|al|ca|approx|Figs?|Eqs?|Vol|pp|bzw|Nr|[Ee]x"
)
_LONGEST_ABBREVIATION: Final = 12
_LABEL_ENDS: Final = (":", "\uff1a")
_JOINER: Final = "\u200d"
# Kana, and the ideographs with their extensions: scripts in which each character is a token.
_CJK: Final = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


class SentenceBoundary:
    """Boundary after a sentence or a line that has a letter."""

    def begin(self, start: int) -> None:
        self.start = self.searched = start
        self._has_letter = False

    def find(self, text: str, limit: int) -> int:
        """Return where the window ends, at most at the limit, or 0 if that isn't known yet."""
        if not self._has_letter:
            letter = _LETTER.search(text, self.searched, limit)
            if letter is None:
                self.searched = min(len(text), limit)
                return 0
            self.searched, self._has_letter = letter.end(), True
        while found := _END.search(text, self.searched, limit):
            if not _continues_sentence(text, self.start, found):
                return found.end()
            self.searched = found.end()
        # A stop at the end of the text, and the closing marks after it, can become a boundary.
        body = text[self.searched : limit].rstrip(_CLOSERS)
        if body and body[-1] in _STOPS:
            self.searched += len(body) - 1
        else:
            self.searched = min(len(text), limit)
        return 0


def _continues_sentence(text: str, start: int, found: re.Match[str]) -> bool:
    """Return whether a stop is that of an abbreviation, or a line is a label, such as "Name:"."""
    before = text[max(start, found.start() - _LONGEST_ABBREVIATION) : found.start()]
    if found[0].endswith("\n"):
        return before.rstrip(_CLOSERS + _SPACES).endswith(_LABEL_ENDS)
    if found[0][0] != "." or not found[0][1:].isspace():
        return False
    word = _WORD.search(before)
    return word is not None and _ABBREVIATION.fullmatch(word[0]) is not None


class TokenBoundary:
    """Boundary after a number of words, punctuation marks and CJK characters."""

    def __init__(self, number: int) -> None:
        self._number = number

    def begin(self, start: int) -> None:
        self.start = self.searched = start
        self._count = 0
        self._in_word = False

    def find(self, text: str, limit: int) -> int:
        """Return where the window ends: before the first character that begins another token."""
        for at in range(self.searched, min(len(text), limit)):
            char = text[at]
            if _continues_character(text, self.start, at):
                continue
            is_word = char.isalnum() or char == "_"
            is_cjk = is_word and _CJK.match(char) is not None
            if is_word and self._in_word and not is_cjk:
                continue
            if self._count == self._number:
                return at
            self._count += not char.isspace()
            self._in_word = is_word and not is_cjk
        self.searched = min(len(text), limit)
        return 0


def _continues_character(text: str, start: int, at: int) -> bool:
    """Return whether a code point belongs to the character before it, such as an accent."""
    if at <= start or text[at] < "\u0300":
        return False
    char = text[at]
    return (
        char == _JOINER
        or text[at - 1] == _JOINER
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # skin tones
        or unicodedata.category(char)[0] == "M"
    )


def find_end(
    boundary: SentenceBoundary | TokenBoundary, text: str, start: int, longest: int
) -> int:
    """Return the end of the window that begins at `start`, or 0 if that isn't known yet."""
    limit = start + longest
    end = boundary.find(text, limit)
    if end or len(text) <= limit:
        return end
    # The last space before the limit, else the last beginning of a character near it.
    for at in range(limit, start, -1):
        if text[at].isspace():
            return at
    for at in range(limit, max(start, limit - 32), -1):
        if not _continues_character(text, start, at):
            return at
    return limit
