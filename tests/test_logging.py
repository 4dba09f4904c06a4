"""The logger `sseparse`: what it says of streams, sync and async, and what it never says."""

import logging
import re
import subprocess
import sys
from collections.abc import AsyncIterator

import anyio
import httpx2
import pytest

from proxies import ProxyServer
from sseparse import AsyncChatStream, ChatStream, ChunkReader, SSEError
from sseparse.adapters import anyio as anyio_adapter
from sseparse.adapters import sockets
from sseparse.adapters import trio as trio_adapter
from sseparse.reconnect import AsyncEventSource, EventSource
from sseparse.testing import Replay, ReplayServer

BODY = (
    b": hi\n\n"
    b'data: {"choices":[{"index":0,"delta":{"content":"c0ntent"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
SIZES = "events: 2, bytes: 106"
SECRETS = ("s3cret", "pr0mpt", "c0ntent", "h3ader", "qu3ry")


@pytest.fixture(autouse=True)
def level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "sseparse")


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the messages, without the numbers of the streams."""
    records = [record for record in caplog.records if record.name == "sseparse"]
    assert all(record.levelno == logging.DEBUG for record in records)
    messages = [record.getMessage() for record in records]
    assert not any(secret in message for message in messages for secret in SECRETS)
    return [re.sub("(stream|event source) [0-9a-f]+: ", "", message) for message in messages]


async def pieces(*body: bytes) -> AsyncIterator[bytes]:
    for piece in body:
        yield piece


def test_streams(caplog: pytest.LogCaptureFixture) -> None:
    """A stream logs its source, the first bytes and how it ended, once each."""
    halves = [BODY[:9], BODY[9:]]
    messages = ["first bytes", f"ended by done, {SIZES}"]
    ChatStream(iter(halves)).result()
    assert logged(caplog) == ["opened over list_iterator, status None", *messages]
    caplog.clear()

    async def read() -> None:
        await AsyncChatStream(pieces(*halves)).result()

    anyio.run(read)
    assert logged(caplog) == ["opened over async_generator, status None", *messages]
    assert "_log" not in {record.module for record in caplog.records}


def test_two_streams(caplog: pytest.LogCaptureFixture) -> None:
    """The messages of one stream have the same number, which others don't have."""
    streams = ChatStream(iter([BODY])), ChatStream(iter([BODY]))
    for stream in streams:
        stream.result()
    numbers = [record.getMessage().split(":")[0] for record in caplog.records]
    assert len(set(numbers)) == 2
    assert all(numbers.count(number) == 3 for number in numbers)


def test_errors(caplog: pytest.LogCaptureFixture) -> None:
    """An error is logged by its class, because its message can have what the server sent."""
    body = b'data: c0ntent\n\ndata: {"error": {"message": "s3cret"}}\n\n'
    with pytest.raises(SSEError):
        ChatStream(iter([body]), on_bad_json="skip").result()
    assert logged(caplog)[2:] == [
        "ended by ServerSentError, events: 2, bytes: 55",
        "skipped events: 1",
    ]
    caplog.clear()
    with ChatStream(iter([BODY])):
        pass
    assert logged(caplog)[1:] == ["ended by cancelled, events: 0, bytes: 0"]
    caplog.clear()
    reader = ChunkReader()
    reader.feed(BODY)
    assert logged(caplog) == [f"ended by done, {SIZES}"]


def test_draining(caplog: pytest.LogCaptureFixture) -> None:
    """Reading on after the terminal event is logged."""
    drains = "reads on for at most 30.0 s"
    with ReplayServer(BODY) as server:
        with httpx2.stream("POST", server.url) as response:
            ChatStream(response, drain=30.0).result()
        assert drains in logged(caplog)
        caplog.clear()

        async def read() -> None:
            async with httpx2.AsyncClient() as client:
                async with client.stream("POST", server.url) as response:
                    await AsyncChatStream(response, drain=30.0).result()

        anyio.run(read)
    assert drains in logged(caplog)


