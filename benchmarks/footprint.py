"""Memory of a large event and of idle streams, and the time until a program can use the library."""

import gc
import os
import subprocess
import sys
import tracemalloc
from statistics import median
from tempfile import TemporaryDirectory

from attrs import frozen
from growth import peak
from shapes import CHAT

from sseparse import Parser, Stream

LARGE = 64 * 1024 * 1024
PIECE = 65536
STREAMS = 1000
ALONE, USED, BASE = "import of sseparse", "first use of ChatStream", "import of attrs and msgspec"
# The names of the package are loaded on first access, so an import alone measures little.
FIRST_USE = """
from sseparse import ChatStream
[chunk] = ChatStream([
    b'data: {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", '
    b'"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}\\n\\n'
    b'data: [DONE]\\n\\n'
])
"""
STARTS = {ALONE: "import sseparse", USED: FIRST_USE, BASE: "import attrs, msgspec"}
TIMED = "import time; start = time.process_time()\n{}\nprint(time.process_time() - start)"
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
    The measured memory and start times.

    Attributes:
        event: Peak of Python's allocations for a large event, relative to its size.
        resident: Peak of the process memory for it, relative to its size; None if unavailable.
        idle: Bytes of a stream that has received nothing.
        begun: Bytes of a stream that has received a chunk with a role.
        starts: Processor seconds of each of STARTS, in a new process.
    """

    event: float
    resident: float | None
    idle: float
    begun: float
    starts: dict[str, float]


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
        starts=_start_times(rounds),
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


def _bytes_of(begin: bool) -> float:
    block = CHAT.build(1).blocks[0]

    def make() -> Stream:
        stream = Stream(iter((block,) if begin else ()))
        if begin:
            next(stream)
        return stream

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


def _start_times(rounds: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in STARTS}
    with TemporaryDirectory() as folder:
        # Installers compile the modules. Here the first round does, also of an editable install.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for _ in range(rounds + 1):
            for name, code in STARTS.items():
                done = subprocess.run(  # noqa: S603 - own command
                    [sys.executable, "-c", TIMED.format(code)],
                    capture_output=True,
                    text=True,
                    check=True,
                    env=environment,
                )
                times[name].append(float(done.stdout))
    return {name: median(seconds[1:]) for name, seconds in times.items()}
