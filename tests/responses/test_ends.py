"""Tests of ends and errors of streamed responses."""

import json
from typing import Any

import pytest

from sseparse import EndCause, IncompleteStream, NotEventStream, ServerSentError, TransportError
from sseparse.responses import Note, NoteKind, ResponseReader, to_events

from .events import added, body, completed, created, delta, lifecycle, message
from .recordings import TERMINAL, Recording, read

BEGIN = [created(), added(message()), delta("Hel"), delta("lo")]
ERROR = {"code": "server_error", "message": "Oops", "param": "input"}
FAILED = lifecycle("failed", error=ERROR)
NESTED = {"type": "error", "error": {"type": "server_error", **ERROR}}
FLAT = {"type": "error", "sequence_number": 1, **ERROR}


def failure(*events: Any, **options: Any) -> ServerSentError:
    """Return the error that the last events are, after text."""
    reader, _ = read([body(*BEGIN, *events, **options)])
    assert isinstance(reader.error, ServerSentError)
    assert reader.end.cause is EndCause.SERVER_ERROR
    assert reader.error.partial.text == "Hello"
    return reader.error


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    "events",
    [
        [FAILED],
        [NESTED],
        [FLAT],
        [{"error": ERROR}],
        [{"errors": [ERROR]}],
        [{"object": "error", **ERROR}],
        [ERROR],
        [completed(status="failed", error=ERROR)],
        [NESTED, FAILED],
        [FLAT, lifecycle("failed", error={"message": "other"})],
        [lifecycle("failed", error=None), FLAT],
        [lifecycle("failed"), NESTED],
        [{"type": "response.failed", "error": ERROR}],
    ],
    ids=str,
)
def test_errors(events: list[dict[str, Any]], named: bool) -> None:
    """Each form of an error, in either order, gives one error with the first reason."""
    error = failure(*events, named=named)
    assert (error.message, error.code, error.param) == ("Oops", "server_error", "input")
    assert str(error).startswith("The server sent an error: Oops")


def test_types_of_errors() -> None:
    """The type of an error is its own, not that of the event."""
    assert failure(NESTED).type == "server_error"
    assert failure(FLAT).type is None
    assert failure(FLAT).body == FLAT


def test_other_errors() -> None:
    """Errors without details, and details alone, are errors."""
    for event in (lifecycle("failed"), {"type": "response.failed"}):
        assert failure(event).message == ""
    assert failure({"detail": "Not found"}).message == "Not found"
    assert failure({"error": True, "message": "Oops"}).message == "Oops"
    assert failure({"error": "Oops"}).message == "Oops"
    reader, _ = read([body(*BEGIN) + b'event: error\ndata: {"x": 1}\n\n'])
    assert isinstance(reader.error, ServerSentError)
    reader, _ = read([body(*BEGIN) + b"event: error\ndata: Busy\n\n"])
    assert isinstance(reader.error, ServerSentError)
    assert reader.error.message == "Busy"
    reader, _ = read([body(*BEGIN) + b'{"error": {"message": "Busy"}}\n\n'])
    assert isinstance(reader.error, ServerSentError)


def test_errors_that_arent_the_responses() -> None:
    """An error of a tool, or an event about one, doesn't end the stream."""
    tool = {"type": "response.mcp_call.failed", "output_index": 1, "error": "no such tool"}
    steer = {"type": "response.steer.failed", "error": {"code": "x"}}
    reader, _ = read([body(*BEGIN, tool, steer, {"type": "new", "error": "x"}, completed())])
    assert reader.error is None
    reader, _ = read([body(*BEGIN, {"message": "hello"}, completed())])
    assert reader.error is None


def test_errors_as_the_body() -> None:
    """A JSON body with an error, or with a response that failed, is an error."""
    for value in ({"error": ERROR}, FAILED["response"], {"detail": "Oops"}, FLAT):
        reader, _ = read([json.dumps(value).encode()])
        assert isinstance(reader.error, ServerSentError)
        assert reader.error.message == "Oops"
        assert reader.end.one_object


def test_the_failed_response_is_partial() -> None:
    """After an error, the failed response completes the partial result."""
    error = failure(FLAT, lifecycle("failed", error=ERROR, usage={"input_tokens": 3}))
    assert error.partial.status == "failed"
    assert error.partial.usage.input_tokens == 3
    reader = ResponseReader()
    reader.feed(body(*BEGIN, FLAT))
    assert reader.error is not None
    assert reader.continues
    assert reader.feed(body(delta("!"), FAILED, delta("?"))) == []
    assert not reader.continues
    assert reader.error.partial.text == "Hello!"
    with pytest.raises(ServerSentError):
        reader.result()


def test_reading_on_for_the_reason() -> None:
    """After a failure without a reason, the stream is read on for it; with one, it isn't."""
    reader = ResponseReader()
    reader.feed(body(*BEGIN, FAILED))
    assert not reader.continues
    reader = ResponseReader()
    reader.feed(body(*BEGIN, lifecycle("failed")))
    assert reader.continues
    reader.feed(body({"type": "keepalive"}, FLAT))
    assert not reader.continues
    assert isinstance(reader.error, ServerSentError)
    assert reader.error.message == "Oops"
    assert reader.error.code == "server_error"


