"""Gates that release text after a check has approved it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, Literal, Protocol

from .._options import check_choice
from .._stage import Breakable, breaking
from ..chunks import ChatCompletionChunk, Chunk, CompletionChunk
from ..chunks._models import CompletionChunkChoice
from ..chunks._texts import text_of
from ._concurrent import ConcurrentIterator
from ._iterators import ReleaseIterator, TextIterator
from ._verdicts import Flagged, Replace, Verdict, is_flagged
from ._windows import GatedChoice, Release, Window

Check = Callable[[str], Verdict]
"""A function that gets a window's text and returns a verdict on it."""
AsyncCheck = Callable[[str], Awaitable[Verdict]]
"""An async function that gets a window's text and returns a verdict on it."""

# The open text is copied with each piece of text, and the lookback with each window.
_MOST_CHARACTERS: Final = 100_000


class HasOnRelease(Protocol):
    """An object that records releases, such as `sseparse.timing.Timeline`."""

    def on_release(self, text: str) -> object:
        """Record text that was released."""


class Gate(Breakable):
    """
    Moderation gate: releases the text of an answer after a check has approved it.

    The text of each choice is split into windows, at places that don't depend on the chunks. A
    window that isn't approved stops the stream for all choices. The error `Flagged` has the text
    released so far and the text that wasn't released. Use a gate for one answer, in one thread at a
    time.

    Each window is checked together with the `lookback` characters before it, so the check sees
    every phrase of up to `lookback` characters in one piece. If a phrase spans two windows, its
    first part has already been released when the second part is checked, unless `hold` is at least
    the length of the phrase.

    Only the content of chat deltas and the text of legacy chunks are checked and released.
    Refusals, reasoning and tool calls are neither checked nor released.

    Args:
        check: Returns a verdict on a text: True to approve it, False to flag it, `Replace(text)` to
            change it, or an object with `flagged`, or with `results` that have it, such as the
            answer of OpenAI's moderation endpoint. Later checks see the text with the changes.
            None, the default, if you pass the verdicts to `decide()` yourself.
        window: Where windows end. "sentence", the default: after a mark that ends a sentence, such
            as "." or "?", and a space; after a CJK mark, such as "。"; and after each line. The
            window needs a letter. Common abbreviations, such as "Dr." and "e.g.", and lines that
            end with a colon don't end it. A number: after that number of words, punctuation marks
            and single CJK characters. The last window of a choice ends with its text.
        lookback: Number of characters before a window that the check sees too, up to 100,000.
            Default: 200.
        longest: Maximum number of characters of new text in a window, up to 100,000. A longer
            window is split at its last space, if it has one. Default: 1,000.
        hold: The end of the approved text that waits until the next window is approved too. 0, the
            default: nothing. A number of characters, up to 100,000: no part of a phrase of up to
            that length plus 1 is released before a check has seen the complete phrase. The
            lookback is at least this number. A compiled pattern: the longest end of the text, of up
            to `lookback` characters, that the pattern matches in full. Write it so that it matches
            every beginning of a forbidden phrase, for example `re.compile("[0-9 -]+")` for card
            numbers. If the answer ends when all windows of a choice are approved, `close()` returns
            a window without new text for it; iteration approves that without a check.
        concurrent: Maximum number of windows that are checked at the same time. 1, the default:
            iteration doesn't read the stream during a check. With a larger number, it does;
            synchronous iteration then calls the check in threads, so it must be thread-safe.
            Verdicts are applied in the order of the text, so the result stays the same. Approved
            text can be released only when the next chunk arrives, the stream ends, or more windows
            than this number wait.
        timeout: Maximum duration of a check, in seconds; None, the default, for no limit. In
            synchronous iteration, a check with a timeout runs in a separate thread. While as many
            checks as `concurrent` hang, later checks time out at once. In asynchronous iteration,
            the timeout applies only to async checks.
        on_failure: What to do if a check raises an exception or times out: "block", the default,
            raises `Flagged`, with the failure as its cause; "release" approves the window, and adds
            the failure to `failures`. An invalid verdict always blocks.
        timeline: Records each release of choice 0, by `on_release(text)`.

    Raises:
        ValueError: An option has an invalid value.
        TypeError: The check isn't callable.
    """

    def __init__(
        self,
        check: Check | AsyncCheck | None = None,
        *,
        window: Literal["sentence"] | int = "sentence",
        lookback: int = 200,
        longest: int = 1000,
        hold: int | re.Pattern[str] = 0,
        concurrent: int = 1,
        timeout: float | None = None,
        on_failure: Literal["block", "release"] = "block",
        timeline: HasOnRelease | None = None,
    ) -> None:
        super().__init__()
        is_number = isinstance(window, int) and not isinstance(window, bool) and window > 0
        if not is_number and window != "sentence":
            raise ValueError(f'window is {window!r}; give "sentence", or a number of words above 0')
        _check_characters("lookback", lookback, 0)
        _check_characters("longest", longest, 1)
        _check_hold(hold)
        check_choice("on_failure", on_failure, "block", "release")
        if check is not None and not callable(check):
            raise TypeError(f"check is a {type(check).__name__}; give a function of a text")
        _check_concurrent(concurrent)
        _check_timeout(timeout)
        self._window = window
        self._lookback = lookback
        self._longest = longest
        self._hold = hold
        self._blocks_failures = on_failure == "block"
        self._choices: dict[int, GatedChoice] = {}
        self._is_closed = False
        self._is_reading_verdict = False
        self._failures: list[Exception] = []
        self._check = check
        self._concurrent = concurrent
        self._timeout = timeout
        self._timeline = timeline
        self._iterator: ReleaseIterator | None = None

    @property
    def flagged(self) -> Flagged | None:
        """The error that stopped the gate because a window wasn't approved, or None."""
        return self._error if isinstance(self._error, Flagged) else None

    @property
    def failures(self) -> tuple[Exception, ...]:
        """The failures that on_failure="release" accepted, without tracebacks."""
        return tuple(self._failures)

    @property
    def waiting(self) -> tuple[Window, ...]:
        """The windows that wait for a verdict, by choice and in the order of the text."""
        return tuple(each for choice in self._choices.values() for each in choice.waiting)

    def released(self, choice: int = 0) -> str:
        """Return the released text of a choice, with its replacements."""
        return self._choices[choice].released if choice in self._choices else ""

    def held(self, choice: int = 0) -> str:
        """Return the text of a choice that was received but not released."""
        return self._choices[choice].held if choice in self._choices else ""

    def feed(self, chunk: Chunk) -> list[Window]:
        """
        Feed a chunk and return the windows that it completes.

        The finish reason of a choice completes its open window.

        Raises:
            Flagged, BrokenStage: An earlier call stopped the gate.
            RuntimeError: The gate is closed.
            TypeError: The argument isn't a chunk.
        """
        self._check_open()
        if not isinstance(chunk, ChatCompletionChunk | CompletionChunk):
            raise TypeError(
                f"a gate takes chunks, not {type(chunk).__name__}: those of a Stream, of a "
                "ChunkDecoder or of to_chunks(); feed_text() takes text"
            )
        return self._add_texts(_texts_of(chunk))

    def feed_text(self, text: str, choice: int = 0) -> list[Window]:
        """
        Feed the next text of a choice and return the windows that it completes.

        Raises:
            Flagged, BrokenStage, RuntimeError: As for `feed()`. TypeError: The text isn't a str.
        """
        self._check_open()
        if not isinstance(text, str):
            raise TypeError(f"text is a {type(text).__name__}; give a str")
        return self._add_texts([(choice, text, False)])

    @breaking
    def _add_texts(self, texts: Iterable[tuple[int, str, bool]]) -> list[Window]:
        windows: list[Window] = []
        for index, text, is_finished in texts:
            choice = self._choices.get(index)
            if text:
                if choice is None:
                    sizes = (self._lookback, self._longest, self._hold)
                    choice = self._choices[index] = GatedChoice(index, self._window, *sizes)
                windows += choice.feed(text)
            if is_finished and choice is not None:
                windows += choice.flush()
        return windows

    @breaking
    def close(self) -> list[Window]:
        """
        Process the end of the answer and return the last window of each choice.

        You can still call `decide()` after this. Closing again returns an empty list.

        Raises:
            Flagged, BrokenStage: As for `feed()`.
        """
        self._raise_error()
        self._is_closed = True
        return [window for choice in self._choices.values() for window in choice.close()]

    def decide(self, window: Window, verdict: Verdict) -> list[Release]:
        """
        Apply the verdict on a window and return the text that can now be released.

        Verdicts can be given in any order. Text is released in the order in which it was received:
        an approved window waits until all windows before it, of the same choice, are approved. A
        `Replace` is accepted only when the windows before it are decided. It changes the text that
        later windows overlap, so these are made again and wait for a new verdict: see `waiting`.

        Args:
            window: A window that `feed()` or `close()` returned.
            verdict: The verdict: a return value of the check.

        Raises:
            Flagged: The window isn't approved, or another one wasn't before. An invalid verdict
                blocks too, with any `on_failure`.
            RuntimeError: The window isn't one of `waiting`, or can't be replaced yet.
            Exception: Any exception of the timeline; `released()` has the text.
        """
        return self._record(self._apply(window, verdict)[0])

    def fail(self, window: Window, error: Exception) -> list[Release]:
        """
        Apply the failure of a window's check and return the text that can now be released.

        This works like `decide()`, with the error instead of a verdict.

        Raises:
            Flagged: The gate has on_failure="block", or a window wasn't approved before.
            RuntimeError, Exception: As for `decide()`.
        """
        return self._record(self._apply(window, None, error)[0])

    def _apply(
        self, window: Window, verdict: object, failure: Exception | None = None
    ) -> tuple[list[Release], list[Window]]:
        """
        Apply a verdict, or the failure of a check, without calling the timeline.

        Return the releases, and the windows whose text a replacement changed.
        """
        self._raise_error()
        if self._is_reading_verdict:
            raise RuntimeError("can't decide on a window while a verdict is being read")
        choice = self._choices.get(window.choice)
        if choice is None or not choice.is_waiting(window):
            raise RuntimeError(
                f"window {window.number} of choice {window.choice} isn't waiting for a verdict: it "
                "was decided before, a replacement before it changed its text (see `waiting`), or "
                "it belongs to another gate"
            )
        if isinstance(verdict, Replace) and not choice.is_first(window):
            raise RuntimeError(
                f"window {window.number} of choice {window.choice} can't be replaced before the "
                "windows before it are decided; decide them first"
            )
        return self._approve(choice, window, verdict, failure)

    @breaking
    def _approve(
        self, choice: GatedChoice, window: Window, verdict: object, failure: Exception | None
    ) -> tuple[list[Release], list[Window]]:
        """Approve a window unless its verdict or failure blocks it."""
        rebuilt: list[Window] = []
        is_blocked = failure is not None and self._blocks_failures
        if failure is None:
            self._is_reading_verdict = True
            try:
                is_blocked = is_flagged(verdict)
                if isinstance(verdict, Replace):
                    rebuilt = choice.replace(window, verdict.text)
            except Exception as error:  # a property of a verdict may raise anything
                is_blocked, verdict, failure = True, None, error
            finally:
                self._is_reading_verdict = False
        if is_blocked:
            texts = {"released": choice.released, "held": choice.held}
            raise Flagged(window=window, verdict=verdict, failure=failure, **texts) from failure
        if failure is not None:
            self._failures.append(failure.with_traceback(None))
        return choice.approve(window), rebuilt

    def _record(self, releases: list[Release]) -> list[Release]:
        if self._timeline is not None:
            for release in releases:
                if release.choice == 0:
                    self._timeline.on_release(release.text)
        return releases

    def _check_open(self) -> None:
        self._raise_error()
        if self._is_closed:
            raise RuntimeError("the gate is closed; make one for each answer")

    def releases(self, stream: Iterable[Chunk]) -> Iterator[Release]:
        """
        Iterate the approved text of all choices of a `Stream`, or another iterable of chunks.

        A second loop over the same stream continues where the first one stopped. If the stream
        fails, the text received before that is checked and released first. A flagged window closes
        the stream; leaving the loop doesn't.

        Returns:
            The releases, one for each window. The iterator raises `Flagged` for a window that isn't
            approved, with the result so far as `partial` if the stream is a `Stream`, and any
            exception of the stream.

        Raises:
            TypeError: The gate has no check.
            RuntimeError: The gate has another stream.
        """
        return self._iterate(stream)

    def text_deltas(self, stream: Iterable[Chunk]) -> Iterator[str]:
        """Iterate the approved text of choice 0, as `releases()` does; all choices are checked."""
        return TextIterator(self._iterate(stream))

    def areleases(self, stream: AsyncIterable[Chunk]) -> AsyncIterator[Release]:
        """
        Iterate the approved text of an `AsyncStream`, or another asynchronous iterable of chunks.

        An async check is awaited. A synchronous check blocks the event loop while it runs. A
        cancelled check is called again by the next loop. Otherwise this works like `releases()`,
        and raises the same exceptions.
        """
        return self._iterate(stream)

    def atext_deltas(self, stream: AsyncIterable[Chunk]) -> AsyncIterator[str]:
        """Iterate the approved text of choice 0, as `areleases()` does; all choices are checked."""
        return TextIterator(self._iterate(stream))

    def _iterate(self, stream: object) -> ReleaseIterator:
        if self._check is None:
            raise TypeError("the gate has no check to call: give one, as in Gate(check)")
        if self._iterator is None:
            make: Callable[..., ReleaseIterator] = ReleaseIterator
            if self._concurrent > 1:
                make = partial(ConcurrentIterator, concurrent=self._concurrent)
            self._iterator = make(
                self, stream, self._check, self._timeout, self._apply, record=self._record
            )
        elif self._iterator.stream is not stream:
            raise RuntimeError("the gate has another stream; make one for each answer")
        return self._iterator


def _texts_of(chunk: Chunk) -> Iterator[tuple[int, str, bool]]:
    """Yield the index of each choice, its text, and whether it's finished."""
    for choice in chunk.choices:
        text = choice.text if isinstance(choice, CompletionChunkChoice) else choice.delta.content
        yield choice.index, text_of(text), bool(choice.finish_reason)


def _check_characters(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or not least <= value <= _MOST_CHARACTERS:
        raise ValueError(
            f"{name} is {value!r}; give a number of characters, {least} to {_MOST_CHARACTERS}"
        )


def _check_hold(hold: int | re.Pattern[Any]) -> None:
    if not isinstance(hold, re.Pattern):
        _check_characters("hold", hold, 0)
    elif not isinstance(hold.pattern, str):
        raise ValueError("hold is a pattern of bytes; give one of text")


def _check_concurrent(number: object) -> None:
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError(f"concurrent is {number!r}; give a number of checks above 0")


def _check_timeout(timeout: object) -> None:
    if timeout is not None and not (isinstance(timeout, int | float) and 0 < timeout <= 1e9):
        raise ValueError(f"timeout is {timeout!r}; give seconds above 0, or None for no timeout")
