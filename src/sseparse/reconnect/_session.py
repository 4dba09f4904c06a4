"""What an EventSource knows and decides, apart from how it waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Unpack, cast, overload

from attrs import frozen

from .._end import End, EndCause
from .._errors import NotEventStream, SSEError, StreamTimeout, TransportError, refused
from .._options import ParserOptions
from .._stage import Breakable, Uncopyable, breaking
from ..adapters._http import (
    check_timeout,
    checked_content,
    checked_headers,
    checked_method,
    origin_of,
    translated,
)
from ..sse._event import Event
from ..sse._parser import BODY_START, Parser
from ._policy import Decision, Fail, Read, ReconnectPolicy, Retry, Stop

try:
    import httpx2
except ModuleNotFoundError as _error:
    _message = "EventSource needs httpx2: pip install 'sseparse[httpx2]'"
    raise ModuleNotFoundError(_message, name=_error.name) from _error

_HEADERS: Final = {
    "Accept": "text/event-stream",
    # What nobody flushes, compression holds back.
    "Accept-Encoding": "identity",
    # Fetch, 4.5 "HTTP-network-or-cache fetch": what the cache mode "no-store" sends.
    "Cache-Control": "no-cache",
    "Pragma": "no-cache",
}
# Headers of the client that another origin gets too; any other may be a key.
_OF_EVERY_ORIGIN: Final = frozenset({"connection", "user-agent"})
STANDARD: Final = ReconnectPolicy()
# What sending a request can fail of; errors of TLS have been seen to come as they are.
CONNECTION_FAILURES: Final = (httpx2.RequestError, OSError, UnicodeError)
# No connection that is made again would fare better.
_FOR_GOOD: Final = (
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
    httpx2.TooManyRedirects,
    UnicodeError,  # the name of the host
)


@frozen
class _Redirect:
    """
    A redirect to follow.

    Attributes:
        url: Where it leads.
        crossed: Whether it, or one before it, led to another origin.
    """

    url: httpx2.URL
    crossed: bool


class Session(Breakable):
    """Follow a stream over its connections: requests, answers, bytes and ends, without I/O."""

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None,
        method: str,
        content: bytes | None,
        policy: ReconnectPolicy,
        read_timeout: float | None,
        clock: Callable[[], float],
        rnd: Callable[[], float],
        **options: Unpack[ParserOptions],
    ) -> None:
        super().__init__()
        self._url = _parsed(url)
        self._headers = httpx2.Headers(_HEADERS)
        self._headers.update(checked_headers(headers))
        if "last-event-id" in self._headers:
            raise ValueError("headers holds Last-Event-ID; last_event_id= decides that")
        self._method = checked_method(method)
        self._content = checked_content(content)
        check_timeout(read_timeout, "read_timeout")
        self._read_timeout = read_timeout
        self._clock = clock
        self._rnd = rnd
        self.parser = Parser(**options)
        self._state = policy.start(options.get("last_event_id", ""))
        self._ready: deque[Event] = deque()
        self._connected = False
        self._redirect: _Redirect | None = None
        self._redirects_left = 0
        self.delay: float | None = None
        self.over = False
        self.last_error: SSEError | None = None

    @property
    def last_event_id(self) -> str:
        """The last event ID, as of the last event handed out."""
        return (self._state if self._ready else self.parser).last_event_id

    @property
    def ready_state(self) -> Literal["connecting", "open", "closed"]:
        """Whether there is a connection."""
        if self.over:
            return "closed"
        return "open" if self._connected else "connecting"

    @property
    def send_options(self) -> dict[str, Any]:
        """How the client is to send the next request."""
        options: dict[str, Any] = {"stream": True, "follow_redirects": False}
        if self._redirect is not None and self._redirect.crossed:
            options["auth"] = httpx2.Auth()  # none
        return options

    def request(self, client: httpx2.Client | httpx2.AsyncClient) -> httpx2.Request:
        """Build the request for the next connection, or the one that a redirect leads to."""
        if self._redirect is not None:
            return self._redirected(self._redirect, client)
        self._redirects_left = client.max_redirects
        self.last_error = self._state.header_error or self.last_error
        headers = self._headers.copy()
        headers.update(dict(self._state.headers))
        url = self._url
        if self._state.params:
            url = url.copy_merge_params(self._state.params)
        return client.build_request(self._method, url, headers=headers, content=self._content)

    def _redirected(
        self, redirect: _Redirect, client: httpx2.Client | httpx2.AsyncClient
    ) -> httpx2.Request:
        # Not client.build_request(): that would send the client's query parameters along.
        headers, cookies, content = client.headers.copy(), client.cookies, self._content
        if redirect.crossed:
            for name in set(headers) - _OF_EVERY_ORIGIN:
                del headers[name]
            cookies, content = _of_domains(cookies), None
        headers.update(_HEADERS if redirect.crossed else self._headers)
        headers.update(dict(self._state.headers))
        return httpx2.Request(
            self._method, redirect.url, headers=headers, cookies=cookies, content=content
        )

    @breaking
    def take_response(self, response: httpx2.Response) -> bool:
        """Process the head of a response; return whether its body is to be read."""
        if self._follows(response):
            return False
        self._redirect = None
        status, headers = response.status_code, _with_target(response)
        self._state, verdict = self._state.on_response(status, headers, self._clock(), self._rnd())
        if isinstance(verdict, Read):
            self._connected = True
            # The client's own time was for the head; httpx2 looks again before the body.
            response.request.extensions["timeout"]["read"] = self._read_timeout
            return True
        if not isinstance(verdict, Stop):
            self.last_error = refused(status, headers)
        self._act_on(verdict)
        return False

    def _follows(self, response: httpx2.Response) -> bool:
        """Follow a redirect of a GET, unless it leads from https to http or to no valid URL."""
        following = response.next_request
        if following is None or self._method != "GET":  # a POST could become a GET
            return False
        try:
            target = origin_of(str(following.url))
        except ValueError:
            return False
        if (response.url.scheme, target.scheme) == ("https", "http"):
            return False
        if not self._redirects_left:
            self.take_failure(httpx2.TooManyRedirects("too many redirects", request=following))
            return True
        self._redirects_left -= 1
        # As in Fetch, what was dropped on the way stays dropped, even back at the first origin.
        crossed = self._redirect is not None and self._redirect.crossed
        if crossed or target != origin_of(str(self._url)):
            self._redirect = _Redirect(following.url, crossed=True)
        else:
            url = following.url.copy_with(userinfo=self._url.userinfo)
            self._redirect = _Redirect(url, crossed=False)
        return True

    @breaking
    def take_body_start(self, body_start: bytes) -> None:
        """Take what the body of a refused answer begins with, for the error to show."""
        error = self.error
        if isinstance(error, NotEventStream):
            start = body_start[:BODY_START]
            self._error = self.last_error = refused(error.status, error.headers, start)

    @breaking
    def take(self, piece: bytes) -> None:
        """Take bytes of the body."""
        self._ready.extend(self.parser.feed(piece))

    @breaking
    def take_end(self) -> None:
        """Take the end of the body; the event that it cut off is dropped."""
        self.last_error = None
        self.parser.close()
        self._take_end(cast("End", self.parser.end).cause)
        if self.error is None:
            self.last_error = self._state.header_error

    @breaking
    def take_failure(self, failure: Exception) -> None:
        """Take what a connection failed of."""
        error = failure if isinstance(failure, SSEError) else translated(failure)
        if error is not failure:
            error.__cause__ = failure
        self.last_error = error
        if isinstance(error.__cause__, _FOR_GOOD) or not isinstance(error, TransportError):
            self._finish(error)
            return
        timed_out = isinstance(error, StreamTimeout)
        self._take_end(EndCause.TIMEOUT if timed_out else EndCause.TRANSPORT)

    def _take_end(self, cause: EndCause) -> None:
        self._state, decision = self._state.on_end(cause, self._rnd(), parser=self.parser)
        self._act_on(decision)

    def _act_on(self, decision: Decision) -> None:
        self._connected = False
        if isinstance(decision, Retry):
            self.delay = decision.delay
            self.parser.reset()
            if decision.method is not None:
                self._method, self._content = decision.method, None
        elif isinstance(decision, Fail):
            why = f"not asked for again: {decision.reason}"
            self.last_error = self.last_error or self._state.header_error
            error = self.last_error or TransportError(f"the stream ended and is {why}")
            error.add_note(why)
            self._finish(error)
        else:
            self._finish(None)

    def _finish(self, error: SSEError | None) -> None:
        self.over = True
        self._error = error

    def take_delay(self) -> float:
        """Return the seconds to wait now; then a connection is due."""
        delay, self.delay = self.delay, None
        return delay or 0.0

    @breaking
    def pop(self) -> Event | None:
        """Take the next event that is ready, or None."""
        if self.stopped:
            self._finish(self.error)
        while self._ready and not self.over:
            event = self._ready.popleft()
            self._state, replayed = self._state.on_event(event)
            if self._state.outcome is not None:
                self._finish(None)
            if not replayed:
                return event
        if self.parser.error is not None and not self.over:
            self._finish(self.parser.error)
        return None

    def raise_error(self) -> None:
        """Raise what the stream failed of, if it did."""
        self._raise_error()


def _parsed(url: str) -> httpx2.URL:
    origin_of(url)
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise ValueError(f"url can't be requested: {error}") from error
    origin_of(str(parsed))  # a name outside ASCII is encoded now
    return parsed


def _of_domains(cookies: httpx2.Cookies) -> httpx2.Cookies:
    """Return the cookies that name a domain; those without one are sent to every host."""
    kept = httpx2.Cookies()
    for cookie in cookies.jar:
        if cookie.domain:
            kept.jar.set_cookie(cookie)
    return kept


def _with_target(response: httpx2.Response) -> Mapping[str, str]:
    """Return the headers of a response; those of a redirect with the absolute URL of its target."""
    if response.next_request is None:
        return response.headers
    return {**response.headers, "location": str(response.next_request.url)}


@overload
def open_client(client: httpx2.Client | None, kind: Literal["Client"]) -> httpx2.Client: ...


@overload
def open_client(
    client: httpx2.AsyncClient | None, kind: Literal["AsyncClient"]
) -> httpx2.AsyncClient: ...


def open_client(client: object, kind: Literal["Client", "AsyncClient"]) -> object:
    """Return the client, or a new one for None; refuse the other kind and other libraries."""
    wanted = getattr(httpx2, kind)
    if client is None:
        return wanted()
    if not isinstance(client, wanted):
        name = f"{type(client).__module__.partition('.')[0]}.{type(client).__name__}"
        raise TypeError(
            f"client is {name}; EventSource takes an httpx2.Client, AsyncEventSource an "
            "httpx2.AsyncClient"
        )
    return client


class Face(Uncopyable):
    """Show what a stream knows of itself: nothing here waits."""

    _session: Session

    @property
    def last_event_id(self) -> str:
        """The last event ID, as of the last event handed out: what resumes the stream after it."""
        return self._session.last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds, or None where the server never set one."""
        return self._session.parser.retry

    @property
    def ready_state(self) -> Literal["connecting", "open", "closed"]:
        """Whether the stream waits for a connection, has one, or is over."""
        return self._session.ready_state

    @property
    def last_error(self) -> Exception | None:
        """
        What the last connection that failed failed of; None where each came to its end.

        `LimitExceeded` while the last event ID is larger than 8,192 bytes: servers refuse such a
        header, so the ID isn't sent.
        """
        return self._session.last_error
