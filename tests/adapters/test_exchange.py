"""Requests as bytes, and the redirects that are followed."""

import re
from typing import Any

import pytest

from sseparse import NotEventStream, __version__
from sseparse.adapters._http import check_timeout
from sseparse.adapters._request import Request, prepare_request

URL = "https://api.example:8443/v1/chat?a=1#part"


def make(method: str = "POST", url: str = URL, **options: Any) -> Request:
    return prepare_request(method, url, **options)


def wire(request: Request) -> tuple[str, list[str], bytes]:
    """Return the request line, the headers and the body of a request."""
    head, _, body = request.to_bytes().partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    return line, headers, body


def test_what_is_sent() -> None:
    """JSON is sent by POST with headers that request an uncompressed event stream."""
    line, headers, body = wire(make(json={"text": "é", "stream": True}))

    assert line == "POST /v1/chat?a=1 HTTP/1.1"
    assert headers == [
        "Host: api.example:8443",
        "Accept: text/event-stream",
        "Accept-Encoding: identity",
        f"User-Agent: sseparse/{__version__}",
        "Connection: close",
        "Content-Length: 27",
        "Content-Type: application/json",
    ]
    assert body == '{"text":"é","stream":true}'.encode()


def test_the_callers_headers_go_first() -> None:
    """The caller's headers, in any case, replace the default headers."""
    given = {
        "accept": "application/json",
        "ACCEPT-ENCODING": "gzip",
        "user-agent": "me",
        "connection": "keep-alive",
        "content-type": "application/x",
        "host": "other",
        "X-A": "",
    }
    _, headers, _ = wire(make(headers=given, json=None))

    expected = ["Content-Length: 4", *(f"{name}: {value}" for name, value in given.items())]
    assert sorted(headers) == sorted(expected)


@pytest.mark.parametrize(
    ("method", "options", "length", "body"),
    [
        ("GET", {}, None, b""),
        ("POST", {}, "0", b""),
        ("POST", {"json": None}, "4", b"null"),
        ("PUT", {"content": b"raw"}, "3", b"raw"),
        ("DELETE", {"content": bytearray(b"raw")}, "3", b"raw"),
        ("GET", {"content": b""}, "0", b""),
    ],
)
def test_bodies(method: str, options: dict[str, Any], length: str | None, body: bytes) -> None:
    """The body is JSON (also null), bytes or nothing, and methods with a body send its length."""
    _, headers, sent = wire(make(method, **options))

    lengths = [header for header in headers if header.startswith("Content-Length")]
    assert lengths == ([] if length is None else [f"Content-Length: {length}"])
    assert sent == body


@pytest.mark.parametrize(
    ("url", "place", "host", "target"),
    [
        ("http://a", ("http", "a", 80), "a", "/"),
        ("HTTPS://A.b/x", ("https", "a.b", 443), "a.b", "/x"),
        ("http://a:80?q", ("http", "a", 80), "a", "/?q"),
        ("http://a:443/", ("http", "a", 443), "a:443", "/"),
        ("http://[::1]/", ("http", "::1", 80), "[::1]", "/"),
        ("https://[::1]:8000/", ("https", "::1", 8000), "[::1]:8000", "/"),
        ("http://127.0.0.1:8/%C3%A9?a=b%20c#d", ("http", "127.0.0.1", 8), None, None),
    ],
)
def test_urls(url: str, place: tuple[str, str, int], host: str | None, target: str | None) -> None:
    """The URL determines origin, target and Host, without the default port."""
    request = make("get", url)
    line, headers, _ = wire(request)

    assert request.origin == place
    assert line == f"GET {target or '/%C3%A9?a=b%20c'} HTTP/1.1"
    assert headers[0] == f"Host: {host or '127.0.0.1:8'}"


