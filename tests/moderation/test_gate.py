"""Only approved text is released, and in order."""

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
from sseparse.moderation import Flagged, Gate, Release, Replace, Window

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
APPROVED = [
    True,
    {"flagged": False, "results": [{"flagged": False}]},
    {"flagged": np.False_},
    SimpleNamespace(flagged=False),
    {"results": [{"flagged": False}]},
    SimpleNamespace(results=(SimpleNamespace(flagged=False), True)),
]
INVALID = [
    *(None, 1, "ok", {}, object()),
    *({"flagged": None}, {"flagged": 0}, {"flagged": ""}, {"flagged": []}),
    *({"results": []}, {"results": [None]}, {"results": None}, {"results": "no"}),
    {"flagged": None, "results": [{"flagged": False}]},
    {"flagged": False, "results": "not asked for"},
    {"results": [{"flagged": False}, {"flagged": 0}]},
    {"flagged": False, "text": "masked"},
    SimpleNamespace(flagged=False, replacement=""),
    {"results": [{"flagged": False, "output": "masked"}]},
    Replace(None),  # type: ignore[arg-type]  # is rejected
]


def one_window(**options: Any) -> tuple[Gate, Window]:
    gate = Gate(**options)
    [window] = gate.feed_text("One. Tw")
    return gate, window


class TestVerdicts:
    """Return values of a check."""

    @pytest.mark.parametrize("verdict", APPROVED, ids=repr)
    def test_approved(self, verdict: Any) -> None:
        """True, or an object that flags nothing, releases the window."""
        gate, window = one_window()

        assert gate.decide(window, verdict) == [Release("One. ", 0)]
        assert (gate.released(), gate.held(), gate.flagged) == ("One. ", "Tw", None)

    @pytest.mark.parametrize("verdict", FLAGGED, ids=repr)
    def test_flagged(self, verdict: Any) -> None:
        """False, or an object that flags something, stops the gate."""
        gate, window = one_window()

        with pytest.raises(Flagged) as caught:
            gate.decide(window, verdict)
        flagged = caught.value
        assert flagged.verdict is verdict
        assert (flagged.window, flagged.choice, flagged.failure) == (window, 0, None)
        assert (flagged.released, flagged.held) == ("", "One. Tw")

    @pytest.mark.parametrize("verdict", INVALID)
    @pytest.mark.parametrize("on_failure", ["block", "release"])
    def test_invalid(self, verdict: Any, on_failure: str) -> None:
        """Any other return value blocks, and the error says what to return."""
        gate, window = one_window(on_failure=on_failure)

        with pytest.raises(Flagged) as caught:
            gate.decide(window, verdict)
        assert isinstance(caught.value.failure, TypeError)
        assert re.match(r"the check returned .*; return True", str(caught.value.failure))
        assert caught.value.__cause__ is caught.value.failure
        assert caught.value.verdict is None

    def test_verdict_that_raises(self) -> None:
        """A verdict whose property raises is a failure."""

        class Unreadable:
            @property
            def flagged(self) -> bool:
                raise ValueError("unreadable")

        gate, window = one_window()
        with pytest.raises(Flagged, match="its check failed: ValueError: unreadable;"):
            gate.decide(window, Unreadable())

    def test_verdict_that_decides(self) -> None:
        """A verdict whose property calls decide() is a failure that says so."""

        class Decides:
            @property
            def flagged(self) -> bool:
                gate.decide(window, True)
                raise AssertionError

        gate, window = one_window()
        with pytest.raises(Flagged) as caught:
            gate.decide(window, Decides())
        assert isinstance(caught.value.failure, RuntimeError)
        assert "while a verdict is being read" in str(caught.value.failure)
        assert (gate.released(), gate.held()) == ("", "One. Tw")

    def test_awaitables(self) -> None:
        """An awaitable isn't a verdict. A coroutine is closed, so that Python doesn't warn."""

        class Awaitable:
            def __await__(self) -> Any:
                raise AssertionError

        async def check() -> bool:
            raise AssertionError

        for verdict in (check(), Awaitable()):
            gate, window = one_window()
            with pytest.raises(Flagged) as caught:
                gate.decide(window, verdict)  # type: ignore[arg-type]  # is rejected
            assert re.search(r"is async.*areleases\(\)", str(caught.value.failure))


