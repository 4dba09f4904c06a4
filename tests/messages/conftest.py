"""Fixtures of the tests of messages."""

import json
from pathlib import Path

import pytest

from .recordings import Recording


@pytest.fixture(scope="session")
def recordings(corpus: Path) -> list[Recording]:
    """The recorded streams of messages, with what is expected of them."""
    folder = corpus.parent / "corpus2" / "anthropic"
    if not (folder / "INDEX.json").exists():
        pytest.skip("the recorded streams of messages are missing")
    return [
        Recording(
            name=(name := Path(entry["file"]).stem),
            body=(folder / entry["stream"]).read_bytes(),
            expected=json.loads((folder / "expected" / f"{name}.json").read_text()),
        )
        for entry in json.loads((folder / "INDEX.json").read_text())
    ]
