"""A plot of microseconds an item: a panel a kind of work, a line a contender."""

from math import isnan, log10
from pathlib import Path
from typing import Any

from goals import Results
from measure import Role, Row
from report import ITEMS
from stream_tables import WORKS

# Okabe and Ito's colours, which the colour-blind tell apart. Each line is named at its end, and
# its marker tells it from another of its colour.
COLOURS = ("#CC79A7", "#E69F00", "#56B4E9", "#8B6914", "#000000", "#0072B2", "#009E73")
MARKERS = "s^vPX*hp<>d8"
ASIDE: dict[Role, dict[str, str]] = {
    "floor": {"color": "#000000", "marker": ".", "linestyle": ":"},
    "pure": {"color": "#0072B2", "marker": "o", "linestyle": "--"},
    "node": {"color": "#009E73", "marker": "D", "linestyle": "--"},
}
"""The looks of those that are no peers."""
OURS: dict[str, Any] = {"color": "#D55E00", "marker": "o", "linewidth": 3.5, "zorder": 5}
TEXT = 15
NAMES_WIDTH = 2.05
"""How much room the names need, where the sizes of feeds are 1 apart."""
APART = 0.058
"""How far names are apart at least, in heights of a panel."""


def draw(results: Results, path: Path) -> None:
    """Write the plot as SVG, or as what the path's suffix says."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "sseparse"
    mpl.rcParams["font.size"] = TEXT
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(17, 13), layout="constrained")
    styles = _styles(results)
    for axis, work in zip(axes.flat, WORKS, strict=True):
        _panel(axis, results.by_size[work.name], styles)
        axis.set_title(work.title, fontsize=TEXT + 3, fontweight="bold")
        axis.set_ylabel(f"\u00b5s {ITEMS[work.name]} (log scale)")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def _styles(results: Results) -> dict[str, dict[str, Any]]:
    """Give each contender one look in all panels."""
    styles: dict[str, dict[str, Any]] = {}
    peers = 0
    for work in WORKS:
        for figure in results.by_size[work.name][0].figures:
            if figure.role == "ours":
                styles[figure.name] = OURS
            elif figure.name not in styles:
                look = ASIDE.get(figure.role) or _next_look(peers)
                styles[figure.name] = {"linewidth": 1.8, **look}
                peers += figure.role not in ASIDE
    return styles


def _next_look(peers: int) -> dict[str, str]:
    return {"color": COLOURS[peers % len(COLOURS)], "marker": MARKERS[peers % len(MARKERS)]}


def _panel(axis: Any, rows: list[Row], styles: dict[str, dict[str, Any]]) -> None:
    last = len(rows) - 1
    ends = {}
    for figure in rows[0].figures:
        values = [_value(row, figure.name) for row in rows]
        axis.plot(range(len(rows)), values, markersize=9, **styles[figure.name])
        if not isnan(values[-1]):
            ends[figure.name] = values[-1]
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_xticks(range(len(rows)), [row.label for row in rows])
    axis.set_xlim(-0.2, last + NAMES_WIDTH)
    axis.set_xlabel("feeds of", loc="left")
    axis.grid(axis="y", which="major", color="#bbbbbb")
    axis.grid(axis="y", which="minor", color="#eeeeee")
    axis.spines[["top", "right"]].set_visible(False)
    _name(axis, last, ends, styles)


def _value(row: Row, name: str) -> float:
    found = [figure.micros for figure in row.figures if figure.name == name]
    return found[0] if found and found[0] is not None else float("nan")


def _name(axis: Any, last: int, ends: dict[str, float], styles: dict[str, dict[str, Any]]) -> None:
    """Name each line at its end, as near as the other names let it."""
    low, high = (log10(limit) for limit in axis.get_ylim())
    names = sorted(ends, key=lambda name: ends[name])
    heights = spread([log10(ends[name]) for name in names], (high - low) * APART)
    for name, height in zip(names, heights, strict=True):
        axis.annotate(
            name,
            xy=(last, ends[name]),
            xytext=(last + 0.22, 10**height),
            color=styles[name]["color"],
            fontsize=TEXT - 1,
            fontweight="bold" if styles[name] is OURS else "normal",
            verticalalignment="center",
            arrowprops={
                "arrowstyle": "-",
                "color": "#888888",
                "linewidth": 0.8,
                "shrinkB": 6,
                "relpos": (0, 0.5),
            },
        )


def spread(wanted: list[float], gap: float) -> list[float]:
    """Move places, given in order, as little as sets each a gap from the next."""
    groups: list[list[float]] = []
    for place in wanted:
        groups.append([place])
        while len(groups) > 1 and _low(groups[-1], gap) - _high(groups[-2], gap) < gap:
            joined = groups.pop()
            groups[-1] += joined
    return [_low(group, gap) + gap * at for group in groups for at in range(len(group))]


def _low(group: list[float], gap: float) -> float:
    return sum(group) / len(group) - gap * (len(group) - 1) / 2


def _high(group: list[float], gap: float) -> float:
    return sum(group) / len(group) + gap * (len(group) - 1) / 2
