"""Tests of the decoder and the parser of responses."""

import json
from typing import Any

import pytest

from sseparse import (
    BrokenStage,
    DecodeError,
    EndCause,
    Event,
    LimitExceeded,
    NotEventStream,
    ServerSentError,
)
from sseparse.responses import (
    AnnotationEvent,
    ContentPartEvent,
    DeltaEvent,
    DoneEvent,
    LifecycleEvent,
    OtherEvent,
    OutputItemEvent,
    PartialImageEvent,
    ProgressEvent,
    ResponseAccumulator,
    ResponseDecoder,
    ResponseEvent,
    ResponseParser,
)
from sseparse.testing import check_parser, run_stage

from .events import (
    TEXT,
    added,
    body,
    call,
    completed,
    created,
    delta,
    done,
    lifecycle,
    message,
    parse,
)

SHAPES: list[tuple[dict[str, Any], type[ResponseEvent]]] = [
    (created(), LifecycleEvent),
    (added(message()), OutputItemEvent),
    ({"type": "response.content_part.added", "part": {"type": "output_text"}}, ContentPartEvent),
    ({"type": "response.reasoning_summary_part.done", "summary_index": 0}, ContentPartEvent),
    (delta("a"), DeltaEvent),
    ({"type": "response.output_text.done", "text": "a"}, DoneEvent),
    ({"type": "response.output_text.annotation.added", "annotation": {}}, AnnotationEvent),
    ({"type": "response.web_search_call.searching", "item_id": "a"}, ProgressEvent),
    (
        {"type": "response.image_generation_call.partial_image", "partial_image_b64": "aa"},
        PartialImageEvent,
    ),
    ({"type": "keepalive", "sequence_number": 2}, OtherEvent),
    ({"type": "response.new_tool.delta", "delta": {"a": 1}}, OtherEvent),
    ({"type": "response.new", "response": {"object": "response"}}, LifecycleEvent),
]


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(("event", "kind"), SHAPES, ids=[event["type"] for event, _ in SHAPES])
def test_each_shape_has_a_class(
    event: dict[str, Any], kind: type[ResponseEvent], named: bool
) -> None:
    """The class of an event is that of its shape, with or without a name of the event."""
    (found,) = parse(event, named=named)
    assert type(found) is kind
    assert found.type == event["type"]


def test_types_are_those_in_the_data() -> None:
    """If the name of an event and the type in its data differ, the type counts."""
    data = json.dumps(delta("a"))
    decoder = ResponseDecoder()
    (event,) = decoder.feed(Event(data, "response.refusal.delta"))
    assert event.type == TEXT
    assert event.text == "a"


def test_missing_types() -> None:
    """Data without a type has the type that the event's name says."""
    (event,) = ResponseDecoder().feed(Event('{"delta": "a"}', TEXT))
    assert event.text == "a"
    (event,) = ResponseDecoder().feed(Event(json.dumps(RESPONSE), "response.completed"))
    assert isinstance(event, LifecycleEvent)
    assert event.response is not None
    assert event.response.text == "Hello"


def test_values_of_other_types() -> None:
    """Values of other types than the schema's are kept, and read where they can be."""
    (event,) = parse({"type": TEXT, "delta": 5, "output_index": "0", "item_id": {}})
    assert isinstance(event, DeltaEvent)
    assert (event.delta, event.output_index, event.item_id) == ("5", 0, None)
    assert event.extra == {"delta": 5, "output_index": "0", "item_id": {}}


def test_a_delta_without_its_text() -> None:
    """A delta without a text has an empty one, and is encoded without it."""
    (event,) = parse({"type": TEXT, "x": 1})
    assert event.text == ""
    assert event.to_dict() == {"type": TEXT, "x": 1}


