"""Tests of how streams of messages end, and of errors."""

import json
import pickle
from typing import Any

import pytest

from sseparse import (
    DecodeError,
    End,
    EndCause,
    Event,
    IncompleteStream,
    LimitExceeded,
    NotEventStream,
    ServerSentError,
    SSEError,
)
from sseparse.messages import (
    AsyncMessageStream,
    Message,
    MessageAccumulator,
    MessageDecoder,
    MessageEvent,
    MessageParser,
    MessageReader,
    MessageStream,
    MessageUsage,
    NoteKind,
)
from sseparse.testing import check_parser
from sseparse.timing import Timeline

from .events import (
    HELLO,
    MESSAGE,
    PING,
    STOP,
    block_start,
    delta,
    encoded,
    json_piece,
    message_delta,
    message_start,
    text,
    text_start,
    tool_start,
)
from .recordings import Recording

DONE = b"data: [DONE]\n\n"
ERROR = {"type": "overloaded_error", "message": "Overloaded"}
NESTED = {"type": "error", "error": ERROR, "request_id": "req_1"}


def read(body: bytes, **options: Any) -> MessageReader:
    reader = MessageReader(**options)
    reader.feed(body)
    if not reader.over:
        reader.close()
    return reader


def partial_of(error: SSEError | None) -> Message:
    assert error is not None
    assert isinstance(error.partial, Message)
    return error.partial


def test_truncated_recordings(recordings: list[Recording]) -> None:
    """A recording without a stop reason or an end raises, with what it has in `partial`."""
    truncated = [each for each in recordings if each.expected["end"] == "cut"]
    for recording in truncated:
        with pytest.raises(IncompleteStream, match="without a stop_reason or") as info:
            MessageStream([recording.body]).result()
        assert partial_of(info.value).content
        accepted = MessageStream([recording.body], on_incomplete="accept").result()
        assert accepted == info.value.partial
    assert len(truncated) > 2


def test_stop_reason_without_the_end(recordings: list[Recording]) -> None:
    """A message with a stop reason but without `message_stop` is finished."""
    finished = [each for each in recordings if each.expected["end"] == "no message_stop"]
    for recording in finished:
        stream = MessageStream([recording.body])
        assert stream.result().stop_reason == "end_turn"
        assert stream.end is not None
        assert stream.end.cause is EndCause.FINISHED
        assert not stream.end.done_seen
    assert finished


@pytest.mark.parametrize("count", range(8))
def test_every_truncation(count: int) -> None:
    """Before its stop reason, a stream that breaks off between events is incomplete."""
    reader = read(encoded(*HELLO[:count]))

    expected = EndCause.INCOMPLETE if count < 6 else EndCause.FINISHED
    assert reader.end.cause is (EndCause.DONE if count == 7 else expected)
    assert (reader.error is None) is (count >= 6)


@pytest.mark.parametrize("named", [True, False])
def test_names_of_events_are_not_needed(named: bool) -> None:
    """A stream without `event:` lines, as OpenRouter sends it, gives the same events."""
    parser = MessageParser()

    assert parser.feed(encoded(*HELLO, named=named)) == MessageParser().feed(encoded(*HELLO))
    assert parser.done


@pytest.mark.parametrize("size", [1, 50, 500])
def test_pieces_of_unnamed_events(size: int) -> None:
    """Unnamed events are decoded the same in pieces, also with unknown fields, errors and noise."""
    deep = b'data: {"type": "x", "a": ' + b"[" * 600 + b"]" * 600 + b"}\n\n"
    noise = b"data: {oops\n\ndata: [1]\n\n" + deep
    news = [
        {**text(0, "!"), "x": 1},
        {"type": "new", "a": [[]] * 600},
        {**text(0, "?"), "type": "x"},
    ]
    events = [*HELLO[:3], *news, *HELLO[3:]]
    body = encoded(*events, PING, named=False)
    expected = MessageParser().feed(body)
    assert len(expected) == 10

    parser = MessageParser(on_bad_json="skip")
    pieces = noise + body
    found = [
        item for at in range(0, len(pieces), size) for item in parser.feed(pieces[at : at + size])
    ]
    assert found == expected
    assert (parser.skipped, parser.after_done) == (3, 1)

    reader = MessageReader()
    stopped = encoded(*events[:6], NESTED, message_delta("x"), STOP, named=False)
    for at in range(0, len(stopped), size):
        reader.feed(stopped[at : at + size])
    assert isinstance(reader.error, ServerSentError)
    assert partial_of(reader.error).stop_reason == "x"


