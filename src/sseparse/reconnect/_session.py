"""Requests, responses and events of an EventSource, without I/O."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Unpack, cast

from .._end import End, EndCause
from .._errors import NotEventStream, SSEError, StreamTimeout, TransportError, translated
from .._options import ParserOptions
from .._stage import Breakable, Uncopyable, breaking
from ..adapters._http import (
    check_timeout,
    checked_content,
    checked_headers,
    checked_method,
    origin_of,
)
from ..adapters._httpx import HTTPXSource
from ..sse._event import Event
from ..sse._parser import BODY_START, Parser
from ._policy import Decision, Fail, Read, ReconnectPolicy, Retry, Stop

try:
    import httpx2
except ModuleNotFoundError as _error:
    _message = "EventSource needs httpx2: pip install 'sseparse[httpx2]'"
    raise ModuleNotFoundError(_message, name=_error.name) from _error

AnyClient = httpx2.Client | httpx2.AsyncClient
ReadyState = Literal["connecting", "open", "closed"]
_HEADERS: Final = {
    "Accept": "text/event-stream",
    # A server that compresses without flushing delays events.
    "Accept-Encoding": "identity",
    # Fetch, 4.5 "HTTP-network-or-cache fetch": what the cache mode "no-store" sends.
    "Cache-Control": "no-cache",
    "Pragma": "no-cache",
}
# The only headers of the client that another origin gets; any other can be a key.
_CROSS_ORIGIN_HEADERS: Final = frozenset({"connection", "user-agent"})
_DEFAULT_POLICY: Final = ReconnectPolicy()
# What sending a request can raise. Errors of TLS have been seen untranslated.
CONNECTION_ERRORS: Final = (httpx2.RequestError, OSError, UnicodeError)
# Another attempt would raise these again.
_PERMANENT_ERRORS: Final = (
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
    httpx2.TooManyRedirects,
    UnicodeError,  # the name of the host
)


class EventSourceOptions(ParserOptions, total=False):
    """Options of `EventSource` and `AsyncEventSource`."""

    headers: Mapping[str, str] | None
    method: str
    content: bytes | None
    policy: ReconnectPolicy
    read_timeout: float | None
    clock: Callable[[], float]
    rnd: Callable[[], float]


class ReconnectingSession(Breakable):
    """The connections of an EventSource, without I/O."""

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        content: bytes | None = None,
        policy: ReconnectPolicy = _DEFAULT_POLICY,
        read_timeout: float | None = None,
        clock: Callable[[], float] = time.time,
        rnd: Callable[[], float] = random.random,
        **options: Unpack[ParserOptions],
    ) -> None:
        super().__init__()
        origin_of(url)
        try:
            self._url = httpx2.URL(url)
        except (httpx2.InvalidURL, UnicodeError) as error:
            raise ValueError(f"url can't be requested: {error}") from error
        origin_of(str(self._url))  # a host outside ASCII is encoded now
        self._headers = httpx2.Headers(_HEADERS)
        self._headers.update(checked_headers(headers))
        if "last-event-id" in self._headers:
            raise ValueError("headers holds Last-Event-ID; give last_event_id= instead")
        self._method = checked_method(method)
        self._content = checked_content(content)
        check_timeout(read_timeout, "read_timeout")
        self._read_timeout = read_timeout
        self._clock = clock
        self._rnd = rnd
        self.parser = Parser(**options)
        self.state = policy.start(options.get("last_event_id", ""))
        self.received: deque[Event] = deque()
        self.ready_state: ReadyState = "connecting"
        self.last_error: SSEError | None = None
        self._redirect_url: httpx2.URL | None = None
        self._is_cross_origin = False  # this redirect, or one before it
        self._redirects_left = 0
        self._delay: float | None = None

    @property
    def send_options(self) -> dict[str, Any]:
        """The arguments of the client's `send()` for the next request."""
        auth = {"auth": httpx2.Auth()} if self._is_cross_origin else {}  # no authentication
        return {"stream": True, "follow_redirects": False, **auth}

    def build_request(self, client: AnyClient) -> httpx2.Request:
        if self._redirect_url is not None:
            return self._build_redirected(self._redirect_url, client)
        self._redirects_left = client.max_redirects
        self.last_error = self.state.header_error or self.last_error
        headers = self._headers.copy()
        headers.update(dict(self.state.headers))
        params = self.state.params
        url = self._url.copy_merge_params(params) if params else self._url
        return client.build_request(self._method, url, headers=headers, content=self._content)

    def _build_redirected(self, url: httpx2.URL, client: AnyClient) -> httpx2.Request:
        # Not client.build_request(), which would add the client's query parameters.
        headers, cookies, content = client.headers.copy(), client.cookies, self._content
        if self._is_cross_origin:
            for name in set(headers) - _CROSS_ORIGIN_HEADERS:
                del headers[name]
            content, cookies = None, httpx2.Cookies()
            for cookie in client.cookies.jar:
                if cookie.domain:  # a cookie without a domain would be sent to every host
                    cookies.jar.set_cookie(cookie)
        headers.update(_HEADERS if self._is_cross_origin else self._headers)
        headers.update(dict(self.state.headers))
        return httpx2.Request(self._method, url, headers=headers, cookies=cookies, content=content)

    @breaking
    def on_response(self, response: httpx2.Response) -> None:
        """Process the head of a response."""
        if self._follow_redirect(response):
            return
        self._redirect_url, self._is_cross_origin = None, False
        status, headers = response.status_code, dict(response.headers)
        if response.next_request is not None:
            headers["location"] = str(response.next_request.url)  # absolute
        self.state, verdict = self.state.on_response(status, headers, self._clock(), self._rnd())
        if isinstance(verdict, Read):
            self.ready_state = "open"
            # The client's timeout was for the head; httpx2 reads this one before the body.
            response.request.extensions["timeout"]["read"] = self._read_timeout
            return
        if not isinstance(verdict, Stop):
            self.last_error = NotEventStream.from_response(status, headers)
        self._apply(verdict)

    def _follow_redirect(self, response: httpx2.Response) -> bool:
        """Follow a redirect of a GET, unless it leads from https to http or to no valid URL."""
        following = response.next_request
        if following is None or self._method != "GET":  # a POST can become a GET
            return False
        try:
            target = origin_of(str(following.url))
        except ValueError:
            return False
        if (response.url.scheme, target.scheme) == ("https", "http"):
            return False
        if not self._redirects_left:
            self.on_failure(httpx2.TooManyRedirects("too many redirects", request=following))
            return True
        self._redirects_left -= 1
        # As in Fetch, dropped headers stay dropped, even back at the first origin.
        self._is_cross_origin = self._is_cross_origin or target != origin_of(str(self._url))
        self._redirect_url = following.url
        if not self._is_cross_origin:
            self._redirect_url = following.url.copy_with(userinfo=self._url.userinfo)
        return True

    @breaking
    def add_body_start(self, data: bytes) -> None:
        """Add the first bytes of a rejected response to its error."""
        if isinstance(error := self.error, NotEventStream):
            error = NotEventStream.from_response(error.status, error.headers, data[:BODY_START])
            self._error = self.last_error = error

    @breaking
    def feed(self, data: bytes) -> None:
        self.received.extend(self.parser.feed(data))

    @breaking
    def on_end(self) -> None:
        """Process the end of the body. An event that it cuts off is dropped."""
        self.last_error = None
        self.parser.close()
        self._reconnect(cast("End", self.parser.end).cause)
        if self.error is None:
            self.last_error = self.state.header_error

    @breaking
    def on_failure(self, failure: Exception) -> None:
        error = failure if isinstance(failure, SSEError) else translated(None, failure)
        self.last_error = error
        if isinstance(error.__cause__, _PERMANENT_ERRORS) or not isinstance(error, TransportError):
            self._finish(error)
            return
        timed_out = isinstance(error, StreamTimeout)
        self._reconnect(EndCause.TIMEOUT if timed_out else EndCause.TRANSPORT)

    def _reconnect(self, cause: EndCause) -> None:
        self.state, decision = self.state.on_end(cause, self._rnd(), parser=self.parser)
        self._apply(decision)

    def _apply(self, decision: Decision) -> None:
        if isinstance(decision, Retry):
            self.ready_state = "connecting"
            self._delay = decision.delay
            self.parser.reset()
            if decision.method is not None:
                self._method, self._content = decision.method, None
        elif isinstance(decision, Fail):
            why = f"not reconnected: {decision.reason}"
            self.last_error = self.last_error or self.state.header_error
            error = self.last_error or TransportError(f"the stream ended and was {why}")
            error.add_note(why)
            self._finish(error)
        else:
            self._finish(None)

    def _finish(self, error: SSEError | None) -> None:
        self.ready_state = "closed"
        self._error = error

    def pop_delay(self) -> float | None:
        """Return the seconds to wait before the next connection, once; otherwise None."""
        delay, self._delay = self._delay, None
        return delay

    @breaking
    def pop_event(self) -> Event | None:
        """Return the next event that was received, or None."""
        if self.stopped:
            self._finish(self.error)
        while self.received and self.ready_state != "closed":
            event = self.received.popleft()
            self.state, replayed = self.state.on_event(event)
            if self.state.outcome is not None:
                self._finish(None)
            if not replayed:
                return event
        if self.parser.error is not None and self.ready_state != "closed":
            self._finish(self.parser.error)
        return None


