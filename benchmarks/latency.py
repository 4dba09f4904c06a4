"""
Measure the latency of events from the server's send to the reader, in milliseconds.

The server runs in its own process and writes the time into each event just before it sends it. For
each transport and framing, the library's usual code and sseparse take turns, a stream each; the
first stream of each isn't counted. The tables also show code that buffers data, and other clients.
A cell that misses a goal is measured again, at most twice, because other processes delay events:
its medians are then those of all events, its maximum that of the best run. Missing libraries are
reported and left out.
"""

import argparse
import gc
import importlib
import platform
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from statistics import median
from typing import Any

import anyio
from attrs import frozen
from measure import version
from stamping import Servers, running
from ways import FRAMINGS, OTHERS, TRANSPORTS, Target, Way

import sseparse
from sseparse import AsyncEventStream, EventStream
from sseparse.testing._replay import make_coding

DIFFERENCE = 0.1
"""Goal: maximum milliseconds that sseparse adds to the library, in the median."""
MAX_LATENCY = 5.0
"""Goal: maximum milliseconds of an event."""
MAX_RUNS = 3
"""Maximum number of measurements of a cell."""
PACKAGES = (
    "urllib3",
    "requests",
    "httpx",
    "httpx2",
    "aiohttp",
    "trio",
    "anyio",
    "h11",
    "hypercorn",
    "sseclient-py",
    "launchdarkly-eventsource",
)
_STAMP = re.compile(r'"sent":"(\d{20})"')
Read = Callable[[Any], Any]


@frozen
class Plan:
    """
    The amount of measurement.

    Attributes:
        rounds: Streams of each contender that are counted.
        events: Events of such a stream.
        interval: Seconds between two events.
        held_events: Events of the single stream of a contender that buffers data.
        held_interval: Seconds between two events of that stream.
    """

    rounds: int = 8
    events: int = 6
    interval: float = 0.012
    held_events: int = 30
    held_interval: float = 0.02


QUICK = Plan(rounds=2, events=5, held_events=15)
QUICK_FRAMINGS = ("chunked", "close", "gzip", "tls")
QUICK_TRANSPORTS = ("sockets", "requests", "httpx2", "httpx2, asyncio", "aiohttp", "trio")


@frozen
class Run:
    """Latencies of the events of a cell in one measurement, in milliseconds."""

    bare: list[float]
    ours: list[float]


@frozen
class Cell:
    """All measurements of a transport and framing."""

    runs: list[Run]

    @property
    def bare(self) -> tuple[float, float]:
        """Median of all events without sseparse, and the maximum of the best run."""
        return _figures([run.bare for run in self.runs])

    @property
    def ours(self) -> tuple[float, float]:
        """Median and maximum with sseparse."""
        return _figures([run.ours for run in self.runs])

    @property
    def added(self) -> float:
        return self.ours[0] - self.bare[0]

    @property
    def misses(self) -> bool:
        return self.added > DIFFERENCE or self.ours[1] > MAX_LATENCY


def _figures(runs: list[list[float]]) -> tuple[float, float]:
    return median(age for run in runs for age in run), min(max(run) for run in runs)


class Clock:
    """Recorder of the age of each event when it is read."""

    def __init__(self) -> None:
        self.ages: list[float] = []

    def see(self, item: Any) -> None:
        now = time.monotonic_ns()
        text = item.decode() if isinstance(item, bytes) else item
        self.ages += [(now - int(stamp)) / 1e6 for stamp in _STAMP.findall(text)]


def our_events(source: Any) -> Iterator[str]:
    with EventStream(source) as stream:
        for event in stream:
            yield event.data


async def our_async_events(source: Any) -> AsyncIterator[str]:
    async with AsyncEventStream(source) as stream:
        async for event in stream:
            yield event.data


def ages(way: Way, read: Read, target: Target, events: int) -> list[float]:
    """Read one stream; return the latency of each event in milliseconds."""
    clock = Clock()
    gc.collect()
    if way.backend is None:
        with way.open(target) as opened, closing(read(opened)) as items:
            for item in items:
                clock.see(item)
    else:
        anyio.run(_read_async, way.open(target), read, clock, backend=way.backend)
    if len(clock.ages) != events:
        raise ValueError(f"received {len(clock.ages)} events, not {events}")
    return clock.ages


async def _read_async(manager: Any, read: Read, clock: Clock) -> None:
    async with manager as opened, aclosing(read(opened)) as items:
        async for item in items:
            clock.see(item)


def target_of(servers: Servers, framing: str, events: int, interval: float) -> Target | None:
    protocol = framing if framing in ("tls", "http2") else "plain"
    if protocol not in servers.origins:
        return None
    url = f"{servers.origins[protocol]}/{framing}/{events}/{interval}"
    return Target(url, servers.context, protocol == "http2")


