"""Responses of the SDKs of OpenAI and Anthropic as sources."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import httpx
import httpx2
import pytest

from sseparse import (
    AsyncChatStream,
    AsyncEventStream,
    ChatStream,
    Deadlines,
    EventStream,
    ServerSentError,
    Stream,
    StreamTimeout,
)
from sseparse.messages import AsyncMessageStream, MessageStream
from sseparse.responses import AsyncResponseStream, ResponseStream
from sseparse.testing import Replay, ReplayServer

openai = pytest.importorskip("openai", reason="openai is not installed")
anthropic = pytest.importorskip("anthropic", reason="anthropic is not installed")

CHUNK = b'{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[%s]}'
CHAT = (
    b"data: " + CHUNK % b'{"index":0,"delta":{"content":"Hel"}}' + b"\n\n"
    b"data: " + CHUNK % b'{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}' + b"\n\n"
    b"data: [DONE]\n\n"
)
MESSAGE = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message",'
    b'"role":"assistant","content":[],"model":"m","usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"Hello"}}\n\n'
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":2}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
RESPONSE = (
    b'event: response.created\ndata: {"type":"response.created","sequence_number":0,'
    b'"response":{"id":"r","object":"response","created_at":1,"model":"m","output":[],'
    b'"status":"in_progress"}}\n\n'
    b'event: response.completed\ndata: {"type":"response.completed","sequence_number":1,'
    b'"response":{"id":"r","object":"response","created_at":1,"model":"m","status":"completed",'
    b'"output":[{"id":"o","type":"message","role":"assistant","status":"completed",'
    b'"content":[{"type":"output_text","text":"Hello","annotations":[]}]}]}}\n\n'
)
QUESTION = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
APIS: dict[str, tuple[bytes, Callable[[Any], Any], dict[str, Any], Any, Any]] = {
    "chat": (CHAT, lambda client: client.chat.completions, QUESTION, ChatStream, AsyncChatStream),
    "responses": (
        RESPONSE,
        lambda client: client.responses,
        {"model": "m", "input": "hi", "stream": True},
        ResponseStream,
        AsyncResponseStream,
    ),
    "messages": (
        MESSAGE,
        lambda client: client.messages,
        QUESTION | {"max_tokens": 5},
        MessageStream,
        AsyncMessageStream,
    ),
}
FORMS = ["with_streaming_response", "with_raw_response", "create"]


def make_client(name: str, url: str, *, is_async: bool = False, **options: Any) -> Any:
    sdk = anthropic if name == "messages" else openai
    kind = f"{'Async' if is_async else ''}{'Anthropic' if sdk is anthropic else 'OpenAI'}"
    return getattr(sdk, kind)(base_url=url, api_key="k", **{"max_retries": 0} | options)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", APIS)
class TestForms:
    """What the SDKs return for a request with stream=True."""

    def test_synchronous(self, name: str, form: str) -> None:
        """The SDK's response is read, and its connection is used again."""
        body, method, question, stream, _ = APIS[name]
        with ReplayServer(body) as server, make_client(name, server.url) as client:
            for _ in range(2):
                if form == "with_streaming_response":
                    with method(client).with_streaming_response.create(**question) as response:
                        assert stream(response).result().text == "Hello"
                else:
                    calls = method(client)
                    create = (calls if form == "create" else calls.with_raw_response).create
                    with stream(create(**question)) as opened:
                        assert opened.result().text == "Hello"
        assert len(server.connections) == 1

    def test_asynchronous(self, name: str, form: str) -> None:
        """The asynchronous SDK's response is read, and its connection is used again."""
        body, method, question, _, stream = APIS[name]

        async def main() -> None:
            async with make_client(name, server.url, is_async=True) as client:
                for _ in range(2):
                    calls = method(client)
                    if form == "with_streaming_response":
                        async with calls.with_streaming_response.create(**question) as response:
                            assert (await stream(response).result()).text == "Hello"
                    else:
                        create = (calls if form == "create" else calls.with_raw_response).create
                        async with stream(await create(**question)) as opened:
                            assert (await opened.result()).text == "Hello"

        with ReplayServer(body) as server:
            anyio.run(main)
        assert len(server.connections) == 1

    def test_closing(self, name: str, form: str) -> None:
        """A stream that is left early closes the connection."""
        body, method, question, _, _ = APIS[name]
        with ReplayServer(Replay(body, gated=True)) as server:
            server.release(1)
            with make_client(name, server.url) as client:
                calls = method(client)
                if form == "with_streaming_response":
                    with calls.with_streaming_response.create(**question) as response:
                        with EventStream(response) as stream:
                            next(stream)
                else:
                    create = (calls if form == "create" else calls.with_raw_response).create
                    with EventStream(create(**question)) as stream:
                        next(stream)
                assert server.connections[0].wait_closed()


