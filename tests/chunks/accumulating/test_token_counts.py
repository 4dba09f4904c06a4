"""Token counts are merged field by field; of each, the last that isn't null is used."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from sseparse import Accumulator, ChunkDecoder, Event, to_chunks
from sseparse.chunks import NoteKind, UsageReported


def usages(*bodies: dict[str, Any]) -> list[Any]:
    decoder, accumulator, again = ChunkDecoder(), Accumulator(), Accumulator()
    updates: list[Any] = []
    for body in bodies:
        for chunk in decoder.feed(Event(json.dumps(body))):
            before = chunk.to_dict()
            updates += accumulator.updates(chunk)
            assert chunk.to_dict() == before
    snapshot = accumulator.snapshot()
    for chunk in to_chunks(snapshot):
        again.add(chunk)
    assert again.snapshot() == snapshot
    reported = [update.usage for update in updates if isinstance(update, UsageReported)]
    assert reported[-1:] == [snapshot.usage]
    return [each.to_dict() for each in reported]


def usage_of(*counts: dict[str, Any]) -> dict[str, Any]:
    """Return the usage after chunks with these usages."""
    found: dict[str, Any] = usages(*({"choices": [], "usage": each} for each in counts))[-1]
    return found


def counts(prompt: Any, completion: Any, total: Any, **others: Any) -> dict[str, Any]:
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    found = dict(zip(names, (prompt, completion, total), strict=True))
    return {name: value for name, value in found.items() if value is not None} | others


FULL = counts(4, 5, 9, cost=0.5)


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        pytest.param(
            [counts(390, 1, 391), counts(None, 89, None)], counts(390, 89, 391), id="split"
        ),
        pytest.param([counts(9, 9, 9), counts(9, 1, 9)], counts(9, 1, 9), id="never added"),
        pytest.param([FULL, {"prompt_tokens": None}, {}], FULL, id="null and empty"),
        pytest.param([FULL, counts(0, 0, 0)], FULL, id="zeros last"),
        pytest.param([FULL, {"total_tokens": 0, "cost": 0}], FULL, id="some zeros last"),
        pytest.param(
            [FULL, {"total_tokens": 0, "prompt_tokens_details": {"cached_tokens": 0}}],
            FULL,
            id="zeros in details",
        ),
        pytest.param([counts(0, 0, 0), FULL], FULL, id="zeros first"),
        pytest.param([counts(0, 0, 0)], counts(0, 0, 0), id="zeros alone"),
        pytest.param([{}], {}, id="empty alone"),
        pytest.param([FULL, counts(6, 0, 6)], FULL | counts(6, 0, 6), id="one zero"),
        pytest.param(
            [FULL, counts(0, 0, 0, cost=0.7, x=0)], FULL | {"cost": 0.7, "x": 0}, id="cost"
        ),
        pytest.param(
            [{"x": 1, "y": {"a": 1}}, {"x": None, "y": {"b": 2}}],
            {"x": 1, "y": {"b": 2}},
            id="unknown fields",
        ),
        pytest.param(
            [
                {"prompt_tokens_details": {"cached_tokens": 7, "x": 1}},
                {"prompt_tokens_details": {"audio_tokens": 2, "cached_tokens": None, "x": 2}},
                {"completion_tokens_details": {"reasoning_tokens": 3}},
            ],
            {
                "prompt_tokens_details": {"cached_tokens": 7, "audio_tokens": 2, "x": 2},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            id="details",
        ),
    ],
)
def test_merging(reported: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    """Counts replace earlier ones field by field; zeros don't replace counts."""
    assert usage_of(*reported) == expected


