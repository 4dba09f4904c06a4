"""Proxies of HTTP: their URLs, and the tunnels that they open to a server."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

import h11
from attrs import field, frozen

from .._errors import ProxyError
from ._http import USER_AGENT, Origin, authority, check_visible, join_headers, origin_of

_SHAPE: Final = "http://host:3128 or http://user:password@host:3128"


@frozen
class Proxy:
    """A proxy that is reached over HTTP. Its user name and password are never shown."""

    host: str
    port: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)

    @classmethod
    def from_url(cls, url: str) -> Proxy:
        """Make a proxy from its URL; raise TypeError or ValueError if that is invalid."""
        if not isinstance(url, str):
            raise TypeError(f"proxy is {type(url).__name__}; give str or None")
        scheme, separator, rest = url.partition("://")
        if scheme.lower() != "http" or not separator:
            # Anything else than a name can be a part of a password.
            found = f"the scheme {scheme!r}" if separator and scheme.isalnum() else "no scheme"
            raise ValueError(
                f"proxy has {found}; give {_SHAPE}: only HTTP proxies are supported, not SOCKS, "
                "and not over TLS"
            )
        user, at, _ = rest.rpartition("@")
        try:
            origin = origin_of(url)
        except ValueError as error:
            raise ValueError(f"proxy: {error}") from error
        check_visible("proxy", url)
        parts = urlsplit(url)
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError(f"proxy has a path; give only {_SHAPE}")
        return cls(origin.host, origin.port, (_authorization(user),) if at else ())

    def __str__(self) -> str:
        return authority(self.host, self.port)

    def refusal(
        self, status: int, headers: Mapping[str, str], target: str | None = None
    ) -> ProxyError:
        """Return the error for a response of the proxy itself."""
        what = "the request" if target is None else f"the connection to {target}"
        advice = "check that it allows and reaches this host, or connect without it"
        if status == 407:
            verb = "check" if self.headers else "give"
            advice = f"{verb} the user name and password in the proxy's URL, {_SHAPE}"
        message = f"The proxy {self} refused {what}: HTTP {status}; {advice}."
        return ProxyError(message, status=status, headers=headers)


def _authorization(user: str) -> tuple[str, str]:
    name, _, password = user.partition(":")
    # RFC 7617, 2: "Basic", with the names and passwords of UTF-8 that servers expect today.
    token = b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
    return "Proxy-Authorization", f"Basic {token}"


class Tunnel:
    """
    CONNECT request to a proxy, and its response.

    Source: RFC 9110, 9.3.6.

    Attributes:
        request: The bytes to send.
        is_open: Whether further bytes of the connection are those of the server.
    """

    def __init__(self, proxy: Proxy, origin: Origin) -> None:
        self._proxy = proxy
        self._target = authority(origin.host, origin.port)
        self._http = h11.Connection(h11.CLIENT)
        headers = [("Host", self._target), ("User-Agent", USER_AGENT), *proxy.headers]
        head = h11.Request(method="CONNECT", target=self._target, headers=headers)
        events = (head, h11.EndOfMessage())
        self.request: bytes = b"".join(filter(None, map(self._http.send, events)))
        self.is_open: bool = False

    def feed(self, data: bytes) -> None:
        """Process bytes from the proxy, b"" for the end of them; raise ProxyError if it refuses."""
        try:
            self._http.receive_data(data)
            while not self.is_open and (event := self._http.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Response):
                    self._process(event)
        except h11.RemoteProtocolError as error:
            raise ProxyError(
                f"The proxy {self._proxy} sent no valid response to CONNECT; check that its URL is "
                "that of an HTTP proxy."
            ) from error
        if self._http.trailing_data[0] and self.is_open:
            # The client speaks first in TLS.
            raise ProxyError(
                f"The proxy {self._proxy} sent data before the server could: it can't be trusted."
            )

    def _process(self, response: h11.Response) -> None:
        if response.status_code >= 300:
            headers = join_headers(response.headers)
            raise self._proxy.refusal(response.status_code, headers, self._target)
        self.is_open = True
