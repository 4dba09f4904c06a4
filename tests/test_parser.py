"""The parser does what WHATWG HTML 9.2.5 and 9.2.6 say, however the bytes are cut."""

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

from sseparse import (
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
from sseparse.testing import check_parser, every_split, run_stage

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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_conformance(case: dict[str, Any]) -> None:
    """Events, last event ID and reconnection time are the standard's, at every cut."""
    body = body_of(case)
    parser = Parser()

    outcome = run_stage(parser, [body])

    assert [(event.event, event.data, event.id) for event in outcome.items] == expected_events(case)
    assert outcome.error is None
    assert parser.last_event_id == case["last_event_id"]
    if "retry_any" not in case:
        assert parser.retry == case["retry"]
    check_parser(Parser, body, state=state)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_comments_are_told_and_change_nothing(case: dict[str, Any]) -> None:
    """With comments=True the comments stand among the same events."""
    outcome = check_parser(lambda: Parser(comments=True), body_of(case), state=state)

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
def test_any_cut_equals_the_whole(body: bytes, errors: Any, maximum: int | None) -> None:
    """However bytes are cut: the same items, the same error, the same state."""

    def make() -> Parser[Event | Comment]:
        return Parser(comments=True, errors=errors, max_line_bytes=maximum, max_event_bytes=maximum)

    check_parser(make, body, state=state)
    check_parser(lambda: Parser(incomplete="dispatch", max_event_bytes=maximum), body, state=state)


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed(body: bytes) -> None:
    """No bytes are a fault of the stream, but for limits and strict decoding."""
    outcome = check_parser(Parser, body, state=state)

    assert outcome.error is None


def test_an_event_is_returned_by_the_feed_that_ends_it() -> None:
    """Prompt: each event comes with the last byte of its blank line, a lone CR included."""
    for end in (b"\n", b"\r", b"\r\n"):
        parser = Parser()
        head = b"data: a" + end
        assert [parser.feed(bytes([byte])) for byte in head] == [[]] * len(head)
        assert parser.feed(end[:1]) == [Event("a")]
        assert parser.feed(end[1:] + b"data: b" + end + end) == [Event("b")]


def test_lf_after_cr_is_swallowed_only_at_once() -> None:
    """An LF belongs to the CR before it only if nothing, not even a comment, came between."""
    parser = Parser()

    assert parser.feed(b"data: a\r") == []
    assert parser.feed(b"data: b") == []
    assert parser.feed(b"\n\n") == [Event("a\nb")]


def test_no_bytes_change_nothing() -> None:
    """An empty feed is no end of input, and does not separate a CR from its LF."""
    parser = Parser()

    items = [parser.feed(piece) for piece in (b"", b"data: a\r", b"", b"\n", b"", b"\r\n", b"")]

    assert [item for feed in items for item in feed] == [Event("a")]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_every_kind(kind: Any) -> None:
    """Bytes, bytearray and memoryview are taken, and the buffer is free again after the feed."""
    buffer = bytearray(b"data: caf\xc3\xa9\n\ndata: half")
    parser = Parser()

    events = parser.feed(kind(buffer))
    buffer[:] = b"-" * len(buffer)
    buffer.extend(b"it would raise BufferError if anyone still held a view")

    assert events == [Event("café")]
    assert parser.feed(b"\n\n") == [Event("half")]


def test_a_feed_that_is_not_bytes_says_what_to_do() -> None:
    """Text is refused with a TypeError that names the cure, and does no harm."""
    parser = Parser()

    with pytest.raises(TypeError, match=r"not str; encode it"):
        parser.feed("data: a\n\n")  # type: ignore[arg-type] # misuse
    with pytest.raises(TypeError, match=r"not list"):
        parser.feed([100])  # type: ignore[arg-type] # misuse

    assert parser.feed(b"data: a\n\n") == [Event("a")]


def test_feed_after_close_is_misuse() -> None:
    """RuntimeError says to reset(); closing twice is nothing."""
    parser = Parser()
    assert parser.close() == []
    assert parser.close() == []

    with pytest.raises(RuntimeError, match=r"reset\(\)"):
        parser.feed(b"data: a\n\n")


def test_reset_keeps_what_belongs_to_the_reconnection() -> None:
    """After reset() only the last event ID and the reconnection time are as before."""
    parser = Parser(max_line_bytes=100)
    parser.feed(b"id: 7\nretry: 10\ndata: a\n\nid: 8\nevent: x\ndata: cut")
    parser.close()

    parser.reset()

    assert (parser.last_event_id, parser.retry, parser.end) == ("7", 10, None)
    assert parser.feed(b"\xef\xbb\xbfdata: b\n\n") == [Event("b", id="7")]


def test_reset_ends_a_fault() -> None:
    """A parser that met a fault serves the next connection after reset()."""
    parser = Parser(max_line_bytes=10)
    parser.feed(b"data: longer than ten")
    assert parser.error is not None

    parser.reset()

    assert parser.error is None
    assert parser.feed(b"data: b\n\n") == [Event("b")]


def test_a_stream_can_be_resumed() -> None:
    """The last event ID and reconnection time of an earlier stream are the ones to begin with."""
    parser = Parser(last_event_id="41", retry=500)

    assert parser.feed(b"data: a\n\n") == [Event("a", id="41")]
    assert (parser.last_event_id, parser.retry) == ("41", 500)


def test_id_and_retry_count_without_an_event() -> None:
    """A block without data dispatches nothing, yet sets the last event ID and the retry."""
    parser = Parser()

    assert parser.feed(b"id: 5\nretry: 7\n\n") == []
    assert (parser.last_event_id, parser.retry) == ("5", 7)
    assert parser.feed(b"data: a\n\n") == [Event("a", id="5")]


def test_an_id_counts_when_its_block_ends() -> None:
    """The id of a block that was cut is not one to resume from."""
    parser = Parser()
    parser.feed(b"id: 5\ndata: a\n")

    assert parser.last_event_id == ""
    parser.close()
    assert parser.last_event_id == ""


def test_an_id_with_nul_is_ignored() -> None:
    """A NUL in an id leaves the last event ID as it was."""
    outcome = check_parser(Parser, b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n", state=state)

    assert outcome.items == [Event("a", id="1"), Event("b", id="1")]


def test_retry_stands_on_the_event_of_its_block() -> None:
    """Event.retry is the block's own; the parser keeps the last one."""
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
    """Anything else is ignored, and no number of digits is a crash."""
    parser = Parser()

    parser.feed(b"retry: " + value + b"\ndata: a\n\n")

    assert parser.retry == retry


@pytest.mark.parametrize("cut", list(every_split(b"\xef\xbb\xbfdata: a\n\n")))
def test_one_leading_mark_is_stripped(cut: list[bytes]) -> None:
    """The byte-order mark goes, in however many pieces it comes; only the first, and only there."""
    assert run_stage(Parser(), cut).items == [Event("a")]
    assert run_stage(Parser(), [b"\xef\xbb\xbf", *cut]).items == []


def test_what_only_begins_like_a_mark_stays() -> None:
    """Two bytes of a mark and something else are ill-formed text, so an unknown field."""
    outcome = check_parser(Parser, b"\xef\xbbdata: a\n\ndata: b\n\n")

    assert outcome.items == [Event("b")]


def test_a_stream_that_is_less_than_a_mark() -> None:
    """A stream may end before it is known whether it begins with a mark."""
    assert check_parser(Parser, b"\xef\xbb").items == []


@pytest.mark.parametrize("cut", list(every_split(b"\xef\xbb\xbf")))
def test_the_end_of_a_mark_alone(cut: list[bytes]) -> None:
    """It is a stream of nothing, which ended well."""
    parser = Parser()
    run_stage(parser, cut)

    assert parser.end == End(cause=EndCause.FINISHED, bytes_seen=3)


def test_reset_without_close_drops_the_block() -> None:
    """Nothing of a block that was not ended is part of the next connection's first event."""
    parser = Parser()
    parser.feed(b"\n\n\nid: 1\nevent: x\nretry: 5\ndata: cut\nda")
    parser.reset()

    assert parser.feed(b"data: a\n\n") == [Event("a")]
    parser.close()
    assert parser.end == End(cause=EndCause.FINISHED, bytes_seen=9, events_seen=1)


class TestBulk:
    """plain_events() gives events of one data line each as their values."""

    def test_events_are_counted(self) -> None:
        """As those that feed() returns."""
        parser = Parser()
        parser.feed(b"data: a\n\n")

        assert parser.plain_events(b"data: b\n\ndata: c\n\nda") == [b"b", b"c"]
        assert (parser.events_seen, parser.bytes_seen) == (3, 29)

    def test_an_lf_after_a_line_in_between_is_no_part_of_a_crlf(self) -> None:
        """A CR that ended an earlier piece takes the LF that follows it at once, and no other."""
        parser = Parser()
        parser.feed(b"data: a\r\n\r")
        for piece, expected in [
            (b"data: b\n\ndata: c", [Event("b")]),
            (b"\n\n", [Event("c")]),
        ]:
            values = parser.plain_events(piece)
            events = parser.feed(piece) if values is None else [Event(v.decode()) for v in values]
            assert events == expected


class TestStrict:
    """errors="strict" stops at ill-formed UTF-8; what came before it is returned."""

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
        """The error says where the ill-formed sequence begins."""
        outcome = check_parser(lambda: Parser(errors="strict"), body)

        assert outcome.items == before
        assert isinstance(outcome.error, EncodingError)
        assert outcome.error.offset == offset
        assert outcome.error.reason

    def test_the_ill_formed_bytes_are_counted(self) -> None:
        """They came too, be the character wrong or only cut."""
        for body in (b"data: \xff", b"data: \xe2\x82"):
            parser = Parser(errors="strict")
            parser.feed(body)
            if parser.error is None:
                parser.close()
            assert parser.end is not None
            assert parser.end.bytes_seen == len(body)

    def test_well_formed_is_no_fault(self) -> None:
        """Text of every width passes."""
        body = "data: aé€😀\n\n".encode()

        assert check_parser(lambda: Parser(errors="strict"), body).items == [Event("aé€😀")]

    @pytest.mark.parametrize("rest", ["", "data: é"])
    def test_a_healthy_end(self, rest: str) -> None:
        """Without ill-formed text the end is as with errors="replace"."""
        strict = Parser(errors="strict", incomplete="dispatch")
        lenient = Parser(incomplete="dispatch")
        body = f"data: a\n\n{rest}".encode()
        outcome = run_stage(strict, [body])

        assert outcome == run_stage(lenient, [body])
        assert outcome.items == [Event("a"), *[Event("é")] * bool(rest)]
        assert strict.end == lenient.end
        assert strict.end is not None
        assert strict.end.cause is (EndCause.INCOMPLETE if rest else EndCause.FINISHED)

    def test_an_earlier_fault_stays(self) -> None:
        """Of two faults in one feed the first counts."""
        outcome = check_parser(
            lambda: Parser(errors="strict", max_line_bytes=8), b"data: too long\n\xff"
        )

        assert isinstance(outcome.error, LimitExceeded)


class TestIncomplete:
    """An event that no blank line ended."""

    def test_is_discarded(self) -> None:
        """As the standard says."""
        parser = Parser()
        parser.feed(b"id: 1\ndata: a\ndata: b")

        assert parser.close() == []
        assert parser.last_event_id == ""

    def test_is_dispatched_when_asked_for(self) -> None:
        """incomplete="dispatch" reads the last line as if it had ended, and the block too."""
        parser = Parser(incomplete="dispatch")
        parser.feed(b"id: 1\ndata: a\ndata: b")

        assert parser.close() == [Event("a\nb", id="1")]
        assert parser.last_event_id == "1"
        assert parser.end is not None
        assert (parser.end.events_seen, parser.end.mid_event) == (1, True)

    def test_without_data_is_nothing(self) -> None:
        """There is no event to dispatch where no data came."""
        parser = Parser(incomplete="dispatch")
        parser.feed(b"event: x\nid: 1")

        assert parser.close() == []

    def test_too_large_is_a_fault(self) -> None:
        """The last line counts towards the event's limit."""
        parser = Parser(incomplete="dispatch", max_event_bytes=4)
        parser.feed(b"data: abc\ndata: de")

        assert parser.close() == []
        assert isinstance(parser.error, LimitExceeded)
        assert parser.error.offset == 10


class TestEnd:
    """`end` says how the input ended, and what had come by then."""

    def test_goes_on(self) -> None:
        """There is no end before close()."""
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
        """The input was cut inside an event, or it was not."""
        parser = Parser()
        parser.feed(body)
        parser.close()

        assert parser.end is not None
        assert parser.end.mid_event is mid_event
        assert parser.end.cause is (EndCause.INCOMPLETE if mid_event else EndCause.FINISHED)
        assert parser.end.complete is not mid_event

    @pytest.mark.parametrize("body", [b"\xef\xbb\xbf: a\r\n: b\ndata: a\n\ndata: b\n\nx: y\r" * 3])
    def test_counts(self, body: bytes) -> None:
        """Bytes, events and comments are counted, the mark and what was ignored included."""
        for pieces in every_split(body, most=20):
            parser = Parser()
            for piece in pieces:
                parser.feed(piece)
            parser.close()

            assert parser.end is not None
            assert (parser.end.bytes_seen, parser.end.events_seen, parser.end.comments_seen) == (
                len(body),
                6,
                4,  # the marks that are not leading make unknown fields of two comments
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
    """A value that means nothing is refused at once."""
    with pytest.raises(ValueError, match=message):
        Parser(**options)


def test_what_is_fed_may_be_named() -> None:
    """feed() takes one argument, data."""
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
def test_a_parser_is_not_copied(copied: Callable[[object], object]) -> None:
    """Two that share the middle of a stream would take from each other."""
    with pytest.raises(TypeError, match="can't be copied"):
        copied(Parser())


def test_what_is_held_is_let_go_at_the_end() -> None:
    """A parser whose stream ended, well or not, keeps nothing of it."""
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
def test_what_was_encoded_is_parsed(items: list[Event | Comment]) -> None:
    """parse(encode(items)) == items."""
    body = b"".join(map(encode, items))

    assert check_parser(lambda: Parser(comments=True), body).items == items


@given(WIRE)
def test_what_was_parsed_can_be_encoded(body: bytes) -> None:
    """Whatever the wire held, its events round-trip."""
    events = run_stage(Parser(last_event_id="x"), [body]).items
    encoded = b"".join(encode(event) for event in events if "\0" not in event.event)

    again = run_stage(Parser(), [encoded]).items

    if all(event.id and "\0" not in event.event for event in events):
        assert again == events


def test_every_error_is_in_one_tree() -> None:
    """Whoever catches SSEError catches every fault of a stream."""
    parser = Parser(max_line_bytes=6)
    parser.feed(b"data: ab")

    assert isinstance(parser.error, SSEError)
    with pytest.raises(SSEError):
        parser.feed(b"\n")
    with pytest.raises(SSEError):
        parser.close()


@pytest.mark.parametrize("line", [b"retry: 5", b"id: 5", b"event: 5"])
@pytest.mark.parametrize("incomplete", ["discard", "dispatch"])
def test_half_a_line_sets_nothing(line: bytes, incomplete: Any) -> None:
    """A line that no line end ended may be half of another one."""
    parser = Parser(incomplete=incomplete)
    parser.feed(b"data: a\n" + line)

    assert parser.close() == ([Event("a")] if incomplete == "dispatch" else [])
    assert state(parser) == ("", None)


@given(WIRE, st.integers(1, 12))
@example(b"id: 7\r\ndata:\xe2\x82\n\n", 5)
@example(b"\xef\xbb\xbfretry:", 1)
def test_two_faults_in_one_stream(body: bytes, maximum: int) -> None:
    """Strict decoding and limits together: the same fault at every cut."""
    check_parser(lambda: Parser(errors="strict", max_line_bytes=maximum), body, state=state)
    check_parser(lambda: Parser(errors="strict", max_event_bytes=maximum), body, state=state)
