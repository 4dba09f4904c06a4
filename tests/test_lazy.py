"""Lazy loading of the packages' names."""

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
PACKAGES = [
    *("sseparse", "sseparse.chunks", "sseparse.messages", "sseparse.responses"),
    "sseparse.streams",
]


def run_fresh(code: str) -> list[str]:
    """Run code in a new interpreter and return the words it prints."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()


def typed_imports(package: str) -> dict[str, str]:
    """Return each name that type checkers see, with its module."""
    path = SRC.joinpath(*package.split(".")[1:], "__init__.py")
    return {
        alias.name: resolve_name("." * node.level + node.module, package)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level and node.module
        for alias in node.names
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_see_the_loaded_names(package: str) -> None:
    """Type checkers see all names of `__all__`, each from the module that is loaded."""
    loaded, seen = import_module(package), typed_imports(package)

    assert set(seen) == set(loaded.__all__)
    for name, module in seen.items():
        assert getattr(loaded, name) is getattr(import_module(module), name), name


@pytest.mark.parametrize("package", PACKAGES)
def test_names_in_a_new_interpreter(package: str) -> None:
    """`from sseparse import *` and `dir()` have all names of `__all__` before any is loaded."""
    code = (
        f"import {package} as package; listed = dir(package); from {package} import *;"
        "print(set(package.__all__) <= set(listed), set(package.__all__) <= set(globals()))"
    )

    assert run_fresh(code) == ["True", "True"]
    assert set(dir(import_module(package))) >= set(import_module(package).__all__)


def test_only_used_modules_are_loaded() -> None:
    """Importing the package loads no dependency, and `Parser` loads only attrs."""
    code = (
        "import sys, sseparse\n"
        "def loaded(): return [name in sys.modules for name in ('attrs', 'msgspec')]\n"
        "print(*loaded()); sseparse.Parser; print(*loaded(), 'sseparse.chunks' in sys.modules)"
    )

    assert run_fresh(code) == ["False", "False", "True", "False", "False"]


def test_streams_of_events_load_no_json_library() -> None:
    """`EventStream` needs attrs alone; msgspec is for the items of an API."""
    code = "import sys; from sseparse import EventStream; print('msgspec' in sys.modules)"

    assert run_fresh(code) == ["False"]


def test_packages_are_attributes() -> None:
    """`import sseparse` gives access to `sseparse.chunks` and `sseparse.streams`."""
    code = "import sseparse; print(sseparse.chunks.__name__, sseparse.streams.__name__)"

    assert run_fresh(code) == ["sseparse.chunks", "sseparse.streams"]


@pytest.mark.parametrize("package", PACKAGES)
def test_unknown_names(package: str) -> None:
    """An unknown name raises an AttributeError with the name and the package."""
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Parsre'"):
        _ = import_module(package).Parsre


def test_loaded_name_is_an_attribute() -> None:
    """A loaded name is an attribute of the package and can be pickled."""
    found = sseparse.Event

    assert vars(sseparse)["Event"] is found
    assert pickle.loads(pickle.dumps(found)) is found
