"""Events and comments as values."""

import attrs
import pytest

from sseparse import Comment, Event, Parser, encode


def test_events_compare_by_value() -> None:
    """Events and comments are equal if all attributes are."""
    assert Event("a", "message", "", None) == Event("a")
    assert Event("a") != Event("a", id="1")
    assert Comment("a") != Comment("b")


def test_repr() -> None:
    """The repr is the code that creates the object."""
    assert repr(Event("a", id="1")) == "Event(data='a', event='message', id='1', retry=None)"
    assert repr(Event("a", "x", retry=5)) == "Event(data='a', event='x', id='', retry=5)"
    assert repr(Event("a", named=True)) == (
        "Event(data='a', event='message', id='', retry=None, named=True)"
    )
    assert repr(Event("a", "x", named=False)) == (
        "Event(data='a', event='x', id='', retry=None, named=False)"
    )
    assert repr(Comment(" ping")) == "Comment(text=' ping')"


def test_data_as_json() -> None:
    """json() returns the decoded data."""
    assert Event('{"a": [1]}').json() == {"a": [1]}


class TestNamed:
    """Tests of `named`, which says whether an `event` field gave the type."""

    @pytest.mark.parametrize(
        ("lines", "event_type", "named"),
        [
            (b"", "message", False),
            (b"event: message\n", "message", True),
            (b"event:message\n", "message", True),
            (b"event: x\n", "x", True),
            (b"event:\n", "message", False),
            (b"event: \n", "message", False),
            (b"event\n", "message", False),
            (b"event: x\nevent:\n", "message", False),
            (b"event:\nevent: x\n", "x", True),
            (b"events: x\n", "message", False),
            (b"event: \xff\n", "\ufffd", True),
        ],
    )
    @pytest.mark.parametrize("size", [1, 3, 100])
    def test_of_a_parsed_event(self, lines: bytes, event_type: str, named: bool, size: int) -> None:
        """A parsed event is named if its last `event` field has a value."""
        body = b"data: a\n\n" + lines + b"data: b\n\ndata: c\n\n"
        parser = Parser()
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        events = [event for piece in pieces for event in parser.feed(piece)]

        assert [event.named for event in events] == [False, named, False]
        assert events[1] == Event("b", event_type)

    def test_of_an_incomplete_event(self) -> None:
        """An event that the end of the stream dispatches is named by the same rule."""
        parser = Parser(incomplete="dispatch")
        parser.feed(b"event: message\ndata: a")

        assert [event.named for event in parser.close()] == [True]

    def test_of_an_event_of_the_caller(self) -> None:
        """An event made without it is named unless its type is "message"."""
        assert not Event("a").named
        assert not Event("a", "message").named
        assert not Event("a", "").named
        assert Event("a", "x").named
        assert Event("a", named=True).named

    def test_is_not_compared(self) -> None:
        """By the standard, the same type with and without a field is the same event."""
        assert Event("a", named=True) == Event("a")

    @pytest.mark.parametrize("named", [True, False])
    @pytest.mark.parametrize("event_type", ["message", "x"])
    def test_is_encoded(self, event_type: str, named: bool) -> None:
        """An encoded event is parsed as an equal one with the same `named`."""
        event = Event("a", event_type, named=named)
        (parsed,) = Parser().feed(encode(event))

        assert parsed == event
        assert parsed.named == (named or event_type != "message")

    def test_fields(self) -> None:
        """The fields of an event create an equal event with the same `named`."""
        event = Event("a", id="1", named=True)
        copied = Event(**attrs.asdict(event))

        assert (copied, copied.named) == (event, True)
