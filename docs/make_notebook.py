"""
Generate the notebook in examples/ from the tutorial.

The page is the source, and a test compares the notebook with it. After you change the page, run:

    python docs/make_notebook.py
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "tutorial.md"
NOTEBOOK = Path(__file__).parents[1] / "examples" / "how_to_stream_completions.ipynb"

_FENCE = re.compile(r"^```(python|sh|text)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
# Links of the page are relative to docs/, and the notebook is in examples/.
_LINK = re.compile(r"\]\(([\w/-]+\.md)")


def make_notebook(page: str) -> dict[str, Any]:
    """Return the notebook of a page: its text, its code and the output that the page shows."""
    cells: list[dict[str, Any]] = []
    end = 0
    for fence in _FENCE.finditer(page):
        _add_text(cells, page[end : fence.start()])
        end = fence.end()
        language, code = fence.groups()
        if language == "text":
            cells[-1]["outputs"] = [
                {"name": "stdout", "output_type": "stream", "text": code.splitlines(keepends=True)}
            ]
        else:
            _add_code(cells, code.replace("pip install '.", "%pip install '.."))
    _add_text(cells, page[end:])
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _add_text(cells: list[dict[str, Any]], text: str) -> None:
    source = _LINK.sub(r"](../docs/\1", text.strip())
    if source:
        lines = source.splitlines(keepends=True)
        cells.append({"cell_type": "markdown", "metadata": {}, "source": lines})


def _add_code(cells: list[dict[str, Any]], code: str) -> None:
    cells.append(
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": code.rstrip("\n").splitlines(keepends=True),
        }
    )


def as_file(notebook: dict[str, Any]) -> str:
    """Return the notebook as the content of its file."""
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    NOTEBOOK.write_text(as_file(make_notebook(PAGE.read_text())))
