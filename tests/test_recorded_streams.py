"""Tests of the setting SSEPARSE_CORPUS, which names the folder of recorded streams."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CORPUS_TESTS = Path(__file__).parent / "chunks" / "test_corpus.py"


@pytest.mark.parametrize(
    ("folder", "status", "words"),
    [
        ("", 0, "the recorded streams are missing"),
        ("/nonexistent", 1, "SSEPARSE_CORPUS is /nonexistent"),
    ],
)
def test_missing_folder(folder: str, status: int, words: str) -> None:
    """A wrong folder fails the tests, an empty value skips them."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(CORPUS_TESTS)],
        env={**os.environ, "SSEPARSE_CORPUS": folder},
        cwd=Path(__file__).parents[1],
        check=False,
        capture_output=True,
        text=True,
    )

    assert run.returncode == status, run.stdout
    assert words in run.stdout
    assert "passed" not in run.stdout
