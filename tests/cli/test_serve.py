"""`sseparse serve` replays captured bodies to clients."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sseparse.cli import main
from sseparse.testing import FAULTS

Body = Callable[..., bytes]


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[str, list[str]]]:
    """
    Serve; give what was printed, and a list of what standard error said, which is there at the end.

    If something is put into the list, a line is waited for before the server is stopped.
    """
    command = [sys.executable, "-m", "sseparse", "serve", *arguments]
    said: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = ""
        while not told.endswith("Ctrl-C stops it.\n"):
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            told += line
        try:
            yield told, said
        finally:
            if said:
                # Something is to be told first.
                assert process.stderr is not None
                said[:] = [process.stderr.readline().rstrip()]
            process.send_signal(signal.SIGINT)
            said += process.communicate(timeout=60)[1].splitlines()
        assert process.returncode == 0


def base_of(told: str) -> str:
    return told.split("--base-url ")[1].split(maxsplit=1)[0]


def ask(url: str, method: str = "POST") -> tuple[int, bytes]:
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
    """What is printed can be typed: the answer comes from the file, and a line tells of it."""
    with serving(str(saved)) as (told, said):
        assert main(["chat", "--base-url", base_of(told), "hi"]) == 0
        assert ask(f"{base_of(told)}/anything", "GET") == (200, saved.read_bytes())
    assert capsys.readouterr().out == "Hello\n"
    size = len(saved.read_bytes())
    assert told.splitlines()[0].endswith(f"/... -> {saved}, {size} bytes, all at once")
    assert "Try: curl -N -d '{}' http://127.0.0.1:" in told
    assert said.pop() == "sseparse: stopped"
    got, posted = sorted(said)
    assert posted.startswith("sseparse: POST /v1/chat/completions -> a b.sse, ")
    assert posted.endswith(" bytes, to its end")
    assert got.startswith("sseparse: GET /v1/anything -> a b.sse, ")


def test_several_files(saved: Path, tmp_path: Path) -> None:
    """The first part of the path says which."""
    (tmp_path / "other.sse").write_bytes(b"data: 1\n\n")
    with serving(str(saved), str(tmp_path / "other.sse")) as (told, said):
        root = base_of(told).removesuffix("/a%20b/v1")
        assert ask(f"{root}/other/v1/chat/completions") == (200, b"data: 1\n\n")
        assert ask(f"{root}/a%20b") == (200, saved.read_bytes())
        for path in ("/nobody/v1", "/"):
            status, text = ask(root + path)
            assert status == 404
            assert text.endswith(b"; there is /a%20b/..., /other/...\n")
    assert any(line.startswith("sseparse: POST /nobody/v1 -> 404, ") for line in said)


def test_a_name_that_is_not_utf_8(saved: Path, tmp_path: Path) -> None:
    """It is percent-encoded byte by byte, as any other name."""
    (tmp_path / os.fsdecode(b"\xff.sse")).write_bytes(b"data: 1\n\n")
    with serving(str(saved), str(tmp_path / os.fsdecode(b"\xff.sse"))) as (told, _):
        root = base_of(told).removesuffix("/a%20b/v1")
        assert ask(f"{root}/%FF/v1") == (200, b"data: 1\n\n")


ODD_TARGETS = [
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
    """Send a request with a target as it is; return the status of the response."""
    connection = socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), 60)
    request = f"{method} {target} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
    with connection, connection.makefile("rb") as response:
        connection.sendall(request.encode("latin-1"))
        return int(response.readline().split()[1])


def test_odd_targets(saved: Path, tmp_path: Path) -> None:
    """What has no path is refused, a URL is served as its path; no traceback for any of them."""
    (tmp_path / "other.sse").write_bytes(b"data: 1\n\n")
    with serving(str(saved), str(tmp_path / "other.sse")) as (told, said):
        for method, target, status in ODD_TARGETS:
            assert (target[:99], status_of(base_of(told), method, target)) == (target[:99], status)
    assert all(line.startswith("sseparse: ") for line in said)
    assert any(line.startswith("sseparse: GET foo -> 400, ") for line in said)


def test_odd_targets_where_one_file_answers_all(saved: Path) -> None:
    """What has no path is refused all the same."""
    with serving(str(saved)) as (told, said):
        for method, target, status in ODD_TARGETS:
            expected = 200 if status == 404 else status
            assert (target[:99], status_of(base_of(told), method, target)) == (
                target[:99],
                expected,
            )
    assert all(line.startswith("sseparse: ") for line in said)


def test_a_number_is_the_pace(saved: Path) -> None:
    """Seconds before each event; a fault keeps to it too."""
    with serving("--pace", "0.001", str(saved)) as (told, _):
        assert ask(base_of(told))[1] == saved.read_bytes()
    assert ", 0.001 s before each event\n" in told
    with serving("--pace", "0.001", "--fault", "wrong-content-type", str(saved)) as (told, _):
        assert ask(base_of(told))[1] == saved.read_bytes()


def test_recorded_times(saved: Path) -> None:
    """Those that `chat --save` kept, unless another pace is asked for."""
    size = len(saved.read_bytes())
    lines = [{"bytes": 7, "seconds": 0.0}, {"bytes": size - 7, "seconds": 0.01}]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    Path(f"{saved}.times").write_text(text, "utf-8")
    for options, manner in (
        ([], "as recorded"),
        (["--pace", "recorded"], "as recorded"),
        (["--pace", "fast"], "all at once"),
    ):
        with serving(*options, str(saved)) as (told, _):
            assert ask(base_of(told))[1] == saved.read_bytes()
        assert f" bytes, {manner}\n" in told


def test_what_chat_saves_is_served_as_it_came(saved: Path, tmp_path: Path) -> None:
    """The two fit together."""
    copy = tmp_path / "copy.sse"
    with serving("--pace", "0.001", str(saved)) as (told, _):
        assert main(["chat", "--base-url", base_of(told), "--save", str(copy), "hi"]) == 0
    with serving(str(copy)) as (told, _):
        assert ask(base_of(told))[1] == saved.read_bytes()
    assert "as recorded" in told


def test_times_that_were_not_recorded(saved: Path) -> None:
    """One line says so; the body is sent all at once."""
    with serving("--pace", "recorded", str(saved)) as (told, said):
        pass
    assert "all at once" in told
    assert said[0].startswith("sseparse: serve: no times were recorded with ")


@pytest.mark.parametrize(
    ("fault", "how"),
    [("close", "closed before its end"), ("reset", "reset"), ("html", "to its end")],
)
def test_faults(saved: Path, fault: str, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What goes wrong is announced, done, and told."""
    with serving("--fault", fault, str(saved)) as (told, said):
        assert main(["chat", "--base-url", base_of(told), "hi"]) in (1, 2)
    assert f"with a fault: {FAULTS[fault]}" in told
    assert said[0].endswith(f" bytes, {how}")


