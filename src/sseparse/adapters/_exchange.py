"""The client's half of an HTTP/1.1 exchange: requests, and where redirects lead. No I/O."""

from __future__ import annotations

import json as jsonlib
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urljoin, urlsplit

from attrs import evolve, field, frozen

from .. import __version__
from ..streams._faults import refused
from ._http1 import h11
from ._request_checks import (
    REDIRECTS,
    Origin,
    checked_content,
    checked_headers,
    checked_method,
    is_default_port,
    origin_of,
)


class _NotGiven:
    def __repr__(self) -> str:
        return "<not given>"


NOT_GIVEN: Final = _NotGiven()
"""Stands for JSON that was not given; None would be null."""

_MOST_REDIRECTS = 5
_DEFAULTS: Final[Mapping[str, str]] = {
    "Accept": "text/event-stream",
    # Nothing here decompresses.
    "Accept-Encoding": "identity",
    "User-Agent": f"sseparse/{__version__}",
    "Connection": "close",
}
_URL = re.compile(r"[!-~]+")


@frozen
class Request:
    """
    Hold a request.

    Attributes:
        method: The method, in capitals.
        url: The URL as it was given.
        origin: Where the request goes, and no redirect leads away from.
        headers: The caller's headers, and the Content-Type that goes with JSON.
        body: The body; None for none.
        redirects_left: How many redirects may still be followed.
    """

    method: str
    url: str
    origin: Origin
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes | None = field(repr=False)
    redirects_left: int = _MOST_REDIRECTS

    def to_bytes(self) -> bytes:
        """
        Return the request as it goes onto the wire.

        Raises:
            ValueError: The headers contradict each other.
        """
        http = h11.Connection(h11.CLIENT)
        body = self.body or b""
        try:
            head = h11.Request(
                method=self.method, target=self._target(), headers=self._all_headers()
            )
        except h11.LocalProtocolError as error:
            raise ValueError(f"the headers make no request: {error}") from error
        sent = [http.send(head), http.send(h11.Data(data=body)), http.send(h11.EndOfMessage())]
        return b"".join(part for part in sent if part)

    def _target(self) -> str:
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def _all_headers(self) -> list[tuple[str, str]]:
        named = {name.lower() for name, _ in self.headers}
        headers = [("Host", self._host_and_port()), *_DEFAULTS.items()]
        if self.body is not None or self.method in ("POST", "PUT", "PATCH"):
            headers.append(("Content-Length", str(len(self.body or b""))))
        return [
            *(header for header in headers if header[0].lower() not in named),
            *self.headers,
        ]

    def _host_and_port(self) -> str:
        host = f"[{self.origin.host}]" if ":" in self.origin.host else self.origin.host
        return host if is_default_port(self.origin) else f"{host}:{self.origin.port}"

    def redirected(self, status: int | None, headers: Mapping[str, str]) -> Request | None:
        """
        Follow a redirect within the request's origin.

        Args:
            status: The response's status.
            headers: Its headers, by lower-case name.

        Returns:
            The request to make next; None if the response isn't a redirect, or is one that would
            change the request's method, or the sixth.

        Raises:
            NotEventStream: The redirect leads to another origin, or to no valid URL.
        """
        if status not in REDIRECTS or "location" not in headers:
            return None
        target = headers["location"]
        try:
            target = urljoin(self.url, target)
            stays = _origin(target) == self.origin
        except ValueError:
            stays = False
        if not stays:
            raise refused(status, {**headers, "location": target})
        if not self.redirects_left or not self._keeps_method(status):
            return None
        return evolve(self, url=target, redirects_left=self.redirects_left - 1)

    def _keeps_method(self, status: int | None) -> bool:
        return status in (307, 308) or self.method in ("GET", "HEAD")


def prepare(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None,
    json: object,
    content: bytes | None,
) -> Request:
    """
    Make a request of what a caller gave.

    Args:
        method: The method, in any case.
        url: An absolute URL of http or https.
        headers: Headers, which go before those that are sent anyway.
        json: What to send as JSON, or `NOT_GIVEN`.
        content: What to send as it is.

    Raises:
        ValueError: The method, the URL or a header is none that can be sent; or JSON and content
            are both given.
        TypeError: The content is not bytes, or JSON has no such type.
    """
    method = checked_method(method)
    given = checked_headers(headers)
    origin = _origin(url)
    body = _body(json, content)
    if json is not NOT_GIVEN and not any(name.lower() == "content-type" for name, _ in given):
        given = (("Content-Type", "application/json"), *given)
    return Request(method, url, origin, given, body)


def _origin(url: str) -> Origin:
    origin = origin_of(url)
    if not _URL.fullmatch(url):
        raise ValueError("url holds a blank, a control character or one outside ASCII; quote it")
    if "@" in urlsplit(url).netloc:
        raise ValueError("url holds a user name or password; send them in a header")
    return origin


def _body(json: object, content: bytes | None) -> bytes | None:
    if json is NOT_GIVEN:
        return checked_content(content)
    if content is not None:
        raise ValueError("json and content are both given; give one of them")
    text = jsonlib.dumps(json, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()
