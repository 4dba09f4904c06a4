"""Requests through a proxy, the same over sockets, trio and anyio."""

import base64
import pickle
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from proxies import ProxyServer
from sseparse import ProxyError, StreamTimeout, TransportError
from sseparse.adapters._request import prepare_request
from sseparse.testing import Replay, ReplayServer

from .clients import CLIENTS, Client
from .raw_server import RawServer

BODY = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
USER = "me:p%40ss%2Fword%20%C3%A9@"
BASIC = "Basic " + base64.b64encode("me:p@ss/word \xe9".encode()).decode()


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    return CLIENTS[request.param]


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context


@pytest.fixture
def tls(ca: trustme.CA) -> Iterator[ReplayServer]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    with ReplayServer(BODY, ssl_context=context) as server:
        yield server


def with_user(proxy: ProxyServer) -> str:
    return proxy.url.replace("//", f"//{USER}")


def test_plain_requests(client: Client) -> None:
    """A request to http is sent to the proxy, with the complete URL and the credentials."""
    with ReplayServer(BODY) as server, ProxyServer() as proxy:
        options: dict[str, Any] = {"json": [1], "headers": {"X-Key": "k"}, "timeout": 30}
        answer = client.fetch("POST", f"{server.url}/v1?a=1", proxy=with_user(proxy), **options)
    assert (answer.status, answer.body) == (200, BODY)
    (request,) = server.requests
    assert (request.target, request.json()) == ("/v1?a=1", [1])
    assert request.headers["x-key"] == "k"
    line, *headers = proxy.heads[0].split("\r\n")
    assert line == f"POST {server.url}/v1?a=1 HTTP/1.1"
    assert f"Host: {server.url.removeprefix('http://')}" in headers
    assert f"Proxy-Authorization: {BASIC}" in headers


def test_tunnels(client: Client, tls: ReplayServer, trusting: ssl.SSLContext) -> None:
    """A request to https goes through a tunnel; the proxy sees host, port and credentials."""
    with ProxyServer() as proxy:
        options: dict[str, Any] = {"json": [1], "ssl_context": trusting, "timeout": 30}
        answer = client.fetch("POST", f"{tls.url}/v1?a=1", proxy=with_user(proxy), **options)
    assert (answer.status, answer.body) == (200, BODY)
    assert tls.requests[0].target == "/v1?a=1"
    assert "proxy-authorization" not in tls.requests[0].headers
    line, *headers = proxy.heads[0].split("\r\n")
    address = tls.url.removeprefix("https://")
    assert line == f"CONNECT {address} HTTP/1.1"
    assert headers[0] == f"Host: {address}"
    assert headers[1].startswith("User-Agent: sseparse/")
    assert headers[2:] == [f"Proxy-Authorization: {BASIC}"]


def test_redirects_use_the_proxy(client: Client) -> None:
    """A redirect is followed through the same proxy."""
    moved = Replay(b"", status=307, headers={"Location": "/b"}, content_type=None)
    with ReplayServer({"/a": moved, "/b": BODY}) as server, ProxyServer() as proxy:
        assert client.fetch("POST", f"{server.url}/a", proxy=proxy.url).body == BODY
        assert [head.split()[1] for head in proxy.heads] == [f"{server.url}/{x}" for x in "ab"]


REFUSED = b"HTTP/1.1 %d x\r\nProxy-Agent: a\r\nproxy-agent: b\r\nContent-Length: 2\r\n\r\nno"


@pytest.mark.parametrize(
    ("status", "user", "advice"),
    [
        (407, "", "give the user name and password in the proxy's URL"),
        (407, USER, "check the user name and password in the proxy's URL"),
        (403, USER, "check that it allows and reaches this host"),
        (502, "", "check that it allows and reaches this host"),
    ],
)
def test_refused_tunnels(client: Client, status: int, user: str, advice: str) -> None:
    """A refused tunnel raises ProxyError with the proxy's status and headers."""
    with ProxyServer(b"HTTP/1.1 103 x\r\n\r\n" + REFUSED % status) as proxy:
        url = proxy.url.replace("//", f"//{user}")
        with pytest.raises(ProxyError) as raised:
            client.fetch("POST", "https://api.example/", proxy=url)
    error = raised.value
    assert str(error).startswith(
        f"The proxy {proxy.address} refused the connection to api.example:443: HTTP {status}; "
        f"{advice}"
    )
    assert (error.status, error.headers["proxy-agent"]) == (status, "a, b")
    copied = pickle.loads(pickle.dumps(error))
    assert (copied.status, copied.headers) == (error.status, error.headers)


def test_refused_requests(client: Client) -> None:
    """The 407 of a proxy raises ProxyError also without a tunnel."""
    with ProxyServer(REFUSED % 407) as proxy:
        with pytest.raises(ProxyError, match="refused the request: HTTP 407; give") as raised:
            client.fetch("POST", "http://api.example/", proxy=proxy.url)
    assert raised.value.headers["proxy-agent"] == "a, b"


