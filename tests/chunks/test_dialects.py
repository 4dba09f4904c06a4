"""Every dialect of the servers, and every oddity, gives what the rules say, however it is cut."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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

# A case is two files: the body as a server sends it, and what is to come of it.
FOLDER = Path(__file__).parents[1] / "data" / "dialects"
NAMES = sorted(path.stem for path in FOLDER.glob("*.sse"))

Text = ContentDelta | ReasoningDelta | RefusalDelta | TranscriptDelta
TextDone = ContentDone | ReasoningDone | RefusalDone | TranscriptDone


def body_of(name: str) -> bytes:
    return (FOLDER / f"{name}.sse").read_bytes()


def expected_of(name: str) -> dict[str, Any]:
    expected: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return expected


def told(parser: ChunkParser) -> dict[str, Any]:
    """Say how a stream ended, in the words of the expectations."""
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


def pruned(value: Any) -> Any:
    """Leave out what is null: null and absent are alike."""
    if isinstance(value, dict):
        return {name: pruned(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [pruned(item) for item in value]
    return value


def test_the_cases_are_whole() -> None:
    """Each body has its expectation, which says what it proves and where the fact is from."""
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == NAMES
    assert len(NAMES) > 100
    for name in NAMES:
        expected = expected_of(name)
        assert expected["proves"].endswith("."), name
        assert expected["source"], name


@pytest.mark.parametrize("name", NAMES)
def test_result(name: str) -> None:
    """The completion, what had to be assumed for it, how the stream ended, and its error."""
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
        assert told(parser) == {
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
    """The same chunks, error and end whole, byte by byte, and cut in two at every place."""
    body = body_of(name)
    parser = ChunkParser()
    whole, end = run_stage(parser, [body]), told(parser)
    for pieces in every_split(body, most=len(body) + 1):
        parser = ChunkParser()
        assert run_stage(parser, pieces).same_as(whole)
        assert told(parser) == end


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_lost(name: str) -> None:
    """A chunk goes back to the JSON it was, but for nulls."""
    decoder = ChunkDecoder()
    for event in events_of(body_of(name)):
        for chunk in decoder.feed(event):
            assert pruned(chunk.to_dict()) == pruned(event.json())
        if decoder.error is not None:
            break


@pytest.mark.parametrize("name", NAMES)
def test_there_and_back(name: str) -> None:
    """A stream of chunks that is encoded reads back equal."""
    chunks = run_stage(ChunkParser(), [body_of(name)]).items
    wire = b"".join(encode_chunk(chunk) for chunk in chunks)
    assert run_stage(ChunkParser(), [wire]).items == chunks


def updated(name: str) -> tuple[Accumulator, list[Update], bool]:
    """Accumulate with updates; say, too, whether the stream came to an end of its own."""
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
    """Return a finished choice's texts, by the updates that tell them."""
    message = choice.get("message", {"content": choice.get("text")})
    # The same text under both names comes once.
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
    """Return a finished choice's calls: place, id, name, and arguments or input."""
    message = choice.get("message", {})
    for place, call in enumerate(message.get("tool_calls", [])):
        callee = call.get("function") or call["custom"]
        yield place, call["id"], callee["name"], callee.get("arguments", callee.get("input"))
    if "function_call" in message:
        callee = message["function_call"]
        yield None, None, callee["name"], callee["arguments"]


@pytest.mark.parametrize("name", NAMES)
def test_updates_change_nothing(name: str) -> None:
    """Asked for updates or not, the completion and its notes are the same."""
    snapshot = added(run_stage(ChunkParser(), [body_of(name)]).items).snapshot()
    asked = updated(name)[0].snapshot()

    assert (asked, asked.notes) == (snapshot, snapshot.notes)


@pytest.mark.parametrize("name", NAMES)
def test_updates_tell_the_texts(name: str) -> None:
    """The new texts, joined, are the final text, and so is the last that is said to be whole."""
    accumulator, updates, complete = updated(name)
    joined: dict[tuple[int, type[Text]], str] = defaultdict(str)
    whole: dict[tuple[int, str], str] = defaultdict(str)
    for update in updates:
        if isinstance(update, Text):
            joined[update.choice, type(update)] += update.text
        elif isinstance(update, TextDone):
            whole[update.choice, type(update).__name__] = update.text
    for choice in accumulator.snapshot().to_dict()["choices"]:
        for kind, text in texts_of(choice).items():
            assert joined[choice["index"], kind] == text
            if complete:
                assert whole[choice["index"], kind.__name__.replace("Delta", "Done")] == text


@pytest.mark.parametrize("name", NAMES)
def test_updates_tell_the_calls(name: str) -> None:
    """Each call begins once, has its arguments in pieces, and is done once: if it is cut, never."""
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
def test_updates_tell_the_ends(name: str) -> None:
    """A finish is told once, the last usage told is the usage, and no log-probability is lost."""
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
