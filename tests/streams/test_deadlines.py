"""Deadlines of streams."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

import anyio
import pytest
from trio.testing import MockClock

from clocks import JumpingLoop, ManualClock
from sseparse import (
    AsyncEventStream,
    AsyncStream,
    Comment,
    Deadlines,
    EndCause,
    Event,
    EventStream,
    Stream,
    StreamTimeout,
)

from .sources import DONE, FINISH, AsyncSource, Source, chunk

# In seconds: a deadline that doesn't pass and one that does.
FOREVER = 3600.0
SOON = 0.02
CLOCKS = ["first_event", "between_bytes", "between_events", "total"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """The clock of synchronous streams, which have no option for it."""
    clock = ManualClock()
    monkeypatch.setattr("sseparse.streams._sync.monotonic", clock)
    return clock


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both event loops, with clocks that jump to the next timer once all tasks wait."""
    if request.param == "trio":
        return "trio", {"clock": MockClock(autojump_threshold=0)}
    return "asyncio", {"loop_factory": JumpingLoop}


class LimitedSource(Source):
    """A source whose reads can be limited, and which is silent after its last piece."""

    def __init__(
        self, clock: ManualClock, *pieces: bytes | BaseException, transport_timeout: float = FOREVER
    ) -> None:
        super().__init__(*pieces)
        self.clock = clock
        self.transport_timeout = transport_timeout
        self.timeouts: list[float | None] = []

    def wait_at_most(self, seconds: float | None) -> None:
        self.timeouts.append(seconds)

    def __next__(self) -> bytes:
        if self.left:
            return super().__next__()
        timeout = self.timeouts[-1]
        assert timeout is not None, "the wait has no limit"
        self.clock.now += min(self.transport_timeout, timeout)
        raise StreamTimeout("Read failed: TimeoutError.", clock="transport") from TimeoutError()


def deadlines(name: str) -> Deadlines:
    """Return deadlines of which only the named one passes."""
    seconds = {**dict.fromkeys(CLOCKS, FOREVER), name: SOON}
    return Deadlines(**seconds)


class TestLimitedReads:
    """Deadlines of sources whose reads can be limited."""

    @pytest.mark.parametrize("name", CLOCKS)
    def test_deadline_passes(self, clock: ManualClock, name: str) -> None:
        """The first deadline that passes raises a StreamTimeout with the partial result."""
        pieces = [] if name == "first_event" else [chunk("a")]
        stream = Stream(LimitedSource(clock, *pieces), deadlines=deadlines(name))

        with pytest.raises(StreamTimeout, match=r"0\.02 s") as raised:
            stream.result()
        assert (raised.value.clock, raised.value.partial.text) == (name, "a" * len(pieces))
        assert stream.end is not None
        assert (stream.end.cause, stream.end.events_seen) == (EndCause.TIMEOUT, len(pieces))

    def test_cause(self, clock: ManualClock) -> None:
        """The exception of the transport is the cause of the StreamTimeout."""
        with pytest.raises(StreamTimeout) as raised:
            Stream(LimitedSource(clock), deadlines=deadlines("first_event")).result()
        assert isinstance(raised.value.__cause__, TimeoutError)

    def test_transport_timeout(self, clock: ManualClock) -> None:
        """A transport that times out before every deadline is reported as the clock."""
        with pytest.raises(StreamTimeout) as raised:
            Stream(
                LimitedSource(clock, transport_timeout=SOON), deadlines=Deadlines(total=FOREVER)
            ).result()
        assert raised.value.clock == "transport"

    def test_read_timeouts(self, clock: ManualClock) -> None:
        """A read is limited to the time left, and isn't limited without a pending deadline."""
        source = LimitedSource(clock, b": a\n", chunk("a"), FINISH, DONE)
        Stream(source, deadlines=Deadlines(first_event=FOREVER)).result()

        first, second, *others = source.timeouts
        assert first is not None
        assert second is not None
        assert 0 < second <= first <= FOREVER + 1
        assert others == [None, None]

    def test_no_deadlines(self, clock: ManualClock) -> None:
        """Without deadlines, no read is limited."""
        source = LimitedSource(clock, FINISH, DONE)
        Stream(source).result()

        assert source.timeouts == []

    def test_shared_deadlines(self, clock: ManualClock) -> None:
        """Streams that share a Deadlines object measure their times separately."""
        shared = Deadlines(total=FOREVER)
        for _ in range(2):
            source = LimitedSource(clock, FINISH, DONE)
            Stream(source, deadlines=shared).result()
            assert source.timeouts[0] == pytest.approx(FOREVER)

    def test_event_stream(self, clock: ManualClock) -> None:
        """A comment of an event stream doesn't extend the between_events deadline."""
        source = LimitedSource(clock, b"data: a\n\n", b": b\n")
        stream = EventStream(source, comments=True, deadlines=deadlines("between_events"))

        assert [next(stream), next(stream)] == [Event("a"), Comment(" b")]
        with pytest.raises(StreamTimeout) as raised:
            next(stream)
        assert raised.value.clock == "between_events"

    def test_pending_event(self, clock: ManualClock) -> None:
        """A stream returns a complete chunk without a blank line before it times out."""
        stream = Stream(LimitedSource(clock, chunk("a")[:-2]), deadlines=deadlines("between_bytes"))

        assert next(stream).text == "a"
        with pytest.raises(StreamTimeout):
            next(stream)


