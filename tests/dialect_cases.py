"""The streams of tests/data/*-dialects.json, and what they are compared with."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sseparse import EndCause, ServerSentError, SSEError
from sseparse.chunks import (
    ArgumentsDelta,
    ChoiceFinished,
    ContentDelta,
    ContentDone,
    ReasoningDelta,
    ReasoningDone,
    TextUpdate,
    ToolCallDone,
)

Case = dict[str, Any]

# Lists that a server leaves out and a result has, or the other way round: empty, they say nothing.
OPTIONAL_LISTS = {"annotations", "citations", "content", "logprobs", "output", "summary"}
# The fields that bring text which a result has once.
TEXT_FIELDS = {"delta", "refusal", "text", "thinking"}


def load_cases(name: str) -> list[Case]:
    path = Path(__file__).parent / "data" / f"{name}-dialects.json"
    cases: list[Case] = json.loads(path.read_text("utf-8"))["cases"]
    return cases


def id_of(case: Case) -> str:
    name: str = case["name"]
    return name


def pieces_of(case: Case) -> list[bytes]:
    """Return the body, cut at every event border."""
    return [encode(event, named="unnamed" not in case).encode() for event in case["body"]]


def encode(event: Any, *, named: bool) -> str:
    if isinstance(event, str):
        return event
    data = f"data: {json.dumps(event)}\n\n"
    return f"event: {event['type']}\n{data}" if named and "type" in event else data


def every_cut(case: Case) -> dict[str, list[bytes]]:
    """Return the pieces of a body: whole, byte by byte, and cut at every event border."""
    borders = pieces_of(case)
    body = b"".join(borders)
    single = [body[at : at + 1] for at in range(len(body))]
    return {"whole": [body], "byte by byte": single, "event borders": borders}


def read(reader: Any, pieces: list[bytes]) -> Any:
    """Feed pieces to a reader, as far as it reads, and close it."""
    for piece in pieces:
        if reader.closed and not reader.continues:
            break
        reader.feed(piece)
    reader.close()
    return reader


def pruned(value: Any, without: list[str]) -> Any:
    """Remove what means the same as an absent field, and the fields in which a result is free."""
    if isinstance(value, dict):
        kept = {name: pruned(inner, without) for name, inner in value.items()}
        return {
            name: inner
            for name, inner in kept.items()
            if inner is not None
            and name not in without
            and not (name in OPTIONAL_LISTS and inner == [])
        }
    if isinstance(value, list):
        return [pruned(inner, without) for inner in value]
    return value


def check_error(case: Case, error: SSEError | None, cause: EndCause) -> None:
    assert cause.name == case["end"]
    expected = case.get("error")
    if expected is None:
        assert error is None or cause is EndCause.INCOMPLETE or cause is EndCause.FINISHED
        return
    assert error is not None
    assert type(error).__name__ == expected.get("class", "ServerSentError")
    if isinstance(error, ServerSentError):
        for name in ("message", "code", "type", "param"):
            assert getattr(error, name) == expected.get(name, "" if name == "message" else None)
        if "request_id" in expected:
            assert isinstance(error.body, dict)
            assert error.body["request_id"] == expected["request_id"]


def check_result(case: Case, result: Any) -> None:
    loose = case.get("loose", [])
    if "result" not in loose:
        assert pruned(result.to_dict(), loose) == pruned(case["result"], loose)
    if "text" in case:
        assert result.text == case["text"]
    if "calls" in case:
        assert [[call.name, call.arguments] for call in result.tool_calls] == case["calls"]
    for position, text in case.get("input_json", {}).items():
        assert result.content[int(position)].input_json == text
    if "notes" not in loose:
        assert {note.kind.name for note in result.notes} == set(case["notes"])


def has_views(case: Case) -> bool:
    """Return whether the updates of a case bring what its result has, and nothing else."""
    return bool(case["end"] == "DONE" and case.get("views", True))


def check_updates(stream: Any) -> None:
    """Check that updates bring the texts and calls of the stream's result, each once."""
    updates = list(stream.updates())
    result = stream.snapshot()
    assert joined(updates, ContentDelta) == result.text
    assert last_texts(updates, ContentDone) == result.text
    reasoning = "".join(reasoning_in(result.to_dict()))
    assert joined(updates, ReasoningDelta) == reasoning
    assert last_texts(updates, ReasoningDone) == reasoning
    calls = [[call.name, call.arguments] for call in result.tool_calls]
    done = [each for each in updates if type(each) is ToolCallDone]
    done.sort(key=lambda each: each.call or 0)
    assert [[each.name, each.arguments] for each in done] == calls
    for each in done:
        pieces = [
            piece.text
            for piece in updates
            if type(piece) is ArgumentsDelta and piece.call == each.call
        ]
        assert "".join(pieces) == each.arguments
    assert sum(type(each) is ChoiceFinished for each in updates) <= 1


def joined(updates: list[Any], kind: type[TextUpdate]) -> str:
    """Join the texts of a kind of updates, by item."""
    texts: list[TextUpdate] = [each for each in updates if type(each) is kind]
    return "".join(each.text for each in sorted(texts, key=lambda each: each.item or 0))


def last_texts(updates: list[Any], kind: type[TextUpdate]) -> str:
    """Join the last text of each item: more of it can follow a text that looked complete."""
    texts = {each.item or 0: each.text for each in updates if type(each) is kind}
    return "".join(texts[item] for item in sorted(texts))


def reasoning_in(value: Any) -> Iterator[str]:
    """Yield the reasoning in a response or message."""
    for item in value.get("output", ()) or value.get("content", ()):
        if item.get("type") == "thinking":
            yield item["thinking"]
        elif item.get("type") == "reasoning":
            for part in [*(item.get("summary") or ()), *(item.get("content") or ())]:
                yield part["text"]


def check_words(case: Case, result: Any) -> None:
    """Check that a result has every word of the stream's texts once, and no dropped one."""
    sent = {word for event in case["body"] for text in texts_in(event) for word in words_in(text)}
    dropped = set(case.get("dropped", ()))
    found = "\n".join(strings_in(result))
    for word in sent - dropped - set(case.get("repeats", ())):
        assert found.count(word) == 1, word
    for word in dropped:
        assert word not in found


def words_in(text: str) -> list[str]:
    return re.findall(r"[A-Za-z]{3,}", text)


def texts_in(value: Any) -> Iterator[str]:
    """Yield the texts that an event brings."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in TEXT_FIELDS and isinstance(inner, str):
                yield inner
            elif name != "response":
                yield from texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_in(inner)


def strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from strings_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings_in(inner)
    elif isinstance(value, str):
        yield value
