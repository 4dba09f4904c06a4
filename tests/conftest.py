"""Fixtures and settings of all tests."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import is_hypothesis_test, settings

from vocabularies import vocabularies

__all__ = ("vocabularies",)

# No test may depend on the speed of the machine. Each run has the same examples, so a larger number
# would find nothing later.
settings.register_profile("any-machine", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("any-machine")

# No test connects to a public server, and clients of httpx read the certificates of all authorities
# for 50 ms. This file has only one, whose key was thrown away.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "data" / "authority.pem")

# A shell makes background processes ignore SIGINT, and the processes that tests start inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


# Random examples cover branches of these that no other test does.
MEASURED = ("test_think_tags.py", "test_concurrent.py", "test_orders.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of random examples and of recorded streams, which run without coverage."""
    for item in items:
        is_random = is_hypothesis_test(getattr(item, "function", None))
        is_recorded = "corpus" in getattr(item, "fixturenames", ())
        if is_recorded or (is_random and item.path.name not in MEASURED):
            item.add_marker("unmeasured")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """
    The folder of recorded streams.

    SSEPARSE_CORPUS names it; if that is empty, tests that need the folder are skipped. If it
    isn't set, the default is `shared/corpus` next to the project.
    """
    named = os.environ.get("SSEPARSE_CORPUS")
    folder = Path(__file__).parents[2] / "shared" / "corpus" if named is None else Path(named)
    if named != "" and (folder / "INDEX.json").exists():
        return folder
    if named:
        pytest.fail(
            f"SSEPARSE_CORPUS is {named}, which has no INDEX.json: set it to the folder of the "
            "recorded streams, or to an empty value to skip the tests that need them",
            pytrace=False,
        )
    pytest.skip("the recorded streams are missing; SSEPARSE_CORPUS names their folder")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run each asynchronous test on both event loops."""
    return str(request.param)
