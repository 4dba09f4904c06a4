"""Interim responses (RFC 9110, 15.2) before the response to a request."""

import http.client
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest
import requests
import urllib3

from sseparse import Deadlines, EndCause, NotEventStream, Stream, StreamTimeout, TransportError
from sseparse.adapters import source

from .scripted_server import SAFETY, Exchange, sending, serving
from .transports import TRANSPORTS, Transport, read

EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"


def final(text: str, head: bytes = b"") -> bytes:
    body = (
        b'data: {"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":"stop"}]}\n\n'
        b"data: [DONE]\n\n"
    ) % text.encode()
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n%bContent-Length: %d\r\n\r\n%b"
    ) % (head, len(body), body)


@pytest.mark.parametrize("interim", [EARLY, PROCESSING, PROCESSING + CONTINUE + EARLY + EARLY])
@pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
def test_read_past(transport: Transport, interim: bytes) -> None:
    """Interim responses are read past, and the response after them is read."""
    with serving(sending(interim + final("one"))) as server:
        outcome = read(transport, server.url)
    assert (outcome.text, outcome.error) == ("one", None)
    assert outcome.end is not None
    assert outcome.end.cause is EndCause.DONE


class Answers:
    """Numbered responses: each answer of a connection is to the request before it."""

    def __init__(self, interim: bytes) -> None:
        self._interim = interim
        self._count = 0

    def __call__(self, exchange: Exchange) -> None:
        self._count += 1
        exchange.send(self._interim)
        exchange.send(final(str(self._count)))


Request = Callable[[], Any]


@contextmanager
def requests_client(url: str) -> Iterator[Request]:
    with requests.Session() as client:
        client.trust_env = False
        yield lambda: client.get(url, stream=True, timeout=SAFETY)


@contextmanager
def urllib3_client(url: str) -> Iterator[Request]:
    with urllib3.PoolManager(maxsize=1, block=True, timeout=SAFETY, retries=False) as client:
        yield lambda: client.request("GET", url, preload_content=False)


@contextmanager
def http_client(url: str) -> Iterator[Request]:
    client = http.client.HTTPConnection(urlsplit(url).netloc, timeout=SAFETY)

    def request() -> Any:
        try:
            client.request("GET", "/")
            return client.getresponse()
        except (OSError, http.client.HTTPException):
            # The connection was closed after the interim response.
            client.close()
            client.request("GET", "/")
            return client.getresponse()

    yield request
    client.close()


@contextmanager
def urllib_client(url: str) -> Iterator[Request]:
    def request() -> Any:
        # urlopen() raises the interim response as an error.
        try:
            return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url)
        except HTTPError as error:
            return error

    yield request


CLIENTS = [requests_client, urllib3_client, http_client, urllib_client]


@pytest.mark.parametrize("client", CLIENTS)
class TestClients:
    """Clients that return an interim response as if it were the response."""

    def test_later_requests(self, client: Any) -> None:
        """Each request gets its own response, whether the stream is read or closed at once."""
        with serving(Answers(EARLY)) as server, client(server.url) as request:
            assert Stream(request()).result().text == "1"
            Stream(request()).close()
            with Stream(request()) as stream:
                assert next(stream).text == "3"
            assert Stream(request()).result().text == "4"
            unread = source(request())
            unread.close()
            assert Stream(request()).result().text == "6"

    def test_status_and_headers(self, client: Any) -> None:
        """The source has the status and headers of the last response, once it was read."""
        error = b"HTTP/1.1 429 Slow Down\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}"
        with serving(sending(EARLY + error)) as server, client(server.url) as request:
            opened = source(request())
            assert (opened.status, dict(opened.headers)) == (None, {})
            assert b"".join(opened) == b"{}"
            assert (opened.status, opened.headers["retry-after"]) == (429, "7")

    @pytest.mark.parametrize("before", [b"", EARLY])
    def test_another_protocol(self, client: Any, before: bytes) -> None:
        """Status 101 is an error, and the connection isn't used again."""
        with serving(Answers(before + UPGRADE)) as server, client(server.url) as request:
            for number in (1, 2):
                with pytest.raises(NotEventStream) as raised:
                    Stream(request()).result()
                assert raised.value.status == 101
                assert server.connections == number

    def test_the_end_instead_of_a_response(self, client: Any) -> None:
        """A connection that ends after an interim response raises TransportError."""
        for rest in (b"", b"nonsense\r\n\r\n"):
            answer = sending(EARLY + rest, then="hang up")
            with serving(answer) as server, client(server.url) as request:
                opened = source(request())
                for _ in range(2):
                    with pytest.raises(TransportError):
                        next(opened)
                opened.close()

    def test_deadlines(self, client: Any) -> None:
        """A deadline limits the wait for the last response."""
        with serving(sending(EARLY, then="hold")) as server, client(server.url) as request:
            stream = Stream(request(), deadlines=Deadlines(first_event=0.1))
            with pytest.raises(StreamTimeout) as raised:
                stream.result()
            assert raised.value.clock == "first_event"

    def test_compression(self, client: Any) -> None:
        """The body after an interim response is checked and decompressed as any other."""
        with serving(sending(EARLY + final("a", b"Content-Encoding: none\r\n"))) as server:
            with client(server.url) as request:
                assert Stream(request()).result().text == "a"


def test_bodies_of_any_framing() -> None:
    """The framing of the last response counts: chunks, or the end of the connection."""
    body = final("x").partition(b"\r\n\r\n")[2]
    head = EARLY + b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
    packed = __import__("gzip").compress(body)
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (
        len(packed),
        packed,
    )
    closed = head + b"Connection: close\r\n\r\n" + packed
    for client in (requests_client, urllib3_client):
        with serving(sending(chunked)) as server, client(server.url) as request:
            assert Stream(request()).result().text == "x"
        with serving(sending(closed, then="hang up")) as server, client(server.url) as request:
            assert Stream(request()).result().text == "x"


def test_what_users_see() -> None:
    """The response of requests has the status and headers of the last response, too."""
    with serving(sending(EARLY + final("a"))) as server, requests_client(server.url) as request:
        response = request()
        assert response.status_code == 103
        assert Stream(response).result().text == "a"
        assert (response.status_code, response.reason) == (200, "OK")
        assert response.headers["content-type"] == "text/event-stream"
