"""Deadlines of a stream, and the timers of event loops that keep them."""

from __future__ import annotations

import math
import sys
from collections.abc import Awaitable
from typing import Any, Literal, Protocol, TypeVar

from attrs import Attribute, define, field

Clock = Literal["first_event", "between_bytes", "between_events", "total"]
"""Which deadline of a stream."""


_MOST = 1e9
"""In seconds: as good as for ever, and a number that any clock can be added to."""


def _check(_: object, attribute: Attribute[float | None], seconds: object) -> None:
    if seconds is not None and not (isinstance(seconds, int | float) and 0 < seconds <= _MOST):
        raise ValueError(
            f"{attribute.name} is {seconds!r}; give seconds above 0, or None for no deadline"
        )


def _seconds() -> float | None:
    # Typed as what it makes, as attrs has its fields.
    made: float | None = field(default=None, validator=_check)
    return made


@define(kw_only=True)
class Deadlines:
    """
    Say for how long a stream may be waited for, in seconds; None, the default, is for ever.

    A stream counts on a copy, from its first read on: one object serves any number of streams.

    The methods are for those who drive a parser themselves. `now` is the time in seconds by any
    clock that does not go back, always the same one. Whoever waits asks `next_deadline(now)` for
    how long, and tells what came: `on_bytes(now)`, then `on_event(now)` if events were in it.

    Args:
        first_event: How long the first event may take.
        between_bytes: How long nothing at all may come. Comments are bytes; so is whatever else
            keeps a connection alive.
        between_events: How long no event may come, after the first one. Comments are none.
        total: How long the whole stream may take, with all that its reader does meanwhile. The
            other three count only the time in which the stream is waited for.

    Raises:
        ValueError: A time is not above 0, or beyond all use: above 1,000,000,000.
    """

    first_event: float | None = _seconds()
    between_bytes: float | None = _seconds()
    between_events: float | None = _seconds()
    total: float | None = _seconds()
    _began: float | None = field(default=None, init=False, repr=False, eq=False)
    _bytes_at: float = field(default=0.0, init=False, repr=False, eq=False)
    _event_at: float = field(default=0.0, init=False, repr=False, eq=False)
    _events_came: bool = field(default=False, init=False, repr=False, eq=False)
    _away_since: float | None = field(default=None, init=False, repr=False, eq=False)

    def next_deadline(self, now: float) -> float | None:
        """
        Begin to wait; return the time at which to stop waiting if nothing comes, or None.

        The first call starts the count. What passed between the last `on_bytes()` and this call
        was not spent waiting, and counts for `total` alone.
        """
        if self._began is None:
            self._began = self._bytes_at = self._event_at = now
        if self._away_since is not None:
            away = now - self._away_since
            self._bytes_at += away
            self._event_at += away
            self._away_since = None
        return min((at for at, _ in self._deadlines()), default=None)

    def on_bytes(self, now: float) -> None:
        """Note that bytes came, whatever they were, which ends the waiting."""
        self._bytes_at = self._away_since = now

    def on_event(self, now: float) -> None:
        """Note that an event came."""
        self._event_at = now
        self._events_came = True

    def passed(self, now: float) -> Clock | None:
        """Return which deadline has passed, of several the one that passed first; or None."""
        at, clock = min(self._deadlines(), default=(math.inf, None))
        return clock if at <= now else None

    def _deadlines(self) -> list[tuple[float, Clock]]:
        if self._began is None:
            return []
        counts: list[tuple[float, float | None, Clock]] = [
            (self._event_at, self.between_events, "between_events")
            if self._events_came
            else (self._event_at, self.first_event, "first_event"),
            (self._bytes_at, self.between_bytes, "between_bytes"),
            (self._began, self.total, "total"),
        ]
        return [(since + most, clock) for since, most, clock in counts if most is not None]


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
