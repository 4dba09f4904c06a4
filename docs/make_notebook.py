"""
Make the notebook of the examples out of the page that tells the same.

The page is the source; a test holds the notebook against it. Run it after changing the page:

    python docs/make_notebook.py
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "how-to-stream-completions.md"
NOTEBOOK = Path(__file__).parents[1] / "examples" / "how_to_stream_completions.ipynb"

_FENCE = re.compile(r"^```(python|sh|text)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
# A notebook is not read beside the other pages.
_LINK = re.compile(r"\]\(([\w-]+\.md)")


def make_notebook(page: str) -> dict[str, Any]:
    """Return the notebook that tells what a page tells: its text, its code, what that printed."""
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
            _add_code(cells, code.replace("pip install", "%pip install"))
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
    """Return the text of the notebook's file."""
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    NOTEBOOK.write_text(as_file(make_notebook(PAGE.read_text())))
