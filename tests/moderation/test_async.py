"""areleases() and atext_deltas(), on asyncio and on trio."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import anyio
import pytest

from sseparse import AsyncStream, ChatCompletion, Chunk, IncompleteStream, Stream, TransportError
from sseparse.moderation import Flagged, Gate, Release, Window

from .answers import LIMIT, AsyncSource, Blocklist, ScriptedCheck, body, chunk, piece
from .test_gate import Failing

aio = pytest.mark.anyio


class Chunks:
    """Asynchronous iterable of chunks that can't be closed."""

    def __init__(self, *chunks: Chunk) -> None:
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[Chunk]:
        self._left = iter(self._chunks)
        return self

    async def __anext__(self) -> Chunk:
        for each in self._left:
            return each
        raise StopAsyncIteration


def awaited(check: Any) -> Any:
    """Make an async check of a synchronous one."""

    async def checked(text: str) -> Any:
        await anyio.lowlevel.checkpoint()
        return check(text)

    return checked


@aio
@pytest.mark.parametrize("wrap", [awaited, lambda check: check], ids=["async", "sync"])
@pytest.mark.parametrize("seconds", [None, LIMIT])
async def test_text_deltas(wrap: Any, seconds: float | None) -> None:
    """Text is released window by window, with async and other checks and any timeout."""
    check = Blocklist("bad")
    gate = Gate(wrap(check), lookback=3, timeout=seconds)
    texts = gate.atext_deltas(AsyncStream(AsyncSource(*body("One", ". T", "wo. Thr", "ee"))))

    assert [text async for text in texts] == ["One. ", "Two. ", "Three"]
    assert check.seen == ["One. ", "e. Two. ", "o. Three"]


@aio
async def test_releases() -> None:
    """areleases() has all choices, atext_deltas() only choice 0."""
    chunks = Chunks(chunk("One. "), chunk("Uno", 1), chunk("Two", 0))

    found = [each async for each in Gate(Blocklist()).areleases(chunks)]
    assert found == [Release("One. "), Release("Two"), Release("Uno", 1)]
    texts = Gate(Blocklist()).atext_deltas(chunks)
    assert [each async for each in texts] == ["One. ", "Two"]


@aio
async def test_second_loop() -> None:
    """A second loop continues where the first one stopped."""
    gate = Gate(Blocklist())
    stream = AsyncStream(AsyncSource(*body("One. Two. ", "Three. ")))

    assert await anext(gate.atext_deltas(stream)) == "One. "
    assert [text async for text in gate.atext_deltas(stream)] == ["Two. ", "Three. "]
    assert [text async for text in gate.atext_deltas(stream)] == []


@aio
async def test_flagged() -> None:
    """A flagged window closes the stream, and the error has the text that is held."""
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
async def test_flagged_in_any_iterable() -> None:
    """A stream may have no aclose(), and an error of aclose() is suppressed."""

    class FailsToClose(Chunks):
        async def aclose(self) -> None:
            raise OSError("close failed")

    for chunks in (Chunks(chunk("Bad. ")), FailsToClose(chunk("Bad. "))):
        with pytest.raises(Flagged) as caught:
            await anext(Gate(Blocklist("Bad")).areleases(chunks))
        assert caught.value.partial is None


@aio
async def test_check_that_fails() -> None:
    """A failure blocks and is the cause of the error, or is added to `failures`."""
    error = OSError("no network")
    with pytest.raises(Flagged) as caught:
        await anext(Gate(awaited(ScriptedCheck(error))).areleases(Chunks(chunk("One. "))))
    assert caught.value.__cause__ is error

    gate = Gate(awaited(ScriptedCheck(error)), on_failure="release")
    assert await anext(gate.atext_deltas(Chunks(chunk("One. ")))) == "One. "
    assert gate.failures == (error,)


@aio
async def test_timeout() -> None:
    """A check that hangs is cancelled, and its timeout blocks."""
    cancelled = []

    async def check(_: str) -> bool:
        try:
            await anyio.sleep(LIMIT)
        except BaseException:
            cancelled.append(True)
            raise
        return True

    with pytest.raises(
        Flagged, match="its check failed: TimeoutError: no verdict within"
    ) as caught:
        await anext(Gate(check, timeout=0.01).areleases(Chunks(chunk("One. "))))
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert str(caught.value.__cause__) == "no verdict within 0.01 s"
    assert cancelled


