"""Gates that release text after a check has approved it."""

from __future__ import annotations

import contextvars
import inspect
import queue
import threading  # noqa: TID251 - only a thread can be abandoned while its check hangs
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Literal, Self

from .._deadlines import Timers, TimeUp, running_timers
from .._stage import Uncopyable
from ..chunks import Chunk
from ._core import GateState, HasOnRelease, ReleaseQueue, record_releases
from ._verdicts import Flagged, Verdict
from ._windows import Release, Window

Check = Callable[[str], Verdict]
"""A function that gets a window's text and returns a verdict on it."""
AsyncCheck = Callable[[str], Awaitable[Verdict]]
"""The same, asynchronous."""


class ThreadedCheck:
    """
    A check that runs in a thread of its own, and may take a limited time.

    A check that hangs is left behind in its thread, which doesn't keep the interpreter alive.
    Meanwhile every other call times out at once, so that at most one thread is left behind.
    """

    def __init__(self, check: Callable[[str], object], seconds: float) -> None:
        self._check = check
        self._seconds = seconds
        self._hanging: threading.Thread | None = None

    def __call__(self, text: str) -> object:
        if self._hanging is not None and self._hanging.is_alive():
            raise _make_timeout(self._seconds)
        outcomes: queue.SimpleQueue[tuple[object, BaseException | None]] = queue.SimpleQueue()
        context = contextvars.copy_context()

        def run() -> None:
            try:
                outcomes.put((context.run(self._check, text), None))
            except BaseException as error:  # raised again in the thread that waits
                outcomes.put((None, error))

        thread = threading.Thread(target=run, name="sseparse-check", daemon=True)
        thread.start()
        try:
            verdict, error = outcomes.get(timeout=min(self._seconds, threading.TIMEOUT_MAX))
        except queue.Empty:
            self._hanging = thread
            raise _make_timeout(self._seconds) from None
        thread.join()
        if error is not None:
            raise error
        return verdict


def _make_timeout(seconds: float) -> TimeoutError:
    return TimeoutError(f"no verdict within {seconds} s")


class ReleaseIterator(Uncopyable):
    # A class, because an interrupt would end a generator and lose the text that is held.

    def __init__(self, releases: ReleaseQueue, check: Callable[[str], object]) -> None:
        self._queue = releases
        self._check = check

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Release:
        releases = self._queue
        with releases:
            releases.raise_error()
            while not releases.ready:
                if releases.windows:
                    self._check_window()
                elif releases.is_ended:
                    releases.raise_stream_error()
                    raise StopIteration
                else:
                    self._read_chunk()
            return releases.ready.popleft()

    def _check_window(self) -> None:
        releases = self._queue
        try:
            try:
                verdict = self._check(releases.windows[0].text)
            except Exception as error:  # a check may raise anything
                releases.fail(error)
            else:
                releases.decide(verdict)
        except Flagged as flagged:
            try:
                releases.add_partial(flagged)
            finally:
                self._close_stream()
            raise

    def _read_chunk(self) -> None:
        releases = self._queue
        try:
            if releases.chunks is None:
                releases.chunks = iter(releases.stream)
            chunk = next(releases.chunks)
        except StopIteration:
            releases.end()
        except (RuntimeError, TypeError):
            # Misuse of the stream, which isn't its end.
            raise
        except Exception as error:  # an iterable may raise anything
            releases.end(error)
        except BaseException:
            # An iterator in C may have returned a chunk before the interrupt was noticed.
            releases.stopped = True
            raise
        else:
            releases.add_chunk(chunk)

    def _close_stream(self) -> None:
        for each in (self._queue.chunks, self._queue.stream):
            close: Any = getattr(each, "close", None)
            if close is not None:
                # An error of close() must not replace the one that is raised.
                with suppress(Exception):
                    close()


class TextIterator(Uncopyable):
    def __init__(self, releases: Iterator[Release]) -> None:
        self._releases = releases

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        for release in self._releases:
            if release.choice == 0:
                return release.text
        raise StopIteration


