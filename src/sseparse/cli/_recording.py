"""A body on disk, and beside it the times at which its pieces came."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

from attrs import frozen

from ._misuse import Misuse


@frozen
class Times:
    """
    Hold when the pieces of a body came.

    Attributes:
        sizes: Their sizes, in bytes.
        seconds: When each came, in seconds after the head of the response.
    """

    sizes: list[int]
    seconds: list[float]

    @property
    def delays(self) -> list[float]:
        """How long each came after the one before it, in seconds."""
        return [max(0.0, later - sooner) for sooner, later in pairwise([0.0, *self.seconds])]


def times_path(path: Path) -> Path:
    """Return where the times of a body are kept."""
    return path.with_name(f"{path.name}.times")


def read_times(path: Path, size: int) -> Times | None:
    """
    Read the times of a body.

    Args:
        path: The body's file.
        size: Its size, in bytes.

    Returns:
        The times; None where none were kept.

    Raises:
        Misuse: They cannot be read, or are those of another body.
    """
    beside = times_path(path)
    try:
        lines = beside.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Misuse(f"cannot read {beside}: {error}") from error
    try:
        pieces: list[Any] = [json.loads(line) for line in lines]
        times = Times(
            [int(piece["bytes"]) for piece in pieces], [float(piece["seconds"]) for piece in pieces]
        )
    except (ValueError, TypeError, KeyError) as error:
        raise Misuse(f"{beside} holds no times: {error!r}") from error
    if sum(times.sizes) != size or min(times.sizes, default=1) < 1:
        raise Misuse(f"{beside} holds the times of another body than {path}; delete it")
    return times


class Recording:
    """
    Write a body as it comes, and beside it when its pieces came.

    A context manager, which leaves no file behind where nothing came. A failure to write is kept
    in `error`, and ends the writing alone.

    Args:
        path: Where the body goes.
        clock: Tells the time, in seconds.

    Attributes:
        error: Why no more could be written, or None.

    Raises:
        OSError: A file cannot be opened.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self.error: OSError | None = None
        self._clock = clock
        self._began: float | None = None
        self._made: list[Path] = []
        # Unbuffered: what came is on disk whatever happens next.
        self._body = self._open(path)
        self._times: BinaryIO | None = None
        try:
            if stat.S_ISREG(os.fstat(self._body.fileno()).st_mode):
                self._times = self._open(times_path(path))
        except OSError:
            self.__exit__()
            raise

    def _open(self, path: Path) -> BinaryIO:
        # To append changes nothing of an older recording, until there is a new one.
        if not path.exists():
            self._made.append(path)
        return path.open("ab", buffering=0)

    def begin(self) -> None:
        """Note that the head of the response has come: an older recording is given up."""
        self._began = self._clock()
        if self._times is not None:
            self._body.truncate(0)
            self._times.truncate(0)

    def write(self, piece: bytes) -> None:
        """Write a piece of the body."""
        if self.error is not None or not piece:
            return
        seconds = self._clock() - cast(float, self._began)
        line = json.dumps({"bytes": len(piece), "seconds": round(seconds, 6)})
        try:
            _write_all(self._body, piece)
            if self._times is not None:
                _write_all(self._times, f"{line}\n".encode())
        except OSError as error:
            self.error = error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._body.close()
        if self._times is not None:
            self._times.close()
        if self._began is None:
            for path in self._made:
                path.unlink(missing_ok=True)


def _write_all(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
