"""The tables of streams: events, chunks, completions, updates; each at every size of feed."""

from collections.abc import Callable
from typing import Any

import ours
from attrs import frozen
from chunk_peers import CHUNK_PEERS, FLOOR
from completion_peers import COMPLETION_PEERS, UPDATE_PEERS
from event_peers import EVENT_PEERS
from measure import Contender, Entrant, Figure, Job, Row, Turn, gather, on_feeds, take_turns
from ours import Stream
from shapes import CHUNKED, SHAPES, Made, Shape
from workers import Worker, Workers

SIZES: tuple[int | None, ...] = (16, None, 4096, 65536)
"""Bytes in a feed; None is one event a feed."""
EVERY_SHAPE = 4096


@frozen
class Work:
    """
    Name a kind of work.

    Attributes:
        name: Its name in `ours.WORKS`.
        title: Its name in the report.
        peers: What it is measured beside.
        node: Whether Node does it too.
    """

    name: str
    title: str
    peers: tuple[Contender, ...]
    node: bool = False


WORKS = (
    Work("events", "Bytes to events", EVENT_PEERS, node=True),
    Work("chunks", "Bytes to typed chunks", (FLOOR, *CHUNK_PEERS), node=True),
    Work("completion", "Bytes to the finished completion", (FLOOR, *COMPLETION_PEERS)),
    Work("updates", "Bytes to updates", (FLOOR, *UPDATE_PEERS)),
)


def size_label(size: int | None) -> str:
    if size is None:
        return "one event"
    return f"{size} B" if size < 1024 else f"{size // 1024} KiB"


def entrants(work: Work, workers: Workers, missing: dict[str, str]) -> list[Entrant]:
    """Return who is here for a kind of work."""
    contenders = [
        Contender("sseparse", "ours", lambda: on_feeds(ours.WORKS[work.name])),
        Contender("sseparse, pure Python", "pure", _in(workers.pure, work)),
        *work.peers,
    ]
    if work.node:
        contenders.append(Contender("eventsource-parser (Node)", "node", _in(workers.node, work)))
    return gather(contenders, missing)


def _in(start: Callable[[], Worker], work: Work) -> Callable[[], Callable[[Any], Turn]]:
    return lambda: start().turns(work.name)


def job(work: Work, made: Made, size: int | None, items: int) -> Job:
    """Return what the contenders of a table are given."""
    return Job(Stream(made, made.feeds(size)), items, ours.outcome(work.name, made.expected))


def by_size(work: Work, found: list[Entrant], shape: Shape, count: int, rounds: int) -> list[Row]:
    """Measure one shape at each size of feed."""
    made = shape.build(count)
    items = made.expected.events if work.name == "events" else made.expected.chunks
    return [
        Row(size_label(size), _expect_floor(work, found, job(work, made, size, items), rounds))
        for size in SIZES
    ]


def by_shape(work: Work, found: list[Entrant], count: int, rounds: int) -> list[Row]:
    """Measure every shape at one size of feed, for each of its units."""
    rows = []
    for shape in SHAPES if work.name == "events" else CHUNKED:
        units = count if shape.unit == "event" else 8 * count
        made = shape.build(units)
        given = job(work, made, EVERY_SHAPE, units)
        label = f"{shape.name}, a {shape.unit}" if shape.unit != "event" else shape.name
        rows.append(Row(label, _expect_floor(work, found, given, rounds)))
    return rows


def _expect_floor(work: Work, found: list[Entrant], given: Job, rounds: int) -> list[Figure]:
    # The floor decodes and puts nothing together: it is right when it decoded every chunk.
    figures = take_turns(found, given, rounds)
    if work.name in {"events", "chunks"}:
        return figures
    return [
        Figure(figure.name, figure.role, figure.micros) if figure.role == "floor" else figure
        for figure in figures
    ]
