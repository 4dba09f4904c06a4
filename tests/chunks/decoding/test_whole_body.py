"""A body that is one JSON object is taken for what it is, whatever it was to be."""

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


def accumulated(body: bytes) -> tuple[Accumulator, ChunkParser]:
    parser = ChunkParser()
    accumulator = Accumulator()
    for chunk in run_stage(parser, [body]).items:
        accumulator.add(chunk)
    return accumulator, parser


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(("completion", "kind"), [(CHAT, ChatCompletion), (LEGACY, Completion)])
def test_a_whole_completion_is_the_result(
    completion: dict[str, Any], kind: type, indent: int | None
) -> None:
    """Nothing of it is lost; it ends as a stream does that has its finish reasons."""
    body = b"\xef\xbb\xbf\r\n " + json.dumps(completion, indent=indent).encode() + b"\n"
    accumulator, parser = accumulated(body)
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
def test_an_unusual_completion(body: dict[str, Any], expected: dict[str, Any]) -> None:
    """What is missing gets its empty value, as in a chunk."""
    accumulator, parser = accumulated(json.dumps(body).encode())
    found = accumulator.snapshot().to_dict()

    assert parser.error is None
    assert found["object"] == expected.get("object", "chat.completion")
    for ours, wanted in zip(found["choices"], expected.get("choices", []), strict=False):
        assert wanted.items() <= {**ours, "message": wanted.get("message")}.items()
        if "message" in wanted:
            assert wanted["message"].items() <= ours["message"].items()


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        ({"error": {"message": "m", "code": 401}}, "m", 401),
        ({"error": "m"}, "m", None),
        ({"object": "error", "message": "m"}, "m", None),
        ({"type": "error", "message": "m"}, "m", None),
    ],
)
def test_an_error_is_the_servers(body: dict[str, Any], message: str, code: int | None) -> None:
    """In each of the forms that stand in a stream too; the status of the answer hides nothing."""
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


def test_an_error_beside_a_completion() -> None:
    """The completion comes first, as in a stream."""
    body = {**CHAT, "error": {"message": "late"}}
    stream = Stream([json.dumps(body).encode()])
    with pytest.raises(ServerSentError, match="late") as raised:
        stream.result()

    assert raised.value.partial.to_dict() == CHAT


def test_in_an_event() -> None:
    """A server in between may say that it streams, and send the whole in one event."""
    body = b"data: " + json.dumps(CHAT).encode() + b"\n\ndata: [DONE]\n\n"
    stream = Stream([body])

    assert "".join(stream.text_deltas()) == "Hi"
    assert stream.result().to_dict() == CHAT
    assert stream.end is not None
    assert (stream.end.cause, stream.end.events_seen) == (EndCause.DONE, 2)
    check_parser(ChunkParser, body)


def test_choices_without_numbers() -> None:
    """They are numbered by their order, as they stand in the answer."""
    choices = [{"message": {"content": text}} for text in "ab"]
    result, _ = accumulated(json.dumps({"choices": choices}).encode())

    assert [choice["message"]["content"] for choice in result.snapshot().to_dict()["choices"]] == [
        "a",
        "b",
    ]


@pytest.mark.parametrize("other", [5, None, "x", [], {}, {"message": None}])
def test_a_choice_without_a_message(other: Any) -> None:
    """Next to a choice with a message, anything else does no harm."""
    message = {"message": {"content": "a"}, "finish_reason": "stop"}
    accumulator, parser = accumulated(json.dumps({"choices": [message, other]}).encode())

    assert parser.error is None
    assert accumulator.text == "a"


def test_a_choice_an_event() -> None:
    """Each may come whole in an event of its own."""
    choices = [{"index": index, "message": {"content": "ab"[index]}} for index in range(2)]
    body = b"".join(b"data: " + json.dumps({"choices": [c]}).encode() + b"\n\n" for c in choices)
    result = Stream([body], on_incomplete="accept").result()

    assert [choice["message"]["content"] for choice in result.to_dict()["choices"]] == ["a", "b"]


@pytest.mark.parametrize("index", [[], "0", None])
def test_an_index_that_is_none(index: Any) -> None:
    """What cannot be an index does no harm."""
    body = json.dumps({"choices": [{"index": index, "message": {"content": "a"}}]}).encode()
    assert accumulated(body)[0].text == "a"


@pytest.mark.parametrize(
    "body",
    [
        b'[{\n  "error": {"code": 429, "message": "quota"}\n}\n]\n',
        b'[{"error":{"code":429,"message":"quota"}}]',
    ],
)
def test_an_error_in_a_list(body: bytes) -> None:
    """Gemini's errors stand in a list of one, with or without blanks."""
    with pytest.raises(ServerSentError, match="quota") as raised:
        Stream([body]).result()
    assert raised.value.code == 429


def test_strict_decoding() -> None:
    """Ill-formed UTF-8 is a fault in a JSON body as it is in a stream."""
    body = b' {"choices": [{"message": {"content": "\xff"}, "finish_reason": "stop"}]}'
    outcome = check_parser(lambda: ChunkParser(errors="strict"), body)

    assert isinstance(outcome.error, EncodingError)
    assert outcome.error.offset == body.index(b"\xff")
    assert Stream([body]).result().text == "\ufffd"


def test_after_deltas() -> None:
    """What repeats the whole after its deltas says nothing new."""
    delta = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi"}}]}
    body = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in (delta, CHAT))

    assert Stream([body]).result().text == "Hi"


def test_limits_hold() -> None:
    """A whole completion is held to the limits of a stream."""
    body = {"choices": [{"index": 0, "message": {"content": "a"}}, {"index": 9}]}
    stream = Stream([json.dumps(body).encode()], max_choices=2)
    with pytest.raises(LimitExceeded, match="More than 2 choices"):
        stream.result()


@pytest.mark.parametrize("body", [b'{"detail": "Not Found"}', b"{}", b'{"choices": null}'])
def test_any_other_object_is_no_stream(body: bytes) -> None:
    """The error says how the body begins."""
    stream = Stream([body[:3], body[3:]])
    with pytest.raises(NotEventStream) as raised:
        stream.result()

    assert raised.value.body_start == body
    assert stream.end is not None
    assert (stream.end.cause, stream.end.bytes_seen) == (EndCause.NOT_A_STREAM, len(body))


def test_a_cut_completion() -> None:
    """A choice without a finish reason makes the answer incomplete, streamed or not."""
    body = {"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": None}]}
    stream = Stream([json.dumps(body).encode()], on_incomplete="accept")

    assert stream.result().text == "a"
    assert stream.end is not None
    assert stream.end.cause is EndCause.INCOMPLETE
