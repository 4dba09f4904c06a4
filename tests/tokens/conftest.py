"""Local vocabularies, without network access."""

import socket
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def no_network(vocabularies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that opens a socket or looks up a name."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the test accessed the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
