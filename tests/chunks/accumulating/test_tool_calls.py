"""Tool call deltas are assigned to their call, however the server numbers the calls."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse import Accumulator, ChatCompletion, ChunkDecoder, ChunkParser, ChunkReader, Event
from sseparse.chunks import ArgumentsDelta, NoteKind, ToolCallDone, ToolCallStarted, Update

CASES: dict[str, dict[str, Any]] = {
    case["case"]: case
    for case in json.loads(
        Path(__file__).parents[2].joinpath("data", "tool-calls.json").read_text("utf-8")
    )["cases"]
}

Call = tuple[str | None, str, str]


def calls(*deltas: dict[str, Any] | list[dict[str, Any]]) -> list[dict[str, Any]]:
    decoder = ChunkDecoder()
    accumulator = Accumulator()
    for delta in deltas:
        pieces = delta if isinstance(delta, list) else [delta]
        body = {"choices": [{"index": 0, "delta": {"tool_calls": pieces}}]}
        for chunk in decoder.feed(Event(json.dumps(body))):
            accumulator.add(chunk)
    message = accumulator.snapshot().to_dict()["choices"][0]["message"]
    found: list[dict[str, Any]] = message.get("tool_calls", [])
    return found


def brief(*deltas: dict[str, Any] | list[dict[str, Any]]) -> list[Call]:
    return [
        (call.get("id"), call["function"]["name"], call["function"]["arguments"])
        for call in calls(*deltas)
    ]


def piece(
    index: int | None = None, id_: str | None = None, name: str | None = None, arguments: Any = None
) -> dict[str, Any]:
    return {"index": index, "id": id_, "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        pytest.param(
            [piece(0, "a", "f", ""), piece(0, None, None, "{"), piece(0, None, None, "}")],
            [("a", "f", "{}")],
            id="fragments of one index",
        ),
        pytest.param(
            [[piece(0, "a", "f"), piece(0, None, None, "1"), piece(0, None, None, "2")]],
            [("a", "f", "12")],
            id="several fragments in one chunk",
        ),
        pytest.param(
            [piece(0, None, "f", "{}"), piece(0, None, "g", "{"), piece(0, None, None, "}")],
            [(None, "f", "{}"), (None, "g", "{}")],
            id="another name on one index, after arguments",
        ),
        pytest.param(
            [piece(0, None, "f"), piece(0, None, "g", "{}"), piece(0, None, "fg", "")],
            [(None, "fg", "{}")],
            id="a name in pieces, and repeated",
        ),
        pytest.param(
            [
                piece(0, "a", "f"),
                piece(1, "b", "g"),
                piece(0, None, None, "1"),
                piece(1, None, None, "2"),
            ],
            [("a", "f", "1"), ("b", "g", "2")],
            id="interleaved indexes",
        ),
        pytest.param(
            [piece(1, "a", "f", "1"), piece(1, None, None, "2")],
            [("a", "f", "12")],
            id="indexes that begin at 1",
        ),
        pytest.param(
            [piece(0, "a", "f", "{}"), piece(0, "b", "g", "{"), piece(0, None, None, "}")],
            [("a", "f", "{}"), ("b", "g", "{}")],
            id="another id on a known index is another call",
        ),
        pytest.param(
            [piece(0, "a", "f", "1"), piece(0, "b", "g", "2"), piece(0, "a", None, "3")],
            [("a", "f", "13"), ("b", "g", "2")],
            id="an earlier id on a shared index",
        ),
        pytest.param(
            [piece(0, "0", "f", "1"), piece(0, "0", None, "2"), piece(1, "0", "g", "3")],
            [("0", "f", "12"), ("0", "g", "3")],
            id="one id for all, different indexes",
        ),
        pytest.param(
            [piece(0, None, "f"), piece(0, "a", None, "1"), piece(0, "", None, "2")],
            [("a", "f", "12")],
            id="a late id",
        ),
        pytest.param(
            [piece(None, "a", "f", "1"), piece(None, "b", "g", "2"), piece(None, "a", None, "3")],
            [("a", "f", "13"), ("b", "g", "2")],
            id="no index, but ids",
        ),
        pytest.param(
            [piece(-1, "a", "f", "1"), piece(-1, "b", "g", "2"), piece(-1, None, None, "3")],
            [("a", "f", "1"), ("b", "g", "23")],
            id="a negative index is ignored",
        ),
        pytest.param(
            [piece(None, None, "f", "1"), piece(None, None, None, "2"), piece(None, "", "g", "3")],
            [(None, "f", "12"), (None, "g", "3")],
            id="no index, no id: a name begins a call",
        ),
        pytest.param(
            [piece(None, None, None, "1"), piece(None, None, None, "2")],
            [(None, "", "12")],
            id="no index, id or name, and no call before",
        ),
        pytest.param(
            [piece(0, "a", "get_", "1"), piece(0, "a", "get_"), piece(0, "a", "weather")],
            [("a", "get_weather", "1")],
            id="a name in pieces, one repeated",
        ),
        pytest.param(
            [piece(0, "a", "f", {"a": 1})], [("a", "f", '{"a":1}')], id="arguments as object"
        ),
        pytest.param([{"index": 0, "id": "a"}], [("a", "", "")], id="no function yet"),
        pytest.param([{"id": "a"}, {}], [("a", "", "")], id="an empty piece"),
        pytest.param([[]], [], id="no calls"),
    ],
)
def test_deltas_are_assigned_to_calls(deltas: list[Any], expected: list[Call]) -> None:
    """The index decides; if shared or missing, the id; then the name; then the latest call."""
    assert brief(*deltas) == expected


def test_type() -> None:
    """The last type that isn't empty counts; without one, the type is "function"."""
    assert calls({"index": 0})[0]["type"] == "function"
    assert (
        calls({"index": 0, "type": "function"}, {"index": 0, "type": ""})[0]["type"] == "function"
    )