class AsyncReleaseIterator(Uncopyable):
    # A class, because an async generator is closed only when the garbage collector runs.

    def __init__(
        self, releases: ReleaseQueue, check: Callable[[str], object], timeout: float | None
    ) -> None:
        self._queue = releases
        self._check = check
        self._timeout = timeout

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Release:
        releases = self._queue
        with releases:
            releases.raise_error()
            while not releases.ready:
                if releases.windows:
                    await self._check_window()
                elif releases.is_ended:
                    releases.raise_stream_error()
                    raise StopAsyncIteration
                else:
                    await self._read_chunk()
            return releases.ready.popleft()

    async def _check_window(self) -> None:
        releases, timers = self._queue, self._timers()
        try:
            try:
                verdict = await self._call_check(releases.windows[0].text, timers)
            except Exception as error:  # a check may raise anything
                releases.fail(error)
            else:
                releases.decide(verdict)
        except Flagged as flagged:
            try:
                releases.add_partial(flagged)
            finally:
                await self._close_stream()
            raise

    async def _call_check(self, text: str, timers: Timers | None) -> object:
        verdict = self._check(text)
        if not inspect.isawaitable(verdict):
            return verdict
        if self._timeout is None or timers is None:
            return await verdict
        deadline = timers.now() + self._timeout
        try:
            awaited = await timers.within(self._timeout, verdict)
        except TimeUp:
            raise _make_timeout(self._timeout) from None
        # A check may suppress its cancellation and return a verdict all the same.
        if timers.now() > deadline:
            raise _make_timeout(self._timeout)
        return awaited

    def _timers(self) -> Timers | None:
        if self._timeout is None:
            return None
        timers = running_timers()
        if timers is None:
            raise RuntimeError("a timeout needs a running event loop of asyncio or trio")
        return timers

    async def _read_chunk(self) -> None:
        releases = self._queue
        try:
            if releases.chunks is None:
                releases.chunks = aiter(releases.stream)
            chunk = await anext(releases.chunks)
        except StopAsyncIteration:
            releases.end()
        except (RuntimeError, TypeError):
            # Misuse of the stream, which isn't its end.
            raise
        except Exception as error:  # an iterable may raise anything
            releases.end(error)
        else:
            releases.add_chunk(chunk)

    async def _close_stream(self) -> None:
        for each in (self._queue.chunks, self._queue.stream):
            close: Any = getattr(each, "aclose", None)
            if close is not None:
                # An error of aclose() must not replace the one that is raised.
                with suppress(Exception):
                    await close()


class AsyncTextIterator(Uncopyable):
    def __init__(self, releases: AsyncIterator[Release]) -> None:
        self._releases = releases

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        async for release in self._releases:
            if release.choice == 0:
                return release.text
        raise StopAsyncIteration


