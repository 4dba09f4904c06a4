"""Windows: the pieces of text that are checked one at a time, and the order of their release."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

from attrs import frozen

from ..payloads._gated import TextKey
from ..payloads._json_tokens import has_halves, join_halves
from ..payloads._model import Kind
from ._options import GateOptions


@frozen(kw_only=True)
class Window:
    """
    A piece of text that needs a verdict.

    Attributes:
        text: The text to check: the end of the text before it, then the new text.
        overlap: How many characters at its beginning were part of earlier windows too.
        choice: The choice it belongs to, by its index.
        number: Its number among the windows of that text, from 0.
        kind: Kind of the text: "content", "reasoning", "refusal", "transcript" or "arguments".
        item: Position among the result's output items or content blocks; None for an API without.
        part: Position among the texts of that kind in the choice or item, such as the index of a
            tool call; 0 if there is only one.
    """

    text: str
    overlap: int
    choice: int
    number: int
    kind: Kind = "content"
    item: int | None = None
    part: int = 0

    @property
    def new(self) -> str:
        """The text that is new in this window; with a hold, its end is released later."""
        return self.text[self.overlap :]


@frozen
class Release:
    """
    Text that was released.

    Attributes:
        text: The text.
        choice: Index of the choice.
        kind, item, part: The text that it continues, as in `Window`.
    """

    text: str
    choice: int = 0
    kind: Kind = "content"
    item: int | None = None
    part: int = 0


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


def key_of(source: Window | Release) -> TextKey:
    return TextKey(source.kind, source.choice, source.item, source.part)


class WindowedText:
    """
    One text of an answer: its windows, and the order of their release.

    The windows depend only on the text, not on the pieces in which it arrives.

    Attributes:
        arrived: The text that the last call of `feed()` or `flush()` added, in complete characters.
        received: Number of characters of all of it.
        lane: Where the answer has it.
        newest: The newest item that brought only this text; None for text without an item.
        template: The first such item of the last release.
        is_changed: Whether a replacement changed it.
    """

    def __init__(self, key: TextKey, options: GateOptions) -> None:
        window, hold = options.window, options.hold
        self.key = key
        self.arrived = ""
        self.received = 0
        self.lane: Any = None
        self.newest: Any = None
        self.template: Any = None
        self.is_changed = False
        self._boundary = TokenBoundary(window) if isinstance(window, int) else SentenceBoundary()
        self._boundary.begin(0)
        lookback = options.lookback
        self._lookback = max(lookback, hold) if isinstance(hold, int) else lookback
        self._hold = hold
        self._longest = options.longest
        self._releases_first = options.releases_first
        self._text = ""
        self._half = ""
        self._before = ""
        self._number = 0
        self._first: Any = None  # the item with the beginning of the open text
        self._unreleased: Any = None  # that of approved text without a release
        self._held: dict[int, Window] = {}  # in order
        self._templates: dict[int, Any] = {}
        self._approved: set[int] = set()
        self._tail = ""  # approved, but waits with the next window
        self._ends: set[int] = set()  # numbers of windows that release all text
        self._released: list[str] = []

    @property
    def released(self) -> str:
        return "".join(self._released)

    @property
    def is_open(self) -> bool:
        """Whether there is text that is in no window."""
        return bool(self._text or self._half)

    @property
    def held(self) -> str:
        if self._releases_first:
            return self._half
        waiting = [each.new for each in self._held.values()]
        return "".join([self._tail, *waiting, self._text, self._half])

    def rest_of(self, complete: str) -> str | None:
        """Return what a complete text adds to the text received, or None if it's another text."""
        if len(complete) < self.received:
            return None
        if not self.is_changed:
            known = self.released + self.held
            if not complete.startswith(known[: len(known) - len(self._half)]):
                return None
        self._half = ""  # the complete text has it
        return complete[self.received :]

    def feed(self, text: str, template: Any = None) -> list[Window]:
        """Add text and return the windows that it completes."""
        self.newest = template
        if not (self._text or self._half):
            self._first = template
        # Servers split surrogate pairs: the first half waits for the second.
        if self._half or not text.isascii():
            text = self._half + text
            self._half = text[-1] if "\ud800" <= text[-1:] <= "\udbff" else ""
            text = text[: len(text) - len(self._half)]
            if has_halves(text):
                text = join_halves(text)
        return self._split(text)

    def flush(self) -> list[Window]:
        """Complete the last window; more text can follow."""
        half, self._half = self._half, ""
        windows = self._split(half)
        if self._text:
            windows.append(self._make_window(self._text))
        self._text = ""
        self._boundary.begin(0)
        return windows

    def close(self) -> list[Window]:
        """Complete the last window, which releases all text."""
        windows = self.flush()
        if self._tail and not self._held:
            windows.append(self._make_window(""))
        if self._held:
            self._ends.add(self._number - 1)
        return windows

    def is_waiting(self, window: Window) -> bool:
        number = window.number
        return self._held.get(number) is window and number not in self._approved

    @property
    def waiting(self) -> list[Window]:
        """The windows without a verdict."""
        return [each for each in self._held.values() if each.number not in self._approved]

    def is_first(self, window: Window) -> bool:
        return next(iter(self._held)) == window.number

    def replace(self, window: Window, text: str) -> list[Window]:
        """
        Replace the text of the first window, and return the later windows that this changes.

        They lose their verdicts, which were on another text.

        Raises:
            ValueError: The replacement changes text that was released.
        """
        kept = window.text[: window.overlap - len(self._tail)]
        is_released = self._releases_first and text != window.text
        if is_released or not text.startswith(kept):
            raise ValueError(
                "the replacement changes text that was released; return the text that the check "
                "got, with changes only after that, and raise `hold` to release text later"
            )
        self._tail = ""
        self.is_changed |= text != window.text
        self._held[window.number] = self._window(text, len(kept), window.number)
        return self._rebuild(window.number + 1, self._end_of(text))

    def _rebuild(self, number: int, before: str) -> list[Window]:
        """Return the windows from a number on whose context changes to the text before them."""
        rebuilt: list[Window] = []
        while number < self._number:
            old = self._held[number]
            if old.text[: old.overlap] == before:
                return rebuilt
            window = self._window(before + old.new, len(before), number)
            self._held[number] = window
            self._approved.discard(number)
            rebuilt.append(window)
            before = self._end_of(window.text)
            number += 1
        self._before = before
        return rebuilt

    def _end_of(self, text: str) -> str:
        return text[-self._lookback :] if self._lookback else ""

    def approve(self, window: Window) -> list[Release]:
        """Approve a window and return the text that can now be released."""
        self._approved.add(window.number)
        releases: list[Release] = []
        while (first := next(iter(self._held), None)) in self._approved:
            self._approved.discard(first)
            text = self._tail + self._held.pop(first).new
            template = self._templates.pop(first)
            if self._releases_first:
                continue
            self._unreleased = self._unreleased or template
            end = len(text) if first in self._ends else len(text) - self._tail_size(text)
            self._ends.discard(first)
            text, self._tail = text[:end], text[end:]
            if text:
                self.template, self._unreleased = self._unreleased, None
                releases.append(self._release(text))
        return releases

    def release_arrived(self) -> list[Release]:
        """Return the text that arrived in the last call, without waiting for its approval."""
        self.template = self.newest
        return [self._release(self.arrived)] if self.arrived else []

    def _release(self, text: str) -> Release:
        self._released.append(text)
        kind, choice, item, part = self.key
        return Release(text, choice, kind, item, part)

    def _tail_size(self, text: str) -> int:
        """Return how many characters at the end of approved text can begin a forbidden span."""
        size = len(text)
        if isinstance(self._hold, int):
            return min(self._hold, size)
        for start in range(max(size - self._lookback, 0), size):
            if self._hold.fullmatch(text, start):
                return size - start
        return 0

    def _split(self, text: str) -> list[Window]:
        self.arrived = text
        self.received += len(text)
        self._text += text
        windows: list[Window] = []
        start = 0
        while end := self._find_end(start):
            windows.append(self._make_window(self._text[start:end]))
            start = end
            self._boundary.begin(end)
        self._text = self._text[start:]
        self._boundary.start -= start
        self._boundary.searched -= start
        return windows

    def _make_window(self, new: str) -> Window:
        before, number = self._before, self._number
        window = self._window(before + new, len(before), number)
        self._before = self._end_of(window.text)
        self._held[number] = window
        # The first item of a window can have what later ones lack, such as the role.
        self._templates[number] = self._first
        self._first = self.newest
        self._number += 1
        return window

    def _window(self, text: str, overlap: int, number: int) -> Window:
        kind, choice, item, part = self.key
        return Window(
            text=text,
            overlap=overlap,
            choice=choice,
            number=number,
            kind=kind,
            item=item,
            part=part,
        )

    def _find_end(self, start: int) -> int:
        """Return the end of the next window, or 0 if that isn't known yet."""
        text, limit = self._text, start + self._longest
        end = self._boundary.find(text, limit)
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
