"""
Measure ten thousand live streams on one core: chunks a second, how late each is, memory a stream.

Each stream has content of its own and gets 50 events a second, at times of its own and never quite
on time; of four events one comes in two pieces. The clock is a simulated one: work takes the time
that it takes, waiting takes none. A chunk's delay is from the arrival of its last byte to the
moment when it is in hand and accumulated. No event loop and no socket is in it: what is measured is
the work that is left when a loop has brought the bytes (load.py has streams with a loop around).

Each row is a process of its own. "core" is how much of the time a core is busy: above 100 % it does
not keep up, and the delay grows for as long as it lasts. RSS is what the process had more, 50
events into each stream, than before the first; "allocated" is what tracemalloc counts then, of
fewer streams. "GC" is the longest pause for garbage collection, which the delays have in them.
"""

import argparse
import gc
import math
import multiprocessing
import platform
import sys
import time
import tracemalloc
from array import array
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec

from arrivals import PACE, Batch, batches, end_of, text_of
from attrs import define, evolve, frozen
from crowds import CROWDS, Crowd
from swarm import resident

STREAMS = 10_000
SECONDS = 1.0
LATE = 0.05
"""Seconds of delay that a reader of a chat does not see."""
TRACED = 500
FEWER = {"openai": 40}
"""By what the number of streams is divided where all of them would take minutes."""
WAYS_TO_COLLECT = ("frozen", "off")
"""Beside the usual one, where little else takes time."""
CLOCKS = {"real": time.perf_counter, "processor": time.thread_time}
"""The second leaves out what other processes take, and costs some 0.3 us a piece."""
STEPS = 5
"""How often the span is halved in which the largest number of streams lies."""


