"""Rules of HTTP that several adapters share."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Container, Iterable, Mapping
from ipaddress import IPv6Address
from typing import Final, NamedTuple

from .._errors import NotEventStream, StreamTimeout, TransportError, refused

USUAL: Final = frozenset({"gzip", "deflate", "br", "zstd"})
"""The codings that clients decode, or refuse by themselves."""


def undecoded(
    status: int | None, headers: Mapping[str, str], decoded: Container[str]
) -> NotEventStream | None:
    """
    Tell of a body that nothing decodes; None where there is no such thing to tell.

    Args:
        status: The response's status.
        headers: Its headers; names are found in lower case.
        decoded: The values of Content-Encoding that are decoded, besides "identity".
    """
    codings = (headers.get("content-encoding") or "").lower().split(",")
    names = [coding.strip() for coding in codings]
    if all(name in ("", "identity") or name in decoded for name in names):
        return None
    return refused(status, headers)


Hop = tuple[str, int, Mapping[str, str]]
"""The method of a request, and the status and the headers of its answer."""


def turned_into_get(hops: Iterable[Hop], method: str) -> NotEventStream | None:
    """
    Tell of a POST that became a GET on the way, as clients do where they are not told otherwise.

    Args:
        hops: The redirects that were followed, the first one first.
        method: The method of the request that the response answers.
    """
    for asked, status, headers in hops:
        if asked != method:
            return refused(status, headers)
    return None


SHORTEST_WAIT: Final = 0.001
"""In seconds. A timeout of 0 would make the socket one that never waits, and fails instead."""

LONGEST_WAIT: Final = 2_000_000.0
"""In seconds. poll() takes milliseconds as an int of C; a longer time would come out short."""


def shorter(own: float | None, seconds: float | None) -> float | None:
    """Return the shorter of a socket's own timeout and a bound, as a timeout it can have."""
    if seconds is None:
        return own
    seconds = min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT)
    return seconds if own is None else min(own, seconds)


_LIBRARIES = ("httpx", "httpx2")


def failures() -> tuple[type[Exception], ...]:
    """Find the root of the exceptions of each of the libraries that is loaded."""
    modules = (sys.modules.get(name) for name in _LIBRARIES)
    return tuple(module.RequestError for module in modules if module is not None)


def translated(error: Exception) -> TransportError:
    """Tell of a library's exception, which the caller makes the cause."""
    message = f"{type(error).__module__.partition('.')[0]} failed: {type(error).__name__}: {error}"
    if any(kind.__name__ == "TimeoutException" for kind in type(error).__mro__):
        return StreamTimeout(message, clock="transport")
    return TransportError(message)


REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
"""The statuses that redirect. Source: Fetch, 2.2.6 "redirect status"."""

# RFC 9110, 5.6.2: a method, or the name of a header.
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}
_URL: Final = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]+)", re.IGNORECASE)
# A backslash is a slash to browsers, so that they see another host behind it.
_AUTHORITY: Final = re.compile(r"(?:[^@\\]*@)?(?P<host>\[[^\[\]]*\]|[^:]*)(?::(?P<port>.*))?")
# RFC 3986, 3.2.2: unreserved characters and sub-delims. Names outside ASCII are left to IDNA.
_HOST: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=\-\x80-\U0010ffff]+")
_LONGEST_HOST: Final = 253  # RFC 1035, 2.3.4, without the root's dot
_IPV4: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.IGNORECASE)
# The length of the body is known; one that the caller counted could only be wrong.
_DECIDED_BY_BODY: Final = ("content-length", "transfer-encoding")
# RFC 9110, 5.5: visible characters, with blanks between them.
_VALUE: Final = re.compile(r"(?:[!-~](?:[ \t!-~]*[!-~])?)?")


class Origin(NamedTuple):
    """The scheme, host and port of a URL: host in lower case and without brackets."""

    scheme: str
    host: str
    port: int


