"""`sseparse chat` asks an API, shows the answer as it comes, and says what came."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sseparse import Event, encode
from sseparse.cli import main
from sseparse.testing import Replay, ReplayServer, faulty

KEY = "sk-proj-a1b2c3d4e5"
USAGE = {"prompt_tokens": 9, "completion_tokens": 1234, "total_tokens": 1243}

Chat = Callable[..., tuple[int, str, str]]
Body = Callable[..., bytes]
InTerminal = Callable[..., tuple[int, str]]


def call(index: int, **function: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": function}]}


# What is asked.


def test_the_request(chat: Chat, body: Body, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words are one prompt; usage is asked for; the key goes into its header alone."""
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
    """A prompt instead of messages, texts instead of deltas."""
    events = ['{"choices": [{"index": 0, "text": "4,5", "finish_reason": "length"}]}', "[DONE]"]
    with ReplayServer(b"".join(encode(Event(data)) for data in events)) as server:
        status, out, err = chat(server, "--completion", "1,2,3,")
        (request,) = server.requests
    assert (status, out) == (0, "4,5\n")
    assert err.endswith(", length, [DONE]\n")
    assert request.target == "/v1/completions"
    assert request.json()["prompt"] == "1,2,3,"
    assert request.json()["model"] == "gpt-3.5-turbo-instruct"


def test_the_base_url_of_the_environment(
    body: Body, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With or without a slash; its query stays; a server of one's own needs no key."""
    monkeypatch.delenv("OPENAI_API_KEY")
    with ReplayServer(body({"content": "Hi"})) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1/?version=2")
        assert main(["chat", "hi"]) == 0
        (request,) = server.requests
    assert request.target == "/v1/chat/completions?version=2"
    assert "authorization" not in request.headers


@pytest.mark.parametrize("words", [[], ["-"]])
def test_the_prompt_of_standard_input(
    chat: Chat, body: Body, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """Where `-`, or no prompt at all, is given."""
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
    """However they are written down, they are sent as the API wants them; others stay."""
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
        ("{", "is no JSON: "),
        ("3", "holds no definition of a tool; give "),
        ("[]", "holds no definition of a tool; give "),
        ("[3]", "holds 3 for a tool; give "),
        ('{"parameters": {}}', 'holds a function without a "name"'),
        ('{"type": "function", "function": 1}', 'holds a function without a "name"'),
        (None, "cannot read "),
    ],
)
def test_tools_that_are_none(
    chat: Chat, tmp_path: Path, definitions: str | None, complaint: str
) -> None:
    """One line, status 2, and no request."""
    file = tmp_path / "tools"
    if definitions is not None:
        file.write_text(definitions, "utf-8")
    with ReplayServer(b"") as server:
        status, out, err = chat(server, "--tool", str(file), "hi")
        assert server.requests == []
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("sseparse: chat: --tool: ")
    assert complaint in err


@pytest.mark.parametrize("status", [400, 422])
def test_servers_that_do_not_know_stream_options(chat: Chat, body: Body, status: int) -> None:
    """They are asked again without."""
    refusal = Replay(b'{"error": "unknown field: stream_options"}', status=status)
    replies = [refusal, Replay(body({"content": "Hi"}))]
    with ReplayServer(lambda _: replies.pop(0)) as server:
        assert chat(server, "hi")[:2] == (0, "Hi\n")
        first, second = server.requests
    assert "stream_options" in first.json()
    assert "stream_options" not in second.json()


def test_another_refusal_is_told(chat: Chat) -> None:
    """The reason that was looked at is not lost."""
    refusal = Replay(b'{"error": {"message": "no such model"}}', status=400)
    with ReplayServer(refusal) as server:
        status, out, err = chat(server, "hi")
        assert len(server.requests) == 1
    assert (status, out) == (1, "")
    assert err.startswith("sseparse: HTTP 400: the server sent an error: no such model")


# What is shown.


def test_the_last_line(chat: Chat, body: Body) -> None:
    """The server's tokens, the first one's time, their pace, and how it ended."""
    answer = body({"content": "He"}, {"content": "llo"}, usage=USAGE)
    status, out, err = chat(Replay(answer, delays=0.01), "hi")
    assert (status, out) == (0, "Hello\n")
    parts = err.removeprefix("sseparse: ").rstrip("\n").split(", ")
    assert parts[:2] == ["1,234 tokens", "prompt 9"]
    assert parts[2].startswith("first after 0.")
    assert parts[3].endswith(" tokens/s")
    assert parts[4:] == ["stop", "[DONE]"]


