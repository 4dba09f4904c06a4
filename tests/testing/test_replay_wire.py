"""Faults of the connection: the bytes sent, and how the connection ends."""

import select
import socket
from collections.abc import Iterator
from typing import Any, get_args

import httpx2
import pytest

from sseparse.testing import Fault, Framing, Replay, ReplayServer

FIRST, SECOND = b"data: 1\n\n", b"data: second\n\n"
BODY = FIRST + SECOND
REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
FRAMED = [b"9\r\n%b\r\n" % FIRST, b"e\r\n%b\r\n" % SECOND]
LAST = b"0\r\n\r\n"
COMPRESSED = ["gzip", "gzip-unflushed", "br", "zstd"]


def connect(server: ReplayServer) -> socket.socket:
    """Request /, without reading."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    sock = socket.create_connection((host, int(port)), timeout=30)
    sock.sendall(REQUEST)
    return sock


def read_to(sock: socket.socket, end: bytes) -> bytes:
    """Read until the data received ends with `end`."""
    received = b""
    while not received.endswith(end):
        data = sock.recv(65536)
        assert data, received
        received += data
    return received


def read_all(sock: socket.socket) -> bytes:
    """Read until the server closes."""
    return b"".join(iter(lambda: sock.recv(65536), b""))


def body_of(response: bytes) -> bytes:
    head, _, body = response.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    return body


def is_silent(sock: socket.socket) -> bool:
    """Return whether neither bytes nor an end arrives within 50 ms."""
    return not select.select([sock], [], [], 0.05)[0]


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False, timeout=30) as client:
        yield client


# A connection that is closed.


@pytest.mark.parametrize(
    ("framing", "after", "expected"),
    [
        ("chunked", 0, b""),
        ("chunked", 1, FRAMED[0]),
        ("chunked", 2, b"".join(FRAMED)),
        ("chunked", None, b"".join(FRAMED)),
        ("one-chunk", 1, b"17\r\n" + FIRST),
        ("one-chunk", None, b"17\r\n" + BODY),
        ("close", 1, FIRST),
        ("content-length", 1, FIRST),
        ("content-length", None, BODY),
    ],
)
def test_close(framing: Framing, after: int | None, expected: bytes) -> None:
    """The fault "close" sends the pieces before it, and closes without the end of the body."""
    replay = Replay(BODY, framing=framing, fault="close", fault_after=after)
    with ReplayServer(replay) as server, connect(server) as sock:
        response = read_all(sock)
    assert body_of(response) == expected
    if framing == "content-length":
        assert b"\r\ncontent-length: 23" in response.lower()


@pytest.mark.parametrize("framing", COMPRESSED)
def test_close_compressed(framing: Framing) -> None:
    """The fault "close" also omits the end of a compressed body."""
    correct = Replay(BODY, framing=framing)
    broken = Replay(BODY, framing=framing, fault="close")
    with ReplayServer({"/": broken, "/correct": correct}) as server:
        with connect(server) as sock:
            response = read_all(sock)
        complete = httpx2.get(f"{server.url}/correct", trust_env=False)
    assert complete.text == BODY.decode()
    assert not response.endswith(LAST)


@pytest.mark.parametrize(
    ("framing", "after", "expected"),
    [
        ("chunked", 0, b"9\r\ndata"),
        ("chunked", 1, FRAMED[0] + b"e\r\ndata: "),
        ("chunked", None, b"".join(FRAMED) + b"0\r"),
        ("one-chunk", 1, b"17\r\n" + FIRST + b"data: s"),
        ("close", 1, FIRST + b"data: s"),
        ("content-length", 1, FIRST + b"data: s"),
    ],
)
def test_close_inside(framing: Framing, after: int | None, expected: bytes) -> None:
    """The fault "close-inside" sends half of the next frame."""
    replay = Replay(BODY, framing=framing, fault="close-inside", fault_after=after)
    with ReplayServer(replay) as server, connect(server) as sock:
        body = body_of(read_all(sock))
    length = len(expected)
    assert body[: length - 2] == expected[:-2]
    assert length - 2 < len(body) < length + 3


@pytest.mark.parametrize("after", [None, 0, 1])
def test_no_answer(after: int | None) -> None:
    """The fault "no-answer" reads the request and sends nothing."""
    with ReplayServer(Replay(BODY, fault="no-answer", fault_after=after)) as server:
        with connect(server) as sock:
            assert read_all(sock) == b""
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("after", "expected"), [(0, b""), (1, FRAMED[0]), (None, b"".join(FRAMED))]
)
def test_reset(after: int | None, expected: bytes) -> None:
    """After a reset the client can read the data sent before; then it gets the reset."""
    with ReplayServer(Replay(BODY, fault="reset", fault_after=after)) as server:
        with connect(server) as sock:
            poll = select.poll()
            poll.register(sock, 0)
            assert poll.poll(30_000)[0][1] & select.POLLERR
            response = sock.recv(65536)
            with pytest.raises(ConnectionResetError):
                sock.recv(65536)
    assert body_of(response) == expected


# A connection that stays open.


@pytest.mark.parametrize(
    ("after", "expected"), [(0, b""), (1, FRAMED[0]), (None, b"".join(FRAMED))]
)
def test_stall(after: int | None, expected: bytes) -> None:
    """The fault "stall" sends nothing more, and waits until the client closes."""
    with ReplayServer(Replay(BODY, fault="stall", fault_after=after)) as server:
        with connect(server) as sock:
            response = read_to(sock, expected or b"\r\n\r\n")
            assert is_silent(sock)
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b""
    assert body_of(response) == expected


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (0, b"zz\r\n%b\r\n" % FIRST),
        (1, FRAMED[0] + b"zz\r\n%b\r\n" % SECOND),
        (None, b"".join(FRAMED) + b"zz\r\n\r\n"),
    ],
)
def test_bad_chunk(after: int | None, expected: bytes) -> None:
    """The fault "bad-chunk" sends an invalid chunk size, and waits until the client closes."""
    with ReplayServer(Replay(BODY, fault="bad-chunk", fault_after=after)) as server:
        with connect(server) as sock:
            response = read_to(sock, expected)
            assert is_silent(sock)
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b""
    assert body_of(response) == expected


@pytest.mark.parametrize("after", [0, 1, None])
@pytest.mark.parametrize("framing", ["chunked", "close", "gzip", "br", "zstd"])
def test_comments(client: httpx2.Client, framing: Framing, after: int | None) -> None:
    """The fault "comments" sends comments without an end, each of which can be read at once."""
    replay = Replay(BODY, framing=framing, fault="comments", fault_after=after, keep_alive=0.001)
    received = b""
    with ReplayServer(replay) as server, client.stream("GET", server.url) as response:
        for piece in response.iter_bytes():
            received += piece
            if received.count(b":") > 6:
                break
    sent = {0: b"", 1: FIRST, None: BODY}[after]
    comment = b": keep-alive\n\n"
    assert received.startswith(sent)
    assert (comment * 50).startswith(received.removeprefix(sent))


def test_comments_that_wait_in_the_compressor() -> None:
    """The server notices a close while the compressor holds comments back."""
    replay = Replay(BODY, framing="gzip-unflushed", fault="comments", keep_alive=0.001)
    with ReplayServer(replay) as server:
        with connect(server) as sock:
            assert sock.recv(4) == b"HTTP"
        assert server.connections[0].wait_closed()


def test_comments_on_time() -> None:
    """The server waits `keep_alive` seconds before each comment."""
    with ReplayServer(Replay(BODY, fault="comments", keep_alive=3600)) as server:
        with connect(server) as sock:
            read_to(sock, FRAMED[1])
            assert is_silent(sock)


# A compressed body.


def decode(framing: Framing, data: bytes) -> tuple[bytes, bool]:
    """Return the data that can be decoded, and whether it is complete."""
    if framing == "br":
        import brotli  # type: ignore[import-untyped] # has no types

        decoder = brotli.Decompressor()
        decoded = decoder.process(data)
        return decoded, decoder.is_finished()
    if framing == "zstd":
        import zstandard

        zstd = zstandard.ZstdDecompressor().decompressobj()
        return zstd.decompress(data), zstd.eof
    import zlib

    gzip = zlib.decompressobj(wbits=31)
    return gzip.decompress(data), gzip.eof


def get_compressed(client: httpx2.Client, replay: Replay) -> bytes:
    """Return the compressed body, and check its HTTP framing by a second request."""
    with ReplayServer(replay) as server:
        for _ in range(2):
            with client.stream("GET", server.url) as response:
                body = b"".join(response.iter_raw())
        assert [connection.requests for connection in server.connections] == [2]
    return body


@pytest.mark.parametrize("framing", COMPRESSED)
def test_no_fault(client: httpx2.Client, framing: Framing) -> None:
    """Without a fault the compressed body is complete."""
    assert decode(framing, get_compressed(client, Replay(BODY, framing=framing))) == (BODY, True)


@pytest.mark.parametrize(("after", "expected"), [(0, b""), (1, FIRST), (None, BODY)])
@pytest.mark.parametrize("framing", COMPRESSED)
def test_truncate(
    client: httpx2.Client, framing: Framing, after: int | None, expected: bytes
) -> None:
    """The fault "truncate" sends what was flushed before, without the end."""
    replay = Replay(BODY, framing=framing, fault="truncate", fault_after=after)
    if framing == "gzip-unflushed":
        expected = b""
    assert decode(framing, get_compressed(client, replay)) == (expected, False)


@pytest.mark.parametrize("after", [0, 1, None])
@pytest.mark.parametrize("framing", COMPRESSED)
def test_corrupt(client: httpx2.Client, framing: Framing, after: int | None) -> None:
    """The fault "corrupt" keeps the size, and decoders report an error."""
    sound = get_compressed(client, Replay(BODY, framing=framing))
    replay = Replay(BODY, framing=framing, fault="corrupt", fault_after=after)
    corrupt = get_compressed(client, replay)
    assert len(corrupt) == len(sound)
    same = next(
        at for at, (one, other) in enumerate(zip(sound, corrupt, strict=True)) if one != other
    )
    with pytest.raises(Exception, match=r"(?i)error|incorrect|failed"):
        decode(framing, corrupt)
    if framing != "gzip-unflushed":
        assert decode(framing, corrupt[:same])[0] == {0: b"", 1: FIRST, None: BODY}[after]


# Responses without a body, and invalid options.


@pytest.mark.parametrize("fault", [fault for fault in get_args(Fault) if fault != "no-answer"])
def test_response_without_a_body_has_no_fault(client: httpx2.Client, fault: Fault) -> None:
    """A response without a body ignores all faults except "no-answer"."""
    framing: Framing = "gzip" if fault in ("truncate", "corrupt") else "chunked"
    replays = {
        "/": Replay(BODY, framing=framing, fault=fault),
        "/none": Replay(b"", framing=framing, fault=fault, status=204),
    }
    with ReplayServer(replays) as server:
        assert client.head(server.url).status_code == 200
        assert client.get(f"{server.url}/none").status_code == 204
    assert [connection.requests for connection in server.connections] == [2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fault": "rst"}, "fault is 'rst'; give one of 'close', 'close-inside'"),
        (
            {"fault": "close", "fault_after": 3},
            "fault_after is 3; the body has 2 pieces",
        ),
        ({"fault": "close", "fault_after": -1}, "fault_after is -1"),
        ({"fault_after": 1}, "fault_after is given without a fault"),
        ({"keep_alive": 0}, "keep_alive is 0; give seconds above 0"),
        ({"fault": "bad-chunk", "framing": "close"}, "give one of 'chunked'"),
        ({"fault": "truncate"}, "doesn't work with framing='chunked'; give one of 'gzip'"),
        ({"fault": "corrupt", "framing": "close"}, "give one of 'gzip'"),
        ({"fault": "comments", "framing": "content-length"}, "give one of 'chunked', 'close'"),
        ({"fault": "comments", "framing": "one-chunk"}, "give one of 'chunked', 'close'"),
    ],
)
def test_invalid_options(options: dict[str, Any], message: str) -> None:
    """An invalid option raises ValueError that says what to give instead."""
    with pytest.raises(ValueError, match=message):
        Replay(BODY, **options)


def test_next_request_after_a_fault() -> None:
    """A request after a fault isn't answered."""
    with ReplayServer(Replay(BODY, fault="stall")) as server, connect(server) as sock:
        sock.sendall(REQUEST)
        read_to(sock, FRAMED[1])
        assert is_silent(sock)
    assert len(server.requests) == 1
