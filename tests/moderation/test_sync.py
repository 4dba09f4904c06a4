"""releases() and text_deltas()."""

import contextvars
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sseparse import BrokenStage, ChatCompletion, IncompleteStream, Stream, TransportError
from sseparse.moderation import Flagged, Gate, Release

from .answers import DONE, LIMIT, Blocklist, ScriptedCheck, Source, body, chunk, piece
from .test_gate import Failing, Recorder


class TestApproved:
    """Approved text is released."""

    def test_text_deltas(self) -> None:
        """Text is released window by window, the last one at the end of the stream."""
        check = Blocklist("bad")
        texts = Gate(check, lookback=3).text_deltas(Stream(body("One", ". T", "wo. Thr", "ee")))

        assert list(texts) == ["One. ", "Two. ", "Three"]
        assert check.seen == ["One. ", "e. Two. ", "o. Three"]

    def test_releases(self) -> None:
        """releases() has all choices; text_deltas() has choice 0, and checks all."""
        chunks = [chunk("One. "), chunk("Uno. ", 1), chunk("Two", 0), chunk("Dos", 1)]

        assert list(Gate(Blocklist()).releases(chunks)) == [
            *(Release("One. "), Release("Uno. ", 1), Release("Two"), Release("Dos", 1))
        ]
        assert list(Gate(Blocklist()).text_deltas(chunks)) == ["One. ", "Two"]
        with pytest.raises(Flagged):
            list(Gate(Blocklist("Dos")).text_deltas(chunks))

    def test_promptness(self) -> None:
        """A window is released before more of the stream is read."""
        source = Source(piece("One. "), piece("Two. "), DONE)
        texts = Gate(Blocklist()).text_deltas(Stream(source))

        assert next(texts) == "One. "
        assert source.left == 2

    def test_second_loop(self) -> None:
        """A second loop continues where the first one stopped, also over a list."""
        gate = Gate(Blocklist())
        chunks = [chunk("One. Two. "), chunk("Three. ")]

        assert next(gate.text_deltas(chunks)) == "One. "
        assert list(gate.text_deltas(chunks)) == ["Two. ", "Three. "]
        assert list(gate.text_deltas(chunks)) == []

    def test_timeline(self) -> None:
        """A timeline records each release before it is returned."""
        timeline = Recorder()
        texts = Gate(Blocklist(), timeline=timeline).text_deltas([chunk("One. Two. ")])

        for text in texts:
            assert timeline.texts[-1] == text
        assert timeline.texts == ["One. ", "Two. "]

    def test_timeline_that_raises(self) -> None:
        """The next step returns the release whose recording failed, and the gate continues."""
        texts = Gate(Blocklist(), timeline=Failing()).text_deltas([chunk("One. Two. ")])

        with pytest.raises(OSError, match="disk full"):
            next(texts)
        assert list(texts) == ["One. ", "Two. "]

    def test_empty_stream(self) -> None:
        """A stream without text has no windows."""
        assert list(Gate(ScriptedCheck()).releases([])) == []


class TestFlagged:
    """A flagged window stops the stream."""

    def test_stops(self) -> None:
        """Earlier windows are released, the stream is closed, and the error has the held text."""
        source = Source(*body("One. Bad", ". Three. "))
        gate = Gate(Blocklist("Bad"))
        texts = gate.text_deltas(Stream(source))

        assert next(texts) == "One. "
        with pytest.raises(Flagged) as caught:
            next(texts)
        assert (caught.value.released, caught.value.held) == ("One. ", "Bad. Three. ")
        assert caught.value.window.text == "One. Bad. "
        assert isinstance(caught.value.partial, ChatCompletion)
        assert caught.value.partial.text == "One. Bad. Three. "
        assert source.closed
        with pytest.raises(Flagged):
            next(texts)

    def test_any_iterable(self) -> None:
        """A stream may have no close() or snapshot(), and an error of close() is suppressed."""

        def chunks() -> Iterator[Any]:
            try:
                yield chunk("Bad. ")
            finally:
                closed.append(True)
                raise OSError("close failed")

        closed: list[bool] = []
        for stream in ([chunk("Bad. ")], chunks()):
            with pytest.raises(Flagged) as caught:
                list(Gate(Blocklist("Bad")).releases(stream))
            assert caught.value.partial is None
        assert closed

    @pytest.mark.parametrize("error", [OSError("no snapshot"), KeyboardInterrupt()])
    def test_snapshot_that_raises(self, error: BaseException) -> None:
        """The stream is closed also if snapshot() fails; only an interrupt replaces Flagged."""
        stream = NoSnapshot(error)

        with pytest.raises((Flagged, KeyboardInterrupt)) as caught:
            list(Gate(Blocklist("Bad")).releases(stream))  # type: ignore[arg-type]  # yields a chunk
        assert isinstance(caught.value, Flagged) == isinstance(error, Exception)
        assert stream.closed