class TestPlainIterables:
    """Deadlines of plain iterables are checked at each piece."""

    @staticmethod
    def slow_pieces(clock: ManualClock, *pieces: bytes) -> Iterator[bytes]:
        for piece in pieces:
            clock.now += 2 * SOON
            yield piece

    @pytest.mark.parametrize("name", ["first_event", "between_bytes"])
    def test_late_piece(self, clock: ManualClock, name: str) -> None:
        """A stream returns the items of a late piece before it raises the timeout."""
        stream = Stream(self.slow_pieces(clock, chunk("a"), DONE), deadlines=deadlines(name))

        assert next(stream).text == "a"
        with pytest.raises(StreamTimeout) as raised:
            next(stream)
        assert (raised.value.clock, raised.value.__cause__) == (name, None)

    def test_single_bytes(self, clock: ManualClock) -> None:
        """The total deadline applies to a source that sends single bytes."""
        single_bytes = (bytes([byte]) for byte in chunk("a") * 10_000)

        def slow_pieces() -> Iterator[bytes]:
            for byte in single_bytes:
                clock.now += SOON / 20
                yield byte

        with pytest.raises(StreamTimeout) as raised:
            Stream(slow_pieces(), deadlines=Deadlines(total=SOON, between_bytes=FOREVER)).result()
        assert raised.value.clock == "total"
        assert next(single_bytes, None) is not None

    def test_total_passed_between_reads(self, clock: ManualClock) -> None:
        """A stream doesn't read its source after the total deadline."""
        source = Source(chunk("a"), chunk("b"))
        stream = Stream(source, deadlines=deadlines("total"))
        next(stream)
        clock.now += 2 * SOON

        with pytest.raises(StreamTimeout):
            next(stream)
        assert source.left == 1

    def test_late_done(self, clock: ManualClock) -> None:
        """A stream that received [DONE] after its deadline is complete."""
        stream = Stream(
            self.slow_pieces(clock, chunk("a") + FINISH + DONE), deadlines=deadlines("total")
        )

        assert stream.result().text == "a"

    def test_empty_pieces(self, clock: ManualClock) -> None:
        """Empty pieces don't extend the between_bytes deadline."""

        def empty() -> Iterator[bytes]:
            while True:
                clock.now += SOON / 4
                yield b""

        with pytest.raises(StreamTimeout) as raised:
            Stream(empty(), deadlines=deadlines("between_bytes")).result()
        assert raised.value.clock == "between_bytes"

    def test_time_between_reads(self, clock: ManualClock) -> None:
        """Time that the caller spends between two reads doesn't count as waiting."""
        limits = Deadlines(between_bytes=SOON, between_events=SOON)
        stream = Stream([chunk("a"), FINISH], deadlines=limits)
        next(stream)
        clock.now += FOREVER

        assert stream.result().text == "a"

    def test_failure_after_the_deadline(self, clock: ManualClock) -> None:
        """A connection failure after the deadline is reported as a failure, not as a timeout."""

        def fail() -> Iterator[bytes]:
            clock.now += 2 * SOON
            raise ConnectionResetError
            yield b""

        stream = Stream(fail(), deadlines=deadlines("total"))
        with pytest.raises(Exception, match=r"ConnectionResetError"):
            stream.result()
        assert stream.end is not None
        assert stream.end.cause is EndCause.TRANSPORT

    def test_server_error(self, clock: ManualClock) -> None:
        """A pending error of the server is raised instead of the timeout."""
        pending = b'data: {"error": {"message": "busy"}}\n'
        with pytest.raises(Exception, match=r"busy"):
            Stream(LimitedSource(clock, pending), deadlines=deadlines("total")).result()

    @pytest.mark.parametrize("value", [5, {"total": 5}])
    def test_invalid_deadlines(self, value: Any) -> None:
        """Deadlines that aren't a Deadlines object raise TypeError."""
        with pytest.raises(TypeError, match=r"deadlines is (int|dict); give Deadlines\(total=60\)"):
            Stream([], deadlines=value)


class SilentSource(AsyncSource):
    """A source that sends nothing after its last piece and doesn't end."""

    async def __anext__(self) -> bytes:
        if not self.left:
            await anyio.sleep_forever()
        return await super().__anext__()


