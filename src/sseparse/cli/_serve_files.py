"""The files that `sseparse serve` answers with."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote_to_bytes

from attrs import evolve, frozen

from ..testing import FAULTS, ReceivedRequest, Replay, faulty
from ..testing._replay import plain_text
from ._misuse import Misuse
from ._recording import read_times
from ._say import say

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
