"""Tests with recorded streams of messages."""

from itertools import pairwise
from typing import Any

from recorded import differences, pruned
from sseparse import EndCause, Parser, ServerSentError
from sseparse.messages import MessageAccumulator, MessageParser

from .recordings import Recording, accumulated

# Where a recording's expected message isn't what the library gives, and why. A path here must
# differ; a path not here must not.
DISAGREEMENTS: dict[str, dict[str, str]] = {
    "anthropic-messages-tool-maxtokens-1": {
        "content.1.input.filename": "The input was cut by max_tokens: half of it isn't the call.",
        "content.1.input.lines_of_text": "The same.",
    },
}
ENDS = {
    "message_stop": EndCause.DONE,
    "no message_stop": EndCause.FINISHED,
    "cut": EndCause.INCOMPLETE,
    "error": EndCause.SERVER_ERROR,
}


def found(recording: Recording, accumulator: MessageAccumulator, parser: MessageParser) -> set[str]:
    """Return where a result differs from the expected one."""
    expected = recording.expected
    final: dict[str, Any] = accumulator.snapshot().to_dict() if accumulator.usage else {}
    paths = set(differences(pruned(final), pruned(expected["final"] or {})))
    if parser.end is None or parser.end.cause is not ENDS[expected["end"]]:
        paths.add("the end")
    if isinstance(parser.error, ServerSentError) != bool(expected["errors"]):
        paths.add("the error")
    return paths


def cuts(recording: Recording) -> dict[str, list[bytes]]:
    body = recording.body
    borders = [0, *recording.borders(), len(body)]
    size = 1 if len(body) < 10_000 else 17
    return {
        "whole": [body],
        # Of large bodies, most bytes are in the same kind of place.
        "bytes": [body[at : at + size] for at in range(0, len(body), size)],
        "borders": [body[start:stop] for start, stop in pairwise(borders)],
    }


def test_recorded_streams(recordings: list[Recording]) -> None:
    """Each stream gives its expected message and end at each cut."""
    for recording in recordings:
        for cut, pieces in cuts(recording).items():
            paths = found(recording, *accumulated(pieces))
            assert paths == DISAGREEMENTS.get(recording.name, {}).keys(), (recording.name, cut)
    assert len(recordings) > 40


def test_no_field_is_lost(recordings: list[Recording]) -> None:
    """`to_dict()` of each event equals its JSON, except for nulls."""
    events = 0
    for recording in recordings:
        parser = Parser(incomplete="dispatch")
        received = [*parser.feed(recording.body), *parser.close()]
        sent = [event for event in received if event.event != "error" and event.data.endswith("}")]
        body = b"".join(f"event: {e.event}\ndata: {e.data}\n\n".encode() for e in sent)
        values = [pruned(event.json()) for event in sent]
        end = next((at for at, v in enumerate(values, 1) if v["type"] == "message_stop"), None)
        assert [pruned(event.to_dict()) for event in MessageParser().feed(body)] == values[:end]
        events += len(values)
    assert events > 3000
