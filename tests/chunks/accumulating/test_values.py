"""Values of types that the schema doesn't have, as servers send them."""

import json
from typing import Any

import pytest

from sseparse import (
    Accumulator,
    Chunk,
    ChunkParser,
    ChunkReader,
    encode_chunk,
    to_chunks,
)
from sseparse.chunks import (
    ChatCompletionChunk,
    ChoiceDelta,
    ChoiceLogprobs,
    ChunkChoice,
    NoteKind,
    TokenLogprob,
)

INFINITY = float("inf")


def chunk_of(body: dict[str, Any] | str) -> Any:
    """Decode a chunk, and check that it is encoded as it was received."""
    data = body if isinstance(body, str) else json.dumps(body)
    (chunk,) = ChunkParser().feed(f"data: {data}\n\n".encode())
    assert ChunkParser().feed(encode_chunk(chunk)) == [chunk]
    return chunk


def delta_of(**fields: Any) -> Any:
    return chunk_of({"choices": [{"index": 0, "delta": fields}]}).choices[0].delta


def result_of(*chunks: Chunk) -> Any:
    """Accumulate chunks, and check that updates and a round trip give the same."""
    accumulator, other, again = Accumulator(), Accumulator(), Accumulator()
    for chunk in chunks:
        accumulator.add(chunk)
        other.updates(chunk)
    snapshot = accumulator.snapshot()
    assert other.snapshot() == snapshot
    for chunk in to_chunks(snapshot):
        again.add(chunk)
    assert again.snapshot() == snapshot
    return snapshot


def ignored(result: Any) -> list[str]:
    return [note.detail for note in result.notes if note.kind is NoteKind.VALUE_IGNORED]


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), (0, "0"), (-7, "-7"), (1.5, "1.5"), (1 << 70, str(1 << 70))]
)
@pytest.mark.parametrize("name", ["content", "refusal", "reasoning_content", "reasoning", "role"])
def test_numbers_in_texts(name: str, value: float, text: str) -> None:
    """A number where a text belongs is its text, and the chunk is encoded as received."""
    chunk = chunk_of({"choices": [{"index": 0, "delta": {name: value}}]})
    assert getattr(chunk.choices[0].delta, name) == text
    assert chunk.to_dict()["choices"][0]["delta"] == {name: value}

    result = result_of(chunk)
    assert result.to_dict()["choices"][0]["message"][name] == text
    assert ignored(result) == []