class TestFailures:
    """A check that fails blocks, unless on_failure="release"."""

    def test_block(self) -> None:
        """By default the failure is the cause of the error, whose message has its type and text."""
        gate, window = one_window()
        error = OSError("no network")

        with pytest.raises(Flagged, match="its check failed: OSError: no network;") as caught:
            gate.fail(window, error)
        assert caught.value.failure is caught.value.__cause__ is error
        assert caught.value.held == "One. Tw"
        assert gate.failures == ()

    @pytest.mark.parametrize(
        "message", ["can't check {!r}", "text={!r:.16}...", "{}", "first\n{}", ""]
    )
    def test_failure_that_quotes_the_text(self, message: str) -> None:
        """The message doesn't repeat a failure's message that quotes held text."""
        gate = Gate()
        [window] = gate.feed_text("Call 5550100 in Bonn. ")

        with pytest.raises(Flagged, match="its check failed: ValueError;") as caught:
            gate.fail(window, ValueError(message.format(window.text)))
        assert "Call" not in str(caught.value)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("My\ncat\nis\nat\nhome.\n", "bad: My cat is at home."),
            ("\u4f60\u597d\u4e16\u754c\u3002 ", '{"input": "\\u4f60\\u597d\\u4e16\\u754c"}'),
        ],
    )
    def test_failure_that_quotes_the_text_in_another_form(self, text: str, message: str) -> None:
        """Other blanks and escapes don't hide that a failure quotes the text."""
        gate = Gate()
        [window, *_] = [*gate.feed_text(text), *gate.close()]
        with pytest.raises(Flagged, match="its check failed: ValueError;"):
            gate.fail(window, ValueError(message))

    def test_long_failure(self) -> None:
        """The message has the first 200 characters of a failure's message, on one line."""
        gate, window = one_window()

        with pytest.raises(Flagged, match=r"ValueError: a b x{196}; 0 characters") as caught:
            gate.fail(window, ValueError("a\nb " + "x" * 1000))
        assert len(str(caught.value)) < 400

    def test_failure_without_text(self) -> None:
        """A failure without a message blocks like any other."""

        class NoMessage(Exception):
            def __str__(self) -> str:
                raise OSError("no message")

        gate, window = one_window()
        with pytest.raises(Flagged, match="its check failed: NoMessage;"):
            gate.fail(window, NoMessage())

    def test_release(self) -> None:
        """With on_failure="release" the text is released, and the failure is kept."""
        gate, window = one_window(on_failure="release")
        error = OSError("no network")

        assert gate.fail(window, error) == [Release("One. ")]
        assert gate.failures == (error,)


class TestStopped:
    """A flagged window stops the gate."""

    def test_every_call_raises_it(self) -> None:
        """feed, feed_text, close, decide and fail raise the same error."""
        gate, window = one_window()
        [other] = gate.feed_text("o. ")
        with pytest.raises(Flagged) as caught:
            gate.decide(window, False)

        for call in (
            lambda: gate.feed_text("x"),
            lambda: gate.feed("no chunk"),  # type: ignore[arg-type]  # raises before that matters
            gate.close,
            lambda: gate.decide(other, True),
            lambda: gate.fail(other, OSError()),
        ):
            with pytest.raises(Flagged) as again:
                call()
            assert again.value is caught.value is gate.flagged
        assert (gate.released(), gate.held()) == ("", "One. Two. ")

    def test_all_choices(self) -> None:
        """A flagged window stops all choices; the error describes its own choice."""
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
        """Flagged is an SSEError that doesn't quote the text and can be pickled."""
        gate, window = one_window()
        with pytest.raises(SSEError) as caught:
            gate.decide(window, {"flagged": True})
        error = caught.value
        error.partial = "so far"

        assert "One" not in str(error)
        for restored in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert type(restored) is Flagged
            assert str(restored) == str(error)
            assert restored.__dict__ == error.__dict__


