"""Tests of `encode_error()` of the three APIs, and of the ids of requests in errors."""

import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from attrs import frozen

import sseparse
from sseparse import (
    DecodeError,
    IncompleteStream,
    LimitExceeded,
    NotEventStream,
    Parser,
    ServerSentError,
    SSEError,
    Stream,
    StreamTimeout,
    TransportError,
    messages,
    responses,
)
from sseparse.testing import Replay, ReplayServer

ENCODERS: dict[str, tuple[Callable[[Exception], bytes], Callable[..., Any]]] = {
    "chat": (sseparse.encode_error, Stream),
    "responses": (responses.encode_error, responses.ResponseStream),
    "messages": (messages.encode_error, messages.MessageStream),
}
ERRORS: dict[str, dict[str, Any]] = {
    "chat": {"error": {"message": "busy", "type": "t"}},
    "responses": {"type": "error", "error": {"message": "busy", "type": "t"}},
    "messages": {"type": "error", "error": {"message": "busy", "type": "t"}},
}


@pytest.fixture(params=ENCODERS)
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def read_error(api: str, source: object) -> ServerSentError:
    with pytest.raises(ServerSentError) as raised:
        ENCODERS[api][1](source).result()
    return raised.value


@pytest.mark.parametrize("code", ["busy", 429, None])
@pytest.mark.parametrize("param", ["model", None])
def test_error_of_the_server(api: str, code: str | int | None, param: str | None) -> None:
    """The client's parser reads the message, type, code and param that were written."""
    sent = ServerSentError(message="é\u2028\ud800 \n", body="", type="t", code=code, param=param)
    event = ENCODERS[api][0](sent)
    assert len(event.splitlines()) == event.count(b"\n")
    error = read_error(api, [event])
    assert (error.message, error.type) == (sent.message, "t")
    assert (error.code, error.param) == (code, param)


def test_other_exceptions(api: str) -> None:
    """Of an exception that the server didn't send, only the class is written."""
    encode_error = ENCODERS[api][0]
    kind = "api_error" if api == "messages" else "server_error"
    for sent in (StreamTimeout("10.0.0.7: no bytes", clock="total"), ValueError("secret")):
        error = read_error(api, [encode_error(sent)])
        assert (error.message, error.type) == (f"The stream failed: {type(sent).__name__}", kind)


def test_misuse(api: str) -> None:
    """Anything else than an exception is a TypeError."""
    with pytest.raises(TypeError, match=r"encode_error\(\) takes an exception, not str"):
        ENCODERS[api][0]("busy")  # type: ignore[arg-type]


def test_error_without_a_type_of_messages() -> None:
    """Anthropic's errors always have a type."""
    error = read_error("messages", [messages.encode_error(ServerSentError(message="", body=""))])
    assert (error.message, error.type) == ("", "api_error")


def test_failed_response() -> None:
    """If the response has begun, `response.failed` follows the error, without its output."""
    created = {"id": "r", "object": "response", "created_at": 1, "model": "m", "output": []}
    body = [
        {"type": "response.created", "response": created},
        {"type": "response.output_text.delta", "output_index": 0, "delta": "secret"},
        ERRORS["responses"],
        {"type": "response.failed", "response": {**created, "usage": {"total_tokens": 3}}},
    ]
    sent = read_error("responses", [b"data: %b\n\n" % json.dumps(each).encode() for each in body])
    events = Parser().feed(responses.encode_error(sent))

    assert [event.event for event in events] == ["error", "response.failed"]
    failed = events[1].json()["response"]
    assert (failed.pop("error")["message"], failed.pop("usage")["total_tokens"]) == ("busy", 3)
    assert failed == {**created, "status": "failed"}


@frozen
class Answered:
    """An answer of a server with an error, and its id of the request."""

    headers: dict[str, str]
    fields: dict[str, Any]
    request_id: str | None


@pytest.mark.parametrize(
    "answered",
    [
        Answered({}, {}, None),
        Answered({"x-request-id": "req_1"}, {}, "req_1"),
        Answered({"X-Request-Id": "req_1", "Request-Id": "req_2"}, {}, "req_2"),
        Answered({"request-id": "req_2"}, {"request_id": "req_3"}, "req_3"),
        Answered({"request-id": "req_2"}, {"request_id": None}, "req_2"),
    ],
    ids=["none", "x-request-id", "request-id", "body", "null"],
)
def test_request_id(api: str, answered: Answered) -> None:
    """The id is that of the body, of the header `request-id`, or of `x-request-id`."""
    httpx = pytest.importorskip("httpx")
    body = b"data: %b\n\n" % json.dumps({**ERRORS[api], **answered.fields}).encode()
    with (
        ReplayServer(Replay(body, headers=answered.headers)) as server,
        httpx.stream("GET", server.url) as response,
    ):
        error = read_error(api, response)
    assert error.request_id == answered.request_id
    assert pickle.loads(pickle.dumps(error)).request_id == answered.request_id


class Response(list[Any]):
    """A response whose body ends with an exception of the transport, if it has one."""

    status_code = 200
    headers: ClassVar = {"X-Request-Id": "req_1", "Content-Type": "text/event-stream"}

    def __iter__(self) -> Iterator[bytes]:
        for piece in super().__iter__():
            if isinstance(piece, Exception):
                raise piece
            yield piece


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ([b'data: {"choices":[]}\n\n'], IncompleteStream),
        ([b'data: {"choices":[]}\n\n', ConnectionResetError()], TransportError),
        ([b"data: x\n\n"], DecodeError),
        ([b"data: " + b" " * 100], LimitExceeded),
        ([b"<!DOCTYPE html>"], NotEventStream),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_every_error_has_the_response(body: list[Any], kind: type[SSEError]) -> None:
    """Each error of a stream has the status, the headers and the request id of its response."""
    with pytest.raises(kind) as caught:
        Stream(Response(body), max_line_bytes=99).result()
    error = caught.value
    assert (error.status, error.request_id) == (200, "req_1")
    assert error.headers["content-type"] == "text/event-stream"


def test_text_has_no_request_id() -> None:
    """An error whose body is text has no id without a response."""
    assert ServerSentError(message="busy", body="busy").request_id is None


def test_request_id_is_written() -> None:
    """The id of an Anthropic error is written for the client."""
    sent = ServerSentError(message="busy", body={"request_id": "req_1"}, type="overloaded_error")
    error = read_error("messages", [messages.encode_error(sent)])
    assert (error.request_id, error.type) == ("req_1", "overloaded_error")