@pytest.mark.parametrize("adapter", [None, anyio_adapter, trio_adapter])
def test_requests(caplog: pytest.LogCaptureFixture, adapter: object) -> None:
    """request() logs the host, the port and the proxy; keys, prompts and queries never."""
    with ReplayServer(BODY) as server, ProxyServer() as proxy:
        port = server.url.rpartition(":")[2]

        def options(**more: str) -> dict[str, object]:
            headers = {"Authorization": "Bearer s3cret", "X-Key": "h3ader"}
            return {"headers": headers, "json": {"prompt": "pr0mpt"}, **more}

        through = {"proxy": proxy.url.replace("//", "//me:s3cret@")}
        url = f"{server.url}/?key=qu3ry"
        if adapter is None:
            ChatStream(sockets.request("POST", url, **options())).result()  # type: ignore[arg-type]
            sockets.request("POST", url, **options(**through)).close()  # type: ignore[arg-type]
        else:

            async def read() -> None:
                for more in ({}, through):
                    response = await adapter.request("POST", url, **options(**more))  # type: ignore[attr-defined]
                    async with AsyncChatStream(response) as stream:
                        await stream.result()

            anyio.run(read, backend="trio" if adapter is trio_adapter else "asyncio")
    messages = logged(caplog)
    assert messages[0] == f"connected to 127.0.0.1:{port}"
    assert messages[1].startswith(("opened over SocketSource, ", "opened over StreamSource, "))
    assert messages[1].endswith("status 200")
    assert f"connected through the proxy {proxy.address} to 127.0.0.1:{port}" in messages


CONNECTIONS = [
    "connects",
    "open",
    "waits for 0.050 s",
    "connects",
    "closed by NotEventStream",
]


def test_event_sources(caplog: pytest.LogCaptureFixture) -> None:
    """An EventSource logs connections, waits and its end."""
    event = b"retry: 0\ndata: c0ntent\n\n"
    replays = iter([Replay(event), Replay(b"c0ntent", status=404)] * 2)
    with ReplayServer(lambda _: next(replays)) as server:
        url = f"{server.url}/?key=qu3ry"
        with (
            EventSource(url, headers={"X-Key": "s3cret"}, rnd=lambda: 0.0) as source,
            pytest.raises(SSEError),
        ):
            for _ in source:
                pass
        assert logged(caplog) == CONNECTIONS
        caplog.clear()

        async def read() -> None:
            async with AsyncEventSource(
                url, headers={"X-Key": "s3cret"}, rnd=lambda: 0.0
            ) as source:
                async for _ in source:
                    pass

        with pytest.raises(SSEError):
            anyio.run(read)
    assert logged(caplog) == CONNECTIONS


def test_ends_of_event_sources(caplog: pytest.LogCaptureFixture) -> None:
    """An end that the server or the reader wants is logged as such."""
    with ReplayServer(Replay(b"", status=204)) as server, EventSource(server.url) as source:
        assert list(source) == []
    EventSource("http://127.0.0.1:1/").close()
    assert logged(caplog) == ["connects", "closed by the server", "closed by its reader"]


def test_off_by_default(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without a level nothing is logged, and sseparse doesn't import `logging` itself."""
    caplog.set_level(logging.NOTSET, "sseparse")
    caplog.set_level(logging.WARNING)
    ChatStream([BODY]).result()
    assert not caplog.records

    code = (
        "import sys, attrs, msgspec; known = 'logging' in sys.modules\n"
        "from sseparse import ChatStream\n"
        f"assert ChatStream([{BODY!r}]).result().text == 'c0ntent'\n"
        "assert known == ('logging' in sys.modules)\n"
        "import logging; logging.getLogger('sseparse').setLevel(10)\n"
        f"ChatStream([{BODY!r}]).result()\n"
        "logging.basicConfig(level=10)\n"
        f"ChatStream([{BODY!r}]).result()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert capfd.readouterr().err.count("DEBUG:sseparse:stream ") == 4