class BaseEventSource(Uncopyable):
    """Session, client and properties of EventSource and AsyncEventSource."""

    def __init__(self, url: str, options: EventSourceOptions, client: object, kind: str) -> None:
        self._session = ReconnectingSession(url, **options)
        self._source: HTTPXSource | None = None
        self._owns_client = client is None
        client_type = getattr(httpx2, kind)
        self._client: Any = client_type() if client is None else client
        if not isinstance(self._client, client_type):
            name = f"{type(client).__module__.partition('.')[0]}.{type(client).__name__}"
            raise TypeError(
                f"client is {name}; give EventSource an httpx2.Client, or AsyncEventSource an "
                "httpx2.AsyncClient"
            )

    @property
    def last_event_id(self) -> str:
        """The last event ID as of the last event that was returned; resume the stream after it."""
        session = self._session
        return (session.state if session.received else session.parser).last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds, or None if the server never set one."""
        return self._session.parser.retry

    @property
    def ready_state(self) -> ReadyState:
        """Whether the stream is waiting for a connection, has one, or is over."""
        return self._session.ready_state

    @property
    def last_error(self) -> Exception | None:
        """
        The error of the last connection; None if it ended without one.

        `LimitExceeded` while the last event ID is larger than 8,192 bytes and so isn't sent.
        """
        return self._session.last_error