@pytest.mark.parametrize(
    ("last", "status"),
    [
        (completed(), "completed"),
        (lifecycle("incomplete"), "incomplete"),
        (completed(status="cancelled"), "cancelled"),
        (lifecycle("cancelled"), "cancelled"),
        ({"type": "response.incomplete"}, "incomplete"),
    ],
    ids=str,
)
def test_complete_ends(last: dict[str, Any], status: str) -> None:
    """Each terminal event completes the stream; what follows it is harmless."""
    reader = ResponseReader()
    reader.feed(body(*BEGIN, last))
    assert reader.end.cause is EndCause.DONE
    reader.feed(body({"type": "keepalive"}, "[DONE]", created(id="resp_2"), delta("x")))
    reader.close()
    assert reader.result().status == status
    assert reader.result().text == "Hello"
    assert reader.end.finish_reasons == {0: status}


@pytest.mark.parametrize("status", ["in_progress", "queued", None])
def test_the_type_says_that_the_response_ended(status: str | None) -> None:
    """A terminal event ends a response that has another status, or none, and gives it its own."""
    reader, _ = read([body(*BEGIN, completed(status=status))])
    assert reader.end.cause is EndCause.DONE
    assert reader.end.finish_reasons == {0: "completed"}
    result = reader.result()
    assert result.status == "completed"
    notes = [Note(NoteKind.VALUE_IGNORED, detail="status")] if status else []
    assert [note for note in result.notes if note.kind is NoteKind.VALUE_IGNORED] == notes
    assert [*to_events(result)][-1].type == "response.completed"


def test_incomplete_responses() -> None:
    """A response that reached a limit is a result, with its reason."""
    last = lifecycle("incomplete", incomplete_details={"reason": "max_output_tokens"})
    reader, _ = read([body(*BEGIN, last)])
    assert reader.result().incomplete_reason == "max_output_tokens"
    last = lifecycle("incomplete", incomplete_details={"reason": 5})
    reader, _ = read([body(*BEGIN, last)])
    assert reader.result().incomplete_reason is None


@pytest.mark.parametrize("done", [True, False])
def test_truncated_streams(done: bool) -> None:
    """A stream without its terminal event is incomplete, whatever else came."""
    item = message("Hello", status="completed")
    events = [*BEGIN, {"type": "response.output_item.done", "output_index": 0, "item": item}]
    reader, _ = read([body(*events, *(["[DONE]"] if done else []))])
    assert reader.end.cause is EndCause.INCOMPLETE
    assert isinstance(reader.error, IncompleteStream)
    mark = " with [DONE] but" if done else ""
    assert (
        f"{mark} without a terminal event (response.completed, response.incomplete or "
        "response.failed): the response is incomplete. What was accumulated is in .partial."
    ) in str(reader.error)
    assert reader.error.partial.text == "Hello"
    with pytest.raises(IncompleteStream):
        reader.result()


def test_streams_of_other_apis() -> None:
    """The error for a stream of another API names the class that reads it."""
    other = '{"type":"message_start","message":{"id":"m","content":[]}}'
    reader, _ = read([body(other)])
    assert "(ChatStream reads chat completions, MessageStream reads" in str(reader.error)


def test_accepted_ends() -> None:
    """With on_incomplete="accept", the response so far is the result."""
    reader, _ = read([body(*BEGIN)], on_incomplete="accept")
    assert reader.result().text == "Hello"
    assert reader.result().status == "in_progress"
    with pytest.raises(ValueError, match="on_incomplete"):
        ResponseReader(on_incomplete="x")  # type: ignore[arg-type]


def test_unfinished_bodies() -> None:
    """A response in progress as the body isn't a result."""
    reader, _ = read([json.dumps(BEGIN[0]["response"]).encode()])
    assert isinstance(reader.error, IncompleteStream)
    assert str(reader.error).startswith("The body is one JSON object, a response that isn't fin")
    reader, _ = read([json.dumps({"object": "response", "output": [message("Hello")]}).encode()])
    assert isinstance(reader.error, IncompleteStream)
    assert reader.error.partial.text == "Hello"


def test_other_ends() -> None:
    """Bodies of other kinds and failed connections are errors."""
    reader, _ = read([b"<html>"])
    assert isinstance(reader.error, NotEventStream)
    reader = ResponseReader()
    reader.feed(body(*BEGIN))
    reader.fail(OSError("reset"))
    assert isinstance(reader.error, TransportError)
    assert reader.error.partial.text == "Hello"


def test_split_events() -> None:
    """A note says that an event had several values."""
    values = "\n".join(f"data: {json.dumps(event)}" for event in [*BEGIN, completed()])
    reader, _ = read([f"{values}\n\n".encode()])
    result = reader.result()
    assert result.text == "Hello"
    assert NoteKind.EVENT_SPLIT in {note.kind for note in result.notes}


def test_truncated_recordings_raise(recordings: list[Recording]) -> None:
    """Each recording without its terminal event raises, and so does each one cut before it."""
    count = 0
    for recording in recordings:
        pieces = recording.pieces()
        is_cut = recording.expected["final_from"] == "deltas"
        marks = [name.encode() for name in TERMINAL]
        last = next((at for at, each in enumerate(pieces) if any(m in each for m in marks)), 0)
        reader, _ = read(pieces if is_cut else pieces[:last])
        if reader.end.cause is not EndCause.NOT_A_STREAM:
            assert isinstance(reader.error, IncompleteStream | ServerSentError), recording.name
            count += is_cut
    assert count > 5
