"""
Search for inputs that violate a property, guided by coverage.

    python fuzz/fuzz_items.py --seconds 600
    python fuzz/fuzz_items.py --api messages --seconds 600
    python fuzz/fuzz_items.py FILE

The first commands search, the last checks saved inputs again. The search ends at the first
finding; with --keep-going it continues and keeps the shortest input of each kind of finding. The
exit status is 1 if there are findings.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
import traceback
from functools import partial
from hashlib import sha256
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit(
        "atheris is not installed: pip install 'atheris>=3.0'. It has wheels for CPython 3.11 to "
        "3.13 on Linux; on other systems, tests/test_fuzz.py checks the same properties."
    )

with atheris.instrument_imports(include=["sseparse"]):
    import sseparse  # noqa: F401 - imported here to be instrumented

import event_grammar
import event_target
import grammar
import target

_DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
SEEDS = {"chunks": _DATA / "fuzz", **{api: _DATA / f"fuzz-{api}" for api in event_target.APIS}}
"""The folder of the saved inputs of each API."""
SLOW = 5.0
"""Seconds after which an input counts as slow."""
PROGRESS = 5000
"""Executions between two progress messages."""
TIMEOUT = 60
"""Seconds after which libFuzzer aborts an input."""
MEMORY = 2048
"""Memory limit in MiB."""


class Search:
    """
    A search that saves the inputs that violate a property.

    Args:
        api: The API whose streams are searched.
        folder: Folder of the findings.
        seconds: Duration of the search.
        keep_going: Whether to continue after the first finding.
    """

    def __init__(self, api: str, folder: Path, seconds: float, *, keep_going: bool) -> None:
        self._api = api
        self._folder = folder
        self._seconds = seconds
        self._keep_going = keep_going
        self._began = time.perf_counter()
        self._lengths: dict[str, int] = {}
        self._executions = 0

    def run(self, data: bytes) -> None:
        """Check an input; end the search after its duration or a finding."""
        self._executions += 1
        started = time.perf_counter()
        failure = failure_of(data, self._api)
        ended = time.perf_counter()
        if failure is None and ended - started > SLOW:
            failure = "slow", f"took {ended - started:.1f} seconds"
        if failure is not None:
            self._save(data, *failure)
        if self._executions % PROGRESS == 0:
            print(f"{self._executions} executions", flush=True)
        if ended - self._began > self._seconds or (self._lengths and not self._keep_going):
            self._end(ended - self._began)

    def mutate(self, data: bytes, max_size: int, seed: int) -> bytes:
        """Change an input with the grammar or with libFuzzer."""
        draw = random.Random(seed)
        if draw.randrange(3):
            make = partial(event_grammar.EventStreamGenerator, api=self._api)
            generator = grammar.BodyGenerator if self._api == "chunks" else make
            return grammar.mutate(data, draw, target.HEAD, generator)[:max_size]
        changed: bytes = atheris.Mutate(data, max_size)
        return changed

    def _save(self, data: bytes, kind: str, message: str) -> None:
        known = self._lengths.get(kind)
        if known is not None and len(data) >= known:
            return
        self._lengths[kind] = len(data)
        path = self._folder / f"finding-{sha256(kind.encode()).hexdigest()[:8]}"
        path.write_bytes(data)
        if known is None:
            print(f"\n{message}\nfinding: {kind}\nsaved: {path}", flush=True)

    def _end(self, seconds: float) -> None:
        rate = self._executions / seconds
        print(
            f"\n{self._executions} executions in {seconds:.0f} seconds, {rate:.0f} a second; "
            f"{len(self._lengths)} findings{f' in {self._folder}' if self._lengths else ''}",
            flush=True,
        )
        # libFuzzer has no function that stops it.
        os._exit(bool(self._lengths))


def failure_of(data: bytes, api: str) -> tuple[str, str] | None:
    """Return the kind of the failure of an input and its message, or None."""
    try:
        if api == "chunks":
            target.check(data)
        else:
            event_target.check(data, api)
    except AssertionError as error:
        rule = str(error).partition("\n")[0]
        return rule.partition(": ")[0], str(error)
    except Exception as error:  # any other exception is a finding
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {where.name}", traceback.format_exc()
    return None


def start(run: Search, folder: Path, corpus: list[Path], seed: int) -> None:
    """Search; libFuzzer itself saves inputs that exceed its time or memory limit."""
    arguments = [
        f"-artifact_prefix={folder}{os.sep}",
        f"-dict={Path(__file__).parent / 'sse.dict'}",
        f"-timeout={TIMEOUT}",
        f"-rss_limit_mb={MEMORY}",
        "-max_len=4096",
        f"-seed={seed}",
        "-verbosity=0",
        *map(str, corpus),
    ]
    atheris.Setup([sys.argv[0], *arguments], run.run, custom_mutator=run.mutate)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="saved inputs to check again")
    parser.add_argument(
        "--api", choices=SEEDS, default="chunks", help="the API of the streams; default: chunks"
    )
    parser.add_argument("--seconds", type=float, default=600, help="duration of the search")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the search; 0 for a random one"
    )
    parser.add_argument("--keep-going", action="store_true", help="continue after a finding")
    parser.add_argument("--folder", type=Path, help="folder of the findings and the corpus")
    options = parser.parse_args()
    if options.files:
        failures = [check_again(path, options.api) for path in options.files]
        sys.exit(any(failures))
    folder = options.folder or Path(tempfile.mkdtemp(prefix="sseparse-fuzz-"))
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    # libFuzzer writes to the first folder and reads all of them.
    run = Search(options.api, folder, options.seconds, keep_going=options.keep_going)
    seeds = [SEEDS[options.api]] if SEEDS[options.api].exists() else []
    start(run, folder, [corpus, *seeds], options.seed)


def check_again(path: Path, api: str) -> bool:
    """Check a saved input; return whether it violates a property."""
    failure = failure_of(path.read_bytes(), api)
    print(f"{path}: {'passed' if failure is None else failure[1]}")
    return failure is not None


if __name__ == "__main__":
    main()