BAD_HOSTS = [
    *("[::1]evil.com", "[::1", "[::1]]", "[::g]", "[1.2.3.4]", "[]", "[::1%]evil.com]"),
    *("a%20b", "a%2Fb", "a|b", "a^b", "a<b>", "a\\.b", "a..b", ".", ".a", "a" * 64),
    *("256.256.256.256", "1.2.3.4.5", "a.1", "0xg.1"),
]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "ftp://a/"}, "http:// or https://"),
        ({"url": "/path"}, "http:// or https://"),
        ({"url": "http:///path"}, "http:// or https://"),
        ({"url": "http://::1/"}, "http:// or https://"),
        ({"url": "http://:80/"}, "http:// or https://"),
        ({"url": "http://user:password@a/"}, "user name"),
        ({"url": "http://a..b/"}, "part is empty or too long"),
        ({"url": f"http://{'a' * 64}.b/"}, "part is empty or too long"),
        ({"url": "http://a/\r\nX: y"}, "control character"),
        ({"url": "http://a/b c"}, "blank"),
        ({"url": "http://a/é"}, "ASCII"),
        ({"url": ""}, "http:// or https://"),
        ({"url": "http://a:0/"}, "from 1 to 65535"),
        ({"url": "http://a:99999/"}, "[Pp]ort"),
        *[({"url": f"http://{authority}/"}, "invalid host") for authority in BAD_HOSTS],
        *[
            ({"url": f"http://a:{port}/"}, "invalid port")
            for port in ("-1", "+8", "x", "1_0", "8" * 9)
        ],
        ({"method": "GET /x HTTP/1.1\r\n"}, "method"),
        ({"method": ""}, "method"),
        ({"method": "connect"}, "method"),
        ({"headers": {"X-A\r\nX-B": "1"}}, "isn't the name of a header"),
        ({"headers": {"": "1"}}, "isn't the name of a header"),
        ({"headers": {"X-A": "1\r\nX-B: 2"}}, "X-A has a value"),
        ({"headers": {"X-A": "1\x00"}}, "X-A has a value"),
        ({"headers": {"X-A": " 1"}}, "X-A has a value"),
        ({"headers": {"X-A": "é"}}, "X-A has a value"),
        ({"headers": {"Content-Length": "1"}}, "the body determines"),
        ({"headers": {"transfer-encoding": "chunked"}}, "the body determines"),
        ({"json": {}, "content": b""}, "both given"),
        ({"json": float("nan")}, "JSON compliant"),
    ],
)
def test_what_cannot_be_sent(options: dict[str, Any], message: str) -> None:
    """Invalid arguments raise ValueError, so that no header or line can be injected."""
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_headers_that_contradict() -> None:
    """Headers that contradict each other raise ValueError when the request is encoded."""
    with pytest.raises(ValueError, match="don't make a valid request"):
        make(headers={"Host": "a", "host": "b"}).to_bytes()


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"X-Key": b"secret"}, "X-Key has a value of type bytes; decode"),
        ({"X-Key": 5}, "X-Key has a value of type int; give str"),
        ({"X-Key": None}, "X-Key has a value of type NoneType; give str"),
        ({b"X-Key": "secret"}, "a name of type bytes; give str"),
    ],
)
def test_headers_of_wrong_types(headers: Any, message: str) -> None:
    """Headers that aren't str raise TypeError without their value."""
    with pytest.raises(TypeError, match=message) as raised:
        make(headers=headers)
    assert "secret" not in str(raised.value)


def test_wrong_types() -> None:
    """Content that isn't bytes, and JSON that can't be encoded, raise TypeError."""
    with pytest.raises(TypeError, match="content is str; give bytes"):
        make(content="text")
    with pytest.raises(TypeError, match="JSON"):
        make(json={1})


def test_secrets_are_not_shown() -> None:
    """Headers and bodies are shown neither in errors nor in the repr of a request."""
    with pytest.raises(ValueError) as raised:
        make(headers={"Authorization": "Bearer sk-secret\n"})
    assert "sk-secret" not in str(raised.value)
    request = make(headers={"Authorization": "Bearer sk-secret"}, json="sk-secret")
    assert "sk-secret" not in repr(request)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 1e300])
def test_timeouts(timeout: float) -> None:
    """A timeout is above 0, or None."""
    check_timeout(None)
    check_timeout(0.1)
    with pytest.raises(ValueError, match="give seconds above 0"):
        check_timeout(timeout)


