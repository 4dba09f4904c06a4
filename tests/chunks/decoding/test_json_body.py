"""Bodies that are one JSON object: a completion, an error or neither."""

import json
from typing import Any

import pytest

from sseparse import (
    Accumulator,
    ChatCompletion,
    ChunkParser,
    Completion,
    EncodingError,
    End,
    EndCause,
    LimitExceeded,
    NotEventStream,
    ServerSentError,
    Stream,
)
from sseparse.testing import check_parser, run_stage

CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 5,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hi",
                "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "d", "type": "custom", "custom": {"name": "g", "input": "x"}},
                ],
                "audio": {"id": "a", "data": "AAAA", "transcript": "Hi", "expires_at": 7},
                "annotations": [{"type": "url_citation"}],
                "mood": "good",
            },
            "finish_reason": "tool_calls",
            "logprobs": {"content": [{"token": "Hi", "logprob": -0.5, "top_logprobs": []}]},
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    "service_tier": "default",
    "provider": "p",
}
LEGACY: dict[str, Any] = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 5,
    "model": "m",
    "choices": [
        {"index": 1, "text": "Hi", "finish_reason": "stop", "logprobs": {"tokens": ["Hi"]}},
    ],
}


def accumulate(body: bytes) -> tuple[Accumulator, ChunkParser]:
    parser = ChunkParser()
    accumulator = Accumulator()
    for chunk in run_stage(parser, [body]).items:
        accumulator.add(chunk)
    return accumulator, parser


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(("completion", "kind"), [(CHAT, ChatCompletion), (LEGACY, Completion)])
def test_completion(completion: dict[str, Any], kind: type, indent: int | None) -> None:
    """A completion as the body is the result, with all fields and the end of a finished stream."""
    body = b"\xef\xbb\xbf\r\n " + json.dumps(completion, indent=indent).encode() + b"\n"
    accumulator, parser = accumulate(body)
    result = accumulator.result()

    assert isinstance(result, kind)
    assert result.to_dict() == completion
    reasons = {choice["index"]: choice["finish_reason"] for choice in completion["choices"]}
    assert parser.end == End(
        EndCause.FINISHED,
        finish_seen=True,
        bytes_seen=len(body),
        one_object=True,
        finish_reasons=reasons,
    )
    check_parser(ChunkParser, body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"choices": []}, {"object": "chat.completion", "choices": []}),
        (
            {"object": "chat.completion", "choices": [{}]},
            {"choices": [{"index": 0, "message": {"role": "assistant", "content": None}}]},
        ),
        (
            {"choices": [{"message": {"tool_calls": [{}, {"function": {}}, {"custom": {}}]}}]},
            {"choices": [{"message": {"role": "assistant", "content": None}}]},
        ),
        ({"object": "text_completion", "choices": [{}]}, {"object": "text_completion"}),
        ({"choices": [{"text": "a"}]}, {"object": "text_completion"}),
        ({"choices": [{"delta": {"content": "a"}}]}, {"object": "chat.completion"}),
    ],
)
def test_missing_fields(body: dict[str, Any], expected: dict[str, Any]) -> None:
    """Fields that a completion lacks have their empty values, as in a chunk."""
    accumulator, parser = accumulate(json.dumps(body).encode())
    found = accumulator.snapshot().to_dict()

    assert parser.error is None
    assert found["object"] == expected.get("object", "chat.completion")
    for choice, expected_choice in zip(found["choices"], expected.get("choices", []), strict=False):
        message = expected_choice.get("message")
        assert expected_choice.items() <= {**choice, "message": message}.items()
        if message is not None:
            assert message.items() <= choice["message"].items()


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        ({"error": {"message": "m", "code": 401}}, "m", 401),
        ({"error": "m"}, "m", None),
        ({"object": "error", "message": "m"}, "m", None),
        ({"type": "error", "message": "m"}, "m", None),
    ],
)
def test_server_error(body: dict[str, Any], message: str, code: int | None) -> None:
    """An error as the body is a ServerSentError, in each form that a stream can have."""
    raw = json.dumps(body, indent=1).encode()
    parser = ChunkParser()
    assert parser.feed(raw) == []
    assert parser.close() == []

    assert isinstance(parser.error, ServerSentError)
    assert (parser.error.message, parser.error.code, parser.error.body) == (message, code, body)
    assert parser.end == End(EndCause.SERVER_ERROR, bytes_seen=len(raw), one_object=True)
    with pytest.raises(ServerSentError):
        parser.close()
    check_parser(ChunkParser, raw)


