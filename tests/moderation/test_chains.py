"""Texts that a reader reads as one are checked as one."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse import ChatCompletionChunk
from sseparse.chunks import ChoiceDelta, ChunkChoice, FunctionDelta, ToolCallDelta
from sseparse.moderation import Flagged, Gate, Replace, Verdict, Window
from sseparse.payloads._gated import GatedText, TextKey

from .answers import Blocklist, chunk
from .test_items import Event, delta, done, read, start
from .test_windows import KINDS, TEXTS, cut


class Part(Event):
    """An event of a part of an item, at the index `part`."""

    part = 0

    def split_texts(self, unchecked: Any) -> Any:
        for each in super().split_texts(unchecked):
            if isinstance(each, GatedText):
                yield each._replace(key=each.key._replace(part=self.part))
            else:
                yield each

    def with_approved(self, approved: Any) -> Any:
        text = approved(TextKey(self.kind, 0, self.item, self.part))
        return Event(self.type, self.item, text) if self.type == "done" else self


def part(index: int, text: str, type: str = "delta", item: int = 0) -> Part:  # noqa: A002 - as on the wire
    class Numbered(Part):
        part = index

    return Numbered(type, item, text)


def shape(items: Sequence[Event]) -> list[tuple[str, str]]:
    return [(each.type, each.text) for each in items]


def test_across_items() -> None:
    """A phrase across two blocks is complete in the first window of the later one."""
    check = Blocklist("bomb")
    events = [start(0), delta(0, "a bo"), done(0, "a bo"), start(1), delta(1, "mb."), done(1, "")]
    out: list[Event] = []

    with pytest.raises(Flagged) as caught:
        out.extend(Gate(check).chunks(events))
    assert check.seen == ["a bo", "a bomb."]
    window = caught.value.window
    assert (window.item, window.number, window.overlap, window.new) == (1, 1, 4, "mb.")
    assert (caught.value.released, caught.value.held) == ("a bo", "mb.")


def test_across_repeated_texts() -> None:
    """A complete text that repeats an earlier one doesn't come between two others."""
    check = Blocklist()
    events = [done(0, "Sure"), done(1, "a bo"), done(0, "Sure"), delta(2, "mb.")]

    read(Gate(check), *events)
    assert check.seen == ["Sure", "Surea bo", "Surea bomb."]


def test_not_across_calls_and_choices() -> None:
    """The arguments of two calls, two kinds and two choices aren't read as one text."""
    gate = Gate(kinds=("content", "reasoning", "arguments"))
    for choice, kind in ((0, "reasoning"), (0, "content"), (1, "content")):
        gate.feed_text("One. ", choice, kind)  # type: ignore[arg-type]  # kinds
    for at in (0, 1):
        gate.feed(Event("delta", at, "[1]", "arguments"))

    gate.close()
    assert [window.overlap for window in gate.waiting] == [0] * 5


def test_numbered_deltas() -> None:
    """Deltas that a server counts as parts are one text, also for its complete texts."""
    words = ["how to make", " a bo", "mb at", " home."]
    deltas = [part(index, word) for index, word in enumerate(words)]
    complete = "".join(words)
    ends = [part(4, complete, "done"), part(0, complete, "done")]
    later = [part(7, "By", item=1), part(8, "e.", item=1), part(0, "Bye.", "done", item=1)]
    check = Blocklist()

    assert shape(read(Gate(check), *deltas, *ends, *later)) == [
        *(("delta", complete), ("done", complete), ("done", complete)),
        *(("delta", "Bye."), ("done", "Bye.")),
    ]
    assert check.seen == [complete, complete + "Bye."]
    with pytest.raises(Flagged) as caught:
        read(Gate(Blocklist("bomb"), window=2, hold=9), *deltas)
    assert "bo" not in caught.value.released


def test_number_that_brings_nothing() -> None:
    """A complete text under a number without deltas stays the same when it repeats."""
    events = [
        part(0, "Hi."),
        part(1, "Hi.", "done"),
        part(0, "Hi.", "done"),
        part(1, "Hi.", "done"),
    ]

    assert shape(read(Gate(Blocklist()), *events)) == shape(events)


def test_parts_with_texts_of_their_own() -> None:
    """Parts that nothing announces, and whose complete texts are their own, stay apart."""
    deltas = [part(0, "A. "), part(1, "B. "), part(0, "C. ")]
    ends = [part(0, "A. C. ", "done"), part(1, "B. ", "done"), part(0, "A. C. ", "done")]

    assert shape(read(Gate(Blocklist()), *deltas, *ends)) == shape(deltas + ends)
    masked = read(Gate(lambda text: Replace(text.replace("B", "X"))), *deltas, *ends)
    assert shape(masked)[3:] == [("done", "A. X. C. "), ("done", ""), ("done", "A. X. C. ")]


def test_parts_that_end() -> None:
    """A part that begins after the end of another is a text of its own."""
    check = Blocklist()
    events = [part(0, "One", "done"), part(1, "Two", "done"), part(2, "Two", "done")]

    assert shape(read(Gate(check), *events)) == [
        *(("delta", "One"), ("done", "One"), ("delta", "Two"), ("done", "Two")),
        *(("delta", "Two"), ("done", "Two")),
    ]
    assert check.seen == ["One", "OneTwo", "OneTwoTwo"]


def test_hold() -> None:
    """Text that was held back leaves before text of another kind, and with its own end."""
    events = [delta(0, "One. "), Event("delta", 0, "Hm. ", "reasoning"), done(0, "One. ")]
    gate = Gate(Blocklist(), kinds=("content", "reasoning"), hold=3)
    assert shape(read(gate, *events)) == [
        *(("delta", "On"), ("delta", "e. "), ("delta", "H"), ("delta", "m. "), ("done", "One. ")),
    ]


