"""Complete exchanges, the same over sockets, trio and anyio."""

import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from sseparse import EndCause, NotEventStream, StreamTimeout, TransportError
from sseparse.testing import Framing, Replay, ReplayServer

from .clients import CLIENTS, Client, run_anyio_on_asyncio
from .raw_server import RawServer

BODY = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 5\r\n\r\n: hi\n"


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    return CLIENTS[request.param]


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(ca: trustme.CA) -> Iterator[RawServer]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    with RawServer(OK, ssl_context=context) as server:
        yield server


@pytest.mark.parametrize("framing", ["chunked", "one-chunk", "close", "content-length"])
@pytest.mark.parametrize("pieces", ["events", "bytes", "whole"])
def test_framings(client: Client, framing: Framing, pieces: Any) -> None:
    """The complete body is returned in every framing, and the request is sent as given."""
    with ReplayServer(Replay(BODY, framing=framing, pieces=pieces)) as server:
        answer = client.fetch("POST", f"{server.url}/v1?a=1", json={"stream": True})

    assert (answer.status, answer.body) == (200, BODY)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/v1?a=1")
    assert request.json() == {"stream": True}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept"] == "text/event-stream"
    assert request.headers["accept-encoding"] == "identity"


def test_streams(client: Client) -> None:
    """A stream reads a source, and closes it."""
    with ReplayServer(BODY) as server:
        stream = client.stream(server.url)
    assert stream.snapshot().choices[0].message.content == "Hello"
    assert stream.end.cause is EndCause.DONE


def test_break_closes(client: Client) -> None:
    """Leaving the block early closes the connection."""
    head = OK.partition(b"\r\nContent-Length")[0] + b"\r\n\r\n"
    with RawServer(head + BODY[:60], hold=True) as server:
        stream = client.stream(server.url, stop_after=1)
        assert server.gone.wait(30)
    assert stream.end.cause is EndCause.CANCELLED


def test_large_requests(client: Client) -> None:
    """A request larger than all buffers is sent completely."""
    content = bytes(range(256)) * 40_000
    with RawServer(OK) as server:
        assert client.fetch("PUT", server.url, content=content).body == b": hi\n"
    assert server.requests[0].endswith(content)


def test_hosts_by_name(client: Client) -> None:
    """A host name is looked up, and sent as the Host."""
    with RawServer(OK) as server:
        assert client.fetch("GET", f"http://localhost:{server.port}/").status == 200
        assert f"Host: localhost:{server.port}\r\n".encode() in server.requests[0]


def test_head(client: Client) -> None:
    """The response to a HEAD has no body, whatever its Content-Length."""
    with ReplayServer(Replay(BODY, framing="content-length")) as server:
        answer = client.fetch("head", server.url)
    assert (answer.status, answer.body) == (200, b"")


def test_any_status_is_returned(client: Client) -> None:
    """A response with any status is returned; a stream over it raises the error."""
    page = Replay(b"<html>", status=502, content_type="text/html")
    with ReplayServer(page) as server:
        assert client.fetch("POST", server.url).status == 502
        with pytest.raises(NotEventStream) as raised:
            client.stream(server.url)
    assert (raised.value.status, raised.value.content_type) == (502, "text/html")


def test_encoded_bodies(client: Client) -> None:
    """The first read of an encoded body raises NotEventStream."""
    with ReplayServer(Replay(BODY, framing="gzip")) as server:
        with pytest.raises(NotEventStream) as raised:
            client.stream(server.url)
    assert raised.value.headers["content-encoding"] == "gzip"


# Redirects.


def test_redirects_are_followed(client: Client) -> None:
    """A redirect within the origin is followed with method, body and credentials."""
    moved = Replay(b"gone", status=307, headers={"Location": "/b?c=1"}, framing="content-length")
    with ReplayServer({"/a": moved, "/b": BODY}) as server:
        answer = client.fetch(
            "POST", f"{server.url}/a", json=[1], headers={"Authorization": "Bearer k"}
        )
    assert (answer.status, answer.body) == (200, BODY)
    assert [request.target for request in server.requests] == ["/a", "/b?c=1"]
    assert server.requests[1].json() == [1]
    assert server.requests[1].headers["authorization"] == "Bearer k"


def test_at_most_five_redirects(client: Client) -> None:
    """The sixth redirect is returned."""
    moved = Replay(b"", status=302, headers={"Location": "/"})
    with ReplayServer(moved) as server:
        answer = client.fetch("GET", server.url)
    assert (answer.status, answer.headers["location"]) == (302, "/")
    assert len(server.requests) == 6


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("headers", [{}, {"X-Session": "k"}], ids=["none", "secret"])
def test_redirects_to_another_origin(
    client: Client, headers: dict[str, str], method: str, status: int
) -> None:
    """A redirect to another origin raises NotEventStream, and nothing is sent there."""
    with ReplayServer(BODY) as other:
        location = {"Location": f"{other.url}/b?token=secret"}
        moved = Replay(b"", status=status, headers=location, content_type=None)
        with ReplayServer(moved) as server:
            with pytest.raises(NotEventStream, match=f"a redirect to {other.url}/b;") as raised:
                client.fetch(method, server.url, headers=headers, content=b"body")
            assert server.connections[0].wait_closed()
    assert not other.connections
    assert raised.value.status == status
    assert "secret" not in str(raised.value)