@aio
async def test_check_that_suppresses_its_cancellation() -> None:
    """A verdict after the timeout is ignored, also if the check suppresses its cancellation."""

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
    """While one task waits for a verdict, iterating in another raises RuntimeError there only."""
    chunks = Chunks(chunk("One. "))

    async def check(_: str) -> bool:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(iterate)
        return True

    async def iterate() -> None:
        with pytest.raises(RuntimeError, match="the gate is in use"):
            await anext(gate.areleases(chunks))
        rejected.append(True)

    rejected: list[bool] = []
    gate = Gate(check)
    assert [each.text async for each in gate.areleases(chunks)] == ["One. "]
    assert rejected


@aio
async def test_snapshot_that_raises() -> None:
    """An error of snapshot() is suppressed: Flagged is raised, and the stream is closed."""

    class NoSnapshot(AsyncSource):
        def snapshot(self) -> None:
            raise OSError("no snapshot")

    stream = NoSnapshot(chunk("Bad. "))
    with pytest.raises(Flagged):
        await anext(Gate(Blocklist("Bad")).areleases(stream))  # type: ignore[arg-type]  # yields a chunk
    assert stream.source.closed


@aio
async def test_timeline_that_raises() -> None:
    """The next step returns the release whose recording failed, and the gate continues."""
    texts = Gate(Blocklist(), timeline=Failing()).atext_deltas(Chunks(chunk("One. Two. ")))

    with pytest.raises(OSError, match="disk full"):
        await anext(texts)
    assert [text async for text in texts] == ["One. ", "Two. "]


@aio
async def test_cancelled() -> None:
    """A check that is cancelled is called again by the next loop."""
    called = anyio.Event()
    checked: list[str] = []

    async def check(text: str) -> bool:
        checked.append(text)
        if len(checked) == 1:
            called.set()
            await anyio.sleep(LIMIT)
        return True

    async def read(gate: Gate) -> None:
        await anext(gate.areleases(chunks))

    gate = Gate(check)
    chunks = Chunks(chunk("One. "))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read, gate)
        await called.wait()
        tasks.cancel_scope.cancel()

    assert [each.text async for each in gate.areleases(chunks)] == ["One. "]
    assert checked == ["One. ", "One. "]


@aio
async def test_stream_that_fails() -> None:
    """Text received before an error of the stream is checked and released first."""
    gate = Gate(awaited(Blocklist()))
    stream = AsyncStream(AsyncSource(piece("One. Tw"), OSError("reset")))
    out: list[str] = []

    with pytest.raises(TransportError):
        async for text in gate.atext_deltas(stream):
            out.append(text)  # noqa: PERF401 - the texts before the error are kept
    assert out == ["One. ", "Tw"]
    with pytest.raises(TransportError):
        await anext(gate.atext_deltas(stream))
    with pytest.raises(IncompleteStream):
        _ = [
            each
            async for each in Gate(ScriptedCheck()).areleases(AsyncStream(AsyncSource(piece("a"))))
        ]


@aio
async def test_misuse_of_the_stream() -> None:
    """Reading a stream that the caller closed raises RuntimeError and isn't its end."""
    gate = Gate(Blocklist())
    stream = AsyncStream(AsyncSource(*body("One. Tw", "o")))
    texts = gate.atext_deltas(stream)
    assert await anext(texts) == "One. "
    await stream.aclose()

    with pytest.raises(RuntimeError, match="closed before its end"):
        await anext(texts)
    assert gate.held() == "Tw"


def test_timeout_needs_a_loop() -> None:
    """A timeout raises RuntimeError if neither asyncio nor trio runs."""
    gate = Gate(Blocklist(), timeout=1)
    step = anext(gate.areleases(Chunks(chunk("One. ")))).__await__()

    with pytest.raises(RuntimeError, match="event loop of asyncio or trio"):
        next(step)


@aio
async def test_several_at_once() -> None:
    """With two checks at once, text is released in order, whatever the order of the verdicts."""
    gate = Gate()
    first, second = gate.feed(chunk("One. Two. "))
    second_is_decided = anyio.Event()
    out: list[str] = []

    async def decide(window: Window) -> None:
        if window is first:
            await second_is_decided.wait()
        out.append("".join(each.text for each in gate.decide(window, True)))
        second_is_decided.set()

    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(decide, first)
            tasks.start_soon(decide, second)

    assert out == ["", "One. Two. "]


@pytest.mark.parametrize("name", ["releases", "text_deltas", "chunks"])
def test_stream_of_the_other_kind(name: str) -> None:
    """A gate says which method to call for a stream of the other kind."""
    gate = Gate(Blocklist())

    with pytest.raises(TypeError, match=r"AsyncStream is asynchronous; use areleases\(\), "):
        getattr(gate, name)(AsyncStream(AsyncSource()))
    with pytest.raises(TypeError, match=r"Stream is synchronous; use releases\(\), "):
        getattr(gate, f"a{name}")(Stream([]))
