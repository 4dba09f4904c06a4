"""Tests of the example `gateway.py`."""

import importlib.util
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sseparse import ServerSentError, SSEError, Stream, recognize
from sseparse.messages import MessageStream
from sseparse.moderation import Gate
from sseparse.responses import ResponseStream

ROOT = Path(__file__).parents[2]


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


gateway = load("gateway")

STREAMS: dict[str, Callable[..., Any]] = {
    "chat": Stream,
    "completion": Stream,
    "responses": ResponseStream,
    "messages": MessageStream,
}
FAILURES = {"messages": "api_error"}
"""The type of an error that the server didn't send; of other APIs, it's "server_error"."""


def sse(*bodies: dict[str, Any]) -> list[bytes]:
    return [b"data: %b\n\n" % json.dumps(body).encode() for body in bodies]


CHAT = sse(
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "One. "}}]},
    {"choices": [{"index": 0, "delta": {"content": "Two."}, "finish_reason": "stop"}]},
)
RESPONSE = sse(
    {"type": "response.created", "response": {"id": "r", "status": "in_progress", "output": []}},
    {"type": "response.output_text.delta", "output_index": 0, "delta": "One. "},
    {"type": "response.output_text.delta", "output_index": 0, "delta": "Two."},
    {"type": "response.completed", "response": {"id": "r", "status": "completed"}},
)
MESSAGE = sse(
    {"type": "message_start", "message": {"id": "m", "content": []}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "One. "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Two."}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
)
BODIES = {"chat": CHAT, "responses": RESPONSE, "messages": MESSAGE}


def outcome(api: str, pieces: Iterable[bytes]) -> tuple[Any, ...]:
    """Return the result that a client reads, or the error and the text before it."""
    try:
        return ("result", STREAMS[api](pieces).result().to_dict())
    except ServerSentError as error:
        partial = error.partial.text
        return ("error", error.message, error.type or FAILURES.get(api), error.code, partial)
    except SSEError as error:
        kind = FAILURES.get(api, "server_error")
        name = type(error).__name__
        return ("error", f"The stream failed: {name}", kind, None, error.partial.text)


def check_same(api: str, body: bytes) -> None:
    """Check that a client of the gateway reads what a client of the upstream reads."""
    relayed = [*gateway.relay([body], api=api)]
    assert outcome(api, relayed) == outcome(api, [body])
    assert b"" not in relayed


def cut(body: bytes) -> Iterator[bytes]:
    """Yield the body, and what is left of it if the upstream fails: at event borders and inside."""
    borders = [match.end() for match in re.finditer(rb"\r?\n\r?\n", body)]
    yield from (body[: borders[at]] for at in (0, 2 * len(borders) // 3) if len(borders) > 3)
    yield body[: len(body) // 3]
    yield body


@pytest.mark.parametrize("api", BODIES)
def test_api_is_recognized(api: str) -> None:
    """Without a name, the first events decide which API is read."""
    relayed = [*gateway.relay(BODIES[api])]
    assert outcome(api, relayed) == outcome(api, BODIES[api])
    assert recognize(b"".join(relayed)) == api


@pytest.mark.parametrize(
    ("api", "end"),
    [
        ("chat", b"data: [DONE]\n\n"),
        ("responses", b'"status":"completed"}}\n\n'),
        ("messages", b'event: message_stop\ndata: {"type":"message_stop"}\n\n'),
    ],
)
def test_terminal_event(api: str, end: bytes) -> None:
    """A complete answer ends with the terminal event, also if the upstream left it out."""
    assert b"".join(gateway.relay(BODIES[api])).endswith(end)


def test_one_terminal_event() -> None:
    """A terminal event of the upstream isn't repeated."""
    body = [*MESSAGE, *sse({"type": "message_stop"})]
    assert b"".join(gateway.relay(body)).count(b"event: message_stop") == 1


@pytest.mark.parametrize("api", BODIES)
def test_truncated(api: str) -> None:
    """A truncated answer ends with an error, without a terminal event."""
    relayed = [*gateway.relay(BODIES[api][:1])]
    assert outcome(api, relayed)[1] == "The stream failed: IncompleteStream"
    assert b"[DONE]" not in b"".join(relayed)
    assert b"message_stop" not in b"".join(relayed)


@pytest.mark.parametrize("late", [0, 1], ids=["at once", "late"])
@pytest.mark.parametrize("api", BODIES)
def test_connection_fails(api: str, late: int) -> None:
    """The exception of the connection isn't quoted to the client."""

    def pieces() -> Iterator[bytes]:
        yield from BODIES[api][:late]
        raise OSError("10.0.0.7 refused")

    relayed = b"".join(gateway.relay(pieces(), api=api if late else None))
    name = "TransportError" if late else "OSError"
    assert f"The stream failed: {name}".encode() in relayed
    assert b"10.0.0.7" not in relayed


def test_unknown_api() -> None:
    """Events of no API are read as chat, and no more than a mebibyte of them before that."""
    comments = [b": wait\n\n" * 1024] * 200
    relayed = [*gateway.relay(iter([*comments, *CHAT]))]
    assert outcome("chat", relayed) == outcome("chat", CHAT)


@pytest.mark.parametrize("api", BODIES)
def test_gate(api: str) -> None:
    """With a gate, the client gets only approved text, and an error for text that was flagged."""
    flagged = [*gateway.relay(BODIES[api], gate=Gate(lambda text: "Two" not in text))]
    assert outcome(api, flagged)[1] == "The stream failed: Flagged"
    assert outcome(api, flagged)[-1] == "One. "
    assert b"Two" not in b"".join(flagged)

    approved = [*gateway.relay(BODIES[api], gate=Gate(lambda _: True))]
    assert STREAMS[api](approved).result().text == "One. Two."


def test_recorded_chat_streams(corpus: Path) -> None:
    """For each recorded chat stream, whole and cut, the client reads the same or the same error."""
    for entry in json.loads((corpus / "INDEX.json").read_text()):
        if entry["kind"] in ("chat", "completion"):
            for body in cut((corpus / "streams" / entry["file"]).read_bytes()):
                check_same("chat", body)


@pytest.mark.parametrize(("folder", "api"), [("responses", "responses"), ("anthropic", "messages")])
def test_recorded_streams(corpus: Path, folder: str, api: str) -> None:
    """For each recorded stream, whole and cut, the client reads the same or the same error."""
    index = corpus.parent / "corpus2" / folder / "INDEX.json"
    if not index.exists():
        pytest.skip("the recorded streams are missing")
    for entry in json.loads(index.read_text()):
        for body in cut((index.parent / entry["stream"]).read_bytes()):
            check_same(api, body)


def test_command(monkeypatch: pytest.MonkeyPatch, capfdbinary: Any, tmp_path: Path) -> None:
    """The command relays standard input to standard output."""
    (tmp_path / "body").write_bytes(b"".join(CHAT))
    with (tmp_path / "body").open("rb") as body:
        monkeypatch.setattr("sys.stdin", body)
        gateway.main()
    assert outcome("chat", [capfdbinary.readouterr().out]) == outcome("chat", CHAT)
