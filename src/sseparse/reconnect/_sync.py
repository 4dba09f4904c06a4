"""EventSource for those who wait by blocking."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, Unpack, cast

from .._options import ParserOptions
from ..adapters._httpx import source as source_of
from ..sse._event import Event
from ._policy import ReconnectPolicy
from ._session import CONNECTION_FAILURES, STANDARD, Face, Session, open_client

if TYPE_CHECKING:
    import httpx2


class _Source(Protocol):
    def __next__(self) -> bytes: ...
    def close(self) -> None: ...


class EventSource(Face):
    """
    Iterate the events of a URL, over as many connections as it takes.

    A lost connection is made again after a while, and goes on after the last event ID. The
    iteration ends when the server answers 204, or when the stream is closed. Until the head of an
    answer has come, the client's own read timeout counts; from then on `read_timeout` alone.

    Redirects of a GET are followed, but never from https to http. A redirect to another origin
    gets neither `headers` and `content` nor any credentials; each new connection begins at `url`
    and sends them again.

    Args:
        url: Where the events are: an absolute URL of http or https.
        client: Makes the requests, with its own headers, cookies, authentication and timeouts,
            and stays open; None for a new client, closed with the stream.
        headers: Headers to send besides `Accept`, `Accept-Encoding`, `Cache-Control`, `Pragma` and
            `Last-Event-ID`; they may replace all but the last one.
        method: The method; with another than GET no redirect is followed.
        content: The body to send, each time.
        policy: When to reconnect.
        read_timeout: How long nothing at all may come, in seconds, before the connection is
            taken for lost and made again; None, the default, waits for ever. Where the server
            sends comments to keep the connection alive, give a little more than their distance.
        clock: Returns seconds since the epoch.
        sleep: Waits for so many seconds; by default so that `close()` ends the wait.
        rnd: Returns a random number, from 0 up to but not including 1.
        options: The options of `Parser`, such as `last_event_id`, to begin with, and `retry`.

    Raises:
        ValueError: An option has no such value; `url` can't be requested; `headers` holds
            Last-Event-ID, or what can't be sent.
        TypeError: A header is not str, or the client is of another kind.

    Source: WHATWG HTML, 9.2.2 "The EventSource interface" and 9.2.3 "Processing model".
    """

    def __init__(
        self,
        url: str,
        *,
        client: httpx2.Client | None = None,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        content: bytes | None = None,
        policy: ReconnectPolicy = STANDARD,
        read_timeout: float | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] | None = None,
        rnd: Callable[[], float] = random.random,
        **options: Unpack[ParserOptions],
    ) -> None:
        self._session = Session(
            url,
            headers=headers,
            method=method,
            content=content,
            policy=policy,
            read_timeout=read_timeout,
            clock=clock,
            rnd=rnd,
            **options,
        )
        self._client = open_client(client, "Client")
        self._owns_client = client is None
        self._closed = threading.Event()
        self._sleep = self._closed.wait if sleep is None else sleep
        self._source: _Source | None = None
        # Held by the thread that reads: only the reader may close a response that it reads.
        self._turn = threading.Lock()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        """
        Return the next event, waiting for it and reconnecting as long as it takes.

        Raises:
            StopIteration: The server wants no reconnection, or the stream was closed.
            NotEventStream: The answer was no event stream, or a redirect that is not followed;
                its status and content type tell.
            LimitExceeded: A line or an event was too large.
            EncodingError: The text was ill-formed, with errors="strict".
            TransportError: No connection can be made so, or the policy gave up.
        """
        with self._turn:
            while not self._closed.is_set():
                if (event := self._session.pop()) is not None:
                    return event
                if self._session.over:
                    break
                self._step()
            self._release()
        self._session.raise_error()
        raise StopIteration

    def _step(self) -> None:
        session = self._session
        if session.delay is not None:
            self._sleep(session.take_delay())
        elif self._source is None:
            self._connect()
        else:
            self._read(self._source)

    def _connect(self) -> None:
        session = self._session
        request = session.request(self._client)
        try:
            response = self._client.send(request, **session.send_options)
        except CONNECTION_FAILURES as error:
            session.take_failure(error)
            return
        self._source = cast("_Source", source_of(response))
        if not session.take_response(response):
            session.take_body_start(self._body_start(self._source))
            self._disconnect()

    def _body_start(self, source: _Source) -> bytes:
        if self._session.error is not None:
            # What the body shows is worth little: its own failure is no news.
            with suppress(Exception):
                return next(source)
        return b""

    def _read(self, source: _Source) -> None:
        session = self._session
        try:
            piece = next(source)
        except StopIteration:
            session.take_end()
            self._disconnect()
        except (RuntimeError, TypeError):
            # Misuse, not a failure of the connection.
            raise
        except Exception as error:  # whatever it fails of, it is told
            session.take_failure(error)
            self._disconnect()
        else:
            session.take(piece)

    def _disconnect(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def _release(self) -> None:
        self._session.over = True
        try:
            self._disconnect()
        finally:
            if self._owns_client:
                self._client.close()

    def close(self) -> None:
        """
        Close the stream. Closing again does nothing.

        Another thread may do so: a wait, and a read where the connection can be woken, end at
        once; a connection that is being made is given up as soon as it is made or has failed.
        """
        self._closed.set()
        if self._turn.acquire(blocking=False):
            try:
                self._release()
            finally:
                self._turn.release()
        elif (wake := getattr(self._source, "wake", None)) is not None:
            wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
