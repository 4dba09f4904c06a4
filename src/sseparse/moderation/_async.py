"""The gate for those who wait with await, on any event loop."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Self

from .._stage import Uncopyable
from ..streams._timers import Timers, TimeUp, running_timers
from ._flagged import Flagged
from ._late import check_is_late
from ._windows import Release
from ._work import Work


class AsyncReleases(Uncopyable):
    # A class, not an async generator, which would leave its clean-up to the collector.

    def __init__(self, work: Work, check: Callable[[str], object], timeout: float | None) -> None:
        self._work = work
        self._check = check
        self._timeout = timeout

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Release:
        with self._work:
            return await self._next()

    async def _next(self) -> Release:
        work = self._work
        work.raise_error()
        while not work.ready:
            if work.windows:
                await self._judge()
            elif work.over:
                work.raise_fault()
                raise StopAsyncIteration
            else:
                await self._read()
        return work.ready.popleft()

    async def _judge(self) -> None:
        work, timers = self._work, self._timers()
        try:
            try:
                verdict = await self._ask(work.windows[0].text, timers)
            except Exception as error:  # a check may raise anything
                work.take_failure(error)
            else:
                work.take_verdict(verdict)
        except Flagged as flagged:
            try:
                work.add_partial(flagged)
            finally:
                await self._close()
            raise

    async def _ask(self, text: str, timers: Timers | None) -> object:
        verdict = self._check(text)
        if not inspect.isawaitable(verdict):
            return verdict
        if self._timeout is None or timers is None:
            return await verdict
        due = timers.now() + self._timeout
        try:
            judged = await timers.within(self._timeout, verdict)
        except TimeUp:
            raise check_is_late(self._timeout) from None
        # A check may swallow its cancellation and return all the same.
        if timers.now() > due:
            raise check_is_late(self._timeout)
        return judged

    def _timers(self) -> Timers | None:
        if self._timeout is None:
            return None
        timers = running_timers()
        if timers is None:
            raise RuntimeError("a timeout needs the event loop of asyncio or trio; neither runs")
        return timers

    async def _read(self) -> None:
        work = self._work
        try:
            if work.chunks is None:
                work.chunks = aiter(work.stream)
            chunk = await anext(work.chunks)
        except StopAsyncIteration:
            work.take_end()
        except (RuntimeError, TypeError):
            # Misuse of the stream, not its fault.
            raise
        except Exception as error:  # an iterable may raise anything
            work.take_end(error)
        else:
            work.take_chunk(chunk)

    async def _close(self) -> None:
        # That the stream did not close well is no news beside what was flagged.
        for each in (self._work.chunks, self._work.stream):
            close: Any = getattr(each, "aclose", None)
            if close is not None:
                with suppress(Exception):
                    await close()


class AsyncTextDeltas(Uncopyable):
    def __init__(self, releases: AsyncIterator[Release]) -> None:
        self._releases = releases

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        async for release in self._releases:
            if release.choice == 0:
                return release.text
        raise StopAsyncIteration
