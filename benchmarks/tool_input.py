"""Tool input of each API, from bytes to updates that have the parsed value at each delta."""

import ours
from api_peers import MESSAGE_INPUT_PEERS, RESPONSE_INPUT_PEERS
from api_shapes import MESSAGE_TOOL, RESPONSE_TOOL
from completion_peers import UPDATE_PEERS
from measure import Contender, Job, Row, gather, on_feeds, take_turns
from ours import Stream
from shapes import TOOL, Shape

DELTAS = (2_000, 8_000)
APIS: dict[str, tuple[str, Shape, tuple[Contender, ...]]] = {
    "Chat": ("updates", TOOL, UPDATE_PEERS),
    "Responses": ("response updates", RESPONSE_TOOL, RESPONSE_INPUT_PEERS),
    "Messages": ("message updates", MESSAGE_TOOL, MESSAGE_INPUT_PEERS),
}


def label(api: str, deltas: int) -> str:
    """Return the label of a row."""
    return f"{api}, {deltas:,} deltas"


def _ours(task: str) -> Contender:
    return Contender("sseparse", "ours", lambda: on_feeds(ours.TASKS[task]))


def measure(rounds: int, missing: dict[str, str]) -> list[Row]:
    """Measure each API with each number of deltas, one event in each feed."""
    rows = []
    for api, (task, shape, peers) in APIS.items():
        found = gather([_ours(task), *peers], missing)
        for deltas in DELTAS:
            sample = shape.build(deltas)
            expected = ours.expected_result(task, sample.expected)
            given = Job(Stream(sample, sample.feeds(None)), deltas, expected)
            rows.append(Row(label(api, deltas), take_turns(found, given, rounds)))
    return rows