def origin_of(url: str) -> Origin:
    """
    Return the origin of an absolute URL.

    Raises:
        TypeError: It isn't text.
        ValueError: It isn't a URL of http or https, or its host or port isn't valid.

    Source: RFC 3986, 3.2; WHATWG URL, 3.5 "Host parsing".
    """
    if not isinstance(url, str):
        raise TypeError(f"url is {type(url).__name__}; give str")
    match = _URL.match(url)
    parts = _AUTHORITY.fullmatch(match["authority"]) if match is not None else None
    if match is None or parts is None or not parts["host"]:
        raise ValueError(
            "url does not begin with http:// or https:// and a host; give an absolute URL such as "
            "https://api.example.com/v1"
        )
    scheme, host = match["scheme"].lower(), parts["host"].lower()
    if host.startswith("["):
        host = host[1:-1]
        _check_ipv6(host)
    else:
        _check_host(host)
    return Origin(scheme, host, _port(parts["port"]) if parts["port"] else _PORTS[scheme])


def _check_ipv6(host: str) -> None:
    try:
        # A zone, after "%", isn't part of a URL's host (WHATWG URL, 3.5).
        IPv6Address(host.replace("%", " "))
    except ValueError as error:
        raise ValueError("url has an invalid host: its brackets hold no IPv6 address") from error


def _check_host(host: str) -> None:
    if not _HOST.fullmatch(host):
        # Not shown: it can be a part of a password that holds an "@" or a "/".
        raise ValueError(
            "url has an invalid host: it holds a character that no host has; percent-encode "
            "'@' and '/' in a user name or password"
        )
    if len(host) > _LONGEST_HOST:
        raise ValueError(f"url has an invalid host: it has more than {_LONGEST_HOST} characters")
    if not host.isascii():
        return
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise ValueError("url has an invalid host, of which a part is empty or too long") from error
    if _IPV4.fullmatch(host):
        try:
            socket.inet_aton(host)
        except OSError as error:
            raise ValueError("url has an invalid host: it isn't an IPv4 address") from error


def _port(port: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) <= 65535:
        raise ValueError("url has an invalid port; give a number from 1 to 65535")
    return int(port)


def is_default_port(origin: Origin) -> bool:
    """Return whether the port of an origin is the one that its scheme implies."""
    return origin.port == _PORTS[origin.scheme]


def checked_method(method: str) -> str:
    """
    Return a method in capitals.

    Raises:
        TypeError: It isn't text.
        ValueError: It can't be sent, or makes a tunnel and no response.
    """
    if not isinstance(method, str):
        raise TypeError(f"method is {type(method).__name__}; give str")
    if not _TOKEN.fullmatch(method) or method.upper() == "CONNECT":
        raise ValueError(f"method is {method!r}; give one of HTTP's, such as POST")
    return method.upper()


def checked_content(content: bytes | None) -> bytes | None:
    """
    Return the body of a request as bytes.

    Raises:
        TypeError: It isn't bytes, and not None for no body.
    """
    if content is not None and not isinstance(content, bytes | bytearray | memoryview):
        raise TypeError(f"content is {type(content).__name__}; give bytes")
    return None if content is None else bytes(content)


def check_timeout(timeout: float | None, name: str = "timeout") -> None:
    """Raise ValueError for a timeout that no wait can have."""
    is_number = isinstance(timeout, int | float)
    if timeout is not None and not (is_number and 0 < timeout <= LONGEST_WAIT):
        raise ValueError(
            f"{name} is {timeout!r}; give seconds above 0, at most {LONGEST_WAIT:.0f}, or None "
            "for no limit"
        )


def checked_headers(headers: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """
    Return a caller's headers as pairs of name and value.

    Raises:
        ValueError: A name or a value can't be sent.
        TypeError: They aren't a mapping, or one isn't text.
    """
    if not isinstance(headers, Mapping | None):
        raise TypeError(f"headers is {type(headers).__name__}; give a mapping of names to values")
    pairs = tuple((headers or {}).items())
    for name, value in pairs:
        _check_header(name, value)
    return pairs


def _check_header(name: object, value: object) -> None:
    # No value is shown: a key with a line break behind it is how this happens.
    if not isinstance(name, str):
        raise TypeError(f"headers holds a name of type {type(name).__name__}; give str")
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"headers holds {name!r}, which is no name of a header")
    if name.lower() in _DECIDED_BY_BODY:
        raise ValueError(f"headers holds {name}; leave it out, because the body decides that")
    if not isinstance(value, str):
        advice = "decode() it" if isinstance(value, bytes) else "give str"
        raise TypeError(f"header {name} has a value of type {type(value).__name__}; {advice}")
    if not _VALUE.fullmatch(value):
        raise ValueError(
            f"header {name} has a value with a line break, another control character, a blank "
            "at an end, or one outside ASCII"
        )
