"""Gates that release text once it is checked."""

from __future__ import annotations

import contextvars
import inspect
import queue
import threading  # noqa: TID251 - nothing else leaves a call that hangs behind
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Literal, Self

from .._deadlines import Timers, TimeUp, running_timers
from .._stage import Breakable, Uncopyable, breaking, raise_stored
from ..chunks import Chunk
from ._core import GateCore, HasOnRelease
from ._verdicts import Flagged, Verdict
from ._windows import Release, Window


def check_is_late(seconds: float) -> TimeoutError:
    """Make the error of a check that took longer than it might."""
    return TimeoutError(f"no verdict within {seconds} s")


class Bounded:
    """
    Call a check, in a thread of its own, and wait for at most so many seconds.

    A check that hangs stays behind in its thread, which does not keep the interpreter alive. For
    as long as it does every other call is late at once: so no more than one thread stays behind.

    Args:
        seconds: How long a call is waited for.
        check: What to call.

    Raises:
        TimeoutError: They passed, or an earlier call still hangs.
        BaseException: Whatever the check raised.
    """

    def __init__(self, seconds: float, check: Callable[[str], object]) -> None:
        self._seconds = seconds
        self._check = check
        self._behind: threading.Thread | None = None

    def __call__(self, text: str) -> object:
        if self._behind is not None and self._behind.is_alive():
            raise check_is_late(self._seconds)
        outcomes: queue.SimpleQueue[tuple[object, BaseException | None]] = queue.SimpleQueue()
        context = contextvars.copy_context()

        def work() -> None:
            try:
                outcomes.put((context.run(self._check, text), None))
            except BaseException as error:  # it is raised again where it is waited for
                outcomes.put((None, error))

        thread = threading.Thread(target=work, name="sseparse-check", daemon=True)
        thread.start()
        try:
            verdict, error = outcomes.get(timeout=min(self._seconds, threading.TIMEOUT_MAX))
        except queue.Empty:
            self._behind = thread
            raise check_is_late(self._seconds) from None
        thread.join()
        if error is not None:
            raise error
        return verdict


class Work(Breakable):
    """
    Keep what of one stream was read and not yet judged or handed out.

    A face enters it, as a context, for as long as it works.

    Args:
        gate: Where the text waits.
        stream: Where the chunks come from.
        decide: What takes verdicts, and tells nobody.
        fail: What takes failures, and tells nobody.
        tell: What is told of releases. It may raise: so it comes after all else.

    Attributes:
        stream: The same.
        chunks: Its iterator, once there is one.
        windows: Those that want a verdict. One that is being judged stays until that is done, so
            that an interrupt in the middle loses nothing.
        ready: What passed.
        over: Whether the stream came to its end.
    """

    def __init__(
        self,
        gate: GateCore,
        stream: object,
        *,
        decide: Callable[[Window, Any], list[Release]],
        fail: Callable[[Window, Exception], list[Release]],
        tell: Callable[[list[Release]], object],
    ) -> None:
        super().__init__()
        self.gate = gate
        self._decide = decide
        self._fail = fail
        self._tell = tell
        self.stream: Any = stream
        self.chunks: Any = None
        self.windows: deque[Window] = deque()
        self.ready: deque[Release] = deque()
        self.over = False
        self._fault: Exception | None = None
        self._busy = False

    def __enter__(self) -> None:
        if self._busy:
            raise RuntimeError(
                "the gate is at work: its check, another task or another thread cannot iterate it, "
                "too; make one for each answer"
            )
        self._busy = True

    def __exit__(self, *_: object) -> None:
        self._busy = False

    def raise_error(self) -> None:
        """Raise the error that stopped the gate, if one did."""
        raise_stored(self.gate.error or self.error)

    @breaking
    def take_chunk(self, chunk: Chunk) -> None:
        """Take a chunk of the stream."""
        self.windows += self.gate.feed(chunk)

    @breaking
    def take_end(self, fault: Exception | None = None) -> None:
        """Take the end of the stream, and the fault that ended it: what came before is judged."""
        self.windows += self.gate.close()
        self._fault = fault
        self.over = True

    def take_verdict(self, verdict: Any) -> None:
        """Take the verdict on the first window."""
        self._take(self._decide(self.windows[0], verdict))

    def take_failure(self, error: Exception) -> None:
        """Take that the first window's check failed."""
        self._take(self._fail(self.windows[0], error))

    def raise_fault(self) -> None:
        """Raise the fault that ended the stream, if one did."""
        if self._fault is not None:
            raise self._fault

    def add_partial(self, flagged: Flagged) -> None:
        """Add to an error what the stream's chunks amount to, where the stream knows that."""
        # That there is no snapshot is no news beside what was flagged.
        with suppress(Exception):
            snapshot = getattr(self.stream, "snapshot", None)
            if snapshot is not None:
                flagged.partial = snapshot()

    def _take(self, releases: list[Release]) -> None:
        self._make_ready(releases)
        self._tell(releases)

    @breaking
    def _make_ready(self, releases: list[Release]) -> None:
        self.windows.popleft()
        self.ready += releases


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


Check = Callable[[str], Verdict]
"""A function that gets a window's text and returns a verdict on it."""
AsyncCheck = Callable[[str], Awaitable[Verdict]]
"""The same, awaited."""


