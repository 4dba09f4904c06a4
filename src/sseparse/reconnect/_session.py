"""EventSource, and what AsyncEventSource shares with it."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Literal, Self, Unpack, cast

from .._end import End, EndCause
from .._errors import NotEventStream, SSEError, StreamTimeout, TransportError, translated
from .._options import ParserOptions
from .._stage import Breakable, breaking
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


class BaseEventSource(Breakable):
    """Client and connections of an EventSource, without I/O."""

    def __init__(
        self,
        url: str,
        client: object,
        client_type: type[httpx2.Client | httpx2.AsyncClient],
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
            raise ValueError("headers contains Last-Event-ID; give last_event_id= instead")
        self._method = checked_method(method)
        self._content = checked_content(content)
        check_timeout(read_timeout, "read_timeout")
        self._read_timeout = read_timeout
        self._clock = clock
        self._rnd = rnd
        self._parser = Parser(**options)
        self._state = policy.start(options.get("last_event_id", ""))
        self._received: deque[Event] = deque()
        self.ready_state: ReadyState = "connecting"
        self.last_error: SSEError | None = None
        self._redirect_url: httpx2.URL | None = None
        self._is_cross_origin = False  # this redirect, or one before it
        self._redirects_left = 0
        self._delay: float | None = None  # before the next connection
        self._source: HTTPXSource | None = None
        self._owns_client = client is None
        self._client: Any = client_type() if client is None else client
        if not isinstance(self._client, client_type):
            name = f"{type(client).__module__.partition('.')[0]}.{type(client).__name__}"
            raise TypeError(
                f"client is {name}; give EventSource an httpx2.Client, or AsyncEventSource an "
                "httpx2.AsyncClient"
            )

    @property
    def last_event_id(self) -> str:
        """The last event ID at the last event returned. A new stream can resume after it."""
        return (self._state if self._received else self._parser).last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds, or None if the server never set one."""
        return self._parser.retry

    def _send(self, request: httpx2.Request) -> Any:
        """Return the response, or with an AsyncClient an awaitable of it."""
        auth = {"auth": httpx2.Auth()} if self._is_cross_origin else {}  # no authentication
        return self._client.send(request, stream=True, follow_redirects=False, **auth)

    def _build_request(self) -> Any:
        if self._redirect_url is not None:
            return self._build_redirected(self._redirect_url)
        self._redirects_left = self._client.max_redirects
        self.last_error = self._state.header_error or self.last_error
        headers = self._headers.copy()
        headers.update(dict(self._state.headers))
        params = self._state.params
        url = self._url.copy_merge_params(params) if params else self._url
        return self._client.build_request(self._method, url, headers=headers, content=self._content)

    def _build_redirected(self, url: httpx2.URL) -> httpx2.Request:
        # Not client.build_request(), which would add the client's query parameters.
        client, content = self._client, self._content
        headers, cookies = client.headers.copy(), client.cookies
        if self._is_cross_origin:
            for name in set(headers) - _CROSS_ORIGIN_HEADERS:
                del headers[name]
            content, cookies = None, httpx2.Cookies()
            for cookie in client.cookies.jar:
                if cookie.domain:  # a cookie without a domain would be sent to every host
                    cookies.jar.set_cookie(cookie)
        headers.update(_HEADERS if self._is_cross_origin else self._headers)
        headers.update(dict(self._state.headers))
        return httpx2.Request(self._method, url, headers=headers, cookies=cookies, content=content)

    @breaking
    def _on_response(self, response: httpx2.Response) -> None:
        """Process the head of a response."""
        if self._follow_redirect(response):
            return
        self._redirect_url, self._is_cross_origin = None, False
        status, headers = response.status_code, dict(response.headers)
        if response.next_request is not None:
            headers["location"] = str(response.next_request.url)  # absolute
        self._state, verdict = self._state.on_response(status, headers, self._clock(), self._rnd())
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
            self._on_failure(httpx2.TooManyRedirects("too many redirects", request=following))
            return True
        self._redirects_left -= 1
        # As in Fetch, dropped headers stay dropped, even back at the first origin.
        self._is_cross_origin = self._is_cross_origin or target != origin_of(str(self._url))
        self._redirect_url = following.url
        if not self._is_cross_origin:
            self._redirect_url = following.url.copy_with(userinfo=self._url.userinfo)
        return True

    @breaking
    def _add_body_start(self, error: NotEventStream, data: bytes) -> None:
        """Add the first bytes of a rejected response to its error."""
        error = NotEventStream.from_response(error.status, error.headers, data[:BODY_START])
        self._error = self.last_error = error

    @breaking
    def _feed(self, data: bytes) -> None:
        self._received.extend(self._parser.feed(data))

    def _on_read_error(self, error: Exception) -> None:
        if isinstance(error, StopIteration | StopAsyncIteration):
            self._on_end()
        elif isinstance(error, RuntimeError | TypeError):
            raise error  # misuse, not a failure of the connection
        else:
            self._on_failure(error)

    @breaking
    def _on_end(self) -> None:
        """Process the end of the body. An event that it cuts off is dropped."""
        self.last_error = None
        self._parser.close()
        self._reconnect(cast("End", self._parser.end).cause)
        if self.error is None:
            self.last_error = self._state.header_error

    @breaking
    def _on_failure(self, failure: Exception) -> None:
        error = failure if isinstance(failure, SSEError) else translated(None, failure)
        self.last_error = error
        if isinstance(error.__cause__, _PERMANENT_ERRORS) or not isinstance(error, TransportError):
            self._finish(error)
            return
        timed_out = isinstance(error, StreamTimeout)
        self._reconnect(EndCause.TIMEOUT if timed_out else EndCause.TRANSPORT)

    def _reconnect(self, cause: EndCause) -> None:
        self._state, decision = self._state.on_end(cause, self._rnd(), parser=self._parser)
        self._apply(decision)

    def _apply(self, decision: Decision) -> None:
        if isinstance(decision, Retry):
            self.ready_state = "connecting"
            self._delay = decision.delay
            self._parser.reset()
            if decision.method is not None:
                self._method, self._content = decision.method, None
        elif isinstance(decision, Fail):
            why = f"not reconnected: {decision.reason}"
            self.last_error = self.last_error or self._state.header_error
            error = self.last_error or TransportError(f"the stream ended and was {why}")
            error.add_note(why)
            self._finish(error)
        else:
            self._finish(None)

    def _finish(self, error: SSEError | None) -> None:
        self._set_closed()
        self._error = error

    def _set_closed(self) -> None:
        self.ready_state = "closed"

    @breaking
    def _pop_event(self) -> Event | None:
        """Return the next event that was received, or None."""
        if self.stopped:
            self._finish(self.error)
        while self._received and self.ready_state != "closed":
            event = self._received.popleft()
            self._state, replayed = self._state.on_event(event)
            if self._state.outcome is not None:
                self._finish(None)
            if not replayed:
                return event
        if self._parser.error is not None and self.ready_state != "closed":
            self._finish(self._parser.error)
        return None


