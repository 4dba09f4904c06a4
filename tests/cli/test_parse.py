"""`sseparse parse` prints the content of a body and reports how it ended."""

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

from .conftest import InTerminal

Run = Callable[..., tuple[int, str, str]]


def chunk(text: str | None, finish_reason: str | None = None) -> bytes:
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return encode(Event(json.dumps({"id": "c", "model": "m", "choices": [choice]})))


DONE = encode(Event("[DONE]"))
COMPLETION = b'{"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}'
FAULT = encode(Event(json.dumps({"error": {"message": "too\nbusy\x1b[31m", "code": 529}})))
CHOICES = encode(
    Event('{"choices": [{"index": 0, "delta": {}}, {"index": 1, "finish_reason": "stop"}]}')
)
TEXTS = ["Hel", "lo", "\n"]
CHUNKS = b"".join(map(chunk, TEXTS))
COMPLETE = CHUNKS + chunk(None, "stop") + DONE


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the command in this process, on a file or standard input."""

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


# Output.


def test_events_are_the_default(run: Run) -> None:
    """By default each event is a line of JSON with data, event, id and retry."""
    status, out, err = run(b"id: 7\nevent: a\nretry: 5\ndata: 1\ndata: 2\n\ndata: \xc3\xa9\n\n")
    assert status == 0
    assert out.splitlines() == [
        '{"data": "1\\n2", "event": "a", "id": "7", "retry": 5}',
        '{"data": "é", "event": "message", "id": "7", "retry": null}',
    ]
    assert err == (
        "sseparse: the last event is complete, but the events are of an unknown API, "
        "so a truncated stream can't be recognized (2 events, 51 bytes)\n"
    )


def test_done_of_an_unknown_api(run: Run) -> None:
    """[DONE] after the events of an unknown API doesn't make them a truncated chat stream."""
    status, _, err = run(b'data: {"type": "ping"}\n\ndata: [DONE]\n\n')
    assert status == 0
    assert "the events are of an unknown API" in err


def test_chunks(run: Run) -> None:
    """--chunks prints each chunk as a line, including unknown fields."""
    body = encode(Event('{"choices": [], "unknown": 1}')) + COMPLETE
    status, out, _ = run(body, "--chunks")
    assert status == 0
    first, second, *_ = json_lines(out)
    assert first == {"choices": [], "unknown": 1}
    assert second["choices"][0]["delta"] == {"content": "Hel"}
    assert len(out.splitlines()) == 5


def test_result(run: Run) -> None:
    """--result prints the finished completion as one line."""
    status, out, _ = run(COMPLETE, "--result")
    (result,) = json_lines(out)
    assert status == 0
    assert result["object"] == "chat.completion"
    assert result["choices"][0]["message"]["content"] == "Hello\n"


def test_text(run: Run) -> None:
    """--text prints only the text."""
    assert run(COMPLETE, "--text")[:2] == (0, "Hello\n")


@pytest.mark.parametrize(("body", "text"), [(chunk("Hel", "stop"), "Hel\n"), (DONE, "")])
def test_text_ends_with_a_line_end(run: Run, body: bytes, text: str) -> None:
    """Text without a line end gets one; no text gets none."""
    assert run(body, "--text")[1] == text


@pytest.mark.parametrize("option", ["--events", "--chunks", "--result", "--text"])
def test_standard_input(run: Run, option: str) -> None:
    """Standard input is read if the file is `-` or missing."""
    expected = run(COMPLETE, option)
    assert run(COMPLETE, option, piped=True) == expected
    assert run(COMPLETE, option, "-", piped=True) == expected


# The end.


