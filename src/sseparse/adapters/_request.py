"""Requests of HTTP/1.1, as the adapters of sockets, trio and anyio send them."""

from __future__ import annotations

import json as jsonlib
import ssl
from collections.abc import Mapping
from typing import Final, TypedDict
from urllib.parse import urljoin, urlsplit

import h11
from attrs import evolve, field, frozen

from .._errors import NotEventStream
from .._response import REDIRECTS
from ._http import (
    DEFAULT_PORTS,
    USER_AGENT,
    Origin,
    authority,
    check_timeout,
    check_visible,
    checked_content,
    checked_headers,
    checked_method,
    origin_of,
)
from ._proxy import Proxy, Tunnel

_NOT_GIVEN: Final = object()  # the default of `json`, whose None is null
_DEFAULT_HEADERS: Final[Mapping[str, str]] = {
    "Accept": "text/event-stream",
    # Nothing here decompresses.
    "Accept-Encoding": "identity",
    "User-Agent": USER_AGENT,
    "Connection": "close",
}


@frozen
class Request:
    """An HTTP/1.1 request, with the headers and the body of its caller."""

    method: str
    url: str
    origin: Origin  # of the URL, and of all redirects that are followed
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes | None = field(repr=False)
    ssl_context: ssl.SSLContext | None
    timeout: float | None
    proxy: Proxy | None
    redirects_left: int = 5

    @property
    def address(self) -> tuple[str, int]:
        """The host and port to connect to."""
        reached = self.proxy or self.origin
        return reached.host, reached.port

    @property
    def via(self) -> str:
        """What the connection goes through, for messages: empty without a proxy."""
        return "" if self.proxy is None else f" through the proxy {self.proxy}"

    def open_tunnel(self) -> Tunnel | None:
        """Return the handshake with the proxy, or None if there is none before the request."""
        if self.proxy is None or self._forwarder is not None:
            return None
        return Tunnel(self.proxy, self.origin)

    def to_bytes(self) -> bytes:
        """Return the request's bytes; raise ValueError if its headers contradict each other."""
        http = h11.Connection(h11.CLIENT)
        parts = urlsplit(self.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if self._forwarder is not None:
            # RFC 9112, 3.2.2 "absolute-form".
            target = f"http://{self._host}{target}"
        try:
            head = h11.Request(method=self.method, target=target, headers=self._all_headers())
        except h11.LocalProtocolError as error:
            raise ValueError(f"the headers don't make a valid request: {error}") from error
        events = (head, h11.Data(data=self.body or b""), h11.EndOfMessage())
        return b"".join(filter(None, map(http.send, events)))

    def tls_context(self) -> ssl.SSLContext | None:
        """Return the TLS settings to connect with, or None for a connection without TLS."""
        if self.origin.scheme == "http":
            return None
        return self.ssl_context or ssl.create_default_context()

    def _all_headers(self) -> list[tuple[str, str]]:
        defaults = {"Host": self._host, **_DEFAULT_HEADERS}
        if self._forwarder is not None:
            defaults.update(self._forwarder.headers)
        if self.body is not None or self.method in ("POST", "PUT", "PATCH"):
            defaults["Content-Length"] = str(len(self.body or b""))
        given = {name.lower() for name, _ in self.headers}
        kept = [header for header in defaults.items() if header[0].lower() not in given]
        return [*kept, *self.headers]

    @property
    def _host(self) -> str:
        scheme, host, port = self.origin
        return authority(host, port).removesuffix(f":{DEFAULT_PORTS[scheme]}")

    @property
    def _forwarder(self) -> Proxy | None:
        """The proxy that reads the request; None without a proxy, and for a tunnel through one."""
        return self.proxy if self.origin.scheme == "http" else None

    def redirected(self, status: int | None, headers: Mapping[str, str]) -> Request | None:
        """
        Return the request that follows a redirect, if any.

        Raises:
            NotEventStream: The redirect leads to another origin.
            ProxyError: The response is the proxy's own: it wants a user name and password.
        """
        if status == 407 and self._forwarder is not None:
            raise self._forwarder.refusal(status, headers)
        if status not in REDIRECTS or "location" not in headers:
            return None
        target = headers["location"]
        try:
            target = urljoin(self.url, target)
            is_same_origin = _check_url(target) == self.origin
        except ValueError:
            is_same_origin = False
        if not is_same_origin:
            raise NotEventStream.from_response(status, {**headers, "location": target})
        # One that would change the method is returned to the caller, and so is the sixth.
        keeps_method = status in (307, 308) or self.method in ("GET", "HEAD")
        if not self.redirects_left or not keeps_method:
            return None
        return evolve(self, url=target, redirects_left=self.redirects_left - 1)


class RequestOptions(TypedDict, total=False):
    """Options of `request()`, described at `sseparse.adapters.sockets.request`."""

    headers: Mapping[str, str] | None
    json: object
    content: bytes | None
    ssl_context: ssl.SSLContext | None
    timeout: float | None
    proxy: str | None


def prepare_request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    json: object = _NOT_GIVEN,
    content: bytes | None = None,
    ssl_context: ssl.SSLContext | None = None,
    timeout: float | None = None,
    proxy: str | None = None,
) -> Request:
    """Check the arguments of `request()` and return the request."""
    check_timeout(timeout)
    method = checked_method(method)
    pairs = checked_headers(headers)
    origin = _check_url(url)
    if json is _NOT_GIVEN:
        body = checked_content(content)
    elif content is not None:
        raise ValueError("json and content are both given; give one of them")
    else:
        text = jsonlib.dumps(json, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        body = text.encode()
        if not any(name.lower() == "content-type" for name, _ in pairs):
            pairs = (("Content-Type", "application/json"), *pairs)
    through = None if proxy is None else Proxy.from_url(proxy)
    return Request(method, url, origin, pairs, body, ssl_context, timeout, through)


def _check_url(url: str) -> Origin:
    origin = origin_of(url)
    check_visible("url", url)
    if "@" in urlsplit(url).netloc:
        raise ValueError("url contains a user name or password; send them in a header")
    return origin
