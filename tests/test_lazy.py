"""The packages load their parts when they are first asked for, and show all of them at once."""

import ast
import pickle
import subprocess
import sys
from importlib import import_module
from importlib.util import resolve_name
from pathlib import Path

import pytest

import sseparse

SRC = Path(__file__).parents[1] / "src" / "sseparse"
PACKAGES = ["sseparse", "sseparse.chunks"]


def fresh(code: str) -> list[str]:
    """Run code in an interpreter of its own; return the words that it prints."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()


def typed_imports(package: str) -> dict[str, str]:
    """Find what type checkers are told: each name, and the module that it is from."""
    path = SRC.joinpath(*package.split(".")[1:], "__init__.py")
    return {
        alias.name: resolve_name("." * node.level + node.module, package)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level and node.module
        for alias in node.names
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_see_what_is_there(package: str) -> None:
    """Each name is the one of the module that the type checkers take it from; none is missing."""
    loaded, seen = import_module(package), typed_imports(package)

    assert set(seen) == {name for name in loaded.__all__ if not name.startswith("_")}
    for name, module in seen.items():
        assert getattr(loaded, name) is getattr(import_module(module), name), name


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_is_found_in_a_fresh_interpreter(package: str) -> None:
    """`from sseparse import *` and `dir()` have all of `__all__`, whatever was loaded before."""
    code = (
        f"import {package} as package; listed = dir(package); from {package} import *;"
        "print(set(package.__all__) <= set(listed), set(package.__all__) <= set(globals()))"
    )

    assert fresh(code) == ["True", "True"]
    assert set(dir(import_module(package))) >= set(import_module(package).__all__)


def test_only_what_is_asked_for_is_loaded() -> None:
    """A parser of events loads no chunks, and importing alone not even what values are made of."""
    code = (
        "import sys, sseparse\n"
        "def loaded(): return [name in sys.modules for name in ('attrs', 'msgspec')]\n"
        "print(*loaded()); sseparse.Parser; print(*loaded(), 'sseparse.chunks' in sys.modules)"
    )

    assert fresh(code) == ["False", "False", "True", "False", "False"]


def test_packages_are_attributes() -> None:
    """`import sseparse` is enough to reach the packages of chunks and of streams."""
    code = "import sseparse; print(sseparse.chunks.__name__, sseparse.streams.__name__)"

    assert fresh(code) == ["sseparse.chunks", "sseparse.streams"]


@pytest.mark.parametrize("package", PACKAGES)
def test_unknown_names(package: str) -> None:
    """A name that is not there is an AttributeError that names it and the package."""
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Parsre'"):
        _ = import_module(package).Parsre


def test_found_once() -> None:
    """What was asked for is from then on an attribute like any other, and may be pickled."""
    found = sseparse.Event

    assert vars(sseparse)["Event"] is found
    assert pickle.loads(pickle.dumps(found)) is found
