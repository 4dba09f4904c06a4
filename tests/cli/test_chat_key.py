"""`sseparse chat` redacts the key, also if it is escaped as in JSON, repr() or a URL."""

import contextlib
import io
import json
import os
import random
import re
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sseparse import Event, encode
from sseparse.cli import main
from sseparse.testing import Replay, ReplayServer

from .conftest import Body, InTerminal

NASTY = "sk-\"a\\b/c'd%41\\"
KEYS = st.text(alphabet="\"\\/'%u0041nK", min_size=8, max_size=14)
CUTS = st.floats(0, 1)


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - chooses spellings, not secrets


def run(answer: bytes | Replay, key: str, *options: str) -> tuple[int, str, str]:
    """Run `sseparse chat` with a key; return its status and output."""
    out, err = io.StringIO(), io.StringIO()
    with ReplayServer(answer) as server, mock.patch.dict(os.environ, OPENAI_API_KEY=key):
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(["chat", "--base-url", server.url, *options, "hi"])
    return status, out.getvalue(), err.getvalue()


def spell(text: str, choice: random.Random) -> str:
    """Escape a text for a JSON string, with a random valid spelling of each character."""

    def character(char: str) -> str:
        code = choice.choice((f"\\u{ord(char):04x}", f"\\u{ord(char):04X}"))
        if char in '"\\':
            return choice.choice((f"\\{char}", code))
        return choice.choice((char, f"\\{char}" if char == "/" else char, code))

    return "".join(map(character, text))


def has_key(text: str, key: str) -> bool:
    """Return whether a text contains a key, also escaped as JSON or as JSON in JSON."""
    spelling = "".join(rf"(?:\\?{re.escape(char)}|\\u00(?i:{ord(char):02x}))" for char in key)
    for _ in range(3):
        if re.search(spelling, text):
            return True
        text = re.sub(
            r"\\(?:u([0-9a-fA-F]{4})|([\"\\/]))",
            lambda match: match[2] or chr(int(match[1], 16)),
            text,
        )
    return False


def answer_with(content: str, arguments: str) -> bytes:
    """Return a body whose JSON strings are the given ones, escapes included."""
    function = f'{{"name": "f", "arguments": "{arguments}"}}'
    delta = f'{{"content": "{content}", "tool_calls": [{{"index": 0, "function": {function}}}]}}'
    chunk = f'{{"choices": [{{"delta": {delta}, "finish_reason": "stop"}}], "{content}": 1}}'
    return encode(Event(chunk)) + encode(Event("[DONE]"))


@settings(max_examples=40, deadline=None)
@given(key=KEYS, choice=st.randoms(use_true_random=False), at=CUTS)
@example(key=NASTY, choice=seeded(1), at=0.5)
@example(key="\\" * 8, choice=seeded(2), at=0.3)
def test_each_spelling_of_the_key_is_redacted(key: str, choice: random.Random, at: float) -> None:
    """[key] replaces the key in text, names and arguments, and the JSON stays valid."""
    inner = f'{{"k": "ü {spell(key, choice)} ü"}}'
    body = answer_with(f"é {spell(key, choice)} é", spell(inner, choice))
    cut = round(at * len(body))
    replay = Replay(body, pieces=[size for size in (cut, len(body) - cut) if size])
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder, "a.sse")
        status, out, err = run(replay, key, "--json", "--save", str(saved))
        kept = saved.read_text("utf-8")
    message = json.loads(out)["choices"][0]["message"]
    assert status == 0
    assert message["content"] == "é [key] é"
    assert message["tool_calls"][0]["function"]["arguments"] == '{"k": "ü [key] ü"}'
    assert json.loads(out)["é [key] é"] == 1
    assert not any(has_key(text, key) for text in (out, err, kept))


