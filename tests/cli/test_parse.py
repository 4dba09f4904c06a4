"""`sseparse parse` prints what a body holds, and says how it ended."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sseparse import Event, encode
from sseparse.cli import main

Run = Callable[..., tuple[int, str, str]]


def chunk(text: str | None, finish_reason: str | None = None) -> bytes:
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return encode(Event(json.dumps({"id": "c", "model": "m", "choices": [choice]})))


DONE = encode(Event("[DONE]"))
COMPLETION = b'{"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}'
FAULT = encode(Event(json.dumps({"error": {"message": "too\nbusy\x1b[31m", "code": 529}})))
TEXTS = ["Hel", "lo", "\n"]
CHUNKS = b"".join(map(chunk, TEXTS))
WHOLE = CHUNKS + chunk(None, "stop") + DONE


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process, on a file or on standard input."""

    def run(body: bytes, *options: str, piped: bool = False) -> tuple[int, str, str]:
        (tmp_path / "body").write_bytes(body)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(body)))
        file = [] if piped else [str(tmp_path / "body")]
        status = main(["parse", *options, *file])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def json_lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


# What is printed.


def test_events_are_the_default(run: Run) -> None:
    """One object a line: data, event, id, retry."""
    status, out, err = run(b"id: 7\nevent: a\nretry: 5\ndata: 1\ndata: 2\n\ndata: \xc3\xa9\n\n")
    assert status == 0
    assert out.splitlines() == [
        '{"data": "1\\n2", "event": "a", "id": "7", "retry": 5}',
        '{"data": "é", "event": "message", "id": "7", "retry": null}',
    ]
    assert err == (
        "sseparse: the body ended after a whole event; it held no chunks to judge by "
        "(2 events, 51 bytes)\n"
    )


def test_chunks(run: Run) -> None:
    """Each chunk is a line, unknown fields included."""
    body = encode(Event('{"choices": [], "odd": 1}')) + WHOLE
    status, out, _ = run(body, "--chunks")
    assert status == 0
    first, second, *_ = json_lines(out)
    assert first == {"choices": [], "odd": 1}
    assert second["choices"][0]["delta"] == {"content": "Hel"}
    assert len(out.splitlines()) == 5


def test_result(run: Run) -> None:
    """The finished completion is one line."""
    status, out, _ = run(WHOLE, "--result")
    (result,) = json_lines(out)
    assert status == 0
    assert result["object"] == "chat.completion"
    assert result["choices"][0]["message"]["content"] == "Hello\n"


def test_text(run: Run) -> None:
    """The text alone."""
    assert run(WHOLE, "--text")[:2] == (0, "Hello\n")


@pytest.mark.parametrize(("body", "text"), [(chunk("Hel", "stop"), "Hel\n"), (DONE, "")])
def test_text_ends_with_its_line(run: Run, body: bytes, text: str) -> None:
    """So that what follows in a terminal begins a line; no text is no line."""
    assert run(body, "--text")[1] == text


@pytest.mark.parametrize("option", ["--events", "--chunks", "--result", "--text"])
def test_standard_input_is_read_as_a_file_is(run: Run, option: str) -> None:
    """`-`, or no name at all."""
    expected = run(WHOLE, option)
    assert run(WHOLE, option, piped=True) == expected
    assert run(WHOLE, option, "-", piped=True) == expected


# How it ended.


@pytest.mark.parametrize(
    ("body", "status", "verdict"),
    [
        (WHOLE, 0, "complete: [DONE] came (5 events, "),
        (chunk("a", "stop"), 0, "complete: a finish reason came, but no [DONE] (1 event, "),
        (chunk("a"), 1, "incomplete: neither [DONE] nor a finish reason; the body ended between"),
        (chunk("a")[:-9], 1, "incomplete: neither [DONE] nor a finish reason; the body ended ins"),
        (chunk("a") + FAULT, 1, "the server sent an error: too busy [31m (code 529) (2 events, "),
        (b"data: {\n\n", 1, "event is no chunk: "),
        (b"<html>\n", 2, "no event stream: the body begins '<html>\\n' (0 events, 7 bytes)"),
        (b"\x93\x00\xff", 2, "no event stream: the body is binary data (0 events, 3 bytes)"),
        (b"", 1, "nothing came: the body was empty"),
        (b'data: {"type": "ping"}\n\n', 1, "no chunks of a completion came (another API?); --ev"),
        (b'{"error": "busy"}', 1, "the server sent an error: busy (0 events, 17 bytes)"),
        (b'{"a": 1}', 2, "no event stream: the body begins '{\"a\": 1}'"),
        (COMPLETION, 0, "complete: one JSON object, not a stream (0 events, "),
    ],
)
@pytest.mark.parametrize("option", ["--chunks", "--result", "--text"])
def test_how_chunks_end(run: Run, option: str, body: bytes, status: int, verdict: str) -> None:
    """One line on standard error, without control characters, and the exit status."""
    ended, _, err = run(body, option)
    assert ended == status
    assert err.startswith(f"sseparse: {verdict}")
    assert err.count("\n") == 1
    assert err.rstrip("\n").isprintable()