def test_error_in_a_completion() -> None:
    """A completion with an error is the partial result of the error."""
    body = {**CHAT, "error": {"message": "late"}}
    stream = Stream([json.dumps(body).encode()])
    with pytest.raises(ServerSentError, match="late") as raised:
        stream.result()

    assert raised.value.partial.to_dict() == CHAT


def test_completion_in_an_event() -> None:
    """A complete completion in one event, as proxies can send it, is the result."""
    body = b"data: " + json.dumps(CHAT).encode() + b"\n\ndata: [DONE]\n\n"
    stream = Stream([body])

    assert "".join(stream.text_deltas()) == "Hi"
    assert stream.result().to_dict() == CHAT
    assert stream.end is not None
    assert (stream.end.cause, stream.end.events_seen) == (EndCause.DONE, 2)
    check_parser(ChunkParser, body)


def test_choices_without_an_index() -> None:
    """Choices without an index are numbered in their order."""
    choices = [{"message": {"content": text}} for text in "ab"]
    result, _ = accumulate(json.dumps({"choices": choices}).encode())

    assert [choice["message"]["content"] for choice in result.snapshot().to_dict()["choices"]] == [
        "a",
        "b",
    ]


@pytest.mark.parametrize("other", [5, None, "x", [], {}, {"message": None}])
def test_choice_without_a_message(other: Any) -> None:
    """A value without a message among the choices is ignored."""
    message = {"message": {"content": "a"}, "finish_reason": "stop"}
    accumulator, parser = accumulate(json.dumps({"choices": [message, other]}).encode())

    assert parser.error is None
    assert accumulator.text == "a"


def test_one_choice_per_event() -> None:
    """Each choice of a completion can be in an event of its own."""
    choices = [{"index": index, "message": {"content": "ab"[index]}} for index in range(2)]
    body = b"".join(b"data: " + json.dumps({"choices": [c]}).encode() + b"\n\n" for c in choices)
    result = Stream([body], on_incomplete="accept").result()

    assert [choice["message"]["content"] for choice in result.to_dict()["choices"]] == ["a", "b"]


@pytest.mark.parametrize("index", [[], "0", None])
def test_invalid_index(index: Any) -> None:
    """A choice with an invalid index keeps its text."""
    body = json.dumps({"choices": [{"index": index, "message": {"content": "a"}}]}).encode()
    assert accumulate(body)[0].text == "a"


@pytest.mark.parametrize(
    "body",
    [
        b'[{\n  "error": {"code": 429, "message": "quota"}\n}\n]\n',
        b'[{"error":{"code":429,"message":"quota"}}]',
    ],
)
def test_error_in_a_list(body: bytes) -> None:
    """A list with one error, as Gemini sends it, is a ServerSentError."""
    with pytest.raises(ServerSentError, match="quota") as raised:
        Stream([body]).result()
    assert raised.value.code == 429


def test_strict_decoding() -> None:
    """Malformed UTF-8 in a JSON body is an error with errors="strict"."""
    body = b' {"choices": [{"message": {"content": "\xff"}, "finish_reason": "stop"}]}'
    outcome = check_parser(lambda: ChunkParser(errors="strict"), body)

    assert isinstance(outcome.error, EncodingError)
    assert outcome.error.offset == body.index(b"\xff")
    assert Stream([body]).result().text == "\ufffd"


def test_completion_after_deltas() -> None:
    """A completion that repeats the deltas before it doesn't change the result."""
    delta = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi"}}]}
    body = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in (delta, CHAT))

    assert Stream([body]).result().text == "Hi"


def test_limits() -> None:
    """The limits of a stream apply to a completion as the body."""
    body = {"choices": [{"index": 0, "message": {"content": "a"}}, {"index": 9}]}
    stream = Stream([json.dumps(body).encode()], max_choices=2)
    with pytest.raises(LimitExceeded, match="More than 2 choices"):
        stream.result()


@pytest.mark.parametrize("body", [b'{"hint": "Not Found"}', b"{}", b'{"choices": null}'])
def test_other_object(body: bytes) -> None:
    """Another JSON object is a NotEventStream with the start of the body."""
    stream = Stream([body[:3], body[3:]])
    with pytest.raises(NotEventStream) as raised:
        stream.result()

    assert raised.value.body_start == body
    assert stream.end is not None
    assert (stream.end.cause, stream.end.bytes_seen) == (EndCause.NOT_A_STREAM, len(body))


def test_completion_without_a_finish_reason() -> None:
    """A completion with a choice without a finish reason is incomplete."""
    body = {"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": None}]}
    stream = Stream([json.dumps(body).encode()], on_incomplete="accept")

    assert stream.result().text == "a"
    assert stream.end is not None
    assert stream.end.cause is EndCause.INCOMPLETE