class Gate(GateCore):
    """
    Keep the text of an answer from its reader until a check has passed it.

    Each choice's text is cut into windows, always at the same places, however it came in chunks.
    A window is released whole once the check has passed it. One that does not pass stops the
    stream, whatever its choice: the error `Flagged` says what was released and what was held. A
    gate serves one answer, and one thread at a time may use it.

    The check sees each window after the last `lookback` characters of what came before it. So it
    sees whole every phrase of up to `lookback` characters, though it straddle windows. What of
    such a phrase stood in an earlier window has been released by then: the gate stops its end,
    and the rest of the answer, but takes nothing back. Larger windows let less of it out; a
    reader waits longer for them.

    What is checked and released is the text: the content of chat deltas, and the text of legacy
    ones. Refusals, reasoning and tool calls do not go through the gate.

    The faces, `releases()` and its kin, ask for one verdict after the other, and read on when
    they have it. To have several asked for at once, use `feed()`, `close()` and `decide()`.

    Args:
        check: What judges text: True for passed, False for flagged, or what has `flagged`, or
            `results` that have it, such as the answer of OpenAI's moderation endpoint. None for
            those who give the verdicts to `decide()` themselves.
        window: "sentence" ends windows with sentences: after a stop and the space that follows
            it, after a CJK full stop, and with each line, given that a letter is in it. A number
            ends them after so many tokens, counted without a tokenizer: words, marks of
            punctuation and single CJK characters. The last one of a choice ends with its text.
        lookback: How many characters of the text before it each check sees, too; up to 100,000.
        longest: How many characters of new text a window may have, up to 100,000: without an
            end by then it is cut at its last space, or just there.
        timeout: For how many seconds a check is waited for; None for ever. In the synchronous
            faces a check with a timeout runs in a thread of its own, and stays behind in it where
            it hangs; while it does, the checks after it count as late at once. In the
            asynchronous ones it bounds async checks alone.
        on_failure: What happens where a check raises or takes too long: "block" raises
            `Flagged`, with the failure as its cause; "release" lets the window through, and
            notes it in `failures`. What returns no verdict at all blocks always.
        timeline: What is told of each release of choice 0, by `on_release(text)`.

    Raises:
        ValueError: An option has no such value.
        TypeError: The check cannot be called.
    """

    def __init__(
        self,
        check: Check | AsyncCheck | None = None,
        *,
        window: Literal["sentence"] | int = "sentence",
        lookback: int = 200,
        longest: int = 1000,
        timeout: float | None = None,
        on_failure: Literal["block", "release"] = "block",
        timeline: HasOnRelease | None = None,
    ) -> None:
        super().__init__(
            window=window,
            lookback=lookback,
            longest=longest,
            on_failure=on_failure,
            timeline=timeline,
        )
        if check is not None and not callable(check):
            raise TypeError(f"check is a {type(check).__name__}; give a function of a text")
        _check_timeout(timeout)
        self._check = check
        self._timeout = timeout
        self._bounded: Bounded | None = None
        self._work: Work | None = None

    def releases(self, stream: Iterable[Chunk]) -> Iterator[Release]:
        """
        Iterate the text that passes, of all choices.

        A second loop over the same stream goes on where the first one stopped. Where the stream
        fails, what came before is judged and released first. A flagged window closes the stream;
        leaving the loop does not.

        Args:
            stream: A `Stream`, or another iterable of chunks.

        Returns:
            The releases, one for each window. Iterating raises `Flagged` for a window that does
            not pass, with the completion so far as `partial` where the stream is a `Stream`, and
            whatever the stream raises.

        Raises:
            TypeError: The gate has no check.
            RuntimeError: The gate has had another stream.
        """
        work, check = self._begin(stream)
        if self._timeout is None:
            return Releases(work, check)
        if self._bounded is None:
            self._bounded = Bounded(self._timeout, check)
        return Releases(work, self._bounded)

    def text_deltas(self, stream: Iterable[Chunk]) -> Iterator[str]:
        """
        Iterate the text of choice 0 that passes; the other choices are checked, too.

        All else is as in `releases()`.

        Args:
            stream: A `Stream`, or another iterable of chunks.

        Raises:
            TypeError: The gate has no check.
            RuntimeError: The gate has had another stream.
        """
        return TextDeltas(self.releases(stream))

    def areleases(self, stream: AsyncIterable[Chunk]) -> AsyncIterator[Release]:
        """
        Iterate the text that passes, of all choices, asynchronously.

        An async check is awaited; another one is called, and nothing else runs meanwhile. A check
        that is cancelled is asked again by the next loop. All else is as in `releases()`.

        Args:
            stream: An `AsyncStream`, or another asynchronous iterable of chunks.

        Raises:
            TypeError: The gate has no check.
            RuntimeError: The gate has had another stream.
        """
        work, check = self._begin(stream)
        return AsyncReleases(work, check, self._timeout)

    def atext_deltas(self, stream: AsyncIterable[Chunk]) -> AsyncIterator[str]:
        """
        Iterate the text of choice 0 that passes, asynchronously; all choices are checked.

        All else is as in `areleases()`.

        Args:
            stream: An `AsyncStream`, or another asynchronous iterable of chunks.

        Raises:
            TypeError: The gate has no check.
            RuntimeError: The gate has had another stream.
        """
        return AsyncTextDeltas(self.areleases(stream))

    def _begin(self, stream: object) -> tuple[Work, Callable[[str], object]]:
        if self._check is None:
            raise TypeError("the gate has no check to ask: give one, as in Gate(check)")
        if self._work is None:
            self._work = Work(self, stream, decide=self._decide, fail=self._fail, tell=self._tell)
        elif self._work.stream is not stream:
            raise RuntimeError("the gate has had another stream; make one for each answer")
        return self._work, self._check


def _check_timeout(timeout: object) -> None:
    if timeout is not None and not (isinstance(timeout, int | float) and 0 < timeout <= 1e9):
        raise ValueError(f"timeout is {timeout!r}; give seconds above 0, or None for no timeout")
