"""Responses of httpx and httpx2, over real connections."""

import gzip
import json
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import anyio
import httpx
import httpx2
import pytest
import zstandard

from sseparse import (
    AsyncEventStream,
    AsyncStream,
    Deadlines,
    EndCause,
    Event,
    EventStream,
    NotEventStream,
    Stream,
    StreamTimeout,
    TransportError,
    adapters,
)
from sseparse.testing import Replay, ReplayServer

from .transports import LIMIT

brotli: Any = import_module("brotli")  # has no types
LIBRARIES = [httpx, httpx2]
BODY = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.__name__)
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with ReplayServer(Replay(BODY)) as server:
        yield server


class Broken:
    """A transport whose stream fails after its first piece."""

    def __init__(self, library: Any, error: Exception) -> None:
        class Pieces(library.SyncByteStream, library.AsyncByteStream):  # type: ignore[misc] # either library's
            def __iter__(self) -> Iterator[bytes]:
                yield BODY[:80]
                raise error

            async def __aiter__(self) -> AsyncIterator[bytes]:
                yield BODY[:80]
                raise error

        self.transport = library.MockTransport(
            lambda _request: library.Response(200, stream=Pieces())
        )


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def zstd_frames(data: bytes) -> bytes:
    return b"".join(zstandard.compress(line) for line in data.splitlines(keepends=True))


PACKED = [
    pytest.param("gzip", gzip.compress, id="gzip"),
    pytest.param("deflate", zlib.compress, id="deflate"),
    pytest.param("deflate", deflate, id="raw deflate"),
    pytest.param("br", brotli.compress, id="br"),
    pytest.param("zstd", zstandard.compress, id="zstd"),
    pytest.param("zstd", zstd_frames, id="zstd in frames"),
    pytest.param("gzip, br", lambda data: brotli.compress(gzip.compress(data)), id="gzip, br"),
    pytest.param("br, gzip", lambda data: gzip.compress(brotli.compress(data)), id="br, gzip"),
]


BOMB = 48 * 2**20


@pytest.fixture(scope="module")
def bombs() -> dict[str, bytes]:
    """Return a comment of 48 MiB by its encoding."""
    line = b": ".ljust(BOMB, b"0")
    once = gzip.compress(line)
    return {
        "gzip": once,
        "gzip, gzip": gzip.compress(once),
        "br": brotli.compress(line, quality=4),
        "zstd": zstandard.compress(line),
    }


def pieces_of(library: Any, backend: str, url: str) -> list[bytes]:
    """Read a body to its end, and return the pieces of the adapter."""
    if backend == "sync":
        with library.stream("GET", url, timeout=LIMIT) as response:
            return list(adapters.source(response))

    async def main() -> list[bytes]:
        async with library.AsyncClient(timeout=LIMIT) as client:
            async with client.stream("GET", url) as response:
                return [piece async for piece in adapters.source(response)]

    return anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", ["sync", "asyncio", "trio"])
