"""Items of any API pass a gate, if they have the methods of `GatedItem`."""

from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any, Self

import pytest
from attrs import evolve, frozen

from sseparse import BrokenStage
from sseparse.moderation import Gate, Release, Replace, Window
from sseparse.payloads._gated import Dropped, GatedText, Outlet, Part, Rest, TextEnd, TextKey
from sseparse.payloads._model import Kind

from .answers import Blocklist
from .test_async import Chunks


@frozen
class Event:
    """Event of an API whose answers have output items, and which repeats complete texts."""

    type: str
    item: int | None = None
    text: str = ""
    kind: Kind = "content"

    def split_texts(self, unchecked: Container[Kind]) -> Iterator[Part]:
        key = TextKey(self.kind, 0, self.item)
        if self.type == "delta" and self.kind not in unchecked:
            yield GatedText(key, self.text, self)
        elif self.type == "done" and self.kind not in unchecked:
            yield GatedText(key, self.text, evolve(self, type="delta"), is_complete=True)
            yield TextEnd(0, self.item)
            yield Rest(self, 0, self.item)
        elif self.type == "pause":
            yield TextEnd(0, self.item, is_final=False)
        else:
            yield Rest(self, None if self.item is None else 0, self.item)
            yield Dropped("padding")

    def with_text(self, text: str) -> Self:
        return evolve(self, text=text)

    def with_approved(self, approved: Callable[[TextKey], str | None]) -> Self:
        if self.type != "done":
            return self
        text = approved(TextKey(self.kind, 0, self.item))
        return self if text is None else evolve(self, text=text)

    def make_outlet(self, kinds: Container[Kind]) -> Outlet:
        return Outlet(kinds)

    def with_stop(self, choice: int) -> Sequence[Self]:
        assert choice == 0
        return [evolve(self, type="stop", text="")]


def start(item: int) -> Event:
    return Event("start", item)


def delta(item: int, text: str) -> Event:
    return Event("delta", item, text)


def done(item: int, text: str) -> Event:
    return Event("done", item, text)


def read(gate: Gate, *events: Event) -> list[Event]:
    return list(gate.chunks(events))


def test_items() -> None:
    """A text completes the window of the one before it, and one that goes on sees its own end."""
    check = Blocklist()
    events = [
        *(start(0), start(1), delta(0, "On"), delta(1, "Uno"), delta(0, "e")),
        *(done(0, "One"), delta(1, "s"), done(1, "Unos"), Event("end")),
    ]

    assert read(Gate(check), *events) == events
    assert check.seen == ["On", "OnUno", "One", "OnUnos"]


def test_hold() -> None:
    """The final end of a text releases what was held back."""
    events = [delta(0, "One. "), done(0, "One. "), start(1), delta(1, "Two. ")]

    assert read(Gate(Blocklist(), hold=3), *events) == [
        *(delta(0, "On"), delta(0, "e. "), done(0, "One. "), start(1)),
        *(delta(1, "Tw"), delta(1, "o. ")),
    ]


def test_items_without_an_end() -> None:
    """The text of an item that no event ends leaves before the text of a later item."""
    events = [Event("delta", 0, "Hm", "reasoning"), start(1), delta(1, "One."), Event("usage")]
    gate = Gate(Blocklist(), kinds=("content", "reasoning"), hold=5)

    assert read(gate, *events) == events


def test_complete_texts() -> None:
    """Of a complete text, what wasn't received before is checked, and all is as approved."""
    check = Blocklist()

    assert read(Gate(check), delta(0, "On"), done(0, "One. Two"), done(0, "One. Two")) == [
        *(delta(0, "One. "), delta(0, "Two"), done(0, "One. Two"), done(0, "One. Two"))
    ]
    assert check.seen == ["One. ", "One. Two"]


def test_ends_that_are_not_final() -> None:
    """An end after which text can follow completes the window; without an open text, nothing."""
    pause = Event("pause", 0)
    events = [pause, delta(0, "On"), pause, delta(0, "e"), done(0, "One"), pause]

    assert read(Gate(Blocklist()), *events) == [delta(0, "On"), delta(0, "e"), done(0, "One")]


def test_masks() -> None:
    """Complete texts have the replacements."""
    gate = Gate(lambda text: Replace(text.replace("Bob", "X")))
    assert read(gate, delta(0, "Bob"), done(0, "Bob"))[-1] == done(0, "X")


