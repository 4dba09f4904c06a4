"""Gates that release text after a check has approved it."""

from __future__ import annotations

import contextvars
import inspect
import queue
import threading  # noqa: TID251 - only a thread can be abandoned while its check hangs
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Literal, Protocol, Self

from .._deadlines import Timers, TimeUp, running_timers
from .._stage import Breakable, Uncopyable, breaking, raise_stored
from ..chunks import Chunk
from ._core import GateState
from ._verdicts import Flagged, Verdict
from ._windows import Release, Window

Check = Callable[[str], Verdict]
"""A function that gets a window's text and returns a verdict on it."""
AsyncCheck = Callable[[str], Awaitable[Verdict]]
"""The same, asynchronous."""


class HasOnRelease(Protocol):
    """An object that records releases, such as `sseparse.timing.Timeline`."""

    def on_release(self, text: str) -> object:
        """Record text that was released."""


class ThreadedCheck:
    """
    A check that runs in a thread of its own, and may take a limited time.

    A check that hangs is left behind in its thread, which doesn't keep the interpreter alive.
    Meanwhile every other call times out at once, so that at most one thread is left behind.
    """

    def __init__(self, check: Callable[[str], Any], seconds: float) -> None:
        self._check = check
        self._seconds = seconds
        self._hanging: threading.Thread | None = None

    def __call__(self, text: str) -> Any:
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


class ReleaseIterator(Breakable):
    """
    Iterator of a gate's releases, synchronous or asynchronous.

    It isn't a generator: an interrupt would end it and lose the text that is held, and an async
    one is closed only when the garbage collector runs.
    """

    def __init__(
        self,
        gate: GateState,
        stream: object,
        check: Callable[[str], Any],
        timeout: float | None,
        timeline: HasOnRelease | None,
    ) -> None:
        super().__init__()
        self.stream: Any = stream
        self._gate = gate
        self._check = check
        self._threaded_check = check if timeout is None else ThreadedCheck(check, timeout)
        self._timeout = timeout
        self._timeline = timeline
        self._chunks: Any = None
        # A window stays here until its verdict is applied, so that an interrupt doesn't lose it.
        self._windows: deque[Window] = deque()
        self._ready: deque[Release] = deque()
        self._is_ended = False
        self._stream_error: Exception | None = None
        self._is_busy = False

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> Release:
        self._check_ready()
        try:
            self._is_busy = True
            while not self._ready:
                if self._windows:
                    self._check_window()
                elif self._is_ended:
                    raise StopIteration if self._stream_error is None else self._stream_error
                else:
                    self._read_chunk()
            return self._ready.popleft()
        finally:
            self._is_busy = False

    async def __anext__(self) -> Release:
        self._check_ready()
        try:
            self._is_busy = True
            while not self._ready:
                if self._windows:
                    await self._acheck_window()
                elif self._is_ended:
                    raise StopAsyncIteration if self._stream_error is None else self._stream_error
                else:
                    await self._aread_chunk()
            return self._ready.popleft()
        finally:
            self._is_busy = False

    def _check_ready(self) -> None:
        if self._is_busy:
            raise RuntimeError(
                "the gate is in use: its check, another task or another thread can't iterate it "
                "too; make one for each answer"
            )
        raise_stored(self._gate.error or self.error)

    def _check_window(self) -> None:
        try:
            try:
                verdict = self._threaded_check(self._windows[0].text)
            except Exception as error:  # a check may raise anything
                self._release(GateState.fail(self._gate, self._windows[0], error))
            else:
                self._release(GateState.decide(self._gate, self._windows[0], verdict))
        except Flagged as flagged:
            try:
                self._add_partial(flagged)
            finally:
                for each in (self._chunks, self.stream):
                    # An error of close(), or its absence, must not replace the one that is raised.
                    with suppress(Exception):
                        each.close()
            raise

    async def _acheck_window(self) -> None:
        timers = None if self._timeout is None else running_timers()
        if timers is None and self._timeout is not None:
            raise RuntimeError("a timeout needs a running event loop of asyncio or trio")
        try:
            try:
                verdict = await self._call_check(self._windows[0].text, timers)
            except Exception as error:  # a check may raise anything
                self._release(GateState.fail(self._gate, self._windows[0], error))
            else:
                self._release(GateState.decide(self._gate, self._windows[0], verdict))
        except Flagged as flagged:
            try:
                self._add_partial(flagged)
            finally:
                for each in (self._chunks, self.stream):
                    with suppress(Exception):
                        await each.aclose()
            raise

    async def _call_check(self, text: str, timers: Timers | None) -> Any:
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

    def _read_chunk(self) -> None:
        try:
            if self._chunks is None:
                self._chunks = iter(self.stream)
            chunk = next(self._chunks)
        except StopIteration:
            self._end()
        except (RuntimeError, TypeError):
            # Misuse of the stream, which isn't its end.
            raise
        except Exception as error:  # an iterable may raise anything
            self._end(error)
        except BaseException:
            # An iterator in C may have returned a chunk before the interrupt was noticed.
            self.stopped = True
            raise
        else:
            self._add_chunk(chunk)

    async def _aread_chunk(self) -> None:
        try:
            if self._chunks is None:
                self._chunks = aiter(self.stream)
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._end()
        except (RuntimeError, TypeError):
            raise
        except Exception as error:  # an iterable may raise anything
            self._end(error)
        else:
            self._add_chunk(chunk)

    @breaking
    def _add_chunk(self, chunk: Chunk) -> None:
        self._windows += self._gate.feed(chunk)

    @breaking
    def _end(self, error: Exception | None = None) -> None:
        """Process the end of the stream; an error that ended it is raised after the releases."""
        self._windows += self._gate.close()
        self._stream_error = error
        self._is_ended = True

    def _release(self, releases: list[Release]) -> None:
        # From GateState's methods, because Gate's call the timeline: if that raised, the releases
        # would be lost.
        self._append(releases)
        record_releases(self._timeline, releases)

    @breaking
    def _append(self, releases: list[Release]) -> None:
        self._windows.popleft()
        self._ready += releases

    def _add_partial(self, flagged: Flagged) -> None:
        # An error of the snapshot, or its absence, must not replace the one that is raised.
        with suppress(Exception):
            flagged.partial = self.stream.snapshot()


