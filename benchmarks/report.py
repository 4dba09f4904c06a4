"""Markdown report of the results, with aligned tables."""

from collections.abc import Container, Sequence

from client_cost import ClientCost
from goals import Goal, Results, find, goals
from growth import Growth
from measure import Figure, Row
from stream_tables import TASKS

ABSENT = "\u2013"
Cells = Sequence[str]


def table(head: Cells, rows: Sequence[Cells], left: Container[int] = (0,)) -> str:
    """Return a table; the columns in `left` are left-aligned, the others right-aligned."""
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
    """Format a figure with about three digits."""
    if value is None:
        return ABSENT
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio(value: float | None, base: float | None) -> str:
    """Format the ratio of a figure to a base."""
    if value is None or base is None:
        return ABSENT
    return f"{number(value / base)}\u00d7"


def long_table(rows: list[Row], heading: str, item: str) -> str:
    """Return a table with a line for each contender in each row, the fastest first."""
    floored = any(figure.role == "floor" for row in rows for figure in row.figures)
    head = [heading, "contender", f"\u00b5s {item}", "to sseparse", "to fastest peer"]
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


def wide_table(rows: list[Row], heading: str) -> tuple[str, list[str]]:
    """Return a table with a column for each contender, and the remarks on cells."""
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
            relative = "" if figure.role == "ours" else f" ({ratio(figure.micros, ours)})"
            shown = f"{number(figure.micros)}{relative}" if figure.micros is not None else ABSENT
            cells.append(shown + mark)
        lines.append([row.label, *cells])
    return table([heading, *names], lines), remarks


def growth_table(growths: list[Growth]) -> str:
    """Return a table of the growth of time and memory."""
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


def client_table(costs: list[ClientCost]) -> str:
    """Return a table of the processor time of clients."""
    head = ["server sends", "transport or client", "bare", "to the result", "added", "floors added"]
    rows = []
    for cost in costs:
        floors = None if cost.added is None else cost.added / cost.floor
        figures = (cost.bare, cost.full, cost.added, floors)
        rows.append([cost.mode, cost.name, *map(number, figures)])
    return table(head, rows, left=(0, 1))


def goal_table(all_goals: list[Goal]) -> str:
    """Return a table of the goals."""
    labels = {True: "yes", False: "NO", None: "not measured"}
    rows = [[goal.goal, goal.measured, labels[goal.reached]] for goal in all_goals]
    return table(["goal", "measured", "reached"], rows, left=(0, 1, 2))


def render(results: Results, header: str, missing: dict[str, str]) -> str:
    """Return the report."""
    parts = ["# Results of `make bench`", header]
    absent = [f"* {name}: {reason}" for name, reason in missing.items()]
    parts += ["## Left out", "\n".join(absent) if absent else "Nothing: every contender was here."]
    parts += ["## The goals", NOTES["goals"], goal_table(goals(results))]
    parts += ["![Microseconds an event, at each size of feed](results.svg)"]
    for task in TASKS:
        parts += [f"## {task.title}", NOTES[task.name]]
        parts.append(long_table(results.by_size[task.name], "feeds of", task.item))
        if task.name in results.by_shape:
            parts += _every_shape(results.by_shape[task.name])
    parts += ["## Tool input", NOTES["inputs"], long_table(results.inputs, "input", "a delta")]
    parts += ["## Official SDKs", NOTES["sources"], long_table(results.sources, "API", "an event")]
    parts += ["## Partial JSON", NOTES["partial"], long_table(results.partial, "JSON", "a delta")]
    if results.counter:
        parts += ["## Token counter", NOTES["counter"]]
        parts.append(long_table(results.counter, "text", "a piece"))
    parts += ["## Clients", NOTES["clients"], client_table(results.clients)]
    parts += ["## Growth", NOTES["growth"], growth_table(results.growths)]
    parts += ["## Footprint", _footprint(results)]
    return "\n\n".join(parts) + "\n"


def _every_shape(rows: list[Row]) -> list[str]:
    text, remarks = wide_table(rows, "shape")
    lines = [f"* [{at}] {remark}" for at, remark in enumerate(remarks, 1)]
    parts = [
        (
            "Every shape with feeds of 4 KiB; \u00b5s per event or the named unit, and in brackets "
            "the ratio to sseparse:"
        ),
        text,
    ]
    return [*parts, "\n".join(lines)] if lines else parts


