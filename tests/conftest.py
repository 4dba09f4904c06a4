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


@pytest.fixture(scope="session")
def corpus() -> Path:
    """
    The folder of recorded streams that SSEPARSE_CORPUS names.

    Set but empty it names none, and the tests that need it are skipped. Where it isn't set the
    folder may lie next to the project.
    """
    named = os.environ.get("SSEPARSE_CORPUS")
    folder = Path(__file__).parents[2] / "shared" / "corpus" if named is None else Path(named)
    if named != "" and (folder / "INDEX.json").exists():
        return folder
    if named:
        pytest.fail(
            f"SSEPARSE_CORPUS is {named}, which has no INDEX.json: name the folder of the "
            "recorded streams, or nothing to skip their tests",
            pytrace=False,
        )
    pytest.skip("no recorded streams here; SSEPARSE_CORPUS names their folder")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run every asynchronous test on both event loops."""
    return str(request.param)
