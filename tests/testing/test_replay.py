"""Bodies, pieces, framings, headers and requests of a replay server."""

import gzip
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from queue import Queue
from typing import Any, get_args

import httpx2
import pytest

from sseparse import Stream
from sseparse.testing import Answered, Cutting, Framing, ReceivedRequest, Replay, ReplayServer

BODY = (
    b'data: {"choices": []}\n\nevent: a\r\ndata: \xc3\xa9\r\n\r\n: ping\r\r'
    b"data: [DONE]\n\n\ndata: cut"
)
FRAMINGS = get_args(Framing)


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False, timeout=30) as client:
        yield client


def connect(server: ReplayServer) -> socket.socket:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def send_raw(server: ReplayServer, request: bytes) -> bytes:
    """Send bytes unchanged; return all data received until the server closes."""
    with connect(server) as sock:
        sock.sendall(request)
        return b"".join(iter(lambda: sock.recv(65536), b""))


def get_raw(server: ReplayServer, *, version: str = "1.1") -> tuple[bytes, bytes]:
    """Request / with Connection: close; return the head and the body unchanged."""
    request = f"GET / HTTP/{version}\r\nHost: here\r\nConnection: close\r\n\r\n"
    head, _, body = send_raw(server, request.encode()).partition(b"\r\n\r\n")
    return head, body


# Pieces.


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_events_are_cut_after_each_blank_line(end: bytes) -> None:
    """LF, CR and CRLF end lines. A CRLF is one line end."""
    first = end.join([b"event: a", b"data: 1", b"", b""])
    second = end.join([b"data: 2", b"", b""])
    rest = b"data: 3" + end
    assert Replay(first + second + rest).cut() == [first, second, rest]


def test_further_blank_lines_stay_with_their_event() -> None:
    """A piece never begins with a blank line."""
    assert Replay(b"data: 1\n\n\r\n\rdata: 2\n\n").cut() == [b"data: 1\n\n\r\n\r", b"data: 2\n\n"]


def test_other_ways_to_cut() -> None:
    """A body is cut into bytes, not at all, or into given sizes."""
    assert Replay(b"abc", pieces="bytes").cut() == [b"a", b"b", b"c"]
    assert Replay(b"a\n\nb", pieces="whole").cut() == [b"a\n\nb"]
    assert Replay(b"abc", pieces=[1, 2]).cut() == [b"a", b"bc"]


@pytest.mark.parametrize("pieces", [*get_args(Cutting), []])
def test_empty_body_has_no_pieces(pieces: Any) -> None:
    """An empty body has no pieces."""
    assert Replay(b"", pieces=pieces).cut() == []


def test_waits() -> None:
    """One delay is used for all pieces; a sequence has one for each."""
    assert Replay(b"abc", pieces="bytes", delays=0.5).waits() == [0.5, 0.5, 0.5]
    assert Replay(b"abc", pieces=[1, 2], delays=[0.1, 0]).waits() == [0.1, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pieces": "lines"}, "pieces is 'lines'; give one of 'events', 'bytes', 'whole'"),
        ({"pieces": [1, 1]}, "pieces add up to 2 bytes, but the body has 3"),
        ({"pieces": [0, 3]}, "pieces has a size below 1"),
        ({"delays": -0.1}, "delays has a time below 0"),
        ({"delays": [0, 0]}, "delays has 2 times; give 1, one for each piece"),
        ({"framing": "brotli"}, "framing is 'brotli'; give one of 'chunked'"),
        ({"status": 100}, "status is 100; give one from 200 to 599"),
        ({"headers": {"Content-Length": "3"}}, "headers has Content-Length, which framing= sets"),
        (
            {"headers": {"content-type": "a/b"}},
            "headers has content-type, which content_type= sets",
        ),
    ],
)
def test_invalid_options(options: dict[str, Any], message: str) -> None:
    """An invalid option raises ValueError that says what to give instead."""
    with pytest.raises(ValueError, match=message):
        Replay(b"abc", **options)


# Framing and pacing.


@pytest.mark.parametrize("delays", [0.0, 0.0005])
@pytest.mark.parametrize("pieces", [*get_args(Cutting), [1, 30, len(BODY) - 31]], ids=str)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_every_framing_and_pacing_gives_the_same_bytes(
    client: httpx2.Client, framing: Framing, pieces: Any, delays: float
) -> None:
    """A client reads the same body for every combination, also in its second request."""
    with ReplayServer(Replay(BODY, pieces=pieces, delays=delays, framing=framing)) as server:
        for _ in range(2):
            with client.stream("GET", server.url) as response:
                assert b"".join(response.iter_bytes()) == BODY


