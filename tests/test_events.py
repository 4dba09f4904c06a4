"""Events and comments as values."""

from sseparse import Comment, Event


def test_events_compare_by_value() -> None:
    """Events and comments are equal if all attributes are."""
    assert Event("a", "message", "", None) == Event("a")
    assert Event("a") != Event("a", id="1")
    assert Comment("a") != Comment("b")


def test_repr() -> None:
    """The repr is the code that creates the object."""
    assert repr(Event("a", id="1")) == "Event(data='a', event='message', id='1', retry=None)"
    assert repr(Comment(" ping")) == "Comment(text=' ping')"


def test_data_as_json() -> None:
    """json() returns the decoded data."""
    assert Event('{"a": [1]}').json() == {"a": [1]}
