"""Deadlines, without an event loop or a clock."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse import Deadlines

CLOCKS = ["first_event", "between_bytes", "between_events", "total"]


class TestNextDeadline:
    """next_deadline() returns when to stop waiting."""

    def test_none(self) -> None:
        """Without deadlines, next_deadline() and passed() return None."""
        deadlines = Deadlines()

        assert deadlines.next_deadline(5) is None
        assert deadlines.passed(1e9) is None

    def test_before_the_first_wait(self) -> None:
        """No deadline passes before the first wait."""
        assert Deadlines(total=1).passed(1e9) is None

    def test_first_event(self) -> None:
        """first_event counts from the first wait; bytes without an event don't extend it."""
        deadlines = Deadlines(first_event=10)

        assert deadlines.next_deadline(100) == 110
        deadlines.on_bytes(105)
        assert deadlines.next_deadline(105) == 110
        assert deadlines.passed(109.9) is None
        assert deadlines.passed(110) == "first_event"

    def test_after_the_first_event(self) -> None:
        """After the first event, between_events applies."""
        deadlines = Deadlines(first_event=10, between_events=3)
        deadlines.next_deadline(0)
        deadlines.on_bytes(9)
        deadlines.on_event(9)

        assert deadlines.next_deadline(9) == 12
        assert deadlines.passed(12) == "between_events"

    def test_only_first_event(self) -> None:
        """After the first event, first_event no longer applies."""
        deadlines = Deadlines(first_event=10)
        deadlines.next_deadline(0)
        deadlines.on_bytes(9)
        deadlines.on_event(9)

        assert deadlines.next_deadline(9) is None

    def test_between_events_before_the_first_event(self) -> None:
        """between_events applies only after the first event: a model can think before it."""
        assert Deadlines(between_events=3).next_deadline(0) is None

    def test_comments(self) -> None:
        """Comments extend between_bytes and don't extend between_events."""
        deadlines = Deadlines(between_bytes=2, between_events=5)
        deadlines.next_deadline(0)
        deadlines.on_bytes(0)
        deadlines.on_event(0)
        for now in (1, 2, 3, 4):
            assert deadlines.next_deadline(now - 1) == min(now + 1, 5)
            assert deadlines.passed(now) is None
            deadlines.on_bytes(now)

        assert deadlines.next_deadline(4) == 5
        assert deadlines.passed(5) == "between_events"

    def test_total(self) -> None:
        """Neither bytes nor events extend total."""
        deadlines = Deadlines(total=10)
        deadlines.next_deadline(0)
        for now in range(1, 10):
            deadlines.on_bytes(now)
            deadlines.on_event(now)
            assert deadlines.next_deadline(now) == 10

        assert deadlines.passed(10) == "total"

    def test_time_between_waits(self) -> None:
        """The time between two waits counts only for total."""
        deadlines = Deadlines(between_bytes=2, between_events=5, total=100)
        deadlines.next_deadline(0)
        deadlines.on_bytes(1)
        deadlines.on_event(1)

        assert deadlines.next_deadline(51) == 53
        deadlines.on_bytes(52)
        assert deadlines.next_deadline(72) == 74
        deadlines.on_bytes(73)
        assert deadlines.next_deadline(73) == 75
        assert deadlines.passed(76) == "between_bytes"
        assert deadlines.passed(100) == "between_bytes"

    def test_repeated_calls(self) -> None:
        """Calling next_deadline() again in one wait doesn't extend the deadline."""
        deadlines = Deadlines(between_bytes=2)
        deadlines.next_deadline(0)
        deadlines.on_bytes(1)

        assert [deadlines.next_deadline(now) for now in (10, 11, 11.5)] == [12, 12, 12]


@given(
    seconds=st.fixed_dictionaries(
        {name: st.none() | st.integers(1, 20).map(float) for name in CLOCKS}
    ),
    steps=st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10), st.booleans()), max_size=20),
)
def test_next_deadline_agrees_with_passed(
    seconds: dict[str, float | None], steps: list[tuple[int, int, bool]]
) -> None:
    """A deadline that was set passes at the time of next_deadline(), not before."""
    deadlines = Deadlines(**seconds)
    now = 0.0
    for waited, away, is_event in steps:
        until = deadlines.next_deadline(now)
        now += waited
        clock = deadlines.passed(now)
        assert (clock is not None) == (until is not None and until <= now)
        if clock is not None:
            assert seconds[clock] is not None
            return
        deadlines.on_bytes(now)
        if is_event:
            deadlines.on_event(now)
        now += away


class TestOptions:
    """Values of the options."""

    @pytest.mark.parametrize("name", CLOCKS)
    @pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "5", 10**400, 2e9])
    def test_invalid_time(self, name: str, value: Any) -> None:
        """An invalid time raises a ValueError that names the option."""
        with pytest.raises(ValueError, match=rf"{name} is .*; give seconds above 0, or None"):
            Deadlines(**{name: value})

    def test_equal(self) -> None:
        """Deadlines are equal if their times are, also after use."""
        used = Deadlines(total=5)
        used.next_deadline(3)

        assert used == Deadlines(total=5)
        assert used != Deadlines(total=6)
        assert repr(used).startswith("Deadlines(first_event=None")
