"""Tests of the layers: which modules import which, and how large they are."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "sseparse"
RANKS = {
    "ground": 1,
    "sse": 2,
    **dict.fromkeys(("payloads", "adapters", "tokens"), 3),
    **dict.fromkeys(("streams", "timing"), 4),
    **dict.fromkeys(("chunks", "messages", "responses", "_recognize.py"), 5),
    **dict.fromkeys(("moderation", "reconnect"), 6),
    "testing": 7,
    **dict.fromkeys(("cli", "_pytest_plugin.py"), 8),
}
DEPENDENCIES = {
    **{name: {"attrs"} for name in ("ground", "sse")},
    **{
        name: {"attrs", "msgspec"}
        for name in ("payloads", "chunks", "messages", "responses", "streams", "moderation")
    },
    "tokens": {"attrs", "msgspec", "tiktoken"},
    "timing": {"attrs", "msgspec", "matplotlib"},
}
IO_MODULES = [
    *("socket", "ssl", "asyncio", "selectors", "http", "urllib3", "h11", "trio", "anyio"),
    *("httpx", "httpx2", "requests", "aiohttp", "rich", "tiktoken", "matplotlib"),
]


def layer_of(path: Path) -> str:
    top = path.relative_to(SRC).parts[0]
    return top if top in RANKS else "ground"


def imports_of(path: Path) -> set[str]:
    """Return the packages that a module imports, at the top or in a function."""
    package = ["sseparse", *path.relative_to(SRC).parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            parts = [*base, *(node.module.split(".") if node.module else ())]
            if parts[0] != "sseparse":
                found.add(parts[0])
            elif parts[1:]:
                found.add(parts[1] if parts[1] in RANKS else "ground")
            else:
                found |= {alias.name if alias.name in RANKS else "ground" for alias in node.names}
    return found


@pytest.mark.parametrize(
    "path",
    [path for path in SRC.rglob("*.py") if path.parent != SRC or path.name.startswith("_")],
    ids=lambda path: str(path.relative_to(SRC)),
)
def test_layers(path: Path) -> None:
    """A module imports only from its own package, lower layers and allowed dependencies."""
    if path in (SRC / "__init__.py", SRC / "__main__.py"):
        return  # they export names of all packages
    layer = layer_of(path)
    imported = imports_of(path)

    assert all(RANKS[name] < RANKS[layer] for name in (imported & {*RANKS}) - {layer})
    if layer in DEPENDENCIES:
        if path.name in ("_json.py", "_estimate.py"):
            imported -= {"msgspec", "tiktoken"}
        outside = imported - {*RANKS} - sys.stdlib_module_names
        assert outside <= DEPENDENCIES[layer] | {"typing_extensions"}


IMPORTERS = {
    "_lazy.py": "the names of a package",
    "adapters/_registry.py": "the adapter of a response",
    "cli/_arguments.py": "whether an extra is installed",
    "cli/_chat.py": "whether an extra is installed",
    "cli/_main.py": "the command to run, and whether an extra is installed",
    "testing/_replay.py": "the library of a content encoding",
    "tokens/_vocabularies.py": "tiktoken",
}
"""Modules that import by name, and what they import: never another package of sseparse."""


def test_imports_by_name_are_known() -> None:
    """Only known modules use importlib, for names that are known at run time only."""
    found = {
        str(path.relative_to(SRC)) for path in SRC.rglob("*.py") if "importlib" in path.read_text()
    }
    assert found <= IMPORTERS.keys()


NEUTRAL = ("sse", "payloads", "streams", "adapters")
EXEMPT = re.compile(r"end\.finish_reasons|finish_reasons: Mapping|finish_reasons: The first")


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in [*SRC.glob("_*.py"), *(p for name in NEUTRAL for p in (SRC / name).rglob("*"))]
        if path.suffix in (".py", ".c")
        and path.name not in ("__init__.py", "__main__.py", "_recognize.py")
    ],
    ids=lambda path: str(path.relative_to(SRC)),
)
def test_shared_packages_are_independent_of_the_api(path: Path) -> None:
    """Terms of the chat API occur only in `chunks`, except for `End.finish_reasons`."""
    text = EXEMPT.sub("", path.read_text())
    words = re.findall(r"\[DONE\]|finish_reason|completion", text, re.IGNORECASE)
    assert words == []


@pytest.mark.parametrize(
    "module",
    [
        *("sseparse", "sseparse.chunks", "sseparse.streams", "sseparse.adapters"),
        *("sseparse.messages", "sseparse.moderation", "sseparse.responses", "sseparse.timing"),
    ],
)
def test_importing_loads_no_io(module: str) -> None:
    """No public name loads sockets, an event loop or an HTTP library."""
    code = (
        f"import {module} as package, sys\n"
        "for name in package.__all__: getattr(package, name)\n"
        f"print(*sorted(set({IO_MODULES!r}) & set(sys.modules)))"
    )

    # Coverage measurement would load other modules.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}

    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    ).stdout.split()

    assert loaded == []


@pytest.mark.parametrize(
    ("adapter", "libraries"),
    [
        *((f"adapters.{name}", "") for name in ("_httpx", "_read1", "_aiohttp")),
        ("adapters.sockets", "h11"),
        ("adapters.trio", "h11, trio"),
        ("adapters.anyio", "h11, anyio"),
        ("reconnect._sync", ""),
        ("reconnect._httpx2", "httpx2"),
    ],
)
def test_adapter_imports(adapter: str, libraries: str) -> None:
    """An adapter loads no other third-party package than its library, attrs and msgspec."""
    code = (
        f"import sys, attrs, msgspec\n{libraries and 'import ' + libraries}\n"
        f"before = set(sys.modules); import sseparse.{adapter}\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    # A library may load its own modules late. trio and anyio load sniffio to detect the loop.
    known = {"sseparse", "typing_extensions", "sniffio", *libraries.split(", ")}
    assert set(loaded) - sys.stdlib_module_names <= known


def test_modules_are_small() -> None:
    """No module has more than 520 lines, no function more than 60."""
    for path in SRC.rglob("*.py"):
        text = path.read_text()
        assert text.count("\n") <= 520, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.lineno <= 60, f"{path}: {node.name}"
