"""
Time contenders that take turns.

Seconds are the processor's, in all threads: where nothing else runs they are the clock's, and
where something does, it is not charged to whose turn is long. None of the work waits.

The collector of garbage rests while a turn is timed, and is run before it; what the process
holds by then is frozen, so that the passes do not depend on how many libraries are loaded.
"""

import gc
import time
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any, Literal

from attrs import frozen

Role = Literal["ours", "pure", "floor", "peer", "node", "aside"]
"""What a contender is measured as; what is "aside" is shown, and nothing is measured by it."""
Turn = Callable[[], tuple[float, Any]]
"""Do the work once; return the seconds it took, and what came out."""

SLOW = 4.0
"""Seconds that a contender may take in all its rounds together, the least number of them aside."""
FEWEST = 3


class Missing(Exception):
    """A contender is not here, for the reason given."""


class Refused(Exception):
    """A contender does not take the work, for the reason given."""


@frozen
class Contender:
    """
    Name something that can be measured.

    Attributes:
        name: What it is called in the tables.
        role: What it is measured as.
        load: Imports what it needs, once; returns what makes a turn of a job. Raises ImportError
            or Missing.
        samples: So many items are measured in place of all; None for all.
    """

    name: str
    role: Role
    load: Callable[[], Callable[[Any], Turn]]
    samples: int | None = None


@frozen
class Entrant:
    """Hold a contender that is here."""

    name: str
    role: Role
    prepare: Callable[[Any], Turn]
    samples: int | None


@frozen
class Figure:
    """
    Tell what a contender needed.

    Attributes:
        name: The contender.
        role: What it is measured as.
        micros: Microseconds an item, or None where it does not take the work.
        remark: What is wrong with its result, or why there is none; "" where it is right.
    """

    name: str
    role: Role
    micros: float | None
    remark: str = ""


@frozen
class Job:
    """
    Describe what the contenders of a table do.

    Attributes:
        data: What they are given.
        items: How many items that is.
        expected: What has to come out.
    """

    data: Any
    items: int
    expected: Any


@frozen
class Row:
    """
    Hold the figures of one place in a table.

    Attributes:
        label: The size of the feeds, the shape or the text.
        figures: What each contender needed.
    """

    label: str
    figures: list[Figure]


def count(items: Iterable[object]) -> int:
    """Return how many there are, and keep none."""
    seen = 0
    for _ in items:
        seen += 1
    return seen


def local(work: Callable[[Any], Callable[[], Any]]) -> Callable[[Any], Turn]:
    """Make turns in this process of what prepares a piece of work."""

    def prepare(data: Any) -> Turn:
        run = work(data)

        def turn() -> tuple[float, Any]:
            start = time.process_time()
            outcome = run()
            return time.process_time() - start, outcome

        return turn

    return prepare


def on_feeds(work: Callable[[list[bytes]], Any]) -> Callable[[Any], Turn]:
    """Make turns in this process of work on a stream's feeds."""
    return local(lambda stream: lambda: work(stream.feeds))


def gather(contenders: Iterable[Contender], missing: dict[str, str]) -> list[Entrant]:
    """Load the contenders; note why each that is not here is not."""
    found = []
    for contender in contenders:
        try:
            prepare = contender.load()
        except ImportError as error:
            missing[contender.name] = f"not installed: {error}"
        except Missing as error:
            missing[contender.name] = str(error)
        else:
            found.append(Entrant(contender.name, contender.role, prepare, contender.samples))
    return found


def least(run: Callable[[], object], rounds: int) -> int:
    """Return the least time of several rounds, in nanoseconds."""
    times: list[int] = []
    gc.collect()
    gc.disable()
    for _ in range(rounds):
        start = time.perf_counter_ns()
        run()
        times.append(time.perf_counter_ns() - start)
    gc.enable()
    return min(times)


def quiet() -> None:
    """Leave what lives now out of the collector's passes, and let it make none by itself."""
    gc.disable()
    gc.collect()
    gc.freeze()


def take_turns(entrants: list[Entrant], job: Job, rounds: int) -> list[Figure]:
    """Warm all up, then let them take turns; return the median of each."""
    figures: dict[str, Figure] = {}
    turns: dict[str, Turn] = {}
    left: dict[str, int] = {}
    for entrant in entrants:
        try:
            turn = entrant.prepare(job.data)
            seconds, outcome = turn()
        except Exception as error:  # a peer may raise anything: it is told in the table
            figures[entrant.name] = Figure(entrant.name, entrant.role, None, _why(error))
            continue
        turns[entrant.name] = turn
        left[entrant.name] = max(min(rounds, int(SLOW / seconds)), min(FEWEST, rounds))
        remark = "" if entrant.samples or outcome == job.expected else _wrong(outcome, job.expected)
        figures[entrant.name] = Figure(entrant.name, entrant.role, None, remark)
    quiet()
    times: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(rounds):
        for name, turn in turns.items():
            if number < left[name]:
                gc.collect()
                times[name].append(turn()[0])
    ours = [entrant.name for entrant in entrants if entrant.role == "ours"]
    pace = paces(times[ours[0]] if ours and ours[0] in times else [])
    return [
        _figure(entrant, figures[entrant.name], times.get(entrant.name), pace, job)
        for entrant in entrants
    ]


def paces(times: list[float]) -> list[float]:
    """
    Tell how slow the machine was in each round, by what the same work took in all of them.

    Its clock can go half as fast for minutes: a contender's rounds are only comparable to ours of
    the same rounds.
    """
    return [seconds / median(times) for seconds in times]


def _figure(
    entrant: Entrant, found: Figure, times: list[float] | None, pace: list[float], job: Job
) -> Figure:
    if times is None:
        return found
    steady = [seconds / slow for seconds, slow in zip(times, pace, strict=False)] or times
    micros = median(steady) / (entrant.samples or job.items) * 1e6
    return Figure(found.name, found.role, micros, found.remark)


def _why(error: Exception) -> str:
    if isinstance(error, Refused):
        return str(error)
    return f"raises {type(error).__name__}"


def _wrong(outcome: Any, expected: Any) -> str:
    if isinstance(outcome, int) and isinstance(expected, int):
        return f"WRONG: {outcome:,} of {expected:,}"
    return "WRONG: another result"