@pytest.mark.parametrize(
    ("body", "status", "verdict"),
    [
        (COMPLETE, 0, "finish_reason=stop, complete (5 events, "),
        (chunk("a", "stop"), 0, "finish_reason=stop, complete without [DONE] (1 event, "),
        (
            chunk("a"),
            1,
            "truncated: the stream ended after 1 event (110 bytes) without [DONE]",
        ),
        (
            chunk("a")[:-9],
            1,
            "truncated: the stream ended inside the first event (101 bytes)\n",
        ),
        (chunk("a") + FAULT, 1, "The server sent an error: too busy [31m (code 529) (2 events, "),
        (b"data: {\n\n", 1, "malformed: an event isn't a chunk: "),
        (
            b"<html>\n",
            2,
            "not a stream: the body is HTML or XML and begins with '<html>' (7 bytes)",
        ),
        (b"\x93\x00\xff", 2, "not a stream: the body is binary data (3 bytes)"),
        (b"", 1, "the body is empty"),
        (b'data: {"type": "ping"}\n\n', 1, "the events are of an unknown API; `sseparse"),
        (
            b'data: {"type": "ping"}\n\ndata: [DONE]\n\n',
            1,
            "the events are of an unknown API; `sseparse",
        ),
        (b'{"error": "busy"}', 1, "The server sent an error: busy (0 events, 17 bytes)"),
        (b'{"a": 1}', 2, "not a stream: the body is JSON and begins with '{\"a\": 1}'"),
        (b"\x7fELF\0\n: a\n", 2, "not a stream: the body is binary data (10 bytes)"),
        (b"\x1f\x8b\0", 2, "not a stream: the body is compressed with gzip: decompress it first"),
        (b" <html>\n:root {}\n", 2, "not a stream: the body is HTML or XML and begins with "),
        (b"text\n", 2, "not a stream: the body begins with 'text' (5 bytes)"),
        (DONE, 1, "truncated: the stream ended after 1 event (14 bytes) with [DONE], but w"),
        (b'{"choices": [{"message": {}}]}', 1, "truncated: the body is one JSON object without "),
        (
            CHOICES,
            1,
            "truncated: the stream ended after 1 event (87 bytes) without [DONE] or a finish_r",
        ),
        (COMPLETION, 0, "finish_reason=stop, complete: one JSON object, not a stream ("),
    ],
)
@pytest.mark.parametrize("option", ["--chunks", "--result", "--text"])
def test_end_of_chunks(run: Run, option: str, body: bytes, status: int, verdict: str) -> None:
    """Standard error gets one line without control characters that matches the exit status."""
    ended, _, err = run(body, option)
    assert ended == status
    assert err.startswith(f"sseparse: {verdict}")
    assert err.count("\n") == 1
    assert err.rstrip("\n").isprintable()


@pytest.mark.parametrize(
    ("body", "status", "verdict"),
    [
        (b"", 1, "the body is empty"),
        (b"data: 1\n", 1, "truncated: the stream ended inside the first event (8 bytes)"),
        (b"<html>", 2, "not a stream: "),
        (b"data: " + b"x" * (33 << 20), 1, "Line larger than 33,554,432 bytes"),
    ],
    ids=["empty", "cut", "page", "endless"],
)
def test_end_of_events(run: Run, body: bytes, status: int, verdict: str) -> None:
    """The end of a body without chunks is judged by its framing."""
    ended, out, err = run(body)
    assert (ended, out) == (status, "")
    assert err.startswith(f"sseparse: {verdict}")


@pytest.mark.parametrize(
    ("body", "status", "verdict"),
    [
        (COMPLETE, 0, "finish_reason=stop, complete (5 events, "),
        (chunk("a", "stop"), 0, "finish_reason=stop, complete without [DONE] (1 event, "),
        (
            chunk("a"),
            1,
            "truncated: the stream ended after 1 event (110 bytes) without [DONE]",
        ),
        (chunk("a") + FAULT + DONE, 1, "The server sent an error: too busy"),
        (b"data: hi\n\n", 0, "the last event is complete, but the events are of an"),
        (
            b'data: {"choices": []}\n\n',
            0,
            "the last event is complete, but the events are of an",
        ),
    ],
)
def test_end_of_events_that_are_chunks(run: Run, body: bytes, status: int, verdict: str) -> None:
    """Events that are chunks are judged by the rules for chunks, others by their framing."""
    ended, _, err = run(body)
    assert ended == status
    assert err.startswith(f"sseparse: {verdict}")


def test_an_unfinished_choice_is_named(run: Run) -> None:
    """If only some choices are finished, the report names one that isn't."""
    err = run(CHOICES, "--text")[2]
    assert err.endswith("or a finish_reason for choice 0 (1 of 2 choices finished)\n")


