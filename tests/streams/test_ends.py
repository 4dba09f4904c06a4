"""The ways in which a stream of chunks can be cut, and what is told of each."""

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

CALL = data(
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
HALF = b'data: {"choices": [{"ind'

CUTS: dict[str, tuple[list[bytes], End, bool]] = {
    "before the first byte": (
        [],
        End(EndCause.INCOMPLETE),
        False,
    ),
    "inside an event": (
        [chunk("Hel"), HALF],
        End(EndCause.INCOMPLETE, mid_event=True, events_seen=1, finish_reasons={0: None}),
        False,
    ),
    "inside a tool call": (
        [CALL],
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


def with_bytes(end: End, pieces: list[bytes]) -> End:
    return evolve(end, bytes_seen=len(b"".join(pieces)))


@pytest.mark.parametrize("cut", CUTS)
class TestCuts:
    """Complete is what [DONE] or every choice's finish reason ended; all else is cut."""

    def test_parser(self, cut: str) -> None:
        """The parser tells the end, and raises nothing: it has no opinion on it."""
        pieces, end, _ = CUTS[cut]
        parser = ChunkParser()
        run_stage(parser, pieces)

        assert parser.error is None
        assert parser.end == with_bytes(end, pieces)

    def test_accumulator(self, cut: str) -> None:
        """result() raises what is not complete, with what came; told the end, it knows [DONE]."""
        pieces, _, complete = CUTS[cut]
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

    def test_stream(self, cut: str) -> None:
        """So does a stream, after its last chunk."""
        pieces, end, complete = CUTS[cut]
        stream = Stream(pieces)
        if complete:
            assert stream.result().text == "Hel"
        else:
            with pytest.raises(IncompleteStream) as raised:
                stream.result()
            assert raised.value.end == stream.end
            assert raised.value.partial == stream.snapshot()
        assert stream.end == with_bytes(end, pieces)

    def test_accepted(self, cut: str) -> None:
        """on_incomplete="accept" raises nothing; the end says the same."""
        pieces, end, _ = CUTS[cut]
        stream = Stream(pieces, on_incomplete="accept")

        assert stream.result() == stream.snapshot()
        assert stream.end == with_bytes(end, pieces)


def test_a_finish_before_a_fault() -> None:
    """Told the end, an accumulator judges as a stream does: a server's error is no good end."""
    parser, accumulator = ChunkParser(), Accumulator()
    for item in parser.feed(chunk("a") + FINISH + data('{"error": "m"}')):
        accumulator.add(item)

    assert accumulator.result().text == "a"
    with pytest.raises(
        IncompleteStream, match=r"after 3 events \(\d+ bytes\) with an error that the server"
    ):
        accumulator.result(parser.end)


def test_too_much_in_the_last_piece() -> None:
    """A chunk that cannot be kept ends the stream, also where the end came with it."""
    stream = Stream([chunk("a") + CALL + FINISH + DONE], max_tool_calls=0)

    assert next(stream).text == "a"
    with pytest.raises(LimitExceeded) as raised:
        next(stream)
    assert raised.value.partial.text == "a"
    assert stream.end is not None
    assert stream.end.cause is EndCause.INCOMPLETE


def test_an_accumulator_alone() -> None:
    """Without the end it goes by finish reasons, and its error tells those of every choice."""
    accumulator = Accumulator()
    for item in ChunkParser().feed(CUTS["after [DONE], without a finish"][0][0]):
        accumulator.add(item)
    with pytest.raises(IncompleteStream) as raised:
        accumulator.result()

    assert raised.value.end == End(EndCause.INCOMPLETE, events_seen=1, finish_reasons={0: None})


TWO_CHOICES = data('{"choices": [{"index": 0, "delta": {}}, {"index": 1, "delta": {}}]}')


@pytest.mark.parametrize(
    ("body", "alone", "with_end"),
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
        (TWO_CHOICES + FINISH, "No finish_reason for choice 1 (1 of 2 choices finished) in", " f"),
        (TWO_CHOICES + FINISH + DONE, "No finish_reason for choice 1 (1 of 2 choices fini", None),
        (
            TWO_CHOICES + DONE,
            "No finish_reason for choice 0 (0 of 2 choices finished) in 1 c",
            None,
        ),
    ],
)
def test_an_accumulator_claims_what_it_knows(body: bytes, alone: str, with_end: str | None) -> None:
    """Without the end, result() knows chunks and finish reasons: no bytes, events or [DONE]."""
    parser, accumulator = ChunkParser(), Accumulator()
    for item in run_stage(parser, [body]).items:
        accumulator.add(item)

    with pytest.raises(IncompleteStream) as raised:
        accumulator.result()
    message = str(raised.value)
    assert message.startswith(alone)
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
def test_an_empty_body(content_type: str, kind: type[Exception]) -> None:
    """It was cut before its first byte if it was to be a stream; else it was no stream."""
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
JUDGED_BY_CONTENT = ("foo", "{", "[", "<", "\xff")


@pytest.mark.parametrize("name", EMPTY_STREAMS)
class TestStreamsWithoutEvents:
    """A response that declares an event stream is one, whatever its lines are."""

    @pytest.mark.parametrize(
        "content_type", ["text/event-stream", "Text/Event-Stream ; charset=utf-8"]
    )
    def test_declared(self, name: str, content_type: str) -> None:
        """EventStream ends normally without events, and its end is that of the parser."""
        body = EMPTY_STREAMS[name]
        stream = EventStream(Response(200, content_type, body))
        parser = Parser()
        run_stage(parser, [body])

        assert list(stream) == []
        assert stream.end == parser.end

    def test_undeclared(self, name: str) -> None:
        """Without a Content-Type, or with another one, the first line decides."""
        body = EMPTY_STREAMS[name]
        start = body.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
        is_stream = not start.startswith(JUDGED_BY_CONTENT)
        for source in ([body], Response(200, "text/event-streams", body or b"\n")):
            with nullcontext() if is_stream else pytest.raises(NotEventStream):
                assert list(EventStream(source)) == []

    def test_another_status(self, name: str) -> None:
        """With a status other than 200 it isn't a stream, unless it had comments."""
        body = EMPTY_STREAMS[name]
        with nullcontext() if body.startswith(b":") else pytest.raises(NotEventStream):
            list(EventStream(Response(500, "text/event-stream", body)))

    def test_chunks(self, name: str) -> None:
        """A stream of chunks without a chunk is an error, whatever it declares."""
        with pytest.raises((IncompleteStream, NotEventStream, ServerSentError)):
            Stream(Response(200, "text/event-stream", EMPTY_STREAMS[name])).result()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\x1f\x8b\x08\x00\n", {}),
        (b"\x8b\x02\x80\n", {"content-encoding": "br"}),
    ],
)
def test_a_body_that_is_still_compressed(body: bytes, headers: dict[str, str]) -> None:
    """The Content-Type describes the decompressed body."""
    response = Response(200, "text/event-stream", body)
    response.headers.update(headers)
    with pytest.raises(NotEventStream, match="compressed"):
        list(EventStream(response))

    decompressed = Response(200, "text/event-stream", b"foo: x\n")
    decompressed.headers.update(headers)
    assert list(EventStream(decompressed)) == []


