"""Responses of aiohttp, over real connections."""

import asyncio
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from types import MappingProxyType
from typing import Any, ClassVar, cast

import aiohttp
import pytest
import trustme

from sseparse import (
    AsyncEventStream,
    AsyncStream,
    EndCause,
    StreamTimeout,
    TransportError,
    adapters,
)
from sseparse.testing import Framing, Replay, ReplayServer

from .blocking import BODY, COMPRESS, LENGTH_10, ONE, UNTIL_CLOSE
from .scripted_server import CHUNKED, SAFETY, Exchange, sending, serving

pytestmark = pytest.mark.anyio

FRAMINGS: list[Framing] = ["chunked", "one-chunk", "close", "content-length", "gzip"]


@pytest.fixture
def anyio_backend() -> str:
    """aiohttp runs on asyncio only."""
    return "asyncio"


@asynccontextmanager
async def responding(
    url: str,
    *,
    context: ssl.SSLContext | bool = True,
    timeouts: Mapping[str, float] = MappingProxyType({}),
) -> AsyncIterator[aiohttp.ClientResponse]:
    limits = aiohttp.ClientTimeout(**timeouts)
    async with asyncio.timeout(SAFETY), aiohttp.ClientSession(timeout=limits) as session:
        async with session.get(url, ssl=context) as response:
            yield response


@asynccontextmanager
async def responding_within(
    url: str, limit: str
) -> AsyncIterator[tuple[aiohttp.ClientResponse, float]]:
    """Return a response and the first timeout of the library that's long enough for the head."""
    async with AsyncExitStack() as stack:
        for seconds in (0.2, 2.0, 20.0):
            with suppress(TimeoutError):
                opened = responding(url, timeouts={limit: seconds})
                response = await stack.enter_async_context(opened)
                break
        yield response, seconds


async def pieces_of(source: AsyncIterable[bytes]) -> list[bytes]:
    return [piece async for piece in source]


class Steps:
    """A response in two steps, the second one sent when the test sets `go`."""

    def __init__(self, first: bytes, second: bytes, then: str = "keep") -> None:
        self._first = first
        self._rest = sending(second, then)
        self.go = threading.Event()

    def __call__(self, exchange: Exchange) -> None:
        exchange.send(self._first)
        assert self.go.wait(SAFETY)
        self._rest(exchange)


