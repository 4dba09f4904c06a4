"""Tests of the benchmark report."""

import pytest
from client_cost import ClientCost
from footprint import STARTS, Footprint
from goals import Results, goals
from growth import Growth
from measure import (
    Contender,
    Entrant,
    Figure,
    Job,
    Missing,
    Role,
    Row,
    gather,
    local,
    take_turns,
)
from report import long_table, number, render, table, wide_table
from stream_tables import TASKS
from tool_input import APIS, DELTAS, label

FIGURES = [
    Figure("sseparse", "ours", 0.5),
    Figure("alone", "floor", 0.25),
    Figure("openai", "peer", 50.0),
    Figure("hasty", "peer", 0.1, "WRONG: 3 of 4"),
    Figure("picky", "peer", None, "raises ValueError"),
    Figure("node", "node", 1.0),
]
ROWS = [Row(label, FIGURES) for label in ("16 B", "one event", "4 KiB", "64 KiB")]


def fake_results(ours: float = 0.5) -> Results:
    figures = [Figure("sseparse", "ours", ours), *FIGURES[1:]]
    rows = [Row(row.label, figures) for row in ROWS]
    tasks = [task.name for task in TASKS]
    return Results(
        by_size=dict.fromkeys(tasks, rows),
        by_shape={"events": rows},
        partial=rows,
        counter=rows,
        inputs=[
            Row(label(api, deltas), [Figure("sseparse", "ours", 8 * ours)])
            for api in APIS
            for deltas in DELTAS
        ],
        sources=rows,
        clients=[
            ClientCost("at once", "sockets", 20.0, 20.0 + 2 * ours, 0.5),
            ClientCost("at once", "openai", None, 800.0, 0.5),
        ],
        growths=[Growth("token chat", "16 B", 10, 0.1, (2.0, 2.1), 5, 2048, (1.5, 1.9))],
        footprint=Footprint(2.0, None, 1500.0, 3000.0, dict.fromkeys(STARTS, 0.05)),
    )


def fail() -> None:
    raise ValueError("no such stream")


def load(name: str) -> Entrant:
    """Return a contender with a right result (4), a wrong one (3), or an error."""
    tasks = {"right": lambda: 4, "wrong": lambda: 3, "raising": fail}
    return Entrant(name, "peer", local(lambda _data: tasks[name]), None)


def load_missing() -> None:
    raise Missing("not on this machine")


def test_column_widths() -> None:
    """All lines of a table have the same length."""
    text = table(["what", "n"], [["a", "1,000"], ["a longer cell", "2"]]).splitlines()

    assert len({len(line) for line in text}) == 1
    assert text[1].endswith("-: |")


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "\u2013"), (0.123, "0.12"), (12.34, "12.3"), (1234.5, "1,234")]
)
def test_numbers(value: float | None, shown: str) -> None:
    """A number has about three digits; a missing one is a dash."""
    assert number(value) == shown


def test_wrong_results_are_no_base_of_ratios() -> None:
    """A wrong result is shown with a remark, and no ratio is relative to it."""
    text = long_table(ROWS[:1], "feeds of", "an event")
    lines = {line.split("|")[2].strip(): line for line in text.splitlines()}

    assert "0.20\u00d7" in lines["hasty"]
    assert "WRONG: 3 of 4" in lines["hasty"]
    assert "raises ValueError" in lines["picky"]
    assert [cell.strip() for cell in lines["openai"].split("|")[3:7]] == [
        *("50.0", "100\u00d7", "1.00\u00d7", "200\u00d7")
    ]


def test_wide_table_remarks() -> None:
    """Remarks on the cells of a wide table are numbered and listed."""
    text, remarks = wide_table(ROWS[:1], "shape")

    assert "0.10 (0.20\u00d7) [1]" in text
    assert remarks == ["16 B, hasty: WRONG: 3 of 4", "16 B, picky: raises ValueError"]


def test_goals() -> None:
    """The measured figures decide whether a goal is reached."""
    reached = {goal.goal: goal.reached for goal in goals(fake_results())}
    missed = {goal.goal: goal.reached for goal in goals(fake_results(ours=30.0))}

    assert reached["events, 16 B: at least 3 times as fast as the fastest Python peer"]
    assert reached["chunks, 64 KiB: at most 2.0 times the floor (msgspec alone)"]
    assert reached["response, 4 KiB: at most 2.5 times the floor (msgspec alone)"]
    assert reached["an idle stream: at most 2 KiB"]
    assert not missed["completion, 64 KiB: at most 2.5 times the floor (msgspec alone)"]
    for api in APIS:
        text = f"tool input, {api}, 8,000 deltas, bytes to a parsed view at each"
        (goal,) = [goal for goal in reached if goal.startswith(text)]
        assert reached[goal]
        assert not missed[goal]


def test_missing_contenders_are_reported() -> None:
    """The report names each contender that was left out, with the reason."""
    text = render(fake_results(), "* a machine", {"elsewhere": "not installed: elsewhere"})

    assert "* a machine" in text
    assert "* elsewhere: not installed: elsewhere" in text
    assert "| token chat | 16 B  | 10 |" in text
    assert "Nothing: every contender was here." in render(fake_results(), "", {})


def test_missing_contenders_are_left_out() -> None:
    """A contender that can't be loaded is left out, and the reason is recorded."""
    missing: dict[str, str] = {}

    assert gather([Contender("elsewhere", "peer", load_missing)], missing) == []  # type: ignore[arg-type] # it never returns
    assert missing == {"elsewhere": "not on this machine"}


def test_wrong_results_and_errors_are_figures() -> None:
    """A contender with a wrong result or an error has a figure with a remark."""
    entrants = [load("right"), load("wrong"), load("raising")]
    right, wrong, raising = take_turns(entrants, Job(None, 4, 4), rounds=3)

    assert (right.remark, wrong.remark) == ("", "WRONG: 3 of 4")
    assert (raising.micros, raising.remark) == (None, "raises ValueError")


def test_slow_rounds() -> None:
    """Each turn is compared with ours of the same round, so a slow round doesn't change ratios."""
    seconds = iter([0, 1.0, 3.0, 1.0, 3.0, 2.0, 6.0, 2.0, 6.0, 2.0, 6.0])

    def entrant(name: str, role: Role) -> Entrant:
        return Entrant(name, role, lambda _data: lambda: (next(seconds), 1), None)

    next(seconds)
    found = [entrant("sseparse", "ours"), entrant("peer", "peer")]
    ours, peer = take_turns(found, Job(None, 1, 1), 4)

    assert ours.micros is not None
    assert peer.micros is not None
    assert peer.micros / ours.micros == 3.0
