"""Cutting the text of one choice, as it comes, into windows."""

from __future__ import annotations

from typing import Final

from ..chunks.partial_json._halves import has_halves, join_halves
from ._rules import Rule, extends

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