def measure(way: Way, target: Target, plan: Plan) -> Run:
    """Measure the library's usual code and sseparse in turns."""
    ours = our_events if way.backend is None else our_async_events
    run = Run([], [])
    for number in range(plan.rounds + 1):
        contenders = [(way.read, run.bare), (ours, run.ours)]
        for read, kept in contenders if number % 2 else contenders[::-1]:
            found = ages(way, read, target, plan.events)
            if number:  # the first round loads modules and fills caches
                kept.extend(found)
    return run


def show_cell(way: Way, target: Target, plan: Plan) -> list[Cell]:
    """Measure a cell and print its row; return the cell in a list, empty after an error."""
    cell = Cell([])
    try:
        while not cell.runs or (cell.misses and len(cell.runs) < MAX_RUNS):
            cell.runs.append(measure(way, target, plan))
    except Exception as error:  # such as a missing dependency for this framing
        print(f"  {way.name:<28}  {_summary_of(error)}", flush=True)
        return []
    notes = [f"measured {len(cell.runs)} times"] if len(cell.runs) > 1 else []
    if cell.misses:
        notes.append("misses a goal")
    figures = "".join(f"{figure:>9.3f}" for figure in (*cell.bare, *cell.ours))
    line = f"  {way.name:<28}{figures}{cell.added:>+13.3f}  {', '.join(notes)}"
    print(line.rstrip(), flush=True)
    return [cell]


def show_other(way: Way, target: Target, events: int) -> None:
    try:
        held = ages(way, way.read, target, events)
    except Exception as error:  # the error is the result
        result = f"  {_summary_of(error)}"
    else:
        result = "".join(f"{figure:>9.3f}" for figure in _figures([held]))
    print(f"  {way.name:<28}{result}", flush=True)


def _summary_of(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:80]


def installed(ways: list[Way]) -> list[Way]:
    found = []
    for way in ways:
        try:
            importlib.import_module(way.library)
        except ModuleNotFoundError as error:
            print(f"{way.name}: {error.name} is not installed, left out")
        else:
            found.append(way)
    return found


def table(servers: Servers, framings: list[str], names: list[str], plan: Plan) -> list[Cell]:
    transports = [way for way in installed(TRANSPORTS) if way.name in names]
    others = [way for way in installed(OTHERS) if way.name in names]
    cells = []
    for framing in framings:
        target = target_of(servers, framing, plan.events, plan.interval)
        held_target = target_of(servers, framing, plan.held_events, plan.held_interval)
        if target is None or held_target is None:
            continue
        try:
            make_coding(framing)
        except ModuleNotFoundError as error:
            print(f"\n{framing}: {error.name} is not installed, left out")
            continue
        print(f"\n{framing:<30}{'bare p50':>9}{'max':>9}{'sseparse':>9}{'max':>9}{'p50 added':>13}")
        for way in transports:
            if framing in way.framings:
                cells += show_cell(way, target, plan)
        for way in others:
            if framing in way.framings:
                show_other(way, held_target, plan.held_events)
    return cells


def summary(cells: list[Cell]) -> None:
    if not cells:
        return
    added = [cell.added for cell in cells]
    longest = max(cell.ours[1] for cell in cells)
    missed = sum(cell.misses for cell in cells)
    print(
        f"\n{len(cells)} cells: sseparse adds {median(added):+.3f} ms in the median cell and "
        f"{max(added):+.3f} ms in the worst; no event took more than {longest:.2f} ms. "
        f"Goals, {DIFFERENCE} ms added and {MAX_LATENCY:.0f} ms at most: {missed} cells miss one."
    )


def arguments() -> argparse.Namespace:
    known = [way.name for way in (*TRANSPORTS, *OTHERS)]
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer events and cells")
    parser.add_argument(
        "--framing", action="append", choices=FRAMINGS, help="measure only this framing"
    )
    parser.add_argument(
        "--transport", action="append", choices=known, help="measure only this transport"
    )
    return parser.parse_args()


def main() -> None:
    options = arguments()
    plan = QUICK if options.quick else Plan()
    quick_names = (*QUICK_TRANSPORTS, *(way.name for way in OTHERS))
    every_name = [way.name for way in (*TRANSPORTS, *OTHERS)]
    framings = options.framing or list(QUICK_FRAMINGS if options.quick else FRAMINGS)
    names = options.transport or list(quick_names if options.quick else every_name)
    ours = [f"CPython {platform.python_version()}", f"sseparse {sseparse.__version__}"]
    print(", ".join([*ours, *map(version, PACKAGES)]))
    print(
        "milliseconds from the server's send to the reader; "
        f"{plan.rounds} x {plan.events} events a cell, one every {plan.interval * 1000:.0f} ms; "
        f"others: {plan.held_events}, one every {plan.held_interval * 1000:.0f} ms"
    )
    with running() as servers:
        for absent in servers.absent:
            print(absent)
        cells = table(servers, framings, names, plan)
    summary(cells)


if __name__ == "__main__":
    main()
