"""`sseparse serve` replays captured bodies to clients."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sseparse.cli import main
from sseparse.testing import FAULTS

from .answers import ANSWERS
from .conftest import Body


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[str, list[str]]]:
    """
    Run the command; yield its output and a list that gets the lines of standard error.

    If the block adds an item to the list, the server is stopped after its first line.
    """
    command = [sys.executable, "-m", "sseparse", "serve", *arguments]
    reported: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        output = ""
        while not output.endswith("Press Ctrl-C to stop.\n"):
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            output += line
        try:
            yield output, reported
        finally:
            if reported:
                assert process.stderr is not None
                reported[:] = [process.stderr.readline().rstrip()]
            process.send_signal(signal.SIGINT)
            reported += process.communicate(timeout=60)[1].splitlines()
        assert process.returncode == 0


def base_of(output: str) -> str:
    return output.split("--base-url ")[1].split(maxsplit=1)[0]


def send_request(url: str, method: str = "POST") -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    try:
        connection.request(method, parts.path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.fixture
def saved(tmp_path: Path, body: Body) -> Path:
    file = tmp_path / "a b.sse"
    file.write_bytes(body({"content": "Hel"}, {"content": "lo"}))
    return file


def test_chat_against_serve(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The printed chat command gets the file as its response, and each response is reported."""
    with serving(str(saved)) as (output, reported):
        assert main(["chat", "--base-url", base_of(output), "hi"]) == 0
        assert send_request(f"{base_of(output)}/anything", "GET") == (200, saved.read_bytes())
    assert capsys.readouterr().out == "Hello\n"
    size = len(saved.read_bytes())
    assert output.splitlines()[0].endswith(f"/... -> {saved}, {size} bytes, all at once")
    assert "Try: curl -N -d '{}' http://127.0.0.1:" in output
    assert reported.pop() == "sseparse: stopped"
    got, posted = sorted(reported)
    assert posted.startswith("sseparse: POST /v1/chat/completions -> a b.sse, ")
    assert posted.endswith(" bytes with headers, complete")
    assert got.startswith("sseparse: GET /v1/anything -> a b.sse, ")


def test_suggested_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The printed commands ask the API that the file is from."""
    answer = ANSWERS[2]
    file = tmp_path / "message.sse"
    file.write_bytes(answer.body)
    with serving(str(file)) as (output, _):
        assert f"{answer.path}\n     sseparse chat --api {answer.name} --base-url http" in output
        assert main(["chat", "--api", answer.name, "--base-url", base_of(output), "hi"]) == 0
    assert capsys.readouterr().out.startswith("Hello\n")


def test_several_files(saved: Path, tmp_path: Path) -> None:
    """The first part of the path selects one of several files."""
    (tmp_path / "other.sse").write_bytes(b"data: 1\n\n")
    with serving(str(saved), str(tmp_path / "other.sse")) as (output, reported):
        root = base_of(output).removesuffix("/a%20b/v1")
        assert send_request(f"{root}/other/v1/chat/completions") == (200, b"data: 1\n\n")
        assert send_request(f"{root}/a%20b") == (200, saved.read_bytes())
        for path in ("/unknown/v1", "/"):
            status, text = send_request(root + path)
            assert status == 404
            assert text.endswith(b"; paths with a file: /a%20b/..., /other/...\n")
    assert any(line.startswith("sseparse: POST /unknown/v1 -> 404, ") for line in reported)


def test_a_name_that_is_not_utf_8(saved: Path, tmp_path: Path) -> None:
    """A file name that isn't UTF-8 is percent-encoded byte by byte."""
    (tmp_path / os.fsdecode(b"\xff.sse")).write_bytes(b"data: 1\n\n")
    with serving(str(saved), str(tmp_path / os.fsdecode(b"\xff.sse"))) as (output, _):
        root = base_of(output).removesuffix("/a%20b/v1")
        assert send_request(f"{root}/%FF/v1") == (200, b"data: 1\n\n")