class TestReading:
    """Complete bodies."""

    @pytest.mark.parametrize("framing", FRAMINGS)
    async def test_framings(self, framing: Framing) -> None:
        """The complete body is returned, however HTTP frames it."""
        with ReplayServer(Replay(BODY, framing=framing)) as server:
            async with responding(server.url) as response:
                source = adapters.source(response)
                assert b"".join(await pieces_of(source)) == BODY
                assert await pieces_of(source) == []
                await source.aclose()
            async with responding(server.url) as response:
                stream = AsyncStream(adapters.source(response))
                assert (await stream.result()).text == "Hello"
        assert stream.end is not None
        assert stream.end.cause is EndCause.DONE

    @pytest.mark.parametrize("framing", FRAMINGS)
    async def test_at_once(self, framing: Framing) -> None:
        """A piece is returned when it arrives, without waiting for more or for the end."""
        replay = Replay(BODY, framing=framing, delays=[0, 600, 0])
        with ReplayServer(replay) as server:
            async with responding(server.url) as response:
                async with AsyncEventStream(adapters.source(response)) as stream:
                    assert "Hel" in (await anext(stream)).data

    async def test_status_and_headers(self) -> None:
        """Status and headers are the response's; header names are found in any case."""
        with ReplayServer(Replay(BODY, status=201, headers={"X-One": "1"})) as server:
            async with responding(server.url) as response:
                source = adapters.source(response)
                assert source.status == 201
                assert [source.headers[name] for name in ("x-one", "X-ONE")] == ["1", "1"]

    @pytest.mark.parametrize("coding", COMPRESS)
    async def test_a_bomb(self, coding: str) -> None:
        """A body compressed a thousandfold is returned in pieces of bounded size."""
        size = 16 << 20
        body = COMPRESS[coding](bytes(size))
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}"
        with serving(sending(head.encode() + b"\r\n\r\n" + body)) as server:
            async with responding(server.url) as response:
                sizes = [len(piece) for piece in await pieces_of(adapters.source(response))]
        assert sum(sizes) == size
        assert max(sizes) <= 1 << 20

    async def test_no_body(self) -> None:
        """A response without a body, or with an empty one, has no pieces."""
        for head in (b"204 No Content\r\n", b"200 OK\r\nContent-Length: 0\r\n"):
            with serving(sending(b"HTTP/1.1 " + head + b"\r\n")) as server:
                async with responding(server.url) as response:
                    source = adapters.source(response)
                    assert await pieces_of(source) == []
                    await source.aclose()

    async def test_reuse(self) -> None:
        """After the end of a body, the next request uses the connection."""
        with serving(sending(CHUNKED + ONE + b"0\r\n\r\n")) as server:
            async with aiohttp.ClientSession() as session:
                for _ in range(3):
                    source = adapters.source(await session.get(server.url))
                    assert source.pooled
                    assert await pieces_of(source) == [b"abc"]
                    await source.aclose()
        assert server.connections == 1

    async def test_break(self) -> None:
        """Closing before the end closes the connection; closing again does nothing."""
        gone = threading.Event()

        def answer(exchange: Exchange) -> None:
            exchange.send(CHUNKED + ONE)
            exchange.wait_for_fin()
            gone.set()

        with serving(answer) as server:
            async with responding(server.url) as response:
                source = adapters.source(response)
                assert await anext(source) == b"abc"
                await source.aclose()
                await source.aclose()
                assert await asyncio.to_thread(gone.wait, SAFETY)

    async def test_cancelled(self) -> None:
        """A cancelled read loses no bytes; the next read continues."""
        answer = Steps(CHUNKED + ONE, b"3\r\ndef\r\n0\r\n\r\n")
        with serving(answer) as server:
            async with responding(server.url) as response:
                source = adapters.source(response)
                assert await anext(source) == b"abc"
                for _ in range(2):
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(anext(source), 0.01)
                answer.go.set()
                assert await pieces_of(source) == [b"def"]

    async def test_a_long_wait(self) -> None:
        """Checking the connection doesn't disturb a long wait for bytes."""
        answer = Steps(CHUNKED + ONE, b"3\r\ndef\r\n0\r\n\r\n")
        with serving(answer) as server:
            async with responding(server.url) as response:
                source = adapters.source(response)
                assert await anext(source) == b"abc"
                asyncio.get_running_loop().call_later(1.5, answer.go.set)
                assert await pieces_of(source) == [b"def"]

    async def test_a_response_already_read(self) -> None:
        """A response that was read already is parsed from its kept body."""
        with ReplayServer(Replay(BODY)) as server:
            async with responding(server.url) as response:
                assert await response.read() == BODY
                assert (await AsyncStream(adapters.source(response)).result()).text == "Hello"

    async def test_a_consumed_body(self) -> None:
        """A body that was read and not kept raises RuntimeError."""
        with ReplayServer(Replay(BODY)) as server:
            async with responding(server.url) as response:
                assert await pieces_of(adapters.source(response))
                with pytest.raises(RuntimeError, match="read already"):
                    adapters.source(response)