@frozen
class Job:
    """
    Say what a process does.

    Attributes:
        crowd: Who reads: a name in `CROWDS`.
        streams: How many streams there are.
        seconds: For how long, by the simulated clock.
        collecting: How garbage is collected: "on" as ever; "frozen", `gc.freeze()` once all
            streams are open; "off", `gc.disable()`.
        traced: Whether allocations are traced, which makes all of it slow.
        limit: With how many seconds of delay it is given up.
        clock: How work is timed: a name in `CLOCKS`.
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
    Say how it went.

    Attributes:
        busy: Seconds of work.
        chunks: How many chunks were handed out.
        delays: How late chunks were, in seconds: the median, the 99th percentile, the worst.
        pause: The longest pause for garbage collection, in seconds.
        resident: Bytes of memory that the process had more at the end; None where the system does
            not tell.
        traced: Bytes that Python had allocated more at the end, if traced.
        wrong: How many streams did not give what was theirs, all of it and in order, unless
            that was given up.
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
    """Note the longest pause for garbage collection."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._began = 0.0

    def __call__(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.longest = max(self.longest, time.perf_counter() - self._began)


def run(job: Job) -> Finding:
    """Do a job in this process, which should be a fresh one."""
    delays = array("d", [0.0]) * (job.streams * job.count)
    # What the first stream of a process makes is not the streams'.
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
    """Let all pieces arrive; return the seconds of work, and how many chunks came."""
    now = busy = 0.0
    chunks = 0
    late, clock = False, CLOCKS[job.clock]
    coming = batches(job.streams, job.count)
    while not late and (batch := uncollected(coming)) is not None:
        begun = clock()
        offset = now - begun
        for due, stream, piece in zip(batch.due, batch.streams, batch.pieces, strict=True):
            if now < due:
                offset += due - now
            came = crowd.feed(stream, piece)
            now = clock() + offset
            for _ in range(came):
                delays[chunks] = now - due
                late = late or now - due > job.limit
                chunks += 1
        busy += clock() - begun
    return busy, chunks


def is_right(crowd: Crowd, stream: int, count: int) -> bool:
    """End a stream; tell whether its text is its own, and whole."""
    return crowd.feed(stream, end_of(stream)) == 1 and crowd.text(stream) == text_of(stream, count)


def uncollected(coming: Iterator[Batch]) -> Batch | None:
    """Return what comes next; the making of it leaves collecting garbage to the work."""
    was_enabled = gc.isenabled()
    gc.disable()
    batch = next(coming, None)
    if was_enabled:
        gc.enable()
    return batch


def in_process(job: Job) -> Finding:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(run, job).result()


def most(job: Job, rate: float) -> tuple[int, Finding | None]:
    """Find the largest number of streams of which no chunk is late, from the rate of many."""
    few, many, best = 0, round(rate / PACE * 2), None
    for _ in range(STEPS):
        streams = (few + many) // 2
        found = in_time(evolve(job, streams=streams, limit=LATE))
        few, many, best = (few, streams, best) if found is None else (streams, many, found)
    return few, best


def in_time(job: Job) -> Finding | None:
    """Return how it went if no chunk was late, in one of two runs: the machine has other work."""
    for _ in range(2):
        finding = in_process(job)
        if finding.delays[-1] <= job.limit:
            return finding
    return None


def show(job: Job, finding: Finding, traced: Finding | None = None) -> int:
    middle, most_of, worst = (delay * 1000 for delay in finding.delays)
    resident = finding.resident
    cells = (
        f"{job.crowd:<12}{job.collecting:<7}{job.streams:>8}{finding.chunks:>9}",
        f"{finding.rate:>10.0f}{finding.busy / job.seconds:>7.0%}",
        f"{middle:>9.2f}{most_of:>9.2f}{worst:>9.2f}{finding.pause * 1000:>8.1f}",
        f"{'?' if resident is None else f'{resident / job.streams / 1024:.1f}':>9}",
        f"{f'{traced.traced / TRACED / 1024:.1f}' if traced else '':>10}",
        f"{finding.wrong + (traced.wrong if traced else 0):>6}",
    )
    print("".join(cells), flush=True)
    return finding.wrong + (traced.wrong if traced else 0)


def measure(crowd: str, streams: int, clock: str) -> int:
    """Print the rows of a crowd; return how many streams went wrong."""
    job = Job(crowd, streams // FEWER.get(crowd, 1), clock=clock)
    finding, traced = in_process(job), in_process(Job(crowd, TRACED, traced=True))
    wrong = show(job, finding, traced)
    for how in WAYS_TO_COLLECT if crowd == "stages" else ():
        other = evolve(job, collecting=how)
        wrong += show(other, in_process(other))
    streams, best = most(job, finding.rate)
    if best is None:
        print(f"{crowd}: no number of streams that was tried is in time")
    else:
        wrong += show(evolve(job, streams=streams), best)
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--streams", type=int, default=STREAMS, help=f"{STREAMS} if not given")
    parser.add_argument("--crowd", choices=CROWDS, action="append", help="all if not given")
    parser.add_argument("--clock", choices=CLOCKS, default="real", help="how work is timed")
    options = parser.parse_args()
    has_openai = find_spec("openai") is not None
    peer = f"openai {metadata.version('openai')}" if has_openai else "openai is not installed"
    print(
        f"CPython {platform.python_version()}, {peer}; "
        f"{PACE} events a second a stream; {options.clock} time"
    )
    print("the last row of each: the most streams of which no chunk is 50 ms late, nearly\n")
    print(
        f"{'reader':<12}{'GC':<7}{'streams':>8}{'chunks':>9}{'chunks/s':>10}{'core':>7}"
        f"{'p50 ms':>9}{'p99 ms':>9}{'worst':>9}{'GC ms':>8}{'RSS KiB':>9}{'allocated':>10}"
        f"{'wrong':>6}"
    )
    wrong = 0
    for crowd in options.crowd or CROWDS:
        if crowd != "openai" or has_openai:
            wrong += measure(crowd, options.streams, options.clock)
    print(f"\nstreams that lost a chunk, or got one of another: {wrong}")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
