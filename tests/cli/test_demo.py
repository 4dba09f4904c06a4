"""`sseparse demo` streams two completions and shows when their chunks arrive."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import pytest

from sseparse import __version__
from sseparse.cli import main
from sseparse.cli._demo import make_examples
from sseparse.testing import ReplayServer
from terminals import pseudo_terminal

CHAT = ", ".join(str(number) for number in range(1, 101))
LEGACY = ",".join(str(number) for number in range(4, 101))
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def plain(capsys: pytest.CaptureFixture[str]) -> str:
    """Run the demo with a pipe as its standard output and return the output."""
    assert main(["demo", "--fast"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def test_output_to_a_pipe_has_no_control_characters(plain: str) -> None:
    """Every character of the output to a pipe is printable."""
    assert all(line.isprintable() for line in plain.split("\n"))


def test_each_chunk_is_printed_with_its_time(plain: str) -> None:
    """The chunks are a role, one token each and an empty delta; then the legacy tokens."""
    pattern = r"^Chunk \d+ after \d+\.\d{3} s: (.+)$"
    deltas = [json.loads(text) for text in re.findall(pattern, plain, re.MULTILINE)]
    assert deltas[:5] == [
        {"role": "assistant"},
        *({"content": token} for token in ("1", ",", " ", "2")),
    ]
    assert deltas[298:302] == [{"content": "100"}, {}, "4", ","]
    assert len(deltas) == 300 + 193


def test_times_increase(plain: str) -> None:
    """The times of the chunks never decrease."""
    chat, legacy = plain.split("2. Legacy completion")
    for part in (chat, legacy):
        times = [
            float(time) for time in re.findall(r"^Chunk \d+ after (\S+) s", part, re.MULTILINE)
        ]
        assert times == sorted(times)


def test_the_text_and_its_times_are_printed(plain: str) -> None:
    """After the chunks come the full text, and the times of its first words and of its end."""
    assert f"Full text: {CHAT}\n" in plain
    assert f"Full text: {LEGACY}\n" in plain
    seconds = r"\d+\.\d{2,3} s"
    summary = rf"^First words after {seconds}, complete answer after {seconds}\.$"
    assert len(re.findall(summary, plain, re.MULTILINE)) == 2


def test_the_results_are_printed(plain: str) -> None:
    """The results have the shape of the API's responses without streaming."""
    results = re.findall(r"^\{\n.*?^\}$", plain, re.MULTILINE | re.DOTALL)
    chat, legacy = (json.loads(result) for result in results)
    assert chat["object"] == "chat.completion"
    assert chat["choices"][0]["message"] == {"role": "assistant", "content": CHAT}
    assert chat["choices"][0]["finish_reason"] == "stop"
    assert legacy["object"] == "text_completion"
    assert legacy["choices"][0]["text"] == LEGACY
    assert legacy["choices"][0]["finish_reason"] == "length"


def test_requests_are_sent_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """The requests are JSON and accept an uncompressed event stream."""
    servers: list[ReplayServer] = []

    class RecordedServer(ReplayServer):
        def __enter__(self) -> Self:
            servers.append(self)
            return super().__enter__()

    monkeypatch.setattr("sseparse.cli._demo.ReplayServer", RecordedServer)
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


def test_delays_without_fast() -> None:
    """Without --fast, tokens are 10 to 20 ms apart, with the same delays in each run."""
    examples = zip(make_examples(fast=False), make_examples(fast=False), strict=True)
    for example, repeated in examples:
        first, *others = example.replay.waits()
        assert first == 0.1
        assert all(0.01 <= wait <= 0.02 for wait in others)
        assert len({*others}) > 1
        assert example.replay.waits() == repeated.replay.waits()


# In a terminal.


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> Iterator[list[str]]:
    """Make standard output a terminal; the list gets its output after the block."""
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
    """Remove colours, frames and white space."""
    return re.sub(r"[\s\u2500-\u257f]", "", ESCAPE.sub("", text))


@pytest.mark.parametrize("columns", [40, 80, 120, 200])
def test_output_in_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """A terminal of any width shows the text, the first and last chunks, the times and results."""
    with terminal(monkeypatch, columns) as shown:
        assert main(["demo", "--fast"]) == 0
    (text,) = shown
    content = squeezed(text)
    assert "\x1b[" in text
    for answer in (CHAT, LEGACY):
        # In a wide terminal, chunks stand between the lines of the text.
        assert content.count(squeezed(answer)) >= (1 if columns >= 120 else 2)
    for shown_text in ("1.Chatcompletion", "2.Legacycompletion", "294more", "187more"):
        assert shown_text in content
    assert content.count("firstwords") == 2
    assert content.count("Firstwordsafter") == 2
    assert '"finish_reason":"stop"' in content
    assert '"finish_reason":"length"' in content
    lines = ESCAPE.sub("", text).splitlines()
    assert max(map(len, lines)) <= columns


@pytest.mark.parametrize("name", ["dumb", "unknown"])
def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A terminal without escape sequences gets the same lines as a pipe."""
    with terminal(monkeypatch, 80) as shown:
        monkeypatch.setenv("TERM", name)
        assert main(["demo", "--fast"]) == 0
    assert "\x1b" not in shown[0]
    assert "Chunk 1 after " in shown[0]


# Packages.


@pytest.mark.parametrize("name", ["rich", "httpx2", "h11"])
def test_a_missing_package_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """A missing package exits with status 2 and a line that says how to install it."""
    monkeypatch.setitem(sys.modules, name, None)
    assert main(["demo", "--fast"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"sseparse: demo needs {name}. Install with: pip install 'sseparse[cli]' "
        "(in a clone of the repository: pip install '.[cli]')\n"
    )


def test_the_module_is_the_command() -> None:
    """`python -m sseparse` runs the same command as `sseparse`."""
    command = [sys.executable, "-m", "sseparse", "--version"]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    assert run.stdout == f"sseparse {__version__}\n"
