"""Results fit the types of the openai package, and its client reads the encoded events."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from official_types import misfits, missing
from sseparse import Event, encode
from sseparse.responses import (
    Response,
    ResponseAccumulator,
    ResponseParser,
    encode_event,
    to_events,
)
from sseparse.testing import ReplayServer

from .recordings import Recording

# The clients warn of values that the schema doesn't have.
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")

REASON = "the openai package is not installed"
openai = pytest.importorskip("openai", reason=REASON)
types = pytest.importorskip("openai.types.responses", reason=REASON)

REQUEST = {"model": "m", "input": "Hello"}
USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 2,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 11,
}
CITATION = {
    "type": "url_citation",
    "start_index": 4,
    "end_index": 9,
    "title": "There",
    "url": "https://example.org",
}


def message(*parts: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": list(parts),
    }


def text(value: str, **fields: Any) -> dict[str, Any]:
    return {"type": "output_text", "text": value, "annotations": [], "logprobs": [], **fields}


def token(value: str) -> dict[str, Any]:
    top = {"token": value, "logprob": -0.5, "bytes": [*value.encode()]}
    return {**top, "top_logprobs": [top]}


OUTPUTS: dict[str, list[dict[str, Any]]] = {
    "text": [message(text("Hello there\n"))],
    "two texts": [message(text("Hello"), text("there"))],
    "annotations": [message(text("See there", annotations=[CITATION]))],
    "logprobs": [message(text("Foo!", logprobs=[token("Foo"), token("!")]))],
    "refusal": [message({"type": "refusal", "refusal": "I can't help."})],
    "reasoning": [
        {
            "id": "rs_1",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Think."}],
            "content": [{"type": "reasoning_text", "text": "Well."}],
            "encrypted_content": "gAAA",
            "status": "completed",
        },
        message(text("Hello")),
    ],
    "tool calls": [
        {
            "id": "fc_1",
            "type": "function_call",
            "call_id": "a",
            "name": "f",
            "arguments": '{"x":"é"}',
            "status": "completed",
        },
        {
            "id": "ctc_1",
            "type": "custom_tool_call",
            "call_id": "b",
            "name": "g",
            "input": "free text",
            "status": "completed",
        },
    ],
    "hosted tools": [
        {
            "id": "ws_1",
            "type": "web_search_call",
            "status": "completed",
            "action": {"type": "search", "query": "q", "queries": ["q"]},
        },
        {
            "id": "ci_1",
            "type": "code_interpreter_call",
            "status": "completed",
            "code": "print(1)",
            "container_id": "cntr_1",
            "outputs": [{"type": "logs", "logs": "1"}],
        },
        {
            "id": "mcp_1",
            "type": "mcp_call",
            "name": "f",
            "server_label": "s",
            "arguments": "{}",
            "output": "1",
            "error": None,
        },
    ],
    "nothing": [],
}


def response(output: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """Return a response as the API sends it without streaming."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1727346173,
        "status": "completed",
        "model": "gpt-5.1",
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "usage": USAGE,
        **fields,
    }


RESPONSES = {
    **{name: response(OUTPUTS[name]) for name in OUTPUTS},
    "incomplete": response(
        [{**message(text("Hel")), "status": "incomplete"}],
        status="incomplete",
        incomplete_details={"reason": "max_output_tokens"},
    ),
}


def accumulate(body: bytes) -> Response:
    parser, accumulator = ResponseParser(), ResponseAccumulator()
    events = parser.feed(body)
    for event in [*events, *(parser.close() if parser.error is None else [])]:
        accumulator.add(event)
    return accumulator.snapshot()


def result_of(name: str) -> Response:
    """Return a result that was streamed in one event."""
    body = RESPONSES[name]
    kind = f"response.{body['status']}"
    data = json.dumps({"type": kind, "sequence_number": 0, "response": body})
    return accumulate(encode(Event(data, kind)))


# The package's types.


@pytest.mark.parametrize("name", RESPONSES)
def test_results_are_valid(name: str) -> None:
    """Results have the type of a response that isn't streamed."""
    fields = result_of(name).to_dict()

    assert missing(fields, RESPONSES[name]) == set()
    assert misfits(types.Response, fields) == set()


def test_recorded_results_are_valid(recordings: list[Recording]) -> None:
    """Recorded results fit wherever what the server sent fits."""
    seen = 0
    for recording in recordings:
        found = misfits(types.Response, accumulate(recording.body).to_dict())
        sent = {**recording.expected["final"], "output": recording.output}
        assert found <= misfits(types.Response, sent), recording.name
        seen += 1
    assert seen > 70


# The package's client.


@contextmanager
def serve(results: dict[str, Response]) -> Iterator[Any]:
    """Serve results as streams; yield a function that returns a client for a result's name."""
    paths = {name: f"/{number}" for number, name in enumerate(results)}
    streams = {
        f"{paths[name]}/responses": b"".join(map(encode_event, to_events(result)))
        for name, result in results.items()
    }
    with (
        ReplayServer(streams) as server,
        openai.DefaultHttpxClient(trust_env=False) as http_client,
        openai.OpenAI(api_key="none", max_retries=0, timeout=30, http_client=http_client) as client,
    ):
        yield lambda name: client.with_options(base_url=server.url + paths[name])


def check_events(result: Response, client: Any) -> None:
    """Check that the package's client returns the events as they were encoded."""
    with client.responses.create(**REQUEST, stream=True) as stream:
        bodies = [event.to_dict(mode="json") for event in stream]

    assert bodies == [event.to_dict() for event in to_events(result)]


def check_response(result: Response, client: Any) -> None:
    """Check that the package's accumulator returns all values that ours has."""
    with client.responses.stream(**REQUEST) as stream:
        final = stream.get_final_response()

    assert missing(final.to_dict(mode="json"), result.to_dict()) == set()


def test_client_reads_the_events() -> None:
    """The package's client reads the events of results, and accumulates all of their values."""
    results = {name: result_of(name) for name in RESPONSES}
    with serve(results) as client_of:
        for name, result in results.items():
            check_events(result, client_of(name))
            if result.status == "completed":
                check_response(result, client_of(name))


# Two items of this response have the same id, which the package's accumulator rejects.
REJECTED = ("openai-responses-imagegeneration-reasoning-1",)


def test_client_reads_the_events_of_recorded_results(recordings: list[Recording]) -> None:
    """The same holds for recorded results."""
    results = {each.name: accumulate(each.body) for each in recordings}
    with serve(results) as client_of:
        for name, result in results.items():
            # The package's accumulator has a result of completed responses only.
            is_read = result.status == "completed" and name not in REJECTED
            (check_response if is_read else check_events)(result, client_of(name))
