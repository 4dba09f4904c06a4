"""Streams of the API's servers, as their users reported them, each with the right outcome."""

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
from sseparse.messages import MessageAccumulator, MessageParser, MessageReader, MessageStream
from sseparse.testing import run_stage

CASES = load_cases("messages")
# Cases that fail so far.
OPEN: set[str] = {
    "delta-null",
    "minimax-summary-event",
    "minimax-summary-event-unnamed",
    "sglang-text-on-tool",
}
OPEN_VIEWS: set[str] = {
    "input-after-stop",
    "minimax-summary-event",
}


@pytest.mark.parametrize("case", parameters(CASES, OPEN))
def test_outcome(case: Case) -> None:
    """A stream has its right result, error, end and notes, wherever its bytes are cut."""
    for pieces in every_cut(case).values():
        reader = read(MessageReader(), pieces)
        check_error(case, reader.error, reader.end.cause)
        check_result(case, reader.snapshot())
        check_words(case, reader.snapshot().to_dict())


@pytest.mark.parametrize("case", CASES, ids=id_of)
def test_stages(case: Case) -> None:
    """A parser gives the same events at every cut, and an accumulator the reader's result."""
    first = None
    for pieces in every_cut(case).values():
        outcome = run_stage(MessageParser(), pieces)
        first = first or outcome
        assert outcome.same_as(first)
    assert first is not None
    accumulator = MessageAccumulator()
    for event in first.items:
        accumulator.add(event)
    if "error" not in case:
        reader = read(MessageReader(), pieces_of(case))
        assert accumulator.snapshot() == reader.snapshot()
        assert accumulator.snapshot().notes == reader.snapshot().notes


@pytest.mark.parametrize("case", parameters(filter(has_views, CASES), OPEN_VIEWS))
def test_views(case: Case) -> None:
    """Updates bring the texts and the calls of the result, each once."""
    check_updates(MessageStream(pieces_of(case), on_incomplete="accept"))


@pytest.mark.parametrize("case", [each for each in CASES if each["end"] == "DONE"], ids=id_of)
def test_truncated(case: Case) -> None:
    """A stream that is cut anywhere before its terminal event doesn't look complete."""
    pieces = pieces_of(case)
    if len(pieces) == 1:
        pieces = [pieces[0][:-1], pieces[0][-1:]]  # a JSON body
    terminal = next((at for at, piece in enumerate(pieces) if is_terminal(piece)), 1)
    for count in range(terminal + 1):
        half = pieces[count][: len(pieces[count]) // 2]
        reader = read(MessageReader(), [*pieces[:count], half])
        assert reader.end.cause is not EndCause.DONE
        assert (reader.error is None) == (reader.end.cause is EndCause.FINISHED)


def is_terminal(piece: bytes) -> bool:
    return any(kind in piece for kind in (b"message_stop",))
