"""The asynchronous faces, on asyncio and on trio: areleases() and atext_deltas()."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import anyio
import pytest

from sseparse import AsyncStream, ChatCompletion, Chunk, IncompleteStream, TransportError
from sseparse.moderation import Flagged, Gate, Release, Window

from .answers import LIMIT, Asked, AsyncSource, Blocklist, body, chunk, piece
from .test_gate import Failing

aio = pytest.mark.anyio


class Chunks:
    """Iterates chunks, and cannot be closed."""

    def __init__(self, *chunks: Chunk) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        for each in self._chunks:
            yield each


def awaited(check: Any) -> Any:
    """Make an async check of one that is not."""

    async def asked(text: str) -> Any:
        await anyio.lowlevel.checkpoint()
        return check(text)

    return asked


@aio
@pytest.mark.parametrize("wrap", [awaited, lambda check: check], ids=["async", "sync"])
@pytest.mark.parametrize("seconds", [None, LIMIT])
async def test_text_deltas(wrap: Any, seconds: float | None) -> None:
    """Window by window, of async checks and of others, with a timeout and without."""
    check = Blocklist("bad")
    gate = Gate(wrap(check), lookback=3, timeout=seconds)
    texts = gate.atext_deltas(AsyncStream(AsyncSource(*body("One", ". T", "wo. Thr", "ee"))))

    assert [text async for text in texts] == ["One. ", "Two. ", "Three"]
    assert check.seen == ["One. ", "e. Two. ", "o. Three"]


@aio
async def test_releases() -> None:
    """All choices; atext_deltas() leaves the others out."""
    chunks = Chunks(chunk("One. "), chunk("Uno", 1), chunk("Two", 0))

    found = [each async for each in Gate(Blocklist()).areleases(chunks)]
    assert found == [Release("One. "), Release("Two"), Release("Uno", 1)]
    texts = Gate(Blocklist()).atext_deltas(chunks)
    assert [each async for each in texts] == ["One. ", "Two"]


@aio
async def test_second_loop() -> None:
    """Breaking off and iterating again loses and repeats nothing."""
    gate = Gate(Blocklist())
    stream = AsyncStream(AsyncSource(*body("One. Two. ", "Three. ")))

    assert await anext(gate.atext_deltas(stream)) == "One. "
    assert [text async for text in gate.atext_deltas(stream)] == ["Two. ", "Three. "]
    assert [text async for text in gate.atext_deltas(stream)] == []


@aio
async def test_flagged() -> None:
    """Earlier windows were released; the stream is closed; the error tells the rest."""
    source = AsyncSource(*body("One. Bad", ". Three. "))
    releases = Gate(awaited(Blocklist("Bad"))).areleases(AsyncStream(source))

    assert await anext(releases) == Release("One. ")
    with pytest.raises(Flagged) as caught:
        await anext(releases)
    assert (caught.value.released, caught.value.held) == ("One. ", "Bad. Three. ")
    assert isinstance(caught.value.partial, ChatCompletion)
    assert source.source.closed
    with pytest.raises(Flagged):
        await anext(releases)


@aio
async def test_flagged_chunks_of_any_kind() -> None:
    """What cannot be closed is left; what is closed badly is no news."""

    class Badly(Chunks):
        async def aclose(self) -> None:
            raise OSError("badly closed")

    for chunks in (Chunks(chunk("Bad. ")), Badly(chunk("Bad. "))):
        with pytest.raises(Flagged) as caught:
            await anext(Gate(Blocklist("Bad")).areleases(chunks))
        assert caught.value.partial is None


@aio
async def test_check_fails() -> None:
    """It blocks, with what it raised as the cause; or is noted, and the stream goes on."""
    error = OSError("no network")
    with pytest.raises(Flagged) as caught:
        await anext(Gate(awaited(Asked(error))).areleases(Chunks(chunk("One. "))))
    assert caught.value.__cause__ is error

    gate = Gate(awaited(Asked(error)), on_failure="release")
    assert await anext(gate.atext_deltas(Chunks(chunk("One. ")))) == "One. "
    assert gate.failures == (error,)


@aio
async def test_timeout() -> None:
    """A check that hangs is cancelled, and blocks."""
    cancelled = []

    async def check(_: str) -> bool:
        try:
            await anyio.sleep(LIMIT)
        except BaseException:
            cancelled.append(True)
            raise
        return True

    with pytest.raises(Flagged, match="its check failed: TimeoutError;") as caught:
        await anext(Gate(check, timeout=0.01).areleases(Chunks(chunk("One. "))))
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert str(caught.value.__cause__) == "no verdict within 0.01 s"
    assert cancelled


@aio
async def test_timeout_that_is_swallowed() -> None:
    """A verdict that comes after the timeout is none, though the check swallow its cancellation."""

    async def check(_: str) -> bool:
        with suppress(BaseException):
            await anyio.sleep(LIMIT)
        return True

    with pytest.raises(Flagged) as caught:
        await anext(Gate(check, timeout=0.01).areleases(Chunks(chunk("One. "))))
    assert isinstance(caught.value.failure, TimeoutError)
    assert str(caught.value.failure) == "no verdict within 0.01 s"


@aio
async def test_two_tasks() -> None:
    """While one task waits for a verdict another cannot iterate; the first loses nothing."""
    chunks = Chunks(chunk("One. "))

    async def check(_: str) -> bool:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(iterate)
        return True

    async def iterate() -> None:
        with pytest.raises(RuntimeError, match="the gate is at work"):
            await anext(gate.areleases(chunks))
        refused.append(True)

    refused: list[bool] = []
    gate = Gate(check)
    assert [each.text async for each in gate.areleases(chunks)] == ["One. "]
    assert refused


@aio
async def test_snapshot_that_raises() -> None:
    """What was flagged is raised nevertheless, and the stream is closed."""

    class Unknown(AsyncSource):
        def snapshot(self) -> None:
            raise OSError("no snapshot")

    stream = Unknown(chunk("Bad. "))
    with pytest.raises(Flagged):
        await anext(Gate(Blocklist("Bad")).areleases(stream))  # type: ignore[arg-type]  # yields a chunk
    assert stream.source.closed


@aio
async def test_timeline_that_raises() -> None:
    """What passed is handed out by the next step, and the gate goes on."""
    texts = Gate(Blocklist(), timeline=Failing()).atext_deltas(Chunks(chunk("One. Two. ")))

    with pytest.raises(OSError, match="disk full"):
        await anext(texts)
    assert [text async for text in texts] == ["One. ", "Two. "]


@aio
async def test_cancelled() -> None:
    """A cancellation passes through the check, and the next loop asks again."""
    asked = anyio.Event()
    outcomes: list[str] = []

    async def check(text: str) -> bool:
        outcomes.append(text)
        if len(outcomes) == 1:
            asked.set()
            await anyio.sleep(LIMIT)
        return True

    async def read(gate: Gate) -> None:
        await anext(gate.areleases(chunks))

    gate = Gate(check)
    chunks = Chunks(chunk("One. "))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read, gate)
        await asked.wait()
        tasks.cancel_scope.cancel()

    assert [each.text async for each in gate.areleases(chunks)] == ["One. "]
    assert outcomes == ["One. ", "One. "]


@aio
async def test_fault() -> None:
    """What came before a fault is judged and released first."""
    gate = Gate(awaited(Blocklist()))
    stream = AsyncStream(AsyncSource(piece("One. Tw"), OSError("reset")))
    out: list[str] = []

    with pytest.raises(TransportError):
        async for text in gate.atext_deltas(stream):
            out.append(text)  # noqa: PERF401 - what came before the error is what is tested
    assert out == ["One. ", "Tw"]
    with pytest.raises(TransportError):
        await anext(gate.atext_deltas(stream))
    with pytest.raises(IncompleteStream):
        _ = [each async for each in Gate(Asked()).areleases(AsyncStream(AsyncSource(piece("a"))))]


@aio
async def test_misuse_of_the_stream() -> None:
    """That the stream was closed in the middle is the caller's own doing, and no end."""
    gate = Gate(Blocklist())
    stream = AsyncStream(AsyncSource(*body("One. Tw", "o")))
    texts = gate.atext_deltas(stream)
    assert await anext(texts) == "One. "
    await stream.aclose()

    with pytest.raises(RuntimeError, match="closed before its end"):
        await anext(texts)
    assert gate.held() == "Tw"


def test_timeout_needs_a_loop() -> None:
    """Where neither asyncio nor trio runs, nothing keeps a timeout: that is said, not dropped."""
    gate = Gate(Blocklist(), timeout=1)
    step = anext(gate.areleases(Chunks(chunk("One. ")))).__await__()

    with pytest.raises(RuntimeError, match="event loop of asyncio or trio"):
        next(step)


@aio
async def test_several_at_once() -> None:
    """Two checks in flight; the verdicts come out of order, the text in order."""
    gate = Gate()
    first, second = gate.feed(chunk("One. Two. "))
    second_is_judged = anyio.Event()
    out: list[str] = []

    async def judge(window: Window) -> None:
        if window is first:
            await second_is_judged.wait()
        out.append("".join(each.text for each in gate.decide(window, True)))
        second_is_judged.set()

    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(judge, first)
            tasks.start_soon(judge, second)

    assert out == ["", "One. Two. "]
