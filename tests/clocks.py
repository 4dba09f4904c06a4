"""Clocks that tests move: no test waits, and none depends on the speed of the machine."""

import asyncio
import selectors


class ManualClock:
    """A clock that moves only when it's set, as `time.monotonic` is called."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that jumps over a wait in which no file is ready."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout else timeout)
        if timeout and not ready:
            self.now += timeout
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """
    An event loop whose clock jumps to the next timer once all tasks wait.

    It's the counterpart of trio's MockClock with autojump. It's meant for tasks that do no I/O.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now