class TestMisuse:
    """Misuse raises an error that says what to do."""

    def test_decided_twice(self) -> None:
        """A window can be decided once."""
        gate, window = one_window()
        gate.decide(window, True)

        with pytest.raises(RuntimeError, match="window 0 of choice 0 isn't waiting for a verdict"):
            gate.decide(window, True)
        with pytest.raises(RuntimeError, match="isn't waiting for a verdict"):
            gate.fail(window, OSError())

    def test_window_of_another_gate(self) -> None:
        """An equal window of another gate, or a window of an unknown choice, is rejected."""
        gate, _ = one_window()
        _, same = one_window()

        for window in (same, Window(text="x", overlap=0, choice=5, number=0)):
            with pytest.raises(RuntimeError, match="it belongs to another gate"):
                gate.decide(window, True)

    def test_closed(self) -> None:
        """After close(), verdicts are accepted, text isn't, and another close() does nothing."""
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
            *[("hold", value, "characters, 0 to 100000") for value in (-1, None, "x", 100_001)],
            ("hold", re.compile(b"x"), "one of text"),
            *[("concurrent", value, "a number of checks above 0") for value in (0, "2", True)],
            *[("timeout", value, "seconds above 0") for value in (0, -1, "1", float("nan"), 1e10)],
            ("on_failure", "ignore", "'block', 'release'"),
        ],
    )
    def test_options(self, option: str, value: Any, advice: str) -> None:
        """An invalid option raises ValueError, which names the valid values."""
        with pytest.raises(ValueError, match=f"{option} is .*; give .*{advice}"):
            Gate(**{option: value})

    def test_text(self) -> None:
        """feed_text() takes only a str."""
        with pytest.raises(TypeError, match="text is a NoneType; give a str"):
            Gate().feed_text(None)  # type: ignore[arg-type]  # is rejected

    def test_check(self) -> None:
        """A check has to be callable."""
        with pytest.raises(TypeError, match="check is a str; give a function"):
            Gate("word")  # type: ignore[arg-type]  # is rejected


class Recorder:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def on_release(self, text: str) -> None:
        self.texts.append(text)


class Failing:
    """Timeline that raises at its first call."""

    def __init__(self) -> None:
        self._failures = [OSError("disk full")]

    def on_release(self, text: str) -> None:
        assert text
        if self._failures:
            raise self._failures.pop()


def test_timeline() -> None:
    """A timeline records each release of choice 0 when it happens."""
    timeline = Recorder()
    gate = Gate(timeline=timeline)
    first, second = gate.feed_text("One. Two. ")
    [other] = gate.feed_text("Other. ", 1)

    gate.decide(second, True)
    gate.decide(other, True)
    assert timeline.texts == []
    gate.decide(first, True)
    assert timeline.texts == ["One. ", "Two. "]


def test_timeline_that_raises() -> None:
    """If the timeline raises, the window stays approved, and the gate continues."""
    gate = Gate(timeline=Failing())
    first, second = gate.feed_text("One. Two. ")

    with pytest.raises(OSError, match="disk full"):
        gate.decide(first, True)
    assert (gate.released(), gate.held()) == ("One. ", "Two. ")
    assert gate.decide(second, True) == [Release("Two. ")]


class TestLaws:
    """Rules for every text and every order of verdicts."""

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
        The released text is a prefix of the text, and all of it is in approved windows. Released
        and held text together are the text. If all windows are approved, all text is released.
        """
        gate = Gate(window=kind, lookback=sizes[0], longest=sizes[1])
        received = dict.fromkeys(range(3), "")
        out = dict(received)
        waiting: list[Window] = []
        expected: dict[int, str] = dict(received)
        decided = flags = 0

        def decide() -> None:
            nonlocal decided, flags
            window = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
            decided += 1
            if decided not in bad:
                approved[window.choice, window.number] = window
                for release in gate.decide(window, True):
                    out[release.choice] += release.text
            else:
                flags += 1
                with pytest.raises(Flagged) as caught:
                    gate.decide(window, False)
                assert caught.value.released == out[window.choice]
                assert caught.value.held == received[window.choice][len(out[window.choice]) :]

        approved: dict[tuple[int, int], Window] = {}
        for choice, text in pieces:
            received[choice] += text
            waiting += gate.feed_text(text, choice)
            while waiting and not flags and data.draw(st.booleans()):
                decide()
            if flags:
                break
        else:
            waiting += gate.close()
        while waiting and not flags:
            decide()

        for choice in range(3):
            number = 0
            while (choice, number) in approved:
                expected[choice] += approved[choice, number].new
                number += 1
            assert out[choice] == gate.released(choice) == expected[choice]
            assert received[choice] == gate.released(choice) + gate.held(choice)
            assert flags or out[choice] == received[choice]
