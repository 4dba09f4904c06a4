"""
Plugin of pytest: the fixture `replay_server`.

pytest loads it in every run, also where sseparse isn't tested: it imports nothing else early.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .testing import ReplayServer


@pytest.fixture
def replay_server() -> Iterator[Callable[..., ReplayServer]]:
    """
    Start HTTP servers that send recorded streams.

    `replay_server(b"data: ...")` returns a `sseparse.testing.ReplayServer` that listens at its
    `url`. The arguments are those of the class. The servers are closed at the end of the test.
    """
    from .testing import ReplayServer  # noqa: PLC0415 - only for tests that use the fixture

    with ExitStack() as servers:

        def start(*args: Any, **options: Any) -> ReplayServer:
            return servers.enter_context(ReplayServer(*args, **options))

        yield start
