"""niquests, which replaces urllib3 by urllib3-future, and what is read through it."""

import asyncio
import gc
import socket
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
import requests
import urllib3

from sseparse import AsyncStream, Deadlines, Stream, StreamTimeout, TransportError
from sseparse.testing import Framing, Replay, ReplayServer

from .scripted_server import CHUNKED, SAFETY, sending, serving

try:
    import niquests  # type: ignore[import-not-found] # it would replace urllib3 for all tests
except ModuleNotFoundError:
    niquests = None

# niquests leaves sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)

BODY = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


@pytest.fixture(autouse=True)
def collect_garbage() -> Iterator[None]:
    yield
    gc.collect()


FRAMINGS: list[Any] = [each for each in get_args(Framing) if each != "gzip-unflushed"]
OPENERS: dict[str, Callable[[str], Any]] = {
    "niquests": lambda url: niquests.get(url, stream=True, timeout=SAFETY),
    "requests": lambda url: requests.get(url, stream=True, timeout=SAFETY),
    "urllib3": lambda url: urllib3.PoolManager().request("GET", url, preload_content=False),
}


installed = pytest.mark.skipif(niquests is None, reason="niquests is not installed")


@installed
@pytest.mark.parametrize("library", OPENERS)
class TestLibraries:
    """niquests itself, and the libraries whose urllib3 it replaces."""

    @pytest.mark.parametrize("framing", FRAMINGS)
    def test_framings(self, library: str, framing: Framing) -> None:
        """Each event is returned before the server sends the next one."""
        with ReplayServer(Replay(BODY, framing=framing, gated=True)) as server:
            server.release()
            with Stream(OPENERS[library](server.url)) as stream:
                for _ in stream:
                    server.release()
            assert stream.result().text == "Hello"

    def test_deadlines(self, library: str) -> None:
        """A deadline is met."""
        with ReplayServer(Replay(BODY, delays=[0, 600, 0])) as server:
            deadlines = Deadlines(between_events=0.2)
            with Stream(OPENERS[library](server.url), deadlines=deadlines) as stream:
                with pytest.raises(StreamTimeout) as raised:
                    stream.result()
            assert raised.value.clock == "between_events"

    def test_a_truncated_body(self, library: str) -> None:
        """A truncated body raises TransportError."""
        with serving(sending(CHUNKED + b"3\r\n: a\r\n", then="hang up")) as server:
            with pytest.raises(TransportError):
                Stream(OPENERS[library](server.url)).result()

    def test_interim(self, library: str) -> None:
        """Interim responses are read past."""
        head = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
        with serving(sending(head % len(BODY) + BODY)) as server:
            assert Stream(OPENERS[library](server.url)).result().text == "Hello"


class LowLevelResponse:
    """What urllib3-future puts under a response: it reads the socket without a file."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.closed = False

    def read(self, size: int) -> bytes:
        return self._sock.recv(size)

    read1 = read

    def close(self) -> None:
        self._sock.close()
        self.closed = True


@pytest.mark.skipif(niquests is not None, reason="the double is for urllib3")
def test_deadlines_of_a_double() -> None:
    """A deadline limits the reads of a socket that has no file."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        body: Any = LowLevelResponse(ours)
        theirs.sendall(BODY[:59])
        response = urllib3.HTTPResponse(body, status=200, preload_content=False)
        stream = Stream(response, deadlines=Deadlines(between_bytes=0.05))
        with pytest.raises(StreamTimeout) as raised:
            stream.result()
        assert (raised.value.clock, raised.value.partial.text) == ("between_bytes", "Hel")


def test_the_double_of_an_asynchronous_response() -> None:
    """An asynchronous response raises TypeError with what to pass instead."""
    response = type("AsyncResponse", (), {"__module__": "niquests.models"})()
    with pytest.raises(TypeError, match=r"pass await response.iter_content\(-1\)"):
        AsyncStream(response)


@installed
def test_async() -> None:
    """An asynchronous response raises TypeError with what to pass instead."""
    with ReplayServer(BODY) as server:

        async def main() -> None:
            async with niquests.AsyncSession() as client:
                response = await client.get(server.url, stream=True)
                with pytest.raises(TypeError, match=r"pass await response.iter_content\(-1\)"):
                    AsyncStream(response)
                pieces = await response.iter_content(-1)
                assert (await AsyncStream(pieces).result()).text == "Hello"

        asyncio.run(main())
