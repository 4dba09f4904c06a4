"""A completion becomes chunks, and an accumulator turns them into an equal completion."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sseparse import (
    Accumulator,
    ChatCompletion,
    ChatCompletionChunk,
    Chunk,
    ChunkDecoder,
    ChunkParser,
    Completion,
    Event,
    encode_chunk,
    to_chunks,
)
from sseparse.chunks import ChatChoice, ChoiceDelta, ChunkChoice, CompletionChoice

Result = ChatCompletion | Completion


def accumulate(chunks: Iterable[Chunk]) -> Result:
    accumulator = Accumulator()
    for chunk in chunks:
        accumulator.add(chunk)
    return accumulator.snapshot()


def decode(bodies: Iterable[dict[str, Any]]) -> list[Chunk]:
    decoder = ChunkDecoder()
    return [chunk for body in bodies for chunk in decoder.feed(Event(json.dumps(body)))]


def completion_of(*bodies: dict[str, Any]) -> Result:
    return accumulate(decode(bodies))


def uneven(text: str) -> list[str]:
    """Cut a text into pieces of different lengths, some of them empty."""
    return [text[:1], "", text[1:6], text[6:], ""]


CUTS: list[Any] = [None, 1, 7, uneven]
EVERY_CUT = pytest.mark.parametrize("pieces", CUTS, ids=["one piece", "1", "7", "uneven"])


def check_round_trip(completion: Result, pieces: Any = None) -> list[Chunk]:
    """Check that the chunks give the completion, directly and encoded, and return them."""
    chunks = list(to_chunks(completion, pieces=pieces))
    again = accumulate(chunks)
    assert type(again) is type(completion)
    assert again == completion

    parser = ChunkParser()
    read = parser.feed(b"".join(encode_chunk(chunk) for chunk in chunks))
    assert parser.error is None
    assert read == chunks
    assert accumulate(read) == completion
    return chunks


def chat(delta: dict[str, Any] | None = None, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta or {}, **fields}]}


def legacy(text: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"object": "text_completion", "choices": [{"index": index, "text": text, **fields}]}


def calls(*deltas: dict[str, Any]) -> dict[str, Any]:
    return chat({"tool_calls": [*deltas]})


def details(*pieces: dict[str, Any]) -> dict[str, Any]:
    return chat({"reasoning_details": [*pieces]})


# Examples of everything that an accumulator can return.

HEAD = {"id": "c", "created": 1.5, "model": "m", "system_fingerprint": "", "service_tier": ""}
TOKEN = {"token": "ab", "logprob": -1, "bytes": [97], "top_logprobs": [{"token": "a"}], "x": 1}
FIRST_CALL = {"index": 0, "id": "a", "type": "function", "function": {"name": "f"}}

STREAMS: dict[str, list[dict[str, Any]]] = {
    "no chunks": [],
    "head alone": [{**HEAD, "choices": []}],
    "legacy head alone": [{"object": "text_completion", "id": "c", "choices": []}],
    "usage alone": [{"usage": {"total_tokens": 3, "cost": 0.1, "prompt_tokens_details": {"x": 1}}}],
    "empty usage": [chat({"content": "a"}), {"usage": {}}],
    "usage of groq": [chat(), {"x_groq": {"usage": {"total_tokens": 3}}}],
    "moderation": [chat({"content": "a"}), {"choices": [], "moderation": {"output": []}}],
    "unknown on top": [{**HEAD, **chat({"content": "a"}), "x": [None], "y": {"z": 1}}],
    "no role": [chat({"content": "a"})],
    "another role": [chat({"role": "tool", "content": "a"})],
    "empty delta": [chat()],
    "empty content": [chat({"content": ""})],
    "content": [chat({"content": "Hello there, \U0001f600\n"}), chat(finish_reason="stop")],
    "half a pair": [chat({"content": "a\ud83d"}), chat({"content": "\ude00b\ude00\ud83d"})],
    "no finish": [chat({"content": "a"}), chat({"content": "b"}, 1, finish_reason="stop")],
    "many finishes": [chat(finish_reason=each) for each in ("stop", "stop", "length", "stop")],
    "one finish twice": [chat(finish_reason="stop"), chat(finish_reason="stop")],
    "sparse choices": [chat({"content": "a"}, 7), chat({"content": "b"}, 2), chat({}, 5)],
    "unknown in a choice": [chat({"content": "a"}, x={"y": None}, native_finish_reason="STOP")],
    "unknown in a message": [chat({"x": {"y": 1}, "z": ""})],
    "empty refusal": [chat({"refusal": ""})],
    "refusal": [chat({"refusal": "I cannot do that.", "content": "x"})],
    "reasoning": [chat({"reasoning": "Let me think.", "reasoning_content": "Once more."})],
    "empty reasoning": [chat({"reasoning": "", "reasoning_content": ""})],
    "annotations": [chat({"annotations": [{"a": 1}, {"index": 1, "b": None}, {"index": 1}]})],
    "function call": [chat({"function_call": {"name": "f", "arguments": '{"a":1}', "x": 1}})],
    "empty function call": [chat({"function_call": {}})],
    # Tool calls.
    "tool call": [calls(FIRST_CALL), calls({"index": 0, "function": {"arguments": '{"a": 12}'}})],
    "tool calls of one index": [
        calls(FIRST_CALL, {**FIRST_CALL, "id": "b"}, {**FIRST_CALL, "id": "c"})
    ],
    "tool calls without id": [calls({"function": {"name": "f"}}, {"function": {"name": "g"}})],
    "tool call without name": [calls({"index": 3, "function": {"arguments": "{}"}})],
    "tool call of nothing": [calls({"index": 0})],
    "unknown in a tool call": [calls({**FIRST_CALL, "x": 1, "function": {"y": {"z": 1}}})],
    "object as arguments": [calls({"function": {"name": "f", "arguments": {"a": [1]}}})],
    "custom tool": [calls({"index": 0, "custom": {"name": "f", "input": "a text\n", "x": 1}})],
    "type of another tool": [calls({**FIRST_CALL, "type": "custom"}, {"index": 1, "custom": {}})],
    # Parts and lists.
    "parts": [chat({"content": [{"type": "text", "text": "a"}, {"type": "reference"}, 3]})],
    "other parts alone": [chat({"content": [{"type": "reference", "ids": [1]}]})],
    "thinking parts": [chat({"content": [{"type": "thinking", "thinking": "a"}]})],
    "field named content_parts": [chat({"content_parts": [{"type": "text", "text": "a"}]})],
    "field content_parts, no list": [chat({"content_parts": "a", "content": "b"})],
    "field content_parts, empty": [chat({"content_parts": []})],
    "images": [chat({"images": [{"index": 0, "a": 1}, {"index": 0, "b": 1}, "x", {"c": 1}]})],
    "no images": [chat({"images": [], "executed_tools": []})],
    # Structured reasoning.
    "details": [
        details({"type": "reasoning.text", "index": 0, "text": "Let me ", "format": "f"}),
        details({"type": "reasoning.text", "index": 0, "text": "think.", "signature": None}),
        details({"type": "reasoning.text", "index": 0, "signature": "s"}),
        details({"type": "reasoning.summary", "index": 0, "summary": "A summary."}),
    ],
    "details without index": [
        details({"type": "a", "text": "first"}, {"type": "b", "text": "second", "x": {"y": 1}})
    ],
    "details with a signature alone": [
        details({"type": "a", "index": 0, "text": "first"}, {"type": "a", "index": 1, "text": ""}),
        details({"signature": "s"}),
    ],
    "signature first": [details({"type": "a", "signature": "s"}, {"type": "a", "text": "b"})],
    "encrypted details": [
        details({"type": "reasoning.encrypted", "data": "0123456789", "signature": "s"}),
        details({"type": "reasoning.encrypted", "data": "0123456789"}),
    ],
    "details of other types": [
        details({}, {"text": 3, "type": "a"}, {"index": None, "type": 3, "data": ""})
    ],
    "two texts in one entry": [details({"type": "a", "text": "123456789", "summary": "abcdefgh"})],
    # Audio.
    "audio": [
        chat({"audio": {"id": "a", "transcript": "Hello there", "x": 1}}),
        chat({"audio": {"data": "AAAABBBBCCCCDD=="}}),
        chat({"audio": {"expires_at": 0}}),
    ],
    "audio without data": [chat({"audio": {"id": "a"}})],
    "empty audio": [chat({"audio": {"data": "", "transcript": ""}})],
    "audio that is not base64": [chat({"audio": {"data": "AAAAB"}})],
    # Log-probabilities.
    "logprobs": [
        chat({"content": "abab"}, logprobs={"content": [TOKEN, TOKEN]}),
        chat({"content": "ab", "refusal": "x"}, logprobs={"content": [TOKEN], "refusal": [TOKEN]}),
    ],
    "empty logprobs": [chat({"content": "a"}, logprobs={})],
    "logprobs of nothing": [chat({"content": "ab"}, logprobs={"content": [], "refusal": []})],
    "logprobs without text": [chat(logprobs={"content": [TOKEN, {}]})],
    "logprobs of empty text": [chat({"content": ""}, logprobs={"content": [TOKEN]})],
    "unknown logprobs": [chat({"reasoning": "a"}, logprobs={"reasoning_content": [1], "x": {}})],
    # Legacy completions.
    "legacy": [legacy("Hel"), legacy("lo", finish_reason="length"), {"usage": {"total_tokens": 1}}],
    "empty legacy": [legacy("")],
    "legacy choices": [legacy("a", 3), legacy("b", 1, x=1), {**legacy("c", 1), **HEAD, "y": 1}],
    "legacy finishes": [legacy("", finish_reason=each) for each in ("stop", "length")],
    "legacy logprobs": [
        legacy(
            "Hello",
            logprobs={
                "tokens": ["He", "llo"],
                "token_logprobs": [None, -0.5],
                "top_logprobs": [None, {"llo": -0.5}],
                "text_offset": [0, 2],
                "x": [1],
            },
        )
    ],
    "legacy logprobs of one list": [legacy("Hello", logprobs={"text_offset": [0, 2]})],
    "legacy logprobs of nothing": [legacy("Hello", logprobs={})],
}


@EVERY_CUT
@pytest.mark.parametrize("name", STREAMS)
def test_round_trip(name: str, pieces: Any) -> None:
    """The chunks give an equal completion, complete or not, however it is cut."""
    check_round_trip(completion_of(*STREAMS[name]), pieces)


def test_recorded_streams(corpus: Path) -> None:
    """Every recorded completion is restored, however it is cut."""
    count = 0
    for entry in json.loads((corpus / "INDEX.json").read_text()):
        if entry["kind"] in ("chat", "completion"):
            parser = ChunkParser()
            chunks = parser.feed((corpus / "streams" / entry["file"]).read_bytes())
            completion = accumulate([*chunks, *(parser.close() if not parser.error else [])])
            for pieces in (None, 7, uneven):
                check_round_trip(completion, pieces)
            count += 1
    assert count > 100


NAMES = st.sampled_from(["x", "index", "content_parts", "images", "message", "text", " extra"])
TEXTS = st.text(st.sampled_from('ab "\\é\n\U0001f600\ud83d\ude00'), max_size=6)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
# Small enough that no index exceeds its limit.
PLAIN = st.none() | st.booleans() | st.integers(max_value=9) | FLOATS | TEXTS
VALUES: st.SearchStrategy[Any] = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)
UNKNOWN = st.dictionaries(NAMES, VALUES, max_size=2)


def objects(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Generate objects with any of the known fields, with valid or other values, and others."""
    fields = st.fixed_dictionaries(
        {}, optional={name: fitting | VALUES for name, fitting in known.items()}
    )
    return st.builds(lambda one, other: {**other, **one}, fields, UNKNOWN)


