"""Layout and style of the pictures."""

# matplotlib's own types leave keyword arguments open.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from ._spread import number

_DOTS_PER_INCH: Final = 160
_LONGEST_LABEL: Final = 48
# The Okabe-Ito palette, whose colours colour-blind readers can distinguish.
PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
INK: Final = "#1F2933"
GREY: Final = "#6B7785"
_GRID: Final = "#E6EAEE"
Style = dict[str, Any]
SMALL: Final = 9
TITLE: Final[Style] = {"fontweight": "bold", "fontsize": 13, "color": INK}
_NAME: Final[Style] = {"fontweight": "bold", "fontsize": 9.5}
DETAIL: Final[Style] = {"fontsize": 9.5, "color": GREY}
_SEPARATOR: Final = "  \u00b7  "
# Lengths in inches.
_LINE: Final = 0.22
_RIGHT: Final = 0.4
_HEADER_GAP: Final = 0.08
_BOTTOM: Final = 0.75
# For scripts that DejaVu Sans lacks.
_OTHER_SCRIPTS: Final = ("Noto Sans CJK SC", "Microsoft YaHei", "Hiragino Sans", "Noto Sans Arabic")
Line = tuple[str, Style]


@contextmanager
def settings() -> Generator[None]:
    with mpl.rc_context(_rc_params()), warnings.catch_warnings():
        # A label can be in any script; letters that no font here has are drawn as boxes.
        warnings.filterwarnings("ignore", message="(?s)Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        yield


def _rc_params() -> Any:  # the type of its keys differs between versions
    known = {font.name for font in fontManager.ttflist}
    others = [name for name in _OTHER_SCRIPTS if name in known]
    return {
        # DejaVu Sans comes with matplotlib: the layout is the same on each machine.
        "font.family": ["DejaVu Sans", *others, "sans-serif"],
        "font.sans-serif": ["DejaVu Sans", "Verdana"],
        "font.size": 10,
        "savefig.bbox": None,
        "savefig.dpi": _DOTS_PER_INCH,
        "savefig.facecolor": "white",
        "savefig.transparent": False,
        # Texts stay texts: they can be selected, searched and read aloud. Most fonts that replace
        # a missing DejaVu Sans are narrower, so the labels still fit.
        "svg.fonttype": "none",
        "svg.hashsalt": "sseparse",
        "text.parse_math": False,
        "text.usetex": False,
    }


class Layout:
    """
    Builder of a figure, from top to bottom. Lengths are in inches.

    Args:
        width: Width of the figure.
        ticks: The widest labels of the vertical axes.
    """

    def __init__(self, width: float, *, ticks: Iterable[str]) -> None:
        self.figure = Figure(figsize=(width, 1), dpi=_DOTS_PER_INCH, facecolor="white")
        self._width = width
        self._left = 0.42 + max(self.measure(tick, fontsize=SMALL) for tick in ticks)
        self.room = width - self._left - _RIGHT
        self._top = 0.12  # where the next part begins

    def measure(self, text: str, **style: Any) -> float:
        artist = self.figure.text(0, 0, text, **style)
        width = artist.get_window_extent().width / self.figure.dpi
        artist.remove()
        return width

    def fit(self, text: str, **style: Any) -> str:
        """Cut a text to the width of the axes."""
        cut = text
        while len(cut) > 1 and self.measure(cut, **style) > self.room:
            cut = f"{cut[:-2]}\u2026"
        return cut

    def wrap(self, parts: Iterable[str]) -> list[Line]:
        """Join parts to lines that are as wide as the axes at most."""
        lines = list[str]()
        for part in parts:
            longer = f"{lines[-1]}{_SEPARATOR}{part}" if lines else part
            if lines and self.measure(longer, **DETAIL) <= self.room:
                lines[-1] = longer
            else:
                lines.append(part)
        return [(line, DETAIL) for line in lines]

    def name_lines(self, label: str, colour: str, details: Iterable[str]) -> list[Line]:
        """Return a name, unless it's empty, and what to write below it."""
        style = {**_NAME, "color": colour}
        name = [(self.fit(label, **style), style)] if label else []
        return [*name, *self.wrap(details)]

    def add_parts(
        self, headers: Sequence[Sequence[Line]], heights: Sequence[float], *, gap: float
    ) -> list[Axes]:
        """Set the height of the figure, and add the axes of its parts, each below its header."""
        lines = sum(map(len, headers)) * _LINE
        gaps = _HEADER_GAP * len(heights) + gap * (len(heights) - 1)
        self._height = self._top + lines + sum(heights) + gaps + _BOTTOM
        self.figure.set_size_inches(self._width, self._height)
        parts = list[Axes]()
        for header, height in zip(headers, heights, strict=True):
            parts.append(self._add_axes(header, height))
            self._top += gap
        return parts

    def _add_axes(self, header: Sequence[Line], height: float) -> Axes:
        for text, style in header:
            self._top += _LINE
            place = (self._left / self._width, 1 - (self._top - 0.06) / self._height)
            self.figure.text(*place, text, **style)
        self._top += _HEADER_GAP
        bottom = 1 - (self._top + height) / self._height
        left, room = self._left / self._width, self.room / self._width
        axes = self.figure.add_axes((left, bottom, room, height / self._height))
        self._top += height
        _style_axes(axes)
        return axes


def _style_axes(axes: Axes) -> None:
    axes.set_facecolor("white")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.grid(visible=True, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=GREY, length=0, labelsize=SMALL, which="both")
    # The lowest label of the other axis is at the same corner.
    axes.tick_params(axis="x", pad=8)


def format_seconds(seconds: float, _place: int | None) -> str:
    return f"{number(seconds)} s" if seconds >= 1 else f"{number(seconds * 1000)} ms"


def one_line(label: str) -> str:
    # XML can't hold all characters.
    line = "".join(letter if letter.isprintable() else " " for letter in label)
    return f"{line[: _LONGEST_LABEL - 1]}\u2026" if len(line) > _LONGEST_LABEL else line
