"""Tests with a stream of each dialect of the servers, and of each known deviation."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recorded import pruned
from sseparse import (
    Accumulator,
    Chunk,
    ChunkDecoder,
    ChunkParser,
    Event,
    Parser,
    encode_chunk,
)
from sseparse.chunks import (
    ArgumentsDelta,
    ChoiceFinished,
    ContentDelta,
    ContentDone,
    LogprobsDelta,
    Note,
    NoteKind,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    RefusalDone,
    ToolCallDone,
    ToolCallStarted,
    TranscriptDelta,
    TranscriptDone,
    Update,
    UsageReported,
)
from sseparse.testing import every_split, run_stage

# A case is two files: the body that a server sends, and the expected result.
FOLDER = Path(__file__).parents[1] / "data" / "dialects"
NAMES = sorted(path.stem for path in FOLDER.glob("*.sse"))

Text = ContentDelta | ReasoningDelta | RefusalDelta | TranscriptDelta
TextDone = ContentDone | ReasoningDone | RefusalDone | TranscriptDone


def body_of(name: str) -> bytes:
    return (FOLDER / f"{name}.sse").read_bytes()


def expected_of(name: str) -> dict[str, Any]:
    expected: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return expected


def end_of(parser: ChunkParser) -> dict[str, Any]:
    """Return the end of a stream in the form of the expectations."""
    end = parser.end
    assert end is not None
    assert end.done_seen == parser.done
    return {
        "cause": end.cause.name,
        "done": end.done_seen,
        "finish_reasons": {str(index): reason for index, reason in end.finish_reasons.items()},
        "mid_event": end.mid_event,
        "comments": end.comments_seen,
        "after_done": parser.after_done,
    }


def note(kind: str, choice: int | None = None, call: int | None = None, detail: str = "") -> Note:
    return Note(NoteKind[kind], choice, call, detail)


def events_of(body: bytes) -> list[Event]:
    parser = Parser(incomplete="dispatch")
    return [*parser.feed(body), *parser.close()]


def test_cases_are_complete() -> None:
    """Each body has an expectation that states the rule it proves and a source."""
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == NAMES
    assert len(NAMES) > 100
    for name in NAMES:
        expected = expected_of(name)
        assert expected["proves"].endswith("."), name
        assert expected["source"], name


@pytest.mark.parametrize("name", NAMES)
def test_result(name: str) -> None:
    """The completion, its notes, the end of the stream and the error are as expected."""
    body, expected = body_of(name), expected_of(name)
    for pieces in ([body], [body[at : at + 1] for at in range(len(body))]):
        parser = ChunkParser()
        outcome = run_stage(parser, pieces)
        accumulator = Accumulator()
        for chunk in outcome.items:
            accumulator.add(chunk)
        snapshot = accumulator.snapshot()

        assert snapshot.to_dict() == expected["final"]
        assert sorted(map(str, snapshot.notes)) == sorted(
            str(note(**fields)) for fields in expected["notes"]
        )
        assert end_of(parser) == {
            "mid_event": False,
            "comments": 0,
            "after_done": 0,
            **expected["end"],
        }
        error = expected.get("error", {"type": "NoneType"})
        assert type(outcome.error).__name__ == error["type"]
        for field in error.keys() - {"type"}:
            assert getattr(outcome.error, field) == error[field]


@pytest.mark.parametrize("name", NAMES)
def test_cuts(name: str) -> None:
    """Chunks, error and end are the same however the body is cut."""
    body = body_of(name)
    parser = ChunkParser()
    expected, end = run_stage(parser, [body]), end_of(parser)
    for pieces in (body.splitlines(keepends=True), *every_split(body, most=20)):
        parser = ChunkParser()
        assert run_stage(parser, pieces).same_as(expected)
        assert end_of(parser) == end


@pytest.mark.parametrize("name", NAMES)
def test_to_dict(name: str) -> None:
    """`to_dict()` of each chunk equals its JSON, except for nulls."""
    decoder = ChunkDecoder()
    for event in events_of(body_of(name)):
        for chunk in decoder.feed(event):
            assert pruned(chunk.to_dict()) == pruned(event.json())
        if decoder.error is not None:
            break


@pytest.mark.parametrize("name", NAMES)
def test_round_trip(name: str) -> None:
    """Encoded chunks parse to equal chunks."""
    chunks = run_stage(ChunkParser(), [body_of(name)]).items
    wire = b"".join(encode_chunk(chunk) for chunk in chunks)
    assert run_stage(ChunkParser(), [wire]).items == chunks


def updated(name: str) -> tuple[Accumulator, list[Update], bool]:
    """Return accumulator and updates of a stream, and whether the stream was complete."""
    parser, accumulator = ChunkParser(), Accumulator()
    updates: list[Update] = []
    for chunk in run_stage(parser, [body_of(name)]).items:
        updates += accumulator.updates(chunk)
    complete = parser.end is not None and parser.end.complete
    if complete:
        updates += accumulator.last_updates()
    return accumulator, updates, complete


def added(chunks: list[Chunk]) -> Accumulator:
    accumulator = Accumulator()
    for chunk in chunks:
        accumulator.add(chunk)
    return accumulator


def texts_of(choice: dict[str, Any]) -> dict[type[Text], str]:
    """Return the texts of a choice, by the class of the updates that report them."""
    message = choice.get("message", {"content": choice.get("text")})
    # The same text under both names is reported once.
    reasoning = dict.fromkeys(message.get(name, "") for name in ("reasoning_content", "reasoning"))
    if not any(reasoning):
        details = message.get("reasoning_details", [])
        reasoning = {
            "".join(item.get("text") or item.get("summary") or "" for item in details): None
        }
    return {
        ContentDelta: message["content"] or "",
        ReasoningDelta: "".join(reasoning),
        RefusalDelta: message.get("refusal") or "",
        TranscriptDelta: message.get("audio", {}).get("transcript") or "",
    }


def calls_of(choice: dict[str, Any]) -> Iterator[tuple[int | None, str | None, str, str]]:
    """Yield position, id, name and arguments or input of each call of a choice."""
    message = choice.get("message", {})
    for place, call in enumerate(message.get("tool_calls", [])):
        callee = call.get("function") or call["custom"]
        yield place, call["id"], callee["name"], callee.get("arguments", callee.get("input"))
    if "function_call" in message:
        callee = message["function_call"]
        yield None, None, callee["name"], callee["arguments"]


@pytest.mark.parametrize("name", NAMES)
def test_updates_change_nothing(name: str) -> None:
    """The completion and its notes are the same with and without updates."""
    snapshot = added(run_stage(ChunkParser(), [body_of(name)]).items).snapshot()
    with_updates = updated(name)[0].snapshot()

    assert (with_updates, with_updates.notes) == (snapshot, snapshot.notes)


@pytest.mark.parametrize("name", NAMES)
def test_text_updates(name: str) -> None:
    """The joined text deltas equal the final text, and so does the text of the last done update."""
    accumulator, updates, complete = updated(name)
    joined: dict[tuple[int, type[Text]], str] = defaultdict(str)
    done: dict[tuple[int, str], str] = defaultdict(str)
    for update in updates:
        if isinstance(update, Text):
            joined[update.choice, type(update)] += update.text
        elif isinstance(update, TextDone):
            done[update.choice, type(update).__name__] = update.text
    for choice in accumulator.snapshot().to_dict()["choices"]:
        for kind, text in texts_of(choice).items():
            assert joined[choice["index"], kind] == text
            if complete:
                assert done[choice["index"], kind.__name__.replace("Delta", "Done")] == text


@pytest.mark.parametrize("name", NAMES)
def test_tool_call_updates(name: str) -> None:
    """Each call starts once, its deltas join to its arguments, and it is done at most once."""
    accumulator, updates, complete = updated(name)
    for choice in accumulator.snapshot().to_dict()["choices"]:
        mine = [update for update in updates if getattr(update, "choice", None) == choice["index"]]
        calls = {place: call for place, *call in calls_of(choice)}
        started = [update.call for update in mine if isinstance(update, ToolCallStarted)]
        done = [update for update in mine if isinstance(update, ToolCallDone)]
        assert sorted(started, key=str) == sorted(calls, key=str)
        assert len({update.call for update in done}) == len(done)
        assert len(done) == len(calls) or not complete
        for update in done:
            assert [update.id, update.name, update.arguments] == calls[update.call]
        pieces = [update for update in mine if isinstance(update, ArgumentsDelta)]
        for place, (_id, _name, arguments) in calls.items():
            assert "".join(piece.text for piece in pieces if piece.call == place) == arguments


@pytest.mark.parametrize("name", NAMES)
def test_finish_usage_and_logprobs_updates(name: str) -> None:
    """Finish reasons are reported once, the last usage and all log-probabilities are reported."""
    accumulator, updates, _complete = updated(name)
    snapshot = accumulator.snapshot()
    for choice in snapshot.choices:
        reasons = [
            update.reason
            for update in updates
            if isinstance(update, ChoiceFinished) and update.choice == choice.index
        ]
        assert reasons == ([] if choice.finish_reason is None else [choice.finish_reason])
        lists: dict[str, list[Any]] = defaultdict(list)
        for update in updates:
            if isinstance(update, LogprobsDelta) and update.choice == choice.index:
                for field, values in pruned(update.logprobs.to_dict()).items():
                    lists[field] += values if isinstance(values, list) else []
        final = choice.logprobs.to_dict() if choice.logprobs is not None else {}
        assert {field: values for field, values in lists.items() if values} == pruned(final)
    usages = [update.usage for update in updates if isinstance(update, UsageReported)]
    assert (usages[-1] if usages else None) == snapshot.usage