def test_masks_of_another_text() -> None:
    """A complete text that isn't the one received adds nothing, also after a replacement."""
    gate = Gate(lambda text: Replace(text.replace("Bob", "X")))
    assert read(gate, delta(0, "Bob"), done(0, "Another")) == [delta(0, "X"), done(0, "X")]
    assert gate.withheld == ("content",)


def test_unchecked_and_withheld() -> None:
    """Complete texts of kinds that pass without a check stay; those of withheld kinds don't."""
    other = Event("done", 0, "Hm", "reasoning")

    assert read(Gate(Blocklist(), unchecked=("reasoning",)), other) == [other]
    gate = Gate(Blocklist())
    assert read(gate, other) == [evolve(other, text="")]
    assert gate.withheld == ("reasoning",)


def test_stop_choice() -> None:
    """After a stop, only items of other choices, or of none, are released."""
    gate = Gate(Blocklist("Bad"), on_flagged="stop_choice")
    events = [delta(0, "Bad. "), done(0, "Bad. "), start(1), delta(1, "Two. "), Event("usage")]

    assert read(gate, *events) == [Event("stop", 0), Event("usage")]
    assert gate.withheld == ("padding",)


def test_many_names() -> None:
    """A server can't fill the memory with the names of fields."""
    events: Any = [Named(str(number) * 1000) for number in range(200)]
    gate = Gate(Blocklist())

    assert read(gate, *events) == []
    assert len(gate.withheld) == 100
    assert max(map(len, gate.withheld)) == 100


class Named(Event):
    """Event with an unknown field, which is its type."""

    def split_texts(self, unchecked: Container[Kind]) -> Iterator[Part]:
        assert unchecked == {"arguments"}
        yield Dropped(self.type)


def test_feed() -> None:
    """feed() and decide() work with items too."""
    gate = Gate()
    [window] = gate.feed(delta(2, "One. "))

    assert window == Window(text="One. ", overlap=0, choice=0, number=0, item=2)
    assert gate.decide(window, True) == [Release("One. ", item=2)]
    assert gate.released() == "One. "


def test_rest_without_an_item() -> None:
    """An item of no choice waits for the text that was received last."""
    events: Any = [delta(0, "One. T"), Event("usage"), delta(0, "wo. "), Event("usage")]

    assert [event.type for event in read(Gate(Blocklist()), *events)] == [
        *("delta", "delta", "usage", "usage")
    ]


class Hostile(Event):
    """Event that can't be split."""

    def split_texts(self, _: Container[Kind]) -> Iterator[Part]:
        raise MemoryError


@pytest.mark.anyio
async def test_item_that_raises() -> None:
    """An exception of an item breaks the iteration, because its text is lost."""
    events: Any = [delta(0, "One. "), Hostile("delta")]

    with pytest.raises(MemoryError):
        list(Gate(Blocklist()).releases(events))
    for concurrent in (1, 2):
        texts = Gate(Blocklist(), concurrent=concurrent).areleases(Chunks(*events))
        with pytest.raises(MemoryError):
            [each async for each in texts]
        with pytest.raises(BrokenStage):
            await anext(texts)


def test_complete_text_released_first() -> None:
    """With release="first", what a complete text adds is released at once too."""
    gate = Gate(Blocklist(), release="first")
    assert read(gate, delta(0, "One. Tw"), done(0, "One. Two")) == [
        *(delta(0, "One. Tw"), delta(0, "o"), done(0, "One. Two")),
    ]


@pytest.mark.parametrize("complete", ["Red green", "gre"])
def test_complete_text_that_begins_otherwise(complete: str) -> None:
    """A complete text that doesn't begin with the received text adds nothing to it."""
    gate = Gate(lambda _text: True)
    assert read(gate, delta(0, "green"), done(0, complete)) == [
        *(delta(0, "green"), done(0, "green")),
    ]
    assert gate.withheld == ("content",)


def test_complete_text_after_half_a_character() -> None:
    """Half a character that waits for its second half isn't repeated."""
    events = [delta(0, "a\ud83d"), done(0, "a\U0001f600")]
    (_, last) = read(Gate(lambda _text: True), *events)
    assert last == done(0, "a\U0001f600")