def test_clients_that_go_away(saved: Path) -> None:
    """That is told; or that the server stopped before."""
    for leave, how in ((True, "the client went away"), (False, "the server stopped")):
        with serving("--pace", "3600", str(saved)) as (told, said):
            parts = urlsplit(base_of(told))
            connection = http.client.HTTPConnection(parts.netloc)
            connection.request("POST", parts.path)
            response = connection.getresponse()
            if leave:
                response.close()
                connection.close()
                said.append("wait for it")
        response.close()
        connection.close()
        assert said[-2].endswith(f", {how}")


def test_a_request_that_is_none(saved: Path) -> None:
    """It is told as that."""
    with serving(str(saved)) as (told, said):
        parts = urlsplit(base_of(told))
        connection = http.client.HTTPConnection(parts.netloc)
        connection.connect()
        connection.sock.sendall(b"?\r\n\r\n")
        assert connection.sock.recv(9) == b"HTTP/1.1 "
        connection.close()
    assert said[0].startswith("sseparse: bad request, ")


def test_host_and_port(saved: Path) -> None:
    """Where it is told to; with the brackets that an address of IPv6 wants."""
    with serving("--host", "::1", str(saved)) as (told, _):
        assert told.startswith("http://[::1]:")
        port = urlsplit(base_of(told)).port
    with serving("--host", "127.0.0.1", "--port", str(port), str(saved)) as (told, _):
        assert urlsplit(base_of(told)).port == port
        busy = subprocess.run(
            [sys.executable, "-m", "sseparse", "serve", "--port", str(port), str(saved)],
            capture_output=True,
            check=False,
        )
    assert busy.returncode == 2
    assert busy.stderr.startswith(b"sseparse: serve: cannot listen at 127.0.0.1, port ")


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ("{", "holds no times: "),
        ('{"bytes": 1}', "holds no times: "),
        ("3", "holds no times: "),
        ('{"bytes": 1, "seconds": 0}', "holds the times of another body than "),
        ("\udcff", "cannot read "),
    ],
)
def test_times_that_are_none(
    saved: Path, capsys: pytest.CaptureFixture[str], times: str, said: str
) -> None:
    """One line, status 2."""
    Path(f"{saved}.times").write_bytes(times.encode(errors="surrogateescape"))
    assert main(["serve", str(saved)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


def test_what_cannot_be_served(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, status 2."""
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    (tmp_path / "more").mkdir()
    twin = tmp_path / "more" / "a b.txt"
    twin.write_bytes(b"")
    for arguments, said in (
        ([tmp_path / "none"], "cannot read "),
        ([saved, twin], "two files have the same name"),
        (["--fault", "gremlins", saved], "there is no fault 'gremlins'; "),
        (["--fault", "close", empty], "holds no event that could come before it"),
        (["--fault", "close", "--pace", "recorded", saved], "--fault goes with --pace fast or"),
        (["--host", "192.0.2.1", saved], "cannot listen at 192.0.2.1, port 0: "),
    ):
        assert main(["serve", *map(str, arguments)]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert err.startswith("sseparse: serve: ")
        assert said in err


@pytest.mark.parametrize("option", [["--pace", "-1"], ["--pace", "slow"], ["--port", "65536"]])
def test_options_that_make_no_sense(option: list[str]) -> None:
    """How it is used, status 2."""
    with pytest.raises(SystemExit) as caught:
        main(["serve", *option, "a.sse"])
    assert caught.value.code == 2


def test_help_names_the_faults(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with what it does."""
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    printed = capsys.readouterr().out
    for name, does in FAULTS.items():
        assert f"\n  {name} " in printed
        assert does in " ".join(printed.split())


@pytest.mark.parametrize("command", ["chat", "parse", "serve"])
def test_help_fits_into_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """With examples, and what the exit status says."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    printed = capsys.readouterr().out
    assert caught.value.code == 0
    assert max(map(len, printed.splitlines())) <= 80
    assert "examples:\n  sseparse " in printed or f"| sseparse {command}" in printed
    assert "exit status" in printed.replace("\n", " ")