def _footprint(results: Results) -> str:
    held = results.footprint
    resident = "not available" if held.resident is None else f"{held.resident:.2f} times its size"
    rows = [
        [
            "event of 64 MiB in pieces of 64 KiB, allocated at most",
            f"{held.event:.2f} times its size",
        ],
        ["the same, the process's own memory", resident],
        ["stream that has seen nothing", f"{held.idle:,.0f} B"],
        ["stream that has seen a role", f"{held.begun:,.0f} B"],
        *([name, f"{took * 1e3:.1f} ms"] for name, took in held.starts.items()),
    ]
    return table(["what", "measured"], rows)


NOTES = {
    "goals": (
        "The goals that sseparse has set for itself. On a shared machine, figures differ by 20 % "
        "and more between runs: compare figures in a row or a group of rows, whose contenders "
        "took turns, and don't rely on a goal that is close to its limit."
    ),
    "events": (
        "Token chat; Node's figures include TextDecoder. Each peer is used as its users do, "
        "without a network; the decoders of the SDKs without their clients."
    ),
    "chunks": (
        "Token chat. The floor is msgspec decoding the same payloads into the same models (or "
        "into dictionaries if the models lack a key), without parsing events. openai's chunks "
        "are the results of `construct_type()` on the output of its decoder, as in its client; "
        "litellm's use openai's decoder. Node's are the results of JSON.parse, without types."
    ),
    "completion": (
        "Token chat. openai is measured with `ChatCompletionStreamState`. litellm "
        "(`stream_chunk_builder`) and langchain-core (`AIMessageChunk` + `AIMessageChunk`) use "
        "openai's decoder and json.loads, the fastest input that they can have. The floor is "
        "that of the chunks."
    ),
    "updates": (
        "Token chat; the changes by each chunk as events: `Accumulator.updates()` of sseparse, "
        "and `ChatCompletionStreamState.handle_chunk()` of openai. The floor is that of the "
        "chunks."
    ),
    "response events": (
        "Token stream of the Responses API. The floor is msgspec decoding the same payloads into "
        "one flat struct with the fields of all events, without parsing events. openai's events "
        "are those of `client.responses.create(stream=True)`, whose HTTP client gets the bytes "
        "without a network."
    ),
    "response": (
        "The same stream. openai is measured with `client.responses.stream()` and "
        "`get_final_response()`. The floor is that of the events."
    ),
    "message events": (
        "Token stream of the Messages API. The floor is msgspec decoding the same payloads into "
        "one flat struct with the fields of all events, and another one for the delta. "
        "anthropic's events are those of `client.messages.create(stream=True)`, whose HTTP "
        "client gets the bytes without a network."
    ),
    "message": (
        "The same stream. anthropic is measured with `client.messages.stream()` and "
        "`get_final_message()`. The floor is that of the events."
    ),
    "inputs": (
        "Bytes of a tool call to the changes by each delta of 4 characters, with one event in "
        "each feed. sseparse's updates have the parsed input so far, and so have the events of "
        "anthropic's `client.messages.stream()`, which parses all of the text again. openai's "
        "have only the text so far."
    ),
    "sources": (
        "A complete request by the SDK's client over a connection, with one event in each read. "
        "sseparse reads the response of `with_streaming_response.create()`; the SDK's own stream "
        "is that of `create(stream=True)`. The floor reads the same response and parses nothing: "
        "it is the cost of the socket and of the HTTP client."
    ),
    "partial": (
        "Deltas of 4 characters, with a parse after each. Peers parse the entire text each time: "
        "they are measured at parses spread evenly over the text, and the figure is the mean."
    ),
    "counter": (
        "Pieces of 4 characters. tiktoken, which encodes the entire text again at each piece, is "
        "measured at pieces spread evenly over the text, and the figure is the mean."
    ),
    "clients": (
        "Processor time of the client's process per chunk, in microseconds, from the bytes of a "
        "server in another process to the finished completion. Bare is the usual code of the "
        "library, which only reads the bytes; sseparse reads the same response. Each event is an "
        "HTTP chunk of its own; the server sends all at once, or one by one. Minimum of the "
        "rounds. The floor is msgspec decoding one chunk, measured at about the same time."
    ),
    "growth": (
        "Time for n units and peak memory (tracemalloc, in a separate run) for m units, and the "
        "ratios at each doubling: 2.00 is linear, less is better. Shapes with chunks are parsed "
        "to the finished completion, the others to events. Time is processor time, the minimum "
        "of all rounds."
    ),
}
