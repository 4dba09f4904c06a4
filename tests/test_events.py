"""Events and comments are values."""

from sseparse import Comment, Event


def test_events_compare_by_value() -> None:
    """Equal attributes, equal events."""
    assert Event("a", "message", "", None) == Event("a")
    assert Event("a") != Event("a", id="1")
    assert Comment("a") != Comment("b")


def test_events_show_themselves() -> None:
    """The repr is readable, and is code."""
    assert repr(Event("a", id="1")) == "Event(data='a', event='message', id='1', retry=None)"
    assert repr(Comment(" ping")) == "Comment(text=' ping')"


def test_data_as_json() -> None:
    """json() decodes the data."""
    assert Event('{"a": [1]}').json() == {"a": [1]}
