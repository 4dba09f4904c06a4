"""
Measure ten thousand live streams on one core: chunks per second, delays, memory per stream.

Each stream has different content and receives 50 events per second, at random times; one in four
events arrives in two pieces. The clock is simulated: processing takes its real time, waiting takes
none. The delay of a chunk is the time from the arrival of its last byte until it is parsed and
accumulated. No event loop and no sockets are involved (load.py measures streams with them).

Each row is a separate process. "core" is the load of a core: above 100 % it can't keep up, and the
delay keeps growing. RSS is the growth of the resident memory after 50 events per stream;
"allocated" is what tracemalloc reports then, with fewer streams. "GC" is the longest pause for
garbage collection, which the delays include.
"""

import argparse
import gc
import math
import platform
import sys
import time
import tracemalloc
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from arrivals import PACE, Batch, batches, end_of, text_of
from attrs import define, evolve, frozen
from crowds import CROWDS, Crowd
from measure import version
from processes import in_process, resident

STREAMS = 10_000
SECONDS = 1.0
LATE = 0.05
"""Maximum delay in seconds: one that a reader of a chat doesn't notice."""
TRACED = 500
FEWER = {"openai": 40}
"""Divisors of the number of streams for slow crowds, which would take minutes."""
GC_MODES = ("frozen", "off")
"""Further modes of garbage collection, measured with the stages only."""
CLOCKS = {"real": time.perf_counter, "processor": time.thread_time}
"""The second excludes the time of other processes, and adds about 0.3 us per piece."""
STEPS = 5
"""Steps of the bisection for the largest number of streams."""


@frozen
class Job:
    """
    Input of a process.

    Attributes:
        crowd: Name in `CROWDS`.
        streams: Number of streams.
        seconds: Duration in simulated time.
        collecting: Garbage collection: "on" for the default; "frozen" for `gc.freeze()` once all
            streams are open; "off" for `gc.disable()`.
        traced: Whether allocations are traced, which is slow.
        limit: Delay in seconds at which the process stops.
        clock: Name in `CLOCKS`.
    """

    crowd: str
    streams: int
    seconds: float = SECONDS
    collecting: str = "on"
    traced: bool = False
    limit: float = math.inf
    clock: str = "real"

    @property
    def count(self) -> int:
        return round(self.seconds * PACE)


@define
class Finding:
    """
    Results of a process.

    Attributes:
        busy: Seconds of processing.
        chunks: Number of chunks.
        delays: Delays of chunks in seconds: median, 99th percentile, maximum.
        pause: Longest pause for garbage collection, in seconds.
        resident: Growth of the resident memory in bytes; None if unavailable.
        traced: Growth of the allocated memory in bytes, if traced.
        wrong: Number of streams with wrong content; 0 if the process stopped at its limit.
    """

    busy: float
    chunks: int
    delays: tuple[float, float, float]
    pause: float = 0.0
    resident: int | None = None
    traced: int = 0
    wrong: int = 0

    @property
    def rate(self) -> float:
        return self.chunks / self.busy


