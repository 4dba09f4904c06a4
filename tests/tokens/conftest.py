"""Vocabularies on this machine, and no way off it."""

import socket
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def no_network(vocabularies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test at the first socket, or name looked up."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a test went for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
