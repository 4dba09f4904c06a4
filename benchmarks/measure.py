"""
Timing of contenders that take turns.

Times are processor times of all threads, so other processes don't affect them much. No task waits.

The garbage collector runs before each turn and is off during it. Existing objects are frozen, so
that its passes don't depend on the number of loaded libraries.
"""

import gc
import time
from collections.abc import Callable, Iterable
from importlib import metadata
from statistics import median
from typing import Any, Literal

from attrs import frozen

Role = Literal["ours", "pure", "floor", "peer", "node", "aside"]
"""Role of a contender. One that is "aside" is shown, but no ratio is relative to it."""
Turn = Callable[[], tuple[float, Any]]
"""Run the task once; return the seconds it took and its result."""
Prepare = Callable[[Any], Turn]
"""Create turns of a task on an input."""

MAX_SECONDS = 4.0
"""Maximum seconds of all rounds of a contender, except for the minimum number of rounds."""
MIN_ROUNDS = 3


class Missing(Exception):
    """A contender isn't available, for the given reason."""


class Refused(Exception):
    """A contender doesn't support the task, for the given reason."""


@frozen
class Contender:
    """
    An implementation to measure.

    Attributes:
        name: Name in the tables.
        role: Role in the comparison.
        load: Function that imports the dependencies and returns a function that creates turns of
            a job. Raises ImportError or Missing.
        samples: Number of items that are measured; None for all.
    """

    name: str
    role: Role
    load: Callable[[], Prepare]
    samples: int | None = None


@frozen
class Entrant:
    """A contender that is available."""

    name: str
    role: Role
    prepare: Prepare
    samples: int | None


@frozen
class Figure:
    """
    Result of a contender.

    Attributes:
        name: The contender.
        role: Role in the comparison.
        micros: Microseconds per item, or None if it doesn't support the task.
        remark: Why the result is wrong or missing; "" if it is correct.
    """

    name: str
    role: Role
    micros: float | None
    remark: str = ""


@frozen
class Job:
    """
    Input of the contenders of a table.

    Attributes:
        data: Input of each contender.
        items: Number of items in it.
        expected: Expected result.
    """

    data: Any
    items: int
    expected: Any


@frozen
class Row:
    """
    Figures of a row of a table.

    Attributes:
        label: Size of the feeds, shape or text.
        figures: Result of each contender.
    """

    label: str
    figures: list[Figure]


def count(items: Iterable[object]) -> int:
    """Return the number of items, without storing them."""
    seen = 0
    for _ in items:
        seen += 1
    return seen


def local(task: Callable[[Any], Callable[[], Any]]) -> Prepare:
    """Return a function that creates turns of a task in this process."""

    def prepare(data: Any) -> Turn:
        run = task(data)

        def turn() -> tuple[float, Any]:
            start = time.process_time()
            outcome = run()
            return time.process_time() - start, outcome

        return turn

    return prepare


def on_feeds(task: Callable[[list[bytes]], Any]) -> Prepare:
    """Return a function that creates turns of a task on the feeds of a stream."""
    return local(lambda stream: lambda: task(stream.feeds))


def decoding(decode: Callable[[bytes], object], payloads: Iterable[bytes]) -> Callable[[], int]:
    """Return a function that only decodes payloads, and returns their number."""

    def run() -> int:
        seen = 0
        for payload in payloads:
            decode(payload)
            seen += 1
        return seen

    return run


def version(package: str) -> str:
    """Return the name of a package and its version, if it's installed."""
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"{package} absent"


def gather(contenders: Iterable[Contender], missing: dict[str, str]) -> list[Entrant]:
    """Load the contenders; record the reason for each missing one."""
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
    """Return the minimum time of several rounds, in nanoseconds."""
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
    """Exclude existing objects from garbage collection, and turn off automatic collection."""
    gc.disable()
    gc.collect()
    gc.freeze()


def take_turns(entrants: list[Entrant], job: Job, rounds: int) -> list[Figure]:
    """Warm up all contenders, then run them in turns; return the median of each."""
    figures: dict[str, Figure] = {}
    turns: dict[str, Turn] = {}
    left: dict[str, int] = {}
    for entrant in entrants:
        try:
            turn = entrant.prepare(job.data)
            seconds, outcome = turn()
        except Exception as error:  # a peer can raise any exception, which the table shows
            figures[entrant.name] = Figure(entrant.name, entrant.role, None, _reason_of(error))
            continue
        turns[entrant.name] = turn
        left[entrant.name] = max(min(rounds, int(MAX_SECONDS / seconds)), min(MIN_ROUNDS, rounds))
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
    Return the relative slowness of the machine in each round, from the times of the same task.

    The clock rate can halve for minutes, so a turn is only comparable with ours of the same round.
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


def _reason_of(error: Exception) -> str:
    if isinstance(error, Refused):
        return str(error)
    return f"raises {type(error).__name__}"


def _wrong(outcome: Any, expected: Any) -> str:
    if isinstance(outcome, int) and isinstance(expected, int):
        return f"WRONG: {outcome:,} of {expected:,}"
    return "WRONG: unexpected result"
