"""Readers of asyncio and of aiohttp as sources."""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sseparse import AsyncEventStream, AsyncStream, Deadlines, StreamTimeout, TransportError
from sseparse.adapters import source
from sseparse.testing import Replay, ReplayServer

from .scripted_server import CHUNKED, SAFETY, Exchange, serving

ONE = b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n'
BODY = ONE % b"Hel" + (
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


async def run(code: str, read: Callable[[asyncio.StreamReader], Awaitable[None]]) -> None:
    """Pass the output of a Python program to a function."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdin=pipe, stdout=pipe
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        await read(process.stdout)
    finally:
        process.stdin.close()
        await process.wait()


class TestAsyncio:
    """asyncio.StreamReader."""

    def test_a_child_process(self) -> None:
        """A line longer than the reader's limit for lines is read."""
        code = f"import sys; sys.stdout.buffer.write({ONE!r} % (b'x' * 700_000))"

        async def read(reader: asyncio.StreamReader) -> None:
            stream = AsyncStream(reader, on_incomplete="accept")
            assert len((await stream.result()).text) == 700_000

        asyncio.run(run(code, read))

    def test_at_once(self) -> None:
        """Each event is returned before the process writes the next one."""
        code = (
            "import sys\n"
            f"sys.stdout.buffer.write({BODY!r}[:{BODY.index(b'lo')}]); sys.stdout.flush()\n"
            "sys.stdin.read()\n"
        )

        async def read(reader: asyncio.StreamReader) -> None:
            async with asyncio.timeout(SAFETY):
                async with AsyncStream(reader) as stream:
                    assert (await anext(stream)).text == "Hel"

        asyncio.run(run(code, read))

    def test_deadlines(self) -> None:
        """A deadline ends the wait, and the bytes that come later are still in the reader."""

        async def main() -> None:
            reader = asyncio.StreamReader()
            stream = AsyncStream(reader, deadlines=Deadlines(first_event=0.01))
            with pytest.raises(StreamTimeout):
                await stream.result()
            reader.feed_data(b"later")
            opened: Any = source(reader)
            assert await anext(opened) == b"later"

        asyncio.run(main())

    def test_interrupted_waits(self) -> None:
        """A wait that a timeout ends loses nothing."""

        async def main() -> None:
            reader = asyncio.StreamReader()
            async with AsyncEventStream(reader) as stream:
                for number in (b"1", b"2"):
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(anext(stream), 0.01)
                    reader.feed_data(b"data: " + number + b"\n\n")
                    assert (await anext(stream)).data == number.decode()
                reader.feed_eof()
                assert [event async for event in stream] == []

        asyncio.run(main())

    def test_a_failure(self) -> None:
        """An exception of the connection raises TransportError after the bytes before it."""

        async def main() -> None:
            reader = asyncio.StreamReader()
            opened: Any = source(reader)
            reader.set_exception(ConnectionResetError("reset"))
            with pytest.raises(TransportError, match="asyncio failed: ConnectionResetError: reset"):
                await anext(opened)

        asyncio.run(main())


class TestAiohttp:
    """The content of a response of aiohttp."""

    def test_content(self) -> None:
        """The content is read as it arrives, in lines of any length, and decompressed."""
        long = ONE % (b"x" * 700_000) + BODY
        for body, framing in ((BODY, "chunked"), (long, "gzip")):
            with ReplayServer(Replay(body, framing=framing)) as server:  # type: ignore[arg-type]

                async def main(url: str = server.url) -> str:
                    async with aiohttp.ClientSession() as client, client.post(url) as response:
                        return (await AsyncStream(response.content).result()).text

                assert asyncio.run(main()).endswith("Hello")

    def test_at_once(self) -> None:
        """Each event is returned before the server sends the next one."""
        with ReplayServer(Replay(BODY, delays=[0, 600, 0])) as server:

            async def main() -> None:
                async with aiohttp.ClientSession() as client, client.post(server.url) as response:
                    async with AsyncStream(response.content) as stream:
                        assert (await anext(stream)).text == "Hel"
                    assert not response.closed

            asyncio.run(main())

    def test_malformed_framing(self) -> None:
        """Malformed chunks raise TransportError."""
        received = threading.Event()

        def answer(exchange: Exchange) -> None:
            exchange.send(CHUNKED + b"3\r\n: a\r\n")
            assert received.wait(SAFETY)
            exchange.send(b"zz\r\n")
            exchange.hold()

        with serving(answer) as server:

            async def main() -> None:
                async with aiohttp.ClientSession() as client, client.get(server.url) as response:
                    received.set()
                    with pytest.raises(TransportError):
                        await AsyncStream(response.content).result()

            asyncio.run(main())

    def test_read_already(self) -> None:
        """Content that was read raises RuntimeError."""
        with ReplayServer(BODY) as server:

            async def main() -> None:
                async with aiohttp.ClientSession() as client, client.post(server.url) as response:
                    assert b"".join([piece async for piece in response.content]) == BODY
                    with pytest.raises(RuntimeError, match="read already"):
                        AsyncStream(response.content)

            asyncio.run(main())

    def test_a_request_to_a_server(self) -> None:
        """A server of aiohttp can read a request's content."""
        texts: list[str] = []

        async def handle(request: web.Request) -> web.Response:
            async with AsyncStream(request.content) as stream:
                texts.append((await stream.result()).text)
            return web.Response()

        async def main() -> None:
            app = web.Application()
            app.router.add_post("/", handle)
            runner = web.AppRunner(app)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            address: Any = runner.addresses[0]
            async with aiohttp.ClientSession() as client:
                async with client.post(f"http://127.0.0.1:{address[1]}/", data=BODY) as response:
                    assert response.status == 200
            await runner.cleanup()

        asyncio.run(main())
        assert texts == ["Hello"]