def some(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(items, max_size=3)


INDEXES = st.integers(-1, 3)
IDS = st.sampled_from(["", "a", "b"])
REASONS = st.sampled_from(["", "stop", "length"])
CALL_HEAD = {"index": INDEXES, "id": IDS, "type": st.sampled_from(["", "function", "custom"])}
FUNCTION = objects(name=TEXTS, arguments=TEXTS)
TOOL_CALLS = objects(**CALL_HEAD, function=FUNCTION) | objects(
    **CALL_HEAD, custom=objects(name=TEXTS, input=TEXTS)
)
DETAILS = st.fixed_dictionaries(
    {"type": st.sampled_from(["reasoning.text", "reasoning.encrypted"]), "index": INDEXES},
    optional={name: st.none() | TEXTS for name in ("text", "summary", "data", "signature", "id")},
)
PARTS = (
    st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS})
    | st.fixed_dictionaries({"type": st.just("thinking"), "thinking": TEXTS})
    | VALUES
)
TOKENS = objects(token=TEXTS, logprob=FLOATS, top_logprobs=some(objects(token=TEXTS)))
DELTAS = objects(
    role=TEXTS,
    content=TEXTS | some(PARTS),
    refusal=TEXTS,
    tool_calls=some(TOOL_CALLS),
    function_call=FUNCTION,
    audio=objects(id=TEXTS, data=TEXTS, transcript=TEXTS, expires_at=INDEXES),
    annotations=some(UNKNOWN),
    reasoning_content=TEXTS,
    reasoning=TEXTS,
).flatmap(
    # Servers send each piece with its type, and either all or none with an index.
    lambda delta: st.builds(
        lambda pieces: {**delta, "reasoning_details": pieces}, st.none() | some(DETAILS)
    )
)
HEADS = {
    "id": TEXTS,
    "created": INDEXES,
    "model": TEXTS,
    "usage": objects(total_tokens=INDEXES),
    "system_fingerprint": TEXTS,
}
CHAT_CHOICES = objects(
    index=INDEXES,
    delta=DELTAS,
    finish_reason=REASONS,
    logprobs=objects(content=some(TOKENS), refusal=some(TOKENS)),
)
CHAT_BODIES = objects(**HEADS, service_tier=TEXTS, moderation=UNKNOWN, choices=some(CHAT_CHOICES))
LEGACY_CHOICES = objects(
    index=INDEXES,
    text=TEXTS,
    finish_reason=REASONS,
    logprobs=objects(
        tokens=some(TEXTS),
        token_logprobs=some(st.none() | FLOATS),
        top_logprobs=some(st.none() | st.dictionaries(TEXTS, FLOATS, max_size=2)),
        text_offset=some(INDEXES),
    ),
)
LEGACY_BODIES = objects(**HEADS, choices=some(LEGACY_CHOICES))


