"""Plot of microseconds per item, with a panel for each task and a line for each contender."""

from math import isnan, log10
from pathlib import Path
from typing import Any

from goals import Results
from measure import Role, Row
from stream_tables import CHAT_TASKS

# Okabe and Ito's colours, which colour-blind people can distinguish. Each line is labelled at its
# end, and lines of the same colour have different markers.
COLOURS = ("#CC79A7", "#E69F00", "#56B4E9", "#8B6914", "#000000", "#0072B2", "#009E73")
MARKERS = "s^vPX*hp<>d8"
OTHER_STYLES: dict[Role, dict[str, str]] = {
    "floor": {"color": "#000000", "marker": ".", "linestyle": ":"},
    "pure": {"color": "#0072B2", "marker": "o", "linestyle": "--"},
    "node": {"color": "#009E73", "marker": "D", "linestyle": "--"},
}
"""Styles of the contenders that aren't peers."""
OURS: dict[str, Any] = {"color": "#D55E00", "marker": "o", "linewidth": 3.5, "zorder": 5}
TEXT = 15
NAMES_WIDTH = 2.05
"""Width of the labels, in units of the x axis."""
MIN_GAP = 0.058
"""Minimum distance of the labels, relative to the height of a panel."""


def draw(results: Results, path: Path) -> None:
    """Write the plot as SVG, or in the format of the path's suffix."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "sseparse"
    mpl.rcParams["font.size"] = TEXT
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(17, 13), layout="constrained")
    styles = _styles(results)
    for axis, task in zip(axes.flat, CHAT_TASKS, strict=True):
        _panel(axis, results.by_size[task.name], styles)
        axis.set_title(task.title, fontsize=TEXT + 3, fontweight="bold")
        axis.set_ylabel(f"\u00b5s {task.item} (log scale)")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def _styles(results: Results) -> dict[str, dict[str, Any]]:
    """Return the style of each contender, the same in all panels."""
    styles: dict[str, dict[str, Any]] = {}
    peers = 0
    for task in CHAT_TASKS:
        for figure in results.by_size[task.name][0].figures:
            if figure.role == "ours":
                styles[figure.name] = OURS
            elif figure.name not in styles:
                style = OTHER_STYLES.get(figure.role) or _peer_style(peers)
                styles[figure.name] = {"linewidth": 1.8, **style}
                peers += figure.role not in OTHER_STYLES
    return styles


def _peer_style(peers: int) -> dict[str, str]:
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
    _label(axis, last, ends, styles)


def _value(row: Row, name: str) -> float:
    found = [figure.micros for figure in row.figures if figure.name == name]
    return found[0] if found and found[0] is not None else float("nan")


def _label(axis: Any, last: int, ends: dict[str, float], styles: dict[str, dict[str, Any]]) -> None:
    """Label each line at its end, without overlap."""
    low, high = (log10(limit) for limit in axis.get_ylim())
    names = sorted(ends, key=lambda name: ends[name])
    heights = spread([log10(ends[name]) for name in names], (high - low) * MIN_GAP)
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


def spread(positions: list[float], gap: float) -> list[float]:
    """Move sorted positions as little as possible, so that each has a gap to the next."""
    groups: list[list[float]] = []
    for position in positions:
        groups.append([position])
        while len(groups) > 1 and _low(groups[-1], gap) - _high(groups[-2], gap) < gap:
            joined = groups.pop()
            groups[-1] += joined
    return [_low(group, gap) + gap * at for group in groups for at in range(len(group))]


def _low(group: list[float], gap: float) -> float:
    return sum(group) / len(group) - gap * (len(group) - 1) / 2


def _high(group: list[float], gap: float) -> float:
    return sum(group) / len(group) + gap * (len(group) - 1) / 2
