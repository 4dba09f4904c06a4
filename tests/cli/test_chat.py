"""`sseparse chat` sends a prompt, prints the response while it arrives and reports how it ended."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sseparse import Event, encode
from sseparse.chunks import EstimatedUsage
from sseparse.cli import main
from sseparse.testing import Replay, ReplayServer, faulty

from .conftest import KEY, Body, Chat, InTerminal

USAGE = {"prompt_tokens": 9, "completion_tokens": 1234, "total_tokens": 1243}


def call(index: int, **function: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": function}]}


# Requests.


def test_the_request(chat: Chat, body: Body, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words form one prompt, usage is requested, and the key is sent in its header."""
    with ReplayServer(body({"content": "Hi"})) as server:
        assert chat(server, "--system", "Be brief.", "--max-tokens", "5", "Say", "hello")[0] == 0
        monkeypatch.setenv("OPENAI_MODEL", "llama")
        chat(server, "hi")
        chat(server, "-m", "qwen", "hi")
        first, second, third = server.requests
    assert first.target == "/v1/chat/completions"
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert first.json() == {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Say hello"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 5,
    }
    assert (second.json()["model"], third.json()["model"]) == ("llama", "qwen")


def test_the_legacy_endpoint(chat: Chat) -> None:
    """--completion sends a prompt to the legacy endpoint and prints its texts."""
    events = ['{"choices": [{"index": 0, "text": "4,5", "finish_reason": "length"}]}', "[DONE]"]
    with ReplayServer(b"".join(encode(Event(data)) for data in events)) as server:
        status, out, err = chat(server, "--completion", "1,2,3,")
        (request,) = server.requests
    assert (status, out) == (0, "4,5\n")
    assert err.endswith(", finish_reason=length, complete\n")
    assert request.target == "/v1/completions"
    assert request.json()["prompt"] == "1,2,3,"
    assert request.json()["model"] == "gpt-3.5-turbo-instruct"


