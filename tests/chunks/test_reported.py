"""Streams that users of other clients and servers reported, each with the right result."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import tiktoken

from sseparse import (
    Accumulator,
    ChatCompletion,
    ChatCompletionChunk,
    ChunkParser,
    ChunkReader,
    EndCause,
    SSEError,
    Stream,
    encode_chunk,
    to_chunks,
)
from sseparse.chunks import ContentDelta, ReasoningDelta, ToolCallDone, estimate_usage
from sseparse.moderation import Gate
from sseparse.timing import Timeline

CASES: list[dict[str, Any]] = json.loads(
    Path(__file__).parents[1].joinpath("data", "reported.json").read_text("utf-8")
)["cases"]


def options_of(case: dict[str, Any]) -> dict[str, Any]:
    """Return the options of the reader that a case needs."""
    needs = case.get("needs", "")
    options: dict[str, Any] = {}
    if "think tags" in needs:
        options["think_tags"] = True
    if "cumulative" in needs:
        options["deltas"] = "cumulative"
    return options


def id_of(case: dict[str, Any]) -> str:
    name: str = case["id"]
    return name


def read(case: dict[str, Any], size: int) -> ChunkReader:
    """Feed a case's bytes in pieces of a size and return the closed reader."""
    reader = ChunkReader(**options_of(case))
    body = case["body"].encode("latin-1")
    for at in range(0, len(body), size):
        if reader.closed and not reader.continues:
            break
        reader.feed(body[at : at + size])
    reader.close()
    return reader


def texts_in(value: Any) -> Iterator[str]:
    """Yield the keys and texts in a JSON value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_in(inner)
    elif isinstance(value, str):
        yield value


def message(result: Any) -> Any:
    return result.choices[0].message


def reasoning(result: Any) -> str:
    return message(result).reasoning_content or message(result).reasoning or ""


def tools(result: Any) -> list[list[str]]:
    calls = message(result).tool_calls or ()
    return [[call.function.name, call.function.arguments] for call in calls]


def usage(*names: str) -> Callable[[Any], list[int | None]]:
    return lambda result: [getattr(result.usage, f"{name}_tokens") for name in names]


def has_note(result: Any, kind: str) -> bool:
    return any(note.kind.name == kind for note in result.notes)


# What each expectation is compared with.
VALUES: dict[str, Callable[[Any], Any]] = {
    "text": lambda result: result.text,
    "text1": lambda result: result.choices[1].message.content,
    "finish": lambda result: result.choices[0].finish_reason,
    "role": lambda result: message(result).role,
    "reasoning": reasoning,
    "tools": tools,
    "tool_ids": lambda result: [call.id for call in message(result).tool_calls],
    "args_value": lambda result: [
        json.loads(call.function.arguments) for call in message(result).tool_calls
    ],
    "usage": usage("prompt", "completion", "total"),
    "usage3": usage("prompt", "completion"),
    "usage_note": lambda result: has_note(result, "VALUE_IGNORED"),
    "annotations": lambda result: len(message(result).annotations),
    "logprobs": lambda result: len(result.choices[0].logprobs.content),
    "legacy_content_logprobs": lambda result: len(result.choices[0].logprobs.to_dict()["content"]),
    "legacy_logprobs": lambda result: [
        result.choices[0].logprobs.tokens,
        result.choices[0].logprobs.token_logprobs,
    ],
    "chat_extra_tokens": lambda result: result.choices[0].logprobs.extra["tokens"],
    "partial_text": lambda result: result.text,
}


def check(reader: ChunkReader, expected: dict[str, Any]) -> None:
    expected = {**expected}
    error, wanted = reader.error, expected.pop("error", None)
    if wanted is None:
        assert error is None, error
    elif wanted == "any":
        assert error is not None
    else:
        assert type(error).__name__ == wanted
    says = expected.pop("error_says", None)
    if says is not None:
        assert says in str(error)
    cause = expected.pop("cause", None)
    if cause is not None:
        assert reader.end.cause is EndCause[cause]
    result = reader.snapshot()
    texts = "\n".join(texts_in(result.to_dict()))
    for text in expected.pop("somewhere", ()):
        assert text in texts
    for text in expected.pop("nowhere", ()):
        assert text not in texts
    kind = expected.pop("has_note", None)
    assert kind is None or has_note(result, kind)
    for name, value in expected.items():
        assert VALUES[name](result) == value, name


@pytest.mark.parametrize("size", [1 << 20, 7, 1], ids=["whole", "7 bytes", "byte by byte"])
@pytest.mark.parametrize("case", CASES, ids=id_of)
def test_reported(case: dict[str, Any], size: int) -> None:
    """A reported stream has its right result, however its bytes are cut."""
    check(read(case, size), case["expect"])


@pytest.mark.parametrize("case", CASES, ids=id_of)
def test_views_agree(case: dict[str, Any]) -> None:
    """Updates, encoded chunks, a gate and a timeline agree with the result."""
    body = case["body"].encode("latin-1")
    options = options_of(case)
    stream = Stream([body], on_incomplete="accept", **options)
    updates: list[Any] = []
    with suppress(SSEError):
        updates.extend(stream.updates())
    result: Any = stream.snapshot()
    chunks: list[Any] = []
    with suppress(SSEError):
        chunks.extend(Stream([body], on_incomplete="accept", **options))

    # Updates.
    contents = [each.text for each in updates if type(each) is ContentDelta and not each.choice]
    assert "".join(contents) == result.text
    reasonings = [each.text for each in updates if type(each) is ReasoningDelta and not each.choice]
    if isinstance(result, ChatCompletion) and result.choices:
        assert "".join(reasonings) == reasoning(result)
        calls = [each for each in updates if type(each) is ToolCallDone]
        if stream.end is not None and stream.end.complete:
            assert [[each.name, each.arguments] for each in calls] == tools(result)

    # The chunks as they were sent, and the result as chunks.
    for sent in (chunks, to_chunks(result) if result.choices else ()):
        again = Accumulator()
        for event in map(encode_chunk, sent):
            for chunk in ChunkParser(error_finish_reasons=()).feed(event):
                again.add(chunk)
        if sent:
            assert again.snapshot().to_dict() == accumulated(chunks).to_dict()

    # Moderation and timing.
    gate = Gate(lambda _text: True)
    with suppress(SSEError):
        assert "".join(gate.text_deltas(iter(chunks))) == accumulated(chunks).text
    timeline = Timeline()
    with suppress(SSEError):
        Stream([body], timeline=timeline, **options).result()
    assert (timeline.summary().time_to_first_token is not None) == any(
        chunk.pieces() or (isinstance(chunk, ChatCompletionChunk) and chunk.call_names())
        for chunk in chunks
    )


@pytest.mark.usefixtures("vocabularies")
@pytest.mark.parametrize("case", CASES, ids=id_of)
def test_estimates_agree(case: dict[str, Any]) -> None:
    """An estimate counts the text and the reasoning of the result."""
    result: Any = read(case, 1 << 20).snapshot()
    encode = tiktoken.get_encoding("o200k_base").encode_ordinary
    usage = estimate_usage(result, encoding="o200k_base")

    for choice, counted in zip(result.choices, usage.choices, strict=True):
        assert counted.content == len(encode(choice.text))
    if isinstance(result, ChatCompletion) and result.choices:
        assert usage.choices[0].reasoning == len(encode(reasoning(result)))


def accumulated(chunks: list[Any]) -> Any:
    accumulator = Accumulator()
    for chunk in chunks:
        accumulator.add(chunk)
    return accumulator.snapshot()