@pytest.mark.parametrize("framing", FRAMINGS)
def test_every_framing_of_no_bytes(client: httpx2.Client, framing: Framing) -> None:
    """An empty body is sent in every framing."""
    with ReplayServer(Replay(b"", framing=framing)) as server:
        response = client.get(server.url)
        assert (response.status_code, response.content) == (200, b"")


def test_recorded_times(client: httpx2.Client) -> None:
    """Each piece can have its own delay."""
    replay = Replay(BODY, pieces=[10, len(BODY) - 10], delays=[0.001, 0.002])
    with ReplayServer(replay) as server:
        assert client.get(server.url).content == BODY


def test_chunked() -> None:
    """The framing "chunked" sends one HTTP chunk for each piece."""
    with ReplayServer(Replay(b"abcde", pieces=[2, 3])) as server:
        head, body = get_raw(server)
    assert b"\r\ntransfer-encoding: chunked" in head.lower()
    assert body == b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"


def test_one_chunk() -> None:
    """The framing "one-chunk" sends one HTTP chunk for the complete body."""
    with ReplayServer(Replay(b"abcde", pieces="bytes", framing="one-chunk")) as server:
        head, body = get_raw(server)
    assert b"\r\ntransfer-encoding: chunked" in head.lower()
    assert body == b"5\r\nabcde\r\n0\r\n\r\n"


def test_one_chunk_trickles(client: httpx2.Client) -> None:
    """The chunk's header has the complete size, and its bytes are sent piece by piece."""
    pieces = [b"data: 1\n\n", b"data: 2\n\n"]
    replay = Replay(b"".join(pieces), delays=[0, 3600], framing="one-chunk")
    with ReplayServer(replay) as server, client.stream("GET", server.url) as response:
        assert next(response.iter_raw()) == pieces[0]


def test_close() -> None:
    """The framing "close" sends no length; closing the connection ends the body."""
    with ReplayServer(Replay(b"abc", framing="close")) as server:
        head, body = get_raw(server)
    assert b"content-length" not in head.lower()
    assert b"transfer-encoding" not in head.lower()
    assert b"\r\nconnection: close" in head.lower()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"abc"


def test_content_length() -> None:
    """The framing "content-length" sends the length and the unchanged body."""
    with ReplayServer(Replay(b"abc", pieces="bytes", framing="content-length")) as server:
        head, body = get_raw(server)
    assert b"\r\ncontent-length: 3" in head.lower()
    assert body == b"abc"


def test_gzip_is_flushed_after_each_piece(client: httpx2.Client) -> None:
    """With "gzip" a piece can be decompressed before the next one is sent."""
    replay = Replay(b"data: 1\n\ndata: 2\n\n", delays=[0, 3600], framing="gzip")
    with ReplayServer(replay) as server, client.stream("GET", server.url) as response:
        first = next(response.iter_raw())
    assert response.headers["content-encoding"] == "gzip"
    assert zlib.decompressobj(wbits=31).decompress(first) == b"data: 1\n\n"


def test_gzip_unflushed_holds_the_pieces_back(client: httpx2.Client) -> None:
    """With "gzip-unflushed" nothing can be decompressed before the end of the body."""
    body = b"data: 1\n\ndata: 2\n\n"
    with ReplayServer(Replay(body, framing="gzip-unflushed")) as server:
        with client.stream("GET", server.url) as response:
            *before, last = response.iter_raw()
    assert zlib.decompressobj(wbits=31).decompress(b"".join(before)) == b""
    assert gzip.decompress(b"".join([*before, last])) == body


@pytest.mark.parametrize("framing", ["chunked", "one-chunk"])
def test_http_1_0_has_no_chunks(framing: Framing) -> None:
    """For an HTTP/1.0 client, closing the connection ends the body."""
    with ReplayServer(Replay(b"abc", pieces="bytes", framing=framing)) as server:
        head, body = get_raw(server, version="1.0")
    assert b"transfer-encoding" not in head.lower()
    assert body == b"abc"


# Heads.


