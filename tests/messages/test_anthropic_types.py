"""Results fit the types of the anthropic package, and its client reads the encoded events."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from official_types import misfits, missing
from sseparse import Event, encode
from sseparse.messages import (
    Message,
    MessageAccumulator,
    MessageParser,
    encode_event,
    to_events,
)
from sseparse.testing import ReplayServer

from .recordings import Recording

# The clients warn of values that the schema doesn't have.
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")

REASON = "the anthropic package is not installed"
anthropic = pytest.importorskip("anthropic", reason=REASON)
types = pytest.importorskip("anthropic.types", reason=REASON)
beta_types = pytest.importorskip("anthropic.types.beta", reason=REASON)

REQUEST: dict[str, Any] = {
    "model": "m",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello"}],
}
CITATION = {
    "type": "char_location",
    "cited_text": "there",
    "document_index": 0,
    "document_title": "There",
    "start_char_index": 0,
    "end_char_index": 5,
    "file_id": None,
}

CONTENTS: dict[str, list[dict[str, Any]]] = {
    "text": [{"type": "text", "text": "Hello there\n"}],
    "citations": [{"type": "text", "text": "See there", "citations": [CITATION]}],
    "thinking": [
        {"type": "thinking", "thinking": "Well.", "signature": "EqQB"},
        {"type": "redacted_thinking", "data": "EmwK"},
        {"type": "text", "text": "Hello"},
    ],
    "tool calls": [
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": "é"}},
        {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}},
    ],
    "server tools": [
        {
            "type": "server_tool_use",
            "id": "srvtoolu_1",
            "name": "web_search",
            "input": {"query": "q"},
        },
        {
            "type": "web_search_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": [
                {
                    "type": "web_search_result",
                    "title": "There",
                    "url": "https://example.org",
                    "encrypted_content": "EqgB",
                    "page_age": None,
                }
            ],
        },
    ],
    "nothing": [],
}


def message(content: list[dict[str, Any]], stop_reason: str = "end_turn") -> dict[str, Any]:
    """Return a message as the API sends it without streaming."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-6",
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 2, "service_tier": "standard"},
    }


MESSAGES = {
    **{name: message(CONTENTS[name]) for name in CONTENTS},
    "max_tokens": message([{"type": "text", "text": "Hel"}], "max_tokens"),
}


def accumulate(body: bytes) -> Message:
    parser, accumulator = MessageParser(), MessageAccumulator()
    events = parser.feed(body)
    for event in [*events, *(parser.close() if parser.error is None else [])]:
        accumulator.add(event)
    return accumulator.snapshot()


def result_of(name: str) -> Message:
    """Return a result that was streamed in its first event."""
    start: dict[str, Any] = {"type": "message_start", "message": MESSAGES[name]}
    events = [start, {"type": "message_stop"}]
    return accumulate(b"".join(encode(Event(json.dumps(body), body["type"])) for body in events))


# The package's types.


@pytest.mark.parametrize("name", MESSAGES)
def test_results_are_valid(name: str) -> None:
    """Results have the type of a message that isn't streamed."""
    fields = result_of(name).to_dict()

    assert fields == MESSAGES[name]
    assert misfits(types.Message, fields) == set()


def test_recorded_results_are_valid(recordings: list[Recording]) -> None:
    """Recorded results fit wherever what the server sent fits, as a message or a beta one."""
    seen = 0
    for recording in recordings:
        if recording.expected["final"] is not None:
            fields = accumulate(recording.body).to_dict()
            for kind in (types.Message, beta_types.BetaMessage):
                sent = misfits(kind, recording.expected["final"])
                assert misfits(kind, fields) <= sent, recording.name
            seen += 1
    assert seen > 45


# The package's client.


@contextmanager
def serve(results: dict[str, Message]) -> Iterator[Any]:
    """Serve results as streams; yield a function that returns a client for a result's name."""
    paths = {name: f"/{number}" for number, name in enumerate(results)}
    streams = {
        f"{paths[name]}/v1/messages": b"".join(map(encode_event, to_events(result)))
        for name, result in results.items()
    }
    with (
        ReplayServer(streams) as server,
        anthropic.DefaultHttpxClient(trust_env=False) as http_client,
        anthropic.Anthropic(
            api_key="none", max_retries=0, timeout=30, http_client=http_client
        ) as client,
    ):
        yield lambda name: client.with_options(base_url=server.url + paths[name])


def check_events(result: Message, client: Any) -> None:
    """Check that the package's client returns the events as they were encoded."""
    with client.beta.messages.create(**REQUEST, stream=True) as stream:
        bodies = [event.to_dict(mode="json") for event in stream]

    assert bodies == [event.to_dict() for event in to_events(result)]


def check_message(result: Message, client: Any) -> None:
    """Check that the package's accumulator returns all values that ours has."""
    with client.beta.messages.stream(**REQUEST) as stream:
        final = stream.get_final_message()

    assert missing(final.to_dict(mode="json"), result.to_dict()) == set()


def test_client_reads_the_events() -> None:
    """The package's client reads the events of results, and accumulates all of their values."""
    results = {name: result_of(name) for name in MESSAGES}
    with serve(results) as client_of:
        for name, result in results.items():
            check_events(result, client_of(name))
            check_message(result, client_of(name))


def test_client_reads_the_events_of_recorded_results(recordings: list[Recording]) -> None:
    """The same holds for recorded results."""
    results = {
        recording.name: accumulate(recording.body)
        for recording in recordings
        if recording.expected["final"] is not None
    }
    with serve(results) as client_of:
        for name, result in results.items():
            check_message(result, client_of(name))
