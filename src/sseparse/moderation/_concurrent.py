"""Iteration with several checks at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any

from .._deadlines import Timers, require_timers
from ._answer import MOST_RESTS
from ._iterators import Applied, ReleaseIterator, RunningCheck, verdict_of
from ._windows import Window


class ConcurrentIterator(ReleaseIterator):
    """
    Iterator that checks several windows at the same time.

    Verdicts are applied in the order of the windows, so the result doesn't depend on the order in
    which the checks end. The stream is read by the caller, between the checks: a library may not
    allow another task or thread to read it, or a read to be cancelled.
    """

    def __init__(self, *parts: Any, **options: Any) -> None:
        super().__init__(*parts, **options)
        self._running: deque[RunningCheck] = deque()  # of the first windows, in their order
        self._is_changed = False  # whether checks can run that got another text, or aren't needed
        self._start: Callable[[RunningCheck], None] = self._start_thread
        self._event: Any = None

    def __next__(self) -> Any:
        self._start = self._start_thread
        return super().__next__()

    async def __anext__(self) -> Any:
        # If a step is cancelled, its checks run on, and the next step waits for them.
        self._start = self._start_task
        for at, check in enumerate(self._running):
            if check.is_cancelled:  # with the event loop of an earlier step
                self._running[at] = self._begin(check.window)
        return await super().__anext__()

    def _needs_verdict(self) -> bool:
        if self._is_changed:
            self._restart()
        while len(self._running) < min(self._concurrent, len(self._windows)):
            self._running.append(self._begin(self._windows[len(self._running)]))
        if not self._running:
            return False
        is_full = len(self._windows) > self._concurrent or len(self._rests[-1]) > MOST_RESTS
        return is_full or self._is_ended or self._running[0].outcome is not None

    def _begin(self, window: Window) -> RunningCheck:
        check = RunningCheck(window)
        if self._is_checked(window):
            self._start(check)
        else:
            check.finish(True)
        return check

    def _restart(self) -> None:
        """Call the checks of changed windows again, and stop those of a stopped choice."""
        for at, window in enumerate(islice(self._windows, len(self._running))):
            check = self._running[at]
            is_stopped = check.outcome is None and not self._is_checked(window)
            if is_stopped or check.window is not window:
                if check.cancel is not None:
                    check.cancel()
                self._running[at] = self._begin(window)
        self._is_changed = False

    def _call(self) -> Any:
        """Wait for the first check and return its verdict."""
        self._join(self._running[0])
        return self._verdict_of(self._running[0])

    async def _acall(self, timers: Any) -> Any:
        first = self._running[0]
        while first.outcome is None:
            self._event = timers.module.Event()
            await self._event.wait()
        return self._verdict_of(first)

    def _verdict_of(self, check: RunningCheck) -> Any:
        try:
            return verdict_of(check)
        except Exception:  # of the check itself
            raise
        except BaseException:  # the check was interrupted: the next step calls it again
            self._abandon()
            raise

    def _abandon(self) -> None:
        for check in self._running:
            if check.cancel is not None:
                check.cancel()
        self._running.clear()

    def _append(self, applied: Applied) -> None:
        super()._append(applied)
        self._running.popleft()
        self._is_changed |= bool(applied.rebuilt) or applied.stops is not None

    def _start_task(self, check: RunningCheck) -> None:
        timers = self._find_timers()

        async def run() -> None:
            try:
                check.finish(await self._acall_check(check.window, timers))
            except BaseException as error:  # raised again in the task that waits
                check.finish(None, error)
            if self._event is not None:
                self._event.set()

        check.cancel = timers.start(run)

    def _find_timers(self) -> Timers:
        return require_timers("concurrent checks need")
