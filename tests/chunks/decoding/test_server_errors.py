"""Errors of servers, in every form they send, and events that aren't chunks."""

import json
from typing import Any

import pytest

from sseparse import (
    ChatCompletion,
    ChunkDecoder,
    ChunkParser,
    ChunkReader,
    DecodeError,
    EndCause,
    Event,
    ServerSentError,
)
from sseparse.chunks import NoteKind
from sseparse.testing import check_parser

HEAD = b'data: {"choices":[{"index":0,"delta":{"content":"Hal"}}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


def data(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def read(body: bytes, size: int, **options: Any) -> ChunkReader:
    reader = ChunkReader(**options)
    for at in range(0, len(body), size):
        if not reader.closed or reader.continues:
            reader.feed(body[at : at + size])
    reader.close()
    return reader


def choice_error(error: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": error}
    return data({"choices": [choice]})


ERRORS = [
    # In an event, without choices.
    data({"error": {"message": "no", "code": 503}}),
    data({"error": "no"}),
    data({"error": True, "message": "no"}),
    data({"errors": [{"message": "no", "code": 7009}]}),
    data({"success": False, "errors": [{"message": "no"}], "result": None}),
    data({"success": False, "message": "no"}),
    data({"code": 500, "message": "no"}),
    data({"code": "rate_limited", "msg": "no", "choices": None}),
    data({"detail": "no"}),
    data({"choices": [], "code": 500, "message": "no"}),
    data({"status": 500, "message": "no"}),
    data({"choices": [], "x_groq": {"id": "r", "error": "no"}}),
    data([{"error": {"message": "no"}}]),
    b"event: progress\n" + data({"type": "error", "message": "no"}),
    b'{"detail": "no"}\n\n',
    data({"error_code": 336003, "error_msg": "no"}),
    data({"base_resp": {"status_code": 1004, "status_msg": "no"}}),
    data({"choices": [], "error": {"message": "no"}}),
    data({"object": "error", "message": "no"}),
    data({"type": "error", "message": "no"}),
    b"event: error\n" + data({"detail": "no"}),
    b"event: error\ndata: no\n\n",
    # In a choice.
    choice_error({"message": "no"}),
    choice_error("no"),
    # In the field `error`.
    b"error: no\n\n",
    b"error:no\n",
    b"error: no",
    b'error: {"message": "no"}\n\n',
    b'error: {"detail": "x", "error": {"message": "no"}}\n\n',
    b"error: no\nTraceback: secret\n\n",
    # Outside fields.
    b'{"error": {"message": "no"}}',
    b'{"error": {"message": "no"}}\n',
    b'[{"error": {"message": "no"}}]\r\n',
    b'{\n  "error": {\n    "message": "no"\n  }\n}\n',
    b'{"code": 500, "message": "no"}\n\n',
]


@pytest.mark.parametrize("tail", [b"", DONE], ids=["", "[DONE]"])
@pytest.mark.parametrize("head", [b"", b": ping\n\n", b"retry: 5\n\n", HEAD])
@pytest.mark.parametrize("error", ERRORS)
def test_errors(error: bytes, head: bytes, tail: bytes) -> None:
    """An error in any form, after anything, is a ServerSentError with the partial result."""
    body = head + error + (b"\n" + tail if tail else b"")
    for size in (len(body), 7, 1):
        reader = read(body, size)

        assert isinstance(reader.error, ServerSentError), size
        assert "no" in reader.error.message
        assert reader.end.cause is EndCause.SERVER_ERROR
        assert reader.error.partial.text == ("Hal" if head == HEAD else "")


@pytest.mark.parametrize(
    "body",
    [
        data({"choices": [], "base_resp": {"status_code": 0, "status_msg": "success"}}),
        data({"choices": [], "errors": [], "success": True}),
        data({"choices": [], "errors": ["a warning"], "success": True}),
        data({"choices": [], "error": None}),
        data({"usage": {"total_tokens": 1}, "error": ""}),
        data({"usage": {"total_tokens": 1}, "error": {}}),
        data({"choices": [], "error": {"message": "", "type": "", "code": None}}),
        data({"choices": [], "error": {"message": "success", "code": 0}}),
        data({"choices": [{"index": 0, "delta": {}, "error": {"message": None}}]}),
        data({"code": "Success", "message": "ok"}),
        data({"type": "warning", "code": "deprecated", "message": "use another model"}),
        b'{"level": "info", "message": "started", "code": "I1"}\n\n',
        data({"errors": [None]}),
        data({"status": "running", "message": "step 1"}),
        b"error: null\n\n",
        b"error: false\n\n",
        data({"choices": [], "error": False}),
        data({"code": 0, "message": "success", "usage": {"total_tokens": 1}}),
        data({"code": 200, "msg": "ok"}),
        data({"choices": [{"index": 0, "delta": {}, "error": None}]}),
        b"error:\n\n",
        b"error: \n\n",
        b"errors: no\n\n",
        b'{"error": {"message": "no"}\n\n',
        b'{"message": "no"}\n\n',
        b"<html>\n<title>502</title>\n\n",
        b'x\n{"error": "no"',
    ],
)
def test_no_errors(body: bytes) -> None:
    """What describes no failure is no error, and other text outside fields is ignored."""
    for size in (len(body), 1):
        reader = read(HEAD + body + STOP + DONE, size)

        assert reader.error is None
        assert reader.result().text == "Hal"


def test_text_outside_fields_is_bounded() -> None:
    """At most 64 KiB outside fields are kept; a longer line is ignored, as the standard says."""
    message = "x" * 65_000
    kept = f'{{"error": "{message}"}}\n\n'.encode()
    dropped = f'{{"error": "{message}{"x" * 1000}"}}\n\n'.encode()

    for size in (1 << 20, 1000):
        assert isinstance(read(HEAD + kept, size).error, ServerSentError)
        assert read(HEAD + dropped + STOP + DONE, size).error is None


@pytest.mark.parametrize("order", ["error first", "data first"])
def test_an_error_within_a_block(order: str) -> None:
    """An error outside fields takes its place before or after the data of its block."""
    error, chunk = b'{"error": "no"}\n', HEAD.removesuffix(b"\n")
    body = error + chunk + b"\n" if order == "error first" else chunk + error + b"\n"
    for end in (b"", DONE):
        for size in (len(body), 1):
            reader = read(body + end, size)

            assert isinstance(reader.error, ServerSentError)
            # After the error, the text of the same choice still completes the partial result.
            assert reader.error.partial.text == "Hal"


@pytest.mark.parametrize("before", [b": ping\n\n", b"retry: 5\n\n", b": ping\n", b"\n\n"])
def test_a_complete_body_after_comments(before: bytes) -> None:
    """A complete completion after comments or a retry is its result."""
    message = {"role": "assistant", "content": "Hi"}
    completion = {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    for indent in (None, 1):
        body = before + json.dumps(completion, indent=indent).encode()
        for size in (len(body), 1):
            reader = read(body, size)
            assert reader.error is None
            assert reader.result().text == "Hi"


def test_an_error_after_other_json() -> None:
    """Each line outside fields can be an error."""
    reader = read(HEAD + b'{"x": 1}\n{"error": "no"}\n\n', 1)

    assert isinstance(reader.error, ServerSentError)


def test_an_error_ends_the_items() -> None:
    """Items before an error outside fields are returned; later ones complete its partial."""
    usage = data({"choices": [], "usage": {"total_tokens": 3}})
    reader = ChunkReader()

    assert len(reader.feed(HEAD + b'{"error": "no"}\n\n' + usage + STOP)) == 1
    assert reader.error is not None
    assert reader.error.partial.usage.total_tokens == 3


@pytest.mark.parametrize("reason", ["error", "abort", "network_error", "ERROR"])
def test_finish_reasons_that_mean_failure(reason: str) -> None:
    """A finish reason that means a failure is an error, after its chunk."""
    finish = data({"choices": [{"index": 0, "delta": {"content": "f"}, "finish_reason": reason}]})
    for size in (1 << 20, 1):
        reader = read(HEAD + finish + DONE, size)

        assert isinstance(reader.error, ServerSentError)
        assert reader.error.code == reason
        assert reason in reader.error.message
        assert reader.error.partial.choices[0].finish_reason == reason
        assert reader.error.partial.text == "Half"

    assert read(HEAD + finish + DONE, 99, error_finish_reasons=()).result().text == "Half"


def test_other_finish_reasons_that_mean_failure() -> None:
    """The option `error_finish_reasons` decides, for chat and legacy completions."""
    finish = data({"choices": [{"index": 0, "text": "a", "finish_reason": "oops"}]})

    assert read(finish, 99).error is None
    reader = read(finish + DONE, 99, error_finish_reasons=["oops"])
    assert isinstance(reader.error, ServerSentError)
    assert reader.error.body == {"index": 0, "text": "a", "finish_reason": "oops"}


def test_the_error_of_a_failed_chunk() -> None:
    """An error next to a finish reason that means failure is the one reported."""
    finish = {"index": 0, "delta": {}, "finish_reason": "error"}
    reader = read(HEAD + data({"error": {"message": "no"}, "choices": [finish]}), 99)

    assert isinstance(reader.error, ServerSentError)
    assert reader.error.message == "no"
    assert reader.error.partial.choices[0].finish_reason == "error"


@pytest.mark.parametrize("body", [b"", data({"choices": [], "usage": {"total_tokens": 1}})])
def test_done_without_a_choice(body: bytes) -> None:
    """[DONE] without any choice completes nothing."""
    reader = read(body + DONE, 99)

    assert reader.end.cause is EndCause.INCOMPLETE
    assert reader.end.done_seen
    assert "with [DONE] but without a choice" in str(reader.error)


@pytest.mark.parametrize(
    "other",
    [
        b"event: ping\ndata: {}\n\n",
        b'event: ping\ndata: ""\n\n',
        b"event: ping\ndata: pong\n\n",
        b'event: tool.progress\ndata: {"tool": "bash", "id": "other", "model": "other"}\n\n',
        b'event: status\ndata: {"code": 7, "message": "running"}\n\n',
        b"data: : KEEP ALIVE\n\n",
        b"data: : KEEP\ndata: ALIVE\n\n",
    ],
)
def test_events_that_are_not_chunks(other: bytes) -> None:
    """An event with a type of its own and another shape, or a comment as data, is skipped."""
    for size in (1 << 20, 1):
        reader = read(HEAD + other + STOP + DONE, size)

        assert reader.error is None
        assert reader.item_parser.skipped == 1
        assert reader.result().to_dict() == read(HEAD + STOP + DONE, 99).result().to_dict()


@pytest.mark.parametrize("kind", ["chunk", "message", "error-free"])
def test_chunks_of_any_type(kind: str) -> None:
    """Events with a chunk's shape are chunks, whatever their type is."""
    usage = data({"usage": {"total_tokens": 1}})
    body = b"".join(f"event: {kind}\n".encode() + each for each in (HEAD, usage, STOP, DONE))
    reader = read(body, 99)

    assert reader.error is None
    assert isinstance(result := reader.result(), ChatCompletion)
    assert result.text == "Hal"
    assert result.usage is not None


SPLIT = [
    HEAD.removesuffix(b"\n") + STOP.removesuffix(b"\n") + DONE,
    HEAD.removesuffix(b"\n") + STOP.removesuffix(b"\n") + b"data: [DONE]",
    HEAD.removesuffix(b"\n") + STOP.removesuffix(b"\n") + b"data:\n" + DONE,
    HEAD + STOP.removesuffix(b"\n") + DONE,
    HEAD + b"data: " + STOP + b"data: " + DONE,
    HEAD + b"data:data:  " + STOP + b"data: data: data: [DONE]",
]


@pytest.mark.parametrize("body", SPLIT)
def test_values_in_one_event(body: bytes) -> None:
    """Data with a value on each line, or with field names, is read value by value, with a note."""
    for size in (1 << 20, 7, 1):
        reader = read(body, size)

        assert reader.error is None
        assert reader.end.done_seen
        result = reader.result()
        assert result.text == "Hal"
        assert [note.kind for note in result.notes if note.kind is NoteKind.EVENT_SPLIT]
    assert not any(
        note.kind is NoteKind.EVENT_SPLIT for note in read(HEAD + STOP, 9).result().notes
    )


def test_values_after_an_error_or_done() -> None:
    """Values after an error or [DONE] in the same event give no items."""
    error, head = b'data: {"error": "no"}\n', HEAD.removesuffix(b"\n")

    assert ChunkReader().feed(error + HEAD) == []
    assert len(ChunkReader().feed(head + b"data: [DONE]\n" + HEAD)) == 1


@pytest.mark.parametrize("line", [b"5", b"x", b"[]"])
def test_lines_that_are_not_all_values(line: bytes) -> None:
    """If one of the lines is no JSON object, the event is malformed."""
    reader = read(HEAD.removesuffix(b"\n") + b"data: " + line + b"\n\n", 99)

    assert isinstance(reader.error, DecodeError)
    assert reader.snapshot().text == ""


@pytest.mark.parametrize("mark", ["[DONE]", '"[DONE]"', "DONE"])
def test_done_marks(mark: str) -> None:
    """[DONE] can be quoted, and after a finish it can lack its brackets."""
    reader = read(HEAD + STOP + f"data: {mark}\n\n".encode(), 99)

    assert reader.end.cause is EndCause.DONE
    early = read(HEAD + f"data: {mark}\n\n".encode(), 99)
    assert isinstance(early.error, DecodeError) == (mark == "DONE")


@pytest.mark.parametrize("error", ERRORS)
def test_every_cut(error: bytes) -> None:
    """Errors don't depend on how the bytes are cut."""
    check_parser(ChunkParser, HEAD + error + DONE)


def test_decoder_by_itself() -> None:
    """A decoder that is fed events by hand skips those of other types, too."""
    decoder = ChunkDecoder()

    assert decoder.feed(Event('{"id": "x"}', "progress")) == []
    assert decoder.skipped == 1


def test_a_large_text_outside_fields() -> None:
    """Before the first event, a text as large as an event is kept, but not read line by line."""
    message = {"role": "assistant", "content": "x" * 100_000}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}

    assert read(b": ping\n\n" + json.dumps(body, indent=1).encode(), 4096).error is None
    junk = b"{\n" * 50_000 + b'{"error": "no"}\n\n'
    assert read(b": ping\n\n" + junk + HEAD + STOP, 4096).error is None


@pytest.mark.parametrize("size", [1 << 20, 1])
def test_usage_after_done_without_a_choice(size: int) -> None:
    """Usage after a [DONE] that completes nothing is in the partial result."""
    reader = read(DONE + data({"choices": [], "usage": {"total_tokens": 3}}), size)

    assert reader.error is not None
    assert reader.error.partial.usage.total_tokens == 3


@pytest.mark.parametrize("data_line", [b"data:\n\n", b"data: [DONE]\n\n"])
def test_an_error_event_without_a_message(data_line: bytes) -> None:
    """An event of type "error" is an error, even if it says nothing."""
    reader = read(HEAD + b"event: error\n" + data_line, 99)

    assert isinstance(reader.error, ServerSentError)


@pytest.mark.parametrize("reason", ["null", "None", 0])
def test_finish_reasons_that_are_none(reason: Any) -> None:
    """An unset finish reason in another form finishes no choice, and leaves a note."""
    reader = read(data({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}), 99)

    assert reader.end.cause is EndCause.INCOMPLETE
    assert reader.snapshot().choices[0].finish_reason is None
    assert NoteKind.VALUE_IGNORED in [note.kind for note in reader.snapshot().notes]


USAGE = data({"id": "c", "choices": [], "usage": {"total_tokens": 3}})
FAILED = data({"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]})


@pytest.mark.parametrize(
    "tail",
    [
        FAILED + USAGE + DONE,
        data({"error": "no"}) + USAGE,
        data({"error": "no"}) + data({"choices": [], "padding": "z" * 70_000}) + USAGE,
        data({"error": "no"}).removesuffix(b"\n") + USAGE,
    ],
    ids=["finish reason", "error", "large", "lines"],
)
@pytest.mark.parametrize("size", [1 << 20, 1000, 7])
def test_usage_after_an_error(tail: bytes, size: int) -> None:
    """What follows an error completes its partial result, however the bytes are cut."""
    reader = read(HEAD + tail, size)

    assert isinstance(reader.error, ServerSentError)
    assert reader.error.partial.usage.total_tokens == 3


def test_usage_after_done_in_one_event() -> None:
    """Usage after a [DONE] in the same event counts."""
    lines = STOP.removesuffix(b"\n") + b"data: [DONE]\n"

    usage = data({"choices": [], "usage": {"total_tokens": 3}})
    assert read(lines + usage, 9).snapshot().to_dict()["usage"] == {"total_tokens": 3}


@pytest.mark.parametrize("reasons", ["error", [1], 5])
def test_invalid_error_finish_reasons(reasons: Any) -> None:
    """The option is a collection of texts."""
    with pytest.raises((ValueError, TypeError)):
        ChunkDecoder(error_finish_reasons=reasons)


@pytest.mark.parametrize("size", [1 << 20, 7])
def test_usage_after_an_error_and_done(size: int) -> None:
    """After an error of the server, nothing follows [DONE]."""
    reader = read(HEAD + data({"error": "no"}) + DONE + USAGE, size)

    assert reader.error is not None
    assert reader.error.partial.usage is None