def record_releases(timeline: HasOnRelease | None, releases: list[Release]) -> None:
    if timeline is not None:
        for release in releases:
            if release.choice == 0:
                timeline.on_release(release.text)


class TextIterator(Uncopyable):
    def __init__(self, releases: ReleaseIterator) -> None:
        self._releases = releases

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> str:
        for release in self._releases:
            if release.choice == 0:
                return release.text
        raise StopIteration

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
        self._iterator: ReleaseIterator | None = None

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
        return self._iterate(stream)

    def text_deltas(self, stream: Iterable[Chunk]) -> Iterator[str]:
        """
        Iterate the approved text of choice 0. The other choices are checked too.

        The arguments and exceptions are those of `releases()`.
        """
        return TextIterator(self._iterate(stream))

    def areleases(self, stream: AsyncIterable[Chunk]) -> AsyncIterator[Release]:
        """
        Iterate the approved text of all choices, asynchronously.

        An async check is awaited; another one blocks the event loop while it runs. A check that is
        cancelled is called again by the next loop. Otherwise this works like `releases()`, and
        raises the same exceptions.

        Args:
            stream: An `AsyncStream`, or another asynchronous iterable of chunks.
        """
        return self._iterate(stream)

    def atext_deltas(self, stream: AsyncIterable[Chunk]) -> AsyncIterator[str]:
        """
        Iterate the approved text of choice 0, asynchronously. The other choices are checked too.

        The arguments and exceptions are those of `areleases()`.
        """
        return TextIterator(self._iterate(stream))

    def _iterate(self, stream: object) -> ReleaseIterator:
        if self._check is None:
            raise TypeError("the gate has no check to call: give one, as in Gate(check)")
        if self._iterator is None:
            self._iterator = ReleaseIterator(
                self, stream, self._check, self._timeout, self._timeline
            )
        elif self._iterator.stream is not stream:
            raise RuntimeError("the gate has another stream; make one for each answer")
        return self._iterator


def _check_timeout(timeout: object) -> None:
    if timeout is not None and not (isinstance(timeout, int | float) and 0 < timeout <= 1e9):
        raise ValueError(f"timeout is {timeout!r}; give seconds above 0, or None for no timeout")
