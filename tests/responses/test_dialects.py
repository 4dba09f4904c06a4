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
from sseparse.responses import ResponseAccumulator, ResponseParser, ResponseReader, ResponseStream
from sseparse.testing import run_stage

CASES = load_cases("responses")
# Cases that fail so far.
OPEN: set[str] = {
    "agentgateway-empty-done",
    "agentgateway-empty-done-call",
    "arguments-after-item-done",
    "bifrost-call-missing-in-completed",
    "delta-after-item-done",
    "lemonade-done-without-indexes",
    "lemonade-two-parts-without-indexes",
    "sglang-call-missing-in-completed",
    "vllm-code-interpreter",
    "vllm-code-interpreter-cut",
    "vllm-content-index-drift",
}
OPEN_VIEWS: set[str] = {
    "added-out-of-order",
    "agentgateway-empty-done",
    "agentgateway-empty-done-call",
    "bifrost-call-missing-in-completed",
    "sglang-call-missing-in-completed",
    "unannounced-custom-input",
    "vllm-content-index-negative",
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
    first = None
    for pieces in every_cut(case).values():
        outcome = run_stage(ResponseParser(), pieces)
        first = first or outcome
        assert outcome.same_as(first)
    assert first is not None
    accumulator = ResponseAccumulator()
    for event in first.items:
        accumulator.add(event)
    if "error" not in case:
        reader = read(ResponseReader(), pieces_of(case))
        assert accumulator.snapshot() == reader.snapshot()
        assert accumulator.snapshot().notes == reader.snapshot().notes


@pytest.mark.parametrize("case", parameters(filter(has_views, CASES), OPEN_VIEWS))
def test_views(case: Case) -> None:
    """Updates bring the texts and the calls of the result, each once."""
    check_updates(ResponseStream(pieces_of(case), on_incomplete="accept"))


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
