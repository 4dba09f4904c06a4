"""An encoded chunk is one line, and is parsed into an equal chunk."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse import (
    ChatCompletion,
    ChatCompletionChunk,
    Chunk,
    ChunkDecoder,
    ChunkParser,
    CompletionChunk,
    Event,
    Parser,
    encode,
    encode_chunk,
)
from sseparse.chunks import ChoiceDelta, ChunkChoice

DONE = encode(Event("[DONE]"))


def event(body: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode()


def parse(wire: bytes) -> list[Chunk]:
    """Return the chunks up to a server error or the end, without events that aren't JSON."""
    parser = ChunkParser(on_bad_json="skip")
    chunks = parser.feed(wire)
    return chunks if parser.error is not None else [*chunks, *parser.close()]


def round_trip(chunks: list[Chunk]) -> list[Chunk]:
    """Encode the chunks of a stream, check that each is one line, and parse them."""
    wire = [encode_chunk(chunk) for chunk in chunks]
    for piece in wire:
        assert piece.startswith(b"data: {")
        assert piece.endswith(b"}\n\n")
        assert piece.count(b"\n") == 2
        assert b"\r" not in piece
    return parse(b"".join(wire))


def delta(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields}]}


CHOICE = {"index": 0, "delta": {"content": "a"}}
LEGACY = {"index": 0, "text": "a"}
BODIES: list[dict[str, Any]] = [
    # Only fields of the schema.
    {"choices": []},
    {"id": "c", "object": "chat.completion.chunk", "created": 5, "model": "m", "choices": [CHOICE]},
    {"choices": [CHOICE, {**CHOICE, "index": 1}], "usage": {"total_tokens": 3}},
    delta(content=""),
    delta(content=[{"type": "text", "text": "a"}, 3, None]),
    delta(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": {"a": 1}}}]),
    {"choices": [{**CHOICE, "logprobs": {"content": [{"token": "a", "logprob": -1e-7}]}}]},
    {"object": "text_completion", "choices": [LEGACY]},
    {"object": "text_completion", "choices": []},
    # Unknown fields at every level.
    {"choices": [{**CHOICE, "x": 1}], "y": {"z": None}},
    {"choices": [], "usage": {"cost": 0.1, "prompt_tokens_details": {"x": []}}},
    delta(tool_calls=[{"index": 0, "x": 1, "function": {"y": {}}}]),
    {"object": "text_completion", "choices": [{**LEGACY, "x": 1}], "x": [None]},
    # Known fields that are absent, null, or of an unexpected type.
    {},
    {"choices": None},
    {"choices": {"0": CHOICE}},
    {"choices": [3, CHOICE]},
    {"choices": [{}]},
    {"choices": [{"index": 0}]},
    {"choices": [{"index": None, "delta": None}]},
    {"choices": [{"index": "0", "delta": [], "finish_reason": 3, "logprobs": [1]}]},
    {"id": 3, "created": "yesterday", "model": [], "usage": "much", "choices": [CHOICE]},
    {"object": "text_completion", "choices": [{"text": None}]},
    {"object": "text_completion", "choices": [{"text": 3}]},
    # Chunks that lack the fields that show their kind.
    {"choices": [LEGACY]},
    {"choices": [{"text": None}]},
    {"choices": [{"index": 0, "text": None, "x": 1}]},
    {"choices": [{"delta": None, "text": "a"}]},
    {"choices": [3, LEGACY]},
    # The names of a model's private fields.
    delta(content=" extra"),
    delta(content='" absent"'),
    {" extra": {"x": 1}, "choices": [CHOICE]},
    {"extra": 1, "absent": 2, " absent": ["choices"]},
    delta(content="a", annotations=[{" extra": 1}]),
    # Unusual texts and numbers.
    delta(content="\n\r\r\n\0\x1f\x7f\u0085\u2028\u2029\ufeff"),
    delta(content='data: "x"\\\n\ndata: forged'),
    delta(content="\U0001f600é"),
    delta(content="\ud83d"),
    delta(content="\ude00\ud83d\n"),
    {"\ud83d": ["\ud83d"], "choices": [{"delta": {"\n": "\ud83d"}, "text": "a"}]},
    {"choices": [{"x": "\ud83d", "text": None}]},
    {"created": 2**70, "x": -(2**70), "choices": []},
    {"created": 1.5, "x": [1e300, 5e-324, -0.0, 1e22, 0.1], "choices": []},
    # Fields of an error, or of another protocol.
    {"choices": [CHOICE], "error": {"message": "x"}},
    {"type": "message_start", "message": {}},
]


@pytest.mark.parametrize("body", BODIES, ids=str)
def test_round_trip_of_a_chunk(body: dict[str, Any]) -> None:
    """Every chunk is parsed as it was, whichever of the two decoders decoded it."""
    chunks = parse(event(body))

    assert len(chunks) == 1
    assert round_trip(chunks) == chunks


@pytest.mark.parametrize("first", [{"choices": [CHOICE]}, {"choices": [LEGACY]}])
def test_round_trip_of_a_stream(first: dict[str, Any]) -> None:
    """Every stream is parsed as it was, also chunks whose kind depends on earlier chunks."""
    bodies = [first, *(body for body in BODIES if "error" not in body)]
    chunks = parse(b"".join(map(event, bodies)))

    assert len(chunks) == len(bodies)
    assert round_trip(chunks) == chunks


def test_recorded_streams(corpus: Path) -> None:
    """Every chunk of every recorded stream is parsed as it was."""
    count = 0
    for path in sorted((corpus / "streams").glob("*.sse")):
        chunks = parse(path.read_bytes())
        assert round_trip(chunks) == chunks, path.name
        count += len(chunks)
    assert count > 5000


NAMES = st.sampled_from(["x", "index", "delta", "text", "extra", "absent", " extra", " absent"])
TEXTS = st.text(st.sampled_from('ab"\\ é\n\r\u2028\U0001f600\ud83d\ude00'), max_size=5)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.none() | st.booleans() | st.integers() | FLOATS | TEXTS
VALUES: st.SearchStrategy[Any] = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | TEXTS, inner, max_size=3),
    max_leaves=6,
)


