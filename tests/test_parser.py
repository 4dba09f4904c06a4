"""The parser follows WHATWG HTML 9.2.5 and 9.2.6, however the bytes are cut."""

import copy
import json
import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cores import feed_piece
from sseparse import (
    ACCELERATED,
    Comment,
    EncodingError,
    End,
    EndCause,
    Event,
    LimitExceeded,
    Parser,
    SSEError,
    encode,
)
from sseparse.testing import Outcome, check_parser, every_split, run_stage

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "sse-cases.json").read_text()
)["cases"]


def body_of(case: dict[str, Any]) -> bytes:
    parts = case["input_parts"] if "input_parts" in case else [[case["input"], 1]]
    return "".join(text * times for text, times in parts).encode("latin-1")


def expected_events(case: dict[str, Any]) -> list[tuple[str, str, str]]:
    if "events_repeat" in case:
        listed = [case["events_repeat"]["event"]] * case["events_repeat"]["count"]
    else:
        listed = case["events"]
    return [
        (
            event["type"],
            event["data"]
            if "data" in event
            else "".join(text * times for text, times in event["data_parts"]),
            event["last_event_id"],
        )
        for event in listed
    ]


def state(parser: Parser[Any]) -> tuple[str, int | None]:
    return parser.last_event_id, parser.retry


def check_cuts(make: Callable[[], Parser[Any]], body: bytes) -> Outcome[Any]:
    """Check that items and state are the same at every cut, and return the items of one piece."""
    if len(body) <= 10_000:
        return check_parser(make, body, state=state)
    # Large bodies repeat a line, so that fewer cuts still include each of its bytes.
    parser = make()
    expected = run_stage(parser, [body])
    for pieces in every_split(body, most=60):
        other = make()
        assert run_stage(other, pieces).same_as(expected)
        assert state(other) == state(parser)
    return expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_conformance(case: dict[str, Any]) -> None:
    """Events, last event ID and reconnection time follow the standard, at every cut."""
    body = body_of(case)
    parser = Parser()

    outcome = run_stage(parser, [body])

    assert [(event.event, event.data, event.id) for event in outcome.items] == expected_events(case)
    assert outcome.error is None
    assert parser.last_event_id == case["last_event_id"]
    if "retry_any" not in case:
        assert parser.retry == case["retry"]
    check_cuts(Parser, body)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_comments_are_returned_among_the_same_events(case: dict[str, Any]) -> None:
    """comments=True adds the comments and doesn't change the events."""
    outcome = check_cuts(lambda: Parser(comments=True), body_of(case))

    events = [item for item in outcome.items if isinstance(item, Event)]
    comments = [item.text for item in outcome.items if isinstance(item, Comment)]
    assert [(event.event, event.data, event.id) for event in events] == expected_events(case)
    if "comments" in case:
        assert comments == case["comments"]


WIRE = st.lists(
    st.sampled_from(
        [
            b"data",
            b"event",
            b"id",
            b"retry",
            b"x",
            b":",
            b": ",
            b" ",
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"data: a\n\n",
            b"7",
            b"\x00",
            b"\xef\xbb\xbf",
            b"\xef",
            b"\xff",
            b"\xc3",
            b"\xa9",
        ]
    ),
    max_size=24,
).map(b"".join)


@given(WIRE, st.sampled_from(["replace", "strict"]), st.sampled_from([None, 3, 9]))
@example(b"data: a\n\n\r\n\ndata: b\n\n", "replace", None)
def test_cuts_do_not_change_the_items(body: bytes, errors: Any, maximum: int | None) -> None:
    """The items, the error and the state don't depend on how the bytes are cut."""

    def make() -> Parser[Event | Comment]:
        return Parser(comments=True, errors=errors, max_line_bytes=maximum, max_event_bytes=maximum)

    check_parser(make, body, state=state)
    check_parser(lambda: Parser(incomplete="dispatch", max_event_bytes=maximum), body, state=state)


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed(body: bytes) -> None:
    """Without limits and strict decoding, no bytes are an error."""
    outcome = check_parser(Parser, body, state=state)

    assert outcome.error is None


def test_event_is_returned_with_its_last_byte() -> None:
    """The feed of the line end that completes the blank line returns the event, also for a CR."""
    for end in (b"\n", b"\r", b"\r\n"):
        parser = Parser()
        head = b"data: a" + end
        assert [parser.feed(bytes([byte])) for byte in head] == [[]] * len(head)
        assert parser.feed(end[:1]) == [Event("a")]
        assert parser.feed(end[1:] + b"data: b" + end + end) == [Event("b")]


