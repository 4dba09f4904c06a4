"""A picture of what came when."""

# matplotlib's own types leave keyword arguments open.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.lines import Line2D

from ._curve import Curve, printable
from ._panels import DASHED, GREY, INK, STALL, draw_gaps, draw_text, mark, scale, style
from ._record import Record

_OKABE_ITO: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_FONTS: Final = (
    *("Inter", "Segoe UI", "Helvetica Neue", "Noto Sans", "DejaVu Sans"),
    # For letters that those lack.
    *("Noto Sans CJK SC", "Microsoft YaHei", "Hiragino Sans", "Noto Sans Arabic"),
)
_WIDTH: Final = 9.6
_DOTS_PER_INCH: Final = 160


def save(path: str, suffix: str, records: Mapping[str, Record]) -> None:
    """Draw records into a file."""
    with _settings():
        figure = _draw(_curves(records))
        # Without the date the same stream is the same file.
        undated = {"Date": None} if suffix == ".svg" else None
        figure.savefig(path, format=suffix[1:], metadata=undated)


@contextmanager
def _settings() -> Generator[None]:
    known = {font.name for font in fontManager.ttflist}
    settings: Any = {  # its keys' type differs from version to version
        "font.family": [name for name in _FONTS if name in known],
        "font.size": 10,
        "savefig.bbox": None,
        "savefig.dpi": _DOTS_PER_INCH,
        "savefig.facecolor": "white",
        "savefig.transparent": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "sseparse",
        "text.parse_math": False,
        "text.usetex": False,
    }
    with mpl.rc_context(settings), warnings.catch_warnings():
        # A label may be in any script; letters that no font here has are drawn as boxes.
        warnings.filterwarnings("ignore", message="(?s)Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        yield


def _curves(records: Mapping[str, Record]) -> list[Curve]:
    events = not any(record.chunks for record in records.values())
    return [
        Curve(printable(label), record, _OKABE_ITO[number % len(_OKABE_ITO)], events=events)
        for number, (label, record) in enumerate(records.items())
    ]


def _draw(curves: Sequence[Curve]) -> Figure:
    rows = max(1, len(curves))
    heights = [3.6, *[1.5 if rows == 1 else 0.75] * rows]
    figure = Figure(
        figsize=(_WIDTH, sum(heights) + 1.0 + 0.2 * rows),
        dpi=_DOTS_PER_INCH,
        facecolor="white",
        layout="constrained",
    )
    text, *strips = figure.subplots(
        rows + 1, 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )[:, 0]
    for axes in (text, *strips):
        style(axes)
    _draw_texts(text, curves)
    _draw_strips(strips, curves)
    _entitle(text, curves)
    last = max((curve.last for curve in curves), default=0.0)
    text.set_xlim(0, 1.02 * last or 1.0)
    strips[-1].set_xlabel("seconds since the request", color=GREY)
    return figure


def _draw_texts(axes: Axes, curves: Sequence[Curve]) -> None:
    for curve in curves:
        draw_text(axes, curve)
    top = max((curve.level for curve in curves), default=0)
    axes.set_ylim(0, 1.08 * top or 1.0)
    events = bool(curves) and curves[0].events and top > 0
    axes.set_ylabel("events" if events else "characters", color=GREY)
    scale(axes)
    if len(curves) == 1:
        mark(axes, curves[0])
    if top == 0:
        axes.text(
            0.5,
            0.5,
            "nothing came",
            transform=axes.transAxes,
            ha="center",
            va="center",
            color=GREY,
            fontsize=16,
        )


def _draw_strips(strips: Sequence[Axes], curves: Sequence[Curve]) -> None:
    longest = max((max(curve.record.gaps, default=0.0) for curve in curves), default=0.0)
    for axes, curve in zip(strips, curves, strict=False):
        colour = STALL if len(curves) == 1 else curve.colour
        draw_gaps(axes, curve, colour=colour, longest=longest, labelled=len(curves) > 1)
    thing = "event" if curves and curves[0].events else "chunk"
    said = f"gap before each {thing}"
    if any(curve.record.comments for curve in curves):
        said += "   \u25be comment"
    strips[0].set_title(said, loc="left", fontsize=9, color=GREY)


def _entitle(axes: Axes, curves: Sequence[Curve]) -> None:
    thing = "events" if curves and curves[0].events else "text"
    title, above = f"Arrival of the {thing}", 30.0
    if len(curves) == 1:
        title = curves[0].label or title
        axes.set_title(curves[0].figures(), loc="left", fontsize=10, color=GREY, pad=10)
        if curves[0].record.releases:
            _explain_gate(axes, curves[0].colour)
    elif curves:
        above = 14 + 14.5 * len(curves)
        lines = [Line2D([], [], color=curve.colour, linewidth=3) for curve in curves]
        said = [f"{curve.label}:  {curve.figures()}" for curve in curves]
        _explain(axes, lines, said, loc="lower left", bbox_to_anchor=(0, 1.02))
    axes.annotate(
        title,
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, above),
        textcoords="offset points",
        fontsize=14,
        fontweight="bold",
        color=INK,
    )


def _explain_gate(axes: Axes, colour: str) -> None:
    arrived = Line2D([], [], color=colour, linewidth=2)
    released = Line2D([], [], color=colour, linewidth=1.5, linestyle=DASHED, alpha=0.75)
    said = ["arrived", "released by the gate"]
    _explain(axes, [arrived, released], said, loc="lower right", bbox_to_anchor=(0.965, 0.13))


def _explain(axes: Axes, lines: list[Line2D], said: list[str], **where: Any) -> None:
    legend = axes.legend(
        lines,
        [str(number) for number in range(len(lines))],
        frameon=False,
        borderaxespad=0,
        borderpad=0,
        handlelength=1.6,
        labelcolor=INK,
        fontsize=9.5,
        **where,
    )
    # A legend leaves out labels that begin with an underscore; texts it does not look at.
    for text, words in zip(legend.get_texts(), said, strict=True):
        text.set_text(words)
