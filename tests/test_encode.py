"""Encoding of events and comments."""

import pytest

from sseparse import Comment, Event, Parser, encode


@pytest.mark.parametrize(
    ("item", "wire"),
    [
        (Event("a"), b"data: a\n\n"),
        (Event(""), b"data: \n\n"),
        (Event("a\nb\r\nc\rd"), b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
        (Event("a", "message"), b"data: a\n\n"),
        (Event("a", named=True), b"event: message\ndata: a\n\n"),
        (Event(" a", "x", "7", 5), b"event: x\nid: 7\nretry: 5\ndata:  a\n\n"),
        (Event("é"), b"data: \xc3\xa9\n\n"),
        (Event("a\u2028b"), "data: a\u2028b\n\n".encode()),
        (Comment(" ping"), b": ping\n"),
        (Comment("a\rb\nc"), b":a\n:b\n:c\n"),
    ],
)
def test_wire_form(item: Event | Comment, wire: bytes) -> None:
    """Each field is a line with one space after the colon; CR, LF and CRLF split data."""
    assert encode(item) == wire


@pytest.mark.parametrize("bad", ["\r", "\n", "\0"])
@pytest.mark.parametrize("name", ["event", "id"])
def test_line_ends_are_rejected(name: str, bad: str) -> None:
    """CR, LF or NUL in a type or an id raises ValueError."""
    with pytest.raises(ValueError, match=rf"{name} .* would forge lines"):
        encode(Event("a", **{name: f"x{bad}data: forged"}))  # type: ignore[arg-type] # misuse


def test_empty_type_is_rejected() -> None:
    """An empty type raises ValueError, because it would be parsed as "message"."""
    with pytest.raises(ValueError, match=r"type is empty"):
        encode(Event("a", event=""))


def test_negative_retry_is_rejected() -> None:
    """A negative reconnection time raises ValueError."""
    with pytest.raises(ValueError, match=r"retry is -1"):
        encode(Event("a", retry=-1))


def test_lone_surrogates_are_rejected() -> None:
    """Lone surrogates raise ValueError, because UTF-8 can't encode them."""
    with pytest.raises(ValueError, match=r"surrogates"):
        encode(Event("\ud83d"))


def test_other_types_are_rejected() -> None:
    """Anything but an event or a comment raises TypeError."""
    with pytest.raises(TypeError, match=r"not str"):
        encode("data: a")  # type: ignore[arg-type] # misuse


def test_event_without_id_gets_the_last_id() -> None:
    """An event without an id is parsed with the id before it, as the standard says."""
    wire = encode(Event("a", id="1")) + encode(Event("b"))

    assert Parser().feed(wire) == [Event("a", id="1"), Event("b", id="1")]
