"""`recognize()` says which API an event, or a body with some first bytes, is from."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse import Event, Parser, encode, recognize

CHAT: dict[str, Any] = {"choices": [{"index": 0, "delta": {"content": "a"}}]}
LEGACY: dict[str, Any] = {"choices": [{"index": 0, "text": "a"}]}
CREATED: dict[str, Any] = {
    "type": "response.created",
    "response": {"object": "response", "output": []},
}
START: dict[str, Any] = {"type": "message_start", "message": {"role": "assistant", "content": []}}
COMMENT = b": OPENROUTER PROCESSING\n\n"


def data(value: Any) -> bytes:
    return encode(Event(json.dumps(value)))


# Events.

EVENTS: list[tuple[str | None, dict[str, Any]]] = [
    ("chat", CHAT),
    ("chat", {"choices": [{"delta": None}], "object": ""}),
    ("chat", {"choices": [{"message": {"content": "a"}}]}),
    ("chat", {"choices": [{"delta": {}, "text": "a"}], "object": "text_completion"}),
    ("chat", {"choices": [], "object": "chat.completion.chunk", "usage": {}}),
    ("chat", {"choices": [3], "object": "chat.completion"}),
    ("completion", LEGACY),
    ("completion", {"choices": [{"text": ""}], "object": "chat.completion.chunk"}),
    (None, {"choices": [], "object": "text_completion"}),
    (None, {"choices": None, "prompt_filter_results": []}),
    ("responses", CREATED),
    ("responses", {"sequence_number": 4, "type": "response.any_new_event"}),
    ("responses", {"type": "error", "sequence_number": 2, "error": {"message": "a"}}),
    ("responses", {"object": "response", "status": "queued"}),
    (None, {"type": "response.created", "event_id": "event_1"}),
    (None, {"type": "keepalive", "sequence_number": 2}),
    ("messages", START),
    ("messages", {"type": "content_block_start", "index": 0, "content_block": {}}),
    ("messages", {"type": "content_block_delta", "index": 0, "delta": {}}),
    ("messages", {"type": "content_block_stop", "index": 0}),
    ("messages", {"type": "message_delta", "delta": {}}),
    ("messages", {"type": "message_stop"}),
    ("messages", {"type": "error", "error": {"type": "overloaded_error", "message": "a"}}),
    ("messages", {"type": "message", "content": [], "stop_reason": None}),
    (None, {"type": "message", "content": [], "status": "completed"}),
    (None, {"type": "message_start"}),
    (None, {"type": "ping"}),
    (None, {"type": "error", "error": {"type": "a", "message": "a", "code": None}}),
    (None, {"type": "error", "error": "a"}),
    (None, {"type": "error", "code": "a", "message": "a"}),
    (None, {"error": {"type": "overloaded_error", "message": "a"}}),
    (None, {"type": ["response.created"]}),
    (None, {}),
]


@pytest.mark.parametrize(
    ("api", "value"),
    EVENTS,
    ids=str,
)
def test_events(api: str | None, value: dict[str, Any]) -> None:
    """What only one API sends decides, and the shape of a choice before labels."""
    assert recognize(Event(json.dumps(value))) == api
    assert recognize(data(value)) == api


@pytest.mark.parametrize("text", ["", "[DONE]", "[1]", "3", "{", '{"a" 1}', "a {}", "}"])
def test_data_that_is_no_object(text: str) -> None:
    """Data without a JSON object gives no answer."""
    assert recognize(Event(text)) is None


def test_names_of_events() -> None:
    """The name of an event doesn't decide: GigaChat has events named `response.…` as well."""
    assert (
        recognize(Event('{"messages": [{"role": "assistant"}]}', "response.message.delta")) is None
    )
    assert recognize(Event(json.dumps(CREATED), "ping")) == "responses"


@pytest.mark.parametrize(
    "text",
    [
        'data: {"type": "ping"}\ndata: {"choices": [{"text": ""}]}',
        '{}{"choices": [{"text": "}"}]} {',
        '{"a" 1} {"choices": [{"a": "\\"}", "text": "\\ud83d", "logprob": NaN}]}\nx',
    ],
)
def test_several_values(text: str) -> None:
    """An event can hold several values, repeated names of its field, and what isn't JSON."""
    assert recognize(Event(text)) == "completion"


# Bodies.


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"\xef\xbb\xbf",
        b"\r\n\r\n",
        COMMENT,
        data({"type": "ping"}),
        b'event: keepalive\r\ndata: {"type":"keepalive","sequence_number":2}\r\n\r\n',
        data({"error": {"message": "a"}}),
        b"id: 7\nretry: 5\n\ndata: text\n\n",
        b'{"error": "a"}\n',
    ],
)
@pytest.mark.parametrize(
    ("api", "value"),
    [("chat", CHAT), ("completion", LEGACY), ("responses", CREATED), ("messages", START)],
)
def test_streams(before: bytes, api: str, value: dict[str, Any]) -> None:
    """The first event that only one API sends decides, as soon as its JSON is complete."""
    body = before + data(value).rstrip()
    assert recognize(body[:-1]) is None
    assert recognize(body) == api
    assert recognize(body.replace(b"\n", b"\r\n") + b"\r\n\r\ndata: {") == api
    assert recognize(memoryview(body + b"\n\n" + data(CHAT) + data(CREATED))) == api


