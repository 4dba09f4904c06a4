"""The command reads and asks chat completions, OpenAI Responses and Anthropic Messages alike."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sseparse.cli import main
from sseparse.cli._apis import APIS
from sseparse.testing import Replay, ReplayServer, faulty

from .answers import ANSWERS, ARGUMENTS, Answer, Object, events
from .conftest import Chat, InTerminal

KEYS = {"chat": "sk-proj-a1b2c3d4e5", "messages": "sk-ant-f6g7h8i9j0"}
KEYS["responses"] = KEYS["chat"]


each_api = pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.name)


@pytest.fixture
def parse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Return a function that runs `sseparse parse` in this process on a body."""

    def run(body: bytes, *options: str) -> tuple[int, str, str]:
        (tmp_path / "body").write_bytes(body)
        status = main(["parse", *options, str(tmp_path / "body")])
        printed = capsys.readouterr()
        return status, printed.out, printed.err.removeprefix("sseparse: ")

    return run


OPTIONS = ["--events", "--chunks", "--result", "--text"]


# sseparse parse.


@each_api
@pytest.mark.parametrize("option", OPTIONS)
def test_parse(parse: Chat, answer: Answer, option: str) -> None:
    """Each form of output works with each API, which is recognized."""
    status, out, err = parse(answer.body, option)
    seen = f"{len(answer.events)} events, {len(answer.body):,} bytes"
    assert (status, err) == (0, f"{answer.finish} ({seen})\n")
    if option == "--text":
        assert out == "Hello\n"
    elif option == "--result":
        result = json.loads(out)
        assert result | answer.result == result
        assert json.dumps(ARGUMENTS) in out or ARGUMENTS in out
    else:
        lines = [json.loads(line) for line in out.splitlines()]
        sent = [event.decode().partition("data: ")[2].strip() for event in answer.events]
        if option == "--events":
            assert [line["data"] for line in lines] == sent
        else:
            assert lines == [json.loads(text) for text in sent if text != "[DONE]"]


@each_api
@pytest.mark.parametrize("option", OPTIONS)
def test_truncated(parse: Chat, answer: Answer, option: str) -> None:
    """A truncated stream of each API is reported as such, and what was received is printed."""
    status, out, err = parse(answer.cut, option)
    assert (status, err.count("\n")) == (1, 1)
    assert err.startswith(
        f"truncated: the stream ended after {answer.cut.count(b'data: ')} events ("
    )
    assert err.endswith(f"{answer.truncated}\n")
    assert "lo" in out


@each_api
@pytest.mark.parametrize("option", OPTIONS)
def test_named_api(parse: Chat, answer: Answer, option: str) -> None:
    """--api names the API if the first events don't show it."""
    body = b'data: {"object": "other"}\n\n' + answer.body
    assert parse(body, "--api", answer.name, option)[::2] == parse(body, option)[::2]
    other = "chat" if answer.name == "messages" else "messages"
    status, out, err = parse(answer.cut, "--api", other, option)
    assert status == 1
    if option == "--events":
        assert err.startswith("truncated: the stream ended after ")
    else:
        assert err.startswith(f"the events are not those of the API '{other}'; `sseparse parse --")
        assert out in ("", "\n") or option == "--chunks"


@pytest.mark.parametrize("name", ["chat", "responses", "messages"])
@each_api
def test_wrong_api(parse: Chat, answer: Answer, name: str) -> None:
    """A complete body of another API than the named one isn't reported as truncated."""
    status, _, err = parse(answer.body, "--api", name, "--text")
    assert status == int(name != answer.name)
    assert err.startswith("the events are not those of the API ") == (name != answer.name)


@each_api
@pytest.mark.parametrize("option", OPTIONS)
def test_server_errors(parse: Chat, answer: Answer, option: str) -> None:
    """An error of the server is reported for each API; the answer before it is printed."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    status, out, err = parse(answer.cut + events(error)[0], option)
    assert status == 1
    assert err.startswith("The server sent an error: Overloaded (type overloaded_error) (")
    assert "lo" in out
    assert parse(events(error)[0], option)[2].startswith("The server sent an error: Overloaded ")


@each_api
@pytest.mark.parametrize("option", ["--chunks", "--result", "--text"])
def test_malformed(parse: Chat, answer: Answer, option: str) -> None:
    """Data that isn't JSON is reported for each API."""
    status, out, err = parse(answer.cut + b"data: {\n\n", option)
    what = "a chunk" if answer.name == "chat" else "a JSON object"
    assert status == 1
    assert err.startswith(f"malformed: an event isn't {what}: ")
    assert "lo" in out


