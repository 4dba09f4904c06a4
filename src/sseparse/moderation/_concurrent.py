"""Iteration with several checks at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from .._deadlines import Timers
from .._stage import breaking
from ._iterators import ReleaseIterator, RunningCheck, find_timers
from ._windows import Release, Window


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
        self._join(first)
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
