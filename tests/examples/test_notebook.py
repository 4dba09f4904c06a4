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
    code = "```sh\npip install '.[x]'\n```\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n"
    page = f"# One\n\n{code}\n[a](b/c.md)\n"

    cells = maker.make_notebook(page)["cells"]

    assert [(cell["cell_type"], "".join(cell["source"])) for cell in cells] == [
        ("markdown", "# One"),
        ("code", "%pip install '..[x]'"),
        ("code", "print(1)"),
        ("markdown", "[a](../docs/b/c.md)"),
    ]
    assert [output["text"] for output in cells[2]["outputs"]] == [["1\n"]]


def run_notebook() -> str:
    """Run the cells in order, except for the installation, and return what they printed."""
    cells = json.loads(maker.NOTEBOOK.read_text())["cells"]
    codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for code in codes:
            if not code.startswith("%pip"):
                exec(compile(code, "notebook", "exec"), namespace)  # noqa: S102 - our own notebook
    return printed.getvalue()


def test_notebook_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vocabularies: Path) -> None:
    """All cells run in order against the server that the environment names, with its key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    with ReplayServer(model.answer) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        printed = run_notebook()

    assert "298 tokens\n" in printed
    paths = [request.path for request in server.requests]
    assert {*paths} == {"/v1/chat/completions", "/v1/completions"}
    assert all(request.headers["authorization"] == "Bearer none" for request in server.requests)


def test_notebook_runs_with_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a server, a key and vocabularies, all cells run and say how to download these."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "empty"))
    monkeypatch.setattr("tiktoken.registry.ENCODINGS", {})

    assert 'TokenCounter("o200k_base", download=True)' in run_notebook()