class TestCompressed:
    """Compressed bodies."""

    @pytest.mark.parametrize(("coding", "pack"), PACKED)
    def test_codings(
        self, library: Any, backend: str, coding: str, pack: Callable[[bytes], bytes]
    ) -> None:
        """Bodies of any encoding are decompressed completely."""
        body = b"".join(b"data: %d\n\n" % number for number in range(3_000))
        replay = Replay(pack(body), pieces="whole", headers={"Content-Encoding": coding})
        with ReplayServer(replay) as server:
            assert b"".join(pieces_of(library, backend, server.url)) == body

    @pytest.mark.parametrize(("coding", "pack"), [PACKED[0], *PACKED[3:]])
    def test_byte_by_byte(
        self, library: Any, backend: str, coding: str, pack: Callable[[bytes], bytes]
    ) -> None:
        """Bodies are decompressed however they are cut."""
        replay = Replay(pack(BODY), pieces="bytes", headers={"Content-Encoding": coding})
        with ReplayServer(replay) as server:
            assert b"".join(pieces_of(library, backend, server.url)) == BODY

    @pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "gzip, gzip"])
    def test_bombs(self, library: Any, backend: str, coding: str, bombs: dict[str, bytes]) -> None:
        """A body compressed a thousandfold is returned in pieces of at most 32 MiB."""
        replay = Replay(bombs[coding], pieces="whole", headers={"Content-Encoding": coding})
        with ReplayServer(replay) as server:
            sizes = [len(piece) for piece in pieces_of(library, backend, server.url)]
        assert sum(sizes) == BOMB
        assert max(sizes) <= (32 if coding == "br" else 2) * 2**20

    def test_trailing_bytes(self, library: Any, backend: str) -> None:
        """Zero bytes after the end of a gzip body are ignored, without repeated copies."""
        packed = gzip.compress(BODY) + b"\0" * 2**20
        replay = Replay(packed, pieces="whole", headers={"Content-Encoding": "gzip"})
        with ReplayServer(replay) as server:
            assert b"".join(pieces_of(library, backend, server.url)) == BODY

    @pytest.mark.parametrize("coding", ["gzip, identity", "identity, gzip"])
    def test_identity_next_to_a_coding(self, library: Any, backend: str, coding: str) -> None:
        """The coding "identity" next to another one changes nothing."""
        replay = Replay(gzip.compress(BODY), headers={"Content-Encoding": coding})
        with ReplayServer(replay) as server:
            assert b"".join(pieces_of(library, backend, server.url)) == BODY

    # httpx2's decoder raises in the outermost of its generators, which leaves the inner ones to
    # the garbage collector before anything can close them; trio warns of that.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
    @pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
    def test_damaged(self, library: Any, backend: str, coding: str) -> None:
        """A body that can't be decompressed raises TransportError."""
        replay = Replay(b"\xff" * 99, pieces="whole", headers={"Content-Encoding": coding})
        with ReplayServer(replay) as server, pytest.raises(TransportError, match="DecodingError"):
            pieces_of(library, backend, server.url)


class OwnResponse(httpx.Response):
    """A subclass of httpx's response."""


class Reads(httpx.SyncByteStream):
    """A body in reads of one size."""

    def __init__(self, body: bytes, size: int = 65536) -> None:
        self._reads = [body[at : at + size] for at in range(0, len(body), size)]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._reads)


def decoded(body: bytes, coding: str, *, size: int = 65536, kind: Any = httpx.Response) -> Any:
    request = httpx.Request("GET", "http://a")
    headers = {"content-encoding": coding}
    return adapters.source(kind(200, headers=headers, stream=Reads(body, size), request=request))


class TestHTTPXDecoding:
    """Decoding that only httpx needs, because httpx2 bounds its decoders itself."""

    @pytest.mark.parametrize("coding", ["gzip, br", "gzip, gzip"])
    def test_two_parts_under_another_coding(self, coding: str) -> None:
        """A body of two gzip members, of which httpx decompresses one, raises TransportError."""
        inner = gzip.compress(BODY) + gzip.compress(BODY)
        packed = brotli.compress(inner) if coding == "gzip, br" else gzip.compress(inner)
        with pytest.raises(TransportError, match="dropped the others"):
            list(decoded(packed, coding))

    def test_bytes_after_the_end(self) -> None:
        """Bytes after the end of a gzip body raise TransportError at once, and aren't kept."""
        packed = gzip.compress(BODY) + b"\1" * 2**20
        pieces = decoded(packed, "gzip", size=1024)
        assert next(pieces) == BODY
        with pytest.raises(TransportError, match="dropped the others"):
            next(pieces)

    @pytest.mark.parametrize("size", [8, 100, 100_000])
    def test_an_error_at_the_end(self, size: int) -> None:
        """Bytes decompressed before an error come first, except the last 512 bytes of the body."""
        text = json.dumps([at * 0.37 for at in range(10_000)]).encode()
        packed = bytearray(gzip.compress(text))
        packed[-5] ^= 1  # of the checksum
        pieces, received = decoded(bytes(packed), "gzip", size=size), b""
        with pytest.raises(TransportError, match="DecodingError"):
            for piece in pieces:
                received += piece
        assert text.startswith(received)
        assert len(received) > len(text) - 4096

    def test_a_class_of_ones_own(self, bombs: dict[str, bytes]) -> None:
        """Subclasses of httpx's response are decompressed in bounded pieces."""
        pieces = decoded(bombs["gzip"], "gzip", kind=OwnResponse)
        assert max(map(len, pieces)) <= 2 * 2**20


