"""The folder of recorded streams is there, or the tests that need it say so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

NEEDS_THEM = Path(__file__).parent / "chunks" / "test_corpus.py"


@pytest.mark.parametrize(
    ("folder", "status", "words"),
    [("", 0, "no recorded streams here"), ("/nonexistent", 1, "SSEPARSE_CORPUS is /nonexistent")],
)
def test_the_folder_that_is_named(folder: str, status: int, words: str) -> None:
    """A wrong folder fails the tests; an empty value skips them."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(NEEDS_THEM)],
        env={**os.environ, "SSEPARSE_CORPUS": folder},
        cwd=Path(__file__).parents[1],
        check=False,
        capture_output=True,
        text=True,
    )

    assert run.returncode == status, run.stdout
    assert words in run.stdout
    assert "passed" not in run.stdout
