"""Results fit the types of the openai package, and its client reads the encoded chunks."""

import json
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sseparse import (
    Accumulator,
    ChatCompletion,
    ChunkDecoder,
    ChunkParser,
    Completion,
    Event,
    encode,
    encode_chunk,
    to_chunks,
)
from sseparse.testing import ReplayServer

REASON = "the openai package is not installed"
openai = pytest.importorskip("openai", reason=REASON)
pydantic = pytest.importorskip("pydantic", reason=REASON)
types = pytest.importorskip("openai.types", reason=REASON)
chat_types = pytest.importorskip("openai.types.chat", reason=REASON)
chat_module = pytest.importorskip("openai.types.chat.chat_completion", reason=REASON)

Result = ChatCompletion | Completion
Place = tuple[str | int, ...]

QUESTION = {"role": "user", "content": "Hello"}
USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


def delta(index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"index": index, "delta": fields, "finish_reason": None}


def finish(reason: str, index: int = 0) -> dict[str, Any]:
    return {"index": index, "delta": {}, "finish_reason": reason}


def token(text: str) -> dict[str, Any]:
    top = [{"token": text, "logprob": -0.5, "bytes": None}]
    return {"token": text, "logprob": -0.5, "bytes": [*text.encode()], "top_logprobs": top}


def call(index: int, **fields: Any) -> dict[str, Any]:
    return delta(tool_calls=[{"index": index, **fields}])


CHAT: dict[str, list[dict[str, Any]]] = {
    "text": [
        delta(role="assistant", content="", refusal=None),
        delta(content="Hello"),
        delta(content=" there\n"),
        finish("stop"),
    ],
    "tool calls": [
        delta(role="assistant", content=None),
        call(0, id="a", type="function", function={"name": "f", "arguments": ""}),
        call(0, function={"arguments": '{"x":'}),
        call(0, function={"arguments": '"é"}'}),
        call(1, id="b", type="function", function={"name": "g", "arguments": "{}"}),
        finish("tool_calls"),
    ],
    "custom tool": [
        delta(role="assistant", content=None),
        call(0, id="a", type="custom", custom={"name": "f", "input": ""}),
        call(0, custom={"input": "free text"}),
        finish("tool_calls"),
    ],
    "function call": [
        delta(role="assistant", content=None),
        delta(function_call={"name": "f", "arguments": ""}),
        delta(function_call={"arguments": "{}"}),
        finish("function_call"),
    ],
    "logprobs": [
        {**delta(role="assistant", content=""), "logprobs": {"content": [], "refusal": None}},
        {**delta(content="Foo"), "logprobs": {"content": [token("Foo")], "refusal": None}},
        {**delta(content="!"), "logprobs": {"content": [token("!")], "refusal": None}},
        finish("stop"),
    ],
    "refusal": [
        delta(role="assistant", content=None, refusal=""),
        {**delta(refusal="I can't"), "logprobs": {"content": None, "refusal": [token("I can't")]}},
        delta(refusal=" help."),
        finish("stop"),
    ],
    "audio": [
        delta(role="assistant", content=None),
        delta(audio={"id": "audio_1", "transcript": "Hel"}),
        delta(audio={"transcript": "lo"}),
        delta(audio={"data": "AAAA"}),
        delta(audio={"data": "AAA="}),
        delta(audio={"expires_at": 1727346999}),
        finish("stop"),
    ],
    "two choices": [
        delta(role="assistant", content=""),
        delta(1, role="assistant", content=""),
        delta(content="a"),
        delta(1, content="b"),
        finish("stop", 1),
        finish("length"),
    ],
    "annotations": [
        delta(role="assistant", content="See there"),
        delta(
            annotations=[
                {
                    "type": "url_citation",
                    "url_citation": {
                        "start_index": 4,
                        "end_index": 9,
                        "title": "There",
                        "url": "https://example.org",
                    },
                }
            ]
        ),
        finish("stop"),
    ],
}
LEGACY: dict[str, list[dict[str, Any]]] = {
    "text": [
        {"index": 0, "text": "Hel", "logprobs": None, "finish_reason": None},
        {"index": 0, "text": "lo", "logprobs": None, "finish_reason": "length"},
    ],
    "two choices": [
        {"index": 1, "text": "b", "logprobs": None, "finish_reason": "stop"},
        {"index": 0, "text": "a", "logprobs": None, "finish_reason": "stop"},
    ],
    "logprobs": [
        {
            "index": 0,
            "text": text,
            "logprobs": {
                "tokens": [text],
                "token_logprobs": [-0.5],
                "top_logprobs": [{text: -0.5}],
                "text_offset": [at],
            },
            "finish_reason": reason,
        }
        for text, at, reason in [("Hel", 0, None), ("lo", 3, "stop")]
    ],
}


