"""Iterators over the text that a gate releases."""

from __future__ import annotations

import contextvars
import inspect
import threading  # noqa: TID251 - only a thread can be abandoned while its check hangs
import time  # noqa: TID251 - a thread has no timer
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from .._deadlines import Timers, TimeUp, require_timers
from .._stage import Breakable, Uncopyable, breaking, raise_stored
from ..payloads._gated import Rest
from ._answer import GatedAnswer, Output
from ._options import GateOptions
from ._verdicts import Flagged
from ._windows import Release, Window, key_of

if TYPE_CHECKING:
    from ._gate import Gate


class Applied(NamedTuple):
    """
    What a verdict changed.

    Attributes:
        releases: The text that can now be released.
        rebuilt: The windows whose text a replacement changed.
        stops: Items that end the choice of the window; None if it continues.
    """

    releases: Sequence[Release] = ()
    rebuilt: Sequence[Window] = ()
    stops: Sequence[Any] | None = None


class RunningCheck:
    """
    A check that runs in a thread or a task.

    Attributes:
        outcome: The verdict and the exception; None until the check is done.
    """

    def __init__(self, window: Window) -> None:
        self.window = window
        self.outcome: tuple[object, BaseException | None] | None = None
        self.thread: threading.Thread | None = None
        self.deadline: float | None = None  # only of a thread
        self.cancel: Callable[[], object] | None = None  # only of a task

    @property
    def is_cancelled(self) -> bool:
        """Whether its task ended with a cancellation, of asyncio or of trio."""
        error = None if self.outcome is None else self.outcome[1]
        return error is not None and type(error).__name__ in {"CancelledError", "Cancelled"}

    def finish(self, verdict: object, error: BaseException | None = None) -> None:
        """Set the outcome, unless it was set before: a check that timed out can end later."""
        # One assignment, because the thread of the check and the one that waits can both call this.
        if self.outcome is None:
            self.outcome = verdict, error