def test_lf_is_skipped_only_directly_after_cr() -> None:
    """An LF is part of a CRLF only if no byte is between it and the CR."""
    parser = Parser()

    assert parser.feed(b"data: a\r") == []
    assert parser.feed(b"data: b") == []
    assert parser.feed(b"\n\n") == [Event("a\nb")]


def test_empty_feed_changes_nothing() -> None:
    """An empty feed doesn't end the input and doesn't separate a CR from its LF."""
    parser = Parser()

    items = [parser.feed(piece) for piece in (b"", b"data: a\r", b"", b"\n", b"", b"\r\n", b"")]

    assert [item for feed in items for item in feed] == [Event("a")]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_types_of_bytes(kind: Any) -> None:
    """Bytes, bytearray and memoryview are accepted, and the buffer is released after the feed."""
    buffer = bytearray(b"data: caf\xc3\xa9\n\ndata: half")
    parser = Parser()

    events = parser.feed(kind(buffer))
    buffer[:] = b"-" * len(buffer)
    buffer.extend(b"this raises BufferError while the buffer has a view")

    assert events == [Event("café")]
    assert parser.feed(b"\n\n") == [Event("half")]


def test_feed_of_other_types_is_rejected() -> None:
    """Text raises a TypeError that says what to do, and the parser stays usable."""
    parser = Parser()

    with pytest.raises(TypeError, match=r"not str; encode the text"):
        parser.feed("data: a\n\n")  # type: ignore[arg-type] # misuse
    with pytest.raises(TypeError, match=r"not list"):
        parser.feed([100])  # type: ignore[arg-type] # misuse

    assert parser.feed(b"data: a\n\n") == [Event("a")]


def test_feed_after_close_is_rejected() -> None:
    """The RuntimeError recommends reset(). Closing twice does nothing."""
    parser = Parser()
    assert parser.close() == []
    assert parser.close() == []

    with pytest.raises(RuntimeError, match=r"reset\(\)"):
        parser.feed(b"data: a\n\n")


def test_reset_keeps_the_state_of_the_reconnection() -> None:
    """reset() keeps only the last event ID and the reconnection time."""
    parser = Parser(max_line_bytes=100)
    parser.feed(b"id: 7\nretry: 10\ndata: a\n\nid: 8\nevent: x\ndata: cut")
    parser.close()

    parser.reset()

    assert (parser.last_event_id, parser.retry, parser.end) == ("7", 10, None)
    assert parser.feed(b"\xef\xbb\xbfdata: b\n\n") == [Event("b", id="7")]


def test_reset_clears_an_error() -> None:
    """After an error, reset() prepares the parser for the next connection."""
    parser = Parser(max_line_bytes=10)
    parser.feed(b"data: longer than ten")
    assert parser.error is not None

    parser.reset()

    assert parser.error is None
    assert parser.feed(b"data: b\n\n") == [Event("b")]


def test_stream_is_resumed() -> None:
    """The parser starts with the given last event ID and reconnection time."""
    parser = Parser(last_event_id="41", retry=500)

    assert parser.feed(b"data: a\n\n") == [Event("a", id="41")]
    assert (parser.last_event_id, parser.retry) == ("41", 500)


def test_id_and_retry_without_data() -> None:
    """A block without data dispatches no event but sets the last event ID and the retry."""
    parser = Parser()

    assert parser.feed(b"id: 5\nretry: 7\n\n") == []
    assert (parser.last_event_id, parser.retry) == ("5", 7)
    assert parser.feed(b"data: a\n\n") == [Event("a", id="5")]


def test_id_of_a_truncated_block_is_ignored() -> None:
    """An id becomes the last event ID only when its block ends."""
    parser = Parser()
    parser.feed(b"id: 5\ndata: a\n")

    assert parser.last_event_id == ""
    parser.close()
    assert parser.last_event_id == ""


