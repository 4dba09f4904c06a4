"""
Measure ten thousand streams at once in one process: time, chunks a second, memory a stream.

Each stream has content of its own, and is checked to give all of it and nothing else. All of them
are open before the first piece is sent, and each gets its next piece before any gets the one
after; most pieces end inside an event. Over sockets, pieces that come faster than they are read
come together, as TCP has it. Beside sseparse stands a reader that takes the bytes and
understands nothing: what it needs, tasks and transports need.

Each row is a process of its own. RSS is what the process had more, with half of all read, than
before the first stream; the system gives memory out in pages, and a task is most of it.
"Allocated" is what Python's tracemalloc counts at the same time, in another run of fewer streams.
"""

import argparse
import multiprocessing
import platform
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata

from attrs import evolve
from stamping import process
from swarm import CHUNKS, READERS, Finding, Job, run, serve_swarm

STREAMS = 10_000
TRACED = 1_000
RESERVED = 200
"""Files left for all but the streams."""
BACKENDS = ("asyncio", "trio")


def in_process(job: Job) -> Finding:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(run, job).result()


def most_sockets(wanted: int) -> int:
    """Return how many streams the limit of open files allows; the server is another process."""
    try:
        import resource
    except ModuleNotFoundError:
        return min(wanted, 500)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else min(wanted, soft - RESERVED)


def kibibytes(total: int | None, streams: int) -> str:
    return f"{'?':>11}" if total is None else f"{total / streams / 1024:>11.1f}"


def show(job: Job) -> Finding:
    finding = in_process(job)
    traced = in_process(evolve(job, streams=min(job.streams, TRACED), traced=True))
    traced_streams = min(job.streams, TRACED)
    print(
        f"  {job.backend:<9}{job.reader:<18}{job.streams:>8}{finding.opened:>9.2f}"
        f"{finding.seconds:>9.2f}{finding.items:>10}{finding.items / finding.seconds:>11.0f}"
        f"{kibibytes(finding.resident, job.streams)}{kibibytes(traced.traced, traced_streams)}"
        f"{kibibytes(traced.traced_here, traced_streams)}{finding.wrong + traced.wrong:>7}",
        flush=True,
    )
    return evolve(finding, wrong=finding.wrong + traced.wrong)


def table(title: str, jobs: list[Job]) -> int:
    print(f"\n{title}: {CHUNKS} chunks of text a stream, one of its end, and [DONE]")
    print(
        f"  {'loop':<9}{'reader':<18}{'streams':>8}{'open s':>9}{'read s':>9}{'items':>10}"
        f"{'items/s':>11}{'RSS KiB':>11}{'allocated':>11}{'sseparse':>11}{'wrong':>7}"
    )
    return sum(show(job).wrong for job in jobs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--streams", type=int, default=STREAMS, help=f"{STREAMS} if not given")
    streams = parser.parse_args().streams
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("anyio", "trio"))
    print(f"CPython {platform.python_version()}, {versions}")
    print(
        "items are chunks, events, or pieces of bytes; RSS, allocated, and what sseparse allocated "
        f"of that: KiB a stream (allocated: of {min(streams, TRACED)} streams)"
    )
    pairs = [(backend, reader) for backend in BACKENDS for reader in READERS]
    wrong = table("memory streams", [Job(*pair, streams) for pair in pairs])
    sockets = most_sockets(streams)
    with process(serve_swarm) as (port,):
        wrong += table(
            "sockets, the server in another process",
            [Job(*pair, sockets, port=port) for pair in pairs],
        )
    print(f"\nstreams that lost an event, or got one of another: {wrong}")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
