"""Asynchronous streams do as synchronous ones do, on asyncio and on trio."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from sseparse import (
    AsyncEventStream,
    AsyncStream,
    Comment,
    DecodeError,
    EndCause,
    Event,
    IncompleteStream,
    SSEError,
    StreamTimeout,
    TransportError,
)

from .sources import DONE, FINISH, AsyncSource, Source, chunk, data

pytestmark = pytest.mark.anyio


async def texts(stream: AsyncStream) -> list[str]:
    return [each.text async for each in stream]


class TestIterating:
    """Items come when their last byte has come, and a loop can be gone on with."""

    async def test_items_as_they_come(self) -> None:
        """An item is handed out before the source is asked for more."""
        source = AsyncSource(chunk("a") + chunk("b")[:9], chunk("b")[9:], FINISH)
        stream = AsyncStream(source)

        assert (await anext(stream)).text == "a"
        assert source.left == 2

    async def test_a_second_loop_goes_on(self) -> None:
        """Breaking off and iterating again loses and repeats nothing."""
        stream = AsyncStream(AsyncSource(chunk("a") + chunk("b"), chunk("c"), FINISH, DONE))
        async for each in stream:
            assert each.text == "a"
            break

        assert await texts(stream) == ["b", "c", ""]
        assert await texts(stream) == []

    async def test_nothing_is_read_after_done(self) -> None:
        """The [DONE] mark ends the stream."""
        source = AsyncSource(chunk("a"), DONE, AssertionError("read on"))

        assert await texts(AsyncStream(source)) == ["a"]
        assert source.closed

    async def test_text_deltas(self) -> None:
        """The new texts alone, without the empty ones."""
        deltas = AsyncStream(AsyncSource(chunk(""), chunk("a"), chunk("b"), FINISH)).text_deltas()

        assert [text async for text in deltas] == ["a", "b"]


class TestResultsAndEnds:
    """What the chunks amount to, and how the stream ended."""

    async def test_result_reads_the_rest(self) -> None:
        """result() needs no loop; after one it reads what is left."""
        stream = AsyncStream(AsyncSource(chunk("a"), chunk("b"), FINISH, DONE))
        await anext(stream)
        assert stream.snapshot().text == stream.accumulator.text == "a"
        assert stream.end is None

        assert (await stream.result()).text == "ab"
        assert stream.end is not None
        assert stream.end.cause is EndCause.DONE

    @pytest.mark.parametrize(
        ("last", "kind"),
        [
            (b"", IncompleteStream),
            (data("no JSON"), DecodeError),
            (OSError("reset"), TransportError),
            (TimeoutError("late"), StreamTimeout),
        ],
    )
    async def test_faults(self, last: Any, kind: type[SSEError]) -> None:
        """Chunks first, then the error with the partial result, ever after."""
        source = AsyncSource(chunk("a"), last)
        stream = AsyncStream(source)
        assert (await anext(stream)).text == "a"

        for _ in range(2):
            with pytest.raises(kind) as raised:
                await anext(stream)
            assert raised.value.partial.text == "a"
        assert source.closed

    async def test_misuse_of_the_source_is_no_failure(self) -> None:
        """RuntimeError and TypeError of the source pass as they are."""
        with pytest.raises(RuntimeError, match=r"already read"):
            await anext(AsyncStream(AsyncSource(RuntimeError("already read"))))


class TestClosing:
    """Streams close what they were given."""

    async def test_leaving_the_block(self) -> None:
        """By break, by an exception: closed before the block is left."""
        source = AsyncSource(chunk("a"), chunk("b"))
        stream = AsyncStream(source)

        async def leave() -> None:
            async with stream:
                await anext(stream)
                raise KeyError

        with pytest.raises(KeyError):
            await leave()
        assert source.closed
        with pytest.raises(RuntimeError, match=r"closed before its end"):
            await anext(stream)
        with pytest.raises(RuntimeError, match=r"closed before its end"):
            await stream.result()

    async def test_cancellation(self) -> None:
        """A cancelled reader closes the source and leaves what came."""
        closed = []

        async def pieces() -> AsyncIterator[bytes]:
            try:
                yield chunk("a")
                await anyio.sleep_forever()
            finally:
                closed.append(True)

        stream = AsyncStream(pieces())
        async with anyio.create_task_group() as tasks:

            async def read() -> None:
                async with stream:
                    async for _ in stream:
                        tasks.cancel_scope.cancel()

            tasks.start_soon(read)

        assert closed == [True]
        assert stream.snapshot().text == "a"
        assert stream.end is not None
        assert stream.end.cause is EndCause.CANCELLED

    async def test_an_iterator_without_aclose(self) -> None:
        """What cannot be closed is left alone."""

        class Pieces:
            def __aiter__(self) -> Any:
                return self

            async def __anext__(self) -> bytes:
                return DONE

        async with AsyncStream(Pieces()) as stream:
            assert await texts(stream) == []


class TestEvents:
    """Streams of events."""

    async def test_events(self) -> None:
        """Events as the parser gives them, with its state."""
        stream = AsyncEventStream(
            AsyncSource(b"id: 7\nretry: 5\ndata: a\n\n", b": x\n"), comments=True
        )

        assert [item async for item in stream] == [Event("a", id="7", retry=5), Comment(" x")]
        assert (stream.last_event_id, stream.retry) == ("7", 5)


class TestBadSources:
    """What cannot be read says what can."""

    async def test_no_source(self) -> None:
        """TypeError, at once, naming the class that reads it where there is one."""
        faces: list[tuple[Any, str]] = [(AsyncStream, "Stream"), (AsyncEventStream, "EventStream")]
        for face, sync in faces:
            with pytest.raises(TypeError, match=rf"use {sync}$"):
                face(Source())
            with pytest.raises(TypeError, match=r"cannot read int; pass an asynchronous iterable"):
                face(5)
            with pytest.raises(TypeError, match=r"not bytes itself"):
                face(b"")


async def test_a_read_that_was_cancelled_is_no_end() -> None:
    """A generator is over once cancelled; the stream does not take that for its end."""

    async def pieces() -> AsyncIterator[bytes]:
        yield chunk("a") + FINISH
        await anyio.sleep_forever()

    stream = AsyncStream(pieces())
    await anext(stream), await anext(stream)
    with anyio.move_on_after(0.001):
        await anext(stream)

    with pytest.raises(RuntimeError, match=r"a read of it interrupted"):
        await anext(stream)
    assert stream.end is not None
    assert stream.end.cause is EndCause.CANCELLED


@pytest.mark.parametrize("then", [None, OSError(), chunk("b")])
async def test_closed_by_another_task(then: Any) -> None:
    """What the source does after that changes nothing."""
    asked, closed = anyio.Event(), anyio.Event()

    class Pieces:
        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> bytes:
            asked.set()
            await closed.wait()
            if then is None:
                raise StopAsyncIteration
            if isinstance(then, Exception):
                raise then
            return bytes(then)

    stream = AsyncStream(Pieces())

    async def read() -> None:
        with pytest.raises(RuntimeError, match=r"closed before its end"):
            await anext(stream)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await asked.wait()
        await stream.aclose()
        closed.set()
    assert stream.end is not None
    assert stream.end.cause is EndCause.CANCELLED
