"""Text goes out in order, and only what passed."""

import copy
import pickle
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse import SSEError
from sseparse.moderation import Flagged, Gate, Release, Window

from .test_windows import KINDS, TEXTS

FLAGGED = [
    False,
    {"flagged": True},
    SimpleNamespace(flagged=True),
    {"results": [{"flagged": False}, {"flagged": True}]},
    {"flagged": False, "results": [{"flagged": True}]},
    {"flagged": True, "results": [{"flagged": False}]},
    {"flagged": np.True_},
    SimpleNamespace(results=[SimpleNamespace(flagged=False), SimpleNamespace(flagged=True)]),
]
PASSED = [
    True,
    {"flagged": False, "results": [{"flagged": False}]},
    {"flagged": np.False_},
    SimpleNamespace(flagged=False),
    {"results": [{"flagged": False}]},
    SimpleNamespace(results=(SimpleNamespace(flagged=False), True)),
]
NO_VERDICTS = [
    *(None, 1, "ok", {}, object()),
    *({"flagged": None}, {"flagged": 0}, {"flagged": ""}, {"flagged": []}),
    *({"results": []}, {"results": [None]}, {"results": None}, {"results": "no"}),
    {"flagged": None, "results": [{"flagged": False}]},
    {"flagged": False, "results": "not asked for"},
    {"results": [{"flagged": False}, {"flagged": 0}]},
]


def one_window(**options: Any) -> tuple[Gate, Window]:
    gate = Gate(**options)
    [window] = gate.feed_text("One. Tw")
    return gate, window


class TestVerdicts:
    """What a check may return."""

    @pytest.mark.parametrize("verdict", PASSED, ids=repr)
    def test_passed(self, verdict: Any) -> None:
        """True, or what says that nothing is flagged, lets the window out."""
        gate, window = one_window()

        assert gate.decide(window, verdict) == [Release("One. ", 0)]
        assert (gate.released(), gate.held(), gate.flagged) == ("One. ", "Tw", None)

    @pytest.mark.parametrize("verdict", FLAGGED, ids=repr)
    def test_flagged(self, verdict: Any) -> None:
        """False, or what says that something is flagged, stops the gate."""
        gate, window = one_window()

        with pytest.raises(Flagged) as caught:
            gate.decide(window, verdict)
        flagged = caught.value
        assert flagged.verdict is verdict
        assert (flagged.window, flagged.choice, flagged.failure) == (window, 0, None)
        assert (flagged.released, flagged.held) == ("", "One. Tw")

    @pytest.mark.parametrize("verdict", NO_VERDICTS)
    @pytest.mark.parametrize("on_failure", ["block", "release"])
    def test_no_verdict(self, verdict: Any, on_failure: str) -> None:
        """Whatever else it returns, or forgets to, blocks; the error says what to return."""
        gate, window = one_window(on_failure=on_failure)

        with pytest.raises(Flagged) as caught:
            gate.decide(window, verdict)
        assert isinstance(caught.value.failure, TypeError)
        assert re.match(r"the check returned .*; return True", str(caught.value.failure))
        assert caught.value.__cause__ is caught.value.failure
        assert caught.value.verdict is None

    def test_verdict_that_raises(self) -> None:
        """A verdict that raises when it is read is a failure too."""

        class Neither:
            @property
            def flagged(self) -> bool:
                raise ValueError("neither")

        gate, window = one_window()
        with pytest.raises(Flagged, match="its check failed: ValueError;"):
            gate.decide(window, Neither())

    def test_verdict_that_decides(self) -> None:
        """A verdict that decides when it is read is refused, and the failure says so."""

        class Decides:
            @property
            def flagged(self) -> bool:
                gate.decide(window, True)
                raise AssertionError

        gate, window = one_window()
        with pytest.raises(Flagged) as caught:
            gate.decide(window, Decides())
        assert isinstance(caught.value.failure, RuntimeError)
        assert "while it is being read" in str(caught.value.failure)
        assert (gate.released(), gate.held()) == ("", "One. Tw")

    def test_awaitables(self) -> None:
        """What is to be awaited is no verdict; a coroutine is closed, so that nothing warns."""

        class Awaitable:
            def __await__(self) -> Any:
                raise AssertionError

        async def check() -> bool:
            raise AssertionError

        for verdict in (check(), Awaitable()):
            gate, window = one_window()
            with pytest.raises(Flagged) as caught:
                gate.decide(window, verdict)  # type: ignore[arg-type]  # what is refused
            assert re.search(r"is async.*areleases\(\)", str(caught.value.failure))


