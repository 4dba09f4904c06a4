"""Fixtures of the tests of messages."""

from pathlib import Path

import pytest

from recorded import load

from .recordings import Recording


@pytest.fixture(scope="session")
def recordings(corpus: Path) -> list[Recording]:
    """The recorded streams of messages, with what is expected of them."""
    return load(corpus.parent / "corpus2" / "anthropic", Recording)
