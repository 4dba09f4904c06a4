"""The laws of the fuzzing target hold, without a fuzzer: for what was found once, and by chance."""

import importlib.util
import itertools
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

HERE = Path(__file__).parent
INPUTS = sorted((HERE / "data" / "fuzz").iterdir())


def load(name: str) -> ModuleType:
    """Import a module of the folder `fuzz`, which is no package."""
    spec = importlib.util.spec_from_file_location(name, HERE.parent / "fuzz" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


target, grammar = load("target"), load("grammar")


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.name)
def test_what_was_found_once(path: Path) -> None:
    """Findings stay mended."""
    target.check(path.read_bytes())


@settings(max_examples=150)
@given(st.binary(min_size=2, max_size=2), st.randoms(use_true_random=False))
def test_streams_made_by_chance(options: bytes, draw: random.Random) -> None:
    """Whatever stream comes, with whatever options."""
    target.check(options + grammar.Maker(draw).body())


@settings(max_examples=100)
@given(st.binary(max_size=40))
def test_any_bytes(data: bytes) -> None:
    """Whatever bytes come."""
    target.check(data)


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from(grammar.RAW), max_size=12).map(b"".join),
    st.binary(min_size=2, max_size=2),
)
def test_tokens_in_any_order(body: bytes, options: bytes) -> None:
    """Whatever order the pieces of streams and of JSON come in."""
    target.check(options + body)


@pytest.mark.parametrize("seed", range(50))
def test_the_mutator(seed: int) -> None:
    """What the fuzzer makes of an input is an input."""
    draw = random.Random(seed)  # noqa: S311 - it is to be the same each time
    data = draw.randbytes(2) + grammar.Maker(draw).body()
    for _ in range(4):
        data = grammar.mutated(data, draw, target.HEAD)
        target.check(data)


def test_a_broken_law_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What differs is shown."""
    numbers = itertools.count()
    monkeypatch.setattr(target.ChunkParser, "retry", property(lambda _: next(numbers)))

    with pytest.raises(
        AssertionError, match=r"(?s)the cuts do not matter to the state.*got: .*expected: "
    ):
        target.check(b"\0\0data: {}\n\n")
