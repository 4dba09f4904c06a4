"""Tests that what is replaced doesn't count towards `max_accumulated_bytes`."""

from typing import Any

import pytest

from sseparse.responses import ResponseAccumulator

from .events import added, arguments, call, created, delta, done, message, parse

TEXT = {"type": "output_text", "text": "a" * 100}
PART = {"output_index": 0, "content_index": 0, "part": TEXT}
PROBS = [{"token": "a", "logprob": -0.5}]
SHELL = "response.shell_call_command"
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "in_progress"}
TEXT_DONE = {"type": "response.output_text.done", "output_index": 0, "text": "b"}
ARGUMENTS_DONE = "response.function_call_arguments.done"


@pytest.mark.parametrize(
    "events",
    [
        [added(message("a" * 100)), added(message())],
        [added(message()), delta("a" * 100), delta("b"), done(message("b"))],
        [delta("a" * 100), delta("b", logprobs=PROBS), {**TEXT_DONE, "logprobs": PROBS}],
        [delta("a", logprobs=PROBS), added(message())],
        [{"type": "response.content_part.added", **PART}, delta("b"), added(message())],
        [
            *({"type": "response.content_part.added", **PART}, delta("b")),
            {"type": "response.content_part.done", **PART},
        ],
        [
            {"type": "response.output_text.annotation.added", "output_index": 0, "annotation": {}},
            added(message("a")),
        ],
        [added(call("[" * 50)), arguments("1"), {"type": ARGUMENTS_DONE, "arguments": "{}"}],
        [
            delta("ls", 0, f"{SHELL}.delta", command_index=1),
            {"type": f"{SHELL}.done", "output_index": 0, "command_index": 1, "command": "ls -l"},
        ],
        [added(SEARCH), {"type": "response.web_search_call.searching", "output_index": 0}],
        [created(tools=["x" * 100]), {"type": "response.in_progress"}, created()],
    ],
    ids=range(11),
)
@pytest.mark.parametrize("tracked", [False, True])
def test_repetitions(events: list[dict[str, Any]], tracked: bool) -> None:
    """Events that replace what came before can be repeated without reaching the limit."""
    accumulator = ResponseAccumulator(max_accumulated_bytes=10_000)
    for event in parse(*events * 200):
        if tracked:
            accumulator.updates(event)
        else:
            accumulator.add(event)
    assert accumulator.error is None
