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
    """aiohttp runs on asyncio alone."""
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
    """Respond with a timeout of the library's that's long enough for the head; it's the second."""
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
    """An answer in steps, the second one sent when the test says so."""

    def __init__(self, first: bytes, second: bytes, then: str = "keep") -> None:
        self._first = first
        self._rest = sending(second, then)
        self.go = threading.Event()

    def __call__(self, exchange: Exchange) -> None:
        exchange.send(self._first)
        assert self.go.wait(SAFETY)
        self._rest(exchange)


class TestReading:
    """Bodies that come whole."""

    @pytest.mark.parametrize("framing", FRAMINGS)
    async def test_framings(self, framing: Framing) -> None:
        """However HTTP says where the body ends, its bytes come whole."""
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
        """A piece is handed out when it came, not when more came or when the body ended."""
        replay = Replay(BODY, framing=framing, delays=[0, 600, 0])
        with ReplayServer(replay) as server:
            async with responding(server.url) as response:
                async with AsyncEventStream(adapters.source(response)) as stream:
                    assert "Hel" in (await anext(stream)).data

    async def test_status_and_headers(self) -> None:
        """They are the response's; names are found in any case."""
        with ReplayServer(Replay(BODY, status=201, headers={"X-One": "1"})) as server:
            async with responding(server.url) as response:
                source = adapters.source(response)
                assert source.status == 201
                assert [source.headers[name] for name in ("x-one", "X-ONE")] == ["1", "1"]

    @pytest.mark.parametrize("coding", COMPRESS)
    async def test_a_bomb(self, coding: str) -> None:
        """A body that is compressed a thousandfold comes in pieces of bounded size."""
        size = 16 << 20
        body = COMPRESS[coding](bytes(size))
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}"
        with serving(sending(head.encode() + b"\r\n\r\n" + body)) as server:
            async with responding(server.url) as response:
                sizes = [len(piece) for piece in await pieces_of(adapters.source(response))]
        assert sum(sizes) == size
        assert max(sizes) <= 1 << 20

    async def test_no_body(self) -> None:
        """A status without a body, and a body of no bytes."""
        for head in (b"204 No Content\r\n", b"200 OK\r\nContent-Length: 0\r\n"):
            with serving(sending(b"HTTP/1.1 " + head + b"\r\n")) as server:
                async with responding(server.url) as response:
                    source = adapters.source(response)
                    assert await pieces_of(source) == []
                    await source.aclose()

    async def test_reuse(self) -> None:
        """A body read to its end leaves its connection to the next request."""
        with serving(sending(CHUNKED + ONE + b"0\r\n\r\n")) as server:
            async with aiohttp.ClientSession() as session:
                for _ in range(3):
                    source = adapters.source(await session.get(server.url))
                    assert source.pooled
                    assert await pieces_of(source) == [b"abc"]
                    await source.aclose()
        assert server.connections == 1

    async def test_break(self) -> None:
        """Closing before the end, the server sees; closing again does nothing."""
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
        """A read that was cancelled lost nothing; the next one goes on."""
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
        """Looking whether bytes can still come does not disturb waiting for them."""
        answer = Steps(CHUNKED + ONE, b"3\r\ndef\r\n0\r\n\r\n")
        with serving(answer) as server:
            async with responding(server.url) as response:
                source = adapters.source(response)
                assert await anext(source) == b"abc"
                asyncio.get_running_loop().call_later(1.5, answer.go.set)
                assert await pieces_of(source) == [b"def"]

    async def test_a_response_already_read(self) -> None:
        """Its body was kept, and is parsed."""
        with ReplayServer(Replay(BODY)) as server:
            async with responding(server.url) as response:
                assert await response.read() == BODY
                assert (await AsyncStream(adapters.source(response)).result()).text == "Hello"

    async def test_a_body_that_is_gone(self) -> None:
        """A body that was read and not kept is told from an empty one."""
        with ReplayServer(Replay(BODY)) as server:
            async with responding(server.url) as response:
                assert await pieces_of(adapters.source(response))
                with pytest.raises(RuntimeError, match="read already"):
                    adapters.source(response)