def test_output_before_an_error(run: Run) -> None:
    """Chunks, text and the partial completion before an error are printed."""
    body = CHUNKS + FAULT
    assert len(run(body, "--chunks")[1].splitlines()) == 3
    assert run(body, "--text")[1] == "Hello\n"
    (partial,) = json_lines(run(body, "--result")[1])
    assert partial["choices"][0]["message"]["content"] == "Hello\n"
    assert partial["choices"][0]["finish_reason"] is None


@pytest.mark.parametrize("body", [b"<html>", FAULT])
def test_no_result_without_choices(run: Run, body: bytes) -> None:
    """--result prints nothing if no choice was received."""
    assert run(body, "--result")[1] == ""


# Errors.


def test_unreadable_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unreadable file is reported in one line with status 2."""
    assert main(["parse", str(tmp_path / "none")]) == 2
    assert main(["parse", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"sseparse: cannot read {tmp_path / 'none'}: No such file or directory",
        f"sseparse: cannot read {tmp_path}: Is a directory",
    ]


@pytest.mark.parametrize(
    ("arguments", "usage", "message"),
    [
        (["prase"], "usage: sseparse [-h]", "there is no command 'prase'; did you mean 'parse'?"),
        (["sing"], "usage: sseparse [-h]", "there is no command 'sing'; commands: chat, parse, "),
        (["parse", "--txt"], "usage: sseparse parse ", "unknown argument '--txt'; did you mean "),
        (["parse", "a", "b"], "usage: sseparse parse ", "unknown argument 'b'"),
        (["--bogus"], "usage: sseparse [-h]", "unknown argument '--bogus'"),
        (["parse", "--text", "--result"], "usage: sseparse parse ", "--result: not allowed with -"),
        (["--print-completion", "ksh"], "usage: sseparse [-h]", "--print-completion: invalid ch"),
    ],
)
def test_usage_errors(
    arguments: list[str], usage: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A usage error prints the usage of its subcommand and suggests a similar name."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith(usage)
    assert err.splitlines()[-1].startswith(f"sseparse: {message}")


def test_no_arguments_print_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Without arguments, standard error gets the help, and the exit status is 2."""
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "\ncommands:\n" in err
    assert "\nexit status:\n  0 " in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_unwritable_help(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Help that can't be written is reported with status 74."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main([option]) == 74
    assert capsys.readouterr().err == (
        "sseparse: cannot write the output: No space left on device\n"
    )


def test_closed_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A closed standard output is reported with status 74."""
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["parse"]) == 74
    assert capsys.readouterr().err == "sseparse: standard output is closed\n"


def test_no_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A closed standard input is reported with status 2."""
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["parse"]) == 2
    assert (
        capsys.readouterr().err == "sseparse: standard input is closed: add a file to the command\n"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_unwritable_output(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Output that can't be written is reported with status 74."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert run(COMPLETE, "--text")[::2] == (
            74,
            "sseparse: cannot write the output: No space left on device\n",
        )


def test_ctrl_c_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C exits with status 130 and prints nothing."""

    class Interrupted(io.BytesIO):
        def read1(self, _size: int | None = -1, /) -> bytes:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Interrupted()))
    assert main(["parse"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_closed_pipe_ends_quietly(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A closed pipe exits with status 141, prints nothing and leaves nothing to flush."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        assert run(COMPLETE, "--text")[0] == 141
    assert capsys.readouterr().err == ""


# Encodings.


def test_unencodable_json_is_escaped(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON escapes lone surrogates and characters that standard output can't encode."""
    body = b'data: {"choices": [{"delta": {"content": "\\ud83d\xc3\xa9"}}]}\n\n'
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    run(body, "--chunks")
    run("data: é\n\n".encode())
    chunk, event = json_lines(raw.getvalue().decode("ascii"))
    assert chunk["choices"][0]["delta"]["content"] == "\ud83dé"
    assert event["data"] == "é"


def test_unencodable_text_is_replaced(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text that standard output can't encode becomes question marks."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert run(chunk("né", "stop"), "--text")[0] == 0
    assert raw.getvalue() == b"n?\n"


def test_output_to_a_text_buffer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output can be a StringIO when a program calls main()."""
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    assert run(COMPLETE, "--text")[0] == 0
    assert output.getvalue() == "Hello\n"


# In a subprocess.


def start(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sseparse", *arguments]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_text_is_printed_while_it_arrives() -> None:
    """Each piece of text is printed once its event is complete, without waiting for more input."""
    with start("parse", "--text", "-") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for text in TEXTS:
            process.stdin.write(chunk(text))
            process.stdin.flush()
            assert process.stdout.read(len(text)) == text.encode()
        out, err = process.communicate(DONE)
    assert (process.returncode, out) == (0, b"")
    assert err.startswith(b"sseparse: no finish_reason, complete (")


def test_a_reader_that_stops_early() -> None:
    """A reader that stops early, like `head -1`, causes no traceback and no warning."""
    with start("parse") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(COMPLETE)
        process.stdin.flush()
        for _ in range(COMPLETE.count(b"\n\n")):
            process.stdout.readline()
        process.stdout.close()
        process.stdin.write(COMPLETE)
        process.stdin.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_parse_needs_no_extra() -> None:
    """`parse` imports no package of an extra."""
    code = (
        "import sys\n"
        "from sseparse.cli import main\n"
        "main(['parse', '--text'])\n"
        "names = 'rich h11 httpx httpx2 ssl asyncio tiktoken matplotlib sseparse.testing '\n"
        "names += 'sseparse.timing sseparse.tokens sseparse.cli._chat sseparse.cli._serve'\n"
        "print(sorted({*names.split()} & {*sys.modules}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=COMPLETE, capture_output=True, check=True
    )
    assert done.stdout == b"Hello\n[]\n"


# In a terminal.


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
    """Control characters in a body are escaped in a terminal."""
    (tmp_path / "body").write_bytes(chunk("a\x1b[31mb\x9b", "stop"))
    status, text = in_terminal("parse", option, str(tmp_path / "body"))
    assert status == 0
    assert shown.rstrip("\n") in text
    assert not {"\x1b", "\x9b"} & {*text}


def test_a_message_is_broken_between_words(
    in_terminal: InTerminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a terminal, a long message is broken between words."""
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((40, 24)))
    (tmp_path / "body").write_bytes(COMPLETE[: -len(DONE)])
    _, text = in_terminal("parse", "--chunks", str(tmp_path / "body"), streams=("stderr",))
    assert text.splitlines()[0] == "sseparse: finish_reason=stop, complete"
    assert text.splitlines()[1].startswith("  without [DONE] (")


LONG = b": %b\n\n" % (b"x" * 2**20) * 10 + COMPLETE


@pytest.mark.parametrize(("option", "streams"), [("--result", 2), ("--text", 1)])
def test_progress(in_terminal: InTerminal, tmp_path: Path, option: str, streams: int) -> None:
    """A long file shows progress in a line that is erased before the report."""
    (tmp_path / "body").write_bytes(LONG)
    used = ("stdout", "stderr") if streams == 2 else ("stderr",)
    status, text = in_terminal("parse", option, str(tmp_path / "body"), streams=used)
    assert status == 0
    first, second, erased, rest = text.split("\r")[1:]
    assert first.startswith("4.0 of 10.0 MiB, ")
    assert second.startswith("8.0 of 10.0 MiB, ")
    assert not erased.strip()
    assert len(erased) >= len(second.rstrip())
    assert rest.endswith(
        f"sseparse: finish_reason=stop, complete (5 events, {len(LONG):,} bytes)\n"
    )


def test_progress_of_a_pipe(in_terminal: InTerminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The progress of a pipe has no total size."""
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
def test_no_progress_between_output(
    in_terminal: InTerminal, tmp_path: Path, option: str, streams: tuple[str, ...]
) -> None:
    """No progress is shown between lines of output or in a file."""
    (tmp_path / "body").write_bytes(LONG)
    _, text = in_terminal("parse", option, str(tmp_path / "body"), streams=streams)
    assert "MiB" not in text
