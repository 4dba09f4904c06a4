"""Windows: the pieces of text that are checked one at a time, and the order of their release."""

from __future__ import annotations

from typing import Any, Final

from attrs import define, evolve, field, frozen

from ..payloads._gated import TextKey
from ..payloads._json_tokens import has_halves, join_halves
from ..payloads._model import Kind
from ._boundaries import SentenceBoundary, TokenBoundary, find_end
from ._options import GateOptions


@frozen(kw_only=True)
class Window:
    """
    A piece of text that needs a verdict.

    Attributes:
        text: The text to check: the end of the text before it, then the new text.
        overlap: How many characters at its beginning were part of earlier windows too.
        choice: The choice it belongs to, by its index.
        number: Its number among the windows of its kind and choice, or of its tool call, from 0.
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


def key_of(source: Window | Release) -> TextKey:
    return TextKey(source.kind, source.choice, source.item, source.part)


# Of the texts of a chain that others interrupt: their ends, each up to the lookback, are kept.
_MOST_INTERRUPTED: Final = 20


@define(eq=False)
class Text:
    """
    One text of an answer.

    Attributes:
        chain: The texts that it is checked together with.
        lane: Where the answer has it.
        received: Number of characters received of it.
        sent: Number of characters released of it.
        pieces: What was released of it.
        is_changed: Whether a replacement changed it.
        last: Number of its last window; None before the first one and after its end.
        newest: The newest item that brought only this text; None for text without an item.
        template: The first such item of the last release.
        unreleased: That of approved text without a release.
        contradictions: Number of complete texts that weren't what was received of it.
        arrived: What was received of it, in complete characters; last, by the last call of `feed()`
            or `flush()`.
        brought: What each part brought, by its number: servers count deltas as parts.
        has_parts: Whether these were parts that have complete texts of their own.
    """

    key: TextKey
    chain: TextChain
    lane: Any
    received: int = 0
    sent: int = 0
    pieces: list[str] = field(factory=list[str])
    is_changed: bool = False
    last: int | None = None
    newest: Any = None
    template: Any = None
    unreleased: Any = None
    contradictions: int = 0
    arrived: list[str] = field(factory=list[str])
    brought: dict[int, list[str]] = field(factory=dict[int, list[str]])
    has_parts: bool = False

    @property
    def released(self) -> str:
        return "".join(self.pieces)

    def is_part(self, part: int, complete: str) -> bool:
        """Return whether a complete text is that of one of several parts."""
        is_own = len(self.brought) > 1 and complete == self._part(part)
        self.has_parts |= is_own
        return is_own

    def released_part(self, part: int) -> str:
        """Return what was released of a part."""
        if not self.has_parts:
            return self.released
        if self.is_changed:  # it isn't known of which part a replacement is
            return self.released if part == self.key.part else ""
        return self._part(part)

    def _part(self, part: int) -> str:
        return "".join(self.brought.get(part, ()))


@define(eq=False)
class _Pending:
    """
    A window that isn't released.

    Attributes:
        template: The first item that brought its text.
        followers: Numbers of the windows whose overlap is the end of this one.
        releases_all: Whether no text of it waits for the next window.
    """

    window: Window
    text: Text
    template: Any
    followers: list[int] = field(factory=list[int])
    is_approved: bool = False
    releases_all: bool = False


class TextChain:
    """
    Texts that a reader reads as one: their windows, and the order of their release.

    The first window of a text overlaps the text that was received before it. A text that goes on
    after others interrupted it overlaps its own end. The windows depend only on the texts, not on
    the pieces in which they arrive.

    Attributes:
        texts: The texts, in the order in which they began.
        current: The text that was received last. Before text of another one, call `close()`.
    """

    def __init__(self, options: GateOptions) -> None:
        window, hold = options.window, options.hold
        self.texts: list[Text] = []
        self.current: Text | None = None
        self._boundary = TokenBoundary(window) if isinstance(window, int) else SentenceBoundary()
        self._boundary.begin(0)
        lookback = options.lookback
        self._lookback = max(lookback, hold) if isinstance(hold, int) else lookback
        self._hold = hold
        self._longest = options.longest
        self._releases_first = options.releases_first
        self._text = ""
        self._half = ""
        self._first: Any = None  # the item with the beginning of the open text
        self._number = 0
        self._before = -1  # number of the window that the next one overlaps
        self._ends: dict[int, str] = {}  # the overlaps of later windows, by that number
        self._pending: dict[int, _Pending] = {}  # in order, from the oldest one
        self._oldest = 0
        self._tail = ""  # approved, but waits with the next window

    @property
    def released(self) -> str:
        return "".join([text.released for text in self.texts])

    @property
    def is_open(self) -> bool:
        """Whether there is text that is in no window."""
        return bool(self._text or self._half)

    @property
    def held(self) -> str:
        if self._releases_first:
            return self._half
        waiting = [each.window.new for each in self._pending.values()]
        return "".join([self._tail, *waiting, self._text, self._half])

    def rest_of(self, text: Text, complete: str) -> str | None:
        """Return what a complete text adds to the text received, or None if it's another text."""
        if len(complete) < text.received:
            return None
        known = "".join(text.arrived)
        text.arrived = [known]
        if not complete.startswith(known):
            return None
        if text is self.current:
            self._half = ""  # the complete text has it
        return complete[len(known) :]

    def feed(self, text: Text, new: str, template: Any = None) -> list[Window]:
        """Add text and return the windows that it completes."""
        if new and text is not self.current:  # a complete text that repeats brings nothing
            self.current = text
            if text.last in self._ends:
                self._before = text.last
        text.newest = template
        if not self.is_open:
            self._first = template
        # Servers split surrogate pairs: the first half waits for the second.
        if self._half or not new.isascii():
            new = self._half + new
            self._half = new[-1] if "\ud800" <= new[-1:] <= "\udbff" else ""
            new = new[: len(new) - len(self._half)]
            if has_halves(new):
                new = join_halves(new)
        return self._split(text, new)

    def flush(self, text: Text) -> list[Window]:
        """Complete the last window of the current text; more of the text can follow."""
        half, self._half = self._half, ""
        windows = self._split(text, half)
        if self._text:
            windows.append(self._make_window(text, self._text))
        self._text = ""
        self._boundary.begin(0)
        return windows

    def close(self, text: Text) -> list[Window]:
        """Complete the last window of the current text, which releases all of it."""
        windows = self.flush(text)
        if self._tail and not self._pending:
            windows.append(self._make_window(text, ""))
        if self._pending:
            self._pending[self._number - 1].releases_all = True
        return windows

    def is_waiting(self, window: Window) -> bool:
        pending = self._pending.get(window.number)
        return pending is not None and pending.window is window and not pending.is_approved

    @property
    def waiting(self) -> list[Window]:
        """The windows without a verdict."""
        return [each.window for each in self._pending.values() if not each.is_approved]

    def is_first(self, window: Window) -> bool:
        return window.number == self._oldest

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
        pending = self._pending[window.number]
        pending.text.is_changed |= text != window.text
        pending.window = evolve(window, text=text, overlap=len(kept))
        return self._rebuild(pending)

    def _rebuild(self, changed: _Pending) -> list[Window]:
        """Return the windows whose overlap a changed window changes, in order."""
        rebuilt: dict[int, Window] = {}
        left = [changed]
        while left:
            before = left.pop()
            number, end = before.window.number, self._end_of(before.window.text)
            if number in self._ends:
                self._ends[number] = end
            for each in map(self._pending.__getitem__, before.followers):
                old = each.window
                if old.text[: old.overlap] != end:
                    each.window = evolve(old, text=end + old.new, overlap=len(end))
                    each.is_approved = False
                    rebuilt[old.number] = each.window
                    left.append(each)
        return [rebuilt[number] for number in sorted(rebuilt)]

    def _end_of(self, text: str) -> str:
        return text[-self._lookback :] if self._lookback else ""

    def approve(self, window: Window) -> list[Release]:
        """Approve a window and return the text that can now be released."""
        self._pending[window.number].is_approved = True
        releases: list[Release] = []
        while (first := self._pending.get(self._oldest)) is not None and first.is_approved:
            del self._pending[self._oldest]
            self._oldest += 1
            if not self._releases_first:
                releases += self._release_window(first)
        return releases

    def _release_window(self, pending: _Pending) -> list[Release]:
        text = pending.text
        text.unreleased = text.unreleased or pending.template
        new = self._tail + pending.window.new
        end = len(new) if pending.releases_all else len(new) - self._tail_size(new)
        new, self._tail = new[:end], new[end:]
        if not new:
            return []
        text.template, text.unreleased = text.unreleased, None
        return [_release(text, new)]

    def release_arrived(self, text: Text) -> list[Release]:
        """Return the text that arrived in the last call, without waiting for its approval."""
        text.template = text.newest
        arrived = text.arrived[-1]
        return [_release(text, arrived)] if arrived else []

    def _tail_size(self, text: str) -> int:
        """Return how many characters at the end of approved text can begin a forbidden span."""
        size = len(text)
        if isinstance(self._hold, int):
            return min(self._hold, size)
        for start in range(max(size - self._lookback, 0), size):
            if self._hold.fullmatch(text, start):
                return size - start
        return 0

    def _split(self, text: Text, new: str) -> list[Window]:
        text.received += len(new)
        text.arrived.append(new)
        self._text += new
        windows: list[Window] = []
        start = 0
        while end := find_end(self._boundary, self._text, start, self._longest):
            windows.append(self._make_window(text, self._text[start:end]))
            start = end
            self._boundary.begin(end)
        self._text = self._text[start:]
        self._boundary.start -= start
        self._boundary.searched -= start
        return windows

    def _make_window(self, text: Text, new: str) -> Window:
        before, number = self._before, self._number
        overlap = self._ends.get(before, "")
        window = Window(
            text=overlap + new, overlap=len(overlap), number=number, **text.key._asdict()
        )
        if before in self._pending:
            self._pending[before].followers.append(number)
        # The first item of a window can have what later ones lack, such as the role.
        self._pending[number] = _Pending(window, text, self._first)
        self._first = text.newest
        if before == text.last:
            self._ends.pop(before, None)
        elif len(self._ends) > _MOST_INTERRUPTED:
            del self._ends[next(iter(self._ends))]
        self._ends[number] = self._end_of(window.text)
        self._before = text.last = number
        self._number += 1
        return window


def _release(text: Text, released: str) -> Release:
    text.pieces.append(released)
    text.sent += len(released)
    kind, choice, item, part = text.key
    return Release(released, choice, kind, item, part)
