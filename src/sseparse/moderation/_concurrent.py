"""Iteration with several checks at the same time."""

from __future__ import annotations

import contextvars
import threading  # noqa: TID251 - only a thread can be abandoned while its check hangs
import time  # noqa: TID251 - a thread has no timer
from collections import deque
from collections.abc import Callable
from typing import Any

from .._deadlines import Timers
from .._stage import breaking
from ._iterators import ReleaseIterator, find_timers, make_timeout
from ._windows import Release, Window


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


class ConcurrentIterator(ReleaseIterator):
    """
    Iterator that checks several windows at the same time.

    Verdicts are applied in the order of the windows, so the result doesn't depend on the order in
    which the checks end. The stream is read by the caller, between the checks: a library may not
    allow another task or thread to read it, or a read to be cancelled.
    """

    def __init__(self, *parts: Any, concurrent: int, **options: Any) -> None:
        super().__init__(*parts, **options)
        self._concurrent = concurrent
        self._running: deque[RunningCheck] = deque()  # of the first windows, in their order
        self._start: Callable[[RunningCheck], None] = self._start_thread
        self._hung: list[threading.Thread] = []
        self._event: Any = None

    def __next__(self) -> Release:
        self._start = self._start_thread
        return super().__next__()

    async def __anext__(self) -> Release:
        self._start = self._start_task
        return await super().__anext__()

    def _needs_verdict(self) -> bool:
        while len(self._running) < min(self._concurrent, len(self._windows)):
            window = self._windows[len(self._running)]
            check = RunningCheck(window.text)
            if window.new:
                self._start(check)
            else:  # all of its text was checked
                check.finish(True)
            self._running.append(check)
        if not self._running:
            return False
        is_full = len(self._windows) > self._concurrent
        return is_full or self._is_ended or self._running[0].is_done

    def _call(self) -> Any:
        """Wait for the first check and return its verdict."""
        first = self._running[0]
        if first.thread is not None:
            self._join(first, first.thread)
        return self._outcome(first)

    async def _acall(self, timers: Any) -> Any:
        first = self._running[0]
        while not first.is_done:
            self._event = timers.module.Event()
            await self._event.wait()
        return self._outcome(first)

    def _outcome(self, check: RunningCheck) -> Any:
        if check.error is None:
            return check.verdict
        if not isinstance(check.error, Exception):
            self._abandon()  # an interrupt: all checks are called again by the next step
        raise check.error

    def _abandon(self) -> None:
        for check in self._running:
            if check.cancel is not None:
                check.cancel()
        self._running.clear()

    @breaking
    def _append(self, releases: list[Release], rebuilt: list[Window]) -> None:
        super()._append(releases, rebuilt)
        self._running.popleft()
        if rebuilt:  # the checks got a text that changed
            self._abandon()

    def _start_thread(self, check: RunningCheck) -> None:
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

    def _join(self, check: RunningCheck, thread: threading.Thread) -> None:
        """Wait until the check is done or its time has passed."""
        if check.deadline is None or self._timeout is None:
            thread.join()
            return
        left = max(check.deadline - time.monotonic(), 0)
        thread.join(min(left, threading.TIMEOUT_MAX))
        if thread.is_alive():
            self._hung.append(thread)
        check.finish(None, make_timeout(self._timeout))

    def _start_task(self, check: RunningCheck) -> None:
        timers = self._find_timers()

        async def run() -> None:
            try:
                check.finish(await self._acall_check(check.text, timers))
            except BaseException as error:  # raised again in the task that waits
                check.finish(None, error)
            if self._event is not None:
                self._event.set()

        check.cancel = timers.start(run)

    def _find_timers(self) -> Timers:
        return find_timers("concurrent checks need")