def objects(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Generate objects with any of the known fields, with valid or other values, and others."""
    fields = st.fixed_dictionaries(
        {}, optional={name: fitting | VALUES for name, fitting in known.items()}
    )
    return st.builds(lambda one, other: {**other, **one}, fields, st.dictionaries(NAMES, VALUES))


INDEXES = st.integers(-1, 2)
BODIES_OF_ANY_KIND = objects(
    id=TEXTS,
    object=st.sampled_from(["chat.completion.chunk", "text_completion"]),
    created=st.integers(),
    choices=st.lists(
        objects(
            index=INDEXES,
            delta=objects(
                content=TEXTS,
                tool_calls=st.lists(objects(index=INDEXES, function=objects(arguments=TEXTS))),
            ),
            text=TEXTS,
            logprobs=objects(content=st.lists(objects(token=TEXTS, logprob=FLOATS))),
        ),
        max_size=3,
    ),
    usage=objects(total_tokens=st.integers()),
)


@given(st.lists(BODIES_OF_ANY_KIND, max_size=4))
def test_round_trip_of_any_stream(bodies: list[dict[str, Any]]) -> None:
    """Chunks made from any JSON are parsed as they were."""
    chunks = parse(b"".join(map(event, bodies)))

    assert round_trip(chunks) == chunks


def test_wire_form() -> None:
    """A chunk is one line of compact JSON in UTF-8, without null fields."""
    chunk = ChatCompletionChunk(
        id="c", choices=[ChunkChoice(index=0, delta=ChoiceDelta(content="é\n"))]
    )
    wire = 'data: {"id":"c","choices":[{"index":0,"delta":{"content":"é\\n"}}]}\n\n'

    assert encode_chunk(chunk) == wire.encode()


def test_wire_form_of_unknown_fields() -> None:
    """Unknown fields stay at their level, and halves of surrogate pairs are escaped."""
    chunk = CompletionChunk(object="text_completion", choices=[], extra={"x": "é"})
    assert encode_chunk(chunk) == (
        'data: {"object":"text_completion","choices":[],"x":"é"}\n\n'.encode()
    )

    chunk.extra = {"x": "\ud83d"}
    assert encode_chunk(chunk) == (
        b'data: {"object":"text_completion","choices":[],"x":"\\ud83d"}\n\n'
    )


def test_encoding_does_not_change_the_chunk() -> None:
    """Encoding doesn't change the chunk."""
    (chunk,) = parse(event({"choices": [{"text": None, "x": {}}]}))

    assert encode_chunk(chunk) == encode_chunk(chunk)
    assert parse(event({"choices": [{"text": None, "x": {}}]})) == [chunk]


def test_end_of_a_stream() -> None:
    """The end of a stream is encoded as an event."""
    parser = ChunkParser()
    (chunk,) = parse(event(delta(content="a")))

    assert parser.feed(encode_chunk(chunk) + DONE) == [chunk]
    assert parser.done


def test_encoded_chunk_is_an_event() -> None:
    """A parser of server-sent events can parse an encoded chunk."""
    (chunk,) = parse(event(delta(content="a\nb")))

    (read,) = Parser().feed(encode_chunk(chunk))
    assert read == Event(read.data)
    assert read.json() == chunk.to_dict()


@pytest.mark.parametrize(
    "other",
    [
        ChatCompletion(id=None, created=None, model=None, choices=[]),
        {"choices": []},
        Event("[DONE]"),
        ChunkChoice(index=0, delta=ChoiceDelta()),
        None,
    ],
)
def test_other_objects_are_refused(other: Any) -> None:
    """The error names the functions that return chunks or encode events."""
    with pytest.raises(TypeError, match=rf"not {type(other).__name__}: use to_chunks\(\)"):
        encode_chunk(other)


@pytest.mark.parametrize("line_end", ["\u0085", "\u2028", "\u2029"])
def test_other_line_ends_are_escaped(line_end: str) -> None:
    """Characters that some readers treat as line ends are escaped."""
    (chunk,) = ChunkDecoder().feed(
        Event(json.dumps({"choices": [{"index": 0, "delta": {"content": f"a{line_end}b"}}]}))
    )
    encoded = encode_chunk(chunk)

    assert len(encoded.decode().splitlines()) == 2
    assert ChunkParser().feed(encoded) == [chunk]


def test_message_in_mid_stream() -> None:
    """A message without a delta stays a field of a chunk."""
    decoder = ChunkDecoder()
    decoder.feed(Event('{"choices": [{"index": 0, "delta": {"content": "a"}}]}'))
    (chunk,) = decoder.feed(Event('{"choices": [{"index": 0, "message": {"content": "a"}}]}'))

    assert ChunkParser().feed(encode_chunk(chunk)) == [chunk]
