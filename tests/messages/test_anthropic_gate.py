"""The anthropic package's client reads the events that a moderation gate releases."""

from collections.abc import Iterable
from typing import Any

import pytest

from sseparse.messages import MessageEvent, encode_event
from sseparse.moderation import Gate, Replace
from sseparse.testing import ReplayServer

from .events import block_start, block_stop, delta, json_piece, parsed, text

# The client warns of values that the schema doesn't have.
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")

anthropic = pytest.importorskip("anthropic", reason="the anthropic package is not installed")

REQUEST: dict[str, Any] = {
    "model": "m",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello"}],
}
SIGNATURE = "EqQBCkYIBRgCKkA" * 8
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 1},
}
CALL = {"id": "toolu_1", "name": "get_weather", "input": {}}
STREAM: list[dict[str, Any]] = [
    {"type": "message_start", "message": MESSAGE},
    block_start(0, "thinking", thinking="", signature=""),
    *(delta(0, "thinking_delta", thinking=each) for each in ("Who asks? ", "Somebody.")),
    delta(0, "signature_delta", signature=SIGNATURE),
    *(block_stop(0), {"type": "ping"}, block_start(1, "text", text="")),
    *(text(1, "One. "), text(1, "Call 555. "), text(1, "Two."), block_stop(1)),
    *(block_start(2, "tool_use", **CALL), json_piece(2, '{"city":'), json_piece(2, ' "Bonn"}')),
    block_stop(2),
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"input_tokens": 9, "output_tokens": 7},
    },
    {"type": "message_stop"},
]
ALL = ("content", "reasoning", "arguments")


def approve(_: str) -> bool:
    return True


def mask(text: str) -> Replace:
    return Replace(text.replace("555", "***").replace("Somebody", "[name]"))


def read(events: Iterable[MessageEvent]) -> dict[str, Any]:
    """Return the message that the client's `stream()` accumulates."""
    body = b"".join(map(encode_event, events))
    with (
        ReplayServer({"/v1/messages": body}) as server,
        anthropic.DefaultHttpxClient(trust_env=False) as http_client,
        anthropic.Anthropic(
            api_key="none",
            base_url=server.url,
            max_retries=0,
            timeout=30,
            http_client=http_client,
        ) as client,
        client.messages.stream(**REQUEST) as stream,
    ):
        return dict(stream.get_final_message().to_dict(mode="json"))


def content_of(message: dict[str, Any]) -> list[Any]:
    names = {"text": "text", "thinking": "thinking", "tool_use": "input"}
    return [(block["type"], block[names[block["type"]]]) for block in message["content"]]


THINKING = ("thinking", "Who asks? Somebody.")
TEXT = ("text", "One. Call 555. Two.")
TOOL = ("tool_use", {"city": "Bonn"})
MASKED = ("text", "One. Call ***. Two.")


@pytest.mark.parametrize(
    ("options", "content"),
    [
        ({}, [TEXT, TOOL]),
        ({"unchecked": ()}, [TEXT]),
        ({"unchecked": ("reasoning",)}, [THINKING, TEXT]),
        ({"kinds": ALL}, [THINKING, TEXT, TOOL]),
        ({"kinds": ("reasoning",)}, [THINKING, TOOL]),
        ({"kinds": ALL, "concurrent": 4, "hold": 5}, [THINKING, TEXT, TOOL]),
        ({"check": mask}, [MASKED, TOOL]),
        ({"check": mask, "kinds": ALL}, [("thinking", "Who asks? [name]."), MASKED, TOOL]),
    ],
    ids=["content", "no tools", "passing", "all", "reasoning", "hold", "mask", "mask all"],
)
def test_released(options: dict[str, Any], content: list[Any]) -> None:
    """The client has the blocks that were released, the stop reason and the token counts."""
    settings: dict[str, Any] = {"check": approve, **options}
    gate = Gate(**settings)
    message = read(gate.chunks(parsed(*STREAM)))

    assert content_of(message) == content
    assert message["stop_reason"] == "tool_use"
    assert message["usage"]["output_tokens"] == 7
    signatures = [block["signature"] for block in message["content"] if block["type"] == "thinking"]
    assert signatures == [SIGNATURE if THINKING in content else ""] * len(signatures)


@pytest.mark.parametrize("kinds", [("content",), ALL])
def test_stopped(kinds: Any) -> None:
    """A stopped message is a refusal for the client, with what was released before."""
    gate = Gate(lambda text: "555" not in text, kinds=kinds, on_flagged="stop_choice")
    message = read(gate.chunks(parsed(*STREAM)))

    assert content_of(message) == [*([THINKING] if kinds is ALL else []), ("text", "One. ")]
    assert message["stop_reason"] == "refusal"
    assert message["usage"]["output_tokens"] == 7