def test_numbers_among_texts() -> None:
    """Each piece of a text can be a number, in legacy completions and arguments, too."""
    deltas = [{"content": piece} for piece in ("[^", 1, 2.5, "]")]
    chunks = [chunk_of({"choices": [{"index": 0, "delta": delta}]}) for delta in deltas]
    assert "".join(chunk.text for chunk in chunks) == result_of(*chunks).text == "[^12.5]"

    legacy = [chunk_of({"choices": [{"index": 0, "text": piece}]}) for piece in ("a", 1, "b")]
    assert result_of(*legacy).text == "a1b"

    calls = [
        chunk_of({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": function}]}}]})
        for function in ({"name": "f", "arguments": "["}, {"arguments": 1}, {"arguments": "]"})
    ]
    (call,) = result_of(*calls).choices[0].message.tool_calls
    assert call.function.arguments == "[1]"


@pytest.mark.parametrize("value", [True, False, {"text": "a"}])
def test_other_values_in_texts(value: Any) -> None:
    """A boolean or an object where a text belongs is dropped with a note."""
    result = result_of(chunk_of({"choices": [{"index": 0, "delta": {"content": value}}]}))
    assert result.choices[0].message.content is None
    assert ignored(result) == ["content"]


@pytest.mark.parametrize(
    ("value", "count"),
    [
        *((5, 5), (5.0, 5), ("5", 5), ("5.0", 5), ("-1", -1), ("007", 7), (1e3, 1000)),
        *((5.5, None), ("5.5", None), ("five", None), ("", None), (True, None), ([5], None)),
        *(("\u0665", None), ("9" * 19, None), (" 5", None)),
    ],
)
def test_counts(value: Any, count: int | None) -> None:
    """An integral float or a numeric text is a count; a fraction and other values are ignored."""
    usage = {"prompt_tokens": value, "completion_tokens": 1}
    chunk = chunk_of({"choices": [], "usage": usage})
    assert chunk.usage.prompt_tokens == count
    assert chunk.usage.to_dict() == usage

    result = result_of(chunk)
    assert result.usage.prompt_tokens == count
    assert ignored(result) == (["prompt_tokens"] if count is None else [])


@pytest.mark.parametrize("index", ["1", 1.0, "1.0"])
def test_indexes(index: Any) -> None:
    """An index that is a text or an integral float counts."""
    body = {"choices": [{"index": index, "delta": {"content": "a"}}]}
    result = result_of(chunk_of(body), chunk_of({"choices": [{"index": 1, "delta": {}}]}))
    assert [choice.index for choice in result.choices] == [1]
    assert NoteKind.INDEX_ASSUMED not in [note.kind for note in result.notes]
    assert ignored(result) == []


@pytest.mark.parametrize("index", [0.5, "first", True, None])
def test_indexes_that_are_none(index: Any) -> None:
    """Another index is assumed to be 0, with a note."""
    result = result_of(chunk_of({"choices": [{"index": index, "delta": {"content": "a"}}]}))
    assert result.text == "a"
    assert NoteKind.INDEX_ASSUMED in [note.kind for note in result.notes]
    assert ignored(result) == ([] if index is None else ["index"])


def test_head() -> None:
    """The fields of a chunk are converted, too."""
    chunk = chunk_of({"id": 7, "created": "1700000000", "model": 4.5, "choices": []})
    assert (chunk.id, chunk.created, chunk.model) == ("7", 1700000000, "4.5")
    assert chunk_of({"created": "yesterday", "choices": []}).created is None


@pytest.mark.parametrize(
    ("logprobs", "expected", "notes"),
    [
        ({"tokens": ["a", 1]}, {"tokens": ["a", "1"]}, []),
        ({"text_offset": [0.0, "1"]}, {"text_offset": [0, 1]}, []),
        ({"token_logprobs": [None, -1]}, {"token_logprobs": [None, -1.0]}, []),
        ({"tokens": ["a", True]}, {}, ["tokens"]),
        ({"tokens": "a"}, {}, ["tokens"]),
    ],
)
def test_lists(logprobs: dict[str, Any], expected: dict[str, Any], notes: list[str]) -> None:
    """The items of a list are converted; the list is ignored if one can't be."""
    chunk = chunk_of({"choices": [{"index": 0, "text": "a", "logprobs": logprobs}]})
    result = result_of(chunk)
    assert result.choices[0].logprobs.to_dict() == expected
    assert ignored(result) == notes


def test_lists_of_objects() -> None:
    """Of a list of objects, the objects are used; a note names the list."""
    entry = {"type": "reasoning.text", "text": "a"}
    chunk = chunk_of({"choices": [{"index": 0, "delta": {"reasoning_details": [entry, None, 1]}}]})
    result = result_of(chunk)
    assert result.choices[0].message.reasoning_details == [entry]
    assert ignored(result) == ["reasoning_details"]


@pytest.mark.parametrize(
    ("content", "text", "others"),
    [
        (["a", "b"], "ab", []),
        ([{"text": "a"}, {"type": None, "text": "b"}], "ab", []),
        ([{"type": "output_text", "text": "a"}, "b"], "ab", []),
        ([{"text": "a", "index": 0}], "a", [{"text": "a", "index": 0}]),
        ([{"type": "image", "text": "a"}, 1, {}], "", [{"type": "image", "text": "a"}, 1, {}]),
        ([{"type": "thinking", "thinking": ["a", {"text": "b"}]}], "", []),
    ],
)
def test_content_parts(content: list[Any], text: str, others: list[Any]) -> None:
    """Strings and parts without a type are text."""
    chunk = chunk_of({"choices": [{"index": 0, "delta": {"content": content}}]})
    result = result_of(chunk)
    assert (chunk.text, result.text) == (text, text)
    assert result.choices[0].message.extra.get("content_parts", []) == others


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_not_json(number: str) -> None:
    """NaN and Infinity, as Python writes them, are read as null."""
    token = (
        f'{{"token":"a","logprob":{number},"top_logprobs":[{{"token":"b","logprob":{number}}}]}}'
    )
    body = f'{{"index":0,"delta":{{"content":"a"}},"logprobs":{{"content":[{token}]}}}}'
    chunk = chunk_of(f'{{"choices":[{body}]}}')
    (found,) = result_of(chunk).choices[0].logprobs.content
    assert (found.token, found.logprob) == ("a", None)
    assert [(each.token, each.logprob) for each in found.top_logprobs] == [("b", None)]

    lists = f'{{"tokens":["a"],"token_logprobs":[{number}],"top_logprobs":[{{"b":{number}}}]}}'
    legacy = chunk_of(f'{{"choices":[{{"index":0,"text":"a","logprobs":{lists}}}]}}')
    logprobs = result_of(legacy).choices[0].logprobs
    assert logprobs.token_logprobs == [None]
    assert logprobs.top_logprobs == [{"b": None}]
    assert ignored(result_of(legacy)) == []


@pytest.mark.parametrize("text", ["a", "\ud83d"])
def test_infinity_is_encoded_as_null(text: str) -> None:
    """Numbers that JSON doesn't have are encoded as null."""
    tokens = [TokenLogprob(token="a", logprob=number) for number in (INFINITY, -INFINITY)]
    chunk = ChatCompletionChunk(
        choices=[
            ChunkChoice(
                index=0,
                delta=ChoiceDelta(content=text, extra={"x": float("nan")}),
                logprobs=ChoiceLogprobs(content=tokens),
            )
        ]
    )
    (again,) = ChunkParser().feed(encode_chunk(chunk))
    assert isinstance(again, ChatCompletionChunk)
    (choice,) = again.choices
    assert choice.delta.content == text
    assert choice.delta.extra == {"x": None}
    assert choice.logprobs is not None
    assert [token.logprob for token in choice.logprobs.content or ()] == [None, None]


def test_reader() -> None:
    """The events are read byte by byte with the same result, and none fails."""
    body = (
        b'data: {"choices":[{"index":"0","delta":{"content":1},"x":-Infinity}]}\n\ndata: [DONE]\n\n'
    )
    reader = ChunkReader()
    for at in range(len(body)):
        reader.feed(body[at : at + 1])
    reader.close()
    assert reader.error is None
    assert reader.result().text == "1"