class TestFailing:
    """Truncated and malformed bodies."""

    @pytest.mark.parametrize(
        "start",
        [LENGTH_10 + b"abc", CHUNKED + ONE, CHUNKED + b"8\r\nabc", CHUNKED + ONE + b"1"],
    )
    async def test_cuts(self, start: bytes) -> None:
        """A truncated body raises TransportError after the bytes received before."""
        answer = Steps(start, b"", then="hang up")
        with serving(answer) as server:
            async with responding(server.url) as response:
                source = adapters.source(response)
                assert await anext(source) == b"abc"
                answer.go.set()
                with pytest.raises(TransportError, match="aiohttp failed: ") as raised:
                    await anext(source)
                assert isinstance(raised.value.__cause__, aiohttp.ClientPayloadError)
                with pytest.raises(TransportError):
                    await anext(source)

    async def test_bytes_before_a_cut(self) -> None:
        """A late reader gets the bytes received before the cut, and then the error."""
        answer = Steps(CHUNKED, ONE, then="hang up")
        with serving(answer) as server:
            async with responding(server.url) as response:
                assert response.connection is not None
                assert response.connection.protocol is not None
                closed = response.connection.protocol.closed
                assert closed is not None
                answer.go.set()
                await closed
                source = adapters.source(response)
                assert await anext(source) == b"abc"
                for _ in range(2):
                    with pytest.raises(TransportError) as raised:
                        await anext(source)
                    assert isinstance(raised.value.__cause__, aiohttp.ClientPayloadError)

    async def test_a_cut_stream(self) -> None:
        """A stream over a truncated body raises an error with the partial result."""
        first = BODY[: BODY.index(b"\n\n") + 2]
        chunk = b"%x\r\n%b\r\n" % (len(first), first)
        with serving(sending(CHUNKED + chunk, then="hang up")) as server:
            async with responding(server.url) as response:
                stream = AsyncStream(adapters.source(response))
                with pytest.raises(TransportError) as raised:
                    await stream.result()
        assert raised.value.partial.text == "Hel"

    async def test_reset(self) -> None:
        """A connection reset raises TransportError, also in a body without a length."""
        for head in (UNTIL_CLOSE + b"abc", CHUNKED + ONE):
            answer = Steps(head, b"", then="reset")
            with serving(answer) as server:
                async with responding(server.url) as response:
                    source = adapters.source(response)
                    assert await anext(source) == b"abc"
                    answer.go.set()
                    with pytest.raises(TransportError) as raised:
                        await anext(source)
                    assert raised.value.__cause__ is not None
                    with pytest.raises(TransportError):
                        await anext(source)

    @pytest.mark.parametrize("then", ["hold", "hang up"])
    @pytest.mark.parametrize("secure", [False, True])
    @pytest.mark.parametrize(
        "broken", [b"zz\r\nabc\r\n", b"3\r\ndefXX5\r\n", b"-3\r\nabc\r\n", b"\r\n"]
    )
    async def test_broken_framing(self, broken: bytes, secure: bool, then: str) -> None:
        """Malformed chunks raise TransportError, and a waiting reader isn't left to wait."""
        authority = trustme.CA() if secure else None
        context = ssl.create_default_context()
        if authority is not None:
            authority.configure_trust(context)
        answer = Steps(CHUNKED + ONE, broken, then)
        with serving(answer, authority) as server:
            async with responding(server.url, context=context, timeouts={"total": 0}) as response:
                source = adapters.source(response)
                assert await anext(source) == b"abc"
                reading = asyncio.ensure_future(pieces_of(source))
                await asyncio.sleep(0)
                answer.go.set()
                with pytest.raises(TransportError, match="aiohttp failed") as raised:
                    await reading
                assert raised.value.__cause__ is not None
                with pytest.raises(TransportError):
                    await anext(source)

    async def test_framing_broken_before_the_read(self) -> None:
        """A late reader gets the bytes before malformed chunks, and then the error."""
        answer = Steps(CHUNKED, ONE + b"zz\r\n", then="hold")
        with serving(answer) as server:
            async with responding(server.url) as response:
                assert response.connection is not None
                assert response.connection.protocol is not None
                closed = response.connection.protocol.closed
                assert closed is not None
                answer.go.set()
                await closed
                source = adapters.source(response)
                assert await anext(source) == b"abc"
                with pytest.raises(TransportError, match="aiohttp failed"):
                    await anext(source)

    async def test_a_session_closed_during_a_read(self) -> None:
        """Closing the session ends a waiting read with TransportError."""
        with serving(sending(CHUNKED + ONE, then="hold")) as server:
            async with aiohttp.ClientSession() as session:
                response = await session.get(server.url)
                source = adapters.source(response)
                assert await anext(source) == b"abc"
                reading = asyncio.ensure_future(pieces_of(source))
                await asyncio.sleep(0)
                await session.close()
                with pytest.raises(TransportError, match="aiohttp failed"):
                    await reading
                await source.aclose()

    @pytest.mark.parametrize(
        ("layer", "message"),
        [("protocol", "the connection was closed"), ("transport", "aiohttp failed")],
    )
    async def test_a_connection_closed_before_a_read(self, layer: str, message: str) -> None:
        """A read of a connection that is closed, or closing, raises TransportError."""
        with serving(sending(CHUNKED + ONE, then="hold")) as server:
            async with responding(server.url) as response:
                source = adapters.source(response)
                assert await anext(source) == b"abc"
                getattr(response.connection, layer).close()
                with pytest.raises(TransportError, match=message):
                    await anext(source)

    async def test_a_response_closed_during_a_read(self) -> None:
        """Closing the source ends a waiting read with TransportError."""
        with serving(sending(CHUNKED + ONE, then="hold")) as server:
            async with responding(server.url) as response:
                source = adapters.source(response)
                assert await anext(source) == b"abc"
                reading = asyncio.ensure_future(pieces_of(source))
                await asyncio.sleep(0)
                await source.aclose()
                with pytest.raises(TransportError, match="Connection closed"):
                    await reading

    async def test_bad_compression(self) -> None:
        """A body that can't be decompressed raises TransportError."""
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 43\r\n\r\n"
        with serving(sending(head + b"\x1f\x8b\x08" + b"?" * 40)) as server:
            async with responding(server.url) as response:
                with pytest.raises(TransportError, match="ClientPayloadError"):
                    await pieces_of(adapters.source(response))

    @pytest.mark.parametrize("limit", ["sock_read", "total"])
    async def test_timeouts(self, limit: str) -> None:
        """The library's timeouts raise StreamTimeout with the clock "transport" and the cause."""
        with serving(sending(CHUNKED + ONE, then="hold")) as server:
            async with responding_within(server.url, limit) as (response, _):
                source = adapters.source(response)
                with pytest.raises(StreamTimeout, match="aiohttp failed") as raised:
                    await pieces_of(source)
        assert raised.value.clock == "transport"
        assert isinstance(raised.value.__cause__, TimeoutError)

    async def test_bytes_before_a_timeout(self) -> None:
        """After the library's total timeout, bytes received before it aren't returned."""
        with serving(sending(CHUNKED + ONE, then="hold")) as server:
            async with responding_within(server.url, "total") as (response, seconds):
                await asyncio.sleep(2 * seconds)
                with pytest.raises(StreamTimeout):
                    await pieces_of(adapters.source(response))