def test_status_and_headers(client: httpx2.Client) -> None:
    """Status, reason, content type and additional headers are those of the replay."""
    replay = Replay(b"{}", status=429, headers={"Retry-After": "1"}, content_type="a/b")
    with ReplayServer(replay) as server:
        response = client.get(server.url)
    assert (response.status_code, response.reason_phrase) == (429, "Too Many Requests")
    assert response.headers["retry-after"] == "1"
    assert response.headers["content-type"] == "a/b"


def test_repeated_header() -> None:
    """Headers given as pairs can repeat a name."""
    with ReplayServer(Replay(b"abc", headers=[("X-A", "1"), ("X-A", "2")])) as server:
        head, _ = get_raw(server)
    assert head.count(b"\r\nX-A: ") == 2
    with pytest.raises(ValueError, match="which framing= sets"):
        Replay(b"abc", headers=[("X-A", "1"), ("Content-Length", "2")])


def test_no_content_type_and_no_reason(client: httpx2.Client) -> None:
    """content_type=None and an unknown status send neither Content-Type nor reason."""
    with ReplayServer(Replay(b"abc", status=599, content_type=None)) as server:
        response = client.get(server.url)
    assert (response.status_code, response.reason_phrase) == (599, "")
    assert "content-type" not in response.headers


@pytest.mark.parametrize("framing", FRAMINGS)
def test_responses_without_a_body(client: httpx2.Client, framing: Framing) -> None:
    """A HEAD request and the status 204 get no body, in every framing."""
    replays = {
        "/": Replay(b"abc", framing=framing),
        "/none": Replay(b"", framing=framing, status=204),
    }
    with ReplayServer(replays) as server:
        assert client.head(server.url).content == b""
        assert client.get(f"{server.url}/none").content == b""
        assert client.get(server.url).content == b"abc"


# Requests.


def test_requests_are_recorded(client: httpx2.Client) -> None:
    """Method, target, headers and body of each request are recorded in order."""
    with ReplayServer(b"data: 1\n\n") as server:
        client.post(f"{server.url}/v1?a=b", json={"stream": True}, headers={"Accept": "x"})
        client.get(server.url, headers=[("X-A", "1"), ("X-A", "2")])
    first, second = server.requests
    assert (first.method, first.target, first.path) == ("POST", "/v1?a=b", "/v1")
    assert first.json() == {"stream": True}
    assert first.headers["accept"] == "x"
    assert (second.method, second.body, second.headers["x-a"]) == ("GET", b"", "1, 2")
    assert isinstance(second, ReceivedRequest)


def test_large_request(client: httpx2.Client) -> None:
    """A large body sent in chunks is recorded completely."""
    content = b"x" * 300_000
    with ReplayServer(b"") as server:
        client.post(server.url, content=iter([content[:1000], content[1000:]]))
    assert server.requests[0].body == content


def test_replays_by_path(client: httpx2.Client) -> None:
    """Each path has its response, regardless of the query. Other paths get 404."""
    with ReplayServer({"/a": b"data: 1\n\n", "/b": Replay(b"data: 2\n\n")}) as server:
        assert client.get(f"{server.url}/a?x").content == b"data: 1\n\n"
        assert client.get(f"{server.url}/b").content == b"data: 2\n\n"
        response = client.get(f"{server.url}/c")
    assert response.status_code == 404
    assert response.text == "no replay at /c; available: /a, /b\n"


@pytest.mark.parametrize(
    ("method", "target", "path"),
    [
        ("GET", "/a/b?c=/d", "/a/b"),
        ("GET", "http://host:8/a?b", "/a"),
        ("GET", "HTTP://host?b", "/"),
        ("GET", "//a?b", "//a"),
        ("GET", "a/b", ""),
        ("OPTIONS", "*", ""),
        ("GET", "", ""),
        ("GET", "http:///a", ""),
        ("CONNECT", "host:8", ""),
        ("CONNECT", "/a", ""),
    ],
)
def test_the_path_of_a_target(method: str, target: str, path: str) -> None:
    """`path` is the path of the target or of its URL, or "" if there is none."""
    assert ReceivedRequest(method, target, {}, b"").path == path
    with ReplayServer({"/a": b"data: 1\n\n"}) as server:
        raw = f"{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        status = send_raw(server, raw.encode()).split()[1]
    assert status == {"/a": b"200", "": b"400"}.get(path, b"404")


