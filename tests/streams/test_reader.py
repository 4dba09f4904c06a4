"""Readers: chunks, result and end of a stream whose bytes are pushed."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sseparse import (
    BrokenStage,
    ChunkReader,
    Deadlines,
    End,
    EndCause,
    IncompleteStream,
    LimitExceeded,
    NotEventStream,
    Parser,
    ServerSentError,
    SSEError,
    Stream,
    StreamTimeout,
    TransportError,
)
from sseparse.streams import EventReader
from sseparse.timing import Timeline

TEXT = b'data: {"id": "1", "choices": [{"index": 0, "delta": {"content": "Hello"}}]}\n\n'
FINISH = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
USAGE = b'data: {"choices": [], "usage": {"completion_tokens": 3}}\n\n'
DONE = b"data: [DONE]\n\n"
ERROR = b'data: {"error": {"message": "overloaded"}}\n\n'
BODY = TEXT + FINISH + USAGE + DONE
BODIES: dict[str, tuple[bytes, type[SSEError] | None, EndCause]] = {
    "complete": (BODY, None, EndCause.DONE),
    "without [DONE]": (TEXT + FINISH, None, EndCause.FINISHED),
    "truncated": (TEXT, IncompleteStream, EndCause.INCOMPLETE),
    "truncated inside an event": (TEXT + FINISH[:20], IncompleteStream, EndCause.INCOMPLETE),
    "empty": (b"", IncompleteStream, EndCause.INCOMPLETE),
    "HTML": (b"<html>", NotEventStream, EndCause.NOT_A_STREAM),
    "server error": (TEXT + ERROR + FINISH, ServerSentError, EndCause.SERVER_ERROR),
    "server error as the body": (b'{"error": "no"}', ServerSentError, EndCause.SERVER_ERROR),
}


@pytest.mark.parametrize("name", BODIES)
def test_the_result_does_not_depend_on_the_pieces(name: str) -> None:
    """A reader returns the same as a stream, however its body is split."""
    body, kind, cause = BODIES[name]
    expected = list(Stream([body], on_incomplete="accept")) if kind is None else None
    for size in (1, 7, len(body) + 1):
        reader = ChunkReader()
        chunks = []
        for at in range(0, len(body), size):
            if not reader.closed:
                chunks += reader.feed(body[at : at + size])
        chunks += reader.close()
        assert expected is None or chunks == expected
        assert reader.end.cause is cause
        assert (reader.error is None) == (kind is None)
        if kind is None:
            assert reader.result().text == "Hello"
        else:
            assert isinstance(reader.error, kind)
            assert reader.error.partial == reader.snapshot()
            with pytest.raises(kind):
                reader.result()


def test_chunks_before_an_error_are_returned() -> None:
    """feed() returns the chunks before an error, and later calls raise the error."""
    reader = ChunkReader()
    assert len(reader.feed(TEXT + ERROR)) == 1
    assert isinstance(reader.error, ServerSentError)
    assert reader.error.partial.text == "Hello"
    assert reader.close() == []
    with pytest.raises(ServerSentError):
        reader.feed(FINISH)


LATE = {
    "usage": USAGE,
    "another choice": TEXT.replace(b'"index": 0', b'"index": 1'),
    "malformed": b"data: no JSON\n\ndata: []\n\ndata:\n\n: comment\n\n" + USAGE,
    "another error": ERROR + USAGE,
}


@pytest.mark.parametrize("name", LATE)
@pytest.mark.parametrize("size", [1, 13, 1000])
def test_the_result_is_completed_after_an_error(name: str, size: int) -> None:
    """After an error, feeds return nothing and complete the partial result, up to [DONE]."""
    reader = ChunkReader()
    body = TEXT + ERROR + LATE[name] + DONE
    for at in range(0, len(body), size):
        chunks = reader.feed(body[at : at + size])
        assert [chunk.text for chunk in chunks] in ([], ["Hello"])
    assert isinstance(reader.error, ServerSentError)
    assert reader.error.message == "overloaded"
    partial = reader.error.partial
    assert partial.text == "Hello"
    if name == "another choice":
        assert [choice.message.content for choice in partial.choices] == ["Hello", "Hello"]
    else:
        assert partial.usage.completion_tokens == 3
    with pytest.raises(ServerSentError):
        reader.feed(TEXT)
    assert reader.close() == []


def test_a_limit_after_an_error() -> None:
    """What follows an error and exceeds a limit is dropped; the error stays."""
    reader = ChunkReader(max_accumulated_bytes=2000, max_objects=10, max_line_bytes=10_000)
    long = TEXT.replace(b"Hello", b"x" * 3000)
    reader.feed(TEXT + ERROR + long + b"data: " + b"[" * 100 + b"\n\n")
    assert isinstance(reader.error, ServerSentError)
    reader.feed(b"data: " + b"x" * 20_000 + b"\n\n")
    assert isinstance(reader.error, ServerSentError)


def test_usage_after_the_terminal_event() -> None:
    """An event after [DONE] completes the result with its usage, but not with text."""
    reader = ChunkReader()
    reader.feed(TEXT + FINISH + DONE)
    assert reader.feed(TEXT + USAGE) == []
    reader.close()
    assert reader.result().usage is not None
    assert reader.result().text == "Hello"


@pytest.mark.parametrize("pieces", [[TEXT + ERROR + USAGE], [TEXT, ERROR, USAGE, DONE]])
def test_streams_complete_the_result_after_an_error(pieces: list[bytes]) -> None:
    """A stream reads on after an error, for `drain` seconds at most."""
    with pytest.raises(ServerSentError) as raised:
        Stream(pieces).result()
    assert raised.value.partial.usage.completion_tokens == 3


@pytest.mark.parametrize(
    "pieces", [[BODY.replace(USAGE, b"") + USAGE], [TEXT, FINISH, DONE, USAGE]]
)
def test_streams_complete_the_result_after_the_terminal_event(pieces: list[bytes]) -> None:
    """A stream reads on after [DONE], for `drain` seconds at most."""
    result = Stream(pieces).result()
    assert result.usage is not None
    assert result.usage.completion_tokens == 3


def test_usage() -> None:
    """`usage` has the token counts received so far."""
    reader = ChunkReader()
    reader.feed(TEXT)
    assert reader.usage is None
    reader.feed(USAGE)
    assert reader.usage is not None
    assert reader.usage.completion_tokens == 3


@pytest.mark.parametrize(
    ("cause", "kind", "end"),
    [
        (ConnectionResetError("gone"), TransportError, EndCause.TRANSPORT),
        (TimeoutError("late"), StreamTimeout, EndCause.TIMEOUT),
        (TransportError("ours"), TransportError, EndCause.TRANSPORT),
    ],
)
def test_failed_connection(cause: Exception, kind: type[SSEError], end: EndCause) -> None:
    """fail() sets an error with the transport's exception and the partial result."""
    reader = ChunkReader()
    reader.feed(TEXT + FINISH[:-2])
    chunks = reader.fail(cause)
    assert [chunk.choices[0].finish_reason for chunk in chunks] == ["stop"]
    assert type(reader.error) is kind
    assert reader.error is cause or reader.error.__cause__ is cause
    assert reader.error.partial.text == "Hello"
    assert reader.end.cause is end
    assert reader.fail(OSError()) == []
    assert type(reader.error) is kind