@pytest.fixture
def chat() -> Iterator[Any]:
    with ReplayServer(CHAT) as server, make_client("chat", server.url) as client:
        yield client.chat.completions


class TestOptions:
    """Options of our streams over a response of an SDK."""

    def test_a_deadline(self) -> None:
        """A deadline ends the wait for a server that is silent."""
        with ReplayServer(Replay(CHAT, gated=True)) as server:
            server.release(1)
            with make_client("chat", server.url) as client:
                create = client.chat.completions.with_streaming_response.create
                with create(**QUESTION) as response:
                    deadlines = Deadlines(between_events=0.01)
                    with pytest.raises(StreamTimeout, match="between_events"):
                        ChatStream(response, deadlines=deadlines).result()

    def test_an_error_in_the_stream(self) -> None:
        """An error within the stream has the status and headers of the SDK's response."""
        error = b'data: {"error":{"message":"boom"}}\n\n'
        replay = Replay(error, headers={"X-Request-Id": "r1"})
        with ReplayServer(replay) as server, make_client("chat", server.url) as client:
            with pytest.raises(ServerSentError, match="boom") as raised:
                ChatStream(client.chat.completions.create(**QUESTION)).result()
        assert (raised.value.status, raised.value.headers["x-request-id"]) == (200, "r1")

    def test_a_retried_request(self) -> None:
        """The SDK repeats a request that was rejected before the stream begins."""
        answers = iter([Replay(b"{}", status=503, headers={"Retry-After": "0"}), Replay(CHAT)])
        with ReplayServer(lambda request: next(answers)) as server:
            with make_client("chat", server.url, max_retries=1) as client:
                stream = ChatStream(client.chat.completions.create(**QUESTION))
                assert stream.result().text == "Hello"
        assert len(server.requests) == 2

    def test_a_body_that_is_no_stream(self) -> None:
        """A completion that was requested without stream=True is the result."""
        message = b'{"index":0,"message":{"content":"Hello"},"finish_reason":"stop"}'
        replay = Replay(CHUNK % message, content_type="application/json")
        with ReplayServer(replay) as server, make_client("chat", server.url) as client:
            create = client.chat.completions.with_raw_response.create
            response = create(**QUESTION | {"stream": False})
        assert ChatStream(response).result().text == "Hello"

    def test_a_complete_body(self) -> None:
        """The stream of a mock, whose response has its body already, is read."""
        headers = {"Content-Type": "text/event-stream"}
        library = httpx2 if issubclass(openai.DefaultHttpxClient, httpx2.Client) else httpx
        transport = library.MockTransport(
            lambda _: library.Response(200, headers=headers, content=CHAT)
        )
        with openai.OpenAI(
            api_key="k", base_url="http://test", http_client=library.Client(transport=transport)
        ) as client:
            assert ChatStream(client.chat.completions.create(**QUESTION)).result().text == "Hello"


class TestAdvice:
    """Objects of the SDKs that can't be read."""

    def test_a_stream_that_was_read(self, chat: Any) -> None:
        """A stream of which an item was read raises RuntimeError."""
        with chat.create(**QUESTION) as stream:
            next(stream)
            with pytest.raises(RuntimeError, match=r"stream of openai was read already; pass it"):
                ChatStream(stream)

    def test_unopened(self, chat: Any) -> None:
        """A context manager raises TypeError that says to enter it."""
        with pytest.raises(TypeError, match=r"of openai, which gives a response: enter it, with"):
            ChatStream(chat.with_streaming_response.create(**QUESTION))

    def test_a_synchronous_one(self, chat: Any) -> None:
        """An asynchronous stream rejects the synchronous SDK's response when it's read."""

        async def main() -> None:
            with chat.create(**QUESTION) as response:
                with pytest.raises(
                    TypeError, match="is synchronous; use a class such as ChatStream"
                ):
                    await AsyncEventStream(response).__anext__()

        anyio.run(main)

    def test_other_objects(self, chat: Any) -> None:
        """Other objects of an SDK raise TypeError with what to pass instead."""
        question = {key: value for key, value in QUESTION.items() if key != "stream"}
        with chat.stream(**question) as parsing:
            for given in (chat, chat.stream(**question), parsing):
                with pytest.raises(TypeError, match=r"isn't a response; pass the one of with_str"):
                    Stream(given)


def test_the_adapter_loads_no_library() -> None:
    """Importing the adapter imports neither SDK."""
    code = "import sys, sseparse.adapters._httpx; print({'openai', 'anthropic'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
