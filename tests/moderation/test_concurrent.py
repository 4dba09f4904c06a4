"""Several windows are checked at the same time."""

import contextvars
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from itertools import cycle
from typing import Any

import anyio
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from sseparse import AsyncStream, Chunk, Stream, TransportError
from sseparse.moderation import Flagged, Gate, Replace, Verdict

from .answers import LIMIT, AsyncSource, Blocklist, ScriptedCheck, Source, body, chunk, piece
from .test_async import Chunks, awaited

aio = pytest.mark.anyio
TEN = "One. Two. Three. Four. Five. Six. Seven. Eight. Nine. Ten. "


def seconds(run: Callable[[], Awaitable[None]]) -> float:
    """Return how long a function takes by a clock that jumps over all waits."""

    async def timed() -> float:
        start = trio.current_time()
        await run()
        return trio.current_time() - start

    return trio.run(timed, clock=trio.testing.MockClock(autojump_threshold=0))


async def slow_check(_: str) -> bool:
    await trio.sleep(0.3)
    return True


async def tokens() -> AsyncIterator[Chunk]:
    start = trio.current_time()
    for number in range(120):
        await trio.sleep_until(start + 0.05 * (number + 1))  # what arrives is buffered
        yield chunk(f" word{number}")


@pytest.mark.parametrize(("concurrent", "expected"), [(1, 7.5), (2, 6.3), (8, 6.3)])
def test_stream(concurrent: int, expected: float) -> None:
    """With 20 tokens a second, checks of 0.3 s add the time of one check, not of each."""
    out: list[str] = []

    async def read() -> None:
        gate = Gate(slow_check, window=5, concurrent=concurrent)
        out.extend([text async for text in gate.atext_deltas(tokens())])

    assert seconds(read) == pytest.approx(expected)
    assert "".join(out) == "".join(f" word{number}" for number in range(120))


@pytest.mark.parametrize(("concurrent", "expected"), [(1, 3.0), (5, 0.6), (10, 0.3), (99, 0.3)])
def test_burst(concurrent: int, expected: float) -> None:
    """Ten sentences at once take the time of one check, if ten checks can run."""

    async def read() -> None:
        gate = Gate(slow_check, concurrent=concurrent)
        texts = gate.atext_deltas(Chunks(chunk(TEN)))
        assert "".join([text async for text in texts]) == TEN

    assert seconds(read) == pytest.approx(expected)


def test_threads() -> None:
    """Synchronous checks run in threads at the same time, in the caller's context."""
    barrier = threading.Barrier(10)
    name = contextvars.ContextVar("name", default="")
    name.set("mine")

    def check(_: str) -> bool:
        barrier.wait(LIMIT)
        return name.get() == "mine"

    assert "".join(Gate(check, concurrent=10).text_deltas([chunk(TEN)])) == TEN


def test_stream_is_read_during_a_check() -> None:
    """Chunks are read while fewer windows than `concurrent` wait."""
    is_read = threading.Event()

    def chunks() -> Any:
        yield chunk("One. ")
        is_read.set()
        yield chunk("Two. ")

    texts = Gate(lambda _: is_read.wait(LIMIT), concurrent=2).text_deltas(chunks())
    assert list(texts) == ["One. ", "Two. "]


class TestOrder:
    """Verdicts are applied in the order of the windows."""

    def test_threads(self) -> None:
        """A later window that is flagged first doesn't stop an earlier one."""
        is_flagged = threading.Event()

        def check(text: str) -> bool:
            if text == "One. ":
                return is_flagged.wait(LIMIT)
            is_flagged.set()
            return False

        source = Source(*body("One. Two. "))
        texts = Gate(check, lookback=0, concurrent=2).text_deltas(Stream(source))
        assert next(texts) == "One. "
        with pytest.raises(Flagged) as caught:
            next(texts)
        assert caught.value.window.number == 1
        assert source.closed

    @aio
    async def test_tasks(self) -> None:
        """Text leaves in order; checks after a flagged window are cancelled."""
        is_last = anyio.Event()
        cancelled: list[bool] = []

        async def check(text: str) -> bool:
            if text == "Three. ":
                is_last.set()
                try:
                    await anyio.sleep(LIMIT)
                except BaseException:
                    cancelled.append(True)
                    raise
            await is_last.wait()
            return text != "Two. "

        source = AsyncSource(*body("One. Two. Three. "))
        texts = Gate(check, lookback=0, concurrent=3).atext_deltas(AsyncStream(source))
        assert await anext(texts) == "One. "
        with pytest.raises(Flagged):
            await anext(texts)
        await anyio.wait_all_tasks_blocked()
        assert cancelled == [True]
        assert source.source.closed