def test_without_counts_there_are_characters(chat: Chat, body: Body) -> None:
    """No vocabulary is fetched for them."""
    _, _, err = chat(Replay(body({"content": "He"}, {"content": "llo"}), delays=0.01), "hi")
    assert err.startswith("sseparse: 5 characters, first after ")
    assert err.endswith("/s, stop, [DONE]\n")


def test_estimated_tokens_say_so(chat: Chat, body: Body, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where tiktoken can count them."""
    from sseparse.chunks import EstimatedUsage

    asked: list[Any] = []

    def estimate(_: object, *, encoding: str | None) -> EstimatedUsage:
        asked.append(encoding)
        return EstimatedUsage(
            completion_tokens=1, estimated=True, encoding="o200k_base", choices=[], notes=[]
        )

    monkeypatch.setattr("sseparse.chunks.estimate_usage", estimate)
    assert chat(body({"content": "Hi"}), "hi")[2].startswith("sseparse: ~1 token (estimated), ")
    nameless = b'data: {"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}\n\n'
    err = chat(nameless, "-m", "gpt-4o", "hi")[2]
    assert err.endswith(", stop, no [DONE]\n")
    assert asked == [None, "gpt-4o"]


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ({"finish": None}, 0, "no finish reason, [DONE]"),
        ({"done": False}, 0, "stop, no [DONE]"),
        (
            {"finish": None, "done": False},
            1,
            "; incomplete: neither [DONE] nor a finish reason; the body ended between two events",
        ),
    ],
)
def test_how_it_ends(chat: Chat, body: Body, answer: Any, status: int, said: str) -> None:
    """As in `parse`: what came is shown, and the exit status tells."""
    ended, out, err = chat(body({"content": "a"}, **answer), "hi")
    assert (ended, out) == (status, "a\n")
    assert said in err
    assert err.startswith("sseparse: 1 character, first after ")
    assert err.count("\n") == 1


def test_one_object_is_an_answer_too(chat: Chat) -> None:
    """Of a server that does not stream."""
    whole = b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}'
    status, out, err = chat(Replay(whole, content_type="application/json"), "hi")
    assert (status, out) == (0, "Hi\n")
    assert err.endswith(", stop, not streamed\n")


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        ("close", 1, "peer closed connection"),
        ("reset", 1, "socket failed: ConnectionResetError"),
        ("html", 2, "no event stream: the body begins '<!DOCTYPE"),
        ("json-error", 1, "the server sent an error: The model is overloaded."),
        ("unauthorized", 1, "HTTP 401: the server sent an error: Incorrect API key."),
        ("rate-limited", 1, "HTTP 429: "),
        ("server-error", 1, "HTTP 500: "),
        ("redirect", 2, "HTTP 307: a redirect to http://localhost:1/, which is not followed"),
        ("no-content", 2, "HTTP 204: "),
        ("no-answer", 2, "no answer from 127.0.0.1:"),
    ],
)
def test_faults(chat: Chat, body: Body, fault: str, status: int, said: str) -> None:
    """One line says what happened; the key goes to no other server."""
    answer = faulty(fault, body({"content": "a"}, {"content": "b"}), location="http://localhost:1/")
    ended, _, err = chat(answer, "hi")
    assert ended == status
    assert said in err
    assert err.count("\n") == 1


def test_a_server_that_falls_silent(chat: Chat, body: Body) -> None:
    """It is waited for so long and no longer; comments are no answer."""
    for fault in ("stall", "comments"):
        answer = faulty(fault, body({"content": "a"}, {"content": "b"}))
        # It holds for the connection and the head, too, which may be late.
        for seconds in ("0.2", "2", "20"):
            status, out, err = chat(answer, "--timeout", seconds, "hi")
            if out:
                break
        assert (status, out) == (1, "a\n")
        assert f"no event for {seconds}" in err


def test_nobody_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, status 2."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert main(["chat", "--base-url", f"http://127.0.0.1:{port}", "hi"]) == 2
    assert capsys.readouterr().err == (
        f"sseparse: no answer from 127.0.0.1:{port}: Connection refused\n"
    )


def test_tool_calls(chat: Chat, body: Body) -> None:
    """A line each, after the text; the whole of one before the next; the name when it is known."""
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


def test_tool_calls_that_were_cut(chat: Chat, body: Body) -> None:
    """As far as they came."""
    deltas = [
        call(0, name="weather", arguments='{"city": "Lis'),
        call(1, name="clock", arguments='{"zo'),
    ]
    status, out, _ = chat(body(*deltas, finish=None, done=False), "hi")
    assert status == 1
    assert out == 'weather({"city": "Lis\nclock({"zo\n'


def test_the_first_choice_alone_is_shown(chat: Chat) -> None:
    """Texts of others would stand in the middle of it."""
    choices = [{"index": index, "delta": {"content": "ab"[index]}} for index in (0, 1)]
    events = [json.dumps({"choices": choices}), "[DONE]"]
    answer = b"".join(encode(Event(data)) for data in events)
    assert chat(answer, "hi")[1] == "a\n"


def test_a_pipe_gets_the_text_as_it_is(chat: Chat, body: Body) -> None:
    """Control characters included, reasoning not, one line end at the end."""
    deltas = [{"content": "a\x1b[31m\r\n"}, {"reasoning_content": "hm"}, {"content": "b\n"}]
    assert chat(body(*deltas), "hi")[1] == "a\x1b[31m\r\nb\n"


def test_json(chat: Chat, body: Body) -> None:
    """The completion alone, also as far as it came; where nothing came, none."""
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
    """Reasoning and the last line are dim; nothing that the model sent controls the terminal."""
    with ReplayServer(body(*DELTAS)) as server:
        status, text = in_terminal("chat", "--base-url", server.url, "hi")
    assert status == 0
    answer, _, last = text.partition("sseparse: ")
    assert answer == (
        "\x1b[2mThey \x1b[0m\x1b[2mgreet.\x1b[0m\n\n"
        f"{VISIBLE}\n\x1b[2mMore?\x1b[0m\n\nf\u241b[2J({{}})\n\x1b[2m"
    )
    assert last.endswith(", stop, [DONE]\x1b[0m\n")


@pytest.mark.parametrize("way", ["NO_COLOR", "TERM", "--no-color"])
def test_a_terminal_without_colours(
    in_terminal: InTerminal, body: Body, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Then a word tells reasoning from the answer."""
    if way != "--no-color":
        monkeypatch.setenv(way, "dumb")
    options = ["--no-color"] if way == "--no-color" else []
    with ReplayServer(body(*DELTAS)) as server:
        _, text = in_terminal("chat", "--base-url", server.url, *options, "hi")
    assert "\x1b" not in text
    assert text.startswith(f"[reasoning] They greet.\n\n{VISIBLE}\n[reasoning] More?\n\nf\u241b[2J")


def test_an_answer_that_goes_elsewhere(
    in_terminal: InTerminal, body: Body, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reasoning on the terminal does not break the text in the pipe."""
    deltas = [{"content": "a"}, {"reasoning_content": "hm\n"}, {"content": "b"}]
    with ReplayServer(body(*deltas)) as server:
        _, text = in_terminal("chat", "--base-url", server.url, "hi", streams=("stderr",))
    assert capsys.readouterr().out == "ab\n"
    assert text.startswith("\x1b[2mhm\n\x1b[0m\x1b[2msseparse: ")


def test_reasoning_that_was_cut(in_terminal: InTerminal, body: Body) -> None:
    """Its line is ended, and what went wrong is not dim."""
    with ReplayServer(body({"reasoning_content": "hm"}, finish=None, done=False)) as server:
        status, text = in_terminal("chat", "--base-url", server.url, "hi")
    assert status == 1
    assert text.startswith("\x1b[2mhm\x1b[0m\nsseparse: 2 characters")


def test_json_in_a_terminal(in_terminal: InTerminal, body: Body) -> None:
    """What JSON leaves as it is, and a terminal would obey, is escaped."""
    with ReplayServer(body({"content": "\x9b31m\u202eé"})) as server:
        _, text = in_terminal("chat", "--base-url", server.url, "--json", "hi", streams=("stdout",))
    assert "\x9b" not in text
    assert json.loads(text)["choices"][0]["message"]["content"] == "\x9b31m\u202eé"


def test_a_terminal_gives_no_prompt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody is left waiting for what was never asked."""
    controller, terminal = os.openpty()
    try:
        with os.fdopen(terminal) as stdin, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", stdin)
            assert main(["chat"]) == 2
    finally:
        os.close(controller)
    assert "give a prompt; - reads it from standard input" in capsys.readouterr().err


# The key.


def test_the_key_is_nowhere(chat: Chat, body: Body, tmp_path: Path) -> None:
    """Whatever the server does with it, it is in no output and in no file."""
    save = ["--save", str(tmp_path / "a.sse")]
    picture = ["--timeline", str(tmp_path / "a.svg")]
    in_each_part = Replay(body(call(0, name=KEY, arguments=KEY), model=KEY, finish=None))
    half = len(KEY) // 2
    told = json.dumps({"error": {"message": f"bad key {KEY}", "code": KEY}}).encode()
    answers = [
        Replay(told, status=401, content_type="application/json"),
        Replay(told, status=400, content_type="application/json", pieces="bytes"),
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
        # Drawing takes long: one picture is enough.
        for options in (["--json"], picture if answer is in_each_part else []):
            _, out, err = chat(answer, *save, *options, "hi")
            assert KEY not in out + err
            assert "Traceback" not in err
            for file in tmp_path.iterdir():
                if file.is_file():
                    assert KEY.encode() not in file.read_bytes()


def test_what_replaces_it(chat: Chat, body: Body, tmp_path: Path) -> None:
    """A mark; what only began like it is shown; short keys are words like any other."""
    saved = tmp_path / "a.sse"
    answer = body({"content": f"a{KEY}b"}, {"content": KEY[:4]})
    assert chat(answer, "--save", str(saved), "hi")[1] == f"a[key]b{KEY[:4]}\n"
    assert saved.read_bytes() == answer.replace(KEY.encode(), b"[key]")


def test_a_short_key_is_a_word(chat: Chat, body: Body, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers of one's own are given such: no answer is to suffer from that."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    assert chat(body({"content": "none"}), "hi")[1] == "none\n"


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}é", f"{KEY} x"])
def test_a_key_that_is_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """It is refused without being shown."""
    monkeypatch.setenv("OPENAI_API_KEY", key)
    assert main(["chat", "--base-url", "http://127.0.0.1:1", "hi"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("sseparse: chat: OPENAI_API_KEY holds ")
    assert KEY not in err


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"http://u:{KEY}@127.0.0.1:1/v1", "url holds a user name or password"),
        (f"http://127.0.0.1:{KEY}/v1", "the base URL is none"),
        (f"http://[{KEY}/v1", "the base URL is none"),
        (f"ftp://{KEY}/v1", "url does not begin with http:// or https:// and a host"),
        (f"http://127.0.0.1:1/ {KEY}", "url holds a blank"),
    ],
)
def test_a_base_url_that_is_none(capsys: pytest.CaptureFixture[str], url: str, said: str) -> None:
    """It is not shown either: it may hold a key."""
    assert main(["chat", "--base-url", url, "hi"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"sseparse: chat: {said}")
    assert KEY not in err


# What it cannot do.


def test_openai_wants_a_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is said before anything is sent."""
    monkeypatch.delenv("OPENAI_API_KEY")
    assert main(["chat", "hi"]) == 2
    assert capsys.readouterr().err.startswith("sseparse: chat: set OPENAI_API_KEY; ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([" "], "the prompt is empty"),
        (["\udc80"], "surrogates not allowed"),
        (["--completion", "--system", "x", "hi"], "--completion goes with neither --system nor"),
        (["--timeline", "a.pdf", "hi"], "--timeline: a.pdf ends in neither .svg nor .png"),
        (["--timeline", "/nowhere/a.svg", "hi"], "--timeline: cannot write /nowhere/a.svg: No su"),
        (["--save", "/nowhere/a", "hi"], "--save: cannot write /nowhere/a: No such file or dir"),
    ],
)
def test_misuse(chat: Chat, arguments: list[str], said: str) -> None:
    """One line, status 2, nothing sent."""
    with ReplayServer(b"") as server:
        status, out, err = chat(server, *arguments)
        assert server.requests == []
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--timeout", "0"], "0 is not above 0"),
        (["--timeout", "x"], "'x' is not a number of seconds"),
        (["--max-tokens", "0"], "'0' is not a whole number above 0"),
    ],
)
def test_options_that_make_no_sense(
    capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    """How it is used, status 2."""
    with pytest.raises(SystemExit) as caught:
        main(["chat", *options, "hi"])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        (None, "there is no standard input"),
        (b"\xff", "standard input is not UTF-8"),
        (OSError(5, "Input/output error"), "cannot read standard input: Input/output error"),
    ],
)
def test_standard_input_that_is_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stdin: Any, said: str
) -> None:
    """One line, status 2."""

    class Failing(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise stdin

    raw = Failing() if isinstance(stdin, OSError) else io.BytesIO(stdin)
    monkeypatch.setattr(sys, "stdin", None if stdin is None else io.TextIOWrapper(raw))
    assert main(["chat", "-"]) == 2
    assert capsys.readouterr().err == f"sseparse: chat: {said}\n"


@pytest.mark.parametrize(("name", "extra"), [("h11", "cli"), ("matplotlib", "plot")])
def test_what_is_not_installed_is_named(
    chat: Chat, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, extra: str
) -> None:
    """Before anything is sent."""
    with ReplayServer(b"") as server:
        monkeypatch.setitem(sys.modules, name, None)
        status, _, err = chat(server, "--timeline", str(tmp_path / "a.svg"), "hi")
        assert server.requests == []
    assert status == 2
    assert f"{name} not installed: pip install 'sseparse[{extra}]'" in err


# Files.


@pytest.mark.parametrize("cutting", ["bytes", "whole"])
def test_save(chat: Chat, body: Body, tmp_path: Path, cutting: Any) -> None:
    """The body as it came, and beside it when its pieces came."""
    saved = tmp_path / "a.sse"
    answer = b": hello\r\n\r\n" + body({"content": "Hi"})
    assert chat(Replay(answer, pieces=cutting), "--save", str(saved), "hi")[0] == 0
    assert saved.read_bytes() == answer
    pieces = [json.loads(line) for line in Path(f"{saved}.times").read_text("utf-8").splitlines()]
    assert sum(piece["bytes"] for piece in pieces) == len(answer)
    seconds = [piece["seconds"] for piece in pieces]
    assert seconds == sorted(seconds)


def test_a_recording_is_kept_until_there_is_another(chat: Chat, tmp_path: Path) -> None:
    """Where no answer came, an older one stays, and nothing new is left behind."""
    with ReplayServer(Replay(b"", fault="no-answer")) as server:
        (tmp_path / "old.sse").write_bytes(b"data: 1\n\n")
        for name in ("old.sse", "new.sse"):
            save = ["--save", str(tmp_path / name), "--timeline", str(tmp_path / "new.svg")]
            assert chat(server, *save, "hi")[0] == 2

    assert [path.name for path in tmp_path.iterdir()] == ["old.sse"]
    assert (tmp_path / "old.sse").read_bytes() == b"data: 1\n\n"


def test_a_recording_gives_way_to_another(chat: Chat, body: Body, tmp_path: Path) -> None:
    """Nothing of the older one is left, not even of a longer one."""
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


def test_a_key_in_pieces_is_saved_and_told(
    chat: Chat, body: Body, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not shown, but the body holds it."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-SECRETKEY12345")
    saved = tmp_path / "a.sse"
    with ReplayServer(body({"content": "it is sk-SECRET"}, {"content": "KEY12345"})) as server:
        status, out, err = chat(server, "--save", str(saved), "hi")

    assert (status, out) == (0, "it is [key]\n")
    assert err.endswith(f"sseparse: the server sent the key back in pieces: {saved} holds them\n")


def test_a_body_that_is_compressed_unasked(chat: Chat, body: Body) -> None:
    """What is wrong with it is said."""
    with ReplayServer(Replay(body({"content": "Hi"}), framing="gzip")) as server:
        status, _, err = chat(server, "hi")

    assert status == 2
    assert "no event stream: the body is compressed (gzip), unasked" in err


def test_save_of_a_failure(chat: Chat, tmp_path: Path) -> None:
    """What the server said instead is kept too; of a device there are no times."""
    saved = tmp_path / "a.sse"
    assert chat(Replay(b"<html>", status=502), "--save", str(saved), "hi")[0] == 2
    assert saved.read_bytes() == b"<html>"
    assert chat(Replay(b"<html>", status=502), "--save", "/dev/null", "hi")[0] == 2


def test_save_without_room_for_times(chat: Chat, tmp_path: Path) -> None:
    """Nothing is sent where one of the two files cannot be written."""
    (tmp_path / "a.sse.times").mkdir()
    status, _, err = chat(b"", "--save", str(tmp_path / "a.sse"), "hi")
    assert (status, "Is a directory" in err) == (2, True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_save_that_cannot_be_written(chat: Chat, body: Body) -> None:
    """The answer is shown all the same; one more line, and a status of its own."""
    status, out, err = chat(body({"content": "Hi"}), "--save", "/dev/full", "hi")
    assert (status, out) == (74, "Hi\n")
    assert err.endswith("sseparse: cannot write /dev/full: No space left on device\n")


def test_timeline(chat: Chat, body: Body, tmp_path: Path) -> None:
    """A picture, or a line where it cannot be written any more."""
    picture = tmp_path / "a.svg"
    assert chat(body({"content": "Hi"}), "--timeline", str(picture), "hi")[0] == 0
    assert "<svg" in picture.read_text("utf-8")


def test_a_picture_that_is_there_stays_without_an_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is checked before the request whether the file can be written, and left as it was."""
    picture = tmp_path / "a.svg"
    picture.write_text("old")
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert main(["chat", "--base-url", url, "--timeline", str(picture), "hi"]) == 2
    assert "no answer from" in capsys.readouterr().err
    assert picture.read_text() == "old"


def test_a_timeline_that_cannot_be_written_any_more(chat: Chat, body: Body, tmp_path: Path) -> None:
    """One more line, and a status of its own."""
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


# As a process of its own.


def start(url: str, *arguments: str, **more: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sseparse", "chat", "--base-url", url, *arguments, "hi"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def test_text_comes_live_and_ctrl_c_keeps_it(body: Body, tmp_path: Path) -> None:
    """Each piece before the next one is sent; interrupted, what came is told and saved."""
    answer = Replay(body({"content": "Hel"}, {"content": "lo"}), gated=True)
    came = b"".join(answer.cut()[:2])
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
    assert err.startswith(b"sseparse: 5 characters, first after ")
    assert err.endswith(b"; interrupted after 2 events, %d bytes\n" % len(came))
    assert saved.read_bytes() == came


def test_ctrl_c_with_json_prints_what_came(
    chat: Chat, body: Body, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The completion as far as it goes."""
    answer = Replay(body({"content": "Hel"}, {"content": "lo"}), gated=True)
    with ReplayServer(answer) as server:

        def write(_: object, piece: bytes) -> None:
            if b"lo" in piece:
                raise KeyboardInterrupt
            server.release()

        server.release()
        monkeypatch.setattr("sseparse.cli._record.Recording.write", write)
        status, out, err = chat(server, "--json", "--save", str(tmp_path / "a.sse"), "hi")
    assert status == 130
    assert json.loads(out)["choices"][0]["message"]["content"] == "Hel"
    assert "; interrupted after 1 event" in err


def test_ctrl_c_before_anything_came(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, status 130; no socket is left open, whatever was being read."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sseparse.cli._chat.request", interrupted)
    assert main(["chat", "hi"]) == 130
    assert capsys.readouterr().err == "sseparse: interrupted before anything came\n"


def test_ctrl_c_while_a_refusal_is_read(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """As before: nothing of an answer came."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sseparse.cli._chat.read_up_to", interrupted)
    with ReplayServer(Replay(b"{}", status=400)) as server:
        assert chat(server, "hi")[0] == 130
        assert server.connections[0].wait_closed()


def test_a_reader_that_stops_early_is_no_accident(body: Body) -> None:
    """No traceback, no warning at exit; the status that a shell expects."""
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


def test_nobody_hears_standard_error(body: Body) -> None:
    """The answer comes all the same, and nothing else gets into it."""
    with ReplayServer(body({"content": "Hi"})) as server:
        url = f"{server.url}/v1"
        command = f'exec "{sys.executable}" -m sseparse chat --base-url {url} hi 2>&-'
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"Hi\n")


def test_standard_error_that_cannot_be_written(
    chat: Chat, body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where its reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    closed = os.fdopen(writing, "w", encoding="utf-8")
    monkeypatch.setattr(sys, "stderr", closed)
    assert chat(body({"content": "Hi"}), "hi")[:2] == (0, "Hi\n")
    with pytest.raises(BrokenPipeError):
        closed.close()
