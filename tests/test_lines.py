"""Limits of lines and events, and lines that aren't collected."""

import tracemalloc
from typing import Any

import pytest

from sseparse import ChunkParser, Event, LimitExceeded, Parser
from sseparse.streams import EventOptions
from sseparse.testing import check_parser, run_stage

MEBIBYTE = 1 << 20


def limit_error(parser: Parser) -> LimitExceeded:
    assert isinstance(parser.error, LimitExceeded)
    return parser.error


def test_too_long_line_follows_the_events_before_it() -> None:
    """The feed returns the events before a too long line, and every later call raises the error."""
    parser = Parser(max_line_bytes=MEBIBYTE)

    events = parser.feed(b"data: a\n\n" + b"data: " + b"x" * 64 * MEBIBYTE)

    assert events == [Event("a")]
    error = limit_error(parser)
    assert (error.limit, error.maximum, error.offset) == ("line", MEBIBYTE, 9)
    with pytest.raises(LimitExceeded, match=r"Line larger than 1,048,576 bytes at byte 9"):
        parser.feed(b"\n\n")
    with pytest.raises(LimitExceeded):
        parser.close()


@pytest.mark.parametrize("limit", ["max_line_bytes", "max_event_bytes"])
def test_long_line_is_not_collected_beyond_the_limit(limit: str) -> None:
    """64 MiB in pieces use no more memory than the limit and a piece."""
    options: EventOptions = {limit: MEBIBYTE}  # type: ignore[misc] # a name that isn't a literal
    parser = Parser(**options)
    piece = b"x" * 65536
    tracemalloc.start()
    parser.feed(b"data: ")
    for _ in range(1024):
        parser.feed(piece)
        if parser.error is not None:
            break
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert limit_error(parser).maximum == MEBIBYTE
    # A growing bytearray allocates an eighth more than it needs, and is copied while it grows.
    assert peak < 2.5 * MEBIBYTE


