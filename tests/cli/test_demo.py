"""`sseparse demo` streams two completions and shows when their chunks came."""

import json
import os
import re
import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import pytest

from sseparse import __version__
from sseparse.cli import main
from sseparse.cli._demo import make_asks
from sseparse.testing import ReplayServer
from terminals import pseudo_terminal

CHAT = ", ".join(str(number) for number in range(1, 101))
LEGACY = ",".join(str(number) for number in range(4, 101))
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def plain(capsys: pytest.CaptureFixture[str]) -> str:
    """Run the demo as in a pipe; return what it printed."""
    assert main(["demo", "--fast"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def test_plain_lines_have_no_control_characters(plain: str) -> None:
    """What is piped is text alone."""
    assert all(line.isprintable() for line in plain.split("\n"))


def test_each_chunk_is_told_with_its_time(plain: str) -> None:
    """The role first, then a token at a time, an empty delta last; then the legacy tokens."""
    told = re.findall(r"^Received \d+\.\d{3} seconds after the request: (.+)$", plain, re.MULTILINE)
    news = [json.loads(line) for line in told]
    assert news[:5] == [
        {"role": "assistant"},
        *({"content": token} for token in ("1", ",", " ", "2")),
    ]
    assert news[298:302] == [{"content": "100"}, {}, "4", ","]
    assert len(news) == 300 + 193


def test_the_times_do_not_go_back(plain: str) -> None:
    """Each chunk comes after the one before it."""
    chat, legacy = plain.split("2. Legacy completion")
    for part in (chat, legacy):
        times = [float(time) for time in re.findall(r"^Received (\S+) seconds", part, re.MULTILINE)]
        assert times == sorted(times)


def test_the_whole_and_its_times_are_told(plain: str) -> None:
    """The text, the first token, the whole, and what lies between them."""
    assert f"Whole text: {CHAT}\n" in plain
    assert f"Whole text: {LEGACY}\n" in plain
    number = r"(\d+\.\d{3}) seconds"
    summary = re.compile(
        rf"First token received {number} after the request\n"
        rf"Whole answer received {number} after the request\n"
        rf"The first word came {number} sooner than the whole\n"
    )
    assert len(summary.findall(plain)) == 2


def test_the_results_are_told(plain: str) -> None:
    """Both as the API would have answered them at once."""
    results = re.findall(r"^\{\n.*?^\}$", plain, re.MULTILINE | re.DOTALL)
    chat, legacy = (json.loads(result) for result in results)
    assert chat["object"] == "chat.completion"
    assert chat["choices"][0]["message"] == {"role": "assistant", "content": CHAT}
    assert chat["choices"][0]["finish_reason"] == "stop"
    assert legacy["object"] == "text_completion"
    assert legacy["choices"][0]["text"] == LEGACY
    assert legacy["choices"][0]["finish_reason"] == "length"


def test_the_requests_are_sent_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """As JSON, asking for a stream of events that nobody compressed."""
    servers: list[ReplayServer] = []

    class Kept(ReplayServer):
        def __enter__(self) -> Self:
            servers.append(self)
            return super().__enter__()

    monkeypatch.setattr("sseparse.cli._demo.ReplayServer", Kept)
    assert main(["demo", "--fast"]) == 0
    chat, legacy = servers[0].requests
    for request, path in ((chat, "/v1/chat/completions"), (legacy, "/v1/completions")):
        assert (request.method, request.target) == ("POST", path)
        assert request.headers["accept"] == "text/event-stream"
        assert request.headers["accept-encoding"] == "identity"
        assert request.headers["content-type"] == "application/json"
        assert request.json()["stream"] is True
    assert chat.json()["messages"][0]["content"].startswith("Count to 100")
    assert legacy.json()["prompt"] == "1,2,3,"


def test_without_fast_the_tokens_take_their_time() -> None:
    """10 to 20 milliseconds after one another, the same at every run."""
    for ask, again in zip(make_asks(fast=False), make_asks(fast=False), strict=True):
        first, *others = ask.replay.waits()
        assert first == 0.1
        assert all(0.01 <= wait <= 0.02 for wait in others)
        assert len({*others}) > 1
        assert ask.replay.waits() == again.replay.waits()


# In a terminal.


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> Iterator[list[str]]:
    """Make standard output a terminal; what it was sent is in the list after the block."""
    shown: list[str] = []
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", "40")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with pseudo_terminal() as (opened, sent):
        with os.fdopen(opened, "w", encoding="utf-8") as stdout, monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stdout)
            yield shown
    shown.append(b"".join(sent).decode())


def squeezed(text: str) -> str:
    """Leave out colours, frames and white space."""
    return re.sub(r"[\s\u2500-\u257f]", "", ESCAPE.sub("", text))


@pytest.mark.parametrize("columns", [40, 80, 120, 200])
def test_a_terminal_shows_it_all(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """Text, chunks at both ends, times, and the results, at any width, none of it cut off."""
    with terminal(monkeypatch, columns) as shown:
        assert main(["demo", "--fast"]) == 0
    (text,) = shown
    content = squeezed(text)
    assert "\x1b[" in text
    for whole in (CHAT, LEGACY):
        # Beside the chunks, other text stands between its lines.
        assert content.count(squeezed(whole)) >= (1 if columns >= 120 else 2)
    for said in ("1.Chatcompletion", "2.Legacycompletion", "294more", "187more", "firsttoken"):
        assert said in content
    assert content.count("soonerthanthewhole.") == 2
    assert '"finish_reason":"stop"' in content
    assert '"finish_reason":"length"' in content
    lines = ESCAPE.sub("", text).splitlines()
    assert max(map(len, lines)) <= columns


@pytest.mark.parametrize("name", ["dumb", "unknown"])
def test_a_terminal_that_can_do_nothing_gets_plain_lines(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As a pipe does."""
    with terminal(monkeypatch, 80) as shown:
        monkeypatch.setenv("TERM", name)
        assert main(["demo", "--fast"]) == 0
    assert "\x1b" not in shown[0]
    assert "Received " in shown[0]


# What it needs.


@pytest.mark.parametrize("name", ["rich", "httpx2", "h11"])
def test_what_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """One line with the remedy, status 2."""
    monkeypatch.setitem(sys.modules, name, None)
    assert main(["demo", "--fast"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"sseparse demo: {name} not installed: pip install 'sseparse[cli]'\n"


def test_the_module_is_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m sseparse` does what `sseparse` does."""
    monkeypatch.setattr(sys, "argv", ["sseparse", "--version"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("sseparse", run_name="__main__")
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"sseparse {__version__}\n"
