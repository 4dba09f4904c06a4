"""Processes of the benchmarks: servers, jobs, and their memory."""

import multiprocessing
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

HOST = "127.0.0.1"
T = TypeVar("T")
JobT = TypeVar("JobT")


@contextmanager
def process(serve: Callable[..., None], *args: Any) -> Iterator[Any]:
    """
    Run a server in a process of its own, so that it doesn't share our interpreter lock.

    Args:
        serve: Called with a pipe and `args`. It sends its ports or URL, which the block receives,
            and serves until the pipe closes.
        args: Further arguments.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=serve, args=(theirs, *args), daemon=True)
    child.start()
    theirs.close()
    try:
        yield ours.recv()
    except EOFError:
        sys.exit("a server of the benchmark didn't start")
    finally:
        ours.close()
        child.join(5)
        child.terminate()


def serve_until_closed(pipe: Connection, where: Any) -> None:
    """Send where the server listens, and wait until the pipe closes."""
    pipe.send(where)
    with suppress(EOFError):
        pipe.recv()


def listen(answer: Callable[..., None], *args: Any) -> int:
    """Answer each connection in a thread of its own; return the port."""
    listener = socket.create_server((HOST, 0))

    def accept() -> None:
        while True:
            sock = listener.accept()[0]
            threading.Thread(target=answer, args=(sock, *args), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return int(listener.getsockname()[1])


def in_process(run: Callable[[JobT], T], job: JobT) -> T:
    """Run a job in a new process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(run, job).result()


def resident() -> int | None:
    """Return the resident memory of this process in bytes, or None if /proc is missing."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except FileNotFoundError:
        return None
    return pages * os.sysconf("SC_PAGESIZE")
