"""What several tests need."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from vocabularies import vocabularies

__all__ = ("vocabularies",)

# Machines differ in speed; no test may depend on it.
settings.register_profile("any-machine", deadline=None, derandomize=True)
settings.load_profile("any-machine")

# A shell starts what runs in its background deaf to Ctrl-C, and so would be what the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

CORPUS = Path(os.environ.get("SSEPARSE_CORPUS", Path(__file__).parents[2] / "shared" / "corpus"))


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of recorded streams; a test that asks for it is skipped where there is none."""
    if not (CORPUS / "INDEX.json").exists():
        pytest.skip("no recorded streams here; SSEPARSE_CORPUS names their folder")
    return CORPUS


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run every asynchronous test on both event loops."""
    return str(request.param)
