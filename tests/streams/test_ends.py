"""How complete and truncated streams of chunks end."""

import json
from contextlib import nullcontext
from typing import Any

import pytest
from attrs import evolve

from sseparse import (
    Accumulator,
    AsyncStream,
    ChunkParser,
    End,
    EndCause,
    EventStream,
    IncompleteStream,
    LimitExceeded,
    NotEventStream,
    Parser,
    ServerSentError,
    Stream,
)
from sseparse.chunks import ContentDelta, ContentDone, ToolCallStarted, Update
from sseparse.testing import run_stage

from .sources import DONE, FINISH, AsyncSource, Response, chunk, data

TOOL_CALL = data(
    json.dumps(
        {
            "choices": [
                {
                    "index": 0,
                    "delta": {
                        "tool_calls": [
                            {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a'}}
                        ]
                    },
                }
            ]
        }
    )
)
PARTIAL_EVENT = b'data: {"choices": [{"ind'

# Pieces, their end without `bytes_seen`, and whether the stream is complete.
ENDS: dict[str, tuple[list[bytes], End, bool]] = {
    "before the first byte": (
        [],
        End(EndCause.INCOMPLETE),
        False,
    ),
    "inside an event": (
        [chunk("Hel"), PARTIAL_EVENT],
        End(EndCause.INCOMPLETE, mid_event=True, events_seen=1, finish_reasons={0: None}),
        False,
    ),
    "inside a tool call": (
        [TOOL_CALL],
        End(EndCause.INCOMPLETE, events_seen=1, finish_reasons={0: None}),
        False,
    ),
    "after the finish, without [DONE]": (
        [chunk("Hel"), FINISH],
        End(EndCause.FINISHED, finish_seen=True, events_seen=2, finish_reasons={0: "stop"}),
        True,
    ),
    "after [DONE], without a finish": (
        [chunk("Hel"), DONE],
        End(EndCause.DONE, done_seen=True, events_seen=2, finish_reasons={0: None}),
        True,
    ),
    "inside an event, after the finish": (
        [chunk("Hel"), FINISH, b"data: [DO"],
        End(
            EndCause.FINISHED,
            finish_seen=True,
            mid_event=True,
            events_seen=2,
            finish_reasons={0: "stop"},
        ),
        True,
    ),
    "when one of two choices has finished": (
        [chunk("Hel"), data('{"choices": [{"index": 1, "delta": {}}]}'), FINISH],
        End(EndCause.INCOMPLETE, events_seen=3, finish_reasons={0: "stop", 1: None}),
        False,
    ),
}


def with_bytes_seen(end: End, pieces: list[bytes]) -> End:
    return evolve(end, bytes_seen=len(b"".join(pieces)))


@pytest.mark.parametrize("case", ENDS)
class TestEnds:
    """A stream is complete after [DONE] or the finish reasons of all choices."""

    def test_parser(self, case: str) -> None:
        """The parser reports the end and accepts truncated streams."""
        pieces, end, _ = ENDS[case]
        parser = ChunkParser()
        run_stage(parser, pieces)

        assert parser.error is None
        assert parser.end == with_bytes_seen(end, pieces)

    def test_accumulator(self, case: str) -> None:
        """result() with the parser's end raises an error for a truncated stream."""
        pieces, _, complete = ENDS[case]
        parser, accumulator = ChunkParser(), Accumulator()
        for item in run_stage(parser, pieces).items:
            accumulator.add(item)

        if complete:
            assert accumulator.result(parser.end).text == "Hel"
            return
        with pytest.raises(IncompleteStream) as raised:
            accumulator.result(parser.end)
        assert raised.value.end == parser.end
        assert raised.value.partial == accumulator.snapshot()

    def test_stream(self, case: str) -> None:
        """A truncated stream raises an error after its last chunk."""
        pieces, end, complete = ENDS[case]
        stream = Stream(pieces)
        if complete:
            assert stream.result().text == "Hel"
        else:
            with pytest.raises(IncompleteStream) as raised:
                stream.result()
            assert raised.value.end == stream.end
            assert raised.value.partial == stream.snapshot()
        assert stream.end == with_bytes_seen(end, pieces)

    def test_accept_incomplete(self, case: str) -> None:
        """on_incomplete="accept" raises no error and reports the same end."""
        pieces, end, _ = ENDS[case]
        stream = Stream(pieces, on_incomplete="accept")

        assert stream.result() == stream.snapshot()
        assert stream.end == with_bytes_seen(end, pieces)


def test_server_error_after_the_finish() -> None:
    """result() with the parser's end raises an error if the server sent one after the finish."""
    parser, accumulator = ChunkParser(), Accumulator()
    for item in parser.feed(chunk("a") + FINISH + data('{"error": "m"}')):
        accumulator.add(item)

    assert accumulator.result().text == "a"
    with pytest.raises(
        IncompleteStream, match=r"after 3 events \(\d+ bytes\) with an error that the server"
    ):
        accumulator.result(parser.end)


def test_limit_exceeded_in_the_last_piece() -> None:
    """A chunk beyond a limit ends the stream, even if its piece has [DONE]."""
    stream = Stream([chunk("a") + TOOL_CALL + FINISH + DONE], max_tool_calls=0)

    assert next(stream).text == "a"
    with pytest.raises(LimitExceeded) as raised:
        next(stream)
    assert raised.value.partial.text == "a"
    assert stream.end is not None
    assert stream.end.cause is EndCause.INCOMPLETE


def test_accumulator_without_the_end() -> None:
    """Without the parser's end, result() decides by the finish reasons and reports them."""
    accumulator = Accumulator()
    for item in ChunkParser().feed(ENDS["after [DONE], without a finish"][0][0]):
        accumulator.add(item)
    with pytest.raises(IncompleteStream) as raised:
        accumulator.result()

    assert raised.value.end == End(EndCause.INCOMPLETE, events_seen=1, finish_reasons={0: None})


TWO_CHOICES = data('{"choices": [{"index": 0, "delta": {}}, {"index": 1, "delta": {}}]}')


@pytest.mark.parametrize(
    ("body", "without_end", "with_end"),
    [
        (b"", "No chunk was added: ", "Stream ended before the first event without [DONE] or a"),
        (
            b'{"error": {"message": "bad request", "code": 400}}',
            "No chunk was added: ",
            "Stream ended before the first event (50 bytes) with an error that the server sent",
        ),
        (
            data('{"choices": [], "usage": {}}'),
            "No choice in 1 chunk: ",
            "Stream ended after 1 event (36 bytes) without [DONE] or a choice",
        ),
        (
            data('{"choices": [], "usage": {}}') + DONE,
            "No choice in 1 chunk: ",
            "Stream ended after 2 events (50 bytes) with [DONE] but without a choice",
        ),
        (TWO_CHOICES + FINISH, "No finish_reason for choice 1 (1 of 2 choices finished) in", " f"),
        (TWO_CHOICES + FINISH + DONE, "No finish_reason for choice 1 (1 of 2 choices fini", None),
        (
            TWO_CHOICES + DONE,
            "No finish_reason for choice 0 (0 of 2 choices finished) in 1 c",
            None,
        ),
    ],
)
def test_accumulator_message(body: bytes, without_end: str, with_end: str | None) -> None:
    """Without the parser's end, the message doesn't mention bytes, events or [DONE]."""
    parser, accumulator = ChunkParser(), Accumulator()
    for item in run_stage(parser, [body]).items:
        accumulator.add(item)

    with pytest.raises(IncompleteStream) as raised:
        accumulator.result()
    message = str(raised.value)
    assert message.startswith(without_end)
    assert "pass the parser's `end` to result()" in message
    for word in ("byte", "event", "[DONE]", "empty", "incomplete"):
        assert word not in message

    if with_end is None:
        assert accumulator.result(parser.end) == accumulator.snapshot()
    else:
        with pytest.raises(IncompleteStream) as raised:
            accumulator.result(parser.end)
        assert with_end in str(raised.value)


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("text/event-stream; charset=utf-8", IncompleteStream),
        ("Text/Event-Stream", IncompleteStream),
        ("text/html", NotEventStream),
        ("application/json", NotEventStream),
    ],
)
def test_empty_body(content_type: str, kind: type[Exception]) -> None:
    """An empty body is a truncated stream only if the response declares an event stream."""
    with pytest.raises(kind):
        Stream(Response(200, content_type)).result()


