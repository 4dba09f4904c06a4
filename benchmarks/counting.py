"""
Token counts of a growing text: microseconds per chunk, with a count after each.

sseparse encodes the part of the text that can't change any more once. The other contender encodes
the entire text again after each chunk; it is measured at chunks spread evenly over the text, and
the figure is the mean. The vocabularies come from a package; nothing is downloaded.
"""

import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen
from measure import Contender, Entrant, Job, Prepare, Row, gather, local, take_turns

VOCABULARIES = Path(__file__).parents[1] / "tests" / "vocabularies.py"
"""Shared with the tests."""
CHUNK = 4
"""Characters in a chunk: about one token."""
SAMPLES = 40
SIZE = 4_000
ENCODINGS = ("cl100k_base", "o200k_base")
TEXTS = {
    "prose": (
        "It's the quick brown fox, jumping over 12 lazy dogs; \u201cwhy?\u201d nobody knows.\n\n"
    ),
    "code": "def total(rows):\n    return sum(row.price * row.count for row in rows)\n\n\n",
    "Chinese": (
        "\u4f60\u597d\uff0c\u6211\u662f\u4e00\u4e2a\u8bed\u8a00\u6a21\u578b\u3002"
        "\u6211\u53ef\u4ee5\u56de\u7b54\u95ee\u9898\uff01"
    ),
    "one run of letters": "a",
}
RUNS = {"one run of letters"}
"""Texts without a place to cut, which sseparse encodes again too; measured at a smaller size."""


@frozen
class Text:
    """
    A text to count.

    Attributes:
        encoding: A `tiktoken.Encoding`.
        chunks: The pieces of the text.
    """

    encoding: Any
    chunks: list[str]


def _tests_vocabularies() -> Any:
    # Loaded by path, because `tests` contains folders with the names of other modules.
    spec = importlib.util.spec_from_file_location("vocabularies", VOCABULARIES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def offline() -> Iterator[None]:
    """Make tiktoken read its vocabularies from a temporary cache."""
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("TIKTOKEN_CACHE_DIR")
        _tests_vocabularies().write_vocabularies(Path(folder))
        os.environ["TIKTOKEN_CACHE_DIR"] = folder
        try:
            yield
        finally:
            os.environ.pop("TIKTOKEN_CACHE_DIR")
            if before is not None:
                os.environ["TIKTOKEN_CACHE_DIR"] = before


def count_tokens(*, at_each: bool) -> Prepare:
    from sseparse.tokens import TokenCounter

    def prepare(text: Text) -> Callable[[], int]:
        def run() -> int:
            counter = TokenCounter(text.encoding)
            for chunk in text.chunks:
                counter.add(chunk)
                if at_each:
                    _ = counter.count
            return counter.count

        return run

    return local(prepare)


def encode_again() -> Prepare:
    def prepare(text: Text) -> Callable[[], None]:
        full = "".join(text.chunks)
        step = len(full) / SAMPLES
        parts = [full[: int(step * (number + 0.5))] for number in range(SAMPLES)]

        def run() -> None:
            for part in parts:
                _ = len(text.encoding.encode_ordinary(part))

        return run

    return local(prepare)


CONTENDERS = (
    Contender("sseparse, the count at each", "ours", lambda: count_tokens(at_each=True)),
    Contender("sseparse, the count at the end", "aside", lambda: count_tokens(at_each=False)),
    Contender("tiktoken, all anew at each", "peer", encode_again, samples=SAMPLES),
)


def measure(rounds: int, missing: dict[str, str]) -> list[Row]:
    """Measure each text in each encoding."""
    try:
        import tiktoken

        with offline():
            encodings = [tiktoken.get_encoding(name) for name in ENCODINGS]
    except (ImportError, OSError, AssertionError) as error:
        missing["token counter"] = f"not measured: {error}"
        return []
    found = gather(CONTENDERS, missing)
    return [_row(found, encoding, name, rounds) for encoding in encodings for name in TEXTS]


def _row(found: list[Entrant], encoding: Any, name: str, rounds: int) -> Row:
    size = SIZE // 4 if name in RUNS else SIZE
    full = (TEXTS[name] * (size * CHUNK))[: size * CHUNK]
    chunks = [full[at : at + CHUNK] for at in range(0, len(full), CHUNK)]
    given = Job(Text(encoding, chunks), len(chunks), len(encoding.encode_ordinary(full)))
    return Row(f"{encoding.name}, {name}, {size:,} chunks", take_turns(found, given, rounds))