def accumulate(bodies: list[dict[str, Any]]) -> Result:
    decoder, accumulator = ChunkDecoder(), Accumulator()
    for body in bodies:
        for chunk in decoder.feed(Event(json.dumps(body))):
            accumulator.add(chunk)
    return accumulator.snapshot()


def stream_of(kind: str, choices: list[dict[str, Any]]) -> Result:
    """Accumulate chunks as the API streams them, with usage in the last one."""
    head = {
        "id": "c-1",
        "object": kind,
        "created": 1727346173,
        "model": "gpt-4o-mini",
        "system_fingerprint": "fp_1",
        **({"service_tier": "default"} if kind == "chat.completion.chunk" else {}),
    }
    last = {**head, "choices": [], "usage": USAGE}
    return accumulate([*({**head, "choices": [choice]} for choice in choices), last])


RESULTS = {
    **{f"chat, {name}": stream_of("chat.completion.chunk", CHAT[name]) for name in CHAT},
    **{f"legacy, {name}": stream_of("text_completion", LEGACY[name]) for name in LEGACY},
}


# The package's types.


def errors(result: Result) -> set[Place]:
    """Validate a result with the package's type, and return the places that don't fit."""
    kind = chat_types.ChatCompletion if isinstance(result, ChatCompletion) else types.Completion
    fields = result.to_dict()
    try:
        valid = kind.model_validate(fields)
    except pydantic.ValidationError as failure:
        return {place_of(error["loc"]) for error in failure.errors()}
    assert valid.to_dict() == fields
    return set()


def place_of(location: Place) -> Place:
    """Return the place without the fields below a tool call, which depend on its type."""
    return location[: location.index("tool_calls") + 2] if "tool_calls" in location else location


def allowed_values(model: Any, name: str) -> set[str]:
    """Return the values that the schema allows for a field."""
    annotation = model.model_fields[name].annotation
    inner = typing.get_args(annotation)
    return {word for kind in (annotation, *inner) for word in typing.get_args(kind)} | {
        word for word in inner if isinstance(word, str)
    }


FINISH_REASONS: dict[type[Result], set[str]] = {
    ChatCompletion: allowed_values(chat_module.Choice, "finish_reason"),
    Completion: allowed_values(types.CompletionChoice, "finish_reason"),
}
SERVICE_TIERS = allowed_values(chat_types.ChatCompletion, "service_tier")


def gaps(result: Result) -> dict[Place, str]:
    """Return the places where the server didn't send what the schema requires."""
    found: dict[Place, str] = {}
    for name in ("id", "created", "model"):
        if getattr(result, name) is None:
            found[name,] = "the server sent none, or an empty one"
    tier = getattr(result, "service_tier", None)
    if tier is not None and tier not in SERVICE_TIERS:
        found["service_tier",] = "not a value of the schema"
    for name in USAGE if result.usage is not None else ():
        if getattr(result.usage, name) is None:
            found["usage", name] = "the server doesn't count it"
    for at, choice in enumerate(result.choices):
        words = FINISH_REASONS[type(result)]
        for place, why in choice_gaps(choice, words).items():
            found["choices", at, *place] = why
    return found


def choice_gaps(choice: Any, words: set[str]) -> dict[Place, str]:
    found: dict[Place, str] = {}
    if choice.finish_reason is None:
        found["finish_reason",] = "the stream was truncated, or the server sent none"
    elif choice.finish_reason not in words:
        found["finish_reason",] = "not a value of the schema"
    message = getattr(choice, "message", None)
    for at, tool_call in enumerate((message and message.tool_calls) or []):
        if tool_call.id is None:
            found["message", "tool_calls", at] = "the server sent the call without an id"
    return found