class TestFailing:
    """Bodies that were cut, or are broken."""

    @pytest.mark.parametrize(
        "start",
        [LENGTH_10 + b"abc", CHUNKED + ONE, CHUNKED + b"8\r\nabc", CHUNKED + ONE + b"1"],
    )
    async def test_cuts(self, start: bytes) -> None:
        """A body that was cut is never taken for whole; what came before is handed out."""
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

    async def test_what_came_before_a_cut(self) -> None:
        """A reader who comes late gets what came before the cut, and then the failure."""
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
        """A stream over a cut body ends as one, and keeps what came."""
        first = BODY[: BODY.index(b"\n\n") + 2]
        chunk = b"%x\r\n%b\r\n" % (len(first), first)
        with serving(sending(CHUNKED + chunk, then="hang up")) as server:
            async with responding(server.url) as response:
                stream = AsyncStream(adapters.source(response))
                with pytest.raises(TransportError) as raised:
                    await stream.result()
        assert raised.value.partial.text == "Hel"

    async def test_reset(self) -> None:
        """A connection that is reset is a failure, even where its close would end the body."""
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
        """Chunks that are none fail; the reader is not left to wait for ever."""
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
        """The same where nobody was waiting yet; what came before is handed out."""
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

    async def test_a_session_closed_under_a_read(self) -> None:
        """The one who reads is told."""
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

    async def test_a_connection_closed_before_a_read(self) -> None:
        """The one who reads then is told, too."""
        with serving(sending(CHUNKED + ONE, then="hold")) as server:
            async with responding(server.url) as response:
                source = adapters.source(response)
                assert await anext(source) == b"abc"
                assert response.connection is not None
                assert response.connection.protocol is not None
                response.connection.protocol.close()
                with pytest.raises(TransportError, match="the connection was closed"):
                    await anext(source)

    async def test_a_response_closed_under_a_read(self) -> None:
        """The one who reads is told."""
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
        """A body that cannot be decompressed is a failure."""
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 43\r\n\r\n"
        with serving(sending(head + b"\x1f\x8b\x08" + b"?" * 40)) as server:
            async with responding(server.url) as response:
                with pytest.raises(TransportError, match="ClientPayloadError"):
                    await pieces_of(adapters.source(response))

    @pytest.mark.parametrize("limit", ["sock_read", "total"])
    async def test_timeouts(self, limit: str) -> None:
        """The library's timeouts are StreamTimeout of the clock "transport", causes kept."""
        with serving(sending(CHUNKED + ONE, then="hold")) as server:
            async with responding_within(server.url, limit) as (response, _):
                source = adapters.source(response)
                with pytest.raises(StreamTimeout, match="aiohttp failed") as raised:
                    await pieces_of(source)
        assert raised.value.clock == "transport"
        assert isinstance(raised.value.__cause__, TimeoutError)

    async def test_what_came_before_a_timeout(self) -> None:
        """Where the time of the whole request is over, so is what came in it."""
        with serving(sending(CHUNKED + ONE, then="hold")) as server:
            async with responding_within(server.url, "total") as (response, seconds):
                await asyncio.sleep(2 * seconds)
                with pytest.raises(StreamTimeout):
                    await pieces_of(adapters.source(response))


class ClientResponse:
    """A response that no library made, of a body without a connection."""

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
    """What the library keeps to itself is used where it is, and not missed elsewhere."""
    source = adapters.source(cast("Any", ClientResponse(b"abc", ConnectionResetError("gone"))))
    assert await anext(source) == b"abc"
    with pytest.raises(TransportError, match="ConnectionResetError: gone"):
        await anext(source)
    assert await pieces_of(source) == []


class TestLoading:
    """What the adapter needs of the library."""

    def test_the_adapter_loads_no_library(self) -> None:
        """Importing it does not import aiohttp."""
        code = "import sys, sseparse.adapters._aiohttp; print({'aiohttp'} & set(sys.modules))"
        out = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert out.stdout.strip() == "set()"

    async def test_failures_without_the_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where it is not loaded, failures are those of Python."""
        monkeypatch.delitem(sys.modules, "aiohttp")
        source = adapters.source(cast("Any", ClientResponse(ConnectionResetError("gone"))))
        with pytest.raises(TransportError, match="gone"):
            await anext(source)
