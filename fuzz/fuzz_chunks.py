"""
Look for inputs that break a law, guided by coverage.

    python fuzz/fuzz_chunks.py --seconds 600
    python fuzz/fuzz_chunks.py FILE

The first looks, the second checks one input again. The first finding ends the search; with
--keep-going the shortest input of each kind of finding is kept. The exit status is 1 where
anything was found.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
import traceback
from hashlib import sha256
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit(
        "fuzzing needs atheris, and it is not installed: pip install 'atheris>=3.0'. It has wheels "
        "for CPython 3.11 to 3.13 on Linux; elsewhere tests/test_fuzz.py checks the same laws."
    )

with atheris.instrument_imports(include=["sseparse"]):
    import sseparse  # noqa: F401 - imported here to be instrumented

import grammar
import target

SEEDS = Path(__file__).resolve().parents[1] / "tests" / "data" / "fuzz"
SLOW = 5.0
"""How many seconds one input may take."""
PULSE = 5000
"""After how many executions there is a sign of life."""
HANGS = 60
"""After how many seconds libFuzzer gives an input up."""
MEMORY = 2048
"""How many MiB may be in use."""


class Search:
    """
    Check inputs; keep those that break a law.

    Args:
        folder: Where to keep them.
        seconds: How long to search.
        keep_going: Whether to go on after the first.
    """

    def __init__(self, folder: Path, seconds: float, *, keep_going: bool) -> None:
        self._folder = folder
        self._seconds = seconds
        self._keep_going = keep_going
        self._began = time.perf_counter()
        self._lengths: dict[str, int] = {}
        self._executions = 0

    def run(self, data: bytes) -> None:
        """Check an input; end the search when it is time."""
        self._executions += 1
        began = time.perf_counter()
        failure = failure_of(data)
        ended = time.perf_counter()
        if failure is None and ended - began > SLOW:
            failure = "slow", f"took {ended - began:.1f} seconds"
        if failure is not None:
            self._keep(data, *failure)
        if self._executions % PULSE == 0:
            print(f"{self._executions} executions", flush=True)
        if ended - self._began > self._seconds or (self._lengths and not self._keep_going):
            self._end(ended - self._began)

    def _keep(self, data: bytes, kind: str, shown: str) -> None:
        known = self._lengths.get(kind)
        if known is not None and len(data) >= known:
            return
        self._lengths[kind] = len(data)
        path = self._folder / f"finding-{sha256(kind.encode()).hexdigest()[:8]}"
        path.write_bytes(data)
        if known is None:
            print(f"\n{shown}\nfinding: {kind}\nsaved: {path}", flush=True)

    def _end(self, seconds: float) -> None:
        rate = self._executions / seconds
        print(
            f"\n{self._executions} executions in {seconds:.0f} seconds, {rate:.0f} a second; "
            f"{len(self._lengths)} findings{f' in {self._folder}' if self._lengths else ''}",
            flush=True,
        )
        # libFuzzer would go on, and it has no way to be asked to stop.
        os._exit(bool(self._lengths))


def failure_of(data: bytes) -> tuple[str, str] | None:
    """Return what kind of failure an input gives, and what it shows; None for none."""
    try:
        target.check(data)
    except AssertionError as error:
        law = str(error).partition("\n")[0]
        return law.partition(": ")[0], str(error)
    except Exception as error:  # whatever escapes is a finding
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {where.name}", traceback.format_exc()
    return None


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Change an input: as the grammar has it, or else as libFuzzer does."""
    draw = random.Random(seed)
    if draw.randrange(3):
        return grammar.mutated(data, draw, target.HEAD)[:max_size]
    changed: bytes = atheris.Mutate(data, max_size)
    return changed


def start(run: Search, folder: Path, corpus: list[Path], seed: int) -> None:
    """Search until the time is up; libFuzzer itself saves what hangs or takes all memory."""
    arguments = [
        f"-artifact_prefix={folder}{os.sep}",
        f"-dict={Path(__file__).parent / 'sse.dict'}",
        f"-timeout={HANGS}",
        f"-rss_limit_mb={MEMORY}",
        "-max_len=4096",
        f"-seed={seed}",
        "-verbosity=0",
        *map(str, corpus),
    ]
    atheris.Setup([sys.argv[0], *arguments], run.run, custom_mutator=mutate)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="inputs to check once")
    parser.add_argument("--seconds", type=float, default=600, help="how long to search")
    parser.add_argument("--seed", type=int, default=0, help="repeat a search; 0 draws a seed")
    parser.add_argument("--keep-going", action="store_true", help="do not end at a finding")
    parser.add_argument("--folder", type=Path, help="where to keep findings and the corpus")
    options = parser.parse_args()
    if options.files:
        failures = [check_again(path) for path in options.files]
        sys.exit(any(failures))
    folder = options.folder or Path(tempfile.mkdtemp(prefix="sseparse-fuzz-"))
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    # libFuzzer writes to the first folder and reads the others, too.
    run = Search(folder, options.seconds, keep_going=options.keep_going)
    start(run, folder, [corpus, SEEDS], options.seed)


def check_again(path: Path) -> bool:
    """Check a saved input; tell whether it breaks a law."""
    failure = failure_of(path.read_bytes())
    print(f"{path}: {'holds' if failure is None else failure[1]}")
    return failure is not None


if __name__ == "__main__":
    main()
