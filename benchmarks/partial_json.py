"""
Measure a look at JSON that is still arriving: microseconds a delta, the look after it included.

Ours goes on where it stopped. The others parse all that came anew at each look, so for many
deltas they are measured at looks spread evenly over the stream, and the mean is the figure. Each
figure is the least of three rounds. A contender that is not installed is said and left out.
"""

import gc
import json
import platform
import time
from collections.abc import Callable
from functools import partial
from importlib import metadata
from typing import Any

import sseparse
from sseparse.chunks import PartialJSON

ROUNDS = 3
DELTA = 4
"""Characters in a delta: about a token."""
SAMPLES = 60
SIZES = (1_000, 8_000, 64_000)
Look = Callable[[Any], object]


def many_keys(length: int) -> str:
    row = {"id": 12345, "name": "item", "ok": True, "tags": ["a", "b"], "size": {"w": 1.5, "h": -2}}
    rows = [row] * (length // len(json.dumps(row)) + 1)
    return json.dumps({"rows": rows})


def ascii_string(length: int) -> str:
    return json.dumps({"path": "main.py", "content": "total = price * count + " * (length // 24)})


def emoji_string(length: int) -> str:
    text = "h\u00e9llo \U0001f600 \u4f60\u597d, " * (length // 12)
    return json.dumps({"path": "main.py", "content": text}, ensure_ascii=False)


WORKLOADS: dict[str, Callable[[int], str]] = {
    "many keys": many_keys,
    "one string, ASCII": ascii_string,
    "one string, emoji": emoji_string,
}


def langchain_look() -> Look:
    from langchain_core.utils.json import parse_partial_json

    look: Look = parse_partial_json
    return look


def jiter_look() -> Look:
    import jiter

    return lambda data: jiter.from_json(data, partial_mode="trailing-strings")


PEERS: dict[str, tuple[Callable[[], Look], Callable[[str], Any]]] = {
    "langchain-core": (langchain_look, str),
    "jiter": (jiter_look, str.encode),
}
"""What makes the look, and what makes its argument of a text, which is not measured."""


def ours(text: str) -> float:
    """Feed the deltas, and look after each."""
    deltas = [text[at : at + DELTA] for at in range(0, len(text), DELTA)]
    parser = PartialJSON()
    start = time.perf_counter()
    for delta in deltas:
        parser.feed(delta)
        _ = parser.value
    seconds = time.perf_counter() - start
    assert parser.complete
    return seconds / len(deltas) * 1e6


def anew(look: Look, argument: Callable[[str], Any], text: str) -> float:
    """Parse some of the prefixes that a look after each delta would parse."""
    # From the middle of the first part on, so that the mean is that of all.
    step = len(text) / SAMPLES
    prefixes = [argument(text[: int(step * (number + 0.5))]) for number in range(SAMPLES)]
    start = time.perf_counter()
    for prefix in prefixes:
        look(prefix)
    return (time.perf_counter() - start) / SAMPLES * 1e6


def contenders() -> dict[str, Callable[[str], float]]:
    found: dict[str, Callable[[str], float]] = {"sseparse": ours}
    versions = [f"sseparse {sseparse.__version__}"]
    for name, (make, argument) in PEERS.items():
        try:
            found[name] = partial(anew, make(), argument)
        except ImportError as error:
            versions.append(f"{name} absent ({error.name})")
        else:
            versions.append(f"{name} {metadata.version(name)}")
    print(f"CPython {platform.python_version()}, {', '.join(versions)}")
    return found


def main() -> None:
    # The collector's passes depend on what else is alive.
    gc.disable()
    works = contenders()
    print(f"\n\u00b5s a delta of {DELTA} characters, with a look at each; in brackets, times ours")
    print(f"(those that parse anew: mean of {SAMPLES} looks, spread evenly)\n")
    print(f"{'workload':>18}  {'deltas':>7}  " + "  ".join(f"{name:>22}" for name in works))
    for workload, make in WORKLOADS.items():
        for size in SIZES:
            text = make(size * DELTA)
            figures = [min(work(text) for _ in range(ROUNDS)) for work in works.values()]
            cells = (f"{figure:12.2f} ({figure / figures[0]:8.1f}x)" for figure in figures)
            print(
                f"{workload:>18}  {len(text) // DELTA:>7}  "
                + "  ".join(f"{cell:>22}" for cell in cells)
            )


if __name__ == "__main__":
    main()