def of_kind(
    kind: str, bodies: st.SearchStrategy[dict[str, Any]]
) -> st.SearchStrategy[list[dict[str, Any]]]:
    return some(bodies.map(lambda body: {**body, "object": kind}))


@given(
    of_kind("chat.completion.chunk", CHAT_BODIES) | of_kind("text_completion", LEGACY_BODIES),
    st.sampled_from(CUTS),
)
def test_round_trip_of_any_stream(bodies: list[dict[str, Any]], pieces: Any) -> None:
    """A completion of any JSON is restored if its tool calls can be told apart."""
    completion = completion_of(*bodies)
    assume(all(map(has_clear_calls, completion.choices)))
    check_round_trip(completion, pieces)


def has_clear_calls(choice: ChatChoice | CompletionChoice) -> bool:
    """Return whether each call has a name or an id, and no two have the same id."""
    # Servers send the pieces of one call with different indexes, so that the index isn't enough.
    calls = (choice.message.tool_calls or []) if isinstance(choice, ChatChoice) else []
    names = [callee.name for call in calls if (callee := call.function or call.custom)]
    ids = [call.id for call in calls if call.id]
    return len({*ids}) == len(ids) and all(
        call.id or name for call, name in zip(calls, names, strict=True)
    )


# The shape of the chunks.