class Gate(GateState):
    """
    Moderation gate: releases the text of an answer after a check has approved it.

    Each choice's text is split into windows, at places that don't depend on the chunks. A window
    that isn't approved stops the stream, whatever its choice: the error `Flagged` has the text that
    was released and the text that is held. Use a gate for one answer, in one thread at a time.

    The check sees each window after the last `lookback` characters of the text before it, so it
    sees every phrase of up to `lookback` characters in one piece. The part of such a phrase in an
    earlier window has been released by then. Larger windows release less of it, and make the reader
    wait longer.

    Only the content of chat deltas and the text of legacy chunks are checked and released, not
    refusals, reasoning and tool calls. Iteration checks one window at a time, and doesn't read the
    stream meanwhile; to run several checks at once, use `feed()`, `close()` and `decide()`.

    Args:
        check: Returns a verdict on a text: True to approve it, False to flag it, or an object with
            `flagged`, or with `results` that have it, such as the answer of OpenAI's moderation
            endpoint. None if you pass the verdicts to `decide()` yourself.
        window: "sentence" ends windows after a stop and a space, after a CJK full stop, and after
            each line, if there is a letter. A number ends them after so many words, punctuation
            marks and single CJK characters. The last window of a choice ends with its text.
        lookback: Characters of the text before a window that the check sees too, up to 100,000.
        longest: Maximum number of characters of new text in a window, up to 100,000. A longer
            window is split at its last space, if it has one.
        timeout: How long a check may take, in seconds; None for no limit. For synchronous
            iteration, a check with a timeout runs in a thread of its own, and stays in it if it
            hangs; meanwhile others time out at once. For asynchronous iteration, only async checks
            are limited.
        on_failure: If a check raises an exception or times out, "block" raises `Flagged`, with the
            failure as its cause; "release" approves the window, and adds the failure to
            `failures`. An invalid verdict always blocks.
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
        timeout: float | None = None,
        on_failure: Literal["block", "release"] = "block",
        timeline: HasOnRelease | None = None,
    ) -> None:
        super().__init__(window, lookback, longest, on_failure)
        if check is not None and not callable(check):
            raise TypeError(f"check is a {type(check).__name__}; give a function of a text")
        _check_timeout(timeout)
        self._check = check
        self._timeout = timeout
        self._timeline = timeline
        self._threaded_check: ThreadedCheck | None = None
        self._queue: ReleaseQueue | None = None

    def decide(self, window: Window, verdict: Verdict) -> list[Release]:
        """
        Apply the verdict on a window and return the text that can now be released.

        Verdicts can be given in any order. Text is released in the order in which it was received:
        an approved window waits until all windows before it, of the same choice, are approved.

        Args:
            window: A window that `feed()` or `close()` returned.
            verdict: The return value of the check.

        Raises:
            Flagged: The window isn't approved, or another one wasn't before. An invalid verdict
                blocks too, with any `on_failure`.
            RuntimeError: The window belongs to another gate, or was decided before.
            Exception: Any exception of the timeline; `released()` has the text.
        """
        releases = super().decide(window, verdict)
        record_releases(self._timeline, releases)
        return releases

    def fail(self, window: Window, error: Exception) -> list[Release]:
        """
        Apply the failure of a window's check and return the text that can now be released.

        Args:
            window: A window that `feed()` or `close()` returned.
            error: Why there is no verdict.

        Raises:
            Flagged: The gate has on_failure="block", or a window wasn't approved before.
            RuntimeError, Exception: As `decide()` does.
        """
        releases = super().fail(window, error)
        record_releases(self._timeline, releases)
        return releases

    def releases(self, stream: Iterable[Chunk]) -> Iterator[Release]:
        """
        Iterate the approved text of all choices.

        A second loop over the same stream continues where the first one stopped. If the stream
        fails, the text received before that is checked and released first. A flagged window closes
        the stream; leaving the loop doesn't.

        Args:
            stream: A `Stream`, or another iterable of chunks.

        Returns:
            The releases, one for each window. The iterator raises `Flagged` for a window that isn't
            approved, with the result so far as `partial` if the stream is a `Stream`, and any
            exception of the stream.

        Raises:
            TypeError: The gate has no check.
            RuntimeError: The gate has another stream.
        """
        releases, check = self._start(stream)
        if self._timeout is None:
            return ReleaseIterator(releases, check)
        if self._threaded_check is None:
            self._threaded_check = ThreadedCheck(check, self._timeout)
        return ReleaseIterator(releases, self._threaded_check)

    def text_deltas(self, stream: Iterable[Chunk]) -> Iterator[str]:
        """
        Iterate the approved text of choice 0. The other choices are checked too.

        The arguments and exceptions are those of `releases()`.
        """
        return TextIterator(self.releases(stream))

    def areleases(self, stream: AsyncIterable[Chunk]) -> AsyncIterator[Release]:
        """
        Iterate the approved text of all choices, asynchronously.

        An async check is awaited; another one blocks the event loop while it runs. A check that is
        cancelled is called again by the next loop. Otherwise this works like `releases()`, and
        raises the same exceptions.

        Args:
            stream: An `AsyncStream`, or another asynchronous iterable of chunks.
        """
        releases, check = self._start(stream)
        return AsyncReleaseIterator(releases, check, self._timeout)

    def atext_deltas(self, stream: AsyncIterable[Chunk]) -> AsyncIterator[str]:
        """
        Iterate the approved text of choice 0, asynchronously. The other choices are checked too.

        The arguments and exceptions are those of `areleases()`.
        """
        return AsyncTextIterator(self.areleases(stream))

    def _start(self, stream: object) -> tuple[ReleaseQueue, Callable[[str], object]]:
        if self._check is None:
            raise TypeError("the gate has no check to call: give one, as in Gate(check)")
        if self._queue is None:
            self._queue = ReleaseQueue(self, stream, self._timeline)
        elif self._queue.stream is not stream:
            raise RuntimeError("the gate has another stream; make one for each answer")
        return self._queue, self._check


def _check_timeout(timeout: object) -> None:
    if timeout is not None and not (isinstance(timeout, int | float) and 0 < timeout <= 1e9):
        raise ValueError(f"timeout is {timeout!r}; give seconds above 0, or None for no timeout")