TARGETS = [
    ("GET", "foo", 400),
    ("GET", "*", 400),
    ("OPTIONS", "*", 400),
    ("GET", "?x", 400),
    ("GET", "%zz", 400),
    ("GET", "host:80", 400),
    ("GET", "http:///path", 400),
    ("GET", "ftp://here/path", 400),
    ("CONNECT", "here:80", 400),
    ("CONNECT", "/other", 400),
    ("HEAD", "foo", 400),
    ("GET", "", 400),
    ("GET", "/\xff", 400),
    ("GET", "/", 404),
    ("GET", "//", 404),
    ("GET", "/%00", 404),
    ("GET", "/%zz", 404),
    ("GET", "/%ff/x", 404),
    ("GET", "/" + "x" * 10_000, 404),
    ("GET", "/" + "x" * 100_000, 431),
    ("GET", "http://here", 404),
    ("GET", "http://here?/other", 404),
    ("GET", "/other?x", 200),
    ("GET", "http://here/other", 200),
    ("POST", "HTTPS://u@here:8/other/v1?x=/y", 200),
]


def status_of(url: str, method: str, target: str) -> int:
    """Send a request with an unchanged target; return the status of the response."""
    connection = socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), 60)
    request = f"{method} {target} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
    with connection, connection.makefile("rb") as response:
        connection.sendall(request.encode("latin-1"))
        return int(response.readline().split()[1])


def test_unusual_targets(saved: Path, tmp_path: Path) -> None:
    """A target without a path is rejected, and a URL is served as its path."""
    (tmp_path / "other.sse").write_bytes(b"data: 1\n\n")
    with serving(str(saved), str(tmp_path / "other.sse")) as (output, reported):
        for method, target, status in TARGETS:
            assert (target[:99], status_of(base_of(output), method, target)) == (
                target[:99],
                status,
            )
    assert all(line.startswith("sseparse: ") for line in reported)
    assert any(line.startswith("sseparse: GET foo -> 400, ") for line in reported)


def test_unusual_targets_of_a_single_file(saved: Path) -> None:
    """A target without a path is rejected even if one file serves all paths."""
    with serving(str(saved)) as (output, reported):
        for method, target, status in TARGETS:
            expected = 200 if status == 404 else status
            assert (target[:99], status_of(base_of(output), method, target)) == (
                target[:99],
                expected,
            )
    assert all(line.startswith("sseparse: ") for line in reported)


def test_pace_in_seconds(saved: Path) -> None:
    """A number for --pace is the seconds before each event, also with a fault."""
    with serving("--pace", "0.001", str(saved)) as (output, _):
        assert send_request(base_of(output))[1] == saved.read_bytes()
    assert ", 0.001 s before each event\n" in output
    with serving("--pace", "0.001", "--fault", "wrong-content-type", str(saved)) as (output, _):
        assert send_request(base_of(output))[1] == saved.read_bytes()


def test_recorded_times(saved: Path) -> None:
    """The recorded times are used unless another pace is requested."""
    size = len(saved.read_bytes())
    lines = [{"bytes": 7, "seconds": 0.0}, {"bytes": size - 7, "seconds": 0.01}]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    Path(f"{saved}.times").write_text(text, "utf-8")
    for options, manner in (
        ([], "as recorded"),
        (["--pace", "recorded"], "as recorded"),
        (["--pace", "fast"], "all at once"),
    ):
        with serving(*options, str(saved)) as (output, _):
            assert send_request(base_of(output))[1] == saved.read_bytes()
        assert f" bytes, {manner}\n" in output


def test_serve_a_body_saved_by_chat(saved: Path, tmp_path: Path) -> None:
    """A body saved by chat is served with its recorded times."""
    copy = tmp_path / "copy.sse"
    with serving("--pace", "0.001", str(saved)) as (output, _):
        assert main(["chat", "--base-url", base_of(output), "--save", str(copy), "hi"]) == 0
    with serving(str(copy)) as (output, _):
        assert send_request(base_of(output))[1] == saved.read_bytes()
    assert "as recorded" in output


def test_missing_times(saved: Path) -> None:
    """With --pace recorded and no times, a line reports it and the body is sent at once."""
    with serving("--pace", "recorded", str(saved)) as (output, reported):
        pass
    assert "all at once" in output
    assert reported[0].endswith(" has no recorded times: it is sent all at once")


