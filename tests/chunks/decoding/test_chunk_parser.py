"""Chunk parsers: bytes to chunks, however the bytes are split."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse import ChunkParser, DecodeError, EndCause, LimitExceeded, ServerSentError
from sseparse.testing import check_parser


def chunk(text: str = "a", **fields: Any) -> bytes:
    body = {"choices": [{"index": 0, "delta": {"content": text}}], **fields}
    return json.dumps(body).encode()


def data(body: bytes) -> bytes:
    return b"data: " + body + b"\n\n"


BLOCKS = st.sampled_from(
    [
        data(chunk()),
        data(chunk("é")),
        data(chunk("b", provider="p")),
        data(chunk("\\ud83d")),
        data(b'{"choices":[{"index":0,"delta":{"content":"\xff"}}]}'),
        data(b'{"object":"text_completion","choices":[{"index":0,"text":"a"}]}'),
        data(b'{"error":{"message":"m"}}'),
        data(chunk(error={"message": "m"})),
        data(b"[DONE]"),
        data(b"no JSON"),
        data(b""),
        b": ping\n\n",
        b"event: error\ndata: x\n\n",
        b"id: 7\ndata: {}\r\n\r\n",
        chunk(),
        b"data: " + chunk(),
        b"data: [DONE]",
        b"data: {",
    ]
)


@given(st.lists(BLOCKS, max_size=6).map(b"".join), st.sampled_from(["raise", "skip"]))
def test_result_does_not_depend_on_the_pieces(body: bytes, on_bad_json: Any) -> None:
    """The chunks, the error and the state don't depend on how the bytes are split."""
    check_parser(
        lambda: ChunkParser(on_bad_json=on_bad_json),
        body,
        state=lambda parser: (
            (parser.done, parser.last_event_id, parser.skipped) if parser.error is None else None
        ),
    )


def test_chunks_are_returned_without_delay() -> None:
    """feed() returns the chunks that it completes."""
    parser = ChunkParser()
    body = data(chunk("a")) + data(chunk("b"))

    assert [c.text for c in parser.feed(body[:-1])] == ["a"]
    assert [c.text for c in parser.feed(bytearray(body[-1:]))] == ["b"]


def test_options() -> None:
    """A chunk parser passes its options to the event parser and the decoder."""
    parser = ChunkParser(last_event_id="5", retry=9)
    assert (parser.last_event_id, parser.retry) == ("5", 9)

    outcome = check_parser(lambda: ChunkParser(max_line_bytes=8), data(chunk()))
    assert isinstance(outcome.error, LimitExceeded)

    parser = ChunkParser(on_bad_json="skip")
    parser.feed(data(b"x") + data(b"[DONE]") + data(b"x"))
    assert (parser.skipped, parser.done, parser.after_done) == (1, True, 1)


def test_event_of_a_decode_error() -> None:
    """A DecodeError has the event with its last event ID, even if a piece has several events."""
    parser = ChunkParser()
    parser.feed(b"id: 7\ndata: {}\n\n")
    parser.feed(data(chunk()) + data(b"no JSON") + data(chunk()))

    assert isinstance(parser.error, DecodeError)
    assert parser.error.event.id == "7"


def test_error_is_raised_again() -> None:
    """Each call of feed() or close() after an error raises the error."""
    for body, kind in (
        (b'data: {"error":"m"}\n\n', ServerSentError),
        (b"data: " + b"x" * 99, LimitExceeded),
    ):
        parser = ChunkParser(max_line_bytes=50)
        parser.feed(body)
        with pytest.raises(kind):
            parser.feed(b"\n")
        with pytest.raises(kind):
            parser.close()


class TestMissingLastBlankLine:
    """A last event without a blank line is used if its data is complete."""

    @pytest.mark.parametrize("end", [b"", b"\n", b"\ndat", b"\nevent: x"])
    def test_complete_data(self, end: bytes) -> None:
        """A complete JSON object or [DONE] is used, and the end has `mid_event` set."""
        outcome = check_parser(ChunkParser, data(chunk("a")) + b"data: " + chunk("b") + end)
        assert [c.text for c in outcome.items] == ["a", "b"]

        parser = ChunkParser()
        parser.feed(data(chunk("a")) + b"data: [DONE]" + end)
        assert parser.close() == []
        assert parser.end is not None
        assert (parser.done, parser.end.mid_event, parser.end.cause) == (True, True, EndCause.DONE)

    @pytest.mark.parametrize("body", [chunk()[:-1], b"[DONE", b"5", b'"a"', b"[" * 100_000])
    def test_incomplete_data(self, body: bytes) -> None:
        """Data that isn't a complete JSON object or [DONE] is dropped without an error."""
        parser = ChunkParser()
        parser.feed(b"id: 3\ndata: " + body)

        assert parser.close() == []
        assert parser.error is None
        assert parser.last_event_id == ""
        assert parser.end is not None
        assert (parser.end.mid_event, parser.end.events_seen) == (True, 0)

    def test_server_error(self) -> None:
        """A server's error without a blank line is reported."""
        parser = ChunkParser()
        parser.feed(b'data: {"error":"m"}')

        assert parser.close() == []
        assert isinstance(parser.error, ServerSentError)

    def test_malformed_utf8(self) -> None:
        """With errors="strict", a truncated character at the end is an error."""
        parser = ChunkParser(errors="strict")
        parser.feed(b"data: {}\xc3")

        assert parser.close() == []
        assert parser.error is not None
        assert parser.end is not None
        assert parser.end.cause is EndCause.INCOMPLETE


def test_counts_of_the_end() -> None:
    """The end has the numbers of bytes, events and comments."""
    parser = ChunkParser()
    body = b": ping\n\n" + data(chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    parser.feed(body)
    assert parser.end is None
    parser.close()
    assert parser.close() == []

    end = parser.end
    assert end is not None
    assert (end.cause, end.finish_seen, end.done_seen) == (EndCause.FINISHED, True, False)
    assert (end.bytes_seen, end.events_seen, end.comments_seen) == (len(body), 1, 1)


def test_last_event_id_after_an_error() -> None:
    """The last event ID after an error is that of the event with the error."""
    body = b"id: 1\n" + data(chunk()) + b"id: 2\n" + data(b"bad") + b"id: 3\n" + data(chunk())

    for size in (len(body), 1):
        parser = ChunkParser()
        for at in range(0, len(body), size):
            if parser.error is None:
                parser.feed(body[at : at + size])
        assert parser.last_event_id == "2"


def test_error_after_the_finish() -> None:
    """A stream with an error after its finish reason isn't complete."""
    parser = ChunkParser(max_line_bytes=99)
    parser.feed(data(chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])))
    parser.feed(b"data: " + b"x" * 100)

    assert parser.end is not None
    assert (parser.end.finish_seen, parser.end.complete) == (True, False)
