"""Rules of HTTP that the adapters share: headers, URLs, redirects, encodings and timeouts."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from ipaddress import IPv6Address
from time import monotonic
from typing import Any, Final, NamedTuple, TypeGuard

from .. import __version__
from .._errors import NotEventStream
from .._response import TEXT_SAMPLE, content_codings, is_text, join_pairs, lower_case

# The content codings that clients decode, or reject themselves.
USUAL_CODINGS: Final = frozenset({"gzip", "deflate", "br", "zstd"})
# In seconds. A timeout of 0 would make the socket non-blocking, and poll() takes milliseconds as a
# C int, which a longer time would overflow.
SHORTEST_WAIT: Final = 0.001
LONGEST_WAIT: Final = 2_000_000.0
READ_SIZE: Final = 65536  # the most bytes that one read returns
USER_AGENT: Final = f"sseparse/{__version__}"

# RFC 9110, 5.6.2: a method, or the name of a header.
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 9110, 5.5: visible characters, with blanks between them.
_VALUE: Final = re.compile(r"(?:[!-~](?:[ \t!-~]*[!-~])?)?")

DEFAULT_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}
_URL: Final = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]+)", re.IGNORECASE)
# Browsers read a backslash as a slash, which would give them another host.
_AUTHORITY: Final = re.compile(r"(?:[^@\\]*@)?(?P<host>\[[^\[\]]*\]|[^:]*)(?::(?P<port>.*))?")
# RFC 3986, 3.2.2: unreserved characters and sub-delims. Names outside ASCII are left to IDNA.
_HOST: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=\-\x80-\U0010ffff]+")
_IPV4: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.IGNORECASE)


class BodyCheck:
    """
    Check that a response can be read: its redirects, and the first bytes of an encoded body.

    A body with a Content-Encoding that the client doesn't decode is read if it begins with text.
    Servers send names of no compression, such as "none", "UTF-8" or "binary", and proxies that
    decompress a body forget to remove the header.

    Args:
        status: The status of the response.
        headers: Its headers.
        codings: The names that the client decodes; None if unknown.
        hops: Redirects: the method of the request, the status and headers of the response.
        method: The method of the last request.

    Attributes:
        status, headers: Those of the response.
        error: Why the response, or the rest of it, can't be read; or None.
        passed: Whether each further piece can be returned as it is.
    """

    def __init__(
        self,
        status: int | None,
        headers: Mapping[str, str],
        codings: Container[str] | None,
        hops: Iterable[tuple[str, int, object]] = (),
        method: str = "",
    ) -> None:
        self.status = status
        self.headers = headers
        self._headers = lower_case(headers)
        self._start = b""
        # By default, clients turn a POST into a GET at most redirects.
        changed = (hop[1:] for hop in hops if hop[0] != method)
        self.error = next((NotEventStream.from_response(*hop) for hop in changed), None)
        if status == 101:
            # RFC 9110, 15.2.2: from now on, the connection carries another protocol.
            self.error = self.error or NotEventStream.from_response(status, headers)
        names = content_codings(self._headers)
        self.passed = codings is None or all(name in codings for name in names)

    def release(self, piece: bytes) -> bytes:
        """
        Return a piece up to the first byte that isn't text, at which `error` is set.

        Raises:
            NotEventStream: The piece begins with that byte.
        """
        known = len(self._start)
        start = self._start + piece[: TEXT_SAMPLE - known]
        for size in range(known + 1, len(start) + 1):
            if not is_text(start[:size]):
                # No more than this, so that the error doesn't depend on how the body is cut.
                self.error = NotEventStream.from_response(self.status, self._headers, start[:size])
                if size == known + 1:
                    raise self.error
                return piece[: size - known - 1]
        self._start = start
        self.passed = len(start) == TEXT_SAMPLE
        return piece


def check_redirected(response: Any, codings: Container[str] | None) -> BodyCheck:
    """Check a response of httpx, httpx2 or requests, and the redirects that led to it."""
    hops = [(each.request.method, each.status_code, each.headers) for each in response.history]
    # A response made by hand has no request, and no history.
    method = response.request.method if hops else ""
    return BodyCheck(response.status_code, response.headers, codings, hops, method)


def loaded_exceptions(*names: tuple[str, str]) -> tuple[type[Exception], ...]:
    """Return exceptions by module and name, without those of modules that aren't loaded."""
    found = ((sys.modules.get(module), name) for module, name in names)
    return tuple(getattr(module, name) for module, name in found if module is not None)


def shortest_timeout(own: float | None, until: float | None) -> float | None:
    """Return a socket's own timeout or the time until a deadline, within what sockets support."""
    if until is None:
        return own
    bound = min(max(until - monotonic(), SHORTEST_WAIT), LONGEST_WAIT)
    return bound if own is None else min(own, bound)


