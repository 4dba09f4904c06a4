"""`sseparse serve`."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote_to_bytes

from attrs import evolve, frozen

from ..testing import FAULTS, Answered, ReceivedRequest, Replay, ReplayServer, faulty
from ..testing._replay import plain_text
from ._output import Misuse, say
from ._record import read_times

Pace = Literal["recorded", "fast"] | float
"""How fast a body is sent; a number is the seconds before each event."""


@frozen
class Served:
    """
    Hold what a file is answered with.

    Attributes:
        path: The file.
        replay: The answer.
        manner: How it is sent, for people.
    """

    path: Path
    replay: Replay
    manner: str


class Shelf:
    """
    Find the file that answers a request: the only one, or the one that the path begins with.

    Args:
        served: The files.

    Raises:
        Misuse: Two of several files have one name.
    """

    def __init__(self, served: Iterable[Served]) -> None:
        self._all = list(served)
        self._by_name = {each.path.stem: each for each in self._all}
        if len(self._by_name) < len(self._all):
            raise Misuse("two files have the same name: a path could not tell them apart")

    def places(self) -> list[tuple[str, Served]]:
        """Return the files, each with the path under which it is served."""
        if len(self._all) == 1:
            return [("", self._all[0])]
        return [
            (f"/{quote(os.fsencode(name), safe='')}", each) for name, each in self._by_name.items()
        ]

    def find(self, request: ReceivedRequest) -> Served | None:
        """Return what answers a request, or None."""
        if not request.path:
            return None
        if len(self._all) == 1:
            return self._all[0]
        return self._by_name.get(os.fsdecode(unquote_to_bytes(request.path.split("/")[1])))

    def answer(self, request: ReceivedRequest) -> Replay:
        """Return the answer to a request, which may be 404."""
        served = self.find(request)
        if served is not None:
            return served.replay
        known = ", ".join(f"{place}/..." for place, _ in self.places())
        return plain_text(404, f"no file at {request.path}; there is {known}")


def read_served(path: Path, pace: Pace | None, fault: str | None) -> Served:
    """
    Read a file, and make an answer of it.

    Args:
        path: The file.
        pace: How fast it is sent; None for the recorded times, if there are any and no fault.
        fault: What goes wrong, by its name; None for nothing.

    Raises:
        Misuse: It cannot be read, or not be sent so.
    """
    try:
        body = path.read_bytes()
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from error
    if fault is not None:
        return Served(path, *_faulty(path, body, pace, fault))
    if isinstance(pace, float):
        return Served(path, Replay(body, delays=pace), _paced(pace))
    times = None if pace == "fast" else read_times(path, len(body))
    if times is not None:
        return Served(path, Replay(body, pieces=times.sizes, delays=times.delays), "as recorded")
    if pace == "recorded":
        say(f"serve: no times were recorded with {path}; it is sent all at once")
    return Served(path, Replay(body), "all at once")


def _faulty(path: Path, body: bytes, pace: Pace | None, fault: str) -> tuple[Replay, str]:
    if pace == "recorded":
        raise Misuse("--fault goes with --pace fast or a number of seconds")
    if fault not in FAULTS:
        raise Misuse(f"there is no fault {fault!r}; sseparse serve --help names them")
    try:
        replay = faulty(fault, body)
    except ValueError as error:
        raise Misuse(f"--fault {fault}: {path} holds no event that could come before it") from error
    if isinstance(pace, float):
        replay = evolve(replay, delays=pace)
    return replay, f"with a fault: {FAULTS[fault]}"


def _paced(seconds: float) -> str:
    return f"{seconds:g} s before each event"


def serve(
    files: Sequence[Path], *, pace: Pace | None, fault: str | None, host: str, port: int
) -> int:
    """
    Serve files until Ctrl-C.

    Args:
        files: The bodies.
        pace: How fast they are sent; None for the recorded times, if there are any and no fault.
        fault: What goes wrong, by its name; None for nothing.
        host: The address to listen at.
        port: The port to listen at; 0 for one that is free.

    Returns:
        The exit status: 0 stopped by Ctrl-C, 2 there was nothing to serve or no place for it.
    """
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        try:
            shelf = Shelf([read_served(path, pace, fault) for path in files])
            server = stack.enter_context(_make_server(shelf, host, port))
        except Misuse as error:
            return say(f"serve: {error}", 2)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            return say(f"serve: cannot listen at {host}, port {port}: {reason}", 2)
        _announce(shelf, server.url)
        threading.Event().wait()
    return say("stopped", 0)


def _make_server(shelf: Shelf, host: str, port: int) -> ReplayServer:
    def tell(answered: Answered) -> None:
        # A server may run for long: what came is told, and then forgotten.
        server.requests.clear()
        server.connections.clear()
        sent, request = f"{answered.bytes_sent:,} bytes, {answered.how}", answered.request
        if request is None:
            say(f"bad request, {sent}")
            return
        served = shelf.find(request)
        name = ("404" if request.path else "400") if served is None else served.path.name
        say(f"{request.method} {request.target} -> {name}, {sent}")

    server = ReplayServer(shelf.answer, host=host, port=port, tell=tell)
    return server


def _announce(shelf: Shelf, url: str) -> None:
    places = shelf.places()
    for place, served in places:
        size = f"{len(served.replay.body):,} bytes"
        print(f"{url}{place}/... -> {served.path}, {size}, {served.manner}")
    base = f"{url}{places[0][0]}/v1"
    print(f"Try: curl -N -d '{{}}' {base}/chat/completions")
    print(f"     sseparse chat --base-url {base} hi")
    print("Ctrl-C stops it.")
    sys.stdout.flush()