class TestFailures:
    """A check that fails blocks, unless it may not."""

    def test_block(self) -> None:
        """By default the failure is the cause of the error."""
        gate, window = one_window()
        error = OSError("no network")

        with pytest.raises(Flagged, match="its check failed: OSError;") as caught:
            gate.fail(window, error)
        assert caught.value.failure is caught.value.__cause__ is error
        assert caught.value.held == "One. Tw"
        assert gate.failures == ()

    def test_failure_that_quotes(self) -> None:
        """The message does not repeat the failure's, which may quote what is held."""
        gate, window = one_window()

        with pytest.raises(Flagged) as caught:
            gate.fail(window, ValueError(f"cannot judge {window.text!r}"))
        assert "One" not in str(caught.value)

    def test_failure_without_text(self) -> None:
        """A failure that cannot be printed blocks like any other."""

        class Mute(Exception):
            def __str__(self) -> str:
                raise OSError("mute")

        gate, window = one_window()
        with pytest.raises(Flagged, match="its check failed: Mute;"):
            gate.fail(window, Mute())

    def test_release(self) -> None:
        """If it may, the text goes out, and the failure is noted."""
        gate, window = one_window(on_failure="release")
        error = OSError("no network")

        assert gate.fail(window, error) == [Release("One. ")]
        assert gate.failures == (error,)


class TestStopped:
    """After a flag nothing works but asking."""

    def test_every_call_raises_it(self) -> None:
        """feed, feed_text, close, decide and fail raise the same error."""
        gate, window = one_window()
        [other] = gate.feed_text("o. ")
        with pytest.raises(Flagged) as caught:
            gate.decide(window, False)

        for call in (
            lambda: gate.feed_text("x"),
            lambda: gate.feed("no chunk"),  # type: ignore[arg-type]  # not even looked at
            gate.close,
            lambda: gate.decide(other, True),
            lambda: gate.fail(other, OSError()),
        ):
            with pytest.raises(Flagged) as again:
                call()
            assert again.value is caught.value is gate.flagged
        assert (gate.released(), gate.held()) == ("", "One. Two. ")

    def test_all_choices(self) -> None:
        """A flag in one choice stops the others; the error speaks of its own."""
        gate = Gate()
        [window] = gate.feed_text("Fine. And", 0)
        [bad] = gate.feed_text("Bad. Worse", 1)
        gate.decide(window, True)

        with pytest.raises(
            Flagged, match=r"window 0 of choice 1 was flagged; 0 char.*, 10"
        ) as caught:
            gate.decide(bad, False)
        assert (caught.value.choice, caught.value.held) == (1, "Bad. Worse")
        assert (gate.released(0), gate.held(0)) == ("Fine. ", "And")
        assert (gate.released(7), gate.held(7)) == ("", "")

    def test_error(self) -> None:
        """It is an SSEError, quotes no text, and crosses process borders."""
        gate, window = one_window()
        with pytest.raises(SSEError) as caught:
            gate.decide(window, {"flagged": True})
        error = caught.value
        error.partial = "so far"

        assert "One" not in str(error)
        for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert type(twin) is Flagged
            assert str(twin) == str(error)
            assert twin.__dict__ == error.__dict__


