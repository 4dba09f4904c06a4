"""Tests with recorded streams of many providers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recorded import differences, pruned
from sseparse import (
    Accumulator,
    ChatCompletionChunk,
    ChunkDecoder,
    ChunkParser,
    Completion,
    CompletionChunk,
    Event,
    NotEventStream,
    Parser,
    ServerSentError,
)
from sseparse.testing import run_stage

DISAGREEMENTS: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parents[1] / "data" / "corpus-disagreements.json").read_text()
)["streams"]


def accumulated(body: bytes, sizes: list[int]) -> tuple[Accumulator, ChunkParser]:
    """Feed pieces of the given sizes, then the rest, and accumulate the chunks."""
    pieces = []
    for size in sizes:
        pieces.append(body[:size])
        body = body[size:]
    parser = ChunkParser()
    accumulator = Accumulator()
    for chunk in run_stage(parser, [*pieces, body]).items:
        accumulator.add(chunk)
    return accumulator, parser


def cuts(entry: dict[str, Any], body: bytes) -> Iterator[list[int]]:
    yield []
    yield [7] * (len(body) // 7)
    if "network_chunk_sizes" in entry:
        yield entry["network_chunk_sizes"]


def recordings(corpus: Path, kind: str) -> Iterator[tuple[dict[str, Any], bytes]]:
    for entry in json.loads((corpus / "INDEX.json").read_text()):
        if entry["kind"] == kind:
            yield entry, (corpus / "streams" / entry["file"]).read_bytes()


def test_chat_streams(corpus: Path) -> None:
    """Each chat stream gives its expected completion at each cut, without an error of our own."""
    streams = 0
    for entry, body in recordings(corpus, "chat"):
        name = Path(entry["file"]).stem
        expected = json.loads((corpus / "expected" / f"{name}.json").read_text())
        for sizes in cuts(entry, body):
            accumulator, parser = accumulated(body, sizes)
            final = accumulator.snapshot().to_dict()
            found = set(differences(pruned(final), pruned(expected["final"])))
            if parser.done != expected["done"]:
                found.add("[DONE]")
            if isinstance(parser.error, ServerSentError) != bool(expected["errors"]):
                found.add("error")
            assert found == DISAGREEMENTS.get(name, {}).keys(), name
        streams += 1
    assert streams > 100


def test_legacy_streams(corpus: Path) -> None:
    """Each legacy stream gives the joined texts of its choices."""
    streams = 0
    for entry, body in recordings(corpus, "completion"):
        texts: dict[int, str] = {}
        for event in Parser().feed(body):
            choices = [] if event.data == "[DONE]" else event.json()["choices"]
            for choice in choices:
                index = choice.get("index", 0)
                texts[index] = texts.get(index, "") + choice.get("text", "")
        for sizes in cuts(entry, body):
            accumulator, parser = accumulated(body, sizes)
            result = accumulator.result()
            assert isinstance(result, Completion)
            assert {choice.index: choice.text for choice in result.choices} == texts
            assert parser.error is None
        streams += 1
    assert streams > 5


def values_of(event: Event) -> Iterator[Any]:
    """Yield the JSON value of an event, or the values of its lines."""
    try:
        yield event.json()
    except ValueError:
        yield from (json.loads(line) for line in event.data.splitlines() if line.startswith("{"))


def test_no_field_is_lost(corpus: Path) -> None:
    """`to_dict()` of each chunk equals its JSON, except for nulls."""
    chunks = 0
    for path in sorted((corpus / "streams").glob("*.sse")):
        decoder = ChunkDecoder(on_bad_json="skip")
        parser = Parser(incomplete="dispatch")
        for event in [*parser.feed(path.read_bytes()), *parser.close()]:
            if decoder.error is not None:
                break
            # An event can have several values, of which some are no chunks.
            values = [pruned(value) for value in values_of(event)]
            for chunk in decoder.feed(event):
                assert isinstance(chunk, ChatCompletionChunk | CompletionChunk)
                assert pruned(chunk.to_dict()) in values, path.name
                chunks += 1
    assert chunks > 5000


@pytest.mark.parametrize("kind", ["responses", "anthropic", "other"])
def test_streams_of_other_protocols(corpus: Path, kind: str) -> None:
    """A stream of another protocol gives no error but ServerSentError and NotEventStream."""
    for _entry, body in recordings(corpus, kind):
        parser = ChunkParser(on_bad_json="skip")
        accumulator = Accumulator()
        for chunk in run_stage(parser, [body]).items:
            accumulator.add(chunk)
        accumulator.snapshot().to_dict()
        assert parser.error is None or isinstance(parser.error, ServerSentError | NotEventStream)