class EventSource(BaseEventSource):
    """
    Iterator of the events of a URL that reconnects when a connection is lost.

    Each new connection resumes after the last event ID. The iteration ends when the server answers
    with status 204 or the stream is closed. The client's read timeout applies until the head of a
    response is received. After that, only `read_timeout` applies.

    Redirects of a GET are followed, but never from https to http. A redirect to another origin
    gets neither `headers` and `content` nor any credentials; each new connection begins at `url`
    and sends them again.

    Args:
        url: The absolute URL of the events, http or https.
        client: The client that sends the requests, with its own headers, cookies, authentication
            and timeouts. It stays open. None for a new client, closed with the stream.
        headers: Headers to send in addition to `Accept`, `Accept-Encoding`, `Cache-Control`,
            `Pragma` and `Last-Event-ID`. They can replace all of these except `Last-Event-ID`.
        method: The method, by default GET. Only redirects of a GET are followed.
        content: The body to send with each request, by default none.
        policy: The policy for reconnecting, by default `ReconnectPolicy()`.
        read_timeout: Seconds without any bytes after which the connection counts as lost; None, the
            default, for no limit. If the server sends comments to keep the connection alive, use a
            value a little above their interval.
        clock: Returns seconds since the epoch, by default `time.time`.
        sleep: Waits for a number of seconds. With the default, `close()` ends the wait.
        rnd: Returns a random number from 0 up to but not including 1, by default `random.random`.
        options: The options of `Parser`, such as the initial `last_event_id` and `retry`.

    Attributes:
        ready_state: "connecting" before and between connections, "open" during a connection, and
            "closed" after the end.
        last_error: The error of the last connection; None if it ended without one. `LimitExceeded`
            while the last event ID is larger than 8,192 bytes and so isn't sent.

    Raises:
        ValueError: An option is out of range, `url` can't be requested, or `headers` contains
            Last-Event-ID or a header that can't be sent.
        TypeError: A header isn't str, or the client isn't an httpx2.Client.

    Source: WHATWG HTML, 9.2.2 "The EventSource interface" and 9.2.3 "Processing model".
    """

    def __init__(
        self,
        url: str,
        *,
        client: httpx2.Client | None = None,
        sleep: Callable[[float], object] | None = None,
        **options: Unpack[EventSourceOptions],
    ) -> None:
        super().__init__(url, client, httpx2.Client, **options)
        self._closed = threading.Event()
        self._sleep = self._closed.wait if sleep is None else sleep
        # Held by the thread that reads: only that thread may close the response it reads.
        self._reading = threading.Lock()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        """
        Return the next event; wait for it and reconnect as long as necessary.

        Raises:
            StopIteration: The server wants no reconnection, or the stream was closed.
            NotEventStream: The response isn't an event stream, or is a redirect that isn't
                followed. The error has its status and content type.
            LimitExceeded: A line or an event is too large.
            EncodingError: The text is malformed UTF-8, with errors="strict".
            TransportError: No connection is possible, or the policy gave up.
        """
        with self._reading:
            while not self._closed.is_set():
                if (event := self._pop_event()) is not None:
                    return event
                if self.ready_state == "closed":
                    break
                self._step()
            self._release()
        self._raise_error()
        raise StopIteration

    def _step(self) -> None:
        if (delay := self._delay) is not None:
            self._delay = None
            self._sleep(delay)
        elif self._source is None:
            self._connect()
        else:
            try:
                data = next(self._source)
            except Exception as error:  # a source can raise anything
                self._on_read_error(error)
            else:
                self._feed(data)
        if self.ready_state != "open":
            self._disconnect()

    def _connect(self) -> None:
        request = self._build_request()
        try:
            response = self._send(request)
        except CONNECTION_ERRORS as error:
            self._on_failure(error)
            return
        self._source = HTTPXSource(response)
        self._on_response(response)
        if isinstance(rejection := self.error, NotEventStream):
            with suppress(Exception):  # the error is useful without the body, too
                self._add_body_start(rejection, next(self._source))

    def _disconnect(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def _release(self) -> None:
        self._set_closed()
        try:
            self._disconnect()
        finally:
            if self._owns_client:
                self._client.close()

    def close(self) -> None:
        """
        Close the stream. Closing again does nothing.

        Another thread can call this: a wait ends at once, and so does a read if the connection can
        be interrupted. An attempt to connect isn't interrupted: the stream is closed when the
        attempt succeeds or fails.
        """
        self._closed.set()
        if self._reading.acquire(blocking=False):
            try:
                self._release()
            finally:
                self._reading.release()
        elif (source := self._source) is not None:
            source.wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