@pytest.mark.anyio
class TestAsyncStreams:
    """Deadlines of asynchronous streams, whose event loop limits every read."""

    @pytest.mark.parametrize("name", CLOCKS)
    async def test_deadline_passes(self, name: str) -> None:
        """The first deadline that passes raises a StreamTimeout and closes the source."""
        pieces = [] if name == "first_event" else [chunk("a")]
        source = SilentSource(*pieces)
        stream = AsyncStream(source, deadlines=deadlines(name))

        with pytest.raises(StreamTimeout) as raised:
            await stream.result()
        assert (raised.value.clock, raised.value.partial.text) == (name, "a" * len(pieces))
        assert stream.end is not None
        assert stream.end.cause is EndCause.TIMEOUT
        assert source.closed

    async def test_comments(self) -> None:
        """Comments don't extend the between_events deadline."""

        async def events() -> AsyncIterator[bytes]:
            yield b"data: a\n\n"
            while True:
                await anyio.sleep(SOON * 0.4)
                yield b":\n"

        limits = Deadlines(between_bytes=FOREVER, between_events=SOON)
        stream = AsyncEventStream(events(), deadlines=limits)
        assert await anext(stream) == Event("a")
        with pytest.raises(StreamTimeout) as raised:
            await anext(stream)
        assert raised.value.clock == "between_events"
        assert stream.end is not None
        assert stream.end.comments_seen == 2

    async def test_total_passed_between_reads(self) -> None:
        """The first read after the total deadline raises a StreamTimeout."""
        stream = AsyncStream(SilentSource(chunk("a")), deadlines=Deadlines(total=SOON))
        await anext(stream)
        await anyio.sleep(2 * SOON)
        with pytest.raises(StreamTimeout, match=r"isn't complete after 0\.02 s"):
            await anext(stream)

    async def test_no_pending_deadline(self) -> None:
        """The between_events deadline doesn't limit the wait for the first event."""
        stream = AsyncStream(
            AsyncSource(chunk("a"), FINISH, DONE), deadlines=Deadlines(between_events=FOREVER)
        )
        assert (await stream.result()).text == "a"

    async def test_closed_during_a_read(self) -> None:
        """A stream that another task closed doesn't time out."""

        class ClosingSource(AsyncSource):
            async def __anext__(self) -> bytes:
                await stream.aclose()
                await anyio.sleep_forever()
                raise AssertionError

        stream = AsyncStream(ClosingSource(), deadlines=deadlines("total"))
        with pytest.raises(RuntimeError, match=r"closed before its end"):
            await anext(stream)

    async def test_source_timeout(self) -> None:
        """A TimeoutError of the source is reported with the transport as the clock."""
        source = AsyncSource(TimeoutError("late"))
        with pytest.raises(StreamTimeout) as raised:
            await AsyncStream(source, deadlines=deadlines("total")).result()
        assert raised.value.clock == "transport"


def test_deadline_during_a_cancellation() -> None:
    """A deadline that passes during the clean-up of a cancelled read doesn't interrupt it."""
    cleaned = []

    class SlowCleanupSource(AsyncSource):
        async def __anext__(self) -> bytes:
            try:
                await asyncio.sleep(FOREVER)
            finally:
                await asyncio.sleep(3 * SOON)
                cleaned.append(True)
            raise AssertionError

    async def main() -> None:
        task = asyncio.create_task(
            AsyncStream(SlowCleanupSource(), deadlines=deadlines("total")).result()
        )
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(main())
    assert cleaned == [True]


class TestOtherEventLoops:
    """Deadlines of asynchronous streams need the event loop of asyncio or trio."""

    class ReadySource:
        def __aiter__(self) -> Self:
            return self

        async def __anext__(self) -> bytes:
            return FINISH + DONE

    @staticmethod
    def run_without_loop(stream: AsyncStream) -> Any:
        try:
            stream.result().send(None)
        except StopIteration as stopped:
            return stopped.value

    def test_without_deadlines(self) -> None:
        """Without deadlines, a stream needs no event loop."""
        assert self.run_without_loop(AsyncStream(self.ReadySource())).text == ""

    def test_no_loop_imported(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without deadlines, a stream works in a program that imports no event loop."""
        for name in ("asyncio", "trio"):
            monkeypatch.delitem(sys.modules, name)
        assert self.run_without_loop(AsyncStream(self.ReadySource())).text == ""

    def test_with_deadlines(self) -> None:
        """With deadlines, a read outside the event loops of asyncio and trio raises an error."""
        stream = AsyncStream(self.ReadySource(), deadlines=Deadlines(total=1))
        with pytest.raises(RuntimeError, match=r"need the event loop of asyncio or trio"):
            self.run_without_loop(stream)