def test_base_url_from_the_environment(
    body: Body, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """$OPENAI_BASE_URL may have a slash and a query, and needs no key."""
    monkeypatch.delenv("OPENAI_API_KEY")
    with ReplayServer(body({"content": "Hi"})) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1/?version=2")
        assert main(["chat", "hi"]) == 0
        (request,) = server.requests
    assert request.target == "/v1/chat/completions?version=2"
    assert "authorization" not in request.headers


@pytest.mark.parametrize("words", [[], ["-"]])
def test_prompt_from_standard_input(
    chat: Chat, body: Body, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """The prompt is read from standard input if it is `-` or missing."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("Olá\nyou\n".encode())))
    with ReplayServer(body({"content": "Hi"})) as server:
        assert chat(server, *words)[0] == 0
        (request,) = server.requests
    assert request.json()["messages"] == [{"role": "user", "content": "Olá\nyou"}]


FUNCTION = {"name": "f", "parameters": {"type": "object"}}
TOOL = {"type": "function", "function": FUNCTION}


@pytest.mark.parametrize(
    "definitions",
    [FUNCTION, TOOL, {"type": "function", **FUNCTION}, [FUNCTION], {"tools": [TOOL]}],
)
def test_tools(chat: Chat, body: Body, tmp_path: Path, definitions: Any) -> None:
    """Tools in each supported form are sent in the form of the API."""
    (tmp_path / "tools").write_text(json.dumps(definitions), "utf-8")
    custom = {"type": "custom", "custom": {"name": "g"}}
    (tmp_path / "more").write_text(json.dumps(custom), "utf-8")
    with ReplayServer(body({"content": "Hi"})) as server:
        files = [str(tmp_path / "tools"), "--tool", str(tmp_path / "more")]
        assert chat(server, "--tool", *files, "hi")[0] == 0
        (request,) = server.requests
    assert request.json()["tools"] == [TOOL, custom]


@pytest.mark.parametrize(
    ("definitions", "complaint"),
    [
        ("{", "isn't JSON: "),
        ("3", "has no tool definition: expected "),
        ("[]", "has no tool definition: expected "),
        ("[3]", "has 3 where a tool should be: expected "),
        ('{"parameters": {}}', 'has a function without a "name"'),
        ('{"type": "function", "function": 1}', 'has a function without a "name"'),
        (None, "cannot read "),
    ],
)
def test_invalid_tools(chat: Chat, tmp_path: Path, definitions: str | None, complaint: str) -> None:
    """An invalid tool file is reported with status 2 before a request is sent."""
    file = tmp_path / "tools"
    if definitions is not None:
        file.write_text(definitions, "utf-8")
    with ReplayServer(b"") as server:
        status, out, err = chat(server, "--tool", str(file), "hi")
        assert server.requests == []
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("sseparse: --tool: ")
    assert complaint in err


@pytest.mark.parametrize("status", [400, 422])
def test_servers_without_stream_options(chat: Chat, body: Body, status: int) -> None:
    """A server that rejects stream_options gets a second request without it."""
    refusal = Replay(b'{"error": "unknown field: stream_options"}', status=status)
    replies = [refusal, Replay(body({"content": "Hi"}))]
    with ReplayServer(lambda _: replies.pop(0)) as server:
        assert chat(server, "hi")[:2] == (0, "Hi\n")
        first, second = server.requests
    assert "stream_options" in first.json()
    assert "stream_options" not in second.json()


def test_other_errors_of_status_400(chat: Chat) -> None:
    """Another error with status 400 is reported with its message."""
    refusal = Replay(b'{"error": {"message": "no such model"}}', status=400)
    with ReplayServer(refusal) as server:
        status, out, err = chat(server, "hi")
        assert len(server.requests) == 1
    assert (status, out) == (1, "")
    assert err.startswith("sseparse: HTTP 400 from 127.0.0.1:")
    assert err.endswith(": no such model\n")


# Output.


def test_summary(chat: Chat, body: Body) -> None:
    """The last line has the token counts, the speed and how the stream ended."""
    answer = body({"content": "He"}, {"content": "llo"}, usage=USAGE)
    status, out, err = chat(Replay(answer, delays=0.01), "hi")
    assert (status, out) == (0, "Hello\n")
    parts = err.removeprefix("sseparse: ").rstrip("\n").split(", ")
    assert parts[:2] == ["1,234 tokens", "9 prompt tokens"]
    assert parts[2].startswith("first token after 0.")
    assert parts[3].endswith(" tokens/s")
    assert parts[4:] == ["finish_reason=stop", "complete"]


def test_characters_without_token_counts(chat: Chat, body: Body) -> None:
    """Without usage, characters are reported and no vocabulary is downloaded."""
    _, _, err = chat(Replay(body({"content": "He"}, {"content": "llo"}), delays=0.01), "hi")
    assert err.startswith("sseparse: 5 chars, first token after ")
    assert err.endswith(" chars/s, finish_reason=stop, complete\n")


def test_estimated_tokens(chat: Chat, body: Body, monkeypatch: pytest.MonkeyPatch) -> None:
    """Token counts that tiktoken estimated are marked."""
    encodings: list[Any] = []

    def estimate(_: object, *, encoding: str | None) -> EstimatedUsage:
        encodings.append(encoding)
        return EstimatedUsage(
            completion_tokens=1, estimated=True, encoding="o200k_base", choices=[], notes=[]
        )

    monkeypatch.setattr("sseparse.chunks.estimate_usage", estimate)
    assert chat(body({"content": "Hi"}), "hi")[2].startswith("sseparse: 1 token (estimated), ")
    nameless = b'data: {"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}\n\n'
    err = chat(nameless, "-m", "gpt-4o", "hi")[2]
    assert err.endswith(", finish_reason=stop, complete without [DONE]\n")
    assert encodings == [None, "gpt-4o"]


@pytest.mark.parametrize(
    ("answer", "status", "expected"),
    [
        ({"finish": None}, 0, "no finish_reason, complete"),
        ({"done": False}, 0, "finish_reason=stop, complete without [DONE]"),
        (
            {"finish": None, "done": False},
            1,
            "; truncated: the stream ended after 1 event (76 bytes) without [DONE]",
        ),
    ],
)
def test_ends(chat: Chat, body: Body, answer: Any, status: int, expected: str) -> None:
    """The received text is printed, and the exit status reports how the stream ended."""
    ended, out, err = chat(body({"content": "a"}, **answer), "hi")
    assert (ended, out) == (status, "a\n")
    assert expected in err
    assert err.startswith("sseparse: 1 char, first token after ")
    assert err.count("\n") == 1


def test_response_that_is_one_object(chat: Chat) -> None:
    """The response of a server that doesn't stream is printed like a stream."""
    completion = b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}'
    status, out, err = chat(Replay(completion, content_type="application/json"), "hi")
    assert (status, out) == (0, "Hi\n")
    assert err.endswith(", finish_reason=stop, complete: one JSON object, not a stream\n")


@pytest.mark.parametrize(
    ("fault", "status", "expected"),
    [
        ("close", 1, "truncated: the connection failed: peer closed connection"),
        ("close-before-body", 1, "truncated: the connection failed: peer closed connection"),
        ("reset", 1, "truncated: the connection failed: Connection reset by peer ("),
        ("html", 2, "not a stream: the body is HTML or XML and begins with '<!DOCTYPE"),
        ("json-error", 1, "The server sent an error: The model is overloaded."),
        ("unauthorized", 1, ": Incorrect API key; check OPENAI_API_KEY"),
        ("rate-limited", 1, "HTTP 429 from "),
        ("server-error", 1, "HTTP 500 from "),
        ("redirect", 2, ": a redirect to http://localhost:1/, which isn't followed"),
        ("no-content", 2, ": the body is empty"),
        ("no-answer", 2, "no response from 127.0.0.1:"),
    ],
)
def test_faults(chat: Chat, body: Body, fault: str, status: int, expected: str) -> None:
    """Each fault is reported in one line, and redirects aren't followed."""
    answer = faulty(fault, body({"content": "a"}, {"content": "b"}), location="http://localhost:1/")
    ended, _, err = chat(answer, "hi")
    assert ended == status
    assert expected in err
    assert err.count("\n") == 1


def test_timeout(chat: Chat, body: Body) -> None:
    """A stream without events times out, also if it sends comments."""
    for fault in ("stall", "comments"):
        answer = faulty(fault, body({"content": "a"}, {"content": "b"}))
        # The timeout also holds for the connection and the head, so short ones may expire there.
        for seconds in ("0.2", "2", "20"):
            status, out, err = chat(answer, "--timeout", seconds, "hi")
            if out:
                break
        assert (status, out) == (1, "a\n")
        assert f"no event for {seconds}" in err


def test_refused_connection(capsys: pytest.CaptureFixture[str]) -> None:
    """A refused connection is reported with status 2."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert main(["chat", "--base-url", f"http://127.0.0.1:{port}", "hi"]) == 2
    assert capsys.readouterr().err == (
        f"sseparse: no response from 127.0.0.1:{port}: Connection refused; "
        "is the server running, and is --base-url (or OPENAI_BASE_URL) right?\n"
    )


def test_tool_calls(chat: Chat, body: Body) -> None:
    """Parallel tool calls are printed one after another, each once its name is known."""
    deltas = [
        {"content": "Let me look."},
        call(0, name="weather", arguments=""),
        call(0, arguments='{"city": "Lis'),
        {"tool_calls": [{"index": 1, "id": "c2"}]},
        call(0, arguments='bon"}'),
        call(1, name="clock", arguments="{}"),
    ]
    status, out, _ = chat(body(*deltas, finish="tool_calls"), "hi")
    assert status == 0
    assert out == 'Let me look.\nweather({"city": "Lisbon"})\nclock({})\n'


def test_truncated_tool_calls(chat: Chat, body: Body) -> None:
    """Truncated tool calls are printed as far as they were received."""
    deltas = [
        call(0, name="weather", arguments='{"city": "Lis'),
        call(1, name="clock", arguments='{"zo'),
    ]
    status, out, _ = chat(body(*deltas, finish=None, done=False), "hi")
    assert status == 1
    assert out == 'weather({"city": "Lis\nclock({"zo\n'


def test_only_the_first_choice_is_printed(chat: Chat) -> None:
    """The text of other choices isn't printed."""
    choices = [{"index": index, "delta": {"content": "ab"[index]}} for index in (0, 1)]
    events = [json.dumps({"choices": choices}), "[DONE]"]
    answer = b"".join(encode(Event(data)) for data in events)
    assert chat(answer, "hi")[1] == "a\n"


def test_text_in_a_pipe(chat: Chat, body: Body) -> None:
    """A pipe gets the text with its control characters, one line end and no reasoning."""
    deltas = [{"content": "a\x1b[31m\r\n"}, {"reasoning_content": "hm"}, {"content": "b\n"}]
    assert chat(body(*deltas), "hi")[1] == "a\x1b[31m\r\nb\n"


def test_json(chat: Chat, body: Body) -> None:
    """--json prints only the completion, also a partial one, but not an empty one."""
    status, out, _ = chat(body({"content": "Hi"}, usage=USAGE), "--json", "hi")
    assert status == 0
    assert json.loads(out)["choices"][0]["message"]["content"] == "Hi"
    assert json.loads(out)["usage"] == USAGE
    cut = chat(body({"content": "Hi"}, finish=None, done=False), "--json", "hi")
    assert cut[0] == 1
    assert json.loads(cut[1])["choices"][0]["finish_reason"] is None
    assert chat(b"<html>", "--json", "hi")[1] == ""


# In a terminal.

DELTAS: list[dict[str, Any]] = [
    {"reasoning_content": "They "},
    {"reasoning_content": "greet."},
    {"content": "Hi\x1b]0;title\x07\x9b\u202e\x7f\t"},
    {"reasoning_content": "More?"},
    call(0, name="f\x1b[2J", arguments="{}"),
]
VISIBLE = "Hi\u241b]0;title\u2407\ufffd\ufffd\u2421\t"


def test_a_terminal_with_colours(in_terminal: InTerminal, body: Body) -> None:
    """Reasoning and the summary are dim, and control characters are escaped."""
    with ReplayServer(body(*DELTAS)) as server:
        status, text = in_terminal("chat", "--base-url", server.url, "hi")
    assert status == 0
    answer, _, last = text.partition("sseparse: ")
    assert answer == (
        "\x1b[2mThey \x1b[0m\x1b[2mgreet.\x1b[0m\n\n"
        f"{VISIBLE}\n\x1b[2mMore?\x1b[0m\n\nf\u241b[2J({{}})\n\x1b[2m"
    )
    assert last.endswith(", finish_reason=stop, complete\x1b[0m\n")


@pytest.mark.parametrize("way", ["NO_COLOR", "TERM", "--no-color"])
def test_a_terminal_without_colours(
    in_terminal: InTerminal, body: Body, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Without colours, a label marks the reasoning."""
    if way != "--no-color":
        monkeypatch.setenv(way, "dumb")
    options = ["--no-color"] if way == "--no-color" else []
    with ReplayServer(body(*DELTAS)) as server:
        _, text = in_terminal("chat", "--base-url", server.url, *options, "hi")
    assert "\x1b" not in text
    assert text.startswith(f"[reasoning] They greet.\n\n{VISIBLE}\n[reasoning] More?\n\nf\u241b[2J")


def test_reasoning_with_text_in_a_pipe(
    in_terminal: InTerminal, body: Body, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reasoning on the terminal doesn't break lines of the text in the pipe."""
    deltas = [{"content": "a"}, {"reasoning_content": "hm\n"}, {"content": "b"}]
    with ReplayServer(body(*deltas)) as server:
        _, text = in_terminal("chat", "--base-url", server.url, "hi", streams=("stderr",))
    assert capsys.readouterr().out == "ab\n"
    assert text.startswith("\x1b[2mhm\n\x1b[0m\x1b[2msseparse: ")


def test_truncated_reasoning(in_terminal: InTerminal, body: Body) -> None:
    """The line of truncated reasoning is ended, and the error isn't dim."""
    with ReplayServer(body({"reasoning_content": "hm"}, finish=None, done=False)) as server:
        status, text = in_terminal("chat", "--base-url", server.url, "hi")
    assert status == 1
    assert text.startswith("\x1b[2mhm\x1b[0m\nsseparse: 2 chars")


def test_json_in_a_terminal(in_terminal: InTerminal, body: Body) -> None:
    """JSON for a terminal escapes control characters."""
    with ReplayServer(body({"content": "\x9b31m\u202eé"})) as server:
        _, text = in_terminal("chat", "--base-url", server.url, "--json", "hi", streams=("stdout",))
    assert "\x9b" not in text
    assert json.loads(text)["choices"][0]["message"]["content"] == "\x9b31m\u202eé"


def test_no_prompt_from_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a prompt, a terminal isn't read."""
    controller, terminal = os.openpty()
    try:
        with os.fdopen(terminal) as stdin, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", stdin)
            assert main(["chat"]) == 2
    finally:
        os.close(controller)
    assert "no prompt: add it to the command" in capsys.readouterr().err


# The key.


def test_the_key_is_in_no_output(chat: Chat, body: Body, tmp_path: Path) -> None:
    """The key is in no output and in no file, wherever the server sends it back."""
    save = ["--save", str(tmp_path / "a.sse")]
    picture = ["--timeline", str(tmp_path / "a.svg")]
    in_each_part = Replay(body(call(0, name=KEY, arguments=KEY), model=KEY, finish=None))
    half = len(KEY) // 2
    error = json.dumps({"error": {"message": f"bad key {KEY}", "code": KEY}}).encode()
    answers = [
        Replay(error, status=401, content_type="application/json"),
        Replay(error, status=400, content_type="application/json", pieces="bytes"),
        Replay(f"<html>{KEY}".encode(), status=502, content_type=f"text/html; {KEY}"),
        Replay(b"", status=307, headers={"Location": f"http://127.0.0.1:1/{KEY}"}),
        Replay(body({"content": f"key: {KEY}!"}), pieces="bytes"),
        Replay(body({"content": KEY[:half]}, {"content": KEY[half:]})),
        Replay(body({"content": "a"}) + b": " + KEY.encode()[:half], pieces="bytes"),
        Replay(b": " + KEY.encode()[:half]),
        in_each_part,
        Replay(body({"content": "a"}, finish=None) + b"data: " + KEY.encode() + b"\n\n"),
    ]
    for answer in answers:
        # Plots are slow, so there is only one.
        for options in (["--json"], picture if answer is in_each_part else []):
            _, out, err = chat(answer, *save, *options, "hi")
            assert KEY not in out + err
            assert "Traceback" not in err
            for file in tmp_path.iterdir():
                if file.is_file():
                    assert KEY.encode() not in file.read_bytes()


def test_replacement_of_the_key(chat: Chat, body: Body, tmp_path: Path) -> None:
    """[key] replaces the key, but not its beginning alone."""
    saved = tmp_path / "a.sse"
    answer = body({"content": f"a{KEY}b"}, {"content": KEY[:4]})
    assert chat(answer, "--save", str(saved), "hi")[1] == f"a[key]b{KEY[:4]}\n"
    assert saved.read_bytes() == answer.replace(KEY.encode(), b"[key]")


def test_short_keys_are_not_replaced(
    chat: Chat, body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key like "none", for a local server, isn't replaced."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    assert chat(body({"content": "none"}), "hi")[1] == "none\n"


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}é", f"{KEY} x"])
def test_invalid_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """An invalid key is rejected and not printed."""
    monkeypatch.setenv("OPENAI_API_KEY", key)
    assert main(["chat", "--base-url", "http://127.0.0.1:1", "hi"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("sseparse: OPENAI_API_KEY contains ")
    assert KEY not in err


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"http://u:{KEY}@127.0.0.1:1/v1", "url contains a user name or password"),
        (f"http://127.0.0.1:{KEY}/v1", "--base-url: the host or port is invalid; expected "),
        (f"http://[{KEY}/v1", "--base-url: the host or port is invalid; expected "),
        (f"ftp://{KEY}/v1", "--base-url: expected a URL such as http://"),
        (f"http://127.0.0.1:1/ {KEY}", "url contains a blank"),
    ],
)
def test_invalid_base_url(capsys: pytest.CaptureFixture[str], url: str, expected: str) -> None:
    """An invalid base URL is rejected and not printed, because it may contain a key."""
    assert main(["chat", "--base-url", url, "hi"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"sseparse: {expected}")
    assert KEY not in err


# Errors.


def test_openai_needs_a_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default API needs a key, which is checked before a request is sent."""
    monkeypatch.delenv("OPENAI_API_KEY")
    assert main(["chat", "hi"]) == 2
    assert capsys.readouterr().err.startswith("sseparse: api.openai.com needs a key: ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([" "], "the prompt is empty"),
        (["\udc80"], "surrogates not allowed"),
        (["--completion", "--system", "x", "hi"], "--completion can't be combined with --sys"),
        (["--timeline", "a.pdf", "hi"], "--timeline: a.pdf must end in .svg or .png"),
        (["--timeline", "/nowhere/a.svg", "hi"], "--timeline: cannot write /nowhere/a.svg: No su"),
        (["--save", "/nowhere/a", "hi"], "--save: cannot write /nowhere/a: No such file or dir"),
    ],
)
def test_invalid_input(chat: Chat, arguments: list[str], expected: str) -> None:
    """Invalid input is reported in one line with status 2 before a request is sent."""
    with ReplayServer(b"") as server:
        status, out, err = chat(server, *arguments)
        assert server.requests == []
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert expected in err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--timeout", "0"], "'0' isn't a number of seconds above 0"),
        (["--timeout", "x"], "'x' isn't a number of seconds"),
        (["--max-tokens", "0"], "'0' isn't an integer of at least 1"),
    ],
)
def test_invalid_options(
    capsys: pytest.CaptureFixture[str], options: list[str], expected: str
) -> None:
    """An invalid option prints the usage and exits with status 2."""
    with pytest.raises(SystemExit) as caught:
        main(["chat", *options, "hi"])
    assert caught.value.code == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stdin", "expected"),
    [
        (None, "standard input is closed: add the prompt to the command"),
        (b"\xff", "standard input isn't UTF-8"),
        (OSError(5, "Input/output error"), "cannot read standard input: Input/output error"),
    ],
)
def test_unreadable_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stdin: Any, expected: str
) -> None:
    """Standard input that can't be read is reported with status 2."""

    class Failing(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise stdin

    raw = Failing() if isinstance(stdin, OSError) else io.BytesIO(stdin)
    monkeypatch.setattr(sys, "stdin", None if stdin is None else io.TextIOWrapper(raw))
    assert main(["chat", "-"]) == 2
    assert capsys.readouterr().err == f"sseparse: {expected}\n"


@pytest.mark.parametrize(("name", "extra"), [("h11", "cli"), ("matplotlib", "plot")])
def test_missing_packages(
    chat: Chat, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, extra: str
) -> None:
    """A missing package is reported before a request is sent."""
    with ReplayServer(b"") as server:
        monkeypatch.setitem(sys.modules, name, None)
        status, _, err = chat(server, "--timeline", str(tmp_path / "a.svg"), "hi")
        assert server.requests == []
    assert status == 2
    assert f" needs {name}. Install with: pip install 'sseparse[{extra}]' (in a clone " in err


# Files.


@pytest.mark.parametrize("cutting", ["bytes", "whole"])
def test_save(chat: Chat, body: Body, tmp_path: Path, cutting: Any) -> None:
    """--save writes the body as received, and the arrival times of its pieces."""
    saved = tmp_path / "a.sse"
    answer = b": hello\r\n\r\n" + body({"content": "Hi"})
    assert chat(Replay(answer, pieces=cutting), "--save", str(saved), "hi")[0] == 0
    assert saved.read_bytes() == answer
    pieces = [json.loads(line) for line in Path(f"{saved}.times").read_text("utf-8").splitlines()]
    assert sum(piece["bytes"] for piece in pieces) == len(answer)
    seconds = [piece["seconds"] for piece in pieces]
    assert seconds == sorted(seconds)


def test_a_recording_is_kept_without_a_response(chat: Chat, tmp_path: Path) -> None:
    """Without a response, an older recording stays and no new file is left."""
    with ReplayServer(Replay(b"", fault="no-answer")) as server:
        (tmp_path / "old.sse").write_bytes(b"data: 1\n\n")
        for name in ("old.sse", "new.sse"):
            save = ["--save", str(tmp_path / name), "--timeline", str(tmp_path / "new.svg")]
            assert chat(server, *save, "hi")[0] == 2

    assert [path.name for path in tmp_path.iterdir()] == ["old.sse"]
    assert (tmp_path / "old.sse").read_bytes() == b"data: 1\n\n"


def test_a_recording_is_replaced(chat: Chat, body: Body, tmp_path: Path) -> None:
    """A new recording replaces an older and longer one completely."""
    saved = tmp_path / "a.sse"
    with ReplayServer(
        lambda request: body({"content": request.json()["messages"][0]["content"]})
    ) as server:
        chat(server, "--save", str(saved), "long " * 100)
        chat(server, "--save", str(saved), "short")

    assert b"long" not in saved.read_bytes()
    assert main(["parse", "--text", str(saved)]) == 0
    pieces = (tmp_path / "a.sse.times").read_text().splitlines()
    assert sum(json.loads(piece)["bytes"] for piece in pieces) == saved.stat().st_size


def test_a_saved_key_in_pieces_is_reported(
    chat: Chat, body: Body, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key in pieces isn't printed, and a line reports that the file contains it."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-SECRETKEY12345")
    saved = tmp_path / "a.sse"
    with ReplayServer(body({"content": "it is sk-SECRET"}, {"content": "KEY12345"})) as server:
        status, out, err = chat(server, "--save", str(saved), "hi")

    assert (status, out) == (0, "it is [key]\n")
    assert err.endswith(
        f"sseparse: {saved} contains pieces of the key, which the server sent back\n"
    )


def test_unrequested_compression(chat: Chat, body: Body) -> None:
    """A compressed body that wasn't requested is reported."""
    with ReplayServer(Replay(body({"content": "Hi"}), framing="gzip")) as server:
        status, _, err = chat(server, "hi")

    assert status == 2
    assert "not a stream: the body is compressed (gzip), which wasn't requested" in err


def test_save_of_a_failure(chat: Chat, tmp_path: Path) -> None:
    """A body that isn't a stream is saved too; a device gets no file of times."""
    saved = tmp_path / "a.sse"
    assert chat(Replay(b"<html>", status=502), "--save", str(saved), "hi")[0] == 2
    assert saved.read_bytes() == b"<html>"
    assert chat(Replay(b"<html>", status=502), "--save", "/dev/null", "hi")[0] == 2


def test_save_with_unwritable_times(chat: Chat, tmp_path: Path) -> None:
    """No request is sent if the file of times can't be opened."""
    (tmp_path / "a.sse.times").mkdir()
    status, _, err = chat(b"", "--save", str(tmp_path / "a.sse"), "hi")
    assert (status, "Is a directory" in err) == (2, True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_save_to_a_full_device(chat: Chat, body: Body) -> None:
    """A failed write is reported with status 74, and the response is still printed."""
    status, out, err = chat(body({"content": "Hi"}), "--save", "/dev/full", "hi")
    assert (status, out) == (74, "Hi\n")
    assert err.endswith("sseparse: cannot write /dev/full: No space left on device\n")


def test_timeline(chat: Chat, body: Body, tmp_path: Path) -> None:
    """--timeline writes a picture."""
    picture = tmp_path / "a.svg"
    assert chat(body({"content": "Hi"}), "--timeline", str(picture), "hi")[0] == 0
    assert "<svg" in picture.read_text("utf-8")


def test_an_existing_picture_is_kept_without_a_response(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check whether a picture can be written leaves an existing one as it is."""
    picture = tmp_path / "a.svg"
    picture.write_text("old")
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert main(["chat", "--base-url", url, "--timeline", str(picture), "hi"]) == 2
    assert "no response from" in capsys.readouterr().err
    assert picture.read_text() == "old"


def test_a_timeline_that_becomes_unwritable(chat: Chat, body: Body, tmp_path: Path) -> None:
    """A picture that can't be written after the response is reported with status 74."""
    folder = tmp_path / "there"
    folder.mkdir()
    picture = folder / "a.svg"

    def answer(_: object) -> bytes:
        folder.rmdir()
        return body({"content": "Hi"})

    with ReplayServer(answer) as server:
        status, out, err = chat(server, "--timeline", str(picture), "hi")
    assert (status, out) == (74, "Hi\n")
    assert err.endswith(f"sseparse: cannot write {picture}: No such file or directory\n")


# In a subprocess.


def start(url: str, *arguments: str, **more: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sseparse", "chat", "--base-url", url, *arguments, "hi"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def test_live_text_and_ctrl_c(body: Body, tmp_path: Path) -> None:
    """Text is printed while it arrives, and Ctrl-C reports and saves the data received so far."""
    answer = Replay(body({"content": "Hel"}, {"content": "lo"}), gated=True)
    received = b"".join(answer.cut()[:2])
    saved = tmp_path / "a.sse"
    with ReplayServer(answer) as server:
        with start(server.url, "--save", str(saved)) as process:
            assert process.stdout is not None
            for text in (b"Hel", b"lo"):
                server.release()
                assert process.stdout.read(len(text)) == text
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        assert server.connections[0].wait_closed()
    assert (process.returncode, out) == (130, b"\n")
    assert err.startswith(b"sseparse: 5 chars, first token after ")
    assert err.endswith(b"; interrupted after 2 events (%d bytes)\n" % len(received))
    assert saved.read_bytes() == received


def test_ctrl_c_with_json(
    chat: Chat, body: Body, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C with --json prints the partial completion."""
    answer = Replay(body({"content": "Hel"}, {"content": "lo"}), gated=True)
    with ReplayServer(answer) as server:

        def write(_: object, piece: bytes) -> None:
            if b"lo" in piece:
                raise KeyboardInterrupt
            server.release()

        server.release()
        monkeypatch.setattr("sseparse.cli._record.BodyFile.write", write)
        status, out, err = chat(server, "--json", "--save", str(tmp_path / "a.sse"), "hi")
    assert status == 130
    assert json.loads(out)["choices"][0]["message"]["content"] == "Hel"
    assert "; interrupted after 1 event" in err


def test_ctrl_c_before_the_response(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C before the response is reported in one line with status 130."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sseparse.cli._chat.request", interrupted)
    assert main(["chat", "hi"]) == 130
    assert capsys.readouterr().err == "sseparse: interrupted before a response\n"


def test_ctrl_c_while_an_error_is_read(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while an error response is read closes the connection."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sseparse.cli._chat.SocketSource.__next__", interrupted)
    with ReplayServer(Replay(b"{}", status=400)) as server:
        assert chat(server, "hi")[0] == 130
        assert server.connections[0].wait_closed()


def test_a_reader_that_stops_early(body: Body) -> None:
    """A reader that stops early causes no traceback and no warning, and status 141."""
    with ReplayServer(Replay(body({"content": "Hel"}, {"content": "lo"}), gated=True)) as server:
        with start(server.url) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            server.release()
            process.stdout.read(3)
            process.stdout.close()
            server.release(9)
            assert process.stderr.read() == b""
            assert process.wait(60) == 141


def test_closed_standard_error(body: Body) -> None:
    """The response is printed if standard error is closed."""
    with ReplayServer(body({"content": "Hi"})) as server:
        url = f"{server.url}/v1"
        command = f'exec "{sys.executable}" -m sseparse chat --base-url {url} hi 2>&-'
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"Hi\n")


def test_unwritable_standard_error(chat: Chat, body: Body, monkeypatch: pytest.MonkeyPatch) -> None:
    """The response is printed if standard error can't be written."""
    reading, writing = os.pipe()
    os.close(reading)
    closed = os.fdopen(writing, "w", encoding="utf-8")
    monkeypatch.setattr(sys, "stderr", closed)
    assert chat(body({"content": "Hi"}), "hi")[:2] == (0, "Hi\n")
    with pytest.raises(BrokenPipeError):
        closed.close()
