"""Fixtures of the command tests."""

import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sseparse import Event, encode
from sseparse.cli import main
from sseparse.testing import Replay, ReplayServer
from terminals import pseudo_terminal

KEY = "sk-proj-a1b2c3d4e5"
OTHER_KEY = "sk-ant-f6g7h8i9j0"
Chat = Callable[..., tuple[int, str, str]]
Body = Callable[..., bytes]
InTerminal = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Replace the settings and vocabularies of the user who runs the tests."""
    for name in ("BASE_URL", "MODEL"):
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)
        monkeypatch.delenv(f"ANTHROPIC_{name}", raising=False)
    proxies = [f"{name}_PROXY" for name in ("HTTP", "HTTPS", "ALL", "NO")]
    for name in ("NO_COLOR", "DATA_GYM_CACHE_DIR", *proxies, *map(str.lower, proxies)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", OTHER_KEY)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "vocabularies"))


@pytest.fixture
def body() -> Body:
    """Return a function that makes a body from deltas, a finish reason and [DONE]."""

    def make(
        *deltas: dict[str, Any], finish: str | None = "stop", done: bool = True, **more: Any
    ) -> bytes:
        chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        if finish is not None:
            chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        if more:
            chunks.append({"choices": [], **more})
        events = [json.dumps({"model": "m", **chunk}) for chunk in chunks]
        return b"".join(encode(Event(data)) for data in [*events, *["[DONE]"] * done])

    return make


@pytest.fixture
def chat(capsys: pytest.CaptureFixture[str]) -> Chat:
    """Return a function that runs `sseparse chat` in this process against a replay server."""

    def run(answer: bytes | Replay | ReplayServer, *arguments: str) -> tuple[int, str, str]:
        if isinstance(answer, ReplayServer):
            status = main(["chat", "--base-url", f"{answer.url}/v1", *arguments])
        else:
            with ReplayServer(answer) as server:
                status = main(["chat", "--base-url", f"{server.url}/v1", *arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture
def in_terminal(monkeypatch: pytest.MonkeyPatch) -> InTerminal:
    """Return a function that runs the command in a terminal and returns the text sent to it."""

    def run(*arguments: str, streams: tuple[str, ...] = ("stdout", "stderr")) -> tuple[int, str]:
        with pseudo_terminal() as (terminal, sent), monkeypatch.context() as patch:
            with contextlib.ExitStack() as stack:
                for name in streams:
                    opened = os.fdopen(os.dup(terminal), "w", encoding="utf-8")
                    patch.setattr(sys, name, stack.enter_context(opened))
                os.close(terminal)
                status = main(arguments)
        return status, b"".join(sent).decode().replace("\r\n", "\n")

    return run