@pytest.mark.parametrize("make", [Parser, ChunkParser])
def test_long_line_in_one_feed_is_not_copied(make: Any) -> None:
    """64 MiB in one feed use no more memory than the limit and a slice."""
    parser = make(max_line_bytes=MEBIBYTE)
    body = b"data: {}\n\ndata: " + b"x" * 64 * MEBIBYTE
    tracemalloc.start()
    items = parser.feed(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(items) == 1
    assert isinstance(parser.error, LimitExceeded)
    assert peak < 2.5 * MEBIBYTE


@pytest.mark.parametrize("start", [b": ", b"unknown: ", b"datax", b"<html>", b"data\xff: "])
def test_ignored_lines_are_not_collected(start: bytes) -> None:
    """A comment or an unknown field of any length is dropped, not buffered, and isn't an error."""
    parser = Parser(max_line_bytes=4096)
    piece = b"x" * 65536
    parser.feed(b"data: a\n\n" + start)
    tracemalloc.start()
    for _ in range(64):
        parser.feed(piece)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < 8192
    assert parser.feed(b"\ndata: b\n\n") == [Event("b")]
    parser.close()
    assert parser.end is not None
    assert parser.end.bytes_seen == 9 + len(start) + 64 * 65536 + 10


def test_requested_comments_are_limited() -> None:
    """With comments=True, the limit of a line applies to comments."""
    outcome = check_parser(lambda: Parser(comments=True, max_line_bytes=8), b":12345678\n")

    assert isinstance(outcome.error, LimitExceeded)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize(
    ("line", "is_too_long"),
    [
        (b"data: 3456789", True),
        (b"data: 34567", True),
        (b"data: 3456", False),
        (b"id:4567890", False),
        (b"id:45678901", True),
        (b"event:78901", True),
        (b"retry:00000000007", True),
        (b"ignored: 789012345", False),
        (b":23456789012345", False),
        (b"dat", False),
    ],
)
def test_line_limit(line: bytes, end: bytes, is_too_long: bool) -> None:
    """A line of a known field can have exactly the limit in bytes, without its line end."""
    body = b"data: a" + end + end + line + end + b"data: b" + end + end

    outcome = check_parser(lambda: Parser(max_line_bytes=10), body)

    assert outcome.items[0] == Event("a")
    assert (outcome.error is not None) == is_too_long
    if isinstance(outcome.error, LimitExceeded):
        assert outcome.error.offset == 7 + 2 * len(end)


def test_line_limit_shorter_than_a_field_name() -> None:
    """The limit applies only to lines of known fields, even if it's shorter than the name."""
    assert isinstance(
        check_parser(lambda: Parser(max_line_bytes=3), b"data\n\n").error, LimitExceeded
    )
    assert check_parser(lambda: Parser(max_line_bytes=3), b"datum\n\n").error is None


def test_event_limit() -> None:
    """The limit of an event applies to all its data, as dispatched."""
    fits = b"data: abc\ndata:\ndata: def\n\n"

    def make() -> Parser:
        return Parser(max_event_bytes=8)

    assert check_parser(make, fits).items == [Event("abc\n\ndef")]
    outcome = check_parser(make, fits + b"data: abcd\ndata: efgh\n\ndata: never\n\n")
    assert outcome.items == [Event("abc\n\ndef")]
    assert isinstance(outcome.error, LimitExceeded)
    assert (outcome.error.limit, outcome.error.maximum) == ("event", 8)
    assert outcome.error.offset == len(fits) + 11


def test_line_larger_than_the_event_limit() -> None:
    """A line that exceeds the limit of an event is reported before it ends."""
    outcome = check_parser(
        lambda: Parser(max_event_bytes=8, max_line_bytes=100), b"data:123456789\n"
    )
    assert isinstance(outcome.error, LimitExceeded)
    assert (outcome.error.limit, outcome.error.offset) == ("event", 0)

    outcome = check_parser(
        lambda: Parser(max_event_bytes=8, max_line_bytes=None), b"data: " + b"1" * 9
    )
    assert isinstance(outcome.error, LimitExceeded)
    assert outcome.error.limit == "event"


def test_event_limit_before_line_limit() -> None:
    """A too large event is reported rather than a too long line after it."""
    body = b"data: abc\ndata: def\ndata: " + b"x" * 100 + b"\n\n"

    outcome = check_parser(lambda: Parser(max_event_bytes=6, max_line_bytes=20), body)

    assert isinstance(outcome.error, LimitExceeded)
    assert (outcome.error.limit, outcome.error.offset) == ("event", 10)


def test_no_limit() -> None:
    """None disables a limit."""
    parser = Parser(max_line_bytes=None, max_event_bytes=None)
    long = b"x" * 40 * MEBIBYTE

    events = run_stage(parser, [b"data: ", long[:MEBIBYTE], long[MEBIBYTE:], b"\n\n"]).items

    assert [len(event.data) for event in events] == [len(long)]


def test_default_limits() -> None:
    """By default, an event of 16 MiB is accepted and a larger one than 32 MiB is an error."""
    body = b"data: " + b"x" * 16 * MEBIBYTE + b"\n\n"

    assert run_stage(Parser(), [body]).error is None
    assert run_stage(Parser(), [body[:-2] * 2 + body]).error is not None


def test_event_limit_applies_only_to_data() -> None:
    """An id, a type or a comment can be longer than the limit of an event."""
    long = b"12345678901234567890\n"
    body = b"id: " + long + b"event: " + long + b": " + long + b"data: a\n\n"

    outcome = check_parser(lambda: Parser(max_event_bytes=4, comments=True), body)

    assert outcome.error is None
    assert len(outcome.items) == 2


def test_bytes_beyond_a_limit_are_counted() -> None:
    """bytes_seen includes the bytes of a too long line."""
    parser = Parser(max_line_bytes=8)
    parser.feed(b"data: a\n\ndata: 123456789")

    assert parser.end is not None
    assert parser.end.bytes_seen == 24
