"""Tool call deltas are assigned to their call, however the server numbers the calls."""

import json
from typing import Any

import pytest

from sseparse import Accumulator, ChunkDecoder, Event

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
            [piece(0, "a", "f", "{}"), piece(0, "b", "g", "{}"), piece(0, None, None, "!")],
            [("a", "f", "{}"), ("b", "g", "{}!")],
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