class ReleaseIterator(Breakable):
    """
    Iterator of a gate's releases, synchronous or asynchronous.

    It isn't a generator: an interrupt would end it and lose the text that is held, and an async
    one is closed only when the garbage collector runs.
    """

    def __init__(
        self,
        gate: Gate,
        stream: object,
        options: GateOptions,
        answer: GatedAnswer,
        *,
        makes_items: bool,
        feed: Callable[[Any], list[Output]],
        close: Callable[[], list[Output]],
        apply: Callable[[Window, object, Exception | None], Applied],
        record: Callable[[Sequence[Release]], object],
    ) -> None:
        super().__init__()
        self.stream: Any = stream
        self.makes_items = makes_items
        self._gate = gate
        self._answer = answer
        self._call_check = options.call_check
        self._releases_first = options.releases_first
        self._timeout = options.timeout
        self._concurrent = options.concurrent
        self._hung: list[threading.Thread] = []  # of checks that timed out
        self._feed = feed
        self._close = close
        self._apply = apply
        self._record = record
        self._items: Any = None
        # A window stays here until its verdict is applied, so that an interrupt doesn't lose it.
        self._windows: deque[Window] = deque()
        self._rests: deque[list[Rest]] = deque()  # of each window, the items that follow it
        self._ready: deque[Any] = deque()
        self._is_ended = False
        self._stream_error: Exception | None = None
        self._is_busy = False

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        self._check_ready()
        try:
            self._is_busy = True
            while not self._ready:
                if self._needs_verdict():
                    self._check_window()
                elif self._is_ended and not self._finish():
                    raise self._end_error() or StopIteration
                elif not self._is_ended:
                    self._read_item()
            # No call: an interrupt after one would lose the item.
            item = self._ready[0]
            del self._ready[0]
            return item
        finally:
            self._is_busy = False

    async def __anext__(self) -> Any:
        self._check_ready()
        try:
            self._is_busy = True
            while not self._ready:
                if self._needs_verdict():
                    await self._acheck_window()
                elif self._is_ended and not self._finish():
                    raise self._end_error() or StopAsyncIteration
                elif not self._is_ended:
                    await self._aread_item()
            # No call: an interrupt after one would lose the item.
            item = self._ready[0]
            del self._ready[0]
            return item
        finally:
            self._is_busy = False

    def _check_ready(self) -> None:
        if self._is_busy:
            raise RuntimeError(
                "the gate is in use: its check, another task or another thread can't iterate it "
                "too; make one for each answer"
            )
        raise_stored(self._gate.error or self.error)

    def _end_error(self) -> Exception | None:
        """Return the error of the stream, or that of a stopped choice if no chunk reports it."""
        if self._stream_error is None and not self.makes_items:
            return next(iter(self._answer.flags.values()), None)
        return self._stream_error

    def _needs_verdict(self) -> bool:
        """Return whether to wait for a verdict before more of the stream is read."""
        return bool(self._windows)

    def _abandon(self) -> None:
        """Abandon checks that run."""

    def _check_window(self) -> None:
        try:
            try:
                verdict = self._call()
            except Exception as error:  # a check may raise anything
                self._decide(None, error)
            else:
                self._decide(verdict)
        finally:
            if self._gate.flagged is not None:
                self._abandon()
                for each in (self._items, self.stream):
                    # An error of close(), or its absence, must not replace the one that is raised.
                    with suppress(Exception):
                        each.close()

    def _call(self) -> Any:
        """Return the verdict on the first window."""
        window = self._windows[0]
        if not self._is_checked(window):
            return True
        if self._timeout is None:
            return self._call_check(window)
        check = RunningCheck(window)
        self._start_thread(check)
        self._join(check)
        return verdict_of(check)

    def _is_checked(self, window: Window) -> bool:
        """Return whether a window needs a check: it has new text, of a choice that continues."""
        return bool(window.new) and window.choice not in self._answer.flags

    def _start_thread(self, check: RunningCheck) -> None:
        """
        Call a check in a thread of its own.

        A check that hangs is left behind in its thread, which doesn't keep the interpreter alive.
        Once as many hang as can run at the same time, every other check times out at once.
        """
        self._hung = [thread for thread in self._hung if thread.is_alive()]
        if self._timeout is not None and len(self._hung) >= self._concurrent:
            check.finish(None, make_timeout(self._timeout))
            return
        context = contextvars.copy_context()
        if self._timeout is not None:
            check.deadline = time.monotonic() + self._timeout

        def run() -> None:
            try:
                verdict = context.run(self._call_check, check.window)
                if check.deadline is None or time.monotonic() <= check.deadline:
                    check.finish(verdict)
            except BaseException as error:  # raised again in the thread that waits
                check.finish(None, error)

        check.thread = threading.Thread(target=run, name="sseparse-check", daemon=True)
        check.thread.start()

    def _join(self, check: RunningCheck) -> None:
        """Wait until the check in a thread is done or its time has passed."""
        thread = check.thread
        if thread is not None and check.deadline is not None:
            left = max(check.deadline - time.monotonic(), 0)
            thread.join(min(left, threading.TIMEOUT_MAX))
            if thread.is_alive():
                self._hung.append(thread)
            check.finish(None, make_timeout(self._timeout))
        elif thread is not None:
            thread.join()

    async def _acheck_window(self) -> None:
        timers = self._find_timers()
        try:
            try:
                verdict = await self._acall(timers)
            except Exception as error:  # a check may raise anything
                self._decide(None, error)
            else:
                self._decide(verdict)
        finally:
            if self._gate.flagged is not None:
                self._abandon()
                for each in (self._items, self.stream):
                    with suppress(Exception):
                        await each.aclose()

    def _find_timers(self) -> Timers | None:
        return None if self._timeout is None else require_timers("a timeout needs")

    async def _acall(self, timers: Timers | None) -> Any:
        window = self._windows[0]
        return await self._acall_check(window, timers) if self._is_checked(window) else True

    async def _acall_check(self, window: Window, timers: Timers | None) -> Any:
        verdict = self._call_check(window)
        if not inspect.isawaitable(verdict):
            return verdict
        if self._timeout is None or timers is None:
            return await verdict
        deadline = timers.now() + self._timeout
        with suppress(TimeUp):
            awaited = await timers.within(self._timeout, verdict)
            # A check may suppress its cancellation and return a verdict all the same.
            if timers.now() <= deadline:
                return awaited
        raise make_timeout(self._timeout)

    def _read_item(self) -> None:
        try:
            if self._items is None:
                self._items = iter(self.stream)
            item = next(self._items)
        except StopIteration:
            self._end()
        except (RuntimeError, TypeError):
            # Misuse of the stream, which isn't its end.
            raise
        except Exception as error:  # an iterable may raise anything
            self._end(error)
        except BaseException:
            # An iterator in C may have returned an item before the interrupt was noticed.
            self.stopped = True
            raise
        else:
            # Here, and not in a method: an interrupt at its call would lose the item.
            try:
                releases = self._add(self._feed(item))
            except BaseException:
                self.stopped = True
                raise
            if releases:
                self._record(releases)

    async def _aread_item(self) -> None:
        try:
            if self._items is None:
                self._items = aiter(self.stream)
            item = await anext(self._items)
        except StopAsyncIteration:
            self._end()
        except (RuntimeError, TypeError):
            raise
        except Exception as error:  # an iterable may raise anything
            self._end(error)
        else:
            try:
                releases = self._add(self._feed(item))
            except BaseException:
                self.stopped = True
                raise
            if releases:
                self._record(releases)

    def _end(self, error: Exception | None = None) -> None:
        """Process the end of the stream; an error that ended it is raised after the releases."""
        self._record(self._end_texts(error))

    @breaking
    def _end_texts(self, error: Exception | None) -> list[Release]:
        releases = self._add(self._close())
        self._stream_error = error
        self._is_ended = True
        return releases

    @breaking
    def _finish(self) -> bool:
        """Add the items that end a stopped answer; return whether there are any."""
        if self.makes_items:
            self._ready += self._answer.last_items()
        return bool(self._ready)

    def _add(self, output: list[Output]) -> list[Release]:
        """Add windows and what follows them, and return the text that is released at once."""
        releases: list[Release] = []
        for each in output:
            if isinstance(each, Window):
                self._windows.append(each)
                self._rests.append([])
            elif isinstance(each, Release):
                self._release(each)
                releases.append(each)
            elif self._rests and not self._releases_first:
                self._rests[-1].append(each)
            else:
                self._release_rest(each)
        return releases

    def _release(self, release: Release) -> None:
        self._ready += self._answer.text_items(release) if self.makes_items else [release]

    def _release_rest(self, rest: Rest) -> None:
        if self.makes_items:
            self._ready += self._answer.rest_items(rest)

    def _decide(self, verdict: object, failure: Exception | None = None) -> None:
        # Not by the gate's methods, which call the timeline: if that raised, the releases would be
        # lost.
        self._record(self._advance(verdict, failure))

    @breaking
    def _advance(self, verdict: object, failure: Exception | None) -> Sequence[Release]:
        """Apply the verdict on the first window, and return what it releases."""
        try:
            applied = self._apply(self._windows[0], verdict, failure)
        except Flagged as flagged:
            # An error of the snapshot, or its absence, must not replace the one that is raised.
            with suppress(Exception):
                flagged.partial = self.stream.snapshot()
            raise
        self._append(applied)
        return applied.releases

    def _append(self, applied: Applied) -> None:
        self._windows.popleft()
        for release in applied.releases:
            self._release(release)
        if self.makes_items:
            self._ready += applied.stops or ()
        for rest in self._rests.popleft():
            self._release_rest(rest)
        at = 0
        for window in applied.rebuilt:  # in the order of the deque
            while not _is_same(self._windows[at], window):
                at += 1
            self._windows[at] = window


def verdict_of(check: RunningCheck) -> Any:
    """Return the verdict of a check that is done, or raise its exception."""
    verdict, error = check.outcome or (None, None)
    if error is not None:
        raise error
    return verdict


def make_timeout(seconds: float | None) -> TimeoutError:
    return TimeoutError(f"no verdict within {seconds} s")


def _is_same(old: Window, new: Window) -> bool:
    return old.number == new.number and key_of(old) == key_of(new)


class TextIterator(Uncopyable):
    def __init__(self, releases: ReleaseIterator) -> None:
        self._releases = releases

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> str:
        release: Release
        for release in self._releases:
            if release.choice == 0 and release.kind == "content":
                return release.text
        raise StopIteration

    async def __anext__(self) -> str:
        release: Release
        async for release in self._releases:
            if release.choice == 0 and release.kind == "content":
                return release.text
        raise StopAsyncIteration