def test_malformed_head_request() -> None:
    """The response 400 to a malformed HEAD request has no body."""
    request = b"HEAD / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    with ReplayServer(b"abc") as server:
        response = send_raw(server, request)
        assert response.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert response.endswith(b"\r\n\r\n")


def test_connections_are_kept_alive() -> None:
    """A connection serves several requests, even if they are sent before the responses."""
    request = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
    last = request.replace(b"Host", b"Connection: close\r\nHost")
    with ReplayServer(Replay(b"abc", framing="content-length")) as server:
        response = send_raw(server, request + request + last)
    assert response.count(b"HTTP/1.1 200 OK") == 3
    assert response.count(b"abc") == 3


def test_expect_100_continue() -> None:
    """The server responds to Expect: 100-continue, which curl sends before a large body."""
    with ReplayServer(b"abc") as server:
        with connect(server) as sock:
            sock.sendall(
                b"POST / HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\n"
                b"Content-Length: 2\r\nConnection: close\r\n\r\n"
            )
            assert sock.recv(65536).startswith(b"HTTP/1.1 100 ")
            sock.sendall(b"hi")
            response = b"".join(iter(lambda: sock.recv(65536), b""))
    assert response.startswith(b"HTTP/1.1 200 OK")
    assert server.requests[0].body == b"hi"


def test_malformed_request() -> None:
    """A malformed request gets 400 with the reason, and isn't recorded."""
    with ReplayServer(b"abc") as server:
        response = send_raw(server, b"nonsense\r\n\r\n")
    assert response.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"bad request: " in response
    assert server.requests == []


# Connections and the block of the server.


def test_stream_reads_the_response(client: httpx2.Client) -> None:
    """A `Stream` reads the response of a replay server."""
    with ReplayServer(
        b'data: {"choices": [{"index": 0, "delta": {"content": "hi"}}]}\n\n'
    ) as server:
        with client.stream("POST", server.url) as response, Stream(response) as stream:
            assert next(stream).text == "hi"