@pytest.mark.parametrize(
    ("body", "status", "verdict"),
    [
        (b"", 1, "nothing came: the body was empty"),
        (b"data: 1\n", 1, "incomplete: the body ended inside an event (0 events, 8 bytes)"),
        (b"<html>", 2, "no event stream: "),
        (b"data: " + b"x" * (33 << 20), 1, "line larger than 33554432 bytes"),
    ],
    ids=["empty", "cut", "page", "endless"],
)
def test_how_events_end(run: Run, body: bytes, status: int, verdict: str) -> None:
    """As its events say."""
    ended, out, err = run(body)
    assert (ended, out) == (status, "")
    assert err.startswith(f"sseparse: {verdict}")


@pytest.mark.parametrize(
    ("body", "status", "verdict"),
    [
        (WHOLE, 0, "complete: [DONE] came (5 events, "),
        (chunk("a", "stop"), 0, "complete: a finish reason came, but no [DONE] (1 event, "),
        (chunk("a"), 1, "incomplete: neither [DONE] nor a finish reason; the body ended between"),
        (chunk("a") + FAULT + DONE, 1, "the server sent an error: too busy"),
        (b"data: hi\n\n", 0, "the body ended after a whole event; it held no chunks to judge by"),
        (b'data: {"choices": []}\n\n', 0, "the body ended after a whole event; it held no chunks"),
    ],
)
def test_how_events_end_that_are_chunks(run: Run, body: bytes, status: int, verdict: str) -> None:
    """Events that are chunks are judged as chunks; of others only the framing is."""
    ended, _, err = run(body)
    assert ended == status
    assert err.startswith(f"sseparse: {verdict}")


def test_what_came_before_a_fault_is_printed(run: Run) -> None:
    """Chunks, text, and the completion as far as it came."""
    body = CHUNKS + FAULT
    assert len(run(body, "--chunks")[1].splitlines()) == 3
    assert run(body, "--text")[1] == "Hello\n"
    (partial,) = json_lines(run(body, "--result")[1])
    assert partial["choices"][0]["message"]["content"] == "Hello\n"
    assert partial["choices"][0]["finish_reason"] is None


@pytest.mark.parametrize("body", [b"<html>", FAULT])
def test_where_nothing_came_there_is_no_result(run: Run, body: bytes) -> None:
    """An empty completion would look like one."""
    assert run(body, "--result")[1] == ""


# What it cannot do.


def test_a_file_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, status 2."""
    assert main(["parse", str(tmp_path / "none")]) == 2
    assert main(["parse", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"sseparse: cannot read {tmp_path / 'none'}: No such file or directory",
        f"sseparse: cannot read {tmp_path}: Is a directory",
    ]


@pytest.mark.parametrize("arguments", [[], ["parse", "--text", "--result"], ["sing"]])
def test_bad_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, and how it is used."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: sseparse")


def test_no_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shell may have closed it."""
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["parse"]) == 2
    assert capsys.readouterr().err == "sseparse: there is no standard input\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_output_that_cannot_be_written(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line and a status of its own: the answer is not at fault."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert run(WHOLE, "--text")[::2] == (
            74,
            "sseparse: cannot write: No space left on device\n",
        )


def test_ctrl_c_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the status that a shell gives it."""

    class Interrupted(io.BytesIO):
        def read1(self, _size: int | None = -1, /) -> bytes:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Interrupted()))
    assert main(["parse"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_closed_pipe_ends_quietly(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the status that a shell gives it; nothing is left that fails later."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        assert run(WHOLE, "--text")[0] == 141
    assert capsys.readouterr().err == ""


# What standard output cannot encode.


def test_json_that_cannot_be_encoded_is_escaped(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says the same: lone surrogates, and letters that the terminal does not know."""
    body = b'data: {"choices": [{"delta": {"content": "\\ud83d\xc3\xa9"}}]}\n\n'
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    run(body, "--chunks")
    run("data: é\n\n".encode())
    chunk, event = json_lines(raw.getvalue().decode("ascii"))
    assert chunk["choices"][0]["delta"]["content"] == "\ud83dé"
    assert event["data"] == "é"