class NoSnapshot(Source):
    """Source whose snapshot() raises."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(chunk("Bad. "))
        self._error = error

    def snapshot(self) -> None:
        raise self._error


class TestFailingChecks:
    """A check that fails blocks, unless on_failure="release"."""

    def test_raises(self) -> None:
        """The exception of the check is the cause of the error."""
        source = Source(*body("One. Two. "))
        error = OSError("no network")

        with pytest.raises(Flagged) as caught:
            list(Gate(ScriptedCheck(True, error)).releases(Stream(source)))
        assert caught.value.__cause__ is error
        assert caught.value.released == "One. "
        assert source.closed

    def test_released(self) -> None:
        """With on_failure="release" the window is released."""
        gate = Gate(ScriptedCheck(OSError(), True), on_failure="release")

        assert list(gate.text_deltas([chunk("One. Two. ")])) == ["One. ", "Two. "]
        assert len(gate.failures) == 1

    def test_interrupt(self) -> None:
        """A check that is interrupted is called again by the next step."""
        check = ScriptedCheck(True, KeyboardInterrupt())
        gate = Gate(check)
        chunks = [chunk("One. Two. Three. ")]
        texts = gate.text_deltas(chunks)

        assert next(texts) == "One. "
        with pytest.raises(KeyboardInterrupt):
            next(texts)
        assert list(texts) == ["Two. ", "Three. "]
        assert check.seen == ["One. ", "One. Two. ", "One. Two. ", "One. Two. Three. "]

    def test_async_check(self) -> None:
        """An async check is a failure that names areleases()."""

        async def check(_: str) -> bool:
            raise AssertionError

        with pytest.raises(Flagged) as caught:
            list(Gate(check).releases([chunk("One. ")]))
        assert "areleases()" in str(caught.value.failure)


class TestStreamsThatFail:
    """Text received before an error of the stream is checked and released first."""

    @pytest.mark.parametrize("read", [Gate.releases, Gate.text_deltas])
    def test_error(self, read: Any) -> None:
        """Complete windows are released, then the open one; then the error is raised each time."""
        gate = Gate(Blocklist())
        stream = Stream(Source(piece("One. Two. Th"), OSError("reset")))
        out = []

        with pytest.raises(TransportError) as caught:
            out.extend(read(gate, stream))
        assert gate.released() == "One. Two. Th"
        with pytest.raises(TransportError) as again:
            next(read(gate, stream))
        assert again.value is caught.value

    def test_incomplete(self) -> None:
        """The text of a truncated stream is released before the error."""
        out: list[str] = []

        with pytest.raises(IncompleteStream):
            for text in Gate(Blocklist()).text_deltas(Stream([piece("One. Tw")])):
                out.append(text)  # noqa: PERF402 - the texts before the error are kept
        assert out == ["One. ", "Tw"]

    def test_flagged_after_an_error(self) -> None:
        """If the window before an error is flagged, Flagged is raised instead of the error."""
        with pytest.raises(Flagged):
            list(Gate(Blocklist("Bad")).releases(Stream(Source(piece("Bad"), OSError()))))

    def test_interrupt(self) -> None:
        """After an interrupt while the stream is read, a chunk may be lost, so the gate stops."""
        texts = Gate(Blocklist()).text_deltas(Source(KeyboardInterrupt()))  # type: ignore[arg-type]  # yields no chunk

        with pytest.raises(KeyboardInterrupt):
            next(texts)
        with pytest.raises(BrokenStage):
            next(texts)

    def test_misuse(self) -> None:
        """Reading a stream that the caller closed raises RuntimeError and isn't its end."""
        gate = Gate(Blocklist())
        stream = Stream(Source(*body("One. Tw", "o")))
        texts = gate.text_deltas(stream)
        assert next(texts) == "One. "
        stream.close()

        with pytest.raises(RuntimeError, match="closed before its end"):
            next(texts)
        assert gate.held() == "Tw"
        with pytest.raises(TypeError):
            next(Gate(Blocklist()).text_deltas(None))  # type: ignore[arg-type]  # no stream


