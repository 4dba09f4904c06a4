"""HTTP/2, where streams share a connection."""

import asyncio
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from socket import create_server
from typing import Any

import anyio
import attrs
import httpx
import httpx2
import pytest
import trustme
from hypercorn.asyncio import serve
from hypercorn.config import Config

from sseparse import AsyncStream, Deadlines, EndCause, Stream, StreamTimeout

from .transports import LIMIT

BODY = [
    b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n',
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\n',
    b"data: [DONE]\n\n",
]
LIBRARIES = [httpx, httpx2]
BACKENDS = ["asyncio", "trio"]


@attrs.define
class Server:
    """An HTTP/2 server that sends an event for each permit, and on /drip also comments."""

    url: str
    context: ssl.SSLContext
    permits: threading.Semaphore = attrs.Factory(lambda: threading.Semaphore(0))
    clients: set[tuple[str, int]] = attrs.Factory(set)

    async def __call__(self, scope: Any, _: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        assert scope["http_version"] == "2"
        self.clients.add(tuple(scope["client"]))
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for event in BODY:
            while not self.permits.acquire(blocking=False):
                await asyncio.sleep(0.001)
                if scope["path"] == "/drip":
                    await self.send(send, b":\n")
            await self.send(send, event)
        await send({"type": "http.response.body", "body": b""})

    @staticmethod
    async def send(send: Any, piece: bytes) -> None:
        await send({"type": "http.response.body", "body": piece, "more_body": True})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("certificate") / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(path)
    return authority, path


@pytest.fixture
def server(certificate: tuple[trustme.CA, Path]) -> Iterator[Server]:
    authority, path = certificate
    context = ssl.create_default_context()
    authority.configure_trust(context)
    sock = create_server(("127.0.0.1", 0))
    server = Server(f"https://127.0.0.1:{sock.getsockname()[1]}/", context)
    config = Config()
    config.bind = [f"fd://{sock.detach()}"]
    config.certfile = config.keyfile = str(path)
    config.graceful_timeout = 0.1
    stopped = threading.Event()

    async def run() -> None:
        async def stop() -> None:
            await asyncio.to_thread(stopped.wait)

        await serve(server, config, shutdown_trigger=stop)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    yield server
    stopped.set()
    thread.join(LIMIT)


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda each: each.__name__)
class TestSync:
    """Synchronous clients."""

    def test_prompt_and_pooled(self, library: Any, server: Server) -> None:
        """Each event is received before the next one is sent, and streams share a connection."""
        with library.Client(http2=True, verify=server.context, timeout=LIMIT) as client:
            for _ in range(3):
                server.permits.release()
                with client.stream("POST", server.url) as response, Stream(response) as stream:
                    assert response.http_version == "HTTP/2"
                    for _ in stream:
                        server.permits.release()
                assert stream.result().text == "Hello"
        assert len(server.clients) == 1

    def test_left_early(self, library: Any, server: Server) -> None:
        """A stream that is closed early leaves the connection to the next one."""
        with library.Client(http2=True, verify=server.context, timeout=LIMIT) as client:
            for _ in range(2):
                server.permits.release()
                with client.stream("POST", server.url) as response, Stream(response) as stream:
                    assert next(stream).text == "Hel"
                assert stream.end is not None
                assert stream.end.cause is EndCause.CANCELLED
                server.permits.release(2)  # the server isn't notified of the close
                while server.permits.acquire(blocking=False):
                    server.permits.release()
                    time.sleep(0.001)
        assert len(server.clients) == 1

    def test_deadlines(self, library: Any, server: Server) -> None:
        """Deadlines are checked at each piece."""
        server.permits.release()
        with library.Client(http2=True, verify=server.context, timeout=LIMIT) as client:
            with client.stream("POST", f"{server.url}drip") as response:
                stream = Stream(response, deadlines=Deadlines(between_events=0.05))
                with pytest.raises(StreamTimeout) as raised:
                    stream.result()
        assert (raised.value.clock, raised.value.partial.text) == ("between_events", "Hel")

    def test_closed_from_another_thread(self, library: Any, server: Server) -> None:
        """Closing doesn't wake a read on the shared connection: it ends at its next piece."""
        raised: list[BaseException] = []
        server.permits.release()

        def read() -> None:
            try:
                stream.result()
            except Exception as error:
                raised.append(error)

        with library.Client(http2=True, verify=server.context, timeout=LIMIT) as client:
            with client.stream("POST", server.url) as response:
                stream = Stream(response)
                assert next(stream).text == "Hel"
                thread = threading.Thread(target=read)
                thread.start()
                threading.Event().wait(0.02)
                stream.close()
                server.permits.release(2)
                thread.join(LIMIT)
        assert [type(error) for error in raised] == [RuntimeError]
        assert stream.snapshot().text == "Hel"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("library", LIBRARIES, ids=lambda each: each.__name__)
class TestAsync:
    """Asynchronous clients."""

    def test_prompt_and_pooled(self, library: Any, backend: str, server: Server) -> None:
        """Each event is received before the next one is sent, and streams share a connection."""

        async def main() -> None:
            async with library.AsyncClient(http2=True, verify=server.context) as client:
                for _ in range(3):
                    server.permits.release()
                    async with client.stream("POST", server.url) as response:
                        async with AsyncStream(response) as stream:
                            async for _ in stream:
                                server.permits.release()
                            assert (await stream.result()).text == "Hello"

        anyio.run(main, backend=backend)
        assert len(server.clients) == 1

    def test_silence(self, library: Any, backend: str, server: Server) -> None:
        """A deadline ends a read of a silent server."""

        async def main() -> None:
            server.permits.release()
            async with library.AsyncClient(http2=True, verify=server.context) as client:
                async with client.stream("POST", server.url) as response:
                    bounds = Deadlines(between_bytes=0.05, first_event=LIMIT)
                    stream = AsyncStream(response, deadlines=bounds)
                    with pytest.raises(StreamTimeout) as raised:
                        await stream.result()
                    assert raised.value.clock == "between_bytes"

        anyio.run(main, backend=backend)

    def test_interrupted_read(self, library: Any, backend: str, server: Server) -> None:
        """After a cancelled read, the next one raises, so that no event is lost silently."""

        async def main() -> None:
            server.permits.release()
            async with library.AsyncClient(http2=True, verify=server.context) as client:
                async with client.stream("POST", server.url) as response:
                    stream = AsyncStream(response)
                    assert (await anext(stream)).text == "Hel"
                    with anyio.move_on_after(0.05) as scope:
                        await anext(stream)
                    assert scope.cancelled_caught
                    server.permits.release(2)
                    with pytest.raises(RuntimeError, match="interrupted"):
                        await anext(stream)
                    assert stream.end is not None
                    assert not stream.end.complete

        anyio.run(main, backend=backend)
