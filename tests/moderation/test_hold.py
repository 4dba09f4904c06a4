"""Approved text that can begin a forbidden span waits with the next window."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse.moderation import Flagged, Gate, Window

from .answers import Blocklist, chunk
from .test_async import Chunks
from .test_windows import KINDS, TEXTS, cut

CARD = re.compile(r"(?:[0-9]{4}[ -]?){3}[0-9]{4}")


def is_fine(text: str) -> bool:
    return CARD.search(text) is None


@pytest.mark.parametrize("hold", [18, re.compile("[0-9 -]+")], ids=["number", "pattern"])
def test_card_number(hold: Any) -> None:
    """No digit of a card number is released, although its windows are shorter."""
    tokens = re.findall(" ?[^ ]+", "You can pay with 4111 1111 1111 1111 today.")
    out: list[str] = []

    with pytest.raises(Flagged) as caught:
        out.extend(Gate(is_fine, window=5, hold=hold).text_deltas(map(chunk, tokens)))
    released = caught.value.released
    assert "You can pay with".startswith(released)
    assert "4" not in released
    assert released + caught.value.held == "".join(tokens)


@pytest.mark.parametrize("concurrent", [1, 2])
def test_end(concurrent: int) -> None:
    """At the end of the answer, the text that waits is released without another check."""
    check = Blocklist()
    gate = Gate(check, hold=3, concurrent=concurrent)

    assert "".join(gate.text_deltas([chunk("One. "), chunk("Two. ")])) == "One. Two. "
    assert check.seen == ["One. ", "One. Two. "]


@pytest.mark.anyio
async def test_end_async() -> None:
    """The same holds for asynchronous iteration."""
    check = Blocklist()
    texts = Gate(check, hold=3).atext_deltas(Chunks(chunk("One. ")))

    assert [text async for text in texts] == ["On", "e. "]
    assert check.seen == ["One. "]


def test_last_window() -> None:
    """A gate that is driven by hand returns a last window without new text."""
    gate = Gate(hold=3)
    [window] = gate.feed_text("One. ")
    gate.decide(window, True)
    assert gate.held() == "e. "

    [last] = gate.close()
    assert (last.text, last.new) == ("One. ", "")
    assert [release.text for release in gate.decide(last, True)] == ["e. "]


def test_end_with_open_windows() -> None:
    """If a window still waits for its verdict at the end, it releases all text."""
    gate = Gate(hold=3)
    [window] = gate.feed_text("One. ")

    assert gate.close() == []
    assert [release.text for release in gate.decide(window, True)] == ["One. "]


def test_text_after_the_end() -> None:
    """Text before a finish reason waits too, because some servers send text after it."""
    chunks = [chunk("One. ", finish_reason="stop"), chunk("Two. ")]

    assert list(Gate(Blocklist(), hold=3).text_deltas(chunks)) == ["On", "e. Tw", "o. "]


def test_pattern() -> None:
    """A pattern delays only text that it matches, and at most the lookback."""
    gate = Gate(Blocklist(), window=1, hold=re.compile("[0-9 ]+"), lookback=4)
    texts = list(gate.text_deltas([chunk("at 12 34 56 is")]))

    assert texts == ["at", " 1", "2 3", "4 56 is"]


@given(
    TEXTS,
    st.lists(st.integers(0, 200)),
    KINDS,
    st.tuples(st.integers(0, 30), st.integers(1, 40)),
    st.data(),
)
def test_no_part_is_released(
    text: str, at: list[int], kind: Any, sizes: tuple[int, int], data: st.DataObject
) -> None:
    """Whatever is forbidden, up to the hold plus 1, no part of it is released."""
    hold, longest = sizes
    start = data.draw(st.integers(0, max(len(text) - 1, 0)))
    span = text[start : start + data.draw(st.integers(1, hold + 1))]
    gate = Gate(window=kind, lookback=0, longest=longest, hold=hold)

    def decide(windows: list[Window]) -> None:
        for window in windows:
            gate.decide(window, not span or span not in window.text)

    try:
        for piece in cut(text, *at):
            decide(gate.feed_text(piece))
        decide(gate.close())
    except Flagged:
        assert text.index(span) >= len(gate.released())
    else:
        assert not span or span not in text
        assert gate.released() == text
    assert text.startswith(gate.released() + gate.held())