def test_many_clients_at_once(client: httpx2.Client) -> None:
    """Connections are served at the same time."""
    with ReplayServer(Replay(BODY, delays=0.001)) as server:
        bodies = []
        threads = [
            threading.Thread(target=lambda: bodies.append(client.get(server.url).content))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert bodies == [BODY] * 8
    assert len(server.requests) == 8


def test_client_closes_within_a_response(
    client: httpx2.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    """The server prints nothing, and serves the next request."""
    with ReplayServer(Replay(b"x" * 50_000_000, pieces="whole")) as server:
        with client.stream("GET", server.url) as response:
            next(response.iter_raw())
        with client.stream("GET", server.url) as response:
            next(response.iter_raw())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "replay",
    [Replay(b"a", delays=3600), Replay(b"x" * 50_000_000, pieces="whole")],
    ids=["delayed", "unread"],
)
def test_end_of_the_block_does_not_wait_for_clients(replay: Replay) -> None:
    """The end of the block interrupts delays and sends that wait for the client."""
    with ReplayServer(replay) as server:
        sock = connect(server)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert sock.recv(4) == b"HTTP"
    with sock:
        received = sum(map(len, iter(lambda: sock.recv(65536), b"")))
    assert received < 50_000_000


def test_end_of_the_block_ends_threads_and_connections(client: httpx2.Client) -> None:
    """After the block there is no thread and no listener, even if a client stays connected."""
    before = set(threading.enumerate())
    with ReplayServer(b"abc") as server:
        url = server.url
        client.get(url)
        assert set(threading.enumerate()) > before
    assert set(threading.enumerate()) == before
    with pytest.raises(httpx2.ConnectError):
        client.get(url)


def test_url() -> None:
    """`url` works within the block and after it. A server can't be entered twice at once."""
    server = ReplayServer(b"")
    with pytest.raises(RuntimeError, match="use it as a context manager"):
        _ = server.url
    with server:
        url = server.url
        assert url.startswith("http://127.0.0.1:")
        with pytest.raises(RuntimeError, match="listens already"):
            server.__enter__()
    assert server.url == url
    with server:
        assert server.url.startswith("http://127.0.0.1:")


def test_import_without_h11() -> None:
    """h11 is imported when the block is entered, not with the module."""
    code = (
        "import sys; sys.modules['h11'] = None\n"
        "from sseparse.testing import ReplayServer, every_split\n"
        "try: ReplayServer(b'').__enter__()\n"
        "except ModuleNotFoundError as error: print(error.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "h11\n"


def test_without_h11(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without h11, entering the block raises an error that says what to install."""
    monkeypatch.delitem(sys.modules, "sseparse.testing._connection", raising=False)
    monkeypatch.setitem(sys.modules, "h11", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'sseparse\[h11\]'") as raised:
        ReplayServer(b"").__enter__()
    assert raised.value.name == "h11"


@pytest.mark.parametrize("body", ["data: a", 5, None])
def test_body_of_wrong_type(body: Any) -> None:
    """A body that isn't bytes raises TypeError in `Replay` and `ReplayServer`."""
    with pytest.raises(TypeError, match=r"body is .*; give bytes"):
        Replay(body)
    with pytest.raises(TypeError, match=r"replay is .*; give bytes or a Replay"):
        ReplayServer(body)
    with pytest.raises(TypeError, match=r"replay is .*; give bytes or a Replay"):
        ReplayServer({"/": b"", "/other": body})


def test_replay_function() -> None:
    """A function receives each request and returns its response."""

    def make_replay(request: ReceivedRequest) -> bytes | Replay:
        if request.path == "/gone":
            return Replay(b"gone", status=410)
        return b"data: " + request.body + b"\n\n"

    with ReplayServer(make_replay) as server:
        echoed = httpx2.post(server.url, content=b"hi", trust_env=False)
        gone = httpx2.get(f"{server.url}/gone", trust_env=False)

    assert (echoed.status_code, echoed.content) == (200, b"data: hi\n\n")
    assert (gone.status_code, gone.content) == (410, b"gone")
    assert [request.method for request in server.requests] == ["POST", "GET"]


def test_path_without_slash() -> None:
    """A path that no request can have raises ValueError."""
    with pytest.raises(ValueError, match="the path 'v1/chat' doesn't begin with '/'; give '/v1/"):
        ReplayServer({"v1/chat": b""})


@pytest.mark.parametrize(
    ("replay_function", "message"),
    [
        (lambda request: request.json(), "the replay function failed: JSONDecodeError: "),
        (
            lambda request: "text",
            "the replay function failed: TypeError: replay is str; give bytes or",
        ),
    ],
)
def test_replay_function_that_raises(
    replay_function: Callable[[ReceivedRequest], bytes | Replay], message: str
) -> None:
    """If the function raises or returns another type, the response is 500 with the reason."""
    with ReplayServer(replay_function) as server:
        response = httpx2.post(server.url, content=b"{", trust_env=False)

    assert response.status_code == 500
    assert response.text.startswith(message)


def test_tell() -> None:
    """`tell` is called with the request, the number of bytes sent, and how the response ended."""
    outcomes: Queue[Answered] = Queue()
    body = b"data: 1\n\n"

    with ReplayServer(
        {"/": body, "/cut": Replay(body, fault="close")}, on_answered=outcomes.put
    ) as server:
        httpx2.post(server.url, trust_env=False)
        complete = outcomes.get(timeout=30)
        with pytest.raises(httpx2.RemoteProtocolError):
            httpx2.post(f"{server.url}/cut", trust_env=False)
        cut = outcomes.get(timeout=30)

    assert complete.request is not None
    assert (complete.request.method, complete.request.path, complete.how) == (
        "POST",
        "/",
        "to its end",
    )
    assert complete.bytes_sent > len(body)
    assert cut.how == "closed before its end"


def test_tell_for_a_malformed_request() -> None:
    """For a malformed request, `tell` gets an outcome without a request."""
    outcomes: Queue[Answered] = Queue()

    with ReplayServer(b"", on_answered=outcomes.put) as server:
        host, _, port = server.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as sock:
            sock.sendall(b"hello\r\n\r\n")
            assert outcomes.get(timeout=30).request is None


def test_host_and_port() -> None:
    """The server listens at the given address and port, which can be IPv6."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with ReplayServer(b"1", host="::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert httpx2.get(server.url, trust_env=False).content == b"1"
        port = int(server.url.rpartition(":")[2])
    with ReplayServer(b"2", host="::1", port=port) as server:
        assert server.url == f"http://[::1]:{port}"
        busy = ReplayServer(b"3", host="::1", port=port)
        with pytest.raises(OSError, match="in use"):
            busy.__enter__()