EMPTY_STREAMS = {
    "an empty body": b"",
    "an unknown field": b"foo: x\n",
    "an unknown field without a line end": b"foo: x",
    "an unknown field after a byte order mark": b"\xef\xbb\xbffoo: x\n\n",
    "a line without a colon": b"foo\n\n",
    "only comments": b": a\n\n: b\n",
    "only blank lines": b"\r\n\n\r",
    "only retry": b"retry: 5\n\n",
    "only an id": b"id: 5\n\n",
    "a JSON object": b'{"error": {"message": "m"}}',
    "a JSON list": b"[\n1]\n",
    "an HTML page": b"<!DOCTYPE html>\n<html>\n",
    "bytes that aren't UTF-8": b"\xff\xfe\n",
}
REJECTED_STARTS = ("foo", "{", "[", "<", "\xff")


@pytest.mark.parametrize("name", EMPTY_STREAMS)
class TestStreamsWithoutEvents:
    """A response that declares an event stream is one, even without an event."""

    @pytest.mark.parametrize(
        "content_type", ["text/event-stream", "Text/Event-Stream ; charset=utf-8"]
    )
    def test_declared(self, name: str, content_type: str) -> None:
        """A declared event stream without an event ends normally, with the parser's end."""
        body = EMPTY_STREAMS[name]
        stream = EventStream(Response(200, content_type, body))
        parser = Parser()
        run_stage(parser, [body])

        assert list(stream) == []
        assert stream.end == parser.end

    def test_undeclared(self, name: str) -> None:
        """Without the Content-Type of an event stream, the first line decides if a body is one."""
        body = EMPTY_STREAMS[name]
        start = body.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
        is_stream = not start.startswith(REJECTED_STARTS)
        for source in ([body], Response(200, "text/event-streams", body or b"\n")):
            with nullcontext() if is_stream else pytest.raises(NotEventStream):
                assert list(EventStream(source)) == []

    def test_another_status(self, name: str) -> None:
        """A body with another status than 200 isn't an event stream unless it has comments."""
        body = EMPTY_STREAMS[name]
        with nullcontext() if body.startswith(b":") else pytest.raises(NotEventStream):
            list(EventStream(Response(500, "text/event-stream", body)))

    def test_chunks(self, name: str) -> None:
        """A stream of chunks without a chunk raises an error, whatever its Content-Type is."""
        with pytest.raises((IncompleteStream, NotEventStream, ServerSentError)):
            Stream(Response(200, "text/event-stream", EMPTY_STREAMS[name])).result()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\x1f\x8b\x08\x00\n", {}),
        (b"\x8b\x02\x80\n", {"content-encoding": "br"}),
    ],
)
def test_compressed_body(body: bytes, headers: dict[str, str]) -> None:
    """A compressed body isn't an event stream, whatever its Content-Type is."""
    response = Response(200, "text/event-stream", body)
    response.headers.update(headers)
    with pytest.raises(NotEventStream, match="compressed"):
        list(EventStream(response))

    decompressed = Response(200, "text/event-stream", b"foo: x\n")
    decompressed.headers.update(headers)
    assert list(EventStream(decompressed)) == []