def test_wrong_names_of_events() -> None:
    """The type in the data counts, not the name of the event."""
    body = encoded(*HELLO).replace(b"event: content_block_delta", b"event: content_block_stop")
    body = body.replace(b"event: message_stop", b"event: message_delta")

    body = b'event: ping\ndata: {"type": "new"}\n\n' + body
    assert MessageParser().feed(body)[0].type == "new"
    assert read(body).result().text == "Hello world"


def test_types_only_in_the_names() -> None:
    """An event without a type in its data has the type of its name."""
    body = b"".join(
        f"event: {event['type']}\ndata: {json.dumps({**event, 'type': None})}\n\n".encode()
        for event in HELLO
    )

    assert read(body).result() == read(encoded(*HELLO)).result()


@pytest.mark.parametrize(
    ("count", "cause"),
    [
        *((0, EndCause.INCOMPLETE), (4, EndCause.INCOMPLETE)),
        *((6, EndCause.FINISHED), (7, EndCause.DONE)),
    ],
)
def test_done_mark(count: int, cause: EndCause) -> None:
    """A [DONE] mark is accepted, and says nothing about the message."""
    reader = read(encoded(*HELLO[:count]) + DONE)

    assert reader.end.cause is cause
    assert reader.end.done_seen is (count == 7)


def test_end_without_a_message() -> None:
    """`message_stop` without a message completes nothing."""
    reader = read(encoded(STOP))

    assert isinstance(reader.error, IncompleteStream)
    assert "after 1 event (52 bytes) with message_stop but without content" in str(reader.error)
    assert reader.end.cause is EndCause.INCOMPLETE


def test_nothing() -> None:
    """An empty stream is incomplete."""
    error = read(b": ok\n\n").error

    assert "Stream ended before the first event (6 bytes) without a stop_reason" in str(error)


def test_filled_start() -> None:
    """A message that is complete at its start needs no stop reason later."""
    content = [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}]
    reader = read(encoded(message_start(content=content, stop_reason="tool_use")))

    assert reader.end.cause is EndCause.FINISHED
    assert reader.end.finish_reasons == {0: "tool_use"}
    assert reader.result().tool_calls[0].value == {"a": 1}


def test_another_message_needs_its_own_end() -> None:
    """A stop reason belongs to its message, not to the one that replaces it."""
    reader = read(encoded(*HELLO[:6], message_start(id="msg_2"), text_start(), text(0, "Hi")))
    assert reader.end.cause is EndCause.INCOMPLETE
    assert partial_of(reader.error).text == "Hi"

    same = read(encoded(*HELLO[:6], message_start()))
    assert same.end.cause is EndCause.FINISHED


