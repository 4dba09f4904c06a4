"""The clock and the timeouts of the event loop that runs."""

from __future__ import annotations

import sys
from collections.abc import Awaitable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class TimeUp(Exception):
    """Tell that the time for a wait passed."""


class Timers(Protocol):
    """Describe what an event loop knows of time."""

    def now(self) -> float:
        """Return the time in seconds, by the loop's own clock."""
        ...

    async def within(self, seconds: float, wait: Awaitable[T]) -> T:
        """
        Wait for at most so many seconds.

        Raises:
            TimeUp: They passed. The wait was cancelled.
        """
        ...


def running_timers() -> Timers | None:
    """
    Find those of the loop that runs, or None where it is neither asyncio's nor trio's.

    A loop that runs has been imported; so neither is, here.
    """
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        return _TrioTimers(trio)
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    try:
        return _AsyncioTimers(asyncio, asyncio.get_running_loop())
    except RuntimeError:
        return None


class _TrioTimers:
    def __init__(self, trio: Any) -> None:
        self._trio = trio

    def now(self) -> float:
        now: float = self._trio.current_time()
        return now

    async def within(self, seconds: float, wait: Awaitable[T]) -> T:
        with self._trio.move_on_after(seconds):
            return await wait
        raise TimeUp


class _AsyncioTimers:
    def __init__(self, asyncio: Any, loop: Any) -> None:
        self._asyncio = asyncio
        self._loop = loop

    def now(self) -> float:
        now: float = self._loop.time()
        return now

    async def within(self, seconds: float, wait: Awaitable[T]) -> T:
        # Not asyncio.timeout(): where another cancellation is under way, of a scope of anyio's,
        # its own would go before that, and the scope not know it for its own any more.
        task = self._asyncio.current_task()
        before = task.cancelling()
        fired = False

        def fire() -> None:
            nonlocal fired
            if task.cancelling() == before:
                fired = task.cancel()

        handle = self._loop.call_later(seconds, fire)
        try:
            return await wait
        except self._asyncio.CancelledError:
            if fired and task.cancelling() - 1 <= before:
                raise TimeUp from None
            raise
        finally:
            handle.cancel()
            if fired:
                task.uncancel()