def test_server_error_has_the_status() -> None:
    """A server's error that is the complete body has the status of the response."""
    response = Response(429, "application/json", b'{"error": {"message": "slow down"}}')
    with pytest.raises(Exception, match="slow down") as raised:
        Stream(response).result()
    assert getattr(raised.value, "status", None) == 429


def read_updates(pieces: list[bytes], **options: Any) -> list[Update]:
    return list(Stream(pieces, **options).updates())


class TestUpdates:
    """Updates of a stream."""

    def test_last_updates(self) -> None:
        """The last updates are those of a complete end."""
        stream = Stream([chunk("Hel") + chunk("lo"), DONE])
        updates = stream.updates()

        assert next(updates) == ContentDelta(0, "Hel")
        assert list(updates) == [ContentDelta(0, "lo"), ContentDone(0, "Hello")]
        assert list(updates) == []
        assert stream.result().text == "Hello"

    def test_truncated_stream(self) -> None:
        """A truncated stream has no updates for its end, even if it's accepted."""
        updates = Stream([TOOL_CALL]).updates()
        assert next(updates) == ToolCallStarted(0, 0, "c", "f", "function")
        next(updates)
        with pytest.raises(IncompleteStream):
            next(updates)

        assert len(read_updates([TOOL_CALL], on_incomplete="accept")) == 2

    def test_close_with_pending_updates(self) -> None:
        """A stream with pending updates hasn't ended, and close() drops them."""
        stream = Stream([chunk("a", finish_reason="stop"), DONE])
        updates = stream.updates()
        next(updates)
        assert stream.end is None
        stream.close()
        with pytest.raises(RuntimeError, match="was closed"):
            next(updates)

    def test_chunks_and_updates_alternate(self) -> None:
        """Iteration over chunks or updates continues where the other one stopped."""
        stream = Stream([chunk("a"), chunk("b"), chunk("c"), FINISH, DONE])
        next(stream)
        updates = stream.updates()
        assert next(updates) == ContentDelta(0, "b")
        assert next(stream).text == "c"
        assert next(updates) == ContentDone(0, "abc")


@pytest.mark.anyio
class TestAsyncUpdates:
    """Updates of an asynchronous stream."""

    async def test_last_updates(self) -> None:
        """The last updates are those of a complete end."""
        stream = AsyncStream(AsyncSource(chunk("Hel") + chunk("lo"), DONE))
        updates = stream.updates()

        assert await anext(updates) == ContentDelta(0, "Hel")
        assert [update async for update in updates] == [
            ContentDelta(0, "lo"),
            ContentDone(0, "Hello"),
        ]
        assert [update async for update in updates] == []

    async def test_truncated_stream(self) -> None:
        """A truncated stream has no updates for its end."""
        updates = AsyncStream(AsyncSource(TOOL_CALL)).updates()
        await anext(updates)
        await anext(updates)
        with pytest.raises(IncompleteStream):
            await anext(updates)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        None,
        {1: 2},
        {b"content-type": b"text/html"},
        {"content-type": None},
        {"content-type": ["text/html"]},
    ],
)
def test_malformed_headers(headers: Any) -> None:
    """A malformed header is ignored when a body is rejected."""
    response = Response(200, "", b"<html>")
    response.headers = headers
    with pytest.raises(NotEventStream) as raised:
        Stream(response).result()
    assert raised.value.headers == {}
