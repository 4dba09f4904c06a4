"""Iterators over the text that a gate releases."""

from __future__ import annotations

import contextvars
import inspect
import threading  # noqa: TID251 - only a thread can be abandoned while its check hangs
import time  # noqa: TID251 - a thread has no timer
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from .._deadlines import Timers, TimeUp, running_timers
from .._stage import Breakable, Uncopyable, breaking, raise_stored
from ..chunks import Chunk
from ._verdicts import Flagged
from ._windows import Release, Window

if TYPE_CHECKING:
    from ._gate import Gate


class RunningCheck:
    """A check that runs in a thread or a task, and its outcome."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.is_done = False
        self.verdict: object = None
        self.error: BaseException | None = None
        self.thread: threading.Thread | None = None
        self.deadline: float | None = None  # only of a thread
        self.cancel: Callable[[], object] | None = None  # only of a task

    def finish(self, verdict: object, error: BaseException | None = None) -> None:
        """Set the outcome, unless it was set before: a check that timed out can end later."""
        if not self.is_done:
            self.verdict, self.error = verdict, error
            self.is_done = True


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
        check: Callable[[str], Any],
        timeout: float | None,
        apply: Callable[[Window, object, Exception | None], tuple[list[Release], list[Window]]],
        *,
        record: Callable[[list[Release]], object],
    ) -> None:
        super().__init__()
        self.stream: Any = stream
        self._gate = gate
        self._check = check
        self._timeout = timeout
        self._concurrent = 1
        self._hung: list[threading.Thread] = []  # of checks that timed out
        self._apply = apply
        self._record = record
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
                if self._needs_verdict():
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
                if self._needs_verdict():
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
                for each in (self._chunks, self.stream):
                    # An error of close(), or its absence, must not replace the one that is raised.
                    with suppress(Exception):
                        each.close()

    def _call(self) -> Any:
        """Return the verdict on the first window."""
        window = self._windows[0]
        if not window.new:  # all of its text was checked
            return True
        return (self._check if self._timeout is None else self._call_check)(window.text)

    def _call_check(self, text: str) -> Any:
        """Call the check in a thread, for a limited time."""
        check = RunningCheck(text)
        self._start_thread(check)
        self._join(check)
        if check.error is not None:
            raise check.error
        return check.verdict

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
                verdict = context.run(self._check, check.text)
                if check.deadline is None or time.monotonic() <= check.deadline:
                    check.finish(verdict)
            except BaseException as error:  # raised again in the thread that waits
                check.finish(None, error)

        check.thread = threading.Thread(target=run, name="sseparse-check", daemon=True)
        check.thread.start()

    def _join(self, check: RunningCheck) -> None:
        """Wait until the check in a thread is done or its time has passed."""
        thread = check.thread
        if thread is None:
            return
        if check.deadline is None or self._timeout is None:
            thread.join()
            return
        left = max(check.deadline - time.monotonic(), 0)
        thread.join(min(left, threading.TIMEOUT_MAX))
        if thread.is_alive():
            self._hung.append(thread)
        check.finish(None, make_timeout(self._timeout))

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
                for each in (self._chunks, self.stream):
                    with suppress(Exception):
                        await each.aclose()

    def _find_timers(self) -> Timers | None:
        return None if self._timeout is None else find_timers("a timeout needs")

    async def _acall(self, timers: Timers | None) -> Any:
        """Return the verdict on the first window."""
        window = self._windows[0]
        return await self._acall_check(window.text, timers) if window.new else True

    async def _acall_check(self, text: str, timers: Timers | None) -> Any:
        verdict = self._check(text)
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

    def _decide(self, verdict: object, failure: Exception | None = None) -> None:
        # Not by the gate's methods, which call the timeline: if that raised, the releases would be
        # lost.
        try:
            releases, rebuilt = self._apply(self._windows[0], verdict, failure)
        except Flagged as flagged:
            # An error of the snapshot, or its absence, must not replace the one that is raised.
            with suppress(Exception):
                flagged.partial = self.stream.snapshot()
            raise
        self._append(releases, rebuilt)
        self._record(releases)

    @breaking
    def _append(self, releases: list[Release], rebuilt: list[Window]) -> None:
        self._windows.popleft()
        self._ready += releases
        at = 0
        for window in rebuilt:  # in the order of the deque
            while not _is_same(self._windows[at], window):
                at += 1
            self._windows[at] = window


def find_timers(purpose: str) -> Timers:
    timers = running_timers()
    if timers is None:
        raise RuntimeError(f"{purpose} a running event loop of asyncio or trio")
    return timers


def make_timeout(seconds: float) -> TimeoutError:
    return TimeoutError(f"no verdict within {seconds} s")


def _is_same(old: Window, new: Window) -> bool:
    return (old.choice, old.number) == (new.choice, new.number)


class TextIterator(Uncopyable):
    def __init__(self, releases: ReleaseIterator) -> None:
        self._releases = releases

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> str:
        return next(release.text for release in self._releases if release.choice == 0)

    async def __anext__(self) -> str:
        async for release in self._releases:
            if release.choice == 0:
                return release.text
        raise StopAsyncIteration
