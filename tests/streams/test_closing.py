"""What becomes of the source: closed from elsewhere, and drained after [DONE]."""

import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from sseparse import AsyncStream, EndCause, Stream

from .sources import DONE, FINISH, AsyncSource, Source, chunk

LIMIT = 30  # seconds: far more than any machine needs


class Blocking(Source):
    """Blocks once its pieces are out, until it is let go."""

    def __init__(self, *pieces: bytes) -> None:
        super().__init__(*pieces)
        self.waits = threading.Event()
        self.let_go = threading.Event()
        self.closed_in: threading.Thread | None = None

    def __next__(self) -> bytes:
        if self.left:
            return super().__next__()
        self.waits.set()
        assert self.let_go.wait(LIMIT)
        return self.comes_back()

    def comes_back(self) -> bytes:
        raise OSError("woken")

    def close(self) -> None:
        super().close()
        self.closed_in = threading.current_thread()


class Woken(Blocking):
    """Can be woken, as a socket can."""

    def wake(self) -> None:
        self.let_go.set()


class Late(Blocking):
    """Brings one more piece when it comes back."""

    def comes_back(self) -> bytes:
        return chunk("late")


def run(read: Callable[[], Any]) -> tuple[threading.Thread, list[BaseException]]:
    """Read in a thread; keep what it raises."""
    raised: list[BaseException] = []

    def target() -> None:
        try:
            read()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    return thread, raised


class TestFromAnotherThread:
    """Stream.close() ends a read that waits in another thread."""

    def test_woken(self) -> None:
        """The reader is told that the stream was closed, and closes the source itself."""
        source = Woken(chunk("a"))
        stream = Stream(source)
        reader, raised = run(stream.result)
        assert source.waits.wait(LIMIT)

        stream.close()

        reader.join(LIMIT)
        assert not reader.is_alive()
        assert isinstance(raised[0], RuntimeError)
        assert "closed before its end" in str(raised[0])
        assert source.closed_in is reader
        assert stream.snapshot().text == "a"
        assert stream.end is not None
        assert stream.end.cause is EndCause.CANCELLED

    @pytest.mark.parametrize("kind", [Blocking, Late])
    def test_not_to_be_woken(self, kind: type[Blocking]) -> None:
        """close() does not wait for a source that cannot be; its next piece is not handed out."""
        source = kind(chunk("a"))
        stream = Stream(source)
        reader, raised = run(stream.result)
        assert source.waits.wait(LIMIT)

        stream.close()
        assert not source.closed
        source.let_go.set()

        reader.join(LIMIT)
        assert isinstance(raised[0], RuntimeError)
        assert source.closed_in is reader
        assert stream.snapshot().text == "a"

    def test_by_the_source_itself(self) -> None:
        """A source that closes its stream while it is read does no harm."""

        class Closing(Source):
            def __next__(self) -> bytes:
                stream.close()
                return super().__next__()

        source = Closing(chunk("a"))
        stream = Stream(source)
        with pytest.raises(RuntimeError, match=r"closed before its end"):
            next(stream)
        assert source.closed


class Pooled(Source):
    """A response of a client that has a pool."""

    pooled = True

    def __init__(self, *pieces: bytes | BaseException) -> None:
        super().__init__(*pieces)
        self.bounds: list[float] = []

    def wait_at_most(self, seconds: float) -> None:
        self.bounds.append(seconds)


class AsyncPooled(AsyncSource):
    """The same, asynchronously; once its pieces are out it is silent, where told so."""

    pooled = True
    silent = False

    async def __anext__(self) -> bytes:
        if self.silent and not self.left:
            await anyio.sleep_forever()
        return await super().__anext__()