RESULTS: list[tuple[str, dict[str, Any]]] = [
    ("chat", {"object": "chat.completion", "choices": [{"message": {}}]}),
    ("completion", {"object": "text_completion", "choices": [{"text": "a"}]}),
    ("responses", {"id": "resp_1", "object": "response", "output": []}),
    (
        "messages",
        {"type": "message", "role": "assistant", "content": [], "stop_reason": "end_turn"},
    ),
    ("messages", {"type": "error", "error": {"type": "a", "message": "b"}, "request_id": "c"}),
]


@pytest.mark.parametrize(("api", "value"), RESULTS)
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf \n", COMMENT])
def test_json_bodies(before: bytes, api: str, value: dict[str, Any]) -> None:
    """A JSON body is recognized once it's complete, whatever follows it."""
    body = before + json.dumps(value, indent=1).encode()
    assert recognize(body[:-1]) is None
    assert recognize(body) == api
    assert recognize(bytearray(body + b"\n" + body + b"\n{")) == api


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"error": {"message": "a", "type": "b", "param": null, "code": null}}',
        b'{"candidates": [{"content": {"parts": [{"text": "a"}]}}]}',
        b'event: message-start\ndata: {"type": "message-start", "delta": {}}\n\n',
        b"event: output\ndata: a\n\n",
        COMMENT,
    ],
)
def test_other_bodies(body: bytes) -> None:
    """Errors that several APIs send, and the streams of other APIs, give no answer."""
    assert recognize(body) is None


def test_wrong_types() -> None:
    """A source that is neither an event nor bytes is a TypeError."""
    with pytest.raises(TypeError, match="takes an Event or bytes, not str"):
        recognize("data: 1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


PIECES = [
    *(json.dumps(value).encode() for value in (CHAT, LEGACY, CREATED, START)),
    *(b"data: ", b"data:", b"event: response.created", b"event: ping", b": comment", b"id: 1"),
    *(
        b"\n",
        b"\n\n",
        b"\r",
        b"\r\n",
        b"{",
        b"}",
        b'"',
        b"\\",
        b" ",
        b"\xef\xbb\xbf",
        b"\xff",
        b"[1]",
    ),
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
def test_a_longer_prefix_keeps_the_answer(body: bytes) -> None:
    """An answer never changes with more bytes."""
    answers = [recognize(body[:size]) for size in range(len(body) + 1)]
    known = [answer for answer in answers if answer is not None]
    assert len({*known}) <= 1
    assert answers[len(answers) - len(known) :] == known


@pytest.mark.parametrize(
    "unit",
    [
        b"{",
        b"[{",
        b'{"',
        b'"',
        b"\\",
        b"{}",
        b'{"a":1}\n',
        b"data:",
        b"\n",
        b":\n",
        b":",
        b"data: {}\n\n",
    ],
)
@pytest.mark.parametrize("start", [b"", b"data: ", b'data: {"'])
def test_the_cost_is_linear(start: bytes, unit: bytes) -> None:
    """128 KiB of any unit take linear time; quadratic time would be minutes."""
    assert recognize(start + unit * (2**17 // len(unit))) is None


def test_too_many_objects() -> None:
    """JSON with too many objects isn't decoded: it would use far more memory than its text."""
    value = b'{"choices": [{"delta": {"a": [%b]}}]}' % b",".join([b"[]"] * 2**19)
    assert recognize(b"data: %b\n\n" % value + data(CHAT)) == "chat"


# Recordings.

EXCEPTIONS = {
    "anthropic-json-body-1": "messages",
    "gigachat-nofinish-1": None,  # events of another API of the same server
    "gigachat-threads-messages-run-1": "chat",
    "openai-x-5": "completion",
    "openrouter-error-1": None,  # an error that several APIs send
}
NAMES = {"anthropic": "messages", "other": None}
# A legacy stream whose last chunk has the shape of chat.
MIXED = "openai-completion-text-6"


def recordings(corpus: Path) -> Iterator[tuple[str, bytes, str | None]]:
    second = corpus.with_name("corpus2")
    for folder in (corpus, second / "responses", second / "anthropic"):
        if not (folder / "INDEX.json").exists():
            continue
        for entry in json.loads((folder / "INDEX.json").read_text()):
            file = folder / entry.get("stream", f"streams/{entry['file']}")
            api = NAMES.get(entry["kind"], entry["kind"])
            yield file.stem, file.read_bytes(), EXCEPTIONS.get(file.stem, api)


def test_recorded_bodies(corpus: Path) -> None:
    """Each recorded body is recognized, and each prefix gives that answer or none."""
    streams = 0
    for name, body, api in recordings(corpus):
        assert recognize(body) == api, name
        cuts = sorted({2**power + at for power in range(5, 14) for at in (0, 3)})
        answers = [recognize(body[:size]) for size in cuts]
        unknown = answers.count(None)
        assert answers == [None] * unknown + [api] * (len(answers) - unknown), name
        streams += 1
    assert streams > 150


def test_recorded_events(corpus: Path) -> None:
    """Each recorded event gives the API of its stream, or no answer."""
    events = 0
    for name, body, api in recordings(corpus):
        parser = Parser(incomplete="dispatch")
        found = [recognize(event) for event in [*parser.feed(body), *parser.close()]]
        allowed = {None, api, *(["chat"] if name == MIXED else [])}
        assert {*found} <= allowed, name
        events += len(found)
    assert events > 5000
