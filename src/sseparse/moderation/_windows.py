"""Windows: the pieces of text that are checked at once."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Protocol

from attrs import frozen

from ..payloads._json_tokens import has_halves, join_halves


@frozen(kw_only=True)
class Window:
    """
    Ask for a verdict on a stretch of text.

    Attributes:
        text: What to check: the end of what came before, then the new text.
        overlap: How many characters at its beginning earlier windows held too.
        choice: The choice it belongs to, by its index.
        number: Which window of that choice it is, from 0.
    """

    text: str
    overlap: int
    choice: int
    number: int

    @property
    def new(self) -> str:
        """The text that goes to the reader if this window passes."""
        return self.text[self.overlap :]


@frozen
class Release:
    """
    Hold text that passed.

    Attributes:
        text: The text.
        choice: The choice it belongs to, by its index.
    """

    text: str
    choice: int = 0


_STOPS: Final = (
    ".!?\u2026\u203c\u2047\u2048\u2049"  # with the ellipsis, and the double marks
    "\u0589\u061f\u06d4\u0964\u0965\u1362\u104b"  # of Armenian, Arabic, Urdu, Hindi, Amharic, ...
)
_STOPS_SET: Final = frozenset(_STOPS)
_WIDE_STOPS: Final = "\u3002\uff01\uff1f\uff61"  # no space follows these
_CLOSERS: Final = (
    "\"'\u201d\u2019\u00bb\u203a)]}\u300d\u300f\uff09\u3011\u300b\u3009"
    "*_`~"  # Markdown
)
_END: Final = re.compile(
    rf"[{re.escape(_STOPS)}][{re.escape(_CLOSERS)}]*+\s|[{_WIDE_STOPS}]|\n",
)
_LETTER: Final = re.compile(r"[^\W\d_]")
_JOINER: Final = "\u200d"
# Kana, and the ideographs with their extensions: scripts of which each character is a token.
_CJK: Final = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


class Rule(Protocol):
    """
    Describe what finds the end of a window, however the text was cut.

    Attributes:
        start: Where the window begins in the open text.
        at: Up to where it holds no end.
    """

    start: int
    at: int

    def begin(self, start: int) -> None:
        """Begin a new window."""
        ...

    def end(self, text: str, limit: int) -> int:
        """Return where the window ends, in what stands before the limit; 0 for nowhere yet."""
        ...


class Sentences:
    """End a window with a sentence or a line in which there is a letter."""

    def __init__(self) -> None:
        self.begin(0)

    def begin(self, start: int) -> None:
        """Begin a new window."""
        self.start = self.at = start
        self._lettered = False

    def end(self, text: str, limit: int) -> int:
        """Return where the sentence ends."""
        if not self._lettered:
            letter = _LETTER.search(text, self.at, limit)
            self.at = letter.end() if letter else min(len(text), limit)
            self._lettered = letter is not None
        if not self._lettered:
            return 0
        found = _END.search(text, self.at, limit)
        if found:
            return found.end()
        # A stop at the end of the text, with what closes after it, may yet be an end.
        body = text[self.at : limit].rstrip(_CLOSERS)
        if body[-1:] in _STOPS_SET:
            self.at += len(body) - 1
        else:
            self.at = min(len(text), limit)
        return 0


class Tokens:
    """
    End a window after so many words, marks of punctuation and CJK characters.

    Args:
        number: How many.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self.begin(0)

    def begin(self, start: int) -> None:
        """Begin a new window."""
        self.start = self.at = start
        self._count = 0
        self._in_word = False

    def end(self, text: str, limit: int) -> int:
        """Return where the last token ends: where something comes that does not extend it."""
        for at in range(self.at, min(len(text), limit)):
            char = text[at]
            if extends(text, self.start, at):
                continue
            is_word = char.isalnum() or char == "_"
            if is_word and self._in_word and not _CJK.match(char):
                continue
            if self._count == self._number:
                return at
            self._count += not char.isspace()
            self._in_word = is_word and not _CJK.match(char)
        self.at = min(len(text), limit)
        return 0


def extends(text: str, start: int, at: int) -> bool:
    """Tell whether a character after the start belongs to the one before it: an accent, say."""
    if at <= start or text[at] < "\u0300":
        return False
    char = text[at]
    return (
        char == _JOINER
        or text[at - 1] == _JOINER
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # skin tones
        or unicodedata.category(char)[0] == "M"
    )


# How far back from the longest length to look for the beginning of a character.
_MOST_MARKS: Final = 32


class Cutter:
    """
    Cut text where a rule says, or else at the longest length.

    Where it cuts follows from the text alone, not from the pieces in which it comes. What is kept
    is at most one window.

    Args:
        rule: Where windows end.
        longest: How many characters a window may have.
    """

    def __init__(self, rule: Rule, longest: int) -> None:
        self._rule = rule
        self._longest = longest
        self._text = ""
        self._half = ""

    @property
    def open_text(self) -> str:
        """What came since the last cut."""
        return self._text + self._half

    def feed(self, text: str) -> list[str]:
        """Take text; return the stretches that it completes."""
        return self._cut_off(self._whole(text))

    def flush(self) -> list[str]:
        """Take the end of the text, be it for now; return what is left of it."""
        half, self._half = self._half, ""
        left = [*self._cut_off(half), self._text]
        self._text = ""
        self._rule.begin(0)
        return [text for text in left if text]

    def _cut_off(self, text: str) -> list[str]:
        self._text += text
        found: list[str] = []
        start = 0
        while end := self._end(start):
            found.append(self._text[start:end])
            start = end
            self._rule.begin(end)
        self._text = self._text[start:]
        self._rule.start -= start
        self._rule.at -= start
        return found

    def _whole(self, text: str) -> str:
        # Servers cut surrogate pairs: one half waits for the other.
        if self._half or not text.isascii():
            text = self._half + text
            self._half = text[-1] if "\ud800" <= text[-1:] <= "\udbff" else ""
            text = text[: len(text) - len(self._half)]
            if has_halves(text):
                text = join_halves(text)
        return text

    def _end(self, start: int) -> int:
        limit = start + self._longest
        end = self._rule.end(self._text, limit)
        if not end and len(self._text) > limit:
            end = self._cut(start, limit)
        return end

    def _cut(self, start: int, limit: int) -> int:
        text = self._text
        for at in range(limit, start, -1):
            if text[at].isspace():
                return at
        for at in range(limit, max(start, limit - _MOST_MARKS), -1):
            if not extends(text, start, at):
                return at
        return limit
