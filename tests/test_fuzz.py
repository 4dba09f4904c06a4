"""Tests of the fuzzing target, with saved and with random inputs, without a fuzzer."""

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
    """Import a module from the folder `fuzz`, which isn't a package."""
    spec = importlib.util.spec_from_file_location(name, HERE.parent / "fuzz" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


target, grammar = load("target"), load("grammar")
event_target, event_grammar = load("event_target"), load("event_grammar")


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.name)
def test_saved_inputs(path: Path) -> None:
    """Inputs that revealed bugs pass."""
    target.check(path.read_bytes())


@settings(max_examples=150)
@given(st.binary(min_size=2, max_size=2), st.randoms(use_true_random=False))
def test_random_streams(options: bytes, draw: random.Random) -> None:
    """Random streams pass with random options."""
    target.check(options + grammar.BodyGenerator(draw).body())


@pytest.mark.parametrize("api", event_target.APIS)
@settings(max_examples=150)
@given(options=st.binary(min_size=2, max_size=2), draw=st.randoms(use_true_random=False))
def test_random_streams_of_typed_events(options: bytes, draw: random.Random, api: str) -> None:
    """Random streams of each API pass with random options."""
    event_target.check(options + event_grammar.EventStreamGenerator(draw, api).body(), api)


@settings(max_examples=100)
@given(st.binary(max_size=40))
def test_any_bytes(data: bytes) -> None:
    """Random bytes pass."""
    target.check(data)


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from(grammar.RAW), max_size=12).map(b"".join),
    st.binary(min_size=2, max_size=2),
)
def test_tokens_in_any_order(body: bytes, options: bytes) -> None:
    """Tokens of streams and of JSON pass in any order."""
    target.check(options + body)


@pytest.mark.parametrize("seed", range(50))
def test_mutated_inputs(seed: int) -> None:
    """Mutated inputs pass."""
    draw = random.Random(seed)  # noqa: S311 - repeatable
    data = draw.randbytes(2) + grammar.BodyGenerator(draw).body()
    for _ in range(4):
        data = grammar.mutate(data, draw, target.HEAD, grammar.BodyGenerator)
        target.check(data)


def test_failure_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message of a failed check shows both values."""
    numbers = itertools.count()
    monkeypatch.setattr(target.ChunkParser, "retry", property(lambda _: next(numbers)))

    with pytest.raises(
        AssertionError,
        match=r"(?s)the state of ChunkParser must not depend on the cuts.*got: .*expected: ",
    ):
        target.check(b"\0\0data: {}\n\n")