@pytest.mark.parametrize(
    ("body", "text", "finish"),
    [
        (
            {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]},
            "Hi",
            "finish_reason=stop",
        ),
        (
            ANSWERS[1].result,
            "Hello",
            "status=completed",
        ),
        (
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "content": [{"type": "text", "text": "Hi"}],
                "stop_reason": "end_turn",
            },
            "Hi",
            "stop_reason=end_turn",
        ),
    ],
    ids=["chat", "responses", "messages"],
)
def test_json_bodies(parse: Chat, body: Object, text: str, finish: str) -> None:
    """A body that is one JSON object is recognized, too."""
    status, out, err = parse(json.dumps(body, indent=1).encode(), "--text")
    assert (status, out) == (0, f"{text}\n")
    assert err.startswith(f"{finish}, complete: one JSON object, not a stream (")


@each_api
def test_no_blank_line_at_the_end(parse: Chat, answer: Answer) -> None:
    """A body without a blank line at its end is complete if its last event is."""
    status, out, err = parse(answer.body.rstrip(), "--text")
    assert (status, out) == (0, "Hello\n")
    assert err.startswith(f"{answer.finish} (")


@each_api
def test_events_before_the_answer(parse: Chat, answer: Answer) -> None:
    """Comments, pings and events that several APIs send don't hide the API."""
    before = b'\xef\xbb\xbf: waiting\r\n\r\nevent: ping\r\ndata: {"type": "ping"}\r\n\r\n'
    assert parse(before + answer.body, "--text")[:2] == (0, "Hello\n")