class Pauses:
    """Recorder of the longest pause for garbage collection."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._began = 0.0

    def __call__(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.longest = max(self.longest, time.perf_counter() - self._began)


def run(job: Job) -> Finding:
    """Run a job in this process, which should be a new one."""
    delays = array("d", [0.0]) * (job.streams * job.count)
    # The first stream initialises the process; that isn't measured.
    assert is_right(CROWDS[job.crowd](1), 0, 0)
    gc.collect()
    before = resident()
    if job.traced:
        tracemalloc.start()
    crowd = CROWDS[job.crowd](job.streams)
    with collecting(job.collecting) as pauses:
        busy, chunks = simulate(crowd, job, delays)
    traced = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    after = resident()
    in_order = sorted(delays[:chunks])
    given_up = in_order[-1] > job.limit
    judged = range(0 if given_up else job.streams)
    return Finding(
        busy,
        chunks,
        (in_order[chunks // 2], in_order[chunks * 99 // 100], in_order[-1]),
        pauses.longest,
        None if before is None or after is None else after - before,
        traced,
        sum(not is_right(crowd, stream, job.count) for stream in judged),
    )


@contextmanager
def collecting(how: str) -> Iterator[Pauses]:
    pauses = Pauses()
    if how == "frozen":
        gc.freeze()
    elif how == "off":
        gc.disable()
    gc.callbacks.append(pauses)
    yield pauses
    gc.callbacks.remove(pauses)
    gc.enable()


def simulate(crowd: Crowd, job: Job, delays: "array[float]") -> tuple[float, int]:
    """Feed all pieces; return the seconds of processing and the number of chunks."""
    now = busy = 0.0
    chunks = 0
    late, clock = False, CLOCKS[job.clock]
    remaining = batches(job.streams, job.count)
    while not late and (batch := uncollected(remaining)) is not None:
        begun = clock()
        offset = now - begun
        for due, stream, piece in zip(batch.due, batch.streams, batch.pieces, strict=True):
            if now < due:
                offset += due - now
            completed = crowd.feed(stream, piece)
            now = clock() + offset
            for _ in range(completed):
                delays[chunks] = now - due
                late = late or now - due > job.limit
                chunks += 1
        busy += clock() - begun
    return busy, chunks


def is_right(crowd: Crowd, stream: int, count: int) -> bool:
    """End a stream; return whether its text is correct."""
    return crowd.feed(stream, end_of(stream)) == 1 and crowd.text(stream) == text_of(stream, count)


def uncollected(remaining: Iterator[Batch]) -> Batch | None:
    """Return the next batch, created without garbage collection, or None at the end."""
    was_enabled = gc.isenabled()
    gc.disable()
    batch = next(remaining, None)
    if was_enabled:
        gc.enable()
    return batch


def max_streams(job: Job, rate: float) -> tuple[int, Finding | None]:
    """Find the largest number of streams without late chunks, starting from a rate."""
    few, many, best = 0, round(rate / PACE * 2), None
    for _ in range(STEPS):
        streams = (few + many) // 2
        found = run_in_time(evolve(job, streams=streams, limit=LATE))
        few, many, best = (few, streams, best) if found is None else (streams, many, found)
    return few, best


def run_in_time(job: Job) -> Finding | None:
    """Return the results if no chunk was late in one of two runs, or None."""
    for _ in range(2):
        finding = in_process(run, job)
        if finding.delays[-1] <= job.limit:
            return finding
    return None


def show(job: Job, finding: Finding, traced: Finding | None = None) -> int:
    median, p99, worst = (delay * 1000 for delay in finding.delays)
    resident = finding.resident
    cells = (
        f"{job.crowd:<12}{job.collecting:<7}{job.streams:>8}{finding.chunks:>9}",
        f"{finding.rate:>10.0f}{finding.busy / job.seconds:>7.0%}",
        f"{median:>9.2f}{p99:>9.2f}{worst:>9.2f}{finding.pause * 1000:>8.1f}",
        f"{'?' if resident is None else f'{resident / job.streams / 1024:.1f}':>9}",
        f"{f'{traced.traced / TRACED / 1024:.1f}' if traced else '':>10}",
        f"{finding.wrong + (traced.wrong if traced else 0):>6}",
    )
    print("".join(cells), flush=True)
    return finding.wrong + (traced.wrong if traced else 0)


def measure(crowd: str, streams: int, clock: str) -> int:
    """Measure a crowd and print its rows; return the number of wrong streams."""
    job = Job(crowd, streams // FEWER.get(crowd, 1), clock=clock)
    finding, traced = in_process(run, job), in_process(run, Job(crowd, TRACED, traced=True))
    wrong = show(job, finding, traced)
    for how in GC_MODES if crowd == "stages" else ():
        other = evolve(job, collecting=how)
        wrong += show(other, in_process(run, other))
    streams, best = max_streams(job, finding.rate)
    if best is None:
        print(f"{crowd}: chunks were late with each number of streams")
    else:
        wrong += show(evolve(job, streams=streams), best)
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument(
        "--streams", type=int, default=STREAMS, help="number of streams; default: %(default)s"
    )
    parser.add_argument(
        "--crowd", choices=CROWDS, action="append", help="crowd to measure; default: all"
    )
    parser.add_argument(
        "--clock", choices=CLOCKS, default="real", help="clock for the processing time"
    )
    options = parser.parse_args()
    has_openai = find_spec("openai") is not None
    print(
        f"CPython {platform.python_version()}, {version('openai')}; "
        f"{PACE} events per second and stream; {options.clock} time"
    )
    print("last row of each reader: approximate maximum of streams without delays over 50 ms\n")
    print(
        f"{'reader':<12}{'GC':<7}{'streams':>8}{'chunks':>9}{'chunks/s':>10}{'core':>7}"
        f"{'p50 ms':>9}{'p99 ms':>9}{'worst':>9}{'GC ms':>8}{'RSS KiB':>9}{'allocated':>10}"
        f"{'wrong':>6}"
    )
    wrong = 0
    for crowd in options.crowd or CROWDS:
        if crowd != "openai" or has_openai:
            wrong += measure(crowd, options.streams, options.clock)
    print(f"\nstreams with missing or foreign chunks: {wrong}")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