def test_hold_before_a_call() -> None:
    """Text that was held back leaves before a tool call that comes after it."""
    call = ToolCallDelta(index=0, id="c", function=FunctionDelta(name="f", arguments="{}"))
    calls = ChoiceDelta(tool_calls=[call])
    called = ChatCompletionChunk(choices=[ChunkChoice(index=0, delta=calls)])
    out = Gate(Blocklist(), hold=3).chunks([chunk("One. "), called, chunk("Two.")])
    assert [each.text for each in out] == ["On", "e. ", "", "Two."]


@pytest.mark.parametrize("concurrent", [1, 2, 9])
def test_replacement(concurrent: int) -> None:
    """A check sees the replacements in the text before its own."""
    seen: list[str] = []

    def mask(text: str) -> Verdict:
        seen.append(text)
        return Replace(text.replace("a", "b"))

    events = [delta(0, "a"), done(0, "a"), delta(1, "x"), done(1, "x"), delta(2, "y")]
    assert shape(read(Gate(mask, concurrent=concurrent), *events)) == [
        *(("delta", "b"), ("done", "b"), ("delta", "x"), ("done", "x"), ("delta", "y")),
    ]
    assert [text for text in seen if "a" not in text] == ["bx", "bxy"]


def test_order_of_verdicts() -> None:
    """Text is released after the texts before it, and not approved with another context."""
    gate = Gate()
    windows = [window for each in (delta(0, "a"), delta(1, "x"), delta(2, "y"), delta(0, "z"))
               for window in gate.feed(each)] + gate.close()  # fmt: skip
    assert [window.text for window in windows] == ["a", "ax", "axy", "az"]

    assert gate.decide(windows[1], True) == []
    with pytest.raises(RuntimeError, match="decide them first"):
        gate.decide(windows[2], Replace(""))
    assert [each.text for each in gate.decide(windows[0], Replace("b"))] == ["b"]
    assert [window.text for window in gate.waiting] == ["bx", "bxy", "bz"]


def test_many_interrupted_texts() -> None:
    """The ends of the last 20 texts that others interrupted are kept."""
    gate = Gate()
    for at in range(30):
        gate.feed(delta(at, str(at)))
    gate.feed(delta(20, "!"))
    gate.feed(delta(0, "!"))
    gate.close()

    texts = [window.text for window in gate.waiting]
    assert texts[-2] == "".join(map(str, range(21))) + "!"
    assert texts[-1] == texts[-2] + "!"


@given(
    st.tuples(TEXTS, st.lists(st.integers(0, 200))),
    st.lists(st.sampled_from(["item", "end", "part", "same"]), min_size=1, max_size=9),
    KINDS,
    st.tuples(st.integers(1, 30), st.integers(1, 40), st.integers(0, 9)),
    st.data(),
)
def test_every_phrase(
    source: tuple[str, list[int]], steps: list[str], kind: Any, sizes: Any, data: st.DataObject
) -> None:
    """However a text is cut into items and parts, a check sees every phrase of the lookback."""
    text, at = source
    lookback, longest, hold = sizes
    windows: list[Window] = []

    def check(window: Window) -> bool:
        windows.append(window)
        return True

    gate = Gate(check_window=check, window=kind, lookback=lookback, longest=longest, hold=hold)
    item, index = 0, 0
    events: list[Event] = []
    for place, piece in enumerate(cut(text, *at)):
        step = steps[place % len(steps)]
        if step == "end":
            events.append(part(index, "", "done", item))
        item, index = (item + 1, 0) if step in ("item", "end") else (item, index + (step == "part"))
        events.append(part(index, piece, item=item))
    out = "".join(each.text for each in read(gate, *events) if each.type == "delta")

    assert out == gate.released() == text
    assert "".join(window.new for window in windows) == text
    start = data.draw(st.integers(0, max(len(text) - lookback, 0)))
    if text:
        assert any(text[start : start + lookback] in window.text for window in windows)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["delta", "delta", "done", "pause", "part"]),
            st.integers(0, 2),
            st.sampled_from(["a", "X", "XX", "X. ", "bad", "b", "d. "]),
            st.sampled_from(["content", "reasoning", "arguments"]),
        ),
        max_size=14,
    ),
    st.fixed_dictionaries(
        {
            "window": st.sampled_from(["sentence", 1, 2]),
            "hold": st.integers(0, 3),
            "lookback": st.sampled_from([0, 1, 3, 200]),
            "on_flagged": st.sampled_from(["stop", "stop_choice"]),
        }
    ),
)
def test_same_result(steps: list[tuple[str, int, str, Any]], options: Any) -> None:
    """However many checks run at a time, the items, the texts and the flags are the same."""
    events: list[Event] = []
    for name, item, text, kind in steps:
        if name == "part":
            events.append(part(len(events), text, item=item))
        else:
            events.append(Event(name, item, text if name == "delta" else "", kind))

    def judge(text: str) -> Verdict:
        return "bad" not in text and Replace(text.replace("XX", "-"))

    def result(concurrent: int) -> Any:
        gate = Gate(
            judge, kinds=("content", "reasoning", "arguments"), concurrent=concurrent, **options
        )
        out: list[tuple[str, int | None, str]] = []
        with suppress(Flagged):
            out.extend((each.type, each.item, each.text) for each in gate.chunks(events))
        texts = [gate.released(), gate.released(kind="reasoning"), gate.released(kind="arguments")]
        sent = "".join(text for name, _, text in out if name == "delta")
        assert sorted(sent) == sorted("".join(texts))
        windows = {choice: flagged.window for choice, flagged in gate.flags.items()}
        return texts, windows, gate.flagged and gate.flagged.window, out

    assert result(1) == result(3)