def test_id_with_nul_is_ignored() -> None:
    """An id that contains NUL doesn't change the last event ID."""
    outcome = check_parser(Parser, b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n", state=state)

    assert outcome.items == [Event("a", id="1"), Event("b", id="1")]


def test_retry_of_an_event() -> None:
    """Event.retry is that of its block; Parser.retry is the last one of the stream."""
    parser = Parser()

    assert parser.feed(b"retry: 5\ndata: a\n\ndata: b\n\n") == [Event("a", retry=5), Event("b")]
    assert parser.retry == 5


@pytest.mark.parametrize(
    ("value", "retry"),
    [
        (b"0" * 5000 + b"5", 5),
        (b"0" * 5000, 0),
        (b"9" * 5000, None),
        (b"9" * 30, int("9" * 30)),
        (b"", None),
        (b"+5", None),
        (b"1_0", None),
        ("٣".encode(), None),
        (b" 5", None),
    ],
)
def test_retry_is_ascii_digits_only(value: bytes, retry: int | None) -> None:
    """Other values are ignored, and any number of digits is accepted without a crash."""
    parser = Parser()

    parser.feed(b"retry: " + value + b"\ndata: a\n\n")

    assert parser.retry == retry


@pytest.mark.parametrize("cut", list(every_split(b"\xef\xbb\xbfdata: a\n\n")))
def test_one_byte_order_mark_is_removed(cut: list[bytes]) -> None:
    """One byte-order mark at the start of the stream is removed, in any number of pieces."""
    assert run_stage(Parser(), cut).items == [Event("a")]
    assert run_stage(Parser(), [b"\xef\xbb\xbf", *cut]).items == []


def test_partial_byte_order_mark_is_kept() -> None:
    """Two bytes of a mark before a field make an unknown field."""
    outcome = check_parser(Parser, b"\xef\xbbdata: a\n\ndata: b\n\n")

    assert outcome.items == [Event("b")]


def test_stream_shorter_than_a_byte_order_mark() -> None:
    """A stream can end inside a possible byte-order mark."""
    assert check_parser(Parser, b"\xef\xbb").items == []


@pytest.mark.parametrize("cut", list(every_split(b"\xef\xbb\xbf")))
def test_stream_of_a_byte_order_mark(cut: list[bytes]) -> None:
    """A stream that contains only a byte-order mark is finished, with three bytes."""
    parser = Parser()
    run_stage(parser, cut)

    assert parser.end == End(cause=EndCause.FINISHED, bytes_seen=3)


def test_reset_without_close_discards_the_block() -> None:
    """After reset(), the next event contains nothing of the block that was interrupted."""
    parser = Parser()
    parser.feed(b"\n\n\nid: 1\nevent: x\nretry: 5\ndata: cut\nda")
    parser.reset()

    assert parser.feed(b"data: a\n\n") == [Event("a")]
    parser.close()
    assert parser.end == End(cause=EndCause.FINISHED, bytes_seen=9, events_seen=1)


class TestBulk:
    """plain_events() returns the data of events of one data line each, by their type."""

    def test_events_are_counted(self) -> None:
        """Events in bulk are counted like those that feed() returns."""
        parser = Parser()
        parser.feed(b"data: a\n\n")

        runs = parser.plain_events(b"data: b\n\ndata: c\n\nda")
        assert runs == [("message", [b"b", b"c"])]
        assert (parser.events_seen, parser.bytes_seen) == (3, 29)

    @pytest.mark.skipif(not ACCELERATED, reason="the Python core parses events with a type singly")
    def test_events_with_types(self) -> None:
        """Events of one type in a row are together; a type can precede its piece."""
        parser = Parser()
        parser.feed(b"data: a\n\nevent: x\nda")

        body = b"ta: a\n\nevent: x\ndata: b\n\ndata: c\n\nevent:\ndata: d\n\nevent: y\nda"
        runs = parser.plain_events(body)
        assert runs == [("x", [b"a", b"b"]), ("message", [b"c", b"d"])]
        assert parser.feed(b"ta: e\n\n") == [Event("e", "y")]
        for other in (b"event: x\n\n", b"event: x\nid: 1\ndata: a\n\n", b"data: a\ndata: b\n\n"):
            assert parser.plain_events(other) is None

    def test_lf_is_skipped_only_directly_after_cr(self) -> None:
        """A CR at the end of a piece makes only a directly following LF part of its line end."""
        parser = Parser()
        parser.feed(b"data: a\r\n\r")
        for piece, expected in [
            (b"data: b\n\ndata: c", [Event("b")]),
            (b"\n\n", [Event("c")]),
        ]:
            assert feed_piece(parser, piece, "bulk") == expected


class TestStrict:
    """errors="strict" returns the events before ill-formed UTF-8 and then stops."""

    @pytest.mark.parametrize(
        ("body", "offset", "before"),
        [
            (b"data: a\n\ndata: \xff\n\n", 15, [Event("a")]),
            (b"data: a\n\ndata: \xe2\x82\n\n", 15, [Event("a")]),
            (b"\xef\xbb\xbfdata: a\n\n: \xc3", 14, [Event("a")]),
            (b"\xef\xbbdata: a\n\n", 0, []),
            (b"unknown \xf0\x9f\n", 8, []),
        ],
    )
    def test_offset(self, body: bytes, offset: int, before: list[Event]) -> None:
        """The error has the offset of the ill-formed sequence."""
        outcome = check_parser(lambda: Parser(errors="strict"), body)

        assert outcome.items == before
        assert isinstance(outcome.error, EncodingError)
        assert outcome.error.offset == offset
        assert outcome.error.reason

    def test_ill_formed_bytes_are_counted(self) -> None:
        """bytes_seen includes the bytes of an invalid or truncated character."""
        for body in (b"data: \xff", b"data: \xe2\x82"):
            parser = Parser(errors="strict")
            parser.feed(body)
            if parser.error is None:
                parser.close()
            assert parser.end is not None
            assert parser.end.bytes_seen == len(body)

    def test_well_formed_text_is_accepted(self) -> None:
        """Characters of one to four bytes are accepted."""
        body = "data: aé€😀\n\n".encode()

        assert check_parser(lambda: Parser(errors="strict"), body).items == [Event("aé€😀")]

    @pytest.mark.parametrize("rest", ["", "data: é"])
    def test_end_of_well_formed_text(self, rest: str) -> None:
        """The end of well-formed text is the same as with errors="replace"."""
        strict = Parser(errors="strict", incomplete="dispatch")
        lenient = Parser(incomplete="dispatch")
        body = f"data: a\n\n{rest}".encode()
        outcome = run_stage(strict, [body])

        assert outcome == run_stage(lenient, [body])
        assert outcome.items == [Event("a"), *[Event("é")] * bool(rest)]
        assert strict.end == lenient.end
        assert strict.end is not None
        assert strict.end.cause is (EndCause.INCOMPLETE if rest else EndCause.FINISHED)

    def test_first_error_counts(self) -> None:
        """The first of two errors in one feed is reported."""
        outcome = check_parser(
            lambda: Parser(errors="strict", max_line_bytes=8), b"data: too long\n\xff"
        )

        assert isinstance(outcome.error, LimitExceeded)


class TestIncomplete:
    """An event that no blank line ended."""

    def test_is_discarded(self) -> None:
        """By default it's discarded, as the standard says."""
        parser = Parser()
        parser.feed(b"id: 1\ndata: a\ndata: b")

        assert parser.close() == []
        assert parser.last_event_id == ""

    def test_is_dispatched(self) -> None:
        """incomplete="dispatch" parses the last line and the block as if they had ended."""
        parser = Parser(incomplete="dispatch")
        parser.feed(b"id: 1\ndata: a\ndata: b")

        assert parser.close() == [Event("a\nb", id="1")]
        assert parser.last_event_id == "1"
        assert parser.end is not None
        assert (parser.end.events_seen, parser.end.mid_event) == (1, True)

    def test_without_data(self) -> None:
        """A block without data dispatches nothing."""
        parser = Parser(incomplete="dispatch")
        parser.feed(b"event: x\nid: 1")

        assert parser.close() == []

    def test_too_large(self) -> None:
        """The last line counts toward the limit of the event."""
        parser = Parser(incomplete="dispatch", max_event_bytes=4)
        parser.feed(b"data: abc\ndata: de")

        assert parser.close() == []
        assert isinstance(parser.error, LimitExceeded)
        assert parser.error.offset == 10


class TestEnd:
    """`end` reports how the input ended and what was received."""

    def test_before_close(self) -> None:
        """The end is None before close()."""
        assert Parser().end is None

    @pytest.mark.parametrize(
        ("body", "mid_event"),
        [
            (b"", False),
            (b"data: a\n\n", False),
            (b"data: a\n\n: ping", False),
            (b": ping\n", False),
            (b"data: a\n", True),
            (b"data", True),
            (b"event: x\n", True),
            (b"id: 1\n", True),
            (b"retry: 1\n", True),
        ],
    )
    def test_mid_event(self, body: bytes, mid_event: bool) -> None:
        """`mid_event` is true if the input ended inside an event."""
        parser = Parser()
        parser.feed(body)
        parser.close()

        assert parser.end is not None
        assert parser.end.mid_event is mid_event
        assert parser.end.cause is (EndCause.INCOMPLETE if mid_event else EndCause.FINISHED)
        assert parser.end.complete is not mid_event

    @pytest.mark.parametrize("body", [b"\xef\xbb\xbf: a\r\n: b\ndata: a\n\ndata: b\n\nx: y\r" * 3])
    def test_counts(self, body: bytes) -> None:
        """Bytes, events and comments are counted, with the byte-order mark and ignored lines."""
        for pieces in every_split(body, most=20):
            parser = Parser()
            for piece in pieces:
                parser.feed(piece)
            parser.close()

            assert parser.end is not None
            assert (parser.end.bytes_seen, parser.end.events_seen, parser.end.comments_seen) == (
                len(body),
                6,
                4,  # the later marks turn two comments into unknown fields
            )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"last_event_id": None}, "last_event_id is None; give text"),
        ({"retry": "3"}, "retry is '3'; give milliseconds"),
        ({"retry": -1}, "retry is -1; give milliseconds"),
        ({"errors": "ignore"}, r"errors is 'ignore'; give one of 'replace', 'strict'"),
        ({"incomplete": "keep"}, r"incomplete is 'keep'"),
        ({"max_line_bytes": 0}, r"max_line_bytes is 0; .* None for no limit"),
        ({"max_event_bytes": -1}, r"max_event_bytes is -1"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str) -> None:
    """An invalid value of an option raises ValueError."""
    with pytest.raises(ValueError, match=message):
        Parser(**options)