def count_slow(*events: Any, named: bool = True, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many events are decoded in the general case."""
    slow = []
    load = ResponseDecoder.load

    def counted(self: ResponseDecoder, data: str) -> Any:
        slow.append(data)
        return load(self, data)

    monkeypatch.setattr(ResponseDecoder, "load", counted)
    run_stage(ResponseParser(), [body(*events, named=named)])
    return len(slow)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    "other",
    [{"type": "keepalive", "x": 1}, delta("b", new=1), added({"type": "new", "x": 1}), created()],
    ids=["event", "field", "item", "response"],
)
def test_other_events_leave_the_fast_path(
    other: dict[str, Any], named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown events, fields and items between deltas don't slow the deltas down."""
    events = [delta("a"), other] * 100
    assert count_slow(*events, named=named, monkeypatch=monkeypatch) == 100


@pytest.mark.parametrize("named", [True, False])
def test_unknown_fields_everywhere(named: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """If each delta has an unknown field, the fast path is tried again now and then only."""
    events = [delta("a", new=1)] * 300
    events += [delta("b")] * 300
    slow = count_slow(*events, named=named, monkeypatch=monkeypatch)
    assert 300 <= slow < 400


def test_large_events_are_checked() -> None:
    """Events beyond `max_objects`, or nested too deep, are errors."""
    large = delta("a", logprobs=[{}] * 20)
    parser = ResponseParser(max_objects=10)
    assert parser.feed(body(large)) == []
    assert isinstance(parser.error, LimitExceeded)

    deep = delta("a", logprobs=[json.loads('{"a":' * 600 + "1" + "}" * 600)])
    for named in (True, False):
        outcome = run_stage(ResponseParser(), [body(deep, named=named)])
        assert isinstance(outcome.error, DecodeError)

    long = "x" * 5000
    for named in (True, False):
        (event,) = parse(delta(long), named=named)
        assert event.text == long


def feed_twice(parser: ResponseParser, *events: Any) -> list[ResponseEvent]:
    """Feed events without names in two pieces: the second needs no SSE events."""
    return parser.feed(body(created())) + parser.feed(body(*events, named=False))


def test_events_without_names() -> None:
    """Events without names are decoded together, with the same checks."""
    other = {"type": "keepalive"}
    events = feed_twice(ResponseParser(), delta("a"), other, delta("b", x=1), delta("c" * 5000))
    assert "".join(event.text for event in events) == "ab" + "c" * 5000
    assert [event.type for event in events][2] == "keepalive"

    parser = ResponseParser(starting_after=4)
    numbered = [{**delta("a"), "sequence_number": at} for at in range(8)]
    assert [event.sequence_number for event in feed_twice(parser, *numbered)[1:]] == [5, 6, 7]

    parser = ResponseParser(max_objects=10)
    assert len(feed_twice(parser, delta("a"), delta("a", logprobs=[{}] * 20))) == 2
    assert isinstance(parser.error, LimitExceeded)

    deep = delta("a", logprobs=[json.loads('{"a":' * 600 + "1" + "}" * 600)])
    parser = ResponseParser()
    assert len(feed_twice(parser, deep, delta("b"))) == 1
    assert isinstance(parser.error, DecodeError)

    parser = ResponseParser()
    parser.keep_late()
    error = {"type": "error", "message": "Oops"}
    assert len(feed_twice(parser, delta("a"), error, delta("b"))) == 3
    assert [event.text for event in parser.decode_late()] == ["b"]

    # Data that has the shape of a delta, but isn't one.
    (_, event) = feed_twice(ResponseParser(), {"type": "new", "delta": "a"})
    assert type(event) is OtherEvent
    unknown = [delta("a", new=1)] * 70
    assert len(feed_twice(ResponseParser(), *unknown, delta("b"))) == 72
    assert len(feed_twice(ResponseParser(), completed(), delta("b"))) == 2


def test_bad_json() -> None:
    """Malformed data is an error, or skipped; comments in the data and other events are skipped."""
    outcome = run_stage(ResponseParser(), [body(delta("a"), "{")])
    assert [event.text for event in outcome.items] == ["a"]
    assert isinstance(outcome.error, DecodeError)

    parser = ResponseParser(on_bad_json="skip")
    events = run_stage(parser, [body("{", ": comment", delta("a"), completed())]).items
    assert [event.type for event in events] == [TEXT, "response.completed"]
    assert parser.skipped == 2

    parser = ResponseParser()
    assert run_stage(parser, [b"event: ping\ndata: ping\n\n"]).error is None
    assert parser.skipped == 1


def test_objects_of_other_apis() -> None:
    """Objects that are neither events nor responses are skipped and counted."""
    parser = ResponseParser()
    assert parser.feed(body({"choices": []}, {"type": 5})) == []
    assert parser.skipped == 2
    parser.close()
    assert parser.end is not None
    assert parser.end.cause is EndCause.INCOMPLETE


def test_several_values_in_an_event() -> None:
    """An event with a value on each line is read value by value."""
    data = f"data: {json.dumps(delta('a'))}\ndata: {json.dumps(delta('b'))}\n\n".encode()
    parser = ResponseParser()
    assert [event.text for event in parser.feed(data)] == ["a", "b"]
    assert parser.was_split


@pytest.mark.parametrize("named", [True, False])
def test_the_terminal_event_ends_the_stream(named: bool) -> None:
    """Events after the terminal one are counted, not decoded; [DONE] isn't needed."""
    parser = ResponseParser()
    events = parser.feed(body(delta("a"), completed(), delta("b"), "[DONE]", named=named))
    assert [event.type for event in events] == [TEXT, "response.completed"]
    assert parser.after_done == 2
    assert parser.done
    parser.close()
    assert parser.end is not None
    assert parser.end.cause is EndCause.DONE
    assert parser.end.finish_reasons == {0: "completed"}


def test_done_marks_complete_nothing() -> None:
    """[DONE] without a terminal event doesn't make a response complete."""
    parser = ResponseParser()
    run_stage(parser, [body(created(), delta("a"), "[DONE]")])
    assert parser.end is not None
    assert parser.end.cause is EndCause.INCOMPLETE
    assert parser.end.done_seen


def test_terminal_events_of_new_types() -> None:
    """An event of an unknown type is terminal if its response is over."""
    parser = ResponseParser()
    response = {"object": "response", "status": "cancelled"}
    parser.feed(body({"type": "response.stopped", "response": response}))
    assert parser.done
    parser = ResponseParser()
    parser.feed(body({"type": "response.paused", "response": {"object": "response"}}))
    assert not parser.done
    parser = ResponseParser()
    parser.feed(body({"type": "response.completed"}))
    assert parser.done


def test_a_last_event_without_a_blank_line() -> None:
    """The last event needs no blank line if its data is complete."""
    data = body(delta("a"), completed()).rstrip()
    outcome = check_parser(ResponseParser, data)
    assert [event.type for event in outcome.items] == [TEXT, "response.completed"]


RESPONSE = completed(output=[message("Hello"), call('{"a":1}', status="completed")])["response"]


def test_a_response_instead_of_a_stream() -> None:
    """A response as the body becomes the events that would have streamed it."""
    parser = ResponseParser()
    events = run_stage(parser, [json.dumps(RESPONSE).encode()]).items
    accumulator = ResponseAccumulator()
    for event in events:
        accumulator.add(event)
    assert accumulator.result().to_dict() == RESPONSE
    assert [event.text for event in events if event.text] == ["Hello"]
    assert parser.end is not None
    assert parser.end.one_object
    assert parser.end.complete


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_an_unfinished_response_instead_of_a_stream(status: str) -> None:
    """A response in the background, as the body, isn't complete."""
    parser = ResponseParser()
    run_stage(parser, [json.dumps({**RESPONSE, "output": [], "status": status}).encode()])
    assert parser.end is not None
    assert parser.end.cause is EndCause.INCOMPLETE


def test_a_response_in_an_event() -> None:
    """A response in an event without a type, and one without `object`, are read."""
    (*_, last) = parse(RESPONSE)
    assert last.type == "response.completed"
    (*_, last) = parse({"id": "a", "output": [], "status": "completed"})
    assert last.type == "response.completed"


def test_an_event_instead_of_a_stream() -> None:
    """A terminal event as the body is decoded."""
    (event,) = run_stage(ResponseParser(), [json.dumps(completed()).encode()]).items
    assert event.type == "response.completed"


def test_other_bodies() -> None:
    """A body that is neither a stream nor a response is an error."""
    for other in (b'{"choices": []}', b"<html>", b"[1]"):
        assert isinstance(run_stage(ResponseParser(), [other]).error, NotEventStream)


def test_resumed_streams() -> None:
    """Events at or below `starting_after` are dropped, except the terminal one."""
    events = [created(), delta("a"), delta("b"), delta("c", new=1), delta("d"), completed()]
    numbered = [{**event, "sequence_number": at} for at, event in enumerate(events)]
    for named in (True, False):
        parser = ResponseParser(starting_after=2)
        found = parser.feed(body(*numbered, named=named))
        assert [event.sequence_number for event in found] == [3, 4, 5]
        parser = ResponseParser(starting_after=9)
        (last,) = parser.feed(body(*numbered, named=named))
        assert last.type == "response.completed"
    with pytest.raises(ValueError, match="starting_after"):
        ResponseParser(starting_after=-1)


def test_frames_of_a_web_socket() -> None:
    """Frames are events; several responses can follow each other."""
    decoder = ResponseDecoder()
    accumulator = ResponseAccumulator()
    texts = []
    for number in ("1", "2"):
        frames = [
            created(id=f"resp_{number}"),
            added(message()),
            delta(f"text {number}"),
            completed(id=f"resp_{number}"),
            {"type": "keepalive"},
        ]
        for frame in frames:
            for event in decoder.feed_frame(json.dumps(frame)):
                accumulator.add(event)
        texts.append(accumulator.result(decoder.end_now()).text)
        assert decoder.done
        assert decoder.status == "completed"
    assert texts == ["text 1", "text 2"]
    decoder.feed_frame(json.dumps(created(id="resp_3")).encode())
    assert not decoder.done
    assert decoder.status is None
    assert decoder.end_now().cause is EndCause.INCOMPLETE


def test_errors_in_frames() -> None:
    """An error of the server is raised until another response begins."""
    decoder = ResponseDecoder()
    with pytest.raises(TypeError, match="takes text"):
        decoder.feed_frame(5)  # type: ignore[arg-type]
    frame = {"type": "error", "status": 400, "error": {"code": "a", "message": "Busy"}}
    decoder.feed_frame(json.dumps(frame))
    for frame in (delta("late"), lifecycle("failed")):
        with pytest.raises(ServerSentError, match="Busy"):
            decoder.feed_frame(json.dumps(frame))
    assert len(decoder.feed_frame(json.dumps(created(id="resp_2")))) == 1
    assert decoder.error is None
    assert not decoder.done
    decoder = ResponseDecoder()
    decoder.feed_frame(json.dumps(completed()))
    decoder.close()
    with pytest.raises(RuntimeError, match="close"):
        decoder.feed_frame(json.dumps(created()))
    assert decoder.done


def test_interrupted_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an unexpected exception, the parser is broken."""
    parser = ResponseParser()
    monkeypatch.setattr(ResponseDecoder, "load", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        parser.feed(body(created()))
    with pytest.raises(BrokenStage):
        parser.feed(body(created()))


def test_every_split() -> None:
    """Events and errors don't depend on how the bytes are split."""
    item = message("Hello wörld", status="completed")
    events = [created(), added(message()), delta("Hello w"), delta("örld"), done(item)]
    for named in (True, False):
        check_parser(ResponseParser, body(*events, completed(output=[item]), named=named))
        check_parser(ResponseParser, body(*events, {"type": "error", "message": "x"}, named=named))
