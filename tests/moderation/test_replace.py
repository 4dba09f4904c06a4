"""A verdict can replace text."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse.moderation import Flagged, Gate, Release, Replace, Verdict, Window

from .answers import chunk
from .test_async import Chunks, awaited
from .test_windows import cut

CARD = re.compile(r"(?:[0-9]{4}[ -]?){3}[0-9]{4}")
TEXT = "Pay with 4111 1111 1111 1111 today. Or with 4222-2222-2222-2222!"
MASKED = "Pay with [card] today. Or with [card]!"


def mask(text: str) -> Verdict:
    masked = CARD.sub("[card]", text)
    return True if masked == text else Replace(masked)


@pytest.mark.parametrize("lookback", [0, 20, 200])
@pytest.mark.parametrize("window", [1, 5, "sentence"])
@pytest.mark.parametrize("concurrent", [1, 3])
def test_masked(lookback: int, window: Any, concurrent: int) -> None:
    """A masked span across windows reaches neither the reader nor the result."""
    gate = Gate(mask, window=window, lookback=lookback, hold=18, concurrent=concurrent)

    assert "".join(gate.text_deltas(map(chunk, TEXT))) == MASKED
    assert (gate.released(), gate.held(), gate.waiting) == (MASKED, "", ())


@pytest.mark.anyio
@pytest.mark.parametrize("concurrent", [1, 3])
async def test_masked_async(concurrent: int) -> None:
    """Asynchronous iteration replaces the same text."""
    gate = Gate(awaited(mask), window=2, hold=18, concurrent=concurrent)

    assert "".join([each async for each in gate.atext_deltas(Chunks(chunk(TEXT)))]) == MASKED


def test_other_choice() -> None:
    """The windows of other choices don't change."""
    parts = [chunk("One. Two. "), chunk("Uno. Dos. ", 1), chunk("Three. ")]
    merged = chunk("")
    merged.choices = [each.choices[0] for each in parts]
    gate = Gate(lambda text: Replace(text.replace("One", "1")))

    found = [(each.choice, each.text) for each in gate.releases([merged])]
    assert "".join(text for choice, text in found if choice == 0) == "1. Two. Three. "
    assert "".join(text for choice, text in found if choice == 1) == "Uno. Dos. "


def test_later_windows() -> None:
    """Later windows overlap the replaced text, lose their verdicts and are made again."""
    gate = Gate()
    first, second = gate.feed_text("One. Two. ")
    assert gate.decide(second, True) == []
    assert gate.waiting == (first,)

    assert gate.decide(first, Replace("1. ")) == [Release("1. ")]
    [again] = gate.waiting
    assert (again.text, again.new, again.number) == ("1. Two. ", "Two. ", 1)
    with pytest.raises(RuntimeError, match="see `waiting`"):
        gate.decide(second, True)
    assert gate.decide(again, True) == [Release("Two. ")]
    [last] = gate.feed_text("Three. ")
    assert last.text == "1. Two. Three. "


def test_order() -> None:
    """A window is replaced only after the windows before it are decided."""
    gate = Gate()
    first, second = gate.feed_text("One. Two. ")

    with pytest.raises(RuntimeError, match="decide them first"):
        gate.decide(second, Replace("One. 2. "))
    gate.decide(first, True)
    assert gate.decide(second, Replace("One. 2. ")) == [Release("2. ")]


def test_nothing_is_left() -> None:
    """A replacement can remove a window."""
    gate = Gate(lambda text: Replace(text.replace("Two. ", "")))

    assert list(gate.text_deltas([chunk("One. Two. Three.")])) == ["One. ", "Three."]


@pytest.mark.parametrize("on_failure", ["block", "release"])
def test_released_text_changes(on_failure: Any) -> None:
    """A replacement that changes released text blocks."""
    gate = Gate(on_failure=on_failure)
    first, second = gate.feed_text("One. Two. ")
    gate.decide(first, True)

    with pytest.raises(Flagged) as caught:
        gate.decide(second, Replace("1. Two. "))
    assert isinstance(caught.value.failure, ValueError)
    assert "changes text that was released" in str(caught.value.failure)
    assert (caught.value.released, caught.value.held) == ("One. ", "Two. ")


@given(
    st.lists(st.sampled_from(["a", "X", "XX", ". ", " ", "b", "\n"]), max_size=40).map("".join),
    st.lists(st.integers(0, 80)),
    st.one_of(st.just("sentence"), st.integers(1, 4)),
    st.tuples(st.integers(0, 9), st.integers(1, 9)),
    st.data(),
)
def test_any_order(
    text: str, at: list[int], kind: Any, sizes: tuple[int, int], data: st.DataObject
) -> None:
    """In any order of verdicts, the released text is a prefix of the replaced text."""
    gate = Gate(window=kind, lookback=sizes[0], longest=sizes[1], hold=1)
    expected = text.replace("XX", "-")
    out = ""

    def decide(window: Window) -> None:
        nonlocal out
        replaced = window.text.replace("XX", "-")
        verdict: Verdict = True if replaced == window.text else Replace(replaced)
        try:
            out += "".join(each.text for each in gate.decide(window, verdict))
        except RuntimeError:
            assert window != gate.waiting[0]
        assert expected.startswith(out)

    for piece in cut(text, *at):
        gate.feed_text(piece)
        while len(gate.waiting) > 0 and data.draw(st.booleans()):
            decide(data.draw(st.sampled_from(gate.waiting)))
    gate.close()
    while gate.waiting:
        decide(data.draw(st.sampled_from(gate.waiting)))
        if gate.waiting:
            decide(gate.waiting[0])
    assert out == gate.released() == expected
    assert gate.held() == ""
