"""Requests of an EventSource over httpx2, and the redirects that it follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, cast

from ..adapters._http import checked_content, checked_method, origin_of
from ..adapters._httpx import HTTPXSource
from ._connect import HEADERS

try:
    import httpx2
except ModuleNotFoundError as _error:
    _message = (
        "EventSource needs httpx2 to request a URL: pip install 'sseparse[httpx2]', or give "
        "connect= to use another library"
    )
    raise ModuleNotFoundError(_message, name=_error.name) from _error

# The only headers of the client that another origin gets; any other can be a key.
_CROSS_ORIGIN_HEADERS: Final = frozenset({"connection", "user-agent"})


class ResponseSource(HTTPXSource):
    """Bytes of a response, whose `location` is absolute."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(response)
        self.response = response
        if response.next_request is not None:
            location = str(response.next_request.url)
            self.headers = {**response.headers, "location": location}


class HTTPX2Connector:
    """Connections of an httpx2 client."""

    # What sending a request can raise. Errors of TLS have been seen untranslated.
    failures = (httpx2.RequestError, OSError, UnicodeError)
    permanent = (
        httpx2.UnsupportedProtocol,
        httpx2.LocalProtocolError,
        httpx2.TooManyRedirects,
        UnicodeError,  # the name of the host
    )

    def __init__(
        self,
        url: str | None,
        client: object,
        client_type: Literal["Client", "AsyncClient"],
        method: str,
        content: bytes | None,
    ) -> None:
        url = cast("str", url)
        origin_of(url)  # checks the type, too
        try:
            self._url = httpx2.URL(url)
        except (httpx2.InvalidURL, UnicodeError) as error:
            raise ValueError(f"url can't be requested: {error}") from error
        origin_of(str(self._url))  # a host outside ASCII is encoded now
        self.method = checked_method(method)
        self.content = checked_content(content)
        self.owned: Any = None  # the client, if it's closed with the stream
        kind = getattr(httpx2, client_type)
        if client is None:
            client = self.owned = kind()
        self._client: Any = client
        if not isinstance(client, kind):
            name = f"{type(client).__module__.partition('.')[0]}.{type(client).__name__}"
            raise TypeError(
                f"client is {name}; give EventSource an httpx2.Client, or AsyncEventSource an "
                "httpx2.AsyncClient"
            )
        self._headers: Mapping[str, str] = {}
        self._resume: Mapping[bytes, bytes] = {}
        self._is_cross_origin = False  # this redirect, or one before it

    def open(
        self, headers: Mapping[str, str], resume: Mapping[bytes, bytes], params: Mapping[str, str]
    ) -> ResponseSource:
        """Send the request and return the last response."""
        request: httpx2.Request | None = self._build(headers, resume, params)
        for _ in range(self._client.max_redirects + 1):
            response = self._send(request)
            if (request := self._redirected(response)) is None:
                return ResponseSource(response)
            response.close()
        raise httpx2.TooManyRedirects("too many redirects", request=request)

    async def aopen(
        self, headers: Mapping[str, str], resume: Mapping[bytes, bytes], params: Mapping[str, str]
    ) -> ResponseSource:
        """Send the request with an AsyncClient and return the last response."""
        request: httpx2.Request | None = self._build(headers, resume, params)
        for _ in range(self._client.max_redirects + 1):
            response = await self._send(request)
            if (request := self._redirected(response)) is None:
                return ResponseSource(response)
            await response.aclose()
        raise httpx2.TooManyRedirects("too many redirects", request=request)

    def limit_reads(self, source: Any, seconds: float | None) -> None:
        """Set the timeout of each read of a body; the client's was for the head."""
        # httpx2 reads this one before the body.
        source.response.request.extensions["timeout"]["read"] = seconds

    def _send(self, request: httpx2.Request | None) -> Any:
        """Return the response, or with an AsyncClient an awaitable of it."""
        auth = {"auth": httpx2.Auth()} if self._is_cross_origin else {}  # no authentication
        return self._client.send(request, stream=True, follow_redirects=False, **auth)

    def _build(
        self, headers: Mapping[str, str], resume: Mapping[bytes, bytes], params: Mapping[str, str]
    ) -> Any:
        self._headers, self._resume = headers, resume
        self._is_cross_origin = False
        sent = httpx2.Headers(headers)
        sent.update(dict(resume))
        url = self._url.copy_merge_params(params) if params else self._url
        return self._client.build_request(self.method, url, headers=sent, content=self.content)

    def _redirected(self, response: httpx2.Response) -> httpx2.Request | None:
        """Return the next request, unless it leads from https to http or to no valid URL."""
        following = response.next_request
        if following is None or self.method != "GET":  # a POST can become a GET
            return None
        try:
            target = origin_of(str(following.url))
        except ValueError:
            return None
        if (response.url.scheme, target.scheme) == ("https", "http"):
            return None
        # As in Fetch, dropped headers stay dropped, even back at the first origin.
        self._is_cross_origin = self._is_cross_origin or target != origin_of(str(self._url))
        url = following.url
        if not self._is_cross_origin:
            url = url.copy_with(userinfo=self._url.userinfo)
        return self._build_redirected(url)

    def _build_redirected(self, url: httpx2.URL) -> httpx2.Request:
        # Not client.build_request(), which would add the client's query parameters.
        client, content = self._client, self.content
        headers, cookies = client.headers.copy(), client.cookies
        if self._is_cross_origin:
            for name in set(headers) - _CROSS_ORIGIN_HEADERS:
                del headers[name]
            content, cookies = None, httpx2.Cookies()
            for cookie in client.cookies.jar:
                if cookie.domain:  # a cookie without a domain would be sent to every host
                    cookies.jar.set_cookie(cookie)
        headers.update(HEADERS if self._is_cross_origin else self._headers)
        headers.update(dict(self._resume))
        return httpx2.Request(self.method, url, headers=headers, cookies=cookies, content=content)