class TestDrain:
    """After [DONE] the body is read to its end, for a while."""

    def test_to_the_end(self) -> None:
        """All is read, each wait bounded by what is left of the time, and then it is closed."""
        source = Pooled(chunk("a"), FINISH + DONE, b": bye\n", b"data: late\n\n")
        stream = Stream(source, drain=60)

        assert stream.result().text == "a"
        assert (source.left, source.closed) == (0, 1)
        assert len(source.bounds) == 3
        assert 61 >= source.bounds[0] >= source.bounds[1] >= source.bounds[2] > 0
        assert stream.end is not None
        assert stream.end.cause is EndCause.DONE

    def test_after_the_last_item(self) -> None:
        """No item waits for it."""
        source = Pooled(chunk("a") + DONE, b": bye\n")

        assert next(Stream(source)).text == "a"
        assert source.left == 1

    def test_leaving_the_block(self) -> None:
        """A reader that leaves after the last chunk has it drained too."""
        source = Pooled(chunk("a") + DONE, b": bye\n")
        with Stream(source, drain=60) as stream:
            next(stream)

        assert (source.left, source.closed) == (0, 1)

    def test_a_failure(self) -> None:
        """What goes wrong in it is no news: the stream ended well."""
        source = Pooled(chunk("a") + FINISH + DONE, OSError("reset"))

        assert Stream(source).result().text == "a"
        assert source.closed

    def test_for_so_long(self) -> None:
        """A server that goes on for ever is left at the end of the time."""
        source = Pooled(chunk("a") + FINISH + DONE, *[b":\n"] * 1_000_000)

        assert Stream(source, drain=0.01).result().text == "a"
        assert source.left > 0

    @pytest.mark.parametrize("left", [0.0, 0])
    def test_none(self, left: float) -> None:
        """Zero closes at once."""
        source = Pooled(chunk("a") + FINISH + DONE, b": bye\n")
        Stream(source, drain=left).result()

        assert (source.left, source.closed) == (1, 1)

    @pytest.mark.parametrize("pieces", [(chunk("a"),), (chunk("a"), FINISH), (DONE[:-2],)])
    def test_no_mark(self, pieces: tuple[bytes, ...]) -> None:
        """Without [DONE] there is nothing to drain: a stream that is left is closed."""
        source = Pooled(*pieces, b": bye\n")
        with Stream(source) as stream:
            next(stream, None) if pieces[0] != DONE[:-2] else None

        assert source.left
        assert source.bounds == []

    @pytest.mark.parametrize("drain", [-1, float("inf"), float("nan"), None, "1"])
    def test_no_time(self, drain: Any) -> None:
        """The time is seconds, 0 or more."""
        with pytest.raises(ValueError, match=r"drain is .*; give seconds, 0 or more"):
            Stream([], drain=drain)


@pytest.mark.anyio
class TestAsyncDrain:
    """The same, on asyncio and on trio."""

    async def test_to_the_end(self) -> None:
        """All is read, and then it is closed."""
        source = AsyncPooled(chunk("a"), FINISH + DONE, b": bye\n", b"data: late\n\n")

        assert (await AsyncStream(source, drain=60).result()).text == "a"
        assert (source.left, source.closed) == (0, 1)

    async def test_for_so_long(self) -> None:
        """A server that never ends is left at the end of the time."""
        source = AsyncPooled(chunk("a") + FINISH + DONE)
        source.silent = True

        assert (await AsyncStream(source, drain=0.01).result()).text == "a"
        assert source.closed

    async def test_a_flood(self) -> None:
        """So is one that sends and sends."""
        source = AsyncPooled(chunk("a") + FINISH + DONE, *[b":\n"] * 1_000_000)

        assert (await AsyncStream(source, drain=0.01).result()).text == "a"
        assert source.left > 0

    async def test_cancelled(self) -> None:
        """A reader that is cancelled in it closes all the same."""
        source = AsyncPooled(chunk("a") + DONE)
        source.silent = True
        with anyio.move_on_after(0.01):
            async with AsyncStream(source, drain=3600) as stream:
                await anext(stream)

        assert source.closed

    @pytest.mark.parametrize(("pooled", "drain"), [(False, 0.1), (True, 0)])
    async def test_none(self, pooled: bool, drain: float) -> None:
        """Zero closes at once; so does a source without a pool."""
        source = AsyncPooled(chunk("a") + FINISH + DONE, b": bye\n")
        source.pooled = pooled
        await AsyncStream(source, drain=drain).result()

        assert (source.left, source.closed) == (1, 1)