class ClientResponse:
    """A response made by hand, with a body without a connection."""

    __module__ = "aiohttp"

    status = 200
    method = "POST"
    history = ()
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, *pieces: bytes | Exception) -> None:
        self.content = self
        self.connection = None
        self.total_bytes = 0
        self._pieces = list(pieces)

    def at_eof(self) -> bool:
        return not self._pieces

    def read_nowait(self) -> bytes:
        return b""

    async def readany(self) -> bytes:
        piece = self._pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece


async def test_a_response_made_by_hand() -> None:
    """A response without the library's private attributes can be read."""
    source = adapters.source(cast("Any", ClientResponse(b"abc", ConnectionResetError("gone"))))
    assert await anext(source) == b"abc"
    with pytest.raises(TransportError, match="ConnectionResetError: gone"):
        await anext(source)
    assert await pieces_of(source) == []


class TestLoading:
    """Dependence on the library."""

    def test_the_adapter_loads_no_library(self) -> None:
        """Importing the adapter doesn't import aiohttp."""
        code = "import sys, sseparse.adapters._aiohttp; print({'aiohttp'} & set(sys.modules))"
        out = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert out.stdout.strip() == "set()"

    async def test_failures_without_the_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Python's exceptions are translated if the library isn't loaded."""
        monkeypatch.delitem(sys.modules, "aiohttp")
        source = adapters.source(cast("Any", ClientResponse(ConnectionResetError("gone"))))
        with pytest.raises(TransportError, match="gone"):
            await anext(source)
