"""Streams of the servers of two APIs, as users reported them, each with the right outcome."""

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest
from attrs import frozen

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
    pieces_of,
    read,
)
from sseparse import EndCause, messages, responses
from sseparse.moderation import Flagged, Gate
from sseparse.responses import ResponseDecoder, ResponseEvent
from sseparse.testing import run_stage


@frozen
class API:
    """The classes of an API, and what its terminal events have in their data."""

    parser: Any
    accumulator: Any
    reader: Any
    stream: Any
    encode_event: Any
    to_events: Any
    terminal: tuple[bytes, ...]

    def events(self, case: Case) -> list[Any]:
        return run_stage(self.parser(), pieces_of(case)).items

    def accumulated(self, events: Iterable[Any]) -> Any:
        accumulator = self.accumulator()
        for event in events:
            accumulator.add(event)
        return accumulator.snapshot()

    def is_terminal(self, piece: bytes) -> bool:
        return any(kind in piece for kind in self.terminal)


RESPONSES = API(
    responses.ResponseParser,
    responses.ResponseAccumulator,
    responses.ResponseReader,
    responses.ResponseStream,
    responses.encode_event,
    responses.to_events,
    (b"response.completed", b"response.incomplete"),
)
MESSAGES = API(
    messages.MessageParser,
    messages.MessageAccumulator,
    messages.MessageReader,
    messages.MessageStream,
    messages.encode_event,
    messages.to_events,
    (b"message_stop",),
)
RESPONSE_CASES = load_cases("responses")
CASES: list[tuple[API, Case]] = [
    *((RESPONSES, case) for case in RESPONSE_CASES),
    *((MESSAGES, case) for case in load_cases("messages")),
]
# Two parts without indexes are one text to a gate.
OPEN_GATED = {"lemonade-two-parts-without-indexes"}


def cases(
    *, with_views: bool = False, ends: Iterable[str] | None = None, failing: Iterable[str] = ()
) -> pytest.MarkDecorator:
    """Return the mark of a test of cases; those that fail so far are marked."""
    return pytest.mark.parametrize(
        ("api", "case"),
        [
            pytest.param(
                *(api, case),
                id=id_of(case),
                marks=pytest.mark.xfail if case["name"] in failing else (),
            )
            for api, case in CASES
            if (has_views(case) or not with_views) and (ends is None or case["end"] in ends)
        ],
    )


@cases()
def test_outcome(api: API, case: Case) -> None:
    """A stream has its right result, error, end and notes, wherever its bytes are cut."""
    for pieces in every_cut(case).values():
        reader = read(api.reader(), pieces)
        check_error(case, reader.error, reader.end.cause)
        check_result(case, reader.snapshot())
        check_words(case, reader.snapshot().to_dict())


@cases()
def test_stages(api: API, case: Case) -> None:
    """A parser gives the same events at every cut, and an accumulator the reader's result."""
    first = run_stage(api.parser(), pieces_of(case))
    for pieces in every_cut(case).values():
        assert run_stage(api.parser(), pieces).same_as(first)
    if "error" not in case:
        result = api.accumulated(first.items)
        reader = read(api.reader(), pieces_of(case))
        assert result == reader.snapshot()
        assert result.notes == reader.snapshot().notes


@cases(with_views=True)
def test_views(api: API, case: Case) -> None:
    """Updates bring the texts and the calls of the result, each once."""
    check_updates(api.stream(pieces_of(case), on_incomplete="accept"))


@cases()
def test_encoding(api: API, case: Case) -> None:
    """Encoded events are decoded as the same events, and a result as events is the same result."""
    events = api.events(case)
    encoded = [api.encode_event(event) for event in events]
    assert run_stage(api.parser(), encoded).items == events

    if case["end"] == "DONE":
        result = api.accumulated(events)
        assert api.accumulated(api.to_events(result)) == result


@pytest.mark.parametrize(
    "case",
    [each for each in RESPONSE_CASES if not any(isinstance(event, str) for event in each["body"])],
    ids=id_of,
)
def test_frames(case: Case) -> None:
    """Frames of a WebSocket connection are decoded as the events of a stream."""
    events = RESPONSES.events(case)
    decoder = ResponseDecoder()
    frames: list[ResponseEvent] = []
    for event in case["body"][: len(events)]:
        frames += decoder.feed_frame(json.dumps(event))
    assert frames == events


@cases(with_views=True, failing=OPEN_GATED)
def test_gate(api: API, case: Case) -> None:
    """A gate that approves all releases the texts of the result, and one that doesn't none."""
    events = api.events(case)
    released = list(Gate(lambda _text: True).chunks(iter(events)))
    result, expected = api.accumulated(released), api.accumulated(events)
    assert result.text == expected.text
    assert result.tool_calls == expected.tool_calls

    gate, released = Gate(lambda _text: False), []
    with suppress(Flagged):
        released.extend(gate.chunks(iter(events)))
    assert api.accumulated(released).text == ""


@cases(ends=["DONE"])
def test_truncated(api: API, case: Case) -> None:
    """A stream that is cut anywhere before its terminal event doesn't look complete."""
    pieces = pieces_of(case)
    if len(pieces) == 1:
        pieces = [pieces[0][:-1], pieces[0][-1:]]  # a JSON body
    terminal = next((at for at, piece in enumerate(pieces) if api.is_terminal(piece)), 1)
    for count in range(terminal + 1):
        half = pieces[count][: len(pieces[count]) // 2]
        reader = read(api.reader(), [*pieces[:count], half])
        assert reader.end.cause is not EndCause.DONE
        assert (reader.error is None) == (reader.end.cause is EndCause.FINISHED)
