"""Tests of the notebook and of the script that builds it."""

import contextlib
import importlib.util
import io
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import model
from sseparse.testing import ReplayServer

ROOT = Path(__file__).parents[2]


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


maker = load(ROOT / "docs" / "make_notebook.py")


def test_notebook_is_up_to_date() -> None:
    """The notebook equals the output of docs/make_notebook.py."""
    made = maker.as_file(maker.make_notebook(maker.PAGE.read_text()))
    assert maker.NOTEBOOK.read_text() == made


def test_cells() -> None:
    """Each code block is a cell with its output, and all other text is in Markdown cells."""
    code = "```sh\npip install x\n```\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n"
    page = f"# One\n\n{code}\n[a](b.md)\n"

    cells = maker.make_notebook(page)["cells"]

    assert [(cell["cell_type"], "".join(cell["source"])) for cell in cells] == [
        ("markdown", "# One"),
        ("code", "%pip install x"),
        ("code", "print(1)"),
        ("markdown", "[a](../docs/b.md)"),
    ]
    assert [output["text"] for output in cells[2]["outputs"]] == [["1\n"]]


def test_notebook_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vocabularies: Path) -> None:
    """All cells run in order against a server with the API's responses."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    cells = json.loads(maker.NOTEBOOK.read_text())["cells"]
    codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed = io.StringIO()

    with ReplayServer(model.answer) as server, contextlib.redirect_stdout(printed):
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        for code in codes:
            if not code.startswith("%pip"):
                exec(compile(code, "notebook", "exec"), namespace)  # noqa: S102 - our own notebook

    assert "Full response received" in printed.getvalue()
    assert {path.name for path in tmp_path.iterdir()} == {"count-to-100.svg", "both.svg"}
    paths = [request.path for request in server.requests]
    assert {*paths} == {"/v1/chat/completions", "/v1/completions"}
    assert all(request.headers["authorization"] == "Bearer none" for request in server.requests)