class TestFailures:
    """Failures, timeouts and interrupts of concurrent checks."""

    @pytest.mark.parametrize("timeout", [None, LIMIT])
    def test_failure(self, timeout: float | None) -> None:
        """A failure blocks, or is added to `failures`."""
        error = OSError("no network")
        with pytest.raises(Flagged) as caught:
            list(Gate(ScriptedCheck(error), concurrent=2, timeout=timeout).releases([chunk("A")]))
        assert caught.value.__cause__ is error

        gate = Gate(ScriptedCheck(error), concurrent=2, on_failure="release", timeout=timeout)
        assert list(gate.text_deltas([chunk("A")])) == ["A"]
        assert gate.failures == (error,)

    @pytest.mark.parametrize("timeout", [None, LIMIT])
    def test_interrupt(self, timeout: float | None) -> None:
        """After an interrupt, the next step calls the checks again."""
        check = ScriptedCheck(KeyboardInterrupt())
        texts = Gate(check, concurrent=2, timeout=timeout).text_deltas([chunk("One.")])

        with pytest.raises(KeyboardInterrupt):
            next(texts)
        assert list(texts) == ["One."]
        assert check.seen == ["One.", "One."]

    def test_timeout(self) -> None:
        """Checks that hang time out; while `concurrent` of them hang, others do at once."""
        can_return = threading.Event()
        calls: list[threading.Thread] = []

        def check(_: str) -> bool:
            calls.append(threading.current_thread())
            return can_return.wait(LIMIT)

        gate = Gate(check, concurrent=2, timeout=0.01, on_failure="release")
        assert "".join(gate.text_deltas([chunk(TEN)])) == TEN
        assert [str(each) for each in gate.failures] == ["no verdict within 0.01 s"] * 10
        assert len(calls) <= 3
        can_return.set()
        for thread in calls:
            thread.join(LIMIT)

    def test_late_verdict(self) -> None:
        """A verdict after the timeout is ignored, also if nothing waited for it."""
        first, second = threading.Event(), threading.Event()
        threads: list[threading.Thread] = []

        def check(text: str) -> bool:
            threads.append(threading.current_thread())
            assert (first if text == "One. " else second).wait(LIMIT)
            return True

        def chunks() -> Any:
            yield chunk("One. Two. ")
            for event, thread in zip((first, second), threads, strict=True):
                thread.join(0.02)
                event.set()
                thread.join(LIMIT)

        with pytest.raises(Flagged) as caught:
            list(Gate(check, lookback=0, concurrent=2, timeout=0.01).releases(chunks()))
        assert isinstance(caught.value.failure, TimeoutError)

    def test_async_timeout(self) -> None:
        """An async check is cancelled at its own timeout."""

        async def read() -> None:
            gate = Gate(slow_check, concurrent=2, timeout=0.2, on_failure="release")
            _ = [text async for text in gate.atext_deltas(Chunks(chunk("One. Two. ")))]
            assert len(gate.failures) == 2

        assert seconds(read) == pytest.approx(0.2)

    @aio
    async def test_cancelled(self) -> None:
        """If the reader is cancelled, its checks run on, and the next step waits for them."""
        can_return = anyio.Event()
        check = Blocklist()

        async def wait(text: str) -> bool:
            check(text)
            await can_return.wait()
            return True

        gate = Gate(wait, concurrent=2)
        chunks = Chunks(chunk("One. Two. "))
        for _ in range(3):
            with anyio.move_on_after(0):
                await anext(gate.areleases(chunks))
        can_return.set()
        assert [each.text async for each in gate.areleases(chunks)] == ["One. ", "Two. "]
        assert sorted(check.seen) == ["One. ", "One. Two. "]

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_cancelled_with_its_loop(self, backend: str) -> None:
        """A check that ended with its event loop is called again in the next one."""
        check = Blocklist()

        async def slow(text: str) -> bool:
            check(text)
            await anyio.sleep(0 if len(check.seen) > 1 else LIMIT)
            return True

        gate = Gate(slow, concurrent=2)
        chunks = Chunks(chunk("One. "))

        async def read() -> str:
            with anyio.move_on_after(0):
                return (await anext(gate.areleases(chunks))).text
            return ""

        async def read_all() -> list[str]:
            return [each.text async for each in gate.areleases(chunks)]

        anyio.run(read, backend=backend)
        assert anyio.run(read_all, backend=backend) == ["One. "]
        assert check.seen == ["One. ", "One. "]

    @aio
    @pytest.mark.parametrize("outcome", [False, KeyboardInterrupt()], ids=["flag", "interrupt"])
    async def test_others_are_cancelled(self, outcome: Any) -> None:
        """A flag or an interrupt cancels the checks that run; an interrupted loop goes on."""
        others: list[str] = []
        outcomes = [outcome]

        async def check(text: str) -> bool:
            if text == "One. ":
                await anyio.wait_all_tasks_blocked()
                return ScriptedCheck(*outcomes)(text)
            others.append(text)
            if outcomes:
                await anyio.sleep(LIMIT)
            return True

        gate = Gate(check, concurrent=3, lookback=0)
        chunks = Chunks(chunk("One. Two. Three. "))
        with pytest.raises((Flagged, KeyboardInterrupt)):
            await anext(gate.areleases(chunks))
        assert sorted(others) == ["Three. ", "Two. "]
        outcomes.clear()
        if gate.flagged is None:
            out = [text async for text in gate.atext_deltas(chunks)]
            assert out == ["One. ", "Two. ", "Three. "]

    @aio
    async def test_stopped_choice(self) -> None:
        """Checks of a choice that is stopped aren't awaited, and others aren't called again."""
        seen: list[str] = []

        async def check(text: str) -> bool:
            seen.append(text)
            await anyio.sleep(LIMIT if text == "Two. " else 0)
            return text != "Bad. "

        gate = Gate(check, concurrent=4, lookback=0, on_flagged="stop_choice")
        chunks = Chunks(chunk("Bad. Two. "), chunk("Uno. Dos. ", 1))
        out = [each.choices[0] async for each in gate.achunks(chunks)]
        assert [each.index for each in out] == [0, 1, 1]
        assert sorted(seen) == ["Bad. ", "Dos. ", "Two. ", "Uno. "]

    @aio
    async def test_replacement(self) -> None:
        """A replacement calls only the checks again whose text it changes."""
        seen: list[str] = []

        async def check(text: str) -> Verdict:
            seen.append(text)
            await anyio.lowlevel.checkpoint()
            return Replace(text.replace("One", "1"))

        gate = Gate(check, concurrent=4)
        chunks = Chunks(chunk("One. Two. "), chunk("Uno. ", 1))
        assert [each.text async for each in gate.areleases(chunks)] == ["1. ", "Two. ", "Uno. "]
        assert sorted(seen) == ["1. Two. ", "One. ", "One. Two. ", "Uno. "]

    @aio
    async def test_stream_error(self) -> None:
        """If the stream fails while checks run, their text is released before the error."""
        stream = AsyncStream(AsyncSource(piece("One. Two. Th"), OSError("reset")))
        out: list[str] = []

        with pytest.raises(TransportError):
            async for text in Gate(awaited(Blocklist()), concurrent=4).atext_deltas(stream):
                out.append(text)  # noqa: PERF401 - the texts before the error are kept
        assert out == ["One. ", "Two. ", "Th"]

    @aio
    async def test_sync_check(self) -> None:
        """A synchronous check works in asynchronous iteration too."""
        gate = Gate(Blocklist(), concurrent=3)
        texts = gate.atext_deltas(Chunks(chunk("One. "), chunk("Two")))
        assert [text async for text in texts] == ["One. ", "Two"]

    def test_no_loop(self) -> None:
        """Concurrent async checks need asyncio or trio."""
        step = anext(Gate(awaited(Blocklist()), concurrent=2).areleases(Chunks(chunk("One. "))))
        with pytest.raises(RuntimeError, match="event loop of asyncio or trio"):
            next(step.__await__())


