"""Draw timelines into a file."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike, fspath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._timeline import Timeline


def plot(path: str | PathLike[str], timelines: Mapping[str, Timeline]) -> None:
    """
    Draw the arrival of the text of several streams over time, on one picture.

    Above stands how much text had come, below each gap between two chunks. Where a stream stood
    still is shaded; comments are small ticks; what a gate let through is dashed. Where no chunk
    came, events stand in place of text.

    It uses no pyplot and no display. While it draws, some of matplotlib's settings and Python's
    warning filters are set: it belongs in one thread at a time.

    Args:
        path: Where to write it; ".png" or ".svg".
        timelines: The streams, each by the label to show.

    Raises:
        ImportError: matplotlib is missing: `pip install 'sseparse[plot]'`.
        OSError: The file cannot be written.
        ValueError: The path has another suffix.
    """
    name = fspath(path)
    suffix = name[-4:].lower()
    if suffix not in (".png", ".svg"):
        raise ValueError(f"{name!r} names no picture that can be drawn; end it in .png or .svg")
    try:
        from . import _figure  # noqa: PLC0415 - matplotlib is loaded by who draws
    except ImportError as error:
        raise ImportError("plotting needs matplotlib: pip install 'sseparse[plot]'") from error
    records = {label: timeline.record() for label, timeline in timelines.items()}
    _figure.save(name, suffix, records)
