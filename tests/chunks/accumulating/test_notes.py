"""Notes list the assumptions made for a completion, and aren't part of it."""

import json
from typing import Any

import pytest

from sseparse import Accumulator, ChatCompletion, ChunkDecoder, Event
from sseparse.chunks import Note, NoteKind


def snapshot(*bodies: dict[str, Any]) -> Any:
    decoder, accumulator = ChunkDecoder(), Accumulator()
    for body in bodies:
        for chunk in decoder.feed(Event(json.dumps(body))):
            accumulator.add(chunk)
    return accumulator.snapshot()


def choice(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(**fields: Any) -> dict[str, Any]:
    return choice(role="assistant", tool_calls=[fields])


ROLE = choice(role="assistant")
LEGACY: dict[str, Any] = {"object": "text_completion"}


@pytest.mark.parametrize(
    ("bodies", "notes"),
    [
        ([ROLE, choice("stop", content="a")], []),
        ([choice(content="a")], [Note(NoteKind.ROLE_ASSUMED, 0)]),
        (
            [{"model": "a", "choices": []}, {"model": "b", "choices": []}],
            [Note(NoteKind.MODEL_CHANGED, detail="b")],
        ),
        ([{"model": "", "choices": []}, {"model": "b", "choices": []}], []),
        ([{"model": "a", "choices": []}, {"model": "", "choices": []}], []),
        ([{"choices": [], "x_groq": {"usage": {}}}], [Note(NoteKind.USAGE_ELSEWHERE)]),
        ([{"choices": [], "usage": {}, "x_groq": {"usage": {}}}], []),
        ([{"choices": [{"delta": {"role": "assistant"}}]}], [Note(NoteKind.INDEX_ASSUMED, 0)]),
        (
            [choice(role="assistant", content=[{"type": "text", "text": "a"}])],
            [Note(NoteKind.CONTENT_PARTS, 0)],
        ),
        ([ROLE, choice("stop"), choice("stop")], []),
        ([ROLE, choice("stop"), choice("length")], [Note(NoteKind.FINISHED_AGAIN, 0)]),
        ([ROLE, choice("stop"), choice(role="assistant", content="")], []),
        ([ROLE, choice("stop"), choice(content="a")], [Note(NoteKind.AFTER_FINISH, 0)]),
        ([call(index=-1, id="a")], [Note(NoteKind.CALL_WITHOUT_INDEX, 0, 0)]),
        ([call(id="a"), call(index=0)], [Note(NoteKind.CALL_WITHOUT_INDEX, 0, 0)]),
        (
            [
                call(index=0, id="a", function={"name": "f"}),
                call(index=0, id="b", function={"name": "g"}),
            ],
            [Note(NoteKind.CALL_INDEX_SHARED, 0, 1)],
        ),
        (
            [call(index=0, id="a"), call(index=0, id="b")],
            [Note(NoteKind.CALL_ID_CHANGED, 0, 0)],
        ),
        (
            [call(index=0, function={"arguments": '{"a":1}'})] * 2,
            [Note(NoteKind.ARGUMENTS_REPEATED, 0, 0)],
        ),
        (
            [call(index=0, function={"arguments": text}) for text in ("{}", '{"a":1}')],
            [Note(NoteKind.ARGUMENTS_REPLACED, 0, 0)],
        ),
        (
            [call(type="function")],
            [Note(NoteKind.CALL_WITHOUT_INDEX, 0, 0), Note(NoteKind.CALL_UNNAMED, 0, 0)],
        ),
        ([call(custom={"name": "f"})], [Note(NoteKind.CALL_WITHOUT_INDEX, 0, 0)]),
        ([call(index=0), choice("stop")], [Note(NoteKind.ARGUMENTS_MISSING, 0, 0)]),
        ([call(index=0)], []),
        (
            [call(index=0, function={"arguments": {"a": 1}})],
            [Note(NoteKind.ARGUMENTS_OBJECT, 0, 0)],
        ),
        (
            [choice(role="assistant", function_call={"arguments": {"a": 1}})],
            [Note(NoteKind.ARGUMENTS_OBJECT, 0)],
        ),
        ([choice("stop", role="assistant", function_call={"arguments": "{}"})], []),
        (
            [choice("stop", role="assistant", function_call={"name": "f"})],
            [Note(NoteKind.ARGUMENTS_MISSING, 0)],
        ),
        (
            [{"choices": [], "service_tier": True}],
            [Note(NoteKind.VALUE_IGNORED, detail="service_tier")],
        ),
        (
            [choice(role="assistant", content=True)],
            [Note(NoteKind.VALUE_IGNORED, 0, detail="content")],
        ),
        (
            [ROLE, {"choices": [{"index": 0, "delta": {}, "logprobs": 5}]}],
            [Note(NoteKind.VALUE_IGNORED, 0, detail="logprobs")],
        ),
        (
            [
                call(index=0, function={"arguments": [5]}),
                call(index=0, function={"arguments": True}),
            ],
            [Note(NoteKind.VALUE_IGNORED, 0, 0, "arguments")],
        ),
        ([LEGACY | {"choices": [{"index": 0, "text": "a"}]}], []),
        (
            [
                LEGACY | {"choices": [{"text": "a", "finish_reason": "stop"}]},
                LEGACY | {"choices": [{"index": 0, "text": "", "finish_reason": "length"}]},
                LEGACY | {"choices": [{"index": 0, "text": "b"}]},
                LEGACY | {"choices": [{"index": 0, "text": {}, "logprobs": {"tokens": 5}}]},
            ],
            [
                Note(NoteKind.INDEX_ASSUMED, 0),
                Note(NoteKind.AFTER_FINISH, 0),
                Note(NoteKind.VALUE_IGNORED, 0, detail="tokens"),
                Note(NoteKind.VALUE_IGNORED, 0, detail="text"),
                Note(NoteKind.FINISHED_AGAIN, 0),
            ],
        ),
    ],
)
def test_notes_of_each_kind(bodies: list[dict[str, Any]], notes: list[Note]) -> None:
    """Each assumption is noted once, with its choice, tool call and field."""
    assert list(snapshot(*bodies).notes) == notes


def test_notes_are_not_part_of_the_completion() -> None:
    """Notes aren't part of the completion's JSON and don't matter for equality."""
    noted = snapshot(choice(content="a"))
    without_notes = snapshot(choice(role="assistant", content="a"))

    assert noted.notes
    assert noted == without_notes
    assert noted.to_dict() == without_notes.to_dict()
    assert noted != snapshot(choice(content="b"))
    assert noted != snapshot(LEGACY | {"choices": []})
    assert noted != "a"


def test_fields_named_like_private_fields() -> None:
    """A field that a server names notes, extra or absent is an unknown field."""
    fields = {"notes": "n", "extra": {"e": 1}, "absent": [2]}
    bodies = fields | {"choices": [{"index": 0, "delta": fields, **fields}]}
    result = snapshot(bodies)

    assert isinstance(result, ChatCompletion)
    assert result.extra == result.choices[0].extra == result.choices[0].message.extra == fields
    assert fields.items() <= result.to_dict().items()


def test_text_of_a_note() -> None:
    """The text of a note is a sentence that names the place."""
    assert str(Note(NoteKind.ROLE_ASSUMED, 1)) == (
        'choice 1: the server sent no role; "assistant" is assumed'
    )
    assert str(Note(NoteKind.CALL_INDEX_SHARED, 0, 2)).startswith("choice 0, tool call 2: an ")
    assert str(Note(NoteKind.MODEL_CHANGED, detail="b")) == (
        "the server sent another model later; the first is used (b)"
    )
    assert repr(Note(NoteKind.VALUE_IGNORED, 0, 2, "a")) == (
        "Note(VALUE_IGNORED, choice=0, call=2, detail='a')"
    )
    assert repr(Note(NoteKind.ROLE_ASSUMED, 1)) == "Note(ROLE_ASSUMED, choice=1)"
