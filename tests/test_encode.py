"""What is encoded reads back as it was, and cannot forge lines."""

import pytest

from sseparse import Comment, Event, Parser, encode


@pytest.mark.parametrize(
    ("item", "wire"),
    [
        (Event("a"), b"data: a\n\n"),
        (Event(""), b"data: \n\n"),
        (Event("a\nb\r\nc\rd"), b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
        (Event(" a", "x", "7", 5), b"event: x\nid: 7\nretry: 5\ndata:  a\n\n"),
        (Event("é"), b"data: \xc3\xa9\n\n"),
        (Event("a\u2028b"), "data: a\u2028b\n\n".encode()),
        (Comment(" ping"), b": ping\n"),
        (Comment("a\rb\nc"), b":a\n:b\n:c\n"),
    ],
)
def test_wire_form(item: Event | Comment, wire: bytes) -> None:
    """One field a line, one space after the colon, data split at CR, LF and CRLF."""
    assert encode(item) == wire


@pytest.mark.parametrize("bad", ["\r", "\n", "\0"])
@pytest.mark.parametrize("name", ["event", "id"])
def test_line_ends_are_refused(name: str, bad: str) -> None:
    """CR, LF and NUL in a type or an id would forge fields."""
    with pytest.raises(ValueError, match=rf"{name} .* would forge lines"):
        encode(Event("a", **{name: f"x{bad}data: forged"}))  # type: ignore[arg-type] # misuse


def test_a_type_that_cannot_be_said_is_refused() -> None:
    """An empty type reads back as "message", so it is no type."""
    with pytest.raises(ValueError, match=r"type is empty"):
        encode(Event("a", event=""))


def test_a_negative_retry_is_refused() -> None:
    """A reconnection time is digits only."""
    with pytest.raises(ValueError, match=r"retry is -1"):
        encode(Event("a", retry=-1))


def test_lone_surrogates_are_refused() -> None:
    """There is no UTF-8 for them."""
    with pytest.raises(ValueError, match=r"surrogates"):
        encode(Event("\ud83d"))


def test_other_things_are_refused() -> None:
    """Only events and comments can be encoded."""
    with pytest.raises(TypeError, match=r"not str"):
        encode("data: a")  # type: ignore[arg-type] # misuse


def test_ids_stick() -> None:
    """An event without an id reads back with the id before it, as the standard says."""
    wire = encode(Event("a", id="1")) + encode(Event("b"))

    assert Parser().feed(wire) == [Event("a", id="1"), Event("b", id="1")]
