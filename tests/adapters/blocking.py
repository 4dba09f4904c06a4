"""Tests for every adapter of a blocking HTTP client, over real connections."""

import gzip
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any, ClassVar

import brotli  # type: ignore[import-untyped] # it has no types
import pytest
import trustme
import zstandard

from sseparse import (
    EndCause,
    EventStream,
    IncompleteStream,
    NotEventStream,
    Stream,
    StreamTimeout,
    TransportError,
    adapters,
)
from sseparse.testing import Framing, Replay, ReplayServer

from .scripted_server import CHUNKED, SAFETY, Exchange, sending, serving

BODY = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
LENGTH_10 = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
ONE = b"3\r\nabc\r\n"
CUTS = {
    "short Content-Length": LENGTH_10 + b"abc",
    "between chunks": CHUNKED + ONE,
    "in a chunk": CHUNKED + b"8\r\nabc",
    "after a chunk's bytes": CHUNKED + b"3\r\nabc",
    "in a chunk header": CHUNKED + ONE + b"1",
    "bad chunk header": CHUNKED + ONE + b"zz\r\nabc\r\n",
}


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


class BlockingAdapter:
    """Tests of an adapter; a subclass opens the responses with its library."""

    framings: ClassVar[list[Framing]] = ["chunked", "one-chunk", "close", "content-length"]

    def opened(
        self, url: str, *, timeout: float | None = SAFETY, authority: trustme.CA | None = None
    ) -> AbstractContextManager[Any]:
        """Request a URL with a client of its own."""
        raise NotImplementedError

    def client(self, url: str) -> AbstractContextManager[Any]:
        """Return a function that requests the URL with one client, and returns the response."""
        raise NotImplementedError

    def test_framings(self, framing: Framing) -> None:
        """The complete body is returned, however HTTP frames it."""
        with ReplayServer(Replay(BODY, framing=framing)) as server:
            with self.opened(server.url) as response:
                source = adapters.source(response)
                assert b"".join(source) == BODY
                assert list(source) == []
            with self.opened(server.url) as response:
                stream = Stream(adapters.source(response))
                assert stream.result().text == "Hello"
        assert stream.end is not None
        assert stream.end.cause is EndCause.DONE

    def test_at_once(self, framing: Framing) -> None:
        """A piece is returned when it arrives, without waiting for more or for the end."""
        replay = Replay(BODY, framing=framing, delays=[0, 600, 0])
        with ReplayServer(replay) as server, self.opened(server.url) as response:
            with EventStream(adapters.source(response)) as stream:
                assert b"Hel" in next(stream).data.encode()

    def test_status_and_headers(self) -> None:
        """Status and headers are the response's; header names are found in any case."""
        replay = Replay(BODY, status=201, headers={"X-One": "1"})
        with ReplayServer(replay) as server, self.opened(server.url) as response:
            source = adapters.source(response)
            assert source.status == 201
            assert [source.headers[name] for name in ("x-one", "X-ONE")] == ["1", "1"]
            assert list(source)

    @pytest.mark.parametrize("cut", CUTS)
    def test_cuts(self, cut: str) -> None:
        """A truncated body raises TransportError after the bytes received before."""
        with serving(sending(CUTS[cut], then="hang up")) as server:
            with self.opened(server.url) as response:
                source = adapters.source(response)
                assert next(source) == b"abc"
                with pytest.raises(TransportError, match=" failed: ") as raised:
                    next(source)
                assert raised.value.__cause__ is not None
                assert not isinstance(raised.value, StreamTimeout)
                with pytest.raises(TransportError):
                    next(source)
                source.close()

    def test_reset(self) -> None:
        """A connection reset raises TransportError."""
        received = threading.Event()

        def answer(exchange: Exchange) -> None:
            exchange.send(UNTIL_CLOSE + b"abc")
            assert received.wait(SAFETY)
            exchange.reset()

        with serving(answer) as server, self.opened(server.url) as response:
            source = adapters.source(response)
            assert next(source) == b"abc"
            received.set()
            with pytest.raises(TransportError, match="failed") as raised:
                next(source)
            assert raised.value.__cause__ is not None

    def test_a_cut_stream(self) -> None:
        """A stream over a truncated body raises an error with the partial result."""
        first = BODY[: BODY.index(b"\n\n") + 2]
        cut = CHUNKED + b"%x\r\n%b\r\n" % (len(first), first)
        with serving(sending(cut, then="hang up")) as server:
            with self.opened(server.url) as response:
                stream = Stream(adapters.source(response))
                with pytest.raises(TransportError) as raised:
                    stream.result()
        assert raised.value.partial.text == "Hel"
        with serving(sending(UNTIL_CLOSE + first, then="hang up")) as server:
            with self.opened(server.url) as response:
                with pytest.raises(IncompleteStream):
                    Stream(adapters.source(response)).result()

    def test_the_timeout_of_the_library(self) -> None:
        """The library's timeout raises StreamTimeout with the clock "transport" and the cause."""
        with serving(sending(CHUNKED + ONE, then="hold")) as server:
            # The timeout also applies to the head and the first piece, which can be late.
            errors = (self.timeout_of_a_read(server.url, seconds) for seconds in (0.1, 1.0, 10.0))
            error = next(filter(None, errors))
        assert error.clock == "transport"
        assert "TimeoutError" in {kind.__name__ for kind in type(error.__cause__).__mro__}

    def timeout_of_a_read(self, url: str, seconds: float) -> StreamTimeout | None:
        """Return the timeout of the second read, or None if an earlier step timed out."""
        with ExitStack() as stack:
            try:
                source = adapters.source(stack.enter_context(self.opened(url, timeout=seconds)))
                source.wait_at_most(SAFETY)
                first = next(source)
            except Exception:  # each library has its own class; where all fail, so does the test
                return None
            assert first == b"abc"
            source.wait_at_most(None)
            with pytest.raises(StreamTimeout) as raised:
                next(source)
            return raised.value

    @pytest.mark.parametrize("timeout", [None, SAFETY])
    @pytest.mark.parametrize("secure", [False, True])
    def test_wait_at_most(self, timeout: float | None, secure: bool, authority: trustme.CA) -> None:
        """wait_at_most() limits further reads, even if the library's own timeout is longer."""
        trusted = authority if secure else None
        with serving(sending(CHUNKED + ONE, then="hold"), trusted) as server:
            for seconds in (0.05, 0, -1):
                with self.opened(server.url, timeout=timeout, authority=trusted) as response:
                    source = adapters.source(response)
                    source.wait_at_most(SAFETY)
                    assert next(source) == b"abc"
                    source.wait_at_most(seconds)
                    with pytest.raises(StreamTimeout) as raised:
                        next(source)
                    assert raised.value.clock == "transport"
                    source.close()

    @pytest.mark.parametrize("head", [CHUNKED + ONE, UNTIL_CLOSE + b"abc", LENGTH_10 + b"abc"])
    @pytest.mark.parametrize("secure", [False, True])
    def test_wake(self, head: bytes, secure: bool, authority: trustme.CA) -> None:
        """wake() ends a read in another thread with an error, not with the end of the body."""
        trusted = authority if secure else None
        with serving(sending(head, then="hold"), trusted) as server:
            with self.opened(server.url, timeout=None, authority=trusted) as response:
                source = adapters.source(response)
                assert next(source) == b"abc"
                outcome: list[object] = []
                thread = threading.Thread(
                    target=lambda: outcome.append(next_or_error(source)), daemon=True
                )
                thread.start()
                # The read ends, whether it has started by now or not.
                thread.join(0.2)
                source.wake()
                thread.join(SAFETY)
                assert not thread.is_alive()
                assert isinstance(outcome[0], TransportError)
                source.wake()
                source.close()
                source.wake()

    @pytest.mark.parametrize("framing", ["chunked", "content-length", "one-chunk"])
    def test_reuse(self, framing: Framing) -> None:
        """After the end of a body, the next request uses the connection, with its own timeout."""
        with ReplayServer(Replay(BODY, framing=framing)) as server:
            with self.client(server.url) as request:
                sockets = set[socket.socket]()
                timeouts = set[float | None]()
                for _ in range(3):
                    source = adapters.source(request())
                    sock = under(source)
                    sockets.add(sock)
                    assert source.pooled
                    for _ in source:
                        source.wait_at_most(SAFETY / 2)
                    timeouts.add(sock.gettimeout())
                    source.wait_at_most(1)
                    source.wake()
                    source.close()
        assert (len(sockets), timeouts) == (1, {SAFETY})

    def test_break(self) -> None:
        """Closing before the end closes the connection; closing again does nothing."""
        gone = threading.Event()

        def answer(exchange: Exchange) -> None:
            exchange.send(CHUNKED + ONE)
            exchange.wait_for_fin()
            gone.set()

        with serving(answer) as server, self.opened(server.url) as response:
            source = adapters.source(response)
            assert next(source) == b"abc"
            source.close()
            assert gone.wait(SAFETY)
            source.close()
            source.wait_at_most(1)

    def test_read_already(self) -> None:
        """A body that was read already raises RuntimeError; an empty body doesn't."""
        empty = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        with serving(sending(empty)) as server, self.opened(server.url) as response:
            assert list(adapters.source(response)) == []
        with ReplayServer(Replay(BODY)) as replaying, self.opened(replaying.url) as response:
            assert list(adapters.source(response))
            with pytest.raises(RuntimeError, match="read or closed already"):
                adapters.source(response)

    def test_unknown_encoding(self) -> None:
        """A body with an unknown encoding raises NotEventStream unless it begins with text."""
        coded = encoded("identity, compress", b"\x1f\x9d" + BODY)
        with serving(sending(coded)) as server, self.opened(server.url) as response:
            source = adapters.source(response)
            for _ in range(2):
                with pytest.raises(NotEventStream, match="compressed with identity, compress"):
                    next(source)

    def test_identity(self) -> None:
        """A body with the encoding "identity" is read."""
        plain = Replay(BODY, headers={"Content-Encoding": "Identity"})
        with ReplayServer(plain) as server, self.opened(server.url) as response:
            assert b"".join(adapters.source(response)) == BODY