def test_server_error_before_a_failed_connection() -> None:
    """A server's error in the last bytes is reported instead of the failed connection."""
    reader = ChunkReader()
    reader.feed(TEXT + ERROR[:-2])
    assert reader.fail(ConnectionResetError()) == []
    assert isinstance(reader.error, ServerSentError)


def test_limit_of_the_accumulator() -> None:
    """An item beyond a limit of the accumulator ends the stream, and later items are dropped."""
    reader = ChunkReader(max_accumulated_bytes=2000)
    long = TEXT.replace(b"Hello", b"x" * 3000)
    assert len(reader.feed(TEXT + long + FINISH)) == 1
    assert isinstance(reader.error, LimitExceeded)
    assert reader.end.cause is EndCause.INCOMPLETE


def test_incomplete_streams_can_be_accepted() -> None:
    """on_incomplete="accept" accepts a truncated stream and reports its end."""
    reader = ChunkReader(on_incomplete="accept")
    reader.feed(TEXT)
    reader.close()
    assert reader.error is None
    assert reader.result().text == "Hello"
    assert reader.end.cause is EndCause.INCOMPLETE


def test_misuse() -> None:
    """Misuse raises RuntimeError and doesn't change the reader."""
    reader = ChunkReader()
    for access in (lambda: reader.end, reader.result):
        with pytest.raises(RuntimeError, match="hasn't ended"):
            access()
    reader.feed(BODY)
    reader.close()
    with pytest.raises(RuntimeError, match="use a new reader"):
        reader.feed(b"")
    assert reader.close() == []
    assert reader.result().text == "Hello"


def test_end_is_not_optional() -> None:
    """`end` has the type End, so that a program needn't check for None."""
    reader = ChunkReader()
    reader.feed(BODY)
    reader.close()
    end: End = reader.end
    assert end.complete


class HTMLResponse:
    status = 502
    headers: dict[str, str] = {"Content-Type": "text/html"}  # noqa: RUF012 - a test double


@pytest.mark.parametrize(
    "make",
    [lambda: ChunkReader(HTMLResponse()), lambda: EventReader(Parser(), response=HTMLResponse())],
    ids=["chunks", "events"],
)
def test_errors_have_the_response(make: Callable[[], ChunkReader | EventReader[object]]) -> None:
    """An error has the status and the headers of the response."""
    reader = make()
    reader.feed(b"<html>")
    reader.close()
    assert isinstance(reader.error, NotEventStream)
    assert (reader.error.status, reader.error.content_type) == (502, "text/html")