@given(
    st.lists(st.sampled_from(["a", "X", "XX", ". ", " ", "bad", "\n"]), max_size=30),
    st.lists(st.sampled_from([0, 1, 2, 5]), min_size=1, max_size=9),
    st.tuples(st.integers(1, 3), st.integers(0, 4), st.integers(2, 6)),
)
def test_same_result(texts: list[str], delays: list[int], sizes: tuple[int, int, int]) -> None:
    """However long each check takes, the text and the error are those of one check at a time."""
    window, hold, concurrent = sizes

    def judge(text: str) -> Verdict:
        masked = text.replace("XX", "-")
        return "bad" not in text and (True if masked == text else Replace(masked))

    async def result(concurrent: int) -> tuple[str, str, int]:
        waits = cycle(delays)

        async def check(text: str) -> Verdict:
            await trio.sleep(next(waits))
            return judge(text)

        gate = Gate(check, window=window, hold=hold, concurrent=concurrent)
        out = ""
        with suppress(Flagged):
            async for text in gate.atext_deltas(Chunks(*map(chunk, texts))):
                out += text
        assert out == gate.released()
        number = -1 if gate.flagged is None else gate.flagged.window.number
        return out, gate.flagged.window.text if gate.flagged else "", number

    clock = trio.testing.MockClock
    expected = trio.run(result, 1, clock=clock(autojump_threshold=0))
    assert trio.run(result, concurrent, clock=clock(autojump_threshold=0)) == expected