def deltas(chunks: Iterable[Chunk]) -> Iterator[dict[str, Any]]:
    for chunk in chunks:
        assert isinstance(chunk, ChatCompletionChunk)
        for choice in chunk.choices:
            yield choice.delta.to_dict()


def test_shape_of_a_chat_stream() -> None:
    """The role comes first, then the pieces, the finish reason, and the completion's fields."""
    completion = completion_of(
        {**HEAD, **chat({"role": "assistant", "content": "Hello"})},
        chat(finish_reason="stop"),
        {"choices": [], "usage": {"total_tokens": 1}, "x": 1},
    )
    head = {"object": "chat.completion.chunk", **HEAD}
    rest = {"index": 0, "finish_reason": "stop"}

    assert [chunk.to_dict() for chunk in to_chunks(completion, pieces=3)] == [
        {**head, **chat({"role": "assistant", "content": ""})},
        {**head, **chat({"content": "Hel"})},
        {**head, **chat({"content": "lo"})},
        {**head, "choices": [{**rest, "delta": {}}]},
        {**head, "choices": [], "usage": {"total_tokens": 1}, "x": 1},
    ]


def test_shape_of_a_legacy_stream() -> None:
    """A legacy stream has the same order, without a role."""
    completion = completion_of({**HEAD, **legacy("Hello", finish_reason="stop")}, {"usage": {}})
    head = {**HEAD, "object": "text_completion"}
    del head["service_tier"]  # an unknown field in this API

    assert [chunk.to_dict() for chunk in to_chunks(completion, pieces=3)] == [
        {**head, **legacy("Hel")},
        {**head, **legacy("lo")},
        {**head, **legacy("", finish_reason="stop")},
        {**head, "choices": [], "usage": {}, "service_tier": ""},
    ]


