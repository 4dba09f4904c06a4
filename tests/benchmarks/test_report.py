"""The benchmarks' report shows what was measured, what was wrong and what was not there."""

import pytest
from footprint import IMPORTS, Footprint
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
from stream_tables import WORKS

FIGURES = [
    Figure("sseparse", "ours", 0.5),
    Figure("alone", "floor", 0.25),
    Figure("openai", "peer", 50.0),
    Figure("hasty", "peer", 0.1, "WRONG: 3 of 4"),
    Figure("picky", "peer", None, "raises ValueError"),
    Figure("node", "node", 1.0),
]
ROWS = [Row(label, FIGURES) for label in ("16 B", "one event", "4 KiB", "64 KiB")]


def made_up(ours: float = 0.5) -> Results:
    figures = [Figure("sseparse", "ours", ours), *FIGURES[1:]]
    rows = [Row(row.label, figures) for row in ROWS]
    works = [work.name for work in WORKS]
    return Results(
        by_size=dict.fromkeys(works, rows),
        by_shape={"events": rows},
        partial=rows,
        counter=rows,
        arguments=Figure("sseparse", "ours", 4.0),
        growths=[Growth("token chat", "16 B", 10, 0.1, (2.0, 2.1), 5, 2048, (1.5, 1.9))],
        footprint=Footprint(2.0, None, 1500.0, 3000.0, dict.fromkeys(IMPORTS, 0.05)),
    )


def refuse() -> None:
    raise ValueError("no such stream")


def load(name: str) -> Entrant:
    """Return a contender that finds 4 items, or 3, or refuses."""
    works = {"right": lambda: 4, "wrong": lambda: 3, "refusing": refuse}
    return Entrant(name, "peer", local(lambda _data: works[name]), None)


def absent() -> None:
    raise Missing("not on this machine")


def test_columns_are_as_wide_as_their_cells() -> None:
    """A table reads well as text: all its lines are equally long."""
    drawn = table(["what", "n"], [["a", "1,000"], ["longer than that", "2"]]).splitlines()

    assert len({len(line) for line in drawn}) == 1
    assert drawn[1].endswith("-: |")


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "\u2013"), (0.123, "0.12"), (12.34, "12.3"), (1234.5, "1,234")]
)
def test_figures_have_the_digits_they_deserve(value: float | None, shown: str) -> None:
    """A figure is shown with three digits or so; one that is not there is a dash."""
    assert number(value) == shown


def test_ratios_stand_on_right_results_alone() -> None:
    """A wrong result is shown and marked, and nothing is measured by it."""
    drawn = long_table(ROWS[:1], "feeds of", "an event")
    lines = {line.split("|")[2].strip(): line for line in drawn.splitlines()}

    assert "0.20\u00d7" in lines["hasty"]
    assert "WRONG: 3 of 4" in lines["hasty"]
    assert "raises ValueError" in lines["picky"]
    assert [cell.strip() for cell in lines["openai"].split("|")[3:7]] == [
        *("50.0", "100\u00d7", "1.00\u00d7", "200\u00d7")
    ]


def test_remarks_stand_below_a_wide_table() -> None:
    """A wide table numbers its remarks, each contender's where it is."""
    drawn, remarks = wide_table(ROWS[:1], "shape")

    assert "0.10 (0.20\u00d7) [1]" in drawn
    assert remarks == ["16 B, hasty: WRONG: 3 of 4", "16 B, picky: raises ValueError"]


def test_goals_are_reached_or_not() -> None:
    """A goal is reached by what was measured, and by nothing that was not."""
    reached = {goal.goal: goal.reached for goal in goals(made_up())}
    missed = {goal.goal: goal.reached for goal in goals(made_up(ours=30.0))}

    assert reached["events, 16 B: at least 3 times as fast as the fastest Python peer"]
    assert reached["chunks, 64 KiB: at most 2.0 times the floor (msgspec alone)"]
    assert reached["an idle stream: at most 2 KiB"]
    assert not missed["completion, 64 KiB: at most 2.5 times the floor (msgspec alone)"]


def test_a_report_says_what_is_missing() -> None:
    """The report names each contender that was left out, with the reason."""
    said = render(made_up(), "* a machine", {"elsewhere": "not installed: elsewhere"})

    assert "* a machine" in said
    assert "* elsewhere: not installed: elsewhere" in said
    assert "| token chat | 16 B  | 10 |" in said
    assert "Nothing: every contender was here." in render(made_up(), "", {})


def test_contenders_that_are_not_here_are_noted() -> None:
    """A contender that cannot be loaded is left out, and the reason kept."""
    missing: dict[str, str] = {}

    assert gather([Contender("elsewhere", "peer", absent)], missing) == []  # type: ignore[arg-type] # it never returns
    assert missing == {"elsewhere": "not on this machine"}


def test_wrong_results_and_refusals_are_figures_too() -> None:
    """What gives too few items, or raises, is told and not dropped."""
    entrants = [load("right"), load("wrong"), load("refusing")]
    right, wrong, refusing = take_turns(entrants, Job(None, 4, 4), rounds=3)

    assert (right.remark, wrong.remark) == ("", "WRONG: 3 of 4")
    assert (refusing.micros, refusing.remark) == (None, "raises ValueError")


def test_a_machine_that_slows_down_changes_no_ratio() -> None:
    """Each turn is set against ours of the same round."""
    seconds = iter([0, 1.0, 3.0, 1.0, 3.0, 2.0, 6.0, 2.0, 6.0, 2.0, 6.0])

    def made(name: str, role: Role) -> Entrant:
        return Entrant(name, role, lambda _data: lambda: (next(seconds), 1), None)

    next(seconds)
    found = [made("sseparse", "ours"), made("peer", "peer")]
    ours, peer = take_turns(found, Job(None, 1, 1), 4)

    assert ours.micros is not None
    assert peer.micros is not None
    assert peer.micros / ours.micros == 3.0
