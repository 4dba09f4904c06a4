"""The gate for those who wait by blocking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Self

from .._stage import Uncopyable
from ._flagged import Flagged
from ._windows import Release
from ._work import Work


class Releases(Uncopyable):
    # A class, not a generator: an interrupt would end that, and lose what is held.

    def __init__(self, work: Work, ask: Callable[[str], object]) -> None:
        self._work = work
        self._ask = ask

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Release:
        with self._work:
            return self._next()

    def _next(self) -> Release:
        work = self._work
        work.raise_error()
        while not work.ready:
            if work.windows:
                self._judge()
            elif work.over:
                work.raise_fault()
                raise StopIteration
            else:
                self._read()
        return work.ready.popleft()

    def _judge(self) -> None:
        work = self._work
        try:
            try:
                verdict = self._ask(work.windows[0].text)
            except Exception as error:  # a check may raise anything
                work.take_failure(error)
            else:
                work.take_verdict(verdict)
        except Flagged as flagged:
            try:
                work.add_partial(flagged)
            finally:
                self._close()
            raise

    def _read(self) -> None:
        work = self._work
        try:
            if work.chunks is None:
                work.chunks = iter(work.stream)
            chunk = next(work.chunks)
        except StopIteration:
            work.take_end()
        except (RuntimeError, TypeError):
            # Misuse of the stream, not its fault.
            raise
        except Exception as error:  # an iterable may raise anything
            work.take_end(error)
        except BaseException:
            # An iterator in C may have returned a chunk before the interrupt was noticed.
            work.stopped = True
            raise
        else:
            work.take_chunk(chunk)

    def _close(self) -> None:
        # That the stream did not close well is no news beside what was flagged.
        for each in (self._work.chunks, self._work.stream):
            close: Any = getattr(each, "close", None)
            if close is not None:
                with suppress(Exception):
                    close()


class TextDeltas(Uncopyable):
    def __init__(self, releases: Iterator[Release]) -> None:
        self._releases = releases

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        for release in self._releases:
            if release.choice == 0:
                return release.text
        raise StopIteration
