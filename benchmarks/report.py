"""What was measured, as Markdown that reads well in a terminal too."""

from collections.abc import Container, Sequence

from goals import Goal, Results, find, goals
from growth import Growth
from measure import Figure, Row
from stream_tables import WORKS

ABSENT = "\u2013"
Cells = Sequence[str]


def table(head: Cells, rows: Sequence[Cells], left: Container[int] = (0,)) -> str:
    """Return a table; the columns named stand to the left, the others to the right."""
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]

    def line(row: Cells) -> str:
        padded = (
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "| " + " | ".join(padded) + " |"

    rule = (
        "-" * width if column in left else "-" * (width - 1) + ":"
        for column, width in enumerate(widths)
    )
    return "\n".join([line(cells[0]), line(list(rule)), *(line(row) for row in cells[1:])])


def number(value: float | None) -> str:
    """Return a figure with as many digits as it deserves."""
    if value is None:
        return ABSENT
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio(value: float | None, base: float | None) -> str:
    """Return how many times the base a figure is."""
    if value is None or base is None:
        return ABSENT
    return f"{number(value / base)}\u00d7"


def long_table(rows: list[Row], place: str, item: str) -> str:
    """Return a table with a line for each contender at each place, the fastest first."""
    floored = any(figure.role == "floor" for row in rows for figure in row.figures)
    head = [place, "contender", f"\u00b5s {item}", "to sseparse", "to fastest peer"]
    lines = []
    for row in rows:
        bases = [find(row, "ours"), find(row, "peer"), *([find(row, "floor")] if floored else [])]
        label = row.label
        for figure in sorted(row.figures, key=_rank):
            ratios = [ratio(figure.micros, base) for base in bases]
            lines.append([label, figure.name, number(figure.micros), *ratios, figure.remark])
            label = ""
    return table(
        [*head, *(["to floor"] if floored else []), "remark"],
        lines,
        left=(0, 1, len(head) + floored),
    )


def _rank(figure: Figure) -> float:
    return figure.micros if figure.micros is not None else float("inf")


def wide_table(rows: list[Row], place: str) -> tuple[str, list[str]]:
    """Return a table with a column for each contender, and the remarks on its cells."""
    names = [figure.name for figure in rows[0].figures]
    lines, remarks = [], []
    for row in rows:
        ours = find(row, "ours")
        cells = []
        for figure in row.figures:
            mark = ""
            if figure.remark:
                remarks.append(f"{row.label}, {figure.name}: {figure.remark}")
                mark = f" [{len(remarks)}]"
            beside = "" if figure.role == "ours" else f" ({ratio(figure.micros, ours)})"
            shown = f"{number(figure.micros)}{beside}" if figure.micros is not None else ABSENT
            cells.append(shown + mark)
        lines.append([row.label, *cells])
    return table([place, *names], lines), remarks


def growth_table(growths: list[Growth]) -> str:
    """Return a table of how time and memory grow."""
    head = ["shape", "feeds", "n", "ms for n", "2n", "4n", "m", "KiB for m", "2m", "4m"]
    rows = [
        [
            growth.shape,
            growth.feed,
            f"{growth.units:,}",
            number(growth.seconds * 1e3),
            *(f"{times:.2f}" for times in growth.times),
            f"{growth.traced:,}",
            number(growth.peak / 1024),
            *(f"{times:.2f}" for times in growth.peaks),
        ]
        for growth in growths
    ]
    return table(head, rows, left=(0, 1))


def goal_table(all_goals: list[Goal]) -> str:
    """Return the state of the goals."""
    said = {True: "yes", False: "NO", None: "not measured"}
    rows = [[goal.goal, goal.measured, said[goal.reached]] for goal in all_goals]
    return table(["goal", "measured", "reached"], rows, left=(0, 1, 2))


def render(results: Results, header: str, missing: dict[str, str]) -> str:
    """Return the whole report."""
    parts = ["# Results of `make bench`", header]
    absent = [f"* {name}: {reason}" for name, reason in missing.items()]
    parts += ["## Left out", "\n".join(absent) if absent else "Nothing: every contender was here."]
    parts += ["## The goals", NOTES["goals"], goal_table(goals(results))]
    parts += ["![Microseconds an event, at each size of feed](results.svg)"]
    for work in WORKS:
        parts += [f"## {work.title}", NOTES[work.name]]
        parts.append(long_table(results.by_size[work.name], "feeds of", ITEMS[work.name]))
        if work.name in results.by_shape:
            parts += _every_shape(results.by_shape[work.name])
    parts += ["## Partial JSON", NOTES["partial"], long_table(results.partial, "JSON", "a delta")]
    if results.counter:
        parts += ["## Token counter", NOTES["counter"]]
        parts.append(long_table(results.counter, "text", "a piece"))
    parts += ["## Growth", NOTES["growth"], growth_table(results.growths)]
    parts += ["## Footprint", _footprint(results)]
    return "\n\n".join(parts) + "\n"


def _every_shape(rows: list[Row]) -> list[str]:
    drawn, remarks = wide_table(rows, "shape")
    said = [f"* [{at}] {remark}" for at, remark in enumerate(remarks, 1)]
    parts = [
        "Every shape, feeds of 4 KiB; \u00b5s an event or what is named, in brackets times ours:",
        drawn,
    ]
    return [*parts, "\n".join(said)] if said else parts


def _footprint(results: Results) -> str:
    held = results.footprint
    resident = "not told here" if held.resident is None else f"{held.resident:.2f} times its size"
    rows = [
        [
            "event of 64 MiB in pieces of 64 KiB, allocated at most",
            f"{held.event:.2f} times its size",
        ],
        ["the same, the process's own memory", resident],
        ["stream that has seen nothing", f"{held.idle:,.0f} B"],
        ["stream that has seen a role", f"{held.begun:,.0f} B"],
        *([f"import of {name}", f"{took * 1e3:.1f} ms"] for name, took in held.imports.items()),
    ]
    return table(["what", "measured"], rows)


ITEMS = {
    "events": "an event",
    "chunks": "a chunk",
    "completion": "a chunk",
    "updates": "a chunk",
}
NOTES = {
    "goals": (
        "Those that sseparse has set itself. Where other work shares the machine, figures differ "
        "from run to run by a fifth and more: compare within a row or a group of rows, whose "
        "contenders took turns, and take a goal that is near its limit for undecided."
    ),
    "events": (
        "Token chat; Node's TextDecoder included. Each peer is driven as its users drive it, short "
        "of the network; the SDKs' decoders without their clients."
    ),
    "chunks": (
        "Token chat. The floor is msgspec decoding the same payloads into the same models (into "
        "dictionaries where the models have no place for a key), and nothing else; it parses no "
        "events. openai's are `construct_type()` of what its decoder gives, as its client makes "
        "them; litellm's stand on openai's decoder. Node's are what JSON.parse makes: no types."
    ),
    "completion": (
        "Token chat. openai's is `ChatCompletionStreamState`. litellm (`stream_chunk_builder`) and "
        "langchain-core (`AIMessageChunk` + `AIMessageChunk`) stand on openai's decoder and "
        "json.loads, the cheapest that they could. The floor is that of the chunks."
    ),
    "updates": (
        "Token chat; what each chunk changed, as events: ours `Accumulator.updates()`, openai's "
        "`ChatCompletionStreamState.handle_chunk()`. The floor is that of the chunks."
    ),
    "partial": (
        "Deltas of 4 characters, a look after each. Peers parse anew at each look: they are "
        "measured at looks spread evenly over the text, and the mean is the figure."
    ),
    "counter": (
        "Pieces of 4 characters. tiktoken encoding all anew at each piece is measured at pieces "
        "spread evenly over the text, and the mean is the figure."
    ),
    "growth": (
        "Time for n units and peak memory (tracemalloc, a pass of its own) for m, and how many "
        "times as much for twice as many, twice: 2.00 is linear, less is better. Shapes of chunks "
        "go all the way to the finished completion, the others to events. Time is that of the "
        "processor, the least of all rounds."
    ),
}