def test_argument_of_feed() -> None:
    """feed() takes one argument, by position or as `data`."""
    parser: Any = Parser()
    parser.feed(b"\n" * 4)
    assert parser.feed(data=b"data: a\n\n") == [Event("a")]
    for arguments, named in [
        ((), {}),
        ((b"", b""), {}),
        ((), {"bytes": b""}),
        ((b"",), {"data": b""}),
    ]:
        with pytest.raises(TypeError, match="feed"):
            parser.feed(*arguments, **named)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_parser_is_not_copied(copied: Callable[[object], object]) -> None:
    """Copying or pickling a parser raises TypeError."""
    with pytest.raises(TypeError, match="can't be copied"):
        copied(Parser())


def test_memory_is_released_at_the_end() -> None:
    """After the end of a stream or an error, a parser keeps none of its data."""
    tracemalloc.start()
    parsers = [Parser(), Parser(max_line_bytes=1 << 21), Parser(errors="strict")]
    for parser in parsers:
        parser.feed(b"data: " + b"x" * (1 << 20) + b"\ndata: " + b"x" * (1 << 20))
    parsers[0].close()
    parsers[1].feed(b"x" * (1 << 21))
    parsers[2].feed(b"\xff")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [parser.error is None for parser in parsers] == [True, False, False]
    assert held < 1 << 17


