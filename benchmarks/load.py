"""
Measure ten thousand concurrent streams in one process: time, chunks per second, memory per stream.

Each stream has different content, which is checked. All streams are open before the first piece is
sent, and each receives its next piece before any receives the one after; most pieces end inside an
event. Over sockets, TCP joins pieces that arrive faster than they are read. For comparison, another
reader only reads the bytes: its figures are the cost of tasks and transports.

Each row is a separate process. RSS is the growth of the resident memory from before the first
stream until half of the data was read; most of it belongs to tasks. "Allocated" is what tracemalloc
reports at the same time, in another run with fewer streams.
"""

import argparse
import platform
import sys

from attrs import evolve
from measure import version
from processes import in_process, process
from swarm import CHUNKS, READERS, Finding, Job, run, serve_swarm

STREAMS = 10_000
TRACED = 1_000
RESERVED = 200
"""Open files that are reserved for other purposes than streams."""
BACKENDS = ("asyncio", "trio")


def max_sockets(requested: int) -> int:
    """Return the number of streams that the limit of open files allows, one file each."""
    try:
        import resource
    except ModuleNotFoundError:
        return min(requested, 500)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return requested if soft == resource.RLIM_INFINITY else min(requested, soft - RESERVED)


def kibibytes(total: int | None, streams: int) -> str:
    return f"{'?':>11}" if total is None else f"{total / streams / 1024:>11.1f}"


def show(job: Job) -> Finding:
    finding = in_process(run, job)
    traced = in_process(run, evolve(job, streams=min(job.streams, TRACED), traced=True))
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
    print(f"\n{title}: {CHUNKS} text chunks per stream, a last chunk and [DONE]")
    print(
        f"  {'loop':<9}{'reader':<18}{'streams':>8}{'open s':>9}{'read s':>9}{'items':>10}"
        f"{'items/s':>11}{'RSS KiB':>11}{'allocated':>11}{'sseparse':>11}{'wrong':>7}"
    )
    return sum(show(job).wrong for job in jobs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument(
        "--streams", type=int, default=STREAMS, help="number of streams; default: %(default)s"
    )
    streams = parser.parse_args().streams
    print(f"CPython {platform.python_version()}, {version('anyio')}, {version('trio')}")
    print(
        "items are chunks, events, or pieces of bytes; RSS, allocated memory, and the part that "
        f"sseparse allocated: KiB per stream (allocated: with {min(streams, TRACED)} streams)"
    )
    pairs = [(backend, reader) for backend in BACKENDS for reader in READERS]
    wrong = table("memory streams", [Job(*pair, streams) for pair in pairs])
    sockets = max_sockets(streams)
    with process(serve_swarm) as (port,):
        wrong += table(
            "sockets, with the server in another process",
            [Job(*pair, sockets, port=port) for pair in pairs],
        )
    print(f"\nstreams with missing or foreign events: {wrong}")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
