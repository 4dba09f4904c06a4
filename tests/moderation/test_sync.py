"""The synchronous faces: releases() and text_deltas()."""

import contextvars
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sseparse import ChatCompletion, IncompleteStream, Stream, TransportError
from sseparse.moderation import Flagged, Gate, Release

from .answers import DONE, LIMIT, Asked, Blocklist, Source, body, chunk, piece
from .test_gate import Failing, Told


class TestPassing:
    """What passes comes out."""

    def test_text_deltas(self) -> None:
        """Window by window; the last one with the end."""
        check = Blocklist("bad")
        texts = Gate(check, lookback=3).text_deltas(Stream(body("One", ". T", "wo. Thr", "ee")))

        assert list(texts) == ["One. ", "Two. ", "Three"]
        assert check.seen == ["One. ", "e. Two. ", "o. Three"]

    def test_releases(self) -> None:
        """All choices; text_deltas() leaves the others out, and checks them."""
        chunks = [chunk("One. "), chunk("Uno. ", 1), chunk("Two", 0), chunk("Dos", 1)]

        assert list(Gate(Blocklist()).releases(chunks)) == [
            *(Release("One. "), Release("Uno. ", 1), Release("Two"), Release("Dos", 1))
        ]
        assert list(Gate(Blocklist()).text_deltas(chunks)) == ["One. ", "Two"]
        with pytest.raises(Flagged):
            list(Gate(Blocklist("Dos")).text_deltas(chunks))

    def test_as_it_comes(self) -> None:
        """A window is released before more is read."""
        source = Source(piece("One. "), piece("Two. "), DONE)
        texts = Gate(Blocklist()).text_deltas(Stream(source))

        assert next(texts) == "One. "
        assert source.left == 2

    def test_second_loop(self) -> None:
        """Breaking off and iterating again loses and repeats nothing, of a list too."""
        gate = Gate(Blocklist())
        chunks = [chunk("One. Two. "), chunk("Three. ")]

        assert next(gate.text_deltas(chunks)) == "One. "
        assert list(gate.text_deltas(chunks)) == ["Two. ", "Three. "]
        assert list(gate.text_deltas(chunks)) == []

    def test_timeline(self) -> None:
        """It is told of a release when that is handed out."""
        told = Told()
        texts = Gate(Blocklist(), timeline=told).text_deltas([chunk("One. Two. ")])

        for text in texts:
            assert told.texts[-1] == text
        assert told.texts == ["One. ", "Two. "]

    def test_timeline_that_raises(self) -> None:
        """What passed is handed out by the next step, and the gate goes on."""
        texts = Gate(Blocklist(), timeline=Failing()).text_deltas([chunk("One. Two. ")])

        with pytest.raises(OSError, match="disk full"):
            next(texts)
        assert list(texts) == ["One. ", "Two. "]

    def test_nothing(self) -> None:
        """An answer without text has no windows."""
        assert list(Gate(Asked()).releases([])) == []


class TestFlagged:
    """A flagged window stops the stream."""

    def test_stops(self) -> None:
        """Earlier windows were released; the stream is closed; the error tells the rest."""
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

    def test_chunks_of_any_kind(self) -> None:
        """What cannot be closed is left; what is closed badly is no news; nothing accumulates."""

        def chunks() -> Iterator[Any]:
            try:
                yield chunk("Bad. ")
            finally:
                closed.append(True)
                raise OSError("badly closed")

        closed: list[bool] = []
        for stream in ([chunk("Bad. ")], chunks()):
            with pytest.raises(Flagged) as caught:
                list(Gate(Blocklist("Bad")).releases(stream))
            assert caught.value.partial is None
        assert closed

    @pytest.mark.parametrize("error", [OSError("no snapshot"), KeyboardInterrupt()])
    def test_snapshot_that_raises(self, error: BaseException) -> None:
        """The stream is closed nevertheless; but for an interrupt, what was flagged is raised."""
        stream = Unknown(error)

        with pytest.raises((Flagged, KeyboardInterrupt)) as caught:
            list(Gate(Blocklist("Bad")).releases(stream))  # type: ignore[arg-type]  # yields a chunk
        assert isinstance(caught.value, Flagged) == isinstance(error, Exception)
        assert stream.closed


