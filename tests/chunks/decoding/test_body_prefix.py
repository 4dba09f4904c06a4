"""The start of a body decides between event streams, JSON, JSON Lines and other content."""

import pytest

from sseparse import ChunkParser, EncodingError, EndCause, LimitExceeded, NotEventStream
from sseparse.testing import check_parser, run_stage

EVENT = b'data: {"choices": [{"index": 0, "delta": {"content": "a"}}]}\n\n'


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html>",
        b"<html>\n" + b"x" * 600,
        b"Internal Server Error",
        b"\xef\xbb\xbf\n\nnot a stream\n\n",
        b"[1, 2]",
        b'"text"',
        b"{not: json}",
        b'{"id": "cut off in the mid',
        b"\x1f\x8b\x08\x00",
        b"datum: 5\n",
    ],
)
def test_not_an_event_stream(body: bytes) -> None:
    """A body without an event or comment is rejected at its end if its first line isn't a field."""
    parser = ChunkParser()
    assert parser.feed(body) == []
    assert parser.error is None
    assert parser.close() == []

    assert isinstance(parser.error, NotEventStream)
    assert parser.error.body_start == body[:512]
    assert parser.end is not None
    assert (parser.end.cause, parser.end.bytes_seen) == (EndCause.NOT_A_STREAM, len(body))
    check_parser(ChunkParser, body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b"data",
        b"retry: 5\n\n",
        b": ping\n\n",
        b"event: ping\n\n",
        b"x: y\n\n" + EVENT,
    ],
)
def test_possible_event_stream(body: bytes) -> None:
    """A body that can be an event stream or has events after an unknown field isn't rejected."""
    parser = ChunkParser()
    parser.feed(body)
    parser.close()

    assert parser.error is None
    check_parser(ChunkParser, body)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n \t\r\n"])
def test_json_lines(end: bytes) -> None:
    """A JSON Lines body is rejected at its second line, at the same byte for every split."""
    first, second = b'\n{"text": "a"}', b'{"text": "b"}'
    parser = ChunkParser()
    assert parser.feed(first + end) == []
    assert parser.error is None
    assert parser.feed(second[:1]) == []

    assert isinstance(parser.error, NotEventStream)
    assert parser.error.body_start == first + end + b"{"
    assert parser.end is not None
    assert parser.end.bytes_seen == len(first + end) + 1
    with pytest.raises(NotEventStream):
        parser.feed(second[1:])
    check_parser(ChunkParser, first + end + second + end)


@pytest.mark.parametrize("first", [b"{", b'{"a": 1}', b'{"choices": []}', b"{]\n[}", b"{]\n{"])
@pytest.mark.parametrize("line", [b"\n", b"\r", b"\r\n\r\n"])
def test_events_after_a_json_line(first: bytes, line: bytes) -> None:
    """A line of JSON before an event is an unknown field, which doesn't delay the chunk."""
    parser = ChunkParser()
    assert parser.feed(first + line) == []
    assert len(parser.feed(EVENT)) == 1
    check_parser(ChunkParser, first + line + EVENT)


def test_json_body_exceeds_the_limit() -> None:
    """A JSON body is rejected at the first byte beyond max_event_bytes."""
    body = b'\n{"choices": [' + b" " * 985
    parser = ChunkParser(max_event_bytes=999)
    assert parser.feed(body + b"]") == []
    assert parser.error is None
    assert parser.feed(b"}") == []

    assert isinstance(parser.error, LimitExceeded)
    assert (parser.error.limit, parser.error.maximum, parser.error.offset) == ("event", 999, 1)
    check_parser(lambda: ChunkParser(max_event_bytes=999), body + b"]}" + b" " * 10)
    check_parser(lambda: ChunkParser(max_event_bytes=999), body + b"\n\n" + EVENT)
    check_parser(lambda: ChunkParser(max_event_bytes=999), body[:500] + b"\n" + EVENT)
    assert len(ChunkParser(max_event_bytes=None).feed(body + b"\n\n" + EVENT)) == 1


def test_two_errors() -> None:
    """The first of two errors is reported, however the body is split."""
    body = b'\xef\xef{"a":1}\n{"b":2}\n'
    outcome = check_parser(lambda: ChunkParser(errors="strict"), body)
    assert isinstance(outcome.error, EncodingError)


def test_line_with_a_colon() -> None:
    """A line of a JSON body that begins with a colon isn't a comment."""
    parser = ChunkParser()
    parser.feed(b'{"choices"\n:[{"message": {"content": "a"}, "finish_reason": "stop"}]}')
    assert len(parser.close()) == 1


@pytest.mark.parametrize("last", [EVENT, b"data: " + b"x" * 5000 + b"\n\n"])
def test_large_prefix(last: bytes) -> None:
    """A prefix that was held back is parsed with the same limits, however the body is split."""
    body = b"{" + b" " * 200_000 + b"\ndata: \n\n" + EVENT * 2000 + last + EVENT
    outcomes = []
    for size in (len(body), 1000, 70_000):
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        parser = ChunkParser(max_event_bytes=1 << 20, max_line_bytes=4096)
        outcomes.append(run_stage(parser, pieces))

    assert len(outcomes[0].items) == (2002 if last == EVENT else 2000)
    assert (outcomes[0].error is None) == (last == EVENT)
    assert all(outcome.same_as(outcomes[0]) for outcome in outcomes)


def test_feed_after_close() -> None:
    """feed() after close() raises an error, whatever the body was."""
    for body in (b"", b"\n", b'{"error": 1', EVENT):
        parser = ChunkParser()
        parser.feed(body)
        parser.close()
        with pytest.raises((RuntimeError, NotEventStream)):
            parser.feed(b"{")


def test_malformed_bytes_before_a_possible_object() -> None:
    """An error before a held-back object is raised again by each later feed."""
    parser = ChunkParser(errors="strict")
    parser.feed(b'\xef\r\n\xbb\xbf\n\n{"choices": []}')

    assert isinstance(parser.error, EncodingError)
    with pytest.raises(EncodingError):
        parser.feed(b"data: {}\n\n")
