"""What EventSource and AsyncEventSource share: the state over their connections."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Unpack, cast

from attrs import evolve

from .._end import End, EndCause
from .._errors import NotEventStream, SSEError, StreamTimeout, TransportError, translated
from .._log import debug
from .._options import ParserOptions, wrong_type
from .._stage import Breakable, breaking
from ..adapters._http import check_timeout
from ..sse._core import ItemT as EventT
from ..sse._event import Comment
from ..sse._parser import BODY_START, Parser
from ._connect import CallableConnector, merge_headers
from ._decisions import Decision, Fail, Read, ResponseDecision, Retry, Stop
from ._policy import ReconnectPolicy

if TYPE_CHECKING:
    from ._httpx2 import HTTPX2Connector

ReadyState = Literal["connecting", "open", "closed"]
_DEFAULT_POLICY: Final = ReconnectPolicy()


class EventSourceOptions(ParserOptions, total=False):
    """Options of `EventSource` and `AsyncEventSource`."""

    method: str
    content: bytes | None
    policy: ReconnectPolicy
    read_timeout: float | None
    on_open: Callable[[Mapping[str, str]], object] | None
    on_error: Callable[[SSEError | None], object] | None
    clock: Callable[[], float]
    rnd: Callable[[], float]


class BaseEventSource(Breakable, Generic[EventT]):
    """State of an EventSource over its connections, without I/O."""

    def __init__(
        self,
        url: str | None,
        *,
        client: object,
        client_type: Literal["Client", "AsyncClient"],
        connect: Callable[[Mapping[str, str]], Any] | None,
        headers: Mapping[str, str] | Callable[[], Any] | None,
        comments: bool,
        method: str = "GET",
        content: bytes | None = None,
        policy: ReconnectPolicy = _DEFAULT_POLICY,
        read_timeout: float | None = None,
        on_open: Callable[[Mapping[str, str]], object] | None = None,
        on_error: Callable[[SSEError | None], object] | None = None,
        clock: Callable[[], float] = time.time,
        rnd: Callable[[], float] = random.random,
        **options: Unpack[ParserOptions],
    ) -> None:
        super().__init__()
        self._make_headers = headers if callable(headers) else None
        self._headers = {} if callable(headers) else merge_headers(headers)
        if not isinstance(policy, ReconnectPolicy):
            raise wrong_type("policy", policy, "a ReconnectPolicy()")
        check_timeout(read_timeout, "read_timeout")
        self._read_timeout = read_timeout
        self._on_open = on_open
        self._on_error = on_error
        self._clock = clock
        self._rnd = rnd
        self._parser = cast("Parser[EventT]", Parser(comments=comments, **options))
        self._state = policy.start(options.get("last_event_id", ""))
        self._received: deque[EventT] = deque()
        self.ready_state: ReadyState = "connecting"
        self.last_error: SSEError | None = None
        self._delay: float | None = None  # before the next connection
        self._restarting = False
        self._closed = False  # by its reader
        self._source: Any = None
        self._pieces: Any = None  # the iterator of the source
        self._opened: Mapping[str, str] | None = None  # the headers to call on_open with
        self._lost = False  # on_error must be called
        self._connector: HTTPX2Connector | CallableConnector
        if connect is None:
            from . import _httpx2  # noqa: PLC0415 - the others need no httpx2

            self._connector = _httpx2.HTTPX2Connector(url, client, client_type, method, content)
        else:
            if url is not None or client is not None or method != "GET" or content is not None:
                raise TypeError("connect is given; leave out url, client, method and content")
            self._connector = CallableConnector(connect, policy)

    @property
    def last_event_id(self) -> str:
        """The last event ID at the last event returned. A new stream can resume after it."""
        return (self._state if self._received else self._parser).last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds, or None if the server never set one."""
        return self._parser.retry

    def _begin_connection(self) -> None:
        self.last_error = self._state.header_error or self.last_error
        debug("event source %x: connects", id(self))

    def _on_open_failure(self, error: Exception) -> None:
        if isinstance(error, ValueError) and not isinstance(error, self._connector.permanent):
            raise error  # an argument that the caller's library rejects
        self._on_failure(error)

    @breaking
    def _on_response(self) -> None:
        """Process the head of the source's response."""
        status = getattr(self._source, "status", None)
        headers: dict[str, str] = {}
        decision: ResponseDecision = Read()
        if status is not None:  # else an iterable of bytes
            headers = dict(self._source.headers)
            now, rnd = self._clock(), self._rnd()
            self._state, decision = self._state.on_response(status, headers, now, rnd)
        if isinstance(decision, Read):
            self.ready_state = "open"
            self._opened = headers
            debug("event source %x: open", id(self))
            return
        if not isinstance(decision, Stop):
            self.last_error = NotEventStream.from_response(status, headers)
        self._apply(decision)

    def _report(self) -> None:
        """Call on_open or on_error if it's due. An exception there changes nothing."""
        headers, self._opened = self._opened, None
        if headers is not None and self._on_open is not None:
            self._on_open(headers)
        was_lost, self._lost = self._lost, False
        if was_lost and self._on_error is not None:
            self._on_error(self.last_error)

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
        is_permanent = isinstance(error.__cause__, self._connector.permanent)
        if is_permanent or not isinstance(error, TransportError):
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
            self._lost = True
            self._parser.reset()
            if decision.method is not None:
                self._connector.method, self._connector.content = decision.method, None
        elif isinstance(decision, Fail):
            why = f"not reconnected: {decision.reason}"
            self.last_error = self.last_error or self._state.header_error
            error = self.last_error or TransportError(f"the stream ended and was {why}")
            error.add_note(why)
            self._finish(error)
        else:
            self._finish(None)

    @breaking
    def _begin_again(self) -> None:
        """Drop the connection, or the wait for one; see `restart()`."""
        self._restarting = False
        # A restart that the caller requests isn't a failed attempt.
        self._state = evolve(self._state, attempts=0)
        self.last_error = None
        if self.ready_state == "open":
            self._reconnect(EndCause.TRANSPORT)
            self._lost = self.error is not None
            self._state = evolve(self._state, attempts=0)
        self._delay = None

    def _finish(self, error: SSEError | None) -> None:
        self._set_closed("the server" if error is None else type(error).__name__)
        self._error = error
        if error is not None:
            self.last_error = error
            self._lost = True

    def _set_closed(self, by: str = "its reader") -> None:
        if self.ready_state != "closed":
            debug("event source %x: closed by %s", id(self), by)
        self.ready_state = "closed"

    @breaking
    def _pop_event(self) -> EventT | None:
        """Return the next event that was received, or None."""
        if self.stopped:
            self._finish(self.error)
        while self._received and self.ready_state != "closed":
            event = self._received.popleft()
            if isinstance(event, Comment):
                return event
            self._state, replayed = self._state.on_event(event)
            if self._state.outcome is not None:
                self._finish(None)
            if not replayed:
                return event
        if self._parser.error is not None and self.ready_state != "closed":
            self._finish(self._parser.error)
        return None
