"""EventSource for blocking code."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, Self, Unpack, overload

from .._errors import NotEventStream
from .._log import debug
from ..adapters._registry import SyncReadable, wake
from ..sse._core import ItemT as EventT
from ..sse._event import Comment, Event
from ._connect import merge_headers
from ._session import BaseEventSource, EventSourceOptions

if TYPE_CHECKING:
    import httpx2

Connect = Callable[[Mapping[str, str]], SyncReadable]
Headers = Mapping[str, str] | Callable[[], Mapping[str, str]]


class EventSource(BaseEventSource[EventT], Iterator[EventT]):
    """
    Iterator of the events of a URL that reconnects when a connection is lost.

    Each new connection resumes after the last event ID. The iteration ends when the server answers
    with status 204 or the stream is closed. The client's read timeout applies until the head of a
    response is received. After that, only `read_timeout` applies.

    Redirects of a GET are followed, but never from https to http. A redirect to another origin
    gets neither `headers` and `content` nor any credentials; each new connection begins at `url`
    and sends them again.

    The callbacks run in the call that reads. If one raises an exception, that call raises it, and
    the next call continues.

    Args:
        url: The absolute URL of the events, http or https. None, the default, with `connect`.
        client: The client that sends the requests, with its own headers, cookies, authentication
            and timeouts. It stays open. None for a new client, closed with the stream.
        connect: Opens each connection instead of an httpx2 client. It sends a request with the
            headers that it receives, and returns the response, or any other source of bytes that
            `EventStream` accepts. Without a status, a source is read as an event stream. Redirects
            and timeouts are the library's. Failures of the known libraries lead to another
            attempt; other exceptions are raised. Default: None.
        headers: Headers to send in addition to `Accept`, `Accept-Encoding`, `Cache-Control`,
            `Pragma` and `Last-Event-ID`. They can replace all of these except `Last-Event-ID`. A
            callable returns the headers of the next connection, such as a fresh token; its
            exceptions are raised. Redirects repeat the headers of their connection.
        comments: Whether to return comments too. Default: False.
        method: The method, by default GET. Only redirects of a GET are followed.
        content: The body to send with each request, by default none.
        policy: The policy for reconnecting, by default `ReconnectPolicy()`.
        read_timeout: Seconds without any bytes after which the connection counts as lost; None, the
            default, for no limit. If the server sends comments to keep the connection alive, use a
            value a little above their interval.
        on_open: Called with the headers of each response that is an event stream, before its
            events are returned. Default: None.
        on_error: Called when a connection fails or ends, with the error, or None if the server
            ended the response without one. `ready_state` is then "connecting" if another attempt
            follows, or "closed". It isn't called at an intended end: status 204, the terminator,
            `restart()` or `close()`. Default: None.
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
        TypeError: A header isn't str, the client isn't an httpx2.Client, or `connect` is given
            together with what it replaces.

    Source: WHATWG HTML, 9.2.2 "The EventSource interface" and 9.2.3 "Processing model".
    """

    @overload
    def __init__(
        self: EventSource[Event],
        url: str | None = ...,
        *,
        client: httpx2.Client | None = ...,
        connect: Connect | None = ...,
        headers: Headers | None = ...,
        comments: Literal[False] = ...,
        sleep: Callable[[float], object] | None = ...,
        **options: Unpack[EventSourceOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: EventSource[Event | Comment],
        url: str | None = ...,
        *,
        client: httpx2.Client | None = ...,
        connect: Connect | None = ...,
        headers: Headers | None = ...,
        comments: bool,
        sleep: Callable[[float], object] | None = ...,
        **options: Unpack[EventSourceOptions],
    ) -> None: ...

    def __init__(
        self,
        url: str | None = None,
        *,
        client: httpx2.Client | None = None,
        connect: Connect | None = None,
        headers: Headers | None = None,
        comments: bool = False,
        sleep: Callable[[float], object] | None = None,
        **options: Unpack[EventSourceOptions],
    ) -> None:
        super().__init__(
            url,
            client=client,
            client_type="Client",
            connect=connect,
            headers=headers,
            comments=comments,
            **options,
        )
        self._interruption = threading.Event()  # set to end a wait between connections
        self._sleep = self._interruption.wait if sleep is None else sleep
        # Held by the thread that reads: only that thread may close the response it reads.
        self._reading = threading.Lock()

    def __next__(self) -> EventT:
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
            while not self._closed:
                self._report()
                if (event := self._pop_event()) is not None:
                    return event
                if self.ready_state == "closed":
                    break
                self._step()
            self._release()
            if not self._closed:
                self._report()
        self._raise_error()
        raise StopIteration

    def _step(self) -> None:
        if self._restarting:
            self._interruption.clear()
            self._begin_again()
        elif (delay := self._delay) is not None:
            debug("event source %x: waits for %.3f s", id(self), delay)
            self._sleep(delay)
            self._delay = None
        elif self._source is None:
            self._connect()
        else:
            self._read()
        if self.ready_state != "open":
            self._disconnect()

    def _connect(self) -> None:
        headers = self._headers
        if self._make_headers is not None:
            headers = merge_headers(self._make_headers())
        self._begin_connection()
        connector, state = self._connector, self._state
        try:
            self._source = connector.open(headers, state.headers, state.params)
        except connector.failures as error:
            self._on_open_failure(error)
            return
        self._pieces = iter(self._source)
        self._on_response()
        if self.ready_state == "open":
            connector.limit_reads(self._source, self._read_timeout)
        elif isinstance(rejection := self.error, NotEventStream):
            with suppress(Exception):  # the error is useful without the body, too
                self._add_body_start(rejection, next(self._pieces))

    def _read(self) -> None:
        try:
            data = next(self._pieces)
        except Exception as error:  # a source can raise anything
            if not self._restarting:  # else restart() ended the read
                self._on_read_error(error)
        else:
            self._feed(data)

    def _disconnect(self) -> None:
        source, self._source = self._source, None
        close = getattr(source, "close", None)
        if close is not None:
            close()

    def _release(self) -> None:
        self._set_closed()
        try:
            self._disconnect()
        finally:
            if self._connector.owned is not None:
                self._connector.owned.close()

    def restart(self) -> None:
        """
        Drop the connection, or the wait for one, and connect again at once.

        Events that were received are still returned. The new connection resumes after the last
        event ID; for kinds of streams that can't be resumed, the next read raises an error. A
        closed stream stays closed.

        Another thread can call this. As with `close()`, it ends a read if the connection can be
        interrupted; otherwise the read ends when bytes are received.
        """
        # If it's read after the flag is set, it can be the new connection already.
        source = self._source
        self._restarting = True
        self._interruption.set()
        if self._reading.acquire(blocking=False):
            self._reading.release()
        else:
            wake(source)

    def close(self) -> None:
        """
        Close the stream. Closing again does nothing.

        Another thread can call this: a wait ends at once, and so does a read if the connection can
        be interrupted. An attempt to connect isn't interrupted: the stream is closed when the
        attempt succeeds or fails.
        """
        self._closed = True
        self._interruption.set()
        if self._reading.acquire(blocking=False):
            try:
                self._release()
            finally:
                self._reading.release()
        else:
            wake(self._source)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
