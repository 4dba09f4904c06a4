"""Streams closed from another thread, and draining after [DONE]."""

import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from sseparse import AsyncStream, EndCause, Stream

from .sources import DONE, FINISH, AsyncSource, Source, chunk

LIMIT = 30  # In seconds: far longer than any machine needs.


class BlockingSource(Source):
    """A source that blocks after its last piece until it's released."""

    def __init__(self, *pieces: bytes) -> None:
        super().__init__(*pieces)
        self.blocked = threading.Event()
        self.released = threading.Event()
        self.closed_in: threading.Thread | None = None

    def __next__(self) -> bytes:
        if self.left:
            return super().__next__()
        self.blocked.set()
        assert self.released.wait(LIMIT)
        return self.finish_read()

    def finish_read(self) -> bytes:
        raise OSError("woken")

    def close(self) -> None:
        super().close()
        self.closed_in = threading.current_thread()


class WakeableSource(BlockingSource):
    """A blocking source that can be woken, as a socket can."""

    def wake(self) -> None:
        self.released.set()


class LatePieceSource(BlockingSource):
    """A blocking source that returns one more piece when it's released."""

    def finish_read(self) -> bytes:
        return chunk("late")


def run_in_thread(function: Callable[[], Any]) -> tuple[threading.Thread, list[BaseException]]:
    """Run a function in a thread and record what it raises."""
    raised: list[BaseException] = []

    def target() -> None:
        try:
            function()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    return thread, raised


class TestCloseFromAnotherThread:
    """Stream.close() ends a pending read of another thread."""

    def test_source_with_wake(self) -> None:
        """close() wakes the reading thread, which raises an error and closes the source."""
        source = WakeableSource(chunk("a"))
        stream = Stream(source)
        reader, raised = run_in_thread(stream.result)
        assert source.blocked.wait(LIMIT)

        stream.close()

        reader.join(LIMIT)
        assert not reader.is_alive()
        assert isinstance(raised[0], RuntimeError)
        assert "closed before its end" in str(raised[0])
        assert source.closed_in is reader
        assert stream.snapshot().text == "a"
        assert stream.end is not None
        assert stream.end.cause is EndCause.CANCELLED

    @pytest.mark.parametrize("kind", [BlockingSource, LatePieceSource])
    def test_source_without_wake(self, kind: type[BlockingSource]) -> None:
        """close() doesn't wait for a read that it can't wake, and the stream drops its piece."""
        source = kind(chunk("a"))
        stream = Stream(source)
        reader, raised = run_in_thread(stream.result)
        assert source.blocked.wait(LIMIT)

        stream.close()
        assert not source.closed
        source.released.set()

        reader.join(LIMIT)
        assert isinstance(raised[0], RuntimeError)
        assert source.closed_in is reader
        assert stream.snapshot().text == "a"

    def test_close_by_the_source(self) -> None:
        """A source can close its own stream during a read."""

        class ClosingSource(Source):
            def __next__(self) -> bytes:
                stream.close()
                return super().__next__()

        source = ClosingSource(chunk("a"))
        stream = Stream(source)
        with pytest.raises(RuntimeError, match=r"closed before its end"):
            next(stream)
        assert source.closed


class PooledSource(Source):
    """A response whose connection belongs to a pool."""

    pooled = True

    def __init__(self, *pieces: bytes | BaseException) -> None:
        super().__init__(*pieces)
        self.timeouts: list[float] = []

    def wait_at_most(self, seconds: float) -> None:
        self.timeouts.append(seconds)


class AsyncPooledSource(AsyncSource):
    """An asynchronous `PooledSource`. If `silent`, it doesn't end after its last piece."""

    pooled = True
    silent = False

    async def __anext__(self) -> bytes:
        if self.silent and not self.left:
            await anyio.sleep_forever()
        return await super().__anext__()


