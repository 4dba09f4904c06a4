"""Clocks that tests set, so that no test waits or depends on the speed of the machine."""

import asyncio
import selectors


class ManualClock:
    """A replacement for `time.monotonic` that changes only when it's set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that skips a wait in which no file is ready."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout else timeout)
        if timeout and not ready:
            self.now += timeout
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """
    An event loop whose clock jumps to the next timer once all tasks wait.

    The counterpart of trio's MockClock with autojump, for tasks without I/O.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now