def test_other_names() -> None:
    """Counts under the names of other APIs fill in the standard ones, and stay where they are."""
    other = {
        "input_tokens": 11,
        "output_tokens": "5",
        "input_tokens_details": {"cached_tokens": 3},
        "output_tokens_details": {"reasoning_tokens": 2.0},
    }
    standard = counts(11, 5, None) | {
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    assert usage_of(other) == other | standard
    assert usage_of({"input_tokens": 11}, {"output_tokens": 5}) == (
        counts(11, 5, None) | {"input_tokens": 11, "output_tokens": 5}
    )
    assert usage_of({"input_tokens": 11, "prompt_tokens": 4})["prompt_tokens"] == 4
    assert usage_of(FULL, {"input_tokens": 0, "output_tokens": 0})["prompt_tokens"] == 4
    assert usage_of(counts(0, 0, 0), {"input_tokens": 7})["prompt_tokens"] == 7


@pytest.mark.parametrize(
    ("usage", "names"),
    [
        (counts(57, 14417.92, 14474.92), ["completion_tokens", "total_tokens"]),
        ({"prompt_tokens_details": {"cached_tokens": 1.5}}, ["cached_tokens"]),
        ({"completion_tokens_details": [1]}, ["completion_tokens_details"]),
        ({"input_tokens": 1.5, "output_tokens_details": {"reasoning_tokens": True}}, None),
        ({"total_tokens": "9", "x": 1.5}, []),
    ],
)
@pytest.mark.parametrize("place", ["chunk", "choice", "x_groq"])
def test_ignored_counts(place: str, usage: dict[str, Any], names: list[str] | None) -> None:
    """A count that can't be read leaves a note, wherever the usage is, and isn't in the result."""
    body = {
        "chunk": {"choices": [], "usage": usage},
        "choice": {"choices": [{"index": 0, "delta": {}, "usage": usage}]},
        "x_groq": {"choices": [], "x_groq": {"usage": usage}},
    }[place]
    accumulator = Accumulator()
    for chunk in ChunkDecoder().feed(Event(json.dumps(body))):
        accumulator.add(chunk)
    snapshot = accumulator.snapshot()
    ignored = [note.detail for note in snapshot.notes if note.kind is NoteKind.VALUE_IGNORED]
    assert ignored == (["prompt_tokens", "reasoning_tokens"] if names is None else names)
    assert snapshot.usage is not None
    assert not snapshot.usage.to_dict().keys() & set(ignored)


@pytest.mark.parametrize("text", [{"delta": {"content": "a"}}, {"text": "a"}])
def test_usage_in_a_choice(text: dict[str, Any]) -> None:
    """Usage in a choice is merged, in both APIs; that of the chunk is preferred unless it's 0."""
    choices = [
        {"choices": [{"index": 0, **text, "usage": each}]} for each in ({"prompt_tokens": 1}, FULL)
    ]
    assert usages(*choices) == [{"prompt_tokens": 1}, FULL]
    assert usages(*choices, {"choices": [], "usage": counts(0, 0, 0)})[-1] == FULL
    assert usages(*choices, {"choices": [], "usage": counts(1, 2, 3)})[-1] == counts(1, 2, 3)
    assert usages({"choices": [], "usage": {}}, {"choices": [{**text, "usage": {}}]}) == [{}]


def test_earlier_snapshots() -> None:
    """Later counts don't change the usage that was returned before."""
    accumulator = Accumulator()
    chunks = [
        chunk
        for usage in (FULL | {"completion_tokens_details": {"x": 1}}, counts(6, 7, 13, cost=1))
        for chunk in ChunkDecoder().feed(Event(json.dumps({"choices": [], "usage": usage})))
    ]
    accumulator.add(chunks[0])
    usage, snapshot = accumulator.usage, accumulator.snapshot()
    before = snapshot.to_dict()
    accumulator.add(chunks[1])
    assert usage == snapshot.usage
    assert snapshot.to_dict() == before
    assert accumulator.usage != usage


def test_zeros_under_one_name() -> None:
    """A zero under one name doesn't replace a count under the other, in the same chunk or later."""
    zeros = counts(0, 0, None, prompt_tokens_details={"cached_tokens": 0, "audio_tokens": 0})
    other = {
        "input_tokens": 10,
        "output_tokens": 1,
        "input_tokens_details": {"cached_tokens": 3},
    }
    details = {"cached_tokens": 3, "audio_tokens": 0}

    expected = counts(10, 1, None) | other | {"prompt_tokens_details": details}
    assert usage_of(zeros | other) == expected
    later = zeros | {"output_tokens": 5}
    assert usage_of(zeros | other, later) == expected | counts(10, 5, None, output_tokens=5)
    assert usage_of(counts(0, 0, None) | {"input_tokens": 0}) == counts(0, 0, None, input_tokens=0)
    assert usage_of(counts(4, 0, None) | {"input_tokens": 10, "output_tokens": 5}) == (
        counts(4, 5, None, input_tokens=10, output_tokens=5)
    )


MANY_FIELDS: dict[str, Callable[[int], dict[str, Any]]] = {
    "in usage": lambda number: {"usage": {"prompt_tokens": number, f"x{number}": 1}},
    "in details": lambda number: {
        "usage": {"prompt_tokens": number, "prompt_tokens_details": {f"x{number}": 1}}
    },
    "in details under another name": lambda number: {
        "usage": {"prompt_tokens": number, "input_tokens_details": {f"x{number}": 1}}
    },
    "in x_groq": lambda number: {"x_groq": {"usage": {"prompt_tokens": number, f"x{number}": 1}}},
    "at once": lambda number: {
        "usage": {"prompt_tokens": number, **{f"x{each}": 1 for each in range(300)}}
    },
}


@pytest.mark.parametrize("where", MANY_FIELDS)
def test_many_unknown_fields(where: str) -> None:
    """Of unknown fields, 256 are used, with a note; known counts and used fields still change."""
    bodies: list[Any] = [{"choices": [], **MANY_FIELDS[where](number)} for number in range(1, 601)]
    decoder, accumulator = ChunkDecoder(), Accumulator()
    reported: list[Any] = []
    for body in [*bodies, bodies[0]]:
        for chunk in decoder.feed(Event(json.dumps(body))):
            reported += accumulator.updates(chunk)
    snapshot = accumulator.snapshot()

    assert snapshot.usage is not None
    assert reported[-1].usage == snapshot.usage
    assert snapshot.usage.prompt_tokens == 1
    fields = snapshot.usage.extra
    if "details" in where:
        assert snapshot.usage.prompt_tokens_details is not None
        fields = snapshot.usage.prompt_tokens_details.extra
    assert len(fields) == 256
    (note,) = [note for note in snapshot.notes if note.kind is NoteKind.VALUE_IGNORED]
    assert note.detail == "usage"


def test_the_last_values_of_many_unknown_fields() -> None:
    """A field that is used changes after the limit, too; exactly 256 leave no note."""
    fields = {f"x{number}": 1 for number in range(256)}
    assert usage_of(fields, {"x0": 2}) == fields | {"x0": 2}
    assert usage_of(fields, {"y": 1, "x0": 2}) == fields | {"x0": 2}