LINE = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=12)
EVENTS = st.builds(
    Event,
    data=st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), max_size=20),
    event=LINE.filter(bool),
    id=LINE.filter(bool),
    retry=st.none() | st.integers(0, 10**6),
)


@given(st.lists(EVENTS | st.builds(Comment, LINE), max_size=5))
def test_encoded_items_are_parsed(items: list[Event | Comment]) -> None:
    """Parsing encoded items returns the same items."""
    body = b"".join(map(encode, items))

    assert check_parser(lambda: Parser(comments=True), body).items == items


@given(WIRE)
def test_parsed_events_are_encoded(body: bytes) -> None:
    """Events parsed from any bytes are the same after encoding and parsing."""
    events = run_stage(Parser(last_event_id="x"), [body]).items
    encoded = b"".join(encode(event) for event in events if "\0" not in event.event)

    again = run_stage(Parser(), [encoded]).items

    if all(event.id and "\0" not in event.event for event in events):
        assert again == events


def test_errors_are_sse_errors() -> None:
    """Every error of a stream is an SSEError."""
    parser = Parser(max_line_bytes=6)
    parser.feed(b"data: ab")

    assert isinstance(parser.error, SSEError)
    with pytest.raises(SSEError):
        parser.feed(b"\n")
    with pytest.raises(SSEError):
        parser.close()


@pytest.mark.parametrize("line", [b"retry: 5", b"id: 5", b"event: 5"])
@pytest.mark.parametrize("incomplete", ["discard", "dispatch"])
def test_incomplete_line_sets_nothing(line: bytes, incomplete: Any) -> None:
    """An id, event or retry line without a line end is ignored: it may be truncated."""
    parser = Parser(incomplete=incomplete)
    parser.feed(b"data: a\n" + line)

    assert parser.close() == ([Event("a")] if incomplete == "dispatch" else [])
    assert state(parser) == ("", None)


@given(WIRE, st.integers(1, 12))
@example(b"id: 7\r\ndata:\xe2\x82\n\n", 5)
@example(b"\xef\xbb\xbfretry:", 1)
def test_two_errors_in_one_stream(body: bytes, maximum: int) -> None:
    """With strict decoding and limits, the error is the same at every cut."""
    check_parser(lambda: Parser(errors="strict", max_line_bytes=maximum), body, state=state)
    check_parser(lambda: Parser(errors="strict", max_event_bytes=maximum), body, state=state)