class TestMisuse:
    """What cannot be meant is refused with a word on what to do."""

    def test_decided_twice(self) -> None:
        """A window has one verdict."""
        gate, window = one_window()
        gate.decide(window, True)

        with pytest.raises(RuntimeError, match="window 0 of choice 0 waits for no verdict"):
            gate.decide(window, True)
        with pytest.raises(RuntimeError, match="waits for no verdict"):
            gate.fail(window, OSError())

    def test_window_of_another(self) -> None:
        """An equal window of another gate, or of a choice that never came, is none of its own."""
        gate, _ = one_window()
        _, same = one_window()

        for window in (same, Window(text="x", overlap=0, choice=5, number=0)):
            with pytest.raises(RuntimeError, match="another gate made it"):
                gate.decide(window, True)

    def test_fed_after_the_end(self) -> None:
        """Closing twice is none the worse; verdicts may come after it, text may not."""
        gate, window = one_window()
        [last] = gate.close()
        assert gate.close() == []

        with pytest.raises(RuntimeError, match="one for each answer"):
            gate.feed_text("x")
        assert gate.decide(last, True) == []
        assert gate.decide(window, True) == [Release("One. "), Release("Tw")]

    @pytest.mark.parametrize(
        ("option", "value", "advice"),
        [
            *[("window", value, '"sentence", or a number') for value in ("word", 0, True, 1.5)],
            *[("lookback", value, "characters, 0 to 100000") for value in (-1, None, 100_001)],
            *[("longest", value, "characters, 1 to 100000") for value in (0, "9", 100_001)],
            *[("timeout", value, "seconds above 0") for value in (0, -1, "1", float("nan"), 1e10)],
            ("on_failure", "ignore", "'block', 'release'"),
        ],
    )
    def test_options(self, option: str, value: Any, advice: str) -> None:
        """A value that an option does not have is named, with what to give."""
        with pytest.raises(ValueError, match=f"{option} is .*; give .*{advice}"):
            Gate(**{option: value})

    def test_text(self) -> None:
        """What is fed as text is a str."""
        with pytest.raises(TypeError, match="text is a NoneType; give a str"):
            Gate().feed_text(None)  # type: ignore[arg-type]  # what is refused

    def test_check(self) -> None:
        """A check is called."""
        with pytest.raises(TypeError, match="check is a str; give a function"):
            Gate("word")  # type: ignore[arg-type]  # what is refused


class Told:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def on_release(self, text: str) -> None:
        self.texts.append(text)


class Failing:
    """Fails the first time."""

    def __init__(self) -> None:
        self._failures = [OSError("disk full")]

    def on_release(self, text: str) -> None:
        assert text
        if self._failures:
            raise self._failures.pop()


def test_timeline() -> None:
    """It is told of each release of choice 0, when that goes out."""
    told = Told()
    gate = Gate(timeline=told)
    first, second = gate.feed_text("One. Two. ")
    [other] = gate.feed_text("Other. ", 1)

    gate.decide(second, True)
    gate.decide(other, True)
    assert told.texts == []
    gate.decide(first, True)
    assert told.texts == ["One. ", "Two. "]


def test_timeline_that_raises() -> None:
    """What passed has passed; the next verdicts count."""
    gate = Gate(timeline=Failing())
    first, second = gate.feed_text("One. Two. ")

    with pytest.raises(OSError, match="disk full"):
        gate.decide(first, True)
    assert (gate.released(), gate.held()) == ("One. ", "Two. ")
    assert gate.decide(second, True) == [Release("Two. ")]


class TestLaws:
    """What holds for every text and every order of verdicts."""

    @given(
        st.lists(st.tuples(st.integers(0, 2), TEXTS), max_size=6),
        KINDS,
        st.tuples(st.integers(0, 20), st.integers(1, 30)),
        st.sets(st.integers(0, 60)),
        st.data(),
    )
    def test_released(
        self,
        pieces: list[tuple[int, str]],
        kind: Any,
        sizes: tuple[int, int],
        bad: set[int],
        data: st.DataObject,
    ) -> None:
        """
        What is released is a prefix of the whole, each character of it in a window that passed;
        released and held are what came; all is released where all passes.
        """
        gate = Gate(window=kind, lookback=sizes[0], longest=sizes[1])
        whole = dict.fromkeys(range(3), "")
        out = dict(whole)
        waiting: list[Window] = []
        passed: dict[int, str] = dict(whole)
        asked = flags = 0

        def judge() -> None:
            nonlocal asked, flags
            window = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
            asked += 1
            if asked not in bad:
                approved[window.choice, window.number] = window
                for release in gate.decide(window, True):
                    out[release.choice] += release.text
            else:
                flags += 1
                with pytest.raises(Flagged) as caught:
                    gate.decide(window, False)
                assert caught.value.released == out[window.choice]
                assert caught.value.held == whole[window.choice][len(out[window.choice]) :]

        approved: dict[tuple[int, int], Window] = {}
        for choice, text in pieces:
            whole[choice] += text
            waiting += gate.feed_text(text, choice)
            while waiting and not flags and data.draw(st.booleans()):
                judge()
            if flags:
                break
        else:
            waiting += gate.close()
        while waiting and not flags:
            judge()

        for choice in range(3):
            number = 0
            while (choice, number) in approved:
                passed[choice] += approved[choice, number].new
                number += 1
            assert out[choice] == gate.released(choice) == passed[choice]
            assert whole[choice] == gate.released(choice) + gate.held(choice)
            assert flags or out[choice] == whole[choice]
