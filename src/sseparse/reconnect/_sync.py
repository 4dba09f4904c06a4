"""EventSource for synchronous programs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Self, Unpack

from .._stage import raise_stored
from ..adapters._httpx import HTTPXSource
from ..sse._event import Event
from ._session import CONNECTION_ERRORS, BaseEventSource, EventSourceOptions

if TYPE_CHECKING:
    import httpx2


class EventSource(BaseEventSource):
    """
    Iterator of the events of a URL that reconnects when a connection is lost.

    Each new connection resumes after the last event ID. The iteration ends when the server answers
    with status 204 or the stream is closed. The client's read timeout applies until the head of a
    response is received, and from then on only `read_timeout`.

    Redirects of a GET are followed, but never from https to http. A redirect to another origin
    gets neither `headers` and `content` nor any credentials; each new connection begins at `url`
    and sends them again.

    Args:
        url: The absolute URL of the events, http or https.
        client: The client that sends the requests, with its own headers, cookies, authentication
            and timeouts. It stays open. None for a new client, closed with the stream.
        headers: Headers to send in addition to `Accept`, `Accept-Encoding`, `Cache-Control`,
            `Pragma` and `Last-Event-ID`. They can replace all of these but the last one.
        method: The method, by default GET. Only redirects of a GET are followed.
        content: The body to send with each request, by default none.
        policy: When to reconnect, by default `ReconnectPolicy()`.
        read_timeout: Seconds without any bytes after which the connection counts as lost; by
            default None, for no limit. If the server sends comments to keep the connection alive,
            give a little more than their interval.
        clock: Returns seconds since the epoch, by default `time.time`.
        sleep: Waits for a number of seconds. With the default, `close()` ends the wait.
        rnd: Returns a random number from 0 up to but not including 1, by default `random.random`.
        options: The options of `Parser`, such as the initial `last_event_id` and `retry`.

    Raises:
        ValueError: An option is out of range; `url` can't be requested; `headers` holds
            Last-Event-ID, or a header that can't be sent.
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
        super().__init__(url, options, client, "Client")
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
            EncodingError: The text is ill-formed, with errors="strict".
            TransportError: No connection is possible, or the policy gave up.
        """
        with self._reading:
            while not self._closed.is_set():
                if (event := self._session.pop_event()) is not None:
                    return event
                if self._session.ready_state == "closed":
                    break
                self._step()
            self._release()
        raise_stored(self._session.error)
        raise StopIteration

    def _step(self) -> None:
        if (delay := self._session.pop_delay()) is not None:
            self._sleep(delay)
        elif self._source is None:
            self._connect()
        else:
            try:
                data = next(self._source)
            except StopIteration:
                self._session.on_end()
            except (RuntimeError, TypeError):
                # Misuse, not a failure of the connection.
                raise
            except Exception as error:  # the session translates it
                self._session.on_failure(error)
            else:
                self._session.feed(data)
        if self._session.ready_state != "open":
            self._disconnect()

    def _connect(self) -> None:
        session = self._session
        request = session.build_request(self._client)
        try:
            response = self._client.send(request, **session.send_options)
        except CONNECTION_ERRORS as error:
            session.on_failure(error)
            return
        self._source = HTTPXSource(response)
        session.on_response(response)
        if session.error is not None:
            body_start = b""
            with suppress(Exception):  # the error is useful without the body, too
                body_start = next(self._source)
            session.add_body_start(body_start)

    def _disconnect(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def _release(self) -> None:
        self._session.ready_state = "closed"
        try:
            self._disconnect()
        finally:
            if self._owns_client:
                self._client.close()

    def close(self) -> None:
        """
        Close the stream. Closing again does nothing.

        Another thread can call this: a wait ends at once, and so does a read if the connection
        can be interrupted. An attempt to connect is abandoned once it has succeeded or failed.
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