def next_or_error(source: Iterator[bytes]) -> object:
    try:
        return next(source)
    except (TransportError, StopIteration) as error:
        return error


def under(source: Any) -> socket.socket:
    """Return the socket that a source reads; there is no public way."""
    sock = source._socket._socket  # noqa: SLF001 - there is no public way
    assert isinstance(sock, socket.socket)
    return sock


def pytest_framings(metafunc: pytest.Metafunc) -> None:
    if "framing" in metafunc.fixturenames and not any(
        mark.name == "parametrize" and mark.args[0] == "framing"
        for mark in metafunc.definition.iter_markers()
    ):
        metafunc.parametrize("framing", metafunc.cls.framings)


class Decoding(BlockingAdapter):
    """Further tests for libraries that decompress."""

    framings: ClassVar[list[Framing]] = [*BlockingAdapter.framings, "gzip"]

    @pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate"])
    def test_decoding(self, coding: str) -> None:
        """A compressed body is decompressed."""
        answer = encoded(coding, COMPRESS[coding](BODY))
        with serving(sending(answer)) as server, self.opened(server.url) as response:
            assert b"".join(adapters.source(response)) == BODY

    @pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate"])
    def test_a_bomb(self, coding: str) -> None:
        """A body compressed a thousandfold is returned in pieces of bounded size."""
        size = 16 << 20
        answer = encoded(coding, COMPRESS[coding](bytes(size)))
        with serving(sending(answer)) as server, self.opened(server.url) as response:
            sizes = [len(piece) for piece in adapters.source(response)]
        assert sum(sizes) == size
        assert max(sizes) <= 65536

    def test_bad_compression(self) -> None:
        """A body that can't be decompressed raises TransportError."""
        with serving(sending(encoded("gzip", b"\x1f\x8b\x08" + b"?" * 40))) as server:
            with self.opened(server.url) as response:
                source = adapters.source(response)
                with pytest.raises(TransportError, match="DecodeError") as raised:
                    list(source)
        assert type(raised.value.__cause__).__name__ == "DecodeError"


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "br": partial(brotli.compress, quality=5),  # the default takes seconds for a bomb
    "zstd": zstandard.compress,
    "deflate": zlib.compress,
}


def encoded(coding: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