def shut_down(sock: socket.socket) -> None:
    """Shut a socket down, which ends a read that waits in another thread."""
    # An SSLSocket's own shutdown() would remove the TLS state that the reader is using. gevent has
    # classes of its own.
    plain: Any = next(kind for kind in type(sock).__mro__ if kind.__name__ == "socket")
    with suppress(OSError):  # closed already
        plain.shutdown(sock, socket.SHUT_RDWR)


def is_socket(found: object) -> TypeGuard[socket.socket]:
    """Return whether an object is a socket, of Python or of gevent."""
    return any(
        kind.__name__ == "socket" and kind.__module__.partition(".")[0] in ("socket", "gevent")
        for kind in type(found).__mro__
    )


def join_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return raw headers by lower-case name, with the values of a repeated one joined."""
    return join_pairs((name.decode("ascii"), value.decode("latin-1")) for name, value in raw)


class Origin(NamedTuple):
    """The scheme, host and port of a URL: host in lower case and without brackets."""

    scheme: str
    host: str
    port: int


def authority(host: str, port: int) -> str:
    """Write a host and a port as a URL has them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def origin_of(url: str) -> Origin:
    """
    Return the origin of an absolute URL; raise TypeError or ValueError if it has none.

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
        try:
            # A zone, after "%", isn't part of a URL's host (WHATWG URL, 3.5).
            IPv6Address(host.replace("%", " "))
        except ValueError as error:
            raise ValueError("url has an invalid host: no IPv6 address in its brackets") from error
    else:
        _check_host(host)
    port = parts["port"] or str(DEFAULT_PORTS[scheme])
    if not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) <= 65535:
        raise ValueError("url has an invalid port; give a number from 1 to 65535")
    return Origin(scheme, host, int(port))


def check_visible(name: str, url: str) -> None:
    """Raise ValueError if a URL has a character that it can have only in quoted form."""
    if not re.fullmatch("[!-~]+", url):
        raise ValueError(
            f"{name} contains a blank, a control character or one outside ASCII; quote it"
        )


def _check_host(host: str) -> None:
    if not _HOST.fullmatch(host):
        # Not shown: it can be a part of a password that contains an "@" or a "/".
        raise ValueError(
            "url has an invalid host: it has a character that hosts can't have; percent-encode "
            "'@' and '/' in a user name or password"
        )
    if len(host) > 253:  # RFC 1035, 2.3.4, without the root's dot
        raise ValueError("url has an invalid host: it has more than 253 characters")
    try:
        if host.isascii():
            host.encode("idna")
            if _IPV4.fullmatch(host):
                socket.inet_aton(host)
    except UnicodeError as error:
        raise ValueError("url has an invalid host, of which a part is empty or too long") from error
    except OSError as error:
        raise ValueError("url has an invalid host: it isn't an IPv4 address") from error


def checked_method(method: str) -> str:
    """Return a method in capitals; raise TypeError or ValueError if it can't be sent."""
    if not isinstance(method, str):
        raise TypeError(f"method is {type(method).__name__}; give str")
    # The response to CONNECT is a tunnel.
    if not _TOKEN.fullmatch(method) or method.upper() == "CONNECT":
        raise ValueError(f"method is {method!r}; give an HTTP method such as POST")
    return method.upper()


def checked_content(content: bytes | None) -> bytes | None:
    """Return the body of a request as bytes; raise TypeError if it is neither bytes nor None."""
    if content is not None and not isinstance(content, bytes | bytearray | memoryview):
        raise TypeError(f"content is {type(content).__name__}; give bytes")
    return None if content is None else bytes(content)


def check_timeout(timeout: float | None, name: str = "timeout") -> None:
    """Raise ValueError for a timeout that sockets don't support."""
    is_number = isinstance(timeout, int | float)
    if timeout is not None and not (is_number and 0 < timeout <= LONGEST_WAIT):
        raise ValueError(
            f"{name} is {timeout!r}; give seconds above 0, at most {LONGEST_WAIT:.0f}, or None "
            "for no limit"
        )


def checked_headers(headers: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Return headers as pairs; raise TypeError or ValueError if one can't be sent."""
    if not isinstance(headers, Mapping | None):
        raise TypeError(f"headers is {type(headers).__name__}; give a mapping of names to values")
    pairs = tuple((headers or {}).items())
    for name, value in pairs:
        # The value isn't shown: most often it's a key with a line break at its end.
        if not isinstance(name, str):
            raise TypeError(f"headers contains a name of type {type(name).__name__}; give str")
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"headers contains {name!r}, which isn't the name of a header")
        # The length of the body is known; a caller's could only be wrong.
        if name.lower() in ("content-length", "transfer-encoding"):
            raise ValueError(f"headers contains {name}; leave it out: the body determines it")
        if not isinstance(value, str):
            advice = "decode() it" if isinstance(value, bytes) else "give str"
            raise TypeError(f"header {name} has a value of type {type(value).__name__}; {advice}")
        if not _VALUE.fullmatch(value):
            raise ValueError(
                f"header {name} has a value with a line break, another control character, a blank "
                "at its start or end, or a character outside ASCII; remove it"
            )
    return pairs
