"""Streams of the API's servers, as their users reported them, each with the right outcome."""

import json
from collections.abc import Iterable
from contextlib import suppress

import pytest

from dialect_cases import (
    Case,
    check_error,
    check_result,
    check_updates,
    check_words,
    every_cut,
    has_views,
    id_of,
    load_cases,
    parameters,
    pieces_of,
    read,
)
from sseparse import EndCause
from sseparse.moderation import Flagged, Gate
from sseparse.responses import (
    Response,
    ResponseAccumulator,
    ResponseDecoder,
    ResponseEvent,
    ResponseParser,
    ResponseReader,
    ResponseStream,
    encode_event,
    to_events,
)
from sseparse.testing import run_stage

CASES = load_cases("responses")
# Cases that fail so far.
OPEN: set[str] = {
    "agentgateway-empty-done",
    "agentgateway-empty-done-call",
    "arguments-after-item-done",
    "bifrost-call-missing-in-completed",
    "delta-after-item-done",
    "omniroute-closed-early",
    "sglang-call-missing-in-completed",
    "vllm-code-interpreter",
    "vllm-code-interpreter-cut",
}
OPEN_VIEWS: set[str] = {
    "added-out-of-order",
    "agentgateway-empty-done",
    "agentgateway-empty-done-call",
    "bifrost-call-missing-in-completed",
    "sglang-call-missing-in-completed",
    "unannounced-custom-input",
}
OPEN_GATED: set[str] = {
    "lemonade-two-parts-without-indexes",
    "part-announced-late",
}


@pytest.mark.parametrize("case", parameters(CASES, OPEN))
def test_outcome(case: Case) -> None:
    """A stream has its right result, error, end and notes, wherever its bytes are cut."""
    for pieces in every_cut(case).values():
        reader = read(ResponseReader(), pieces)
        check_error(case, reader.error, reader.end.cause)
        check_result(case, reader.snapshot())
        check_words(case, reader.snapshot().to_dict())


@pytest.mark.parametrize("case", CASES, ids=id_of)
def test_stages(case: Case) -> None:
    """A parser gives the same events at every cut, and an accumulator the reader's result."""
    first = run_stage(ResponseParser(), pieces_of(case))
    for pieces in every_cut(case).values():
        assert run_stage(ResponseParser(), pieces).same_as(first)
    if "error" not in case:
        result = accumulated(first.items)
        reader = read(ResponseReader(), pieces_of(case))
        assert result == reader.snapshot()
        assert result.notes == reader.snapshot().notes


@pytest.mark.parametrize("case", parameters(filter(has_views, CASES), OPEN_VIEWS))
def test_views(case: Case) -> None:
    """Updates bring the texts and the calls of the result, each once."""
    check_updates(ResponseStream(pieces_of(case), on_incomplete="accept"))


@pytest.mark.parametrize("case", CASES, ids=id_of)
def test_encoding(case: Case) -> None:
    """Encoded events are decoded as the same events, and a result as events is the same result."""
    events = run_stage(ResponseParser(), pieces_of(case)).items
    encoded = [encode_event(event) for event in events]
    assert run_stage(ResponseParser(), encoded).items == events

    if case["end"] == "DONE":
        result = accumulated(events)
        assert accumulated(to_events(result)) == result


def accumulated(events: Iterable[ResponseEvent]) -> Response:
    accumulator = ResponseAccumulator()
    for event in events:
        accumulator.add(event)
    return accumulator.snapshot()


@pytest.mark.parametrize(
    "case",
    [each for each in CASES if not any(isinstance(event, str) for event in each["body"])],
    ids=id_of,
)
def test_frames(case: Case) -> None:
    """Frames of a WebSocket connection are decoded as the events of a stream."""
    events = run_stage(ResponseParser(), pieces_of(case)).items
    decoder = ResponseDecoder()
    frames: list[ResponseEvent] = []
    for event in case["body"][: len(events)]:
        frames += decoder.feed_frame(json.dumps(event))
    assert frames == events


@pytest.mark.parametrize("case", parameters(filter(has_views, CASES), OPEN_GATED))
def test_gate(case: Case) -> None:
    """A gate that approves all releases the texts of the result, and one that doesn't none."""
    events = run_stage(ResponseParser(), pieces_of(case)).items
    released = list(Gate(lambda _text: True).chunks(iter(events)))
    result = accumulated(released)
    assert result.text == accumulated(events).text
    assert result.tool_calls == accumulated(events).tool_calls

    gate, released = Gate(lambda _text: False), []
    with suppress(Flagged):
        released.extend(gate.chunks(iter(events)))
    assert accumulated(released).text == ""


@pytest.mark.parametrize("case", [each for each in CASES if each["end"] == "DONE"], ids=id_of)
def test_truncated(case: Case) -> None:
    """A stream that is cut anywhere before its terminal event doesn't look complete."""
    pieces = pieces_of(case)
    if len(pieces) == 1:
        pieces = [pieces[0][:-1], pieces[0][-1:]]  # a JSON body
    terminal = next((at for at, piece in enumerate(pieces) if is_terminal(piece)), 1)
    for count in range(terminal + 1):
        half = pieces[count][: len(pieces[count]) // 2]
        reader = read(ResponseReader(), [*pieces[:count], half])
        assert reader.end.cause is not EndCause.DONE
        assert (reader.error is None) == (reader.end.cause is EndCause.FINISHED)


def is_terminal(piece: bytes) -> bool:
    return any(kind in piece for kind in (b"response.completed", b"response.incomplete"))
