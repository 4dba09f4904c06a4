"""Performance goals, and whether the results reach them."""

from collections.abc import Callable, Iterator

from attrs import frozen
from client_cost import GOAL, ClientCost
from footprint import BASE, USED, Footprint
from growth import MOST, Growth
from measure import Row
from tool_input import APIS, DELTAS, label

PARSED_VIEW = 10.0
CLIENT_PEERS = {"openai-python": 30.0, "f3dx": 2.0}
"""Client, and the smallest ratio to it that is a goal."""
SIBLINGS = {"response": ("openai", 60.0), "message": ("anthropic", 40.0)}
"""Task, peer, and the smallest ratio to it that is a goal."""
KIB = 1024


@frozen
class Goal:
    """
    A goal and its result.

    Attributes:
        goal: Description of the goal.
        measured: The measured value, or "not measured" and the reason.
        reached: Whether the goal is reached; None if it wasn't measured.
    """

    goal: str
    measured: str
    reached: bool | None


@frozen
class Results:
    """
    All results.

    Attributes:
        by_size: Token chat at each size of feed, by task.
        by_shape: Every shape, by task.
        partial: Partial JSON.
        counter: Token counter.
        inputs: Tool input of each API, from bytes to a parsed view at each delta.
        sources: Requests of the official SDKs, over a connection.
        growths: Growth of time and memory.
        clients: Processor time of clients over each transport.
        footprint: Memory and start times.
    """

    by_size: dict[str, list[Row]]
    by_shape: dict[str, list[Row]]
    partial: list[Row]
    counter: list[Row]
    inputs: list[Row]
    sources: list[Row]
    growths: list[Growth]
    clients: list[ClientCost]
    footprint: Footprint


def find(row: Row, role: str, name: str | None = None) -> float | None:
    """Return the best figure of a role, or of a name in it, among correct results."""
    fitting = [
        figure.micros
        for figure in row.figures
        if figure.role == role
        and name in {None, figure.name}
        and figure.micros is not None
        and not figure.remark
    ]
    return min(fitting, default=None)


def goals(results: Results) -> list[Goal]:
    """Return each goal with its result."""
    return [
        *_events(results),
        *_chunks(results),
        *_completions(results),
        *_siblings(results),
        *_inputs(results),
        *_clients(results.clients),
        *_others(results),
    ]


def _events(results: Results) -> Iterator[Goal]:
    for row in results.by_size["events"]:
        text = f"events, {row.label}: at least 3 times as fast as the fastest Python peer"
        yield _at_least(text, find(row, "peer"), find(row, "ours"), 3.0)
    for row in results.by_size["events"]:
        text = f"events, {row.label}: level with Node's (at most 1.1 times its time)"
        yield _at_most(text, find(row, "ours"), find(row, "node"), 1.1)


def _chunks(results: Results) -> Iterator[Goal]:
    rows = results.by_size["chunks"]
    yield from _relative_to_floor("chunks", rows, 2.0)
    for row in rows:
        text = f"chunks, {row.label}: at least 30 times as fast as openai-python"
        yield _at_least(text, find(row, "peer", "openai"), find(row, "ours"), 30.0)


def _completions(results: Results) -> Iterator[Goal]:
    rows = results.by_size["completion"]
    yield from _relative_to_floor("completion", rows, 2.5)
    row = _row_of(rows, "one event")
    text = "completion, one event: at least 80 times as fast as openai-python"
    yield _at_least(text, find(row, "peer", "openai"), find(row, "ours"), 80.0)


def _siblings(results: Results) -> Iterator[Goal]:
    for task, (peer, least) in SIBLINGS.items():
        rows = results.by_size[task]
        yield from _relative_to_floor(task, rows, 2.5, at="4 KiB")
        row = _row_of(rows, "4 KiB")
        text = f"{task}, 4 KiB: at least {least:.0f} times as fast as {peer}"
        yield _at_least(text, find(row, "peer", peer), find(row, "ours"), least)


def _relative_to_floor(
    task: str, rows: list[Row], most: float, at: str = "64 KiB"
) -> Iterator[Goal]:
    row = _row_of(rows, at)
    text = f"{task}, {at}: at most {most} times the floor (msgspec alone)"
    yield _at_most(text, find(row, "ours"), find(row, "floor"), most)


def _row_of(rows: list[Row], label: str) -> Row:
    (row,) = [row for row in rows if row.label == label]
    return row


def _inputs(results: Results) -> Iterator[Goal]:
    rows = {row.label: row for row in results.inputs}
    for api in APIS:
        name = label(api, max(DELTAS))
        text = f"tool input, {name}, bytes to a parsed view at each: at most 10 \u00b5s each"
        yield _limit(text, find(rows[name], "ours"), PARSED_VIEW, "{:.2f} \u00b5s")


def _clients(costs: list[ClientCost]) -> Iterator[Goal]:
    added = [(cost.added, cost) for cost in costs if cost.added is not None]
    if added:
        most, cost = max(added, key=lambda each: each[0])
        text = f"client: at most {GOAL:.0f} \u00b5s per chunk over the bare library"
        yield _limit(text, most, GOAL, "{:.2f} \u00b5s at worst" + f" ({cost.name}, {cost.mode})")
    # Without HTTP, the streams of asyncio are no client.
    http = [cost for _, cost in added if cost.name != "asyncio streams" and cost.mode == "at once"]
    ours = min((cost.full for cost in http), default=None)
    for peer, least in CLIENT_PEERS.items():
        found = [cost.full for cost in costs if (cost.name, cost.mode) == (peer, "at once")]
        text = f"client, the fastest transport: at least {least:.0f} times as fast as {peer}"
        yield _at_least(text, min(found, default=None), ours, least)


def _others(results: Results) -> Iterator[Goal]:
    for name, pick in _GROWN.items():
        worst = max(results.growths, key=lambda growth: max(pick(growth)))
        text = f"{name} for twice as much: at most {MOST} times"
        where = f" ({worst.shape}, {worst.feed})"
        yield _limit(text, max(pick(worst)), MOST, "{:.2f} at worst" + where)
    held = results.footprint
    most = max(held.event, held.resident or 0.0)
    yield _limit("an event of 64 MiB: at most 2.2 times its size", most, 2.2, "{:.2f} times")
    yield _limit("an idle stream: at most 2 KiB", held.idle / KIB, 2.0, "{:.2f} KiB")
    text = f"{USED}: at most 1.5 times the {BASE}"
    yield _limit(text, held.starts[USED] / held.starts[BASE], 1.5, "{:.2f} times")


_GROWN: dict[str, Callable[[Growth], tuple[float, ...]]] = {
    "time": lambda growth: growth.times,
    "peak memory": lambda growth: growth.peaks,
}


def _limit(text: str, value: float | None, most: float, form: str) -> Goal:
    if value is None:
        return Goal(text, "not measured: failed", None)
    return Goal(text, form.format(value), value <= most)


def _at_most(text: str, ours: float | None, theirs: float | None, most: float) -> Goal:
    if ours is None or theirs is None:
        return Goal(text, "not measured: one of both is missing", None)
    return Goal(text, f"{ours / theirs:.2f} times", ours / theirs <= most)


def _at_least(text: str, theirs: float | None, ours: float | None, least: float) -> Goal:
    if ours is None or theirs is None:
        return Goal(text, "not measured: one of both is missing", None)
    return Goal(text, f"{theirs / ours:.2f} times", theirs / ours >= least)