def test_text_that_cannot_be_encoded_is_replaced(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question mark is better than no text at all."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert run(chunk("né", "stop"), "--text")[0] == 0
    assert raw.getvalue() == b"n?\n"


def test_output_may_be_no_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a program calls main() and gathers the text."""
    gathered = io.StringIO()
    monkeypatch.setattr(sys, "stdout", gathered)
    assert run(WHOLE, "--text")[0] == 0
    assert gathered.getvalue() == "Hello\n"


# As a process of its own.


def start(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sseparse", *arguments]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_text_is_printed_while_the_answer_comes() -> None:
    """Each piece as soon as its event is whole, without waiting for more input."""
    with start("parse", "--text", "-") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for text in TEXTS:
            process.stdin.write(chunk(text))
            process.stdin.flush()
            assert process.stdout.read(len(text)) == text.encode()
        out, err = process.communicate(DONE)
    assert (process.returncode, out) == (0, b"")
    assert err.startswith(b"sseparse: complete: [DONE] came")


def test_a_reader_that_stops_early_is_no_accident() -> None:
    """As `sseparse parse --chunks | head -1` does: no traceback, no warning at exit."""
    with start("parse") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(WHOLE)
        process.stdin.flush()
        for _ in range(WHOLE.count(b"\n\n")):
            process.stdout.readline()
        process.stdout.close()
        process.stdin.write(WHOLE)
        process.stdin.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_parsing_needs_the_core_alone() -> None:
    """No library of an extra is imported."""
    code = (
        "import sys\n"
        "from sseparse.cli import main\n"
        "main(['parse', '--text'])\n"
        "names = 'rich h11 httpx httpx2 ssl asyncio tiktoken matplotlib sseparse.testing '\n"
        "names += 'sseparse.timing sseparse.tokens sseparse.cli._chat sseparse.cli._serve'\n"
        "print(sorted({*names.split()} & {*sys.modules}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=WHOLE, capture_output=True, check=True
    )
    assert done.stdout == b"Hello\n[]\n"


# In a terminal.

InTerminal = Callable[..., tuple[int, str]]


@pytest.mark.parametrize(
    ("option", "shown"),
    [
        ("--text", "a\u241b[31mb\n"),
        ("--result", '"a\\u001b[31mb\\u009b"'),
        ("--events", "u001b[31mb"),
    ],
)
def test_a_terminal_gets_no_control_characters(
    in_terminal: InTerminal, tmp_path: Path, option: str, shown: str
) -> None:
    """Of what a body holds; a pipe gets it all."""
    (tmp_path / "body").write_bytes(chunk("a\x1b[31mb\x9b", "stop"))
    status, text = in_terminal("parse", option, str(tmp_path / "body"))
    assert status == 0
    assert shown.rstrip("\n") in text
    assert not {"\x1b", "\x9b"} & {*text}


LONG = b": %b\n\n" % (b"x" * 2**20) * 10 + WHOLE


@pytest.mark.parametrize(("option", "streams"), [("--result", 2), ("--text", 1)])
def test_progress(in_terminal: InTerminal, tmp_path: Path, option: str, streams: int) -> None:
    """Of a long file, on a line that is gone before anything else is said."""
    (tmp_path / "body").write_bytes(LONG)
    used = ("stdout", "stderr") if streams == 2 else ("stderr",)
    status, text = in_terminal("parse", option, str(tmp_path / "body"), streams=used)
    assert status == 0
    first, second, erased, rest = text.split("\r")[1:]
    assert first.startswith("4.0 of 10.0 MiB, ")
    assert second.startswith("8.0 of 10.0 MiB, ")
    assert not erased.strip()
    assert len(erased) >= len(second.rstrip())
    assert rest.endswith(f"sseparse: complete: [DONE] came (5 events, {len(LONG):,} bytes)\n")


def test_progress_of_a_pipe(in_terminal: InTerminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """How much there will be is not known."""
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdout.buffer.write(b':' + bytes(5 << 20))"],
        stdout=subprocess.PIPE,
    ) as writer:
        assert writer.stdout is not None
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(writer.stdout))
        _, text = in_terminal("parse", "--result")
    assert text.startswith("\r4.0 MiB")


@pytest.mark.parametrize(
    ("option", "streams"),
    [("--text", ("stdout", "stderr")), ("--result", ("stdout",))],
)
def test_where_progress_would_be_in_the_way(
    in_terminal: InTerminal, tmp_path: Path, option: str, streams: tuple[str, ...]
) -> None:
    """Between the lines of the output, or in a file, there is none."""
    (tmp_path / "body").write_bytes(LONG)
    _, text = in_terminal("parse", option, str(tmp_path / "body"), streams=streams)
    assert "MiB" not in text
