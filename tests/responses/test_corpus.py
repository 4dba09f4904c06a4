"""Tests with recorded streams of responses."""

from recorded import differences, pruned
from sseparse import EndCause, IncompleteStream, Parser, ServerSentError
from sseparse.responses import ResponseAccumulator, ResponseEvent, ResponseParser, ResponseReader
from sseparse.testing import run_stage

from .recordings import TERMINAL, Recording, read

# Where a recording's expected response isn't what the library gives, and why. A path here must
# differ; a path not here must not.
ASSUMED = (
    "No event announced the item: it has the type that the event's own type implies, and a note."
)
NAMED = "The same; its id is that in the event."
DISAGREEMENTS: dict[str, dict[str, str]] = {
    "openai-responses-nofinal-1": {"output.0.type": ASSUMED, "output.0.id": NAMED},
    "openai-responses-nofinal-3": {"output.0.type": ASSUMED, "output.0.id": NAMED},
    "openai-responses-text-2": {"output.0.type": ASSUMED, "output.0.id": NAMED},
    "openai-responses-text-5": {"status": "It is missing; the type of the event implies it."},
    "openai-responses-text-12": {"output.0.type": ASSUMED, "output.0.role": ASSUMED},
}
# The same for what the events before the terminal one add up to.
WITHOUT_END: dict[str, dict[str, str]] = {
    **DISAGREEMENTS,
    "openai-responses-text-5": {},  # only the response itself differs
    "openai-responses-mcplist-1": {
        "output.0.status": "Progress doesn't give a status to an item that has none; nor does the "
        "response of the last event.",
        "output.1.status": "The same.",
    },
}


ENDS: dict[str, tuple[EndCause, type]] = {
    "response.failed": (EndCause.SERVER_ERROR, ServerSentError),
    "deltas": (EndCause.INCOMPLETE, IncompleteStream),
}


def found(recording: Recording, reader: ResponseReader) -> set[str]:
    """Return where a result or an end differs from the expected one."""
    expected = {**recording.expected["final"], "output": recording.output}
    paths = set(differences(pruned(reader.snapshot().to_dict()), pruned(expected)))
    cause, error = ENDS.get(recording.expected["final_from"], (EndCause.DONE, type(None)))
    if reader.end.cause is not cause:
        paths.add("the end")
    if type(reader.error) is not error:
        paths.add("the error")
    return paths


def test_recorded_streams(recordings: list[Recording]) -> None:
    """Each stream gives its expected response, end and events at each cut."""
    for recording in recordings:
        events: list[ResponseEvent] = []
        for cut in ([recording.body], recording.pieces()):
            reader, events = read(cut)
            paths = found(recording, reader)
            assert paths == DISAGREEMENTS.get(recording.name, {}).keys(), recording.name
        body = recording.body
        pieces = [body[at : at + 1] for at in range(len(body))]
        assert run_stage(ResponseParser(), pieces).items == events, recording.name
    assert len(recordings) > 70


def test_items_without_the_terminal_event(recordings: list[Recording]) -> None:
    """Without the terminal event, the items add up to what its response has."""
    for recording in recordings:
        accumulator = ResponseAccumulator()
        for event in recording.events():
            if event.type not in TERMINAL:
                accumulator.add(event)
        output = [item.to_dict() for item in accumulator.snapshot().output]
        expected = recording.expected.get("items", recording.output)
        paths = {f"output.{path}" for path in differences(pruned(output), pruned(expected))}
        assert paths == WITHOUT_END.get(recording.name, {}).keys(), recording.name


def test_no_field_is_lost(recordings: list[Recording]) -> None:
    """`to_dict()` of each event equals its JSON, except for nulls."""
    events = 0
    for recording in recordings:
        parser = Parser(incomplete="dispatch")
        received = [*parser.feed(recording.body), *parser.close()]
        values = [pruned(event.json()) for event in received if event.data.endswith("}")]
        types = {event["type"] for event in values}
        if "error" not in types:
            assert [pruned(event.to_dict()) for event in recording.events()] == values
            events += len(values)
    assert events > 3000