def test_unreadable_pieces(
    parse: Chat, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error in reading, before or after the API is known, is a failed connection."""

    class Failing:
        def __init__(self, *pieces: bytes) -> None:
            self.pieces = iter(pieces)

        def fileno(self) -> int:
            return 0

        def read1(self, _size: int) -> bytes:
            piece = next(self.pieces, None)
            if piece is None:
                raise OSError(5, "Input/output error")
            return piece

    for pieces in ([b": a\n"], [ANSWERS[0].cut], [ANSWERS[2].cut]):
        monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": Failing(*pieces)}))
        assert main(["parse", "--text"]) == 1
        err = capsys.readouterr().err
        assert err.startswith("sseparse: truncated: the connection failed: Input/output error (")


def test_a_long_body_of_another_api(parse: Chat) -> None:
    """Only the first 32 MiB of a body are read to recognize it."""
    body = b'data: {"other": "%b"}\n\n' % (b"a" * 2**20) * 33
    status, _, err = parse(body + ANSWERS[2].body, "--text")
    assert status == 1
    assert err.startswith("the events are of an unknown API; `sseparse parse --events` prints them")


def test_a_line_that_is_too_long(parse: Chat) -> None:
    """A limit that is exceeded before the API is known is reported."""
    assert parse(b"data: " + b"a" * (33 << 20) + b"\n\n", "--text")[2].startswith("Line larger ")


def test_an_error_is_reported_while_the_input_stays_open() -> None:
    """An error that several APIs send is reported without waiting for more input."""
    command = [sys.executable, "-m", "sseparse", "parse", "--text"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b'data: {"error": {"message": "busy"}}\n\n')
        process.stdin.flush()
        assert process.stderr.readline().startswith(b"sseparse: The server sent an error: busy ")
    assert process.returncode == 1


@each_api
def test_text_is_printed_while_it_arrives(answer: Answer) -> None:
    """Each piece of text is printed once its event is complete, for each API."""
    command = [sys.executable, "-m", "sseparse", "parse", "--text"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for event in answer.events:
            process.stdin.write(event)
            process.stdin.flush()
            for text in (b"Hel", b"lo"):
                if b'"%b"' % text in event:
                    assert process.stdout.read(len(text)) == text
        assert process.communicate()[0] == b"\n"
    assert process.returncode == 0


# sseparse chat.


@each_api
def test_chat(chat: Chat, answer: Answer) -> None:
    """The answer of each API is printed, with its token counts and how it ended."""
    with ReplayServer(answer.body) as server:
        status, out, err = chat(server, "--api", answer.name, "hi")
        (request,) = server.requests
    assert (status, out) == (0, f"Hello\nweather({ARGUMENTS})\n")
    assert request.target == answer.path
    parts = err.removeprefix("sseparse: ").rstrip("\n").split(", ")
    assert parts[:2] == ["7 tokens", "9 prompt tokens"]
    assert parts[2].startswith("first token after 0.")
    assert ", ".join(parts[-2:]) == answer.finish


@each_api
def test_chat_json(chat: Chat, answer: Answer) -> None:
    """--json prints the result in the form of the API, also a partial one."""
    status, out, _ = chat(answer.body, "--api", answer.name, "--json", "hi")
    assert status == 0
    assert json.loads(out) | answer.result == json.loads(out)
    status, out, err = chat(answer.cut, "--api", answer.name, "--json", "hi")
    assert (status, "lo" in out) == (1, True)
    assert err.endswith(f"{answer.truncated}\n")
    assert chat(b"<html>", "--api", answer.name, "--json", "hi")[1] == ""


@pytest.mark.parametrize("asked", ["chat", "responses", "messages"])
@each_api
def test_chat_with_a_server_of_another_api(chat: Chat, answer: Answer, asked: str) -> None:
    """A response of another API than the requested one is reported, with the option to use."""
    for body in (answer.body, answer.cut):
        status, _, err = chat(body, "--api", asked, "hi")
        advice = f"the server sent a response of the API '{answer.name}': use --api {answer.name}\n"
        assert err.endswith(advice) == (asked != answer.name)
        assert status == int(advice in err or body == answer.cut)


def test_incomplete_response(chat: Chat) -> None:
    """The reason of a response with the status "incomplete" is reported."""
    reason = {"incomplete_details": {"reason": "max_output_tokens"}}
    final = {**ANSWERS[1].result, "status": "incomplete", **reason}
    answer = events({"type": "response.incomplete", "response": final})[0]
    status, out, err = chat(answer, "--api", "responses", "hi")
    assert (status, out[:6]) == (0, "Hello\n")
    assert err.endswith(", status=incomplete (max_output_tokens), stream complete\n")


def test_another_answer(chat: Chat) -> None:
    """If the server begins another message, the calls of the first one end where they were cut."""
    body = ANSWERS[2].body
    first = body[: body.index(b"event: content_block_stop", body.index(b"partial_json"))]
    first = first.replace(b"Lisbon", b"Lis")
    answer = first + body.replace(b'"msg_1"', b'"msg_2"')
    status, out, _ = chat(answer, "--api", "messages", "hi")
    assert status == 0
    assert out == f'Hello\nweather({{"city": "Lis"}}\nHello\nweather({ARGUMENTS})\n'


@each_api
def test_chat_in_a_terminal(in_terminal: InTerminal, answer: Answer) -> None:
    """The reasoning of each API is shown dim on the terminal."""
    with ReplayServer(answer.body) as server:
        _, text = in_terminal("chat", "--api", answer.name, "--base-url", server.url, "hi")
    assert text.startswith(f"\x1b[2mHm.\x1b[0m\n\nHello\nweather({ARGUMENTS})\n\x1b[2msseparse: ")


@pytest.fixture
def received() -> Iterator[ReplayServer]:
    with ReplayServer(b"") as server:
        yield server


def test_responses_request(chat: Chat, received: ReplayServer) -> None:
    """A request of the Responses API has instructions, a limit, and the key as a bearer token."""
    chat(received, "--api", "responses", "--system", "Be brief.", "--max-tokens", "5", "Say", "hi")
    (request,) = received.requests
    assert request.headers["authorization"] == f"Bearer {KEYS['responses']}"
    assert request.json() == {
        "model": "gpt-4o-mini",
        "input": "Say hi",
        "instructions": "Be brief.",
        "max_output_tokens": 5,
        "stream": True,
    }


def test_messages_request(
    chat: Chat, received: ReplayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request of the Messages API has a limit, a version, and the key in its own header."""
    chat(received, "--api", "messages", "--system", "Be brief.", "Say", "hi")
    monkeypatch.setenv("ANTHROPIC_MODEL", "claude")
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    chat(received, "--api", "messages", "--max-tokens", "5", "hi")
    chat(received, "--api", "messages", "-m", "other", "hi")
    first, second, third = received.requests
    assert first.headers["x-api-key"] == KEYS["messages"]
    assert first.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in first.headers
    assert first.json() == {
        "model": "claude-haiku-4-5",
        "messages": [{"role": "user", "content": "Say hi"}],
        "system": "Be brief.",
        "max_tokens": 4096,
        "stream": True,
    }
    assert "x-api-key" not in second.headers
    assert second.headers["anthropic-version"] == "2023-06-01"
    assert (second.json()["model"], second.json()["max_tokens"]) == ("claude", 5)
    assert third.json()["model"] == "other"


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
def test_base_url_of_messages(
    received: ReplayServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    path: str,
) -> None:
    """$ANTHROPIC_BASE_URL may have the version, or lack it as in Anthropic's SDKs."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", f"{received.url}/anthropic{path}?a=1")
    main(["chat", "--api", "messages", "hi"])
    assert received.requests[0].target == "/anthropic/v1/messages?a=1"
    capsys.readouterr()


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
NESTED = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
FLAT = {"type": "function", "name": "f", "parameters": SCHEMA}
ANTHROPIC = {"name": "f", "input_schema": SCHEMA}


@pytest.mark.parametrize(
    ("api", "sent"), [("chat", NESTED), ("responses", FLAT), ("messages", ANTHROPIC)]
)
def test_tools(chat: Chat, received: ReplayServer, tmp_path: Path, api: str, sent: Object) -> None:
    """A tool in the form of any API is sent in the form of the requested one."""
    own = {"type": "web_search", "name": "web_search"}
    tools = [NESTED, FLAT, ANTHROPIC, own, {"name": "g"}]
    (tmp_path / "tools").write_text(json.dumps(tools), "utf-8")
    chat(received, "--api", api, "--tool", str(tmp_path / "tools"), "hi")
    *forms, second, third = received.requests[0].json()["tools"]
    assert forms == [sent] * 3
    assert second == own
    assert third["function" if api == "chat" else "name"] in ({"name": "g"}, "g")
    assert ("input_schema" in third) == (api == "messages")


@each_api
@pytest.mark.parametrize(
    ("fault", "status", "expected"),
    [
        ("close", 1, "truncated: the connection failed: peer closed connection"),
        ("html", 2, "not a stream: the body is HTML or XML and begins with '<!DOCTYPE"),
        ("unauthorized", 1, ": Incorrect API key; check {}_API_KEY"),
        ("rate-limited", 1, "HTTP 429 from "),
        ("no-answer", 2, "is the server running, and is --base-url (or {}_BASE_URL) right?"),
    ],
)
def test_faults(chat: Chat, answer: Answer, fault: str, status: int, expected: str) -> None:
    """Each fault is reported in one line, in the words of the API."""
    ended, _, err = chat(faulty(fault, answer.body), "--api", answer.name, "hi")
    assert ended == status
    assert expected.format("ANTHROPIC" if answer.name == "messages" else "OPENAI") in err
    assert err.count("\n") == 1


@each_api
def test_the_key_is_in_no_output(chat: Chat, answer: Answer, tmp_path: Path) -> None:
    """The key of each API is in no output and in no file, wherever the server sends it back."""
    key = KEYS[answer.name]
    saved = tmp_path / "a.sse"
    replaced = answer.body.replace(b'"Hel"', f'"{key}"'.encode()).replace(b"Lisbon", key.encode())
    error = json.dumps({"type": "error", "error": {"type": "a", "message": f"bad {key}"}}).encode()
    for replay in (
        Replay(replaced, pieces="bytes"),
        Replay(error, status=401, content_type="application/json"),
        Replay(b"", status=307, headers={"Location": f"http://127.0.0.1:1/{key}"}),
    ):
        for option in ([], ["--json"]):
            _, out, err = chat(replay, "--api", answer.name, "--save", str(saved), *option, "hi")
            assert key not in out + err
            assert key.encode() not in saved.read_bytes()


@pytest.mark.parametrize(
    ("api", "variable", "host"),
    [
        ("responses", "OPENAI_API_KEY", "api.openai.com"),
        ("messages", "ANTHROPIC_API_KEY", "api.anthropic.com"),
    ],
)
def test_a_key_is_needed(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    api: str,
    variable: str,
    host: str,
) -> None:
    """The API's own server needs a valid key, which is checked before a request is sent."""
    monkeypatch.setenv(variable, "a key")
    assert main(["chat", "--api", api, "hi"]) == 2
    assert capsys.readouterr().err.startswith(f"sseparse: {variable} contains a space")
    monkeypatch.delenv(variable)
    assert main(["chat", "--api", api, "hi"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"sseparse: {host} needs a key: set {variable}, or set --base-url (or ")


def test_help_of_chat(capsys: pytest.CaptureFixture[str]) -> None:
    """The help, which doesn't load the table of APIs, names the same APIs and defaults."""
    with pytest.raises(SystemExit):
        main(["chat", "--help"])
    text = "".join(capsys.readouterr().out.split())
    assert f"--api{{{','.join(APIS)}}}" in text
    for api in APIS.values():
        for named in (api.key_variable, api.url_variable, api.model_variable, api.url, api.model):
            assert named in text


def test_legacy_completions_are_chat(chat: Chat, received: ReplayServer) -> None:
    """--completion can't be combined with another API."""
    status, _, err = chat(received, "--completion", "--api", "messages", "hi")
    assert (status, received.requests) == (2, [])
    assert err == "sseparse: --completion can't be combined with --api messages\n"