# Redirects.

KEY = {"Authorization": "Bearer k"}
HERE = "https://api.example/v1/a"


@pytest.mark.parametrize(
    ("method", "status", "start", "headers", "location", "leads_to"),
    [
        # Statuses and methods.
        *[("GET", status, HERE, {}, "b", "/v1/b") for status in (301, 302, 303, 307, 308)],
        *[("HEAD", status, HERE, {}, "b", "/v1/b") for status in (301, 302, 303, 307, 308)],
        *[("POST", status, HERE, {}, "b", "/v1/b") for status in (307, 308)],
        *[("POST", status, HERE, {}, "b", None) for status in (301, 302, 303)],
        *[("GET", status, HERE, {}, "b", None) for status in (200, 300, 304, 305, 404, None)],
        # Locations.
        ("GET", 302, HERE, {}, None, None),
        ("POST", 307, HERE, KEY, "/b?c=d", "/b?c=d"),
        ("POST", 307, HERE, KEY, "https://API.example:443/b#c", "/b"),
        ("POST", 307, HERE, KEY, "//api.example/b", "/b"),
        # Another origin, or an invalid URL.
        ("GET", 302, HERE, {}, "ftp://api.example/b", "ftp://api.example/b"),
        ("GET", 302, HERE, {}, "javascript:1", "javascript:1"),
        ("GET", 302, HERE, {}, "https://user:secret@api.example/b", "https://api.example/b"),
        ("GET", 302, HERE, {}, "https://api.example:x/b", "https://api.example:x/b"),
        ("GET", 302, HERE, {}, "https://[/b", "https://[/b"),
        ("GET", 302, HERE, {}, "https://[::1]api.example/b", "https://[::1]api.example/b"),
        ("GET", 302, HERE, {}, "/b\xe9", "https://api.example/b\xe9"),
        *[
            ("GET", status, HERE, KEY, "//other.example/b?secret#c", "https://other.example/b")
            for status in (301, 302, 303, 307, 308)
        ],
        *[
            ("POST", status, HERE, {}, f"{other}/b?secret", f"{other}/b")
            for status in (301, 302, 303, 307, 308)
            for other in (
                *("https://other.example", "https://api.example:444", "http://api.example"),
                *("http://api.example:443", "https://sub.api.example", "https://api.example."),
            )
        ],
        ("GET", 302, "http://api.example/", {}, "https://api.example/b", "https://api.example/b"),
    ],
)
def test_redirects(  # noqa: PLR0917 - the columns of the table
    method: str,
    status: int | None,
    start: str,
    headers: dict[str, str],
    location: str | None,
    leads_to: str | None,
) -> None:
    """Redirects keep the method and the origin; one to another origin raises NotEventStream."""
    request = make(method, start, headers=headers, content=b"body")
    response_headers = {} if location is None else {"location": location}

    if leads_to is not None and ":" in leads_to:
        with pytest.raises(NotEventStream, match=re.escape(f"a redirect to {leads_to};")) as raised:
            request.redirected(status, response_headers)
        assert raised.value.status == status
        assert "secret" not in str(raised.value)
        return
    following = request.redirected(status, response_headers)

    if leads_to is None:
        assert following is None
    else:
        assert following is not None
        line, sent, body = wire(following)
        assert (line, body) == (f"{method} {leads_to} HTTP/1.1", b"body")
        assert set(sent) >= {f"{name}: {value}" for name, value in headers.items()}


def test_at_most_five_redirects() -> None:
    """The sixth redirect isn't followed."""
    request: Request | None = make("GET", HERE)
    for _ in range(5):
        assert request is not None
        request = request.redirected(302, {"location": "/again"})
    assert request is not None
    assert request.redirected(302, {"location": "/again"}) is None


def test_the_host_of_a_redirect() -> None:
    """A Host of the caller's own is sent again within its origin."""
    request = make("GET", HERE, headers={"Host": "front", "X-A": "1"})

    same = request.redirected(302, {"location": "/b"})

    assert same is not None
    assert "Host: front" in wire(same)[1]
    assert same.redirects_left == 4