class TestDrain:
    """A stream reads the rest of a body after [DONE], for a limited time."""

    def test_drains_to_the_end(self) -> None:
        """Draining limits each read to the time left and closes the source at its end."""
        source = PooledSource(chunk("a"), FINISH + DONE, b": bye\n", b"data: late\n\n")
        stream = Stream(source, drain=60)

        assert stream.result().text == "a"
        assert (source.left, source.closed) == (0, 1)
        assert len(source.timeouts) == 3
        assert 61 >= source.timeouts[0] >= source.timeouts[1] >= source.timeouts[2] > 0
        assert stream.end is not None
        assert stream.end.cause is EndCause.DONE

    def test_items_are_not_delayed(self) -> None:
        """A stream returns its last item before it drains the body."""
        source = PooledSource(chunk("a") + DONE, b": bye\n")

        assert next(Stream(source)).text == "a"
        assert source.left == 1

    def test_leaving_the_block_drains(self) -> None:
        """Leaving the block after the last chunk drains the body."""
        source = PooledSource(chunk("a") + DONE, b": bye\n")
        with Stream(source, drain=60) as stream:
            next(stream)

        assert (source.left, source.closed) == (0, 1)

    def test_failure_while_draining(self) -> None:
        """An error while draining doesn't change the end of the stream."""
        source = PooledSource(chunk("a") + FINISH + DONE, OSError("reset"))

        assert Stream(source).result().text == "a"
        assert source.closed

    def test_time_limit(self) -> None:
        """Draining stops at its time limit if the body doesn't end."""
        source = PooledSource(chunk("a") + FINISH + DONE, *[b":\n"] * 1_000_000)

        assert Stream(source, drain=0.01).result().text == "a"
        assert source.left > 0

    @pytest.mark.parametrize("drain", [0.0, 0])
    def test_zero_seconds(self, drain: float) -> None:
        """drain=0 closes the source without draining it."""
        source = PooledSource(chunk("a") + FINISH + DONE, b": bye\n")
        Stream(source, drain=drain).result()

        assert (source.left, source.closed) == (1, 1)

    @pytest.mark.parametrize("pieces", [(chunk("a"),), (chunk("a"), FINISH), (DONE[:-2],)])
    def test_without_done(self, pieces: tuple[bytes, ...]) -> None:
        """A stream that is closed before [DONE] isn't drained."""
        source = PooledSource(*pieces, b": bye\n")
        with Stream(source) as stream:
            next(stream, None) if pieces[0] != DONE[:-2] else None

        assert source.left
        assert source.timeouts == []

    @pytest.mark.parametrize("drain", [-1, float("inf"), float("nan"), None, "1"])
    def test_invalid_drain(self, drain: Any) -> None:
        """A drain that isn't a finite number of seconds, 0 or more, raises ValueError."""
        with pytest.raises(ValueError, match=r"drain is .*; give seconds, 0 or more"):
            Stream([], drain=drain)


@pytest.mark.anyio
class TestAsyncDrain:
    """Asynchronous streams drain the body too."""

    async def test_drains_to_the_end(self) -> None:
        """Draining reads the rest of the body and closes the source."""
        source = AsyncPooledSource(chunk("a"), FINISH + DONE, b": bye\n", b"data: late\n\n")

        assert (await AsyncStream(source, drain=60).result()).text == "a"
        assert (source.left, source.closed) == (0, 1)

    async def test_time_limit_of_a_silent_source(self) -> None:
        """Draining stops at its time limit if the source sends nothing."""
        source = AsyncPooledSource(chunk("a") + FINISH + DONE)
        source.silent = True

        assert (await AsyncStream(source, drain=0.01).result()).text == "a"
        assert source.closed

    async def test_time_limit_of_a_busy_source(self) -> None:
        """Draining stops at its time limit if the source doesn't stop sending."""
        source = AsyncPooledSource(chunk("a") + FINISH + DONE, *[b":\n"] * 1_000_000)

        assert (await AsyncStream(source, drain=0.01).result()).text == "a"
        assert source.left > 0

    async def test_cancelled_draining(self) -> None:
        """A cancelled drain closes the source."""
        source = AsyncPooledSource(chunk("a") + DONE)
        source.silent = True
        with anyio.move_on_after(0.01):
            async with AsyncStream(source, drain=3600) as stream:
                await anext(stream)

        assert source.closed

    @pytest.mark.parametrize(("pooled", "drain"), [(False, 0.1), (True, 0)])
    async def test_no_draining(self, pooled: bool, drain: float) -> None:
        """drain=0 or a source without a pool closes the source without draining it."""
        source = AsyncPooledSource(chunk("a") + FINISH + DONE, b": bye\n")
        source.pooled = pooled
        await AsyncStream(source, drain=drain).result()

        assert (source.left, source.closed) == (1, 1)
