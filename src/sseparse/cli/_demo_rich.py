"""The demo in a terminal."""

from __future__ import annotations

import json

from attrs import define, field
from rich.console import Console, Group, RenderableType
from rich.json import JSON
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from ..chunks import Result
from ._demo_record import Arrival, Listen, Record
from ._demo_script import Ask

_ACCENT = "cyan"
_FRAMES_PER_SECOND = 24
# Chunks shown at a time.
_LATEST = 7
_ENDS = 3
# From so many columns on, the answer and its chunks stand side by side.
_WIDE = 120
_WIDEST = 160
# The columns of a line that its bar does not have.
_BESIDE_BAR = 32


def show_rich(title: str, ask: Ask, listen: Listen) -> None:
    """
    Show the text as it grows and the latest chunks; then the whole, its times and the result.

    Args:
        title: What is shown.
        ask: The request.
        listen: Sends it, and hands over the chunks.
    """
    console = Console()
    console.width = min(console.width, _WIDEST)
    console.print(_heading(title, ask))
    view = _View(console)
    # Drawn by a thread of its own, for drawing at each chunk would hold back the next one.
    with Live(view, console=console, refresh_per_second=_FRAMES_PER_SECOND) as live:
        live.refresh()
        record = listen(view.arrivals.append)
        view.whole = True
    console.print(_times(console, record))
    console.print(_whole(record.result))


@define
class _View:
    """What is drawn again and again while the answer comes, and once when it is whole."""

    console: Console
    arrivals: list[Arrival] = field(factory=list[Arrival])
    whole: bool = False

    def __rich__(self) -> RenderableType:
        arrivals = list(self.arrivals)
        text = "".join([arrival.chunk.text for arrival in arrivals])
        return _frame(self.console, text, _feed(arrivals, whole=self.whole))


def _heading(title: str, ask: Ask) -> RenderableType:
    lines = Table.grid(padding=(0, 2))
    lines.add_row(Text("POST", style="dim"), ask.path)
    lines.add_row(Text("asked", style="dim"), ask.prompt)
    rule = Rule(Text(title, style=f"bold {_ACCENT}"), align="left", style="dim")
    return Group(Text(), rule, Padding(lines, (1, 2)))


def _frame(console: Console, text: str, feed: RenderableType) -> RenderableType:
    wide = console.width >= _WIDE
    answer = _panel("text", Text(text, overflow="fold"), height=_LATEST + 2 if wide else None)
    chunks = _panel("chunks", feed)
    if not wide:
        return Group(answer, chunks)
    columns = Table.grid(expand=True, padding=(0, 1))
    columns.add_column(ratio=3)
    columns.add_column(ratio=2)
    columns.add_row(answer, chunks)
    return columns


def _panel(title: str, content: RenderableType, height: int | None = None) -> Panel:
    return Panel(content, title=title, title_align="left", border_style="dim", height=height)


def _feed(arrivals: list[Arrival], *, whole: bool) -> RenderableType:
    numbered = list(enumerate(arrivals, 1))
    rows = _rows()
    if whole:
        for number, arrival in numbered[:_ENDS]:
            _add_row(rows, number, arrival)
        rows.add_row("", "", Text(f"{len(numbered) - 2 * _ENDS} more", style="dim"))
    for number, arrival in numbered[-_ENDS if whole else -_LATEST :]:
        _add_row(rows, number, arrival)
    for _ in range(_LATEST - rows.row_count):
        rows.add_row()
    return rows


def _rows() -> Table:
    rows = Table.grid(padding=(0, 2))
    rows.add_column(justify="right", style="dim", min_width=3)
    rows.add_column(justify="right", style=_ACCENT, min_width=7)
    rows.add_column(no_wrap=True, overflow="ellipsis")
    return rows


def _add_row(rows: Table, number: int, arrival: Arrival) -> None:
    rows.add_row(str(number), f"{arrival.seconds:.3f} s", Text(arrival.news))


def _times(console: Console, record: Record) -> RenderableType:
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim")
    rows.add_column(justify="right", style=_ACCENT)
    for name, seconds, style in (
        ("first token", record.first_token, _ACCENT),
        ("whole answer", record.total, "dim"),
    ):
        length = max(1, round((console.width - _BESIDE_BAR) * seconds / record.total))
        bar = ProgressBar(total=1, completed=1, width=length, finished_style=style)
        rows.add_row(name, f"{seconds:.3f} s", bar)
    verdict = Text.assemble(
        "The first word came ",
        (f"{record.sooner:.3f} s", f"bold {_ACCENT}"),
        " sooner than the whole.",
    )
    return Padding(Group(rows, Text(), verdict), (1, 2))


def _whole(result: Result) -> RenderableType:
    shown = JSON(json.dumps(result.to_dict()))
    shown.text.no_wrap = False
    shown.text.overflow = "fold"
    return _panel("result(), as the API answers without streaming", shown)
