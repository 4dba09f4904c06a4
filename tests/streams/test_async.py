"""Asynchronous streams behave as synchronous streams do, on asyncio and on trio."""

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


async def read_texts(stream: AsyncStream) -> list[str]:
    return [each.text async for each in stream]


class TestIterating:
    """Iteration returns items without delay and can be resumed."""

    async def test_items_are_returned_without_delay(self) -> None:
        """A stream returns a complete item before it reads the source again."""
        source = AsyncSource(chunk("a") + chunk("b")[:9], chunk("b")[9:], FINISH)
        stream = AsyncStream(source)

        assert (await anext(stream)).text == "a"
        assert source.left == 2

    async def test_second_loop_continues(self) -> None:
        """A second loop continues where the first one stopped."""
        stream = AsyncStream(AsyncSource(chunk("a") + chunk("b"), chunk("c"), FINISH, DONE))
        async for each in stream:
            assert each.text == "a"
            break

        assert await read_texts(stream) == ["b", "c", ""]
        assert await read_texts(stream) == []

    async def test_nothing_is_read_after_done(self) -> None:
        """A stream stops reading at [DONE] and closes its source."""
        source = AsyncSource(chunk("a"), DONE, AssertionError("read after [DONE]"))

        assert await read_texts(AsyncStream(source)) == ["a"]
        assert source.closed

    async def test_text_deltas(self) -> None:
        """text_deltas() iterates over the texts that aren't empty."""
        deltas = AsyncStream(AsyncSource(chunk(""), chunk("a"), chunk("b"), FINISH)).text_deltas()

        assert [text async for text in deltas] == ["a", "b"]


class TestResultsAndEnds:
    """Results, and how streams end."""

    async def test_result_reads_the_rest(self) -> None:
        """result() reads the rest of the stream."""
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
    async def test_errors(self, last: Any, kind: type[SSEError]) -> None:
        """Each read after the last item raises the error with the partial result."""
        source = AsyncSource(chunk("a"), last)
        stream = AsyncStream(source)
        assert (await anext(stream)).text == "a"

        for _ in range(2):
            with pytest.raises(kind) as raised:
                await anext(stream)
            assert raised.value.partial.text == "a"
        assert source.closed

    async def test_misuse_of_the_source(self) -> None:
        """A RuntimeError of the source isn't converted to a TransportError."""
        with pytest.raises(RuntimeError, match=r"already read"):
            await anext(AsyncStream(AsyncSource(RuntimeError("already read"))))


class TestClosing:
    """Closing a stream closes its source."""

    async def test_exception_in_the_block(self) -> None:
        """An exception in the block closes the source."""
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
        """A cancelled read closes the source and keeps the result so far."""
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

    async def test_source_without_aclose(self) -> None:
        """A stream accepts a source without aclose()."""

        class Pieces:
            def __aiter__(self) -> Any:
                return self

            async def __anext__(self) -> bytes:
                return DONE

        async with AsyncStream(Pieces(), on_incomplete="accept") as stream:
            assert await read_texts(stream) == []


class TestEvents:
    """Streams of events."""

    async def test_events(self) -> None:
        """An event stream has the events, comments, last event ID and retry of a parser."""
        stream = AsyncEventStream(
            AsyncSource(b"id: 7\nretry: 5\ndata: a\n\n", b": x\n"), comments=True
        )

        assert [item async for item in stream] == [Event("a", id="7", retry=5), Comment(" x")]
        assert (stream.last_event_id, stream.retry) == ("7", 5)


class TestUnreadableSources:
    """Objects that can't be read as a source."""

    async def test_unreadable_source(self) -> None:
        """An unreadable source raises a TypeError that names what to use instead."""
        stream_types: list[tuple[Any, str]] = [
            (AsyncStream, "Stream"),
            (AsyncEventStream, "EventStream"),
        ]
        for stream_type, sync_name in stream_types:
            with pytest.raises(TypeError, match=rf"use {sync_name}$"):
                stream_type(Source())
            with pytest.raises(TypeError, match=r"cannot read int; pass an asynchronous iterable"):
                stream_type(5)
            with pytest.raises(TypeError, match=r"not bytes itself"):
                stream_type(b"")


async def test_cancelled_read_is_not_the_end() -> None:
    """A stream doesn't mistake a generator that a cancelled read exhausted for its end."""

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


@pytest.mark.parametrize("outcome", [None, OSError(), chunk("b")])
async def test_close_by_another_task(outcome: Any) -> None:
    """A stream that another task closed ignores what its source returns or raises later."""
    read_started, closed = anyio.Event(), anyio.Event()

    class Pieces:
        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> bytes:
            read_started.set()
            await closed.wait()
            if outcome is None:
                raise StopAsyncIteration
            if isinstance(outcome, Exception):
                raise outcome
            return bytes(outcome)

    stream = AsyncStream(Pieces())

    async def read() -> None:
        with pytest.raises(RuntimeError, match=r"closed before its end"):
            await anext(stream)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await read_started.wait()
        await stream.aclose()
        closed.set()
    assert stream.end is not None
    assert stream.end.cause is EndCause.CANCELLED