def test_after_the_end() -> None:
    """Pings and other data after the end change nothing."""
    reader = MessageReader()
    events = reader.feed(encoded(*HELLO, {**PING, "cost": "0"}, message_start(id="msg_2")))
    assert len(events) == 7
    assert reader.feed(encoded(message_delta("refusal"))) == []
    reader.close()

    assert reader.result().to_dict() == {
        **MESSAGE,
        "content": [{"type": "text", "text": "Hello world"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }
    parser = MessageParser()
    parser.feed(encoded(*HELLO, PING, PING))
    assert parser.after_done == 2


def test_result_of_an_accumulator() -> None:
    """Without an end, `result()` needs a stop reason or the end of the message."""
    accumulator = MessageAccumulator()
    with pytest.raises(IncompleteStream, match="No message_start in 0 events: pass"):
        accumulator.result()
    events = MessageParser().feed(encoded(*HELLO))
    for count, event in enumerate(events, 1):
        accumulator.add(event)
        if count < 6:
            with pytest.raises(IncompleteStream, match="No stop_reason and no message_stop in"):
                accumulator.result()
    assert accumulator.result().stop_reason == "end_turn"
    assert accumulator.finished


def test_result_with_an_end() -> None:
    """With the end of a parser, `result()` raises unless that end is complete."""
    parser, accumulator = MessageParser(), MessageAccumulator()
    for event in parser.feed(encoded(*HELLO[:4])):
        accumulator.add(event)
    parser.close()
    with pytest.raises(IncompleteStream, match=r"after 4 events \(.* without a stop_reason"):
        accumulator.result(parser.end)
    with pytest.raises(IncompleteStream):
        MessageAccumulator().result(MessageDecoder().end_now())


@pytest.mark.parametrize("cause", [EndCause.FINISHED, EndCause.INCOMPLETE])
def test_result_with_the_end_of_events(cause: EndCause) -> None:
    """The end of a parser of events doesn't know whether a message is complete."""
    accumulator = MessageAccumulator()
    for event in MessageParser().feed(encoded(*HELLO)):
        accumulator.add(event)

    assert accumulator.result(End(cause)).text == "Hello world"


@pytest.mark.parametrize(
    ("event", "body"),
    [
        ("error", NESTED),
        ("message", NESTED),
        ("error", {"error": ERROR}),
        ("message", {"error": ERROR}),
        ("error", ERROR),
        ("message", ERROR),
        ("message", {"message": "Overloaded", "code": 529}),
        ("message", {"message": "Overloaded", "status": 529}),
        ("message", {"type": "error", "message": "Overloaded"}),
        ("message", {"error": "Overloaded"}),
        ("message", {"error": True, "message": "Overloaded"}),
        ("message", {"detail": "Overloaded"}),
        ("error", {"type": "x", "error": {"message": "Overloaded"}}),
        ("error", {"type": "x", "message": "Overloaded"}),
    ],
)
def test_errors(event: str, body: dict[str, Any]) -> None:
    """An error in any known form is raised after the events before it, with the message so far."""
    data = f"event: {event}\ndata: {json.dumps(body)}\n\n".encode()
    reader = MessageReader()
    assert len(reader.feed(encoded(*HELLO[:3]) + data)) == 3
    error = reader.error
    assert isinstance(error, ServerSentError)

    assert error.message == "Overloaded"
    assert error.body == body
    assert error.type in ("overloaded_error", "x", None)
    assert partial_of(error).text == "Hello"
    assert reader.end.cause is EndCause.SERVER_ERROR


@pytest.mark.parametrize(
    "body",
    [
        {"type": "status", "message": "fine", "code": 0},
        {"type": "x", "error": {"message": "of a tool"}},
        {**text(0, "!"), "error": None},
        {"type": "ping", "error": "no"},
    ],
)
def test_no_errors(body: dict[str, Any]) -> None:
    """Events of other types aren't errors, whatever fields they have."""
    reader = read(encoded(*HELLO[:4], body, *HELLO[4:]))

    assert reader.error is None
    assert reader.result().text.startswith("Hello world")


def test_error_as_text() -> None:
    """An event of type "error" without JSON is an error."""
    error = read(encoded(*HELLO[:3]) + b"event: error\ndata: Overloaded\n\n").error

    assert isinstance(error, ServerSentError)
    assert error.message == "Overloaded"


def test_after_an_error() -> None:
    """What follows an error completes the partial message, without its being returned."""
    reader = MessageReader()
    reader.feed(encoded(*HELLO[:3], NESTED, {"type": "x"}))
    assert partial_of(reader.error).usage == counts(10, 1)
    assert reader.feed(encoded(message_delta(), STOP, text(0, "more"))) == []
    error = reader.error

    assert partial_of(error).usage == counts(10, 5)
    assert partial_of(error).text == "Hello"


def counts(given: int, output: int) -> MessageUsage:
    return MessageUsage(input_tokens=given, output_tokens=output)


def test_json_body() -> None:
    """A body that is a message, from a server that doesn't stream, gives its events."""
    content = [{"type": "text", "text": "Hello"}, {"type": "tool_use", "id": "t", "name": "f"}]
    message = {**MESSAGE, "content": content, "stop_reason": "end_turn"}
    reader = MessageReader()
    events = [*reader.feed(json.dumps(message).encode()), *reader.close()]

    assert [event.type for event in events] == ["message_start", "message_stop"]
    assert [event.text for event in events] == ["Hello", ""]
    assert reader.result().text == "Hello"
    assert reader.end.one_object
    assert reader.end.cause is EndCause.DONE


def test_unfinished_json_body() -> None:
    """A message without a stop reason isn't complete, whatever it's sent in."""
    reader = read(json.dumps(MESSAGE).encode())

    assert "The body is one JSON object without a stop_reason" in str(reader.error)


def test_json_body_in_an_event() -> None:
    """A message in an event is read as its stream."""
    message = {**MESSAGE, "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"}

    assert read(encoded(message, named=False)).result().text == "Hi"
    assert read(b": ok\n\n" + json.dumps(message).encode() + b"\n\n").result().text == "Hi"


def test_error_body() -> None:
    """A body that is an error is a ServerSentError."""
    error = read(json.dumps(NESTED).encode()).error
    assert isinstance(error, ServerSentError)
    assert error.type == "overloaded_error"
    assert error.body == NESTED

    with pytest.raises(NotEventStream):
        MessageStream([b'{"a": 1}']).result()


def test_objects_of_another_api() -> None:
    """Objects without a type are counted as skipped."""
    reader = read(b'data: {"choices": []}\n\n' + encoded(*HELLO))

    assert reader.item_parser.skipped == 1
    assert reader.error is None


def test_values_on_lines() -> None:
    """Several values in one event are read one by one, with a note."""
    lines = "\n".join(f"data: {json.dumps(event)}" for event in HELLO[:4])
    result = read(lines.encode() + b"\n\n" + encoded(*HELLO[4:])).result()

    assert result.text == "Hello world"
    assert NoteKind.EVENT_SPLIT in [note.kind for note in result.notes]


@pytest.mark.parametrize("name", ["content_block_delta", "message"])
def test_bad_json(name: str) -> None:
    """Data that isn't JSON is an error, which an option turns into a count."""
    bad = f"event: {name}\ndata: {{oops\n\n".encode()
    body = encoded(*HELLO[:3]) + bad + encoded(*HELLO[3:])
    assert isinstance(read(body).error, DecodeError)

    reader = read(body, on_bad_json="skip")
    assert reader.item_parser.skipped == 1
    assert reader.result().text == "Hello world"


def test_ignored_data() -> None:
    """Pings without JSON, comments as data and empty events are ignored."""
    noise = b"event: ping\ndata: ping\n\ndata: : comment\n\nevent: x\ndata\n\n"
    reader = read(encoded(*HELLO[:3]) + noise + encoded(*HELLO[3:]))

    assert reader.result().text == "Hello world"
    assert reader.item_parser.skipped == 2


def test_limits() -> None:
    """Limits stop a stream, with what it has in `partial`."""
    blocks = [event for index in range(4) for event in (text_start(index), text(index, "a"))]
    error = read(encoded(message_start(), *blocks), max_items=2).error
    assert isinstance(error, LimitExceeded)
    assert str(error) == "More than 2 blocks: raise max_items if you trust the server."
    assert partial_of(error).text == "aa"

    accumulator = MessageAccumulator(max_items=1)
    first, second = MessageParser().feed(encoded(text_start(), text_start(1)))
    for event in (*MessageParser().feed(encoded(message_start())), first):
        accumulator.add(event)
    for method in (accumulator.add, accumulator.add, accumulator.updates):
        with pytest.raises(LimitExceeded):
            method(second)
    with pytest.raises(LimitExceeded):
        accumulator.result()

    body = encoded(message_start(), text_start(), *[text(0, "a" * 1000)] * 50)
    error = read(body, max_accumulated_bytes=20_000).error
    assert isinstance(error, LimitExceeded)
    assert error.limit == "accumulated"

    deep = encoded({"type": "x", "a": [[]] * 300}, *HELLO)
    assert isinstance(read(deep, max_objects=200).error, LimitExceeded)


@pytest.mark.parametrize("option", ["max_items", "max_accumulated_bytes", "max_objects", "drain"])
def test_wrong_options(option: str) -> None:
    """Wrong options are rejected."""
    options: Any = {option: -1}
    with pytest.raises(ValueError, match=option):
        MessageStream([], **options)
    with pytest.raises(ValueError, match="on_incomplete"):
        MessageReader(on_incomplete="x")  # type: ignore[arg-type]


def test_wrong_arguments() -> None:
    """An accumulator takes events of messages only, and a wrong argument changes nothing."""
    accumulator = MessageAccumulator()
    wrong: Any = Event("{}")
    for method in (accumulator.add, accumulator.updates):
        with pytest.raises(TypeError, match=r"add\(\) takes a MessageEvent, not Event"):
            method(wrong)
    assert accumulator.error is None


def test_copies() -> None:
    """Values can be copied; stages and streams can't."""
    events: list[MessageEvent] = MessageParser().feed(encoded(*HELLO, PING))
    message = read(encoded(*HELLO)).result()
    assert pickle.loads(pickle.dumps(events)) == events
    assert pickle.loads(pickle.dumps(message)) == message
    for stage in (MessageParser(), MessageDecoder(), MessageAccumulator(), MessageReader()):
        with pytest.raises(TypeError, match="can't be copied or pickled"):
            pickle.dumps(stage)
    with pytest.raises(TypeError, match="MessageStream can't be copied"):
        pickle.dumps(MessageStream([]))


def test_stream() -> None:
    """A blocking stream yields events whose text needs no check of their type."""
    with MessageStream([encoded(*HELLO)]) as stream:
        texts = [event.text for event in stream]
    assert "".join(texts) == "Hello world"
    assert stream.result() == stream.snapshot() == stream.accumulator.snapshot()
    assert [*MessageStream([encoded(*HELLO)]).text_deltas()] == ["Hello", " world"]
    assert MessageStream([encoded(*HELLO)]).parse(str.upper) == "HELLO WORLD"


@pytest.mark.anyio
async def test_async_stream() -> None:
    """An asynchronous stream does the same."""

    async def source() -> Any:
        for event in HELLO:
            yield encoded(event)

    stream = AsyncMessageStream(source())
    assert [text async for text in stream.text_deltas()] == ["Hello", " world"]
    assert (await stream.result()).text == "Hello world"
    with pytest.raises(IncompleteStream):
        await AsyncMessageStream(_first(encoded(*HELLO[:4]))).result()


async def _first(body: bytes) -> Any:
    yield body


def test_every_cut() -> None:
    """The events don't depend on where the bytes are cut."""
    body = encoded(*HELLO[:3], {**text(0, "é!"), "x": 1}, PING, *HELLO[5:], PING)
    check_parser(MessageParser, body)
    check_parser(MessageParser, body.replace(b"event: content_block_delta\n", b""))
    check_parser(MessageParser, encoded(*HELLO[:3], NESTED, STOP))


def test_timeline() -> None:
    """A timeline records texts, reasoning and inputs of tools."""
    timeline = Timeline()
    events = [
        *(HELLO[0], block_start(0, "thinking", thinking=""), text_start(1), tool_start(2)),
        *(delta(0, "thinking_delta", thinking="hmm"), text(1, "Hello"), json_piece(2, "{}")),
        *HELLO[5:],
    ]
    reader = read(encoded(*events), timeline=timeline)
    record = timeline.record()

    assert record.sizes == (0, 0, 0, 1, 3, 5, 2, 0, 0)
    assert record.texts == (0, 0, 0, 0, 0, 5, 0, 0, 0)
    assert record.reasoned
    assert record.end == reader.end
    assert (record.response_id, record.model) == ("msg_1", "claude-opus-4-8")
    assert record.usage == counts(10, 5)


def test_usage_of_a_reader() -> None:
    """The reader has the token counts."""
    reader = read(encoded(*HELLO))
    assert reader.usage == counts(10, 5)