def test_no_additional_chunks() -> None:
    """Without a finish reason or further fields, there are no chunks for them."""
    (chunk,) = check_round_trip(completion_of(chat()))

    assert chunk.to_dict() == {
        "object": "chat.completion.chunk",
        **chat({"role": "assistant"}),
    }


def test_order_of_choices() -> None:
    """Each chunk has one choice, and the choices follow each other."""
    completion = completion_of(chat({"content": "ab"}, 3), chat({"content": "cd"}, 1))
    chunks = check_round_trip(completion, 1)

    indexes = [[choice.index for choice in chunk.choices] for chunk in chunks]
    assert indexes == [[1], [1], [1], [3], [3], [3]]


def test_order_of_a_message() -> None:
    """Reasoning, content, refusal, audio and tool calls follow each other."""
    message = {
        "tool_calls": [{**FIRST_CALL, "function": {"name": "f", "arguments": "{}"}}],
        "audio": {"id": "a", "transcript": "b", "data": "AAAA", "expires_at": 5},
        "refusal": "c",
        "content": "d",
        "reasoning": "e",
    }
    chunks = check_round_trip(completion_of(chat(message)))

    assert list(deltas(chunks)) == [
        {"role": "assistant", "content": "", "refusal": "", "reasoning": ""},
        {"reasoning": "e"},
        {"content": "d"},
        {"refusal": "c"},
        {"audio": {"id": "a", "data": "", "transcript": ""}},
        {"audio": {"transcript": "b"}},
        {"audio": {"data": "AAAA"}},
        {"audio": {"expires_at": 5}},
        {"tool_calls": [{**FIRST_CALL, "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
    ]


@pytest.mark.parametrize(
    ("pieces", "sizes"),
    [(None, [0, 20]), (1, [0, 4, 4, 4, 4, 4]), (7, [0, 4, 8, 8]), (uneven, [0, 4, 16])],
    ids=["one piece", "1", "7", "uneven"],
)
def test_pieces_of_base64_can_be_decoded(pieces: Any, sizes: list[int]) -> None:
    """Base64 is cut after groups of four characters, whatever the pieces are."""
    completion = completion_of(chat({"audio": {"data": "AAAABBBBCCCCDDDDEE=="}}))
    sent = [
        delta["audio"]["data"]
        for delta in deltas(check_round_trip(completion, pieces))
        if "audio" in delta
    ]

    assert [len(data) for data in sent] == sizes


def test_tokens_of_each_piece() -> None:
    """Each token comes with the piece in which it begins, the remaining ones with the last."""
    tokens = [{"token": text} for text in ("ab", "c", "", "def", "more", "")]
    completion = completion_of(chat({"content": "abcdef"}, logprobs={"content": tokens}))
    sent = []
    for chunk in check_round_trip(completion, 2):
        assert isinstance(chunk, ChatCompletionChunk)
        for choice in chunk.choices:
            if choice.logprobs is not None:
                shared = [token.token for token in choice.logprobs.content or []]
                sent.append((choice.delta.content, shared))

    assert sent == [("ab", ["ab"]), ("cd", ["c", "", "def"]), ("ef", ["more", ""])]


def test_encrypted_data_is_not_cut() -> None:
    """Encrypted data stays in one piece, because clients don't join it."""
    entry = {"type": "reasoning.encrypted", "data": "0123456789"}

    assert {"reasoning_details": [entry]} in deltas(
        to_chunks(completion_of(details(entry)), pieces=1)
    )


# Arguments.


def test_chunks_are_created_on_demand() -> None:
    """The first chunk can be sent before the last is created."""
    requested: list[str] = []

    def cut(text: str) -> Iterator[str]:
        requested.append(text)
        yield text

    chunks = to_chunks(completion_of(chat({"content": "a", "refusal": "b"})), pieces=cut)
    assert not requested
    next(chunks)
    next(chunks)
    assert requested == ["a"]
    assert len(list(chunks)) == 1
    assert requested == ["a", "b"]


def test_completion_does_not_change() -> None:
    """Changing the dictionaries and lists of the chunks doesn't change the completion."""
    bodies = [*STREAMS["images"], *STREAMS["annotations"], {"x": 1}]
    completion = completion_of(*bodies)
    for chunk in to_chunks(completion):
        assert isinstance(chunk, ChatCompletionChunk)
        chunk.extra.clear()
        for choice in chunk.choices:
            choice.delta.extra.clear()
            (choice.delta.annotations or []).clear()

    assert completion == completion_of(*bodies)


@pytest.mark.parametrize("pieces", [0, -1])
def test_pieces_without_characters_are_refused(pieces: int) -> None:
    """A number of pieces below 1 raises an error at the call."""
    with pytest.raises(ValueError, match=rf"pieces is {pieces}: give a number of characters"):
        to_chunks(completion_of(chat({"content": "abc"})), pieces=pieces)


def test_pieces_that_do_not_join_are_refused() -> None:
    """A function that loses a part of the text raises an error."""
    chunks = to_chunks(completion_of(chat({"content": "a b"})), pieces=str.split)

    with pytest.raises(ValueError, match="pieces of a text of 3 characters don't join to the text"):
        list(chunks)


@pytest.mark.parametrize("pieces", ["3", 1.5, [1, 2]])
def test_other_pieces_are_refused(pieces: Any) -> None:
    """The error names the types that pieces can have."""
    with pytest.raises(TypeError, match=rf"pieces has type {type(pieces).__name__}: give a number"):
        to_chunks(completion_of(chat()), pieces=pieces)


@pytest.mark.parametrize(
    "other", [None, {}, Accumulator(), ChunkChoice(index=0, delta=ChoiceDelta())]
)
def test_other_objects_are_refused(other: Any) -> None:
    """The error names the method that returns a completion."""
    with pytest.raises(TypeError, match=rf"not {type(other).__name__}: Accumulator.snapshot\(\)"):
        to_chunks(other)