def test_redirects_from_https_to_http(client: Client, ca: trustme.CA) -> None:
    """A redirect from https to http raises NotEventStream."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)
    with ReplayServer(BODY) as other:
        moved = Replay(b"", status=302, headers={"Location": other.url}, content_type=None)
        with ReplayServer(moved, ssl_context=context) as server:
            with pytest.raises(NotEventStream, match=f"a redirect to {other.url}"):
                client.fetch("GET", server.url, ssl_context=trusting)
    assert not other.connections


def test_a_redirect_to_another_method(client: Client) -> None:
    """A redirect that would change the method is returned."""
    moved = Replay(b"", status=303, headers={"Location": "/b"}, content_type=None)
    with ReplayServer({"/": moved, "/b": BODY}) as server:
        with pytest.raises(NotEventStream) as raised:
            client.stream(f"{server.url}/")
    assert raised.value.status == 303
    assert len(server.requests) == 1


# TLS.


def test_tls(client: Client, tls: RawServer, ca: trustme.CA) -> None:
    """The caller's context determines which certificates are trusted, for addresses and names."""
    context = ssl.create_default_context()
    ca.configure_trust(context)
    assert client.fetch("POST", tls.url, ssl_context=context).body == b": hi\n"
    named = tls.url.replace("127.0.0.1", "localhost")
    assert client.fetch("POST", named, ssl_context=context).body == b": hi\n"


def test_tls_checks_certificates_by_default(client: Client, tls: RawServer) -> None:
    """Without a context, the certificate must be trusted by the system."""
    with pytest.raises(TransportError, match=r"CERTIFICATE_VERIFY_FAILED|certificate verify"):
        client.fetch("POST", tls.url)


def test_tls_to_a_plain_server(client: Client) -> None:
    """A failed handshake raises TransportError."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        with pytest.raises(TransportError):
            _while_hanging_up(client, listener, f"https://127.0.0.1:{port}/")


def _while_hanging_up(client: Client, listener: socket.socket, url: str) -> None:
    def hang_up() -> None:
        sock, _ = listener.accept()
        sock.recv(1)
        sock.close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    try:
        client.fetch("GET", url)
    finally:
        thread.join()


# Failures.


def test_early_responses(client: Client) -> None:
    """The response of a server that closes before it has read the request is returned."""
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmuch"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(1)
                sock.sendall(refusal)

        thread = threading.Thread(target=refuse)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        try:
            if client.run is run_anyio_on_asyncio:
                # asyncio drops received bytes when sending fails.
                with pytest.raises(TransportError, match="BrokenResourceError"):
                    client.fetch("POST", url, content=bytes(20_000_000))
            else:
                answer = client.fetch("POST", url, content=bytes(20_000_000))
                assert (answer.status, answer.body) == (413, b"much")
        finally:
            thread.join()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_refused_connections(client: Client) -> None:
    """A refused connection raises TransportError with the library's exception as its cause."""
    with pytest.raises(TransportError, match="failed: ") as raised:
        client.fetch("POST", f"http://127.0.0.1:{free_port()}/")
    assert isinstance(raised.value.__cause__, OSError)


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (b"", "before the head"),
        (b"HTTP/1.1 200 OK\r\n", "before the head"),
        (b"data: 1\n\n", "no HTTP/1.1 response"),
        (OK.replace(b" 5", b" 6"), "received 5 bytes, expected 6"),
        (
            OK.partition(b"\r\nContent-L")[0] + b"\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n",
            "Z|header",
        ),
    ],
)
def test_bad_responses(client: Client, wire: bytes, message: str) -> None:
    """Truncated and malformed responses raise TransportError."""
    with RawServer(wire) as server, pytest.raises(TransportError, match=message):
        client.fetch("POST", server.url)


def test_bytes_before_an_error(client: Client) -> None:
    """Chunks before an error are returned, even if they arrive together with it."""
    wire = OK.replace(b" 5", b" 999").removesuffix(b": hi\n") + BODY[:60]
    with RawServer(wire) as server, pytest.raises(TransportError) as raised:
        client.stream(server.url)
    assert raised.value.partial.choices[0].message.content == "Hel"


@pytest.mark.parametrize(
    "wire", [b"", OK.replace(b" 5", b" 9"), b"HTTP/1.1 103 x\r\n\r\n"], ids=["none", "cut", "103"]
)
def test_timeouts(client: Client, wire: bytes) -> None:
    """A silent server raises StreamTimeout after the timeout."""
    with RawServer(wire, hold=True) as server:
        with pytest.raises(StreamTimeout, match="failed: T") as raised:
            client.fetch("POST", server.url, timeout=0.1)
        assert raised.value.clock == "transport"
        assert server.gone.wait(30)


def test_timeouts_of_tls(client: Client) -> None:
    """A handshake without a response raises StreamTimeout after the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(StreamTimeout):
            client.fetch("POST", f"https://127.0.0.1:{port}/", timeout=0.1)


def test_unused_timeout(client: Client) -> None:
    """The timeout applies to each step."""
    with ReplayServer(BODY) as server:
        assert client.fetch("POST", server.url, timeout=60).body == BODY


def test_invalid_arguments(client: Client) -> None:
    """Invalid arguments raise errors before a connection is made."""
    with pytest.raises(ValueError, match="give seconds above 0"):
        client.fetch("POST", "http://127.0.0.1:1/", timeout=0)
    with pytest.raises(ValueError, match="http:// or https://"):
        client.fetch("POST", "localhost:1/")
    with pytest.raises(ValueError, match="invalid host"):
        client.fetch("POST", "http://[::1]evil.com/")
    with pytest.raises(TypeError, match="X-Key has a value of type bytes; decode"):
        client.fetch("POST", "http://127.0.0.1:1/", headers={"X-Key": b"k"})
    with pytest.raises(ValueError, match="don't make a valid request"):
        client.fetch("POST", "http://127.0.0.1:1/", headers={"Host": "a", "host": "b"})