def in_pieces(text: str, arguments: str, cut: int) -> bytes:
    """Return a body with content and arguments that are cut into two deltas each."""
    function = {"name": "f", "arguments": arguments[:cut]}
    deltas: list[dict[str, Any]] = [
        {"content": text[:cut]},
        {"content": text[cut:]},
        {"tool_calls": [{"index": 0, "function": function}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": arguments[cut:]}}]},
    ]
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    return b"".join(encode(Event(data)) for data in [*map(json.dumps, chunks), "[DONE]"])


@settings(max_examples=30, deadline=None)
@given(key=KEYS, choice=st.randoms(use_true_random=False), at=CUTS)
def test_the_key_in_pieces_is_not_shown(key: str, choice: random.Random, at: float) -> None:
    """A key that arrives in two deltas isn't printed, neither as text nor as JSON."""
    arguments = f'{{"k": "ü {spell(key, choice)} ü"}}'
    body = in_pieces(key, arguments, round(at * len(arguments)))
    assert not has_key(run(body, key)[1], key)
    assert not has_key(run(body, key, "--json")[1], key)


def test_the_key_in_pieces_cut_anywhere() -> None:
    """[key] replaces a key that is cut at any position of the content and arguments."""
    spelling = spell(NASTY[:-1], seeded(3))
    for cut in range(len(spelling) + 1):
        shown = run(in_pieces(NASTY[:-1], spelling, cut), NASTY[:-1])[1]
        assert shown == "[key]\nf([key])\n"


@pytest.mark.parametrize("pieces", ["bytes", "whole"])
@pytest.mark.parametrize("depth", range(4))
def test_json_in_json(depth: int, pieces: Any) -> None:
    """The key is found in up to three levels of JSON in JSON, also a byte at a time."""
    text = f"é {NASTY} é"
    for _ in range(depth):
        text = spell(text, seeded(depth))
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder, "a.sse")
        run(Replay(f": {text}\n\n".encode(), pieces=pieces), NASTY, "--save", str(saved))
        kept = saved.read_text("utf-8")
    assert kept.count("[key]") == 1
    assert not has_key(kept, NASTY)


@given(key=KEYS, choice=st.randoms(use_true_random=False))
@example(key=NASTY, choice=seeded(1))
@settings(max_examples=20, deadline=None)
def test_errors_do_not_show_the_key(key: str, choice: random.Random) -> None:
    """No error shows the key of a message, malformed data, a page or a header."""
    text = f'{{"error": {{"message": "é {spell(key, choice)} é"}}}}'.encode()
    _, out, err = run(Replay(text, status=401, content_type="application/json"), key)
    assert (out, " é [key] é" in err) == ("", True)
    padding = "x" * 370
    moved = f"http://127.0.0.1/?{padding}={quote(key)}"
    replays = [
        Replay(f"<html>{key}".encode(), status=502),
        Replay(f"data: {{ {'x' * 45}{key}\n\n".encode()),
        Replay(b"", headers={"Content-Encoding": key}),
        Replay(b"", status=307, headers={"Location": moved}),
        Replay(b"", status=307, headers={"Location": moved.replace(quote(key), key)}),
    ]
    for replay in replays:
        _, out, err = run(replay, key)
        assert not has_key(out + err, key)
        assert quote(key) not in err
        assert err.count("\n") == 1


def test_a_shortened_message_has_no_part_of_the_key() -> None:
    """The key is redacted before the message is shortened."""
    for padding in range(300, 400):
        moved = f"http://127.0.0.1/?{'x' * padding}={NASTY}"
        _, _, err = run(Replay(b"", status=307, headers={"Location": moved}), NASTY)
        assert NASTY[:4] not in err


def test_the_key_around_reasoning(
    in_terminal: InTerminal,
    body: Body,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The key is found in a pipe if reasoning on the terminal separates its pieces."""
    monkeypatch.setenv("OPENAI_API_KEY", NASTY)
    deltas = [{"content": NASTY[:7]}, {"reasoning_content": "hm"}, {"content": NASTY[7:]}]
    for last in ([], [{"reasoning_content": "hm"}]):
        with ReplayServer(body(*deltas, *last)) as server:
            in_terminal("chat", "--base-url", server.url, "hi", streams=("stderr",))
        assert capsys.readouterr().out == "[key]\n"


def test_a_key_that_begins_inside_an_escape(body: Body) -> None:
    r"""An escape like "\n" that contains the first letter of the key is replaced completely."""
    content = {"content": "a\nvapi-12345678 b"}
    assert run(body(content), "nvapi-12345678")[1] == "a[key] b\n"


@pytest.mark.parametrize("unit", ["\\", "\\u005c", "\\u00", NASTY[:-1], "%"])
def test_the_cost_is_linear(unit: str) -> None:
    """128 KiB that may always become the key take linear time; quadratic time would be hours."""
    body = f": {unit * (2**17 // len(unit))}\n\n".encode()
    assert run(Replay(body, pieces="whole"), NASTY)[0] == 1