@pytest.mark.parametrize(
    ("fault", "how"),
    [("close", "closed early"), ("reset", "reset"), ("html", "complete")],
)
def test_faults(saved: Path, fault: str, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A fault is announced, applied and reported."""
    with serving("--fault", fault, str(saved)) as (output, reported):
        assert main(["chat", "--base-url", base_of(output), "hi"]) in (1, 2)
    assert f"with a fault: {FAULTS[fault]}" in output
    assert reported[0].endswith(f" bytes with headers, {how}")


def test_unfinished_responses(saved: Path) -> None:
    """A response is reported as unfinished if the client or the server stops."""
    for leave, how in (
        (True, "closed by the client"),
        (False, "closed because the server stopped"),
    ):
        with serving("--pace", "3600", str(saved)) as (output, reported):
            parts = urlsplit(base_of(output))
            connection = http.client.HTTPConnection(parts.netloc)
            connection.request("POST", parts.path)
            response = connection.getresponse()
            if leave:
                response.close()
                connection.close()
                reported.append("wait for it")
        response.close()
        connection.close()
        assert reported[-2].endswith(f", {how}")


def test_invalid_request(saved: Path) -> None:
    """An invalid request is reported."""
    with serving(str(saved)) as (output, reported):
        parts = urlsplit(base_of(output))
        connection = http.client.HTTPConnection(parts.netloc)
        connection.connect()
        connection.sock.sendall(b"?\r\n\r\n")
        assert connection.sock.recv(9) == b"HTTP/1.1 "
        connection.close()
    assert reported[0].startswith("sseparse: invalid request, ")


def test_host_and_port(saved: Path) -> None:
    """The server listens on the requested host and port, also on IPv6."""
    with serving("--host", "::1", str(saved)) as (output, _):
        assert output.startswith("http://[::1]:")
        port = urlsplit(base_of(output)).port
    with serving("--host", "127.0.0.1", "--port", str(port), str(saved)) as (output, _):
        assert urlsplit(base_of(output)).port == port
        busy = subprocess.run(
            [sys.executable, "-m", "sseparse", "serve", "--port", str(port), str(saved)],
            capture_output=True,
            check=False,
        )
    assert busy.returncode == 2
    assert busy.stderr.startswith(b"sseparse: cannot listen on 127.0.0.1, port ")


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ("{", "has no valid times: "),
        ('{"bytes": 1}', "has no valid times: "),
        ("3", "has no valid times: "),
        ('{"bytes": 1, "seconds": 0}', "doesn't match "),
        ("\udcff", "has no valid times: "),
    ],
)
def test_invalid_times(
    saved: Path, capsys: pytest.CaptureFixture[str], times: str, expected: str
) -> None:
    """Invalid times are reported in one line with status 2."""
    Path(f"{saved}.times").write_bytes(times.encode(errors="surrogateescape"))
    assert main(["serve", str(saved)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert expected in err


def test_times_that_cannot_be_read(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An error in reading the times is reported in one line with status 2."""
    Path(f"{saved}.times").mkdir()
    assert main(["serve", str(saved)]) == 2
    assert "cannot read " in capsys.readouterr().err


def test_files_that_cannot_be_served(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files and options that can't be served are reported in one line with status 2."""
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    (tmp_path / "more").mkdir()
    namesake = tmp_path / "more" / "a b.txt"
    namesake.write_bytes(b"")
    for arguments, expected in (
        ([tmp_path / "none"], "cannot read "),
        ([saved, namesake], "two files have the same name"),
        (["--fault", "gremlins", saved], "--fault: unknown fault 'gremlins'; "),
        (["--fault", "close", empty], "has no event to send before the fault"),
        (
            ["--fault", "close", "--pace", "recorded", saved],
            "--fault can't be combined with --pace recorded",
        ),
        (["--host", "192.0.2.1", saved], "cannot listen on 192.0.2.1, port 0: "),
    ):
        assert main(["serve", *map(str, arguments)]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert err.startswith("sseparse: ")
        assert expected in err


@pytest.mark.parametrize("option", [["--pace", "-1"], ["--pace", "slow"], ["--port", "65536"]])
def test_invalid_options(option: list[str]) -> None:
    """An invalid option prints the usage and exits with status 2."""
    with pytest.raises(SystemExit) as caught:
        main(["serve", *option, "a.sse"])
    assert caught.value.code == 2


def test_help_lists_the_faults(capsys: pytest.CaptureFixture[str]) -> None:
    """The help lists each fault with its description."""
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    printed = capsys.readouterr().out
    for name, description in FAULTS.items():
        assert f"\n  {name} " in printed
        assert description in " ".join(printed.split())


@pytest.mark.parametrize("command", ["chat", "parse", "serve"])
def test_help_fits_in_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """The help of each command fits in 80 columns, with examples and exit statuses."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    printed = capsys.readouterr().out
    assert caught.value.code == 0
    assert max(map(len, printed.splitlines())) <= 80
    assert "examples:\n  sseparse " in printed or f"| sseparse {command}" in printed
    assert "exit status" in printed.replace("\n", " ").lower()
