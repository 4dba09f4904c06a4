"""Streams that wait for too long."""

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

FOREVER = 3600.0
SOON = 0.02
CLOCKS = ["first_event", "between_bytes", "between_events", "total"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """The clock of synchronous streams. A stream takes none: its deadlines are real time."""
    clock = ManualClock()
    monkeypatch.setattr("sseparse.streams._sync.monotonic", clock)
    return clock


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both event loops, with clocks that jump to the next timeout once all tasks wait."""
    if request.param == "trio":
        return "trio", {"clock": MockClock(autojump_threshold=0)}
    return "asyncio", {"loop_factory": JumpingLoop}


class Bounded(Source):
    """A source whose reads can be bounded; once its pieces are out it is silent."""

    def __init__(
        self, clock: ManualClock, *pieces: bytes | BaseException, own: float = FOREVER
    ) -> None:
        super().__init__(*pieces)
        self.clock = clock
        self.own = own
        self.bounds: list[float | None] = []

    def wait_at_most(self, seconds: float | None) -> None:
        self.bounds.append(seconds)

    def __next__(self) -> bytes:
        if self.left:
            return super().__next__()
        bound = self.bounds[-1]
        assert bound is not None, "nothing bounds the wait"
        self.clock.now += min(self.own, bound)
        raise StreamTimeout("test failed: TimeoutError", clock="transport") from TimeoutError()


def deadlines(name: str) -> Deadlines:
    """Give one deadline that passes, among others that do not."""
    seconds = {**dict.fromkeys(CLOCKS, FOREVER), name: SOON}
    return Deadlines(**seconds)


class TestBounded:
    """Sources that let their reads be bounded."""

    @pytest.mark.parametrize("name", CLOCKS)
    def test_silence(self, clock: ManualClock, name: str) -> None:
        """The deadline that passes first is told, with all that came."""
        pieces = [] if name == "first_event" else [chunk("a")]
        stream = Stream(Bounded(clock, *pieces), deadlines=deadlines(name))

        with pytest.raises(StreamTimeout, match=r"0\.02 s") as raised:
            stream.result()
        assert (raised.value.clock, raised.value.partial.text) == (name, "a" * len(pieces))
        assert stream.end is not None
        assert (stream.end.cause, stream.end.events_seen) == (EndCause.TIMEOUT, len(pieces))

    def test_the_transports_word(self, clock: ManualClock) -> None:
        """What the transport raised when the time was up is the cause."""
        with pytest.raises(StreamTimeout) as raised:
            Stream(Bounded(clock), deadlines=deadlines("first_event")).result()
        assert isinstance(raised.value.__cause__, TimeoutError)

    def test_the_transports_own_timeout(self, clock: ManualClock) -> None:
        """What is shorter than every deadline is the transport's."""
        with pytest.raises(StreamTimeout) as raised:
            Stream(Bounded(clock, own=SOON), deadlines=Deadlines(total=FOREVER)).result()
        assert raised.value.clock == "transport"

    def test_bounds(self, clock: ManualClock) -> None:
        """Each wait is bounded by what is left; without a deadline that counts, by none."""
        source = Bounded(clock, b": a\n", chunk("a"), FINISH, DONE)
        Stream(source, deadlines=Deadlines(first_event=FOREVER)).result()

        first, second, *others = source.bounds
        assert first is not None
        assert second is not None
        assert 0 < second <= first <= FOREVER + 1
        assert others == [None, None]

    def test_no_deadlines(self, clock: ManualClock) -> None:
        """Nothing is bounded then."""
        source = Bounded(clock, FINISH, DONE)
        Stream(source).result()

        assert source.bounds == []

    def test_one_for_many(self, clock: ManualClock) -> None:
        """Streams count apart, on the same deadlines."""
        shared = Deadlines(total=FOREVER)
        for _ in range(2):
            source = Bounded(clock, FINISH, DONE)
            Stream(source, deadlines=shared).result()
            assert source.bounds[0] == pytest.approx(FOREVER)

    def test_events(self, clock: ManualClock) -> None:
        """Streams of events have deadlines too; comments that are handed out are none."""
        source = Bounded(clock, b"data: a\n\n", b": b\n")
        stream = EventStream(source, comments=True, deadlines=deadlines("between_events"))

        assert [next(stream), next(stream)] == [Event("a"), Comment(" b")]
        with pytest.raises(StreamTimeout) as raised:
            next(stream)
        assert raised.value.clock == "between_events"

    def test_a_pending_event(self, clock: ManualClock) -> None:
        """A whole chunk whose blank line did not come in time counts, as at other ends."""
        stream = Stream(Bounded(clock, chunk("a")[:-2]), deadlines=deadlines("between_bytes"))

        assert next(stream).text == "a"
        with pytest.raises(StreamTimeout):
            next(stream)


class TestPlain:
    """Iterables that cannot be bounded are asked at each piece."""

    @staticmethod
    def slow(clock: ManualClock, *pieces: bytes) -> Iterator[bytes]:
        for piece in pieces:
            clock.now += 2 * SOON
            yield piece

    @pytest.mark.parametrize("name", ["first_event", "between_bytes"])
    def test_a_late_piece(self, clock: ManualClock, name: str) -> None:
        """What came late is handed out first; then the deadline that it missed is told."""
        stream = Stream(self.slow(clock, chunk("a"), DONE), deadlines=deadlines(name))

        assert next(stream).text == "a"
        with pytest.raises(StreamTimeout) as raised:
            next(stream)
        assert (raised.value.clock, raised.value.__cause__) == (name, None)

    def test_a_drip(self, clock: ManualClock) -> None:
        """The total holds under a drip of single bytes."""
        drip = (bytes([byte]) for byte in chunk("a") * 10_000)

        def slow() -> Iterator[bytes]:
            for byte in drip:
                clock.now += SOON / 20
                yield byte

        with pytest.raises(StreamTimeout) as raised:
            Stream(slow(), deadlines=Deadlines(total=SOON, between_bytes=FOREVER)).result()
        assert raised.value.clock == "total"
        assert next(drip, None) is not None

    def test_total_passed_between_reads(self, clock: ManualClock) -> None:
        """Where the time is up before a wait, there is none."""
        source = Source(chunk("a"), chunk("b"))
        stream = Stream(source, deadlines=deadlines("total"))
        next(stream)
        clock.now += 2 * SOON

        with pytest.raises(StreamTimeout):
            next(stream)
        assert source.left == 1

    def test_late_but_over(self, clock: ManualClock) -> None:
        """A stream whose [DONE] came has ended well, however late."""
        stream = Stream(self.slow(clock, chunk("a") + FINISH + DONE), deadlines=deadlines("total"))

        assert stream.result().text == "a"

    def test_nothing_is_no_piece(self, clock: ManualClock) -> None:
        """Empty pieces are no bytes that came."""

        def empty() -> Iterator[bytes]:
            while True:
                clock.now += SOON / 4
                yield b""

        with pytest.raises(StreamTimeout) as raised:
            Stream(empty(), deadlines=deadlines("between_bytes")).result()
        assert raised.value.clock == "between_bytes"

    def test_the_reader_may_take_its_time(self, clock: ManualClock) -> None:
        """What it does between two items does not count."""
        bounds = Deadlines(between_bytes=SOON, between_events=SOON)
        stream = Stream([chunk("a"), FINISH], deadlines=bounds)
        next(stream)
        clock.now += FOREVER

        assert stream.result().text == "a"

    def test_a_failure_is_no_timeout(self, clock: ManualClock) -> None:
        """A connection that breaks after the deadline broke all the same."""

        def breaks() -> Iterator[bytes]:
            clock.now += 2 * SOON
            raise ConnectionResetError
            yield b""

        stream = Stream(breaks(), deadlines=deadlines("total"))
        with pytest.raises(Exception, match=r"ConnectionResetError"):
            stream.result()
        assert stream.end is not None
        assert stream.end.cause is EndCause.TRANSPORT

    def test_a_servers_error_says_more(self, clock: ManualClock) -> None:
        """Where an error of the server's is pending, that is why nothing came."""
        pending = b'data: {"error": {"message": "busy"}}\n'
        with pytest.raises(Exception, match=r"busy"):
            Stream(Bounded(clock, pending), deadlines=deadlines("total")).result()

    @pytest.mark.parametrize("value", [5, {"total": 5}])
    def test_no_deadlines_object(self, value: Any) -> None:
        """Anything else is refused, with what to give."""
        with pytest.raises(TypeError, match=r"deadlines is a .*; give Deadlines\(total=60\)"):
            Stream([], deadlines=value)


class Silent(AsyncSource):
    """Silent once its pieces are out."""

    async def __anext__(self) -> bytes:
        if not self.left:
            await anyio.sleep_forever()
        return await super().__anext__()


@pytest.mark.anyio
class TestAsync:
    """Any asynchronous source is bounded by its event loop."""

    @pytest.mark.parametrize("name", CLOCKS)
    async def test_silence(self, name: str) -> None:
        """As in synchronous streams; the source is closed."""
        pieces = [] if name == "first_event" else [chunk("a")]
        source = Silent(*pieces)
        stream = AsyncStream(source, deadlines=deadlines(name))

        with pytest.raises(StreamTimeout) as raised:
            await stream.result()
        assert (raised.value.clock, raised.value.partial.text) == (name, "a" * len(pieces))
        assert stream.end is not None
        assert stream.end.cause is EndCause.TIMEOUT
        assert source.closed

    async def test_comments(self) -> None:
        """They put off between_bytes and not between_events."""

        async def alive() -> AsyncIterator[bytes]:
            yield b"data: a\n\n"
            while True:
                await anyio.sleep(SOON * 0.4)
                yield b":\n"

        bounds = Deadlines(between_bytes=FOREVER, between_events=SOON)
        stream = AsyncEventStream(alive(), deadlines=bounds)
        assert await anext(stream) == Event("a")
        with pytest.raises(StreamTimeout) as raised:
            await anext(stream)
        assert raised.value.clock == "between_events"
        assert stream.end is not None
        assert stream.end.comments_seen == 2

    async def test_total_passed_between_reads(self) -> None:
        """Where the time is up before a wait, there is none."""
        stream = AsyncStream(Silent(chunk("a")), deadlines=Deadlines(total=SOON))
        await anext(stream)
        await anyio.sleep(2 * SOON)
        with pytest.raises(StreamTimeout, match=r"isn't complete after 0\.02 s"):
            await anext(stream)

    async def test_no_deadline_that_counts(self) -> None:
        """Before the first event nothing bounds between_events."""
        stream = AsyncStream(
            AsyncSource(chunk("a"), FINISH, DONE), deadlines=Deadlines(between_events=FOREVER)
        )
        assert (await stream.result()).text == "a"

    async def test_closed_meanwhile(self) -> None:
        """Of a stream that another task closed no deadline passes any more."""

        class Closing(AsyncSource):
            async def __anext__(self) -> bytes:
                await stream.aclose()
                await anyio.sleep_forever()
                raise AssertionError

        stream = AsyncStream(Closing(), deadlines=deadlines("total"))
        with pytest.raises(RuntimeError, match=r"closed before its end"):
            await anext(stream)

    async def test_a_timeout_of_the_source(self) -> None:
        """A TimeoutError that the source raised is the transport's."""
        source = AsyncSource(TimeoutError("late"))
        with pytest.raises(StreamTimeout) as raised:
            await AsyncStream(source, deadlines=deadlines("total")).result()
        assert raised.value.clock == "transport"


def test_a_reader_that_is_cancelled_already() -> None:
    """A deadline that passes while a cancelled read cleans up does not break into that."""
    cleaned = []

    class Slow(AsyncSource):
        async def __anext__(self) -> bytes:
            try:
                await asyncio.sleep(FOREVER)
            finally:
                await asyncio.sleep(3 * SOON)
                cleaned.append(True)
            raise AssertionError

    async def main() -> None:
        task = asyncio.create_task(AsyncStream(Slow(), deadlines=deadlines("total")).result())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(main())
    assert cleaned == [True]


class TestNoLoop:
    """Deadlines of asynchronous streams are kept by asyncio's and trio's loops."""

    class Ready:
        def __aiter__(self) -> Self:
            return self

        async def __anext__(self) -> bytes:
            return FINISH + DONE

    @staticmethod
    def run(stream: AsyncStream) -> Any:
        try:
            stream.result().send(None)
        except StopIteration as stopped:
            return stopped.value

    def test_without_deadlines(self) -> None:
        """Without them any loop will do, even none."""
        assert self.run(AsyncStream(self.Ready())).text == ""

    def test_no_loop_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where no event loop was ever imported there is none either."""
        for name in ("asyncio", "trio"):
            monkeypatch.delitem(sys.modules, name)
        assert self.run(AsyncStream(self.Ready())).text == ""

    def test_with_deadlines(self) -> None:
        """With them another loop is refused."""
        stream = AsyncStream(self.Ready(), deadlines=Deadlines(total=1))
        with pytest.raises(RuntimeError, match=r"need the event loop of asyncio or trio"):
            self.run(stream)