@pytest.mark.parametrize("name", RESULTS)
def test_results_are_valid(name: str) -> None:
    """Accumulated streams of the API have the type of a non-streaming response."""
    assert gaps(RESULTS[name]) == {}
    assert errors(RESULTS[name]) == set()


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({"choices": []}, [("id",), ("created",), ("model",)]),
        ({"choices": [delta()]}, [("choices", 0, "finish_reason")]),
        ({"choices": [finish("eos", 3)]}, [("choices", 0, "finish_reason")]),
        ({"service_tier": "on_demand"}, [("service_tier",)]),
        (
            {"usage": {"total_tokens": 1}},
            [("usage", "prompt_tokens"), ("usage", "completion_tokens")],
        ),
        (
            {"choices": [{**call(0, function={"name": "f"}), "finish_reason": "tool_calls"}]},
            [("choices", 0, "message", "tool_calls", 0)],
        ),
        (
            {"object": "text_completion", "choices": [{"text": "", "finish_reason": "tool_calls"}]},
            [("choices", 0, "finish_reason")],
        ),
    ],
    ids=str,
)
def test_missing_fields_are_not_invented(body: Any, places: list[Place]) -> None:
    """Fields that the server didn't send aren't invented."""
    head = {} if ("id",) in places else {"id": "c", "created": 1, "model": "m"}
    result = accumulate([{**head, **body}])

    assert errors(result) == gaps(result).keys() == set(places)


def test_recorded_results_are_valid(corpus: Path) -> None:
    """Recorded results are valid except where the server didn't send a required field."""
    valid = 0
    for entry in json.loads((corpus / "INDEX.json").read_text()):
        if entry["kind"] in ("chat", "completion"):
            parser, accumulator = ChunkParser(), Accumulator()
            chunks = parser.feed((corpus / "streams" / entry["file"]).read_bytes())
            for chunk in [*chunks, *(parser.close() if parser.error is None else [])]:
                accumulator.add(chunk)
            result = accumulator.snapshot()
            assert errors(result) == gaps(result).keys(), entry["file"]
            valid += not gaps(result)
    assert valid > 70


# The package's client.


@contextmanager
def client_of(result: Result, pieces: int | None) -> Iterator[Any]:
    """Serve a result as a stream to the package's client."""
    wire = b"".join(encode_chunk(chunk) for chunk in to_chunks(result, pieces=pieces))
    with (
        ReplayServer(wire + encode(Event("[DONE]"))) as server,
        openai.DefaultHttpxClient(trust_env=False) as http_client,
        openai.OpenAI(
            api_key="none",
            base_url=server.url,
            max_retries=0,
            timeout=30,
            http_client=http_client,
        ) as client,
    ):
        yield client


@pytest.mark.parametrize("pieces", [None, 1])
@pytest.mark.parametrize("name", RESULTS)
def test_client_reads_the_chunks(name: str, pieces: int | None) -> None:
    """The package's client returns the chunks as they were encoded."""
    result = RESULTS[name]
    with client_of(result, pieces) as client:
        if isinstance(result, ChatCompletion):
            stream = client.chat.completions.create(model="m", messages=[QUESTION], stream=True)
        else:
            stream = client.completions.create(model="m", prompt="Hello", stream=True)
        with stream:
            bodies = [chunk.to_dict() for chunk in stream]

    assert bodies == [chunk.to_dict() for chunk in to_chunks(result, pieces=pieces)]
    assert accumulate(bodies) == result


# The package's accumulator fails for these two, whichever server streams them.
AGREED = [name for name in CHAT if name not in ("annotations", "custom tool")]


@pytest.mark.parametrize("pieces", [None, 1])
@pytest.mark.parametrize("name", AGREED)
def test_accumulators_agree(name: str, pieces: int | None) -> None:
    """The package's accumulator returns all values that ours has."""
    result = RESULTS[f"chat, {name}"]
    with client_of(result, pieces) as client:
        request = {"model": "m", "messages": [QUESTION]}
        try:
            with client.chat.completions.stream(**request) as stream:
                for _event in stream:
                    pass
                final = stream.get_final_completion()
        except openai.LengthFinishReasonError as failure:
            final = failure.completion

    assert missing(final.to_dict(), result.to_dict()) == set()


def missing(theirs: Any, ours: Any, path: str = "") -> set[str]:
    """Return the places where their value is missing or differs from ours."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        named: list[tuple[Any, Any, Any]] = [(name, theirs.get(name), ours[name]) for name in ours]
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        named = [*zip(range(len(ours)), theirs, ours, strict=True)]
    else:
        return set() if theirs == ours else {path}
    return {place for name, one, other in named for place in missing(one, other, f"{path}.{name}")}
