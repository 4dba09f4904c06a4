"""
Compare with other libraries in one process and one run; write RESULTS.md and results.svg.

The contenders take turns, round by round, after a warm-up round; a figure is the median of the
rounds. The report lists missing contenders and marks wrong results and unsupported streams.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import client_cost
import counting
import footprint
import growth
import partial_json
import plot
import report
import sdk_sources
import tool_input
from goals import Results
from measure import Missing, Row, version
from stream_tables import TASKS, by_shape, by_size, entrants
from workers import Workers

import sseparse

HERE = Path(__file__).parent
PACKAGES = (
    *("msgspec", "attrs", "httpx-sse", "httpx2", "openai", "anthropic", "sseclient-py", "assel"),
    *("launchdarkly-eventsource", "litellm", "langchain-core", "jiter", "tiktoken", "f3dx"),
)


def report_progress(text: str) -> None:
    """Print progress to standard error."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def processor() -> str:
    """Return the processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def revision() -> str:
    """Return the measured commit, if git is available."""
    command = ["git", "-C", str(HERE), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - git
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f" at {done.stdout.strip()}"


def core(accelerated: object) -> str:
    return "compiled core" if accelerated else "pure Python core"


def describe(workers: Workers, rounds: int, load: float) -> str:
    """Return the description of the machine, the versions and the method."""
    try:
        about = workers.node().about
        node = f"Node {about['node']}, eventsource-parser {about['version']}"
    except Missing as error:
        node = f"Node's eventsource-parser left out: {error}"
    in_use = core(getattr(sseparse, "ACCELERATED", False))
    pure = core(workers.pure().about["accelerated"])
    system = f"{platform.system()}, {platform.python_implementation()} {platform.python_version()}"
    busy = f"Load of the machine before and after: {load:.2f} and {os.getloadavg()[0]:.2f}"
    packages = ", ".join(version(package) for package in PACKAGES)
    return (
        f"* {time.strftime('%Y-%m-%d')}, {processor()}, {os.cpu_count()} cores, {system}\n"
        f"* sseparse {sseparse.__version__}{revision()}, {in_use}; "
        f'"sseparse, pure Python" is a process with SSEPARSE_PURE=1: {pure}\n'
        f"* {packages}\n"
        f"* {busy}\n"
        f"* {node}\n"
        f"* Medians of up to {rounds} rounds (at least 3 if rounds are slow) after a warm-up "
        "round. The contenders take turns, and each turn is compared with the turn of sseparse in "
        "the same round, because the clock rate of the machine varies. Garbage is collected before "
        "each turn and not during it. Times are processor times, which equal elapsed times on an "
        "idle machine; for Node, the smaller of both, after three more warm-up rounds."
    )


def run(workers: Workers, missing: dict[str, str], options: argparse.Namespace) -> Results:
    """Measure everything."""
    count, rounds, fewer = (300, 3, 10) if options.quick else (2000, options.rounds, 1)
    sizes: dict[str, list[Row]] = {}
    shapes: dict[str, list[Row]] = {}
    for task in TASKS:
        report_progress(task.title)
        found = entrants(task, workers, missing)
        sizes[task.name] = by_size(task, found, count, rounds)
        if task.all_shapes:
            report_progress(f"{task.title}: every shape")
            shapes[task.name] = by_shape(task, found, count // 4, min(rounds, 5))
    report_progress("partial JSON")
    partial = partial_json.measure(min(rounds, 5), missing)
    report_progress("tool input")
    inputs = tool_input.measure(rounds, missing)
    report_progress("official SDKs")
    sources = sdk_sources.measure(min(rounds, 5), missing)
    report_progress("token counter")
    counter = counting.measure(min(rounds, 5), missing)
    report_progress("clients")
    clients = client_cost.measure(rounds, missing)
    report_progress("growth")
    grown = growth.growths(min(rounds, 7), fewer)
    report_progress("footprint")
    held = footprint.measure(15 if not options.quick else 3)
    return Results(sizes, shapes, partial, counter, inputs, sources, grown, clients, held)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--quick", action="store_true", help="few rounds and small streams")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the report")
    options = parser.parse_args()
    missing: dict[str, str] = {}
    with Workers() as workers:
        load = os.getloadavg()[0]
        results = run(workers, missing, options)
        header = describe(workers, options.rounds, load)
    text = report.render(results, header, missing)
    print(text, end="")
    (options.out / "RESULTS.md").write_text(text)
    plot.draw(results, options.out / "results.svg")


if __name__ == "__main__":
    main()