class TestSync:
    """Synchronous clients."""

    def test_chunks(self, library: Any, server: ReplayServer) -> None:
        """A stream reads a response, and closes it at the end of the block."""
        with library.Client() as client, client.stream("GET", server.url) as response:
            with Stream(response) as stream:
                assert "".join(stream.text_deltas()) == "Hello"
            assert response.is_closed
        assert stream.end is not None
        assert stream.end.cause is EndCause.DONE

    def test_events(self, library: Any, server: ReplayServer) -> None:
        """An EventStream reads a response."""
        with library.Client() as client, client.stream("GET", server.url) as response:
            assert [event.data for event in EventStream(response)][-1] == "[DONE]"

    def test_break_closes(self, library: Any, server: ReplayServer) -> None:
        """Leaving a block early closes the response."""
        with library.Client() as client, client.stream("GET", server.url) as response:
            with Stream(response) as stream:
                for _ in stream:
                    break
            assert response.is_closed

    def test_not_a_stream(self, library: Any) -> None:
        """NotEventStream has the status and the content type of the response."""
        page = Replay(b"<html>", status=502, content_type="text/html")
        with ReplayServer(page) as server, library.Client() as client:
            with client.stream("GET", server.url) as response:
                with pytest.raises(NotEventStream) as raised:
                    Stream(response).result()

        assert (raised.value.status, raised.value.content_type) == (502, "text/html")

    def test_failures(self, library: Any) -> None:
        """Exceptions of the library raise TransportError, and its timeouts StreamTimeout."""
        for failure, kind in (
            (library.ReadError("reset"), TransportError),
            (library.RemoteProtocolError("cut"), TransportError),
            (library.ReadTimeout("late"), StreamTimeout),
        ):
            client = library.Client(transport=Broken(library, failure).transport)
            with client.stream("GET", "http://test") as response:
                stream = Stream(response)
                assert next(stream).text == "Hel"
                with pytest.raises(kind, match=rf"{library.__name__} failed") as raised:
                    next(stream)
            assert raised.value.__cause__ is failure
            assert raised.value.partial.text == "Hel"

    def test_an_asynchronous_response(self, library: Any) -> None:
        """A synchronous stream rejects an asynchronous response and names its reader."""

        class Pieces(library.AsyncByteStream):  # type: ignore[misc] # either library's
            async def __aiter__(self) -> AsyncIterator[bytes]:
                yield b""

        with pytest.raises(TypeError, match=r"asynchronous; use a class such as AsyncChatStream"):
            with Stream(library.Response(200, stream=Pieces())) as stream:
                next(stream)

    def test_compressed_in_parts(self, library: Any) -> None:
        """A body in several compressed parts raises TransportError, because some are dropped."""
        parts = [gzip.compress(event + b"\n\n") for event in BODY.split(b"\n\n")[:-1]]
        replay = Replay(b"".join(parts), pieces="whole", headers={"Content-Encoding": "gzip"})
        with ReplayServer(replay) as server, library.Client() as client:
            with client.stream("GET", server.url) as response:
                with pytest.raises(TransportError, match=r"dropped the others"):
                    list(EventStream(response))

    def test_a_response_already_read(self, library: Any, server: ReplayServer) -> None:
        """A response that was read already is parsed from its kept content."""
        response = library.get(server.url)

        assert Stream(response).result().text == "Hello"

    def test_the_adapter_by_itself(self, library: Any, server: ReplayServer) -> None:
        """source() returns bytes, status and headers, and can be closed."""
        with library.Client() as client, client.stream("GET", server.url) as response:
            source = adapters.source(response)
            assert (source.status, source.headers["Content-Type"][:17]) == (
                200,
                "text/event-stream",
            )
            assert b"".join(source) == BODY
            source.close()

    def test_reads_of_others(self, library: Any) -> None:
        """A deadline limits what the stream reads, and not another user of the connection."""
        timeouts: list[float | None] = []

        class Network:
            def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
                timeouts.append(timeout)
                return BODY[:max_bytes]

        class Pieces(library.SyncByteStream):  # type: ignore[misc] # either library's
            def __iter__(self) -> Iterator[bytes]:
                yield network.read(100)

        network = Network()
        extensions = {"network_stream": network, "http_version": b"HTTP/1.1"}
        response = library.Response(200, stream=Pieces(), extensions=extensions)
        with EventStream(response, deadlines=Deadlines(between_bytes=LIMIT)) as stream:
            next(stream)
            network.read(100)
        of_stream, of_other = timeouts
        assert of_stream is not None
        assert of_stream <= LIMIT
        assert of_other is None


