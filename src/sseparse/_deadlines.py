"""Deadlines of a stream, and the timers of the running event loop."""

from __future__ import annotations

import contextvars
import math
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Literal, TypeVar, cast

from attrs import Attribute, define, field

T = TypeVar("T")

Clock = Literal["first_event", "between_bytes", "between_events", "total"]
_MAX_SECONDS = 1e9  # 31 years; any clock's time can be added without an overflow


def _check(_: object, attribute: Attribute[float | None], seconds: Any) -> None:
    is_number = isinstance(seconds, int | float)
    if seconds is not None and not (is_number and 0 < seconds <= _MAX_SECONDS):
        raise ValueError(
            f"{attribute.name} is {seconds!r}; give seconds above 0, or None for no deadline"
        )


@define(kw_only=True)
class Deadlines:
    """
    Deadlines of a stream, in seconds. None, the default, means no deadline.

    You can use one object for any number of streams: each stream uses a copy, which starts at its
        first read.

    The methods are for programs that drive a parser themselves. `now` is the time in seconds, by
    any clock that doesn't go back; use the same clock for every call. Before each wait, call
    `next_deadline(now)`. After it, call `on_bytes(now)`, and then `on_event(now)` if the bytes
    completed an event.

    Args:
        first_event: Longest wait for the first event, in seconds.
        between_bytes: Longest wait for any bytes, in seconds. Comments and anything else that keeps
            the connection alive count.
        between_events: Longest wait for an event after the first one, in seconds. Comments don't
            count.
        total: Longest duration of the stream, in seconds, including the time that your code spends
            between reads. The other three count only the time spent waiting for the stream.

    Raises:
        ValueError: A deadline isn't above 0, or is above 1,000,000,000 seconds.
    """

    first_event: float | None = field(default=None, validator=_check)
    between_bytes: float | None = field(default=None, validator=_check)
    between_events: float | None = field(default=None, validator=_check)
    total: float | None = field(default=None, validator=_check)
    _started_at: float | None = field(default=None, init=False, repr=False, eq=False)
    _bytes_at: float = field(default=0.0, init=False, repr=False, eq=False)
    _event_at: float = field(default=0.0, init=False, repr=False, eq=False)
    _event_clock: Clock = field(default="first_event", init=False, repr=False, eq=False)
    _paused_at: float | None = field(default=None, init=False, repr=False, eq=False)

    def next_deadline(self, now: float) -> float | None:
        """
        Begin a wait and return the time at which it must end if no bytes arrive, or None.

        The first call starts the deadlines. The time between the last `on_bytes()` and this call
        isn't spent waiting, so it counts only for `total`.
        """
        if self._started_at is None:
            self._started_at = self._bytes_at = self._event_at = now
        if self._paused_at is not None:
            paused = now - self._paused_at
            self._bytes_at += paused
            self._event_at += paused
            self._paused_at = None
        return min((at for at, _ in self._pending()), default=None)

    def on_bytes(self, now: float) -> None:
        """Record that bytes arrived. This ends the wait."""
        self._bytes_at = self._paused_at = now

    def on_event(self, now: float) -> None:
        """Record that an event arrived."""
        self._event_at = now
        self._event_clock = "between_events"

    def passed(self, now: float) -> Clock | None:
        """Return the deadline that passed first, or None if none has passed."""
        at, clock = min(self._pending(), default=(math.inf, None))
        return clock if at <= now else None

    def _pending(self) -> list[tuple[float, Clock]]:
        if self._started_at is None:
            return []
        waits: list[tuple[float, Clock]] = [
            (self._event_at, self._event_clock),
            (self._bytes_at, "between_bytes"),
            (self._started_at, "total"),
        ]
        return [
            (since + seconds, clock)
            for since, clock in waits
            if (seconds := getattr(self, clock)) is not None
        ]


class TimeUp(Exception):
    """Raised when the time for a wait has passed."""


class _TrioTimers:
    def __init__(self, module: Any) -> None:
        self.module = module

    def now(self) -> float:
        return float(self.module.current_time())

    async def within(self, seconds: float, wait: Awaitable[T]) -> T:
        """Wait for at most this many seconds, then cancel the wait and raise TimeUp."""
        with self.module.move_on_after(seconds):
            return await wait
        raise TimeUp

    def start(self, run: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], object]:
        """Run a function, which must not raise, in a task of its own; return what cancels it."""
        scope = self.module.CancelScope()

        async def run_in_scope() -> None:
            with scope:
                await run()

        context = contextvars.copy_context()
        self.module.lowlevel.spawn_system_task(run_in_scope, context=context)
        return cast("Callable[[], object]", scope.cancel)


class _AsyncioTimers:
    def __init__(self, module: Any, loop: Any) -> None:
        self.module = module
        self._loop = loop

    def now(self) -> float:
        return float(self._loop.time())

    async def within(self, seconds: float, wait: Awaitable[T]) -> T:
        # Not asyncio.timeout(): if another cancellation is already requested, such as that of an
        # anyio scope, it would count as the timeout's, and the scope wouldn't recognize it.
        task = self.module.current_task()
        before = task.cancelling()
        fired = False

        def fire() -> None:
            nonlocal fired
            if task.cancelling() == before:
                fired = task.cancel()

        handle = self._loop.call_later(seconds, fire)
        try:
            return await wait
        except self.module.CancelledError:
            if fired and task.cancelling() - 1 <= before:
                raise TimeUp from None
            raise
        finally:
            handle.cancel()
            if fired:
                task.uncancel()

    def start(self, run: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], object]:
        return cast("Callable[[], object]", self._loop.create_task(run()).cancel)


Timers = _TrioTimers | _AsyncioTimers


def running_timers() -> Timers | None:
    """Return the timers of the running loop, or None if it's neither asyncio's nor trio's."""
    # A running loop is already imported, so this imports neither.
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        return _TrioTimers(trio)
    with suppress(KeyError, RuntimeError):  # not imported, or not running
        asyncio: Any = sys.modules["asyncio"]
        return _AsyncioTimers(asyncio, asyncio.get_running_loop())
    return None


def require_timers(purpose: str) -> Timers:
    """Return the running loop's timers, or raise RuntimeError: `purpose` begins its message."""
    timers = running_timers()
    if timers is None:
        raise RuntimeError(f"{purpose} the event loop of asyncio or trio, and neither runs")
    return timers