class Unknown(Source):
    """Has no snapshot of its chunks."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(chunk("Bad. "))
        self._error = error

    def snapshot(self) -> None:
        raise self._error


class TestFailingChecks:
    """A check that fails blocks, unless it may not."""

    def test_raises(self) -> None:
        """What it raised is the cause."""
        source = Source(*body("One. Two. "))
        error = OSError("no network")

        with pytest.raises(Flagged) as caught:
            list(Gate(Asked(True, error)).releases(Stream(source)))
        assert caught.value.__cause__ is error
        assert caught.value.released == "One. "
        assert source.closed

    def test_released(self) -> None:
        """on_failure="release" goes on."""
        gate = Gate(Asked(OSError(), True), on_failure="release")

        assert list(gate.text_deltas([chunk("One. Two. ")])) == ["One. ", "Two. "]
        assert len(gate.failures) == 1

    def test_interrupt(self) -> None:
        """An interrupt inside the check loses nothing: the next loop asks again."""
        check = Asked(True, KeyboardInterrupt())
        gate = Gate(check)
        chunks = [chunk("One. Two. Three. ")]
        texts = gate.text_deltas(chunks)

        assert next(texts) == "One. "
        with pytest.raises(KeyboardInterrupt):
            next(texts)
        assert list(texts) == ["Two. ", "Three. "]
        assert check.seen == ["One. ", "One. Two. ", "One. Two. ", "One. Two. Three. "]

    def test_async_check(self) -> None:
        """An async check is awaited elsewhere."""

        async def check(_: str) -> bool:
            raise AssertionError

        with pytest.raises(Flagged) as caught:
            list(Gate(check).releases([chunk("One. ")]))
        assert "areleases()" in str(caught.value.failure)


class TestStreamsThatFail:
    """What came before a fault is judged and released first."""

    @pytest.mark.parametrize("read", [Gate.releases, Gate.text_deltas])
    def test_fault(self, read: Any) -> None:
        """The windows that are complete, then the open one, then the error; and again."""
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
        """An answer that was cut is released as far as it came."""
        out: list[str] = []

        with pytest.raises(IncompleteStream):
            for text in Gate(Blocklist()).text_deltas(Stream([piece("One. Tw")])):
                out.append(text)  # noqa: PERF402 - what came before the error is what is tested
        assert out == ["One. ", "Tw"]

    def test_flagged_after_a_fault(self) -> None:
        """The open window after a fault may be flagged, which comes first."""
        with pytest.raises(Flagged):
            list(Gate(Blocklist("Bad")).releases(Stream(Source(piece("Bad"), OSError()))))

    def test_misuse(self) -> None:
        """That the stream was closed in the middle is the caller's own doing, and no end."""
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
        """Without a check there is nobody to ask."""
        with pytest.raises(TypeError, match=r"Gate\(check\)"):
            Gate().releases([])

    def test_two_streams(self) -> None:
        """A second stream would be let through with the first one's windows."""
        gate = Gate(Blocklist())
        gate.releases([])

        with pytest.raises(RuntimeError, match="one for each answer"):
            gate.text_deltas([])

    @pytest.mark.parametrize("seconds", [None, LIMIT])
    def test_check_that_iterates(self, seconds: float | None) -> None:
        """A check that iterates its own gate is told not to, in a thread of its own too."""
        chunks = [chunk("One. Two. ")]

        def check(_: str) -> bool:
            next(gate.releases(chunks))
            raise AssertionError

        gate = Gate(check, timeout=seconds)

        with pytest.raises(Flagged) as caught:
            next(gate.releases(chunks))
        assert isinstance(caught.value.failure, RuntimeError)
        assert "the gate is at work" in str(caught.value.failure)


class TestTimeout:
    """A check is waited for no longer than it may take."""

    def test_in_time(self) -> None:
        """A check with a timeout sees the caller's context, and no thread is left."""
        name = contextvars.ContextVar("name", default="")
        name.set("mine")
        seen = []

        def check(_: str) -> bool:
            seen.append((name.get(), threading.current_thread()))
            return True

        gate = Gate(check, timeout=LIMIT)

        assert list(gate.text_deltas([chunk("One. Two")])) == ["One. ", "Two"]
        assert [who for who, _ in seen] == ["mine", "mine"]
        assert all(not each.is_alive() for _, each in seen)

    def test_without_timeout_no_thread(self) -> None:
        """A check without one is called where the loop is."""
        threads = []

        def check(_: str) -> bool:
            threads.append(threading.current_thread())
            return True

        list(Gate(check).releases([chunk("One. ")]))
        assert threads == [threading.current_thread()]

    def test_hangs(self) -> None:
        """A check that hangs blocks, with a TimeoutError as the cause."""
        let_go = threading.Event()
        threads = []

        def check(_: str) -> bool:
            threads.append(threading.current_thread())
            assert let_go.wait(LIMIT)
            return True

        with pytest.raises(Flagged, match="its check failed: TimeoutError;") as caught:
            list(Gate(check, timeout=0.01).releases([chunk("One. ")]))
        assert isinstance(caught.value.__cause__, TimeoutError)
        assert str(caught.value.__cause__) == "no verdict within 0.01 s"
        let_go.set()
        threads[0].join(LIMIT)

    def test_hangs_once(self) -> None:
        """While one call hangs the others are late at once; after it the check is asked again."""
        let_go = threading.Event()
        asked = threading.Semaphore(0)
        threads: list[threading.Thread] = []

        def check(_: str) -> bool:
            threads.append(threading.current_thread())
            asked.release()
            assert let_go.wait(LIMIT)
            return True

        gate = Gate(check, timeout=0.01, on_failure="release")
        chunks = [chunk("One. Two. Three. Four. ")]
        assert next(gate.text_deltas(chunks)) == "One. "
        texts = gate.text_deltas(chunks)
        assert [next(texts), next(texts)] == ["Two. ", "Three. "]
        assert [str(error) for error in gate.failures] == ["no verdict within 0.01 s"] * 3
        assert asked.acquire(timeout=LIMIT)
        assert len(threads) == 1

        let_go.set()
        threads[0].join(LIMIT)
        assert list(texts) == ["Four. "]
        assert asked.acquire(timeout=LIMIT)
        threads[1].join(LIMIT)

    @pytest.mark.parametrize("error", [OSError("no network"), KeyboardInterrupt()])
    def test_raises(self, error: BaseException) -> None:
        """What it raises in its thread is raised where it is waited for."""
        gate = Gate(Asked(error), timeout=LIMIT)

        with pytest.raises((Flagged, KeyboardInterrupt)) as caught:
            list(gate.releases([chunk("One. ")]))
        assert error in (caught.value, caught.value.__cause__)

    def test_interpreter_ends(self) -> None:
        """A check that hangs for ever does not keep the interpreter alive."""
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
