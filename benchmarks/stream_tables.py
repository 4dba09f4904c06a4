"""Measurements of streams: events, chunks, completions and updates, at each size of feed."""

from collections.abc import Callable
from typing import Any

import ours
from attrs import frozen
from chunk_peers import CHUNK_PEERS, FLOOR
from completion_peers import COMPLETION_PEERS, UPDATE_PEERS
from event_peers import EVENT_PEERS
from measure import Contender, Entrant, Figure, Job, Row, Turn, gather, on_feeds, take_turns
from ours import Stream
from shapes import CHUNKED, SHAPES, Sample, Shape
from workers import Worker, Workers

SIZES: tuple[int | None, ...] = (16, None, 4096, 65536)
"""Bytes in a feed; None for one event in each."""
EVERY_SHAPE = 4096


@frozen
class Task:
    """
    A task that the contenders of a table run.

    Attributes:
        name: Name in `ours.TASKS`.
        title: Title in the report.
        peers: Other contenders.
        node: Whether Node runs it too.
    """

    name: str
    title: str
    peers: tuple[Contender, ...]
    node: bool = False


TASKS = (
    Task("events", "Bytes to events", EVENT_PEERS, node=True),
    Task("chunks", "Bytes to typed chunks", (FLOOR, *CHUNK_PEERS), node=True),
    Task("completion", "Bytes to the finished completion", (FLOOR, *COMPLETION_PEERS)),
    Task("updates", "Bytes to updates", (FLOOR, *UPDATE_PEERS)),
)


def size_label(size: int | None) -> str:
    if size is None:
        return "one event"
    return f"{size} B" if size < 1024 else f"{size // 1024} KiB"


def entrants(task: Task, workers: Workers, missing: dict[str, str]) -> list[Entrant]:
    """Return the available contenders for a task."""
    contenders = [
        Contender("sseparse", "ours", lambda: on_feeds(ours.TASKS[task.name])),
        Contender("sseparse, pure Python", "pure", _worker_turns(workers.pure, task)),
        *task.peers,
    ]
    if task.node:
        contenders.append(
            Contender("eventsource-parser (Node)", "node", _worker_turns(workers.node, task))
        )
    return gather(contenders, missing)


def _worker_turns(start: Callable[[], Worker], task: Task) -> Callable[[], Callable[[Any], Turn]]:
    return lambda: start().turns(task.name)


def job(task: Task, sample: Sample, size: int | None, items: int) -> Job:
    """Return the input of the contenders of a table."""
    return Job(
        Stream(sample, sample.feeds(size)), items, ours.expected_result(task.name, sample.expected)
    )


def by_size(task: Task, found: list[Entrant], shape: Shape, count: int, rounds: int) -> list[Row]:
    """Measure one shape at each size of feed."""
    sample = shape.build(count)
    items = sample.expected.events if task.name == "events" else sample.expected.chunks
    return [
        Row(size_label(size), _take_turns(task, found, job(task, sample, size, items), rounds))
        for size in SIZES
    ]


def by_shape(task: Task, found: list[Entrant], count: int, rounds: int) -> list[Row]:
    """Measure every shape at one size of feed, per unit of the shape."""
    rows = []
    for shape in SHAPES if task.name == "events" else CHUNKED:
        units = count if shape.unit == "event" else 8 * count
        sample = shape.build(units)
        given = job(task, sample, EVERY_SHAPE, units)
        label = f"{shape.name}, a {shape.unit}" if shape.unit != "event" else shape.name
        rows.append(Row(label, _take_turns(task, found, given, rounds)))
    return rows


def _take_turns(task: Task, found: list[Entrant], given: Job, rounds: int) -> list[Figure]:
    # The floor only decodes: its result is the number of chunks, not a completion.
    figures = take_turns(found, given, rounds)
    if task.name in {"events", "chunks"}:
        return figures
    return [
        Figure(figure.name, figure.role, figure.micros) if figure.role == "floor" else figure
        for figure in figures
    ]
