"""Measurements of streams: events, items, results and updates, at each size of feed."""

import ours
from api_peers import (
    MESSAGE_EVENT_PEERS,
    MESSAGE_PEERS,
    RESPONSE_EVENT_PEERS,
    RESPONSE_PEERS,
)
from api_shapes import API_SHAPES, MESSAGE_TEXT, RESPONSE_TEXT
from attrs import frozen
from chunk_peers import CHUNK_PEERS, FLOOR
from completion_peers import COMPLETION_PEERS, UPDATE_PEERS
from event_peers import EVENT_PEERS
from measure import Contender, Entrant, Figure, Job, Row, gather, on_feeds, take_turns
from ours import Stream
from shapes import CHAT, CHUNKED, SHAPES, Sample, Shape
from workers import Workers

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
        item: What the figures are about, in the tables.
        node: Whether Node runs it too.
        shape: Shape of the stream that is measured at each size of feed.
        all_shapes: Shapes that are measured at one size of feed.
    """

    name: str
    title: str
    peers: tuple[Contender, ...]
    item: str = "an event"
    node: bool = False
    shape: Shape = CHAT
    all_shapes: tuple[Shape, ...] = ()


CHAT_TASKS = (
    Task("events", "Bytes to events", EVENT_PEERS, node=True, all_shapes=SHAPES + API_SHAPES),
    Task(
        "chunks",
        "Bytes to typed chunks",
        (FLOOR, *CHUNK_PEERS),
        "a chunk",
        node=True,
        all_shapes=CHUNKED,
    ),
    Task(
        "completion",
        "Bytes to the finished completion",
        (FLOOR, *COMPLETION_PEERS),
        "a chunk",
        all_shapes=CHUNKED,
    ),
    Task("updates", "Bytes to updates", (FLOOR, *UPDATE_PEERS), "a chunk"),
)
API_TASKS = (
    Task(
        "response events",
        "Responses: bytes to typed events",
        RESPONSE_EVENT_PEERS,
        shape=RESPONSE_TEXT,
    ),
    Task(
        "response",
        "Responses: bytes to the finished response",
        RESPONSE_PEERS,
        shape=RESPONSE_TEXT,
    ),
    Task(
        "message events",
        "Messages: bytes to typed events",
        MESSAGE_EVENT_PEERS,
        shape=MESSAGE_TEXT,
    ),
    Task("message", "Messages: bytes to the finished message", MESSAGE_PEERS, shape=MESSAGE_TEXT),
)
TASKS = CHAT_TASKS + API_TASKS


def size_label(size: int | None) -> str:
    if size is None:
        return "one event"
    return f"{size} B" if size < 1024 else f"{size // 1024} KiB"


def entrants(task: Task, workers: Workers, missing: dict[str, str]) -> list[Entrant]:
    """Return the available contenders for a task."""
    contenders = [
        Contender("sseparse", "ours", lambda: on_feeds(ours.TASKS[task.name])),
        Contender("sseparse, pure Python", "pure", lambda: workers.pure().turns(task.name)),
        *task.peers,
    ]
    if task.node:
        name = "eventsource-parser (Node)"
        contenders.append(Contender(name, "node", lambda: workers.node().turns(task.name)))
    return gather(contenders, missing)


def job(task: Task, sample: Sample, size: int | None, items: int) -> Job:
    """Return the input of the contenders of a table."""
    return Job(
        Stream(sample, sample.feeds(size)), items, ours.expected_result(task.name, sample.expected)
    )


def by_size(task: Task, found: list[Entrant], count: int, rounds: int) -> list[Row]:
    """Measure the task's shape at each size of feed."""
    sample = task.shape.build(count)
    items = sample.expected.events if task.name == "events" else sample.expected.chunks
    return [
        Row(size_label(size), _take_turns(task, found, job(task, sample, size, items), rounds))
        for size in SIZES
    ]


def by_shape(task: Task, found: list[Entrant], count: int, rounds: int) -> list[Row]:
    """Measure every shape at one size of feed, per unit of the shape."""
    rows = []
    for shape in task.all_shapes:
        units = count if shape.unit == "event" else 8 * count
        sample = shape.build(units)
        given = job(task, sample, EVERY_SHAPE, units)
        label = f"{shape.name}, a {shape.unit}" if shape.unit != "event" else shape.name
        rows.append(Row(label, _take_turns(task, found, given, rounds)))
    return rows


def _take_turns(task: Task, found: list[Entrant], given: Job, rounds: int) -> list[Figure]:
    # The floor only decodes: its result is the number of items, and no other task's.
    figures = take_turns(found, given, rounds)
    if task.name in {"events", *ours.TO_ITEMS}:
        return figures
    return [
        Figure(figure.name, figure.role, figure.micros) if figure.role == "floor" else figure
        for figure in figures
    ]