def test_custom_tools() -> None:
    """The input of a custom tool is joined, and the call has no function."""
    assert calls(
        {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sql", "input": "sel"}},
        {"index": 0, "custom": {"input": "ect", "x": 1}},
    ) == [{"id": "a", "type": "custom", "custom": {"name": "sql", "input": "select", "x": 1}}]
    assert calls({"index": 0, "custom": {"name": "sql"}})[0]["type"] == "custom"


def test_input_of_custom_tools() -> None:
    """The input of a custom tool is free text: an object is neither its end nor a placeholder."""
    texts = ["{}", '{"x":1}', '{"x":1}', "{}"]
    pieces = [{"index": 0, "custom": {"name": "sql", "input": text}} for text in texts]
    (call,) = calls(*pieces)
    (equal,) = calls(pieces[1], pieces[2])

    assert call["custom"]["input"] == "".join(texts)
    assert equal["custom"]["input"] == '{"x":1}{"x":1}'


def test_unknown_fields() -> None:
    """Unknown fields stay at their level; the last value that isn't null counts."""
    (call,) = calls(
        {"index": 0, "id": "a", "extra_content": {"google": {"thought_signature": "s"}}},
        {"index": 0, "extra_content": None, "function": {"name": "f", "strict": True}},
    )

    assert call["extra_content"] == {"google": {"thought_signature": "s"}}
    assert call["function"] == {"name": "f", "arguments": "", "strict": True}


def test_a_call_without_its_list() -> None:
    """A call sent as an object is read as a list of one call."""
    decoder, accumulator = ChunkDecoder(), Accumulator()
    delta = {"tool_calls": piece(0, "a", "f", "{}")}
    body = {"choices": [{"index": 0, "delta": delta}]}
    (chunk,) = decoder.feed(Event(json.dumps(body)))
    accumulator.add(chunk)
    message = accumulator.snapshot().to_dict()["choices"][0]["message"]

    assert chunk.to_dict() == body
    assert [call["id"] for call in message["tool_calls"]] == ["a"]


def test_features_of_extra_content() -> None:
    """The features of several deltas are merged."""
    signature = {"google": {"thought_signature": "s"}}
    thought = {"google": {"thought": True}, "other": 1}
    first, second = piece(0, "a", "f"), piece(0)
    (call,) = calls(first | {"extra_content": signature}, second | {"extra_content": thought})
    (last,) = calls(first | {"extra_content": "s"}, second | {"extra_content": thought})

    assert call["extra_content"] == {
        "google": {"thought_signature": "s", "thought": True},
        "other": 1,
    }
    assert last["extra_content"] == thought


@pytest.mark.parametrize("depth", [4, 490])
def test_extra_content_that_is_deep(depth: int) -> None:
    """Values below the feature level are replaced, without recursion."""
    deep: Any = {}
    for _ in range(depth):
        deep = {"a": deep}
    first = piece(0, "a", "f") | {"extra_content": {"a": {"a": {"b": {"c": 1}}}}}
    (call,) = calls(first, piece(0) | {"extra_content": deep})

    assert call["extra_content"]["a"]["a"]["b"] == {"c": 1}
    assert "a" in call["extra_content"]["a"]["a"]


def stream(chunks: list[list[dict[str, Any]]], finish: str | None = "tool_calls") -> bytes:
    deltas: list[Any] = [{"tool_calls": chunk} for chunk in chunks]
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    if finish:
        choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    data = [json.dumps({"choices": [choice]}) for choice in choices]
    return "".join(f"data: {text}\n\n" for text in [*data, "[DONE]"]).encode()


def calls_in(completion: Any) -> list[list[str | None]]:
    assert isinstance(completion, ChatCompletion)
    found = completion.choices[0].message.tool_calls or []
    functions = [(call.id, call.function) for call in found]
    return [[id_, each.name, each.arguments] for id_, each in functions if each is not None]


@pytest.mark.parametrize("size", [1 << 20, 1], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("case", CASES)
def test_calls_as_servers_send_them(case: str, size: int) -> None:
    """Each form of tool calls that servers send has its calls as the result."""
    body = stream(CASES[case]["chunks"])
    reader = ChunkReader()
    for at in range(0, len(body), size):
        reader.feed(body[at : at + size])
    reader.close()

    assert calls_in(reader.result()) == CASES[case]["calls"]


def updates_of(body: bytes) -> tuple[Accumulator, list[Update]]:
    accumulator = Accumulator()
    updates = [
        update for chunk in ChunkParser().feed(body) for update in accumulator.updates(chunk)
    ]
    return accumulator, [*updates, *accumulator.last_updates()]


def read_calls(updates: list[Update]) -> Iterator[tuple[int, str, str, ToolCallDone]]:
    """Yield the position, the first name, the joined arguments and the end of each call."""
    started: dict[int, str] = {}
    texts: dict[int, str] = {}
    for update in updates:
        if isinstance(update, ToolCallStarted):
            assert update.call not in started
            started[update.call or 0], texts[update.call or 0] = update.name, ""
        elif isinstance(update, ArgumentsDelta):
            assert update.text
            texts[update.call or 0] += update.text
        elif isinstance(update, ToolCallDone):
            place = update.call or 0
            yield place, started.pop(place), texts[place], update
    assert not started


@pytest.mark.parametrize("finish", ["tool_calls", None])
@pytest.mark.parametrize("case", CASES)
def test_updates_agree_with_the_result(case: str, finish: str | None) -> None:
    """Each call starts once with its name, and its deltas and its end have its arguments."""
    accumulator, updates = updates_of(stream(CASES[case]["chunks"], finish))

    done: dict[int, list[str | None]] = {}
    for place, name, arguments, end in read_calls(updates):
        # Another call that begins also ends the wait for the pieces of a name.
        assert end.name.startswith(name) if "interleaved" in case else end.name == name
        assert arguments == end.arguments
        done[place] = [end.id, end.name, end.arguments]
    assert [done[place] for place in sorted(done)] == CASES[case]["calls"]
    assert calls_in(accumulator.snapshot()) == CASES[case]["calls"]


VALUES: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.text('ab{}"\\\u00e9', max_size=3),
    st.text('ab{}[]",:\\\n\u00e9', max_size=12) | st.integers() | st.just({}),
    max_size=3,
)


@st.composite
def interleaved_calls(
    draw: st.DrawFn,
) -> tuple[list[list[dict[str, Any]]], list[list[str | None]]]:
    """Return the chunks and the calls of a stream whose calls have unique ids and indexes."""
    expected: list[list[str | None]] = []
    queues: list[list[dict[str, Any]]] = []
    for index in range(draw(st.integers(1, 4))):
        arguments = json.dumps(draw(VALUES), ensure_ascii=draw(st.booleans()))
        cuts = sorted(draw(st.lists(st.integers(0, len(arguments)), max_size=5)))
        bounds = zip([0, *cuts], [*cuts, len(arguments)], strict=True)
        pieces = [arguments[start:end] for start, end in bounds]
        name = draw(st.sampled_from(["f", "g"]))
        first = piece(index, f"id {index}", name, pieces[0])
        repeat = draw(st.booleans())
        rest = [piece(index, f"id {index}" if repeat else None, None, text) for text in pieces[1:]]
        expected.append([f"id {index}", name, arguments])
        queues.append([first, *rest])
    chunks: list[list[dict[str, Any]]] = []
    begun: list[int] = []
    while any(queues):
        at = draw(st.sampled_from([at for at, queue in enumerate(queues) if queue]))
        begun += [] if at in begun else [at]
        if not chunks or draw(st.booleans()):
            chunks.append([])
        chunks[-1].append(queues[at].pop(0))
    return chunks, [expected[at] for at in begun]


@given(interleaved_calls())
def test_interleaved_calls(
    stream_and_calls: tuple[list[list[dict[str, Any]]], list[list[str | None]]],
) -> None:
    """Calls with unique ids and indexes are right in any order of their pieces, cut anywhere."""
    chunks, expected = stream_and_calls
    accumulator, updates = updates_of(stream(chunks))

    assert calls_in(accumulator.snapshot()) == expected
    done = {place: (text, end) for place, _name, text, end in read_calls(updates)}
    for place, (id_, name, arguments) in enumerate(expected):
        text, end = done[place]
        assert (end.id, end.name, end.arguments, text) == (id_, name, arguments, arguments)
        assert end.value == json.loads(arguments or "")


@given(VALUES, st.sampled_from([None, 1, "\t"]), st.booleans(), st.booleans())
def test_arguments_again_with_other_blanks(
    value: dict[str, Any], indent: int | str | None, first: bool, named: bool
) -> None:
    """The complete arguments with other blanks are dropped, with a note, and have no update."""
    texts = [json.dumps(value, separators=(",", ":")), json.dumps(value, indent=indent)]
    before, again = texts if first else texts[::-1]
    name = "f" if named else None
    accumulator, updates = updates_of(
        stream([[piece(0, "a", "f", before)], [piece(0, name=name, arguments=again)]])
    )

    assert calls_in(accumulator.snapshot()) == [["a", "f", before]]
    kinds = [note.kind for note in accumulator.snapshot().notes]
    assert NoteKind.ARGUMENTS_REPEATED in kinds
    assert [update.text for update in updates if isinstance(update, ArgumentsDelta)] == [before]


def test_numbers_for_texts() -> None:
    """An index or an id of another type is read as the schema has it, and sent on as received."""
    delta = {"index": "0", "id": 5.0, "name": "f", "arguments": "{}"}
    body = {"choices": [{"index": 0, "delta": {"tool_calls": [delta]}}]}
    (chunk,) = ChunkDecoder().feed(Event(json.dumps(body)))
    sent = chunk.to_dict()["choices"][0]["delta"]["tool_calls"][0]

    assert sent == {"index": "0", "id": 5.0, "function": {"name": "f", "arguments": "{}"}}
    assert brief(delta) == [("5.0", "f", "{}")]
