"""Responses whose Content-Encoding names no compression, or one that the client doesn't decode."""

import bz2
import gzip
import itertools
import lzma
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped] # it has no types
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sseparse import EndCause, EventStream, NotEventStream
from sseparse.adapters._http import BodyCheck
from sseparse.reconnect import EventSource
from sseparse.testing import Replay, ReplayServer

from .raw_server import RawServer
from .test_promptness import BODY, check
from .transports import TRANSPORTS, Transport, read

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
DECODING = [each for each in TRANSPORTS if each.decodes]


def encoded(coding: str, body: bytes, content_type: str = "text/event-stream") -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Encoding: {coding}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


@pytest.mark.parametrize("coding", ["none", "UTF-8", "binary", "identity, none", "", ",", "x"])
@pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
def test_no_compression(transport: Transport, coding: str) -> None:
    """A body of text is read, whatever name its Content-Encoding has."""
    with RawServer(encoded(coding, BODY)) as server:
        outcome = read(transport, server.url)
    assert (outcome.text, outcome.error) == ("Hello", None)
    assert outcome.end is not None
    assert outcome.end.cause is EndCause.DONE


@pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
def test_no_event_is_delayed(transport: Transport) -> None:
    """Each event of such a body is returned before the server sends the next one."""
    replay = Replay(BODY, headers={"Content-Encoding": "none"}, gated=True)
    with ReplayServer(replay) as server:
        check(transport, server)


@pytest.mark.parametrize("transport", [each for each in TRANSPORTS if not each.decodes], ids=str)
def test_decompressed_on_the_way(transport: Transport) -> None:
    """A body of text is read if the Content-Encoding names a compression that nobody decodes."""
    with RawServer(encoded("gzip", BODY)) as server:
        assert read(transport, server.url).text == "Hello"


@pytest.mark.parametrize("coding", ["none", "x", "none, x"])
@pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
def test_undecoded_compression(transport: Transport, coding: str) -> None:
    """A compressed body that the client doesn't decode raises NotEventStream."""
    for compress in COMPRESS.values():
        with RawServer(encoded(coding, compress(BODY))) as server:
            error = read(transport, server.url).error
        assert isinstance(error, NotEventStream)
        assert f"compressed with {coding};" in str(error)
        assert (error.status, error.headers["content-encoding"]) == (200, coding)


@pytest.mark.parametrize("coding", ["none, gzip", "gzip, identity", "UTF-8, gzip, none"])
@pytest.mark.parametrize("transport", DECODING, ids=str)
def test_mixed_names(transport: Transport, coding: str) -> None:
    """Next to names of no compression, a compression is decoded; aiohttp decodes a single name."""
    with RawServer(encoded(coding, gzip.compress(BODY))) as server:
        outcome = read(transport, server.url)
    if transport.name == "aiohttp":
        assert isinstance(outcome.error, NotEventStream)
    else:
        assert (outcome.text, outcome.error) == ("Hello", None)


def test_event_source() -> None:
    """EventSource reads text with such an encoding, and rejects compressed bytes."""
    with RawServer(encoded("none", b"data: one\n\n")) as server:
        with EventSource(server.url) as events:
            assert next(events).data == "one"
    with RawServer(encoded("none", gzip.compress(b"data: one\n\n"))) as server:
        with EventSource(server.url) as events:
            with pytest.raises(NotEventStream, match="compressed with none"):
                next(events)


@pytest.mark.parametrize(
    "magic", [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"x\x9c", b"x\xda", b"x\1"]
)
def test_unmarked_compression(magic: bytes) -> None:
    """A compressed body without a Content-Encoding raises NotEventStream, whatever its type."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    with RawServer(answer + magic + bytes(20)) as server:
        for transport in TRANSPORTS[:3]:
            error = read(transport, server.url).error
            assert isinstance(error, NotEventStream)
            assert "seems to be compressed" in str(error)


@given(st.binary(max_size=24), st.lists(st.integers(0, 24), max_size=4))
def test_every_cut(body: bytes, cuts: list[int]) -> None:
    """The same bytes are released and the same error is set, however the body is cut."""
    edges = [0, *sorted(cuts), len(body)]
    pieces = [body[start:end] for start, end in itertools.pairwise(edges)]
    assert release(pieces) == release([body]) == release([bytes([byte]) for byte in body])


def release(pieces: list[bytes]) -> tuple[bytes, bytes | None]:
    body_check = BodyCheck(200, {"content-encoding": "none"}, ())
    released = b""
    for piece in pieces:
        try:
            released += body_check.release(piece)
        except NotEventStream:
            assert body_check.error is not None
        if body_check.error is not None:
            return released, body_check.error.body_start
    return released, None


def test_text_of_other_characters() -> None:
    """After the name of a field, bytes that aren't UTF-8 are data; so are those far into a body."""
    for body in (b"data: caf\xe9\n\n", b"event: \x1b\ndata: caf\xef\xbf\xbd\n\n"):
        with RawServer(encoded("none", body)) as server:
            for transport in TRANSPORTS[:3]:
                with transport.open(server.url, None) as response:
                    assert [event.data for event in EventStream(response)] == ["caf\ufffd"]


def test_an_empty_body() -> None:
    """An empty body with such an encoding is an empty stream."""
    with RawServer(encoded("none", b"")) as server:
        for transport in TRANSPORTS[:3]:
            with transport.open(server.url, None) as response:
                assert list(EventStream(response)) == []
