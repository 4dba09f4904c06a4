"""Memory of a large event and of idle streams, and the time of imports."""

import gc
import os
import subprocess
import sys
import tracemalloc
from statistics import median

from attrs import frozen
from growth import peak
from shapes import CHAT

from sseparse import Parser, Stream

LARGE = 64 * 1024 * 1024
PIECE = 65536
STREAMS = 1000
ALONE, USED, BASE = "sseparse", "sseparse with its Stream", "attrs and msgspec"
IMPORTS = {
    ALONE: "import sseparse",
    USED: "from sseparse import Stream",
    BASE: "import attrs, msgspec",
}
TIMED = "import time; start = time.process_time(); {}; print(time.process_time() - start)"
RESIDENT = """
import re, sys
from pathlib import Path
from footprint import large_event
def high(): return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
large_event(1 << 20)
before = high()
large_event(int(sys.argv[1]))
print((high() - before) * 1024)
"""


@frozen
class Footprint:
    """
    The measured memory and import times.

    Attributes:
        event: Peak of Python's allocations for a large event, relative to its size.
        resident: Peak of the process memory for it, relative to its size; None if unavailable.
        idle: Bytes of a stream that has received nothing.
        begun: Bytes of a stream that has received a chunk with a role.
        imports: Processor seconds of each import.
    """

    event: float
    resident: float | None
    idle: float
    begun: float
    imports: dict[str, float]


def large_event(size: int) -> None:
    """Parse one event of the given size, 64 KiB at a time."""
    parser = Parser(max_line_bytes=None, max_event_bytes=None)
    piece = b"x" * PIECE
    parser.feed(b"data: ")
    for _ in range(size // PIECE):
        parser.feed(piece)
    (event,) = parser.feed(b"\n\n")
    assert len(event.data) == size // PIECE * PIECE


def measure(rounds: int, size: int = LARGE) -> Footprint:
    """Measure everything."""
    return Footprint(
        event=peak(lambda: large_event(size)) / size,
        resident=_resident(size),
        idle=_bytes_of(False),
        begun=_bytes_of(True),
        imports=_imports(rounds),
    )


def _resident(size: int) -> float | None:
    command = [sys.executable, "-c", RESIDENT, str(size)]
    done = subprocess.run(  # noqa: S603 - own command
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return int(done.stdout) / size if done.returncode == 0 else None


def _begun(block: bytes) -> Stream:
    stream = Stream(iter((block,)))
    next(stream)
    return stream


def _bytes_of(begin: bool) -> float:
    block = CHAT.build(1).blocks[0]

    def make() -> Stream:
        return _begun(block) if begin else Stream(iter(()))

    streams: list[Stream | None] = [None] * STREAMS
    first = make()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(STREAMS):
            streams[number] = make()
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    for stream in (first, *streams):
        if stream is not None:
            stream.close()
    return held / STREAMS


def _imports(rounds: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(rounds + 1):
        for name, code in IMPORTS.items():
            command = [sys.executable, "-c", TIMED.format(code)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - own command
            times[name].append(float(done.stdout))
    # The first round loads the files into the cache.
    return {name: median(seconds[1:]) for name, seconds in times.items()}
