"""The gate, and whom it asks."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Literal

from ..chunks import Chunk
from ._async import AsyncReleases, AsyncTextDeltas
from ._core import GateCore, HasOnRelease
from ._late import Bounded
from ._sync import Releases, TextDeltas
from ._verdicts import Verdict
from ._windows import Release
from ._work import Work

Check = Callable[[str], Verdict]
"""A function that gets a window's text and returns a verdict on it."""
AsyncCheck = Callable[[str], Awaitable[Verdict]]
"""The same, awaited."""


class Gate(GateCore):
    """
    Keep the text of an answer from its reader until a check has passed it.

    Each choice's text is cut into windows, always at the same places, however it came in chunks.
    A window is released whole once the check has passed it. One that does not pass stops the
    stream, whatever its choice: the error `Flagged` says what was released and what was held. A
    gate serves one answer, and one thread at a time may use it.

    The check sees each window after the last `lookback` characters of what came before it. So it
    sees whole every phrase of up to `lookback` characters, though it straddle windows. What of
    such a phrase stood in an earlier window has been released by then: the gate stops its end,
    and the rest of the answer, but takes nothing back. Larger windows let less of it out; a
    reader waits longer for them.

    What is checked and released is the text: the content of chat deltas, and the text of legacy
    ones. Refusals, reasoning and tool calls do not go through the gate.

    The faces, `releases()` and its kin, ask for one verdict after the other, and read on when
    they have it. To have several asked for at once, use `feed()`, `close()` and `decide()`.

    Args:
        check: What judges text: True for passed, False for flagged, or what has `flagged`, or
            `results` that have it, such as the answer of OpenAI's moderation endpoint. None for
            those who give the verdicts to `decide()` themselves.
        window: "sentence" ends windows with sentences: after a stop and the space that follows
            it, after a CJK full stop, and with each line, given that a letter is in it. A number
            ends them after so many tokens, counted without a tokenizer: words, marks of
            punctuation and single CJK characters. The last one of a choice ends with its text.
        lookback: How many characters of the text before it each check sees, too; up to 100,000.
        longest: How many characters of new text a window may have, up to 100,000: without an
            end by then it is cut at its last space, or just there.
        timeout: For how many seconds a check is waited for; None for ever. In the synchronous
            faces a check with a timeout runs in a thread of its own, and stays behind in it where
            it hangs; while it does, the checks after it count as late at once. In the
            asynchronous ones it bounds async checks alone.
        on_failure: What happens where a check raises or takes too long: "block" raises
            `Flagged`, with the failure as its cause; "release" lets the window through, and
            notes it in `failures`. What returns no verdict at all blocks always.
        timeline: What is told of each release of choice 0, by `on_release(text)`.

    Raises:
        ValueError: An option has no such value.
        TypeError: The check cannot be called.
    """

    def __init__(
        self,
        check: Check | AsyncCheck | None = None,
        *,
        window: Literal["sentence"] | int = "sentence",
        lookback: int = 200,
        longest: int = 1000,
        timeout: float | None = None,
        on_failure: Literal["block", "release"] = "block",
        timeline: HasOnRelease | None = None,
    ) -> None:
        super().__init__(
            window=window,
            lookback=lookback,
            longest=longest,
            on_failure=on_failure,
            timeline=timeline,
        )
        if check is not None and not callable(check):
            raise TypeError(f"check is a {type(check).__name__}; give a function of a text")
        _check_timeout(timeout)
        self._check = check
        self._timeout = timeout
        self._bounded: Bounded | None = None
        self._work: Work | None = None

    def releases(self, stream: Iterable[Chunk]) -> Iterator[Release]:
        """
        Iterate the text that passes, of all choices.

        A second loop over the same stream goes on where the first one stopped. Where the stream
        fails, what came before is judged and released first. A flagged window closes the stream;
        leaving the loop does not.

        Args:
            stream: A `Stream`, or another iterable of chunks.

        Returns:
            The releases, one for each window. Iterating raises `Flagged` for a window that does
            not pass, with the completion so far as `partial` where the stream is a `Stream`, and
            whatever the stream raises.

        Raises:
            TypeError: The gate has no check.
            RuntimeError: The gate has had another stream.
        """
        work, check = self._begin(stream)
        if self._timeout is None:
            return Releases(work, check)
        if self._bounded is None:
            self._bounded = Bounded(self._timeout, check)
        return Releases(work, self._bounded)

    def text_deltas(self, stream: Iterable[Chunk]) -> Iterator[str]:
        """
        Iterate the text of choice 0 that passes; the other choices are checked, too.

        All else is as in `releases()`.

        Args:
            stream: A `Stream`, or another iterable of chunks.

        Raises:
            TypeError: The gate has no check.
            RuntimeError: The gate has had another stream.
        """
        return TextDeltas(self.releases(stream))

    def areleases(self, stream: AsyncIterable[Chunk]) -> AsyncIterator[Release]:
        """
        Iterate the text that passes, of all choices, asynchronously.

        An async check is awaited; another one is called, and nothing else runs meanwhile. A check
        that is cancelled is asked again by the next loop. All else is as in `releases()`.

        Args:
            stream: An `AsyncStream`, or another asynchronous iterable of chunks.

        Raises:
            TypeError: The gate has no check.
            RuntimeError: The gate has had another stream.
        """
        work, check = self._begin(stream)
        return AsyncReleases(work, check, self._timeout)

    def atext_deltas(self, stream: AsyncIterable[Chunk]) -> AsyncIterator[str]:
        """
        Iterate the text of choice 0 that passes, asynchronously; all choices are checked.

        All else is as in `areleases()`.

        Args:
            stream: An `AsyncStream`, or another asynchronous iterable of chunks.

        Raises:
            TypeError: The gate has no check.
            RuntimeError: The gate has had another stream.
        """
        return AsyncTextDeltas(self.areleases(stream))

    def _begin(self, stream: object) -> tuple[Work, Callable[[str], object]]:
        if self._check is None:
            raise TypeError("the gate has no check to ask: give one, as in Gate(check)")
        if self._work is None:
            self._work = Work(self, stream, decide=self._decide, fail=self._fail, tell=self._tell)
        elif self._work.stream is not stream:
            raise RuntimeError("the gate has had another stream; make one for each answer")
        return self._work, self._check


def _check_timeout(timeout: object) -> None:
    if timeout is not None and not (isinstance(timeout, int | float) and 0 < timeout <= 1e9):
        raise ValueError(f"timeout is {timeout!r}; give seconds above 0, or None for no timeout")
