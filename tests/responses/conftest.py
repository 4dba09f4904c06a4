"""Fixtures of the tests of responses."""

from pathlib import Path

import pytest

from recorded import load

from .recordings import Recording


@pytest.fixture(scope="session")
def recordings(corpus: Path) -> list[Recording]:
    """The recorded streams of responses, with what is expected of them."""
    return load(corpus.parent / "corpus2" / "responses", Recording)