def test_timeline() -> None:
    """A timeline records the items of a reader and its end."""
    timeline = Timeline()
    reader = ChunkReader(timeline=timeline)
    reader.feed(BODY)
    reader.close()
    record = timeline.record()
    assert record.sizes == (5, 0, 0)
    assert record.end == reader.end


def test_event_reader() -> None:
    """An event reader returns events and reports the end."""
    reader = EventReader(Parser())
    assert [event.data for event in reader.feed(b"data: a\n\n")] == ["a"]
    assert reader.close() == []
    assert reader.end.cause is EndCause.FINISHED


class RaisingTimeline(Timeline):
    """A timeline one of whose hooks raises."""

    def __init__(self, hook: str) -> None:
        super().__init__()
        self.hook = hook

    def on_bytes(self, *_: object, **__: object) -> None:
        if self.hook == "on_bytes":
            raise MemoryError

    def on_end(self, *_: object) -> None:
        if self.hook == "on_end":
            raise MemoryError


@pytest.mark.parametrize("make", [ChunkReader, lambda **kw: EventReader(Parser(), **kw)])
def test_an_exception_in_a_timeline_breaks_the_reader(make: Callable[..., Any]) -> None:
    """Items of an interrupted call are lost, so the stream doesn't look complete."""
    reader = make(timeline=RaisingTimeline("on_bytes"))
    with pytest.raises(MemoryError):
        reader.feed(TEXT)
    with pytest.raises(BrokenStage):
        reader.feed(FINISH + DONE)
    assert reader.close() == []
    assert isinstance(reader.error, BrokenStage)
    assert not reader.end.complete


def test_an_exception_at_the_end_breaks_the_reader() -> None:
    """`error` and `end` agree, in whichever order they are read."""
    reader = ChunkReader(timeline=RaisingTimeline("on_end"))
    reader.feed(TEXT + FINISH)
    with pytest.raises(MemoryError):
        reader.close()
    assert isinstance(reader.error, BrokenStage)
    assert not reader.end.complete


def test_a_timeout_in_a_body_that_is_not_a_stream() -> None:
    """The deadline is the error of a stalled body, whatever the body begins with."""

    def stalled() -> Iterator[bytes]:
        yield b"<html>"
        raise TimeoutError

    with pytest.raises(StreamTimeout) as raised:
        Stream(stalled(), deadlines=Deadlines(between_bytes=1e-9)).result()
    assert raised.value.partial is not None


def test_late_items_are_limited() -> None:
    """Items after an error count towards the limits of the result."""
    reader = ChunkReader(max_accumulated_bytes=2000)
    reader.feed(TEXT + ERROR)
    for _ in range(1000):
        reader.feed(TEXT)
    assert isinstance(reader.error, ServerSentError)
    assert 100 < len(reader.error.partial.text) < 2000


def test_a_late_item_over_a_limit() -> None:
    """An item after [DONE] that exceeds a limit is dropped, and the result stays complete."""
    late = USAGE.replace(b'"choices"', b'"x": "' + b"x" * 5000 + b'", "choices"')
    stream = Stream([TEXT + FINISH + DONE + late], max_accumulated_bytes=3000)
    assert stream.result().text == "Hello"
    assert stream.result().text == "Hello"


def test_closing_a_stream_drops_late_items() -> None:
    """The result of a closed stream has no item after one that was dropped."""
    stream = Stream([TEXT + TEXT + ERROR + TEXT])
    next(stream)
    stream.close()
    assert stream.snapshot().text == "Hello"


def test_usage_of_another_completion() -> None:
    """Usage after [DONE] with another id isn't the completion's."""
    other = USAGE.replace(b'"choices"', b'"id": "2", "choices"')
    stream = Stream([TEXT + FINISH + DONE + other])
    assert stream.result().usage is None


def test_the_end_does_not_depend_on_late_events() -> None:
    """End and last event ID are those at the error."""
    rest = b"id: 99\n" + FINISH + DONE
    for pieces in ([b"id: 1\n" + TEXT + ERROR + rest], [b"id: 1\n" + TEXT + ERROR, rest]):
        stream = Stream(pieces)
        with pytest.raises(ServerSentError):
            stream.result()
        assert stream.last_event_id == "1"
        assert stream.end is not None
        assert (stream.end.done_seen, stream.end.finish_reasons) == (False, {0: None})


def test_a_failure_after_the_terminal_event() -> None:
    """A reader is complete at [DONE], whatever follows."""
    reader = ChunkReader(errors="strict")
    reader.feed(TEXT + FINISH + DONE)
    assert reader.feed(b"\xff\n\n") == []
    assert reader.fail(ConnectionResetError()) == []
    assert reader.result().text == "Hello"
    with pytest.raises(RuntimeError):
        reader.feed(USAGE)


def test_fail_needs_an_exception() -> None:
    """Misuse of fail() raises TypeError and doesn't break the reader."""
    reader = ChunkReader()
    with pytest.raises(TypeError, match="not str"):
        reader.fail("gone")  # type: ignore[arg-type]
    assert reader.error is None