class TestMisuse:
    """A gate has a check and one stream."""

    def test_no_check(self) -> None:
        """A gate without a check can't iterate."""
        with pytest.raises(TypeError, match=r"Gate\(check\)"):
            Gate().releases([])

    def test_two_streams(self) -> None:
        """A second stream raises RuntimeError, because its text would be mixed with the first."""
        gate = Gate(Blocklist())
        gate.releases([])

        with pytest.raises(RuntimeError, match="one for each answer"):
            gate.text_deltas([])

    @pytest.mark.parametrize("seconds", [None, LIMIT])
    def test_check_that_iterates(self, seconds: float | None) -> None:
        """A check that iterates its own gate fails, also in a thread of its own."""
        chunks = [chunk("One. Two. ")]

        def check(_: str) -> bool:
            next(gate.releases(chunks))
            raise AssertionError

        gate = Gate(check, timeout=seconds)

        with pytest.raises(Flagged) as caught:
            next(gate.releases(chunks))
        assert isinstance(caught.value.failure, RuntimeError)
        assert "the gate is in use" in str(caught.value.failure)


class TestTimeout:
    """A check may take a limited time."""

    def test_in_time(self) -> None:
        """A check with a timeout runs in the caller's context, and its thread ends."""
        name = contextvars.ContextVar("name", default="")
        name.set("mine")
        seen = []

        def check(_: str) -> bool:
            seen.append((name.get(), threading.current_thread()))
            return True

        gate = Gate(check, timeout=LIMIT)

        assert list(gate.text_deltas([chunk("One. Two")])) == ["One. ", "Two"]
        assert [each for each, _ in seen] == ["mine", "mine"]
        assert all(not each.is_alive() for _, each in seen)

    def test_without_timeout_no_thread(self) -> None:
        """A check without a timeout runs in the thread of the loop."""
        threads = []

        def check(_: str) -> bool:
            threads.append(threading.current_thread())
            return True

        list(Gate(check).releases([chunk("One. ")]))
        assert threads == [threading.current_thread()]

    def test_hangs(self) -> None:
        """A check that hangs blocks, with TimeoutError as the cause."""
        can_return = threading.Event()
        threads = []

        def check(_: str) -> bool:
            threads.append(threading.current_thread())
            assert can_return.wait(LIMIT)
            return True

        with pytest.raises(
            Flagged, match="its check failed: TimeoutError: no verdict within"
        ) as caught:
            list(Gate(check, timeout=0.01).releases([chunk("One. ")]))
        assert isinstance(caught.value.__cause__, TimeoutError)
        assert str(caught.value.__cause__) == "no verdict within 0.01 s"
        can_return.set()
        threads[0].join(LIMIT)

    def test_hangs_once(self) -> None:
        """While one call hangs, other calls time out at once. Then the check is called again."""
        can_return = threading.Event()
        called = threading.Semaphore(0)
        threads: list[threading.Thread] = []

        def check(_: str) -> bool:
            threads.append(threading.current_thread())
            called.release()
            assert can_return.wait(LIMIT)
            return True

        gate = Gate(check, timeout=0.01, on_failure="release")
        chunks = [chunk("One. Two. Three. Four. ")]
        assert next(gate.text_deltas(chunks)) == "One. "
        texts = gate.text_deltas(chunks)
        assert [next(texts), next(texts)] == ["Two. ", "Three. "]
        assert [str(error) for error in gate.failures] == ["no verdict within 0.01 s"] * 3
        assert called.acquire(timeout=LIMIT)
        assert len(threads) == 1

        can_return.set()
        threads[0].join(LIMIT)
        assert list(texts) == ["Four. "]
        assert called.acquire(timeout=LIMIT)
        threads[1].join(LIMIT)

    @pytest.mark.parametrize("error", [OSError("no network"), KeyboardInterrupt()])
    def test_raises(self, error: BaseException) -> None:
        """An exception in the thread of the check is raised in the thread of the loop."""
        gate = Gate(ScriptedCheck(error), timeout=LIMIT)

        with pytest.raises((Flagged, KeyboardInterrupt)) as caught:
            list(gate.releases([chunk("One. ")]))
        assert error in (caught.value, caught.value.__cause__)

    def test_interpreter_ends(self) -> None:
        """A check that hangs doesn't keep the interpreter alive."""
        code = """
import threading
from sseparse.moderation import Flagged, Gate
from sseparse.chunks import ChatCompletionChunk, ChoiceDelta, ChunkChoice
choice = ChunkChoice(index=0, delta=ChoiceDelta(content="One. "))
chunks = [ChatCompletionChunk(choices=[choice])]
try:
    list(Gate(lambda text: threading.Event().wait(), timeout=0.01).releases(chunks))
except Flagged:
    print("blocked")
"""
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT, check=True
        )
        assert done.stdout == "blocked\n"