def test_a_407_of_the_server(client: Client, ca: trustme.CA, trusting: ssl.SSLContext) -> None:
    """A 407 without a proxy, or from inside a tunnel, is a response like others."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    with RawServer(REFUSED % 407) as server:
        assert client.fetch("GET", server.url).status == 407
    with RawServer(REFUSED % 407, ssl_context=context) as server, ProxyServer() as proxy:
        options: dict[str, Any] = {"ssl_context": trusting, "proxy": proxy.url}
        assert client.fetch("GET", server.url, **options).status == 407


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (b"", "sent no valid response to CONNECT"),
        (b"HTTP/1.1 200 OK\r\n", "sent no valid response to CONNECT"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "sent no valid response to CONNECT"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 99_999, "sent no valid response to CONNECT"),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "sent data before the server"),
    ],
    ids=["nothing", "cut", "not HTTP", "endless", "more"],
)
def test_bad_proxies(client: Client, response: bytes, message: str) -> None:
    """A proxy that doesn't follow HTTP raises ProxyError without a status."""
    with ProxyServer(response) as proxy:
        with pytest.raises(ProxyError, match=f"proxy {proxy.address} {message}") as raised:
            client.fetch("POST", "https://api.example/", proxy=with_user(proxy))
        assert proxy.gone.wait(30)
    assert (raised.value.status, raised.value.headers) == (None, {})


def test_timeouts(client: Client) -> None:
    """The timeout limits the wait for the proxy, and the error names the proxy."""
    with ProxyServer(b"HTTP/1.1 200", hold=True) as proxy:
        with pytest.raises(StreamTimeout, match=f"connect through the proxy {proxy.address}: "):
            client.fetch("POST", "https://api.example/", proxy=with_user(proxy), timeout=0.1)
        assert proxy.gone.wait(30)


def test_timeouts_inside_tunnels(client: Client) -> None:
    """The timeout limits the handshake of TLS inside the tunnel."""
    with ProxyServer(b"HTTP/1.1 200 OK\r\n\r\n", hold=True) as proxy:
        with pytest.raises(StreamTimeout):
            client.fetch("POST", "https://api.example/", proxy=proxy.url, timeout=0.1)
        assert proxy.gone.wait(30)


def test_unreachable_proxies(client: Client) -> None:
    """A proxy that can't be reached raises TransportError, which names it."""
    with ProxyServer() as proxy:
        url, address = with_user(proxy), proxy.address
    with pytest.raises(TransportError, match=f"connect through the proxy {address}: ") as raised:
        client.fetch("POST", "http://api.example/", proxy=url)
    assert "p@ss" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("socks5://me:s3cret@p:1", "has the scheme 'socks5'; give http://.*SOCKS"),
        ("https://me:s3cret@p:1", "has the scheme 'https'; give http://.* not over TLS"),
        ("me:s3cret@p:1", "has no scheme; give http://host:3128 or"),
        ("s3c@ret://p", "has no scheme; give http://host:3128 or"),
        ("http://me:s3cret@p:x", "proxy: url has an invalid port"),
        ("http://me:s3@cret@p", "proxy: url has an invalid host: .* percent-encode"),
        ("http://me:s3/cret@p", "proxy: url has an invalid port"),
        ("http://me:s3cret@p/proxy.pac", "proxy has a path"),
        ("http://me:s3cret@p\u2028x", "proxy contains a blank, a control character or"),
        ("http://me:s3cret\udc80@p", "proxy contains a blank, a control character or"),
        ("http://me:s3cret@p?", None),
        ("HTTP://me:s3cret@[::1]:8/", None),
    ],
)
def test_urls_of_proxies(url: str, message: str | None) -> None:
    """Only URLs of HTTP proxies are accepted, and no error or repr shows the password."""
    if message is None:
        request = prepare_request("GET", "https://a/", proxy=url)
        assert "cret" not in repr(request)
        assert request.address in {("p", 80), ("::1", 8)}
        return
    with pytest.raises(ValueError, match=message) as raised:
        prepare_request("GET", "https://a/", proxy=url)
    assert "cret" not in str(raised.value)
    with pytest.raises(TypeError, match="proxy is bytes; give str or None"):
        prepare_request("GET", "https://a/", proxy=b"http://p")  # type: ignore[arg-type]


def test_the_callers_credentials(client: Client) -> None:
    """A Proxy-Authorization among the headers of a request to http replaces the proxy's own."""
    with ReplayServer(BODY) as server, ProxyServer() as proxy:
        headers = {"Proxy-Authorization": "Bearer t"}
        client.fetch("GET", f"{server.url}/", headers=headers, proxy=with_user(proxy))
    assert proxy.heads[0].count("Proxy-Authorization") == 1
    assert "Proxy-Authorization: Bearer t" in proxy.heads[0]
