"""One choice's text on its way through the gate."""

from __future__ import annotations

from collections.abc import Iterable

from ._cutter import Cutter
from ._windows import Release, Window


class Lane:
    """
    Make windows of one choice's text, and let them out in order.

    Args:
        choice: The choice, by its index.
        cutter: Where to cut.
        lookback: How many characters of what came before a window shows.
    """

    def __init__(self, choice: int, cutter: Cutter, lookback: int) -> None:
        self._choice = choice
        self._cutter = cutter
        self._lookback = lookback
        self._before = ""
        self._number = 0
        self._next_out = 0
        self._waiting: dict[int, Window] = {}
        self._passed: dict[int, Window] = {}
        self._released: list[str] = []

    @property
    def released(self) -> str:
        """What was let out."""
        return "".join(self._released)

    @property
    def held(self) -> str:
        """What came and was not let out."""
        kept = self._waiting | self._passed
        return "".join([kept[number].new for number in sorted(kept)]) + self._cutter.open_text

    def feed(self, text: str) -> list[Window]:
        """Take text; return the windows that it completes."""
        return self._windows(self._cutter.feed(text))

    def flush(self) -> list[Window]:
        """Take the end of the text, be it for now; return what is left of it."""
        return self._windows(self._cutter.flush())

    def waits_for(self, window: Window) -> bool:
        """Tell whether a window is one of these, and without verdict."""
        return self._waiting.get(window.number) is window

    def let(self, window: Window) -> list[Release]:
        """Take that a window passed; return what can go out now."""
        self._passed[window.number] = self._waiting.pop(window.number)
        releases: list[Release] = []
        while (following := self._passed.pop(self._next_out, None)) is not None:
            self._next_out += 1
            releases.append(Release(following.new, self._choice))
        self._released += [release.text for release in releases]
        return releases

    def _windows(self, texts: Iterable[str]) -> list[Window]:
        return [self._window(text) for text in texts]

    def _window(self, new: str) -> Window:
        before = self._before
        window = Window(
            text=before + new, overlap=len(before), choice=self._choice, number=self._number
        )
        self._before = window.text[-self._lookback :] if self._lookback else ""
        self._waiting[window.number] = window
        self._number += 1
        return window