@asynccontextmanager
async def responding(library: Any, url: str) -> AsyncIterator[Any]:
    async with library.AsyncClient() as client, client.stream("GET", url) as response:
        yield response


@pytest.mark.anyio
class TestAsync:
    """Asynchronous clients, on asyncio and on trio."""

    async def test_chunks(self, library: Any, server: ReplayServer) -> None:
        """A stream reads a response, and closes it at the end of the block."""
        async with responding(library, server.url) as response:
            async with AsyncStream(response) as stream:
                assert [text async for text in stream.text_deltas()] == ["Hel", "lo"]
            assert response.is_closed

    async def test_events(self, library: Any, server: ReplayServer) -> None:
        """An AsyncEventStream reads a response, and closes it when its block is left early."""
        async with responding(library, server.url) as response:
            async with AsyncEventStream(response) as stream:
                assert isinstance(await anext(stream), Event)
            assert response.is_closed

    async def test_close_unread(self, library: Any, server: ReplayServer) -> None:
        """Closing a stream that wasn't read closes its response."""
        async with responding(library, server.url) as response:
            await AsyncStream(response).aclose()
            assert response.is_closed

    async def test_compressed_in_parts(self, library: Any) -> None:
        """A body in several compressed parts raises TransportError, because some are dropped."""
        packed = gzip.compress(b"data: a\n\n") + gzip.compress(b"data: b\n\n")
        replay = Replay(packed, pieces="whole", headers={"Content-Encoding": "gzip"})
        with ReplayServer(replay) as server:
            async with responding(library, server.url) as response:
                with pytest.raises(TransportError, match=r"dropped the others"):
                    async for _ in AsyncEventStream(response):
                        pass

    async def test_cancellation(self, library: Any) -> None:
        """Cancelling a waiting reader closes the response."""
        slow = Replay(BODY, delays=[0, 60, 60])
        with ReplayServer(slow) as server:
            async with library.AsyncClient() as client:
                with anyio.CancelScope() as scope:
                    async with client.stream("GET", server.url) as response:
                        async with AsyncStream(response) as stream:
                            async for _ in stream:
                                scope.cancel()
                assert response.is_closed
        assert stream.snapshot().text == "Hel"

    async def test_failures(self, library: Any) -> None:
        """The library's timeouts raise StreamTimeout with the cause."""
        failure = library.ReadTimeout("late")
        async with library.AsyncClient(transport=Broken(library, failure).transport) as client:
            async with client.stream("GET", "http://test") as response:
                stream = AsyncStream(response)
                await anext(stream)
                with pytest.raises(StreamTimeout) as raised:
                    await anext(stream)
        assert raised.value.__cause__ is failure

    async def test_a_synchronous_response(self, library: Any) -> None:
        """An asynchronous stream rejects a synchronous response and names its reader."""

        class Pieces(library.SyncByteStream):  # type: ignore[misc] # either library's
            def __iter__(self) -> Iterator[bytes]:
                yield b""

        with pytest.raises(TypeError, match=r" synchronous; use a class such as ChatStream"):
            async with AsyncStream(library.Response(200, stream=Pieces())) as stream:
                await anext(stream)


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
def test_the_other_library_need_not_be_there(name: str) -> None:
    """With only one of the two libraries installed, its exceptions are translated."""
    other = {"httpx": "httpx2", "httpx2": "httpx"}[name]
    code = f"""
import sys
sys.modules[{other!r}] = None
import {name} as library
from sseparse import Stream, TransportError
def fail(request):
    raise AssertionError
class Pieces(library.SyncByteStream):
    def __iter__(self):
        raise library.ReadError("reset")
        yield b""
try:
    Stream(library.Response(200, stream=Pieces())).result()
except TransportError as error:
    print(type(error.__cause__).__module__)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == name


def test_the_adapter_loads_no_library() -> None:
    """Importing the adapter imports neither httpx nor httpx2."""
    code = "import sys, sseparse.adapters._httpx; print({'httpx', 'httpx2'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == "set()"