def test_an_error_with_its_status() -> None:
    """A server's error that is the whole body tells the status of the answer."""
    response = Response(429, "application/json", b'{"error": {"message": "slow down"}}')
    with pytest.raises(Exception, match="slow down") as raised:
        Stream(response).result()
    assert getattr(raised.value, "status", None) == 429


def told(pieces: list[bytes], **options: Any) -> list[Update]:
    return list(Stream(pieces, **options).updates())


class TestUpdates:
    """A stream tells updates instead of chunks."""

    def test_in_order(self) -> None:
        """What is done by the end comes last; then there is no more."""
        stream = Stream([chunk("Hel") + chunk("lo"), DONE])
        updates = stream.updates()

        assert next(updates) == ContentDelta(0, "Hel")
        assert list(updates) == [ContentDelta(0, "lo"), ContentDone(0, "Hello")]
        assert list(updates) == []
        assert stream.result().text == "Hello"

    def test_a_cut(self) -> None:
        """What a cut left open is not done, though the cut be accepted."""
        updates = Stream([CALL]).updates()
        assert next(updates) == ToolCallStarted(0, 0, "c", "f", "function")
        next(updates)
        with pytest.raises(IncompleteStream):
            next(updates)

        assert len(told([CALL], on_incomplete="accept")) == 2

    def test_closed(self) -> None:
        """What waits is dropped by close(), and until then the stream has no end."""
        stream = Stream([chunk("a", finish_reason="stop"), DONE])
        updates = stream.updates()
        next(updates)
        assert stream.end is None
        stream.close()
        with pytest.raises(RuntimeError, match="was closed"):
            next(updates)

    def test_chunks_and_updates_can_take_turns(self) -> None:
        """Either goes on where the other stopped."""
        stream = Stream([chunk("a"), chunk("b"), chunk("c"), FINISH, DONE])
        next(stream)
        updates = stream.updates()
        assert next(updates) == ContentDelta(0, "b")
        assert next(stream).text == "c"
        assert next(updates) == ContentDone(0, "abc")


@pytest.mark.anyio
class TestAsyncUpdates:
    """An asynchronous stream tells the same."""

    async def test_in_order(self) -> None:
        """What is done by the end comes last; then there is no more."""
        stream = AsyncStream(AsyncSource(chunk("Hel") + chunk("lo"), DONE))
        updates = stream.updates()

        assert await anext(updates) == ContentDelta(0, "Hel")
        assert [update async for update in updates] == [
            ContentDelta(0, "lo"),
            ContentDone(0, "Hello"),
        ]
        assert [update async for update in updates] == []

    async def test_a_cut(self) -> None:
        """What a cut left open is not done."""
        updates = AsyncStream(AsyncSource(CALL)).updates()
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
def test_odd_headers(headers: Any) -> None:
    """What is no name or no value does not hide what the body was."""
    response = Response(200, "", b"<html>")
    response.headers = headers
    with pytest.raises(NotEventStream) as raised:
        Stream(response).result()
    assert raised.value.headers == {}
