"""What a stream knows, apart from how it waits for bytes."""

from __future__ import annotations

import math
from typing import Any, Final, Generic, TypeVar, cast

from attrs import evolve

from .._deadlines import Clock, Deadlines
from .._ends import End, EndCause
from .._errors import (
    NotEventStream,
    ServerSentError,
    SSEError,
    StreamTimeout,
    TransportError,
    looks_encoded,
)
from .._sniff import BODY_START, EVENT_STREAM, is_event_stream_type, looks_like_events
from .._stage import Breakable, breaking, raise_stored
from ._faults import (
    headers_of,
    not_a_stream,
    status_of,
    timeout,
    transport_error,
    with_response,
)
from ._options import Recorder
from ._timed import CountingStage, Teller

T = TypeVar("T")

# Nobody tells it the time, so that it can be every stream's that has none.
_NO_DEADLINES: Final = Deadlines()
# By so many seconds the clock of a transport may be early.
_EARLY = 0.001


class StreamState(Breakable, Generic[T]):
    """
    Keep what a stream has read and not yet handed out, and how it ended.

    No I/O and no waiting: the drivers bring the bytes.

    Args:
        stage: What turns bytes into items.
        source: Where the bytes come from; its `status` and `headers` are told in errors.
        deadlines: For how long it may be waited for.
        timeline: What is told of all that comes, when it comes, and of the end.

    Attributes:
        timed: Whether there are deadlines: then waits are to be told, and when pieces come.
    """

    __slots__ = (
        "_body_start",
        "_deadlines",
        "_end",
        "_interrupted",
        "_ready",
        "_source",
        "_stage",
        "_teller",
        "_until",
        "timed",
    )

    def __init__(
        self,
        stage: CountingStage[T],
        source: object,
        deadlines: Deadlines | None = None,
        timeline: Recorder | None = None,
    ) -> None:
        super().__init__()
        self._stage = stage
        self._teller = None if timeline is None else Teller(stage, timeline)
        self._deadlines = _own(deadlines)
        self._until = math.inf
        self.timed = deadlines is not None
        self._source = source
        # The next one last: of a list that is the one that costs nothing to take.
        self._ready: list[T] | None = None
        self._body_start = b""
        self._end: End | None = None
        self._interrupted = False

    @property
    def end(self) -> End | None:
        """How the stream ended, or None while there is more to hand out."""
        if self._ready:
            return None
        self._finish_broken()
        return self._end

    @property
    def over(self) -> bool:
        """Whether there is nothing more to read."""
        return self._end is not None or self.stopped

    @property
    def partial(self) -> Any:
        """What the items handed out amount to, or None where nothing accumulates."""
        return None

    def pop(self) -> T | None:
        """Take the next item that is ready, or None."""
        ready = self._ready
        if not ready:
            return None
        # No call: after one, a signal could raise, and the item would be lost.
        item = ready[-1]
        del ready[-1]
        return item

    def take(self, piece: bytes) -> None:
        """Take bytes from the source."""
        if self._end is not None:
            # Closed while the source was waited for.
            return
        self._interrupted = False
        stage = self._stage
        items = stage.feed(piece)
        if self._teller is not None:
            self._teller.tell(len(piece), items)
        if items:
            self._make_ready(items)
        elif not stage.events_seen:
            self._body_start += bytes(piece[: BODY_START - len(self._body_start)])
        if stage.error is not None:
            self._finish(with_response(stage.error, self._source))

    def _make_ready(self, items: list[T]) -> None:
        items.reverse()
        self._ready = items + self._ready if self._ready else items

    @breaking
    def wait(self, now: float) -> float | None:
        """Begin to wait; return for how many seconds at most. Too late for that, it is over."""
        until = self._deadlines.next_deadline(now)
        clock = self._deadlines.passed(now)
        if clock is not None:
            self._time_out(clock)
        self._until = math.inf if until is None else until
        return None if until is None else until - now

    def take_at(self, piece: bytes, now: float) -> None:
        """Take bytes from the source, and when they came."""
        late = self._deadlines.passed(now)
        if piece:
            self._deadlines.on_bytes(now)
        before = self._stage.events_seen
        self.take(piece)
        if self._stage.events_seen > before:
            self._deadlines.on_event(now)
        if late is not None:
            self._time_out(late)

    @breaking
    def take_time_up(self) -> None:
        """Take that the wait lasted for as long as it might."""
        clock = self._deadlines.passed(self._until)
        self._time_out(cast(Clock, clock))

    @breaking
    def take_end(self) -> None:
        """Take the end of the source."""
        if self._interrupted:
            # Many iterators are over once an exception has gone through them: not an end to trust.
            self.cancel()
        if self.over:
            return
        self._take_rest()
        error = self._stage.error
        self._finish(with_response(error, self._source) if error else self._verdict(self._seen))

    @breaking
    def take_failure(self, cause: Exception, now: float = -math.inf) -> None:
        """Take an exception that the source raised, and when, where there are deadlines."""
        if isinstance(cause, StreamTimeout | TimeoutError) and now >= self._until - _EARLY:
            clock = cast(Clock, self._deadlines.passed(self._until))
            self._time_out(clock, cause.__cause__ or cause)
        elif not self.over:
            self._take_rest()
            ours = cause if isinstance(cause, SSEError) else transport_error(cause, self._seen)
            self._fail(ours)

    def _take_rest(self) -> None:
        items = self._stage.close()
        if items and self._teller is not None:
            self._teller.tell(0, items)
        self._make_ready(items)

    def _time_out(self, clock: Clock, cause: BaseException | None = None) -> None:
        if not self.over:
            self._take_rest()
            self._fail(timeout(clock, getattr(self._deadlines, clock), self._seen, cause))

    def _fail(self, error: SSEError) -> None:
        # What the server said explains more than that it then hung up.
        if isinstance(self._stage.error, ServerSentError):
            error = with_response(self._stage.error, self._source)
        self._finish(error)

    def drain_seconds(self) -> float:
        """Return for how long to read on: a stream of events is over at its end alone."""
        return 0.0

    def interrupt(self) -> None:
        """Take an exception that went through the source without being its failure."""
        self._interrupted = True

    @breaking
    def cancel(self) -> None:
        """Take the reader's word that nothing more is wanted; after the last item it is none."""
        if self.end is not None:
            return
        self._ready = None
        self._finish(None, EndCause.CANCELLED)

    def raise_error(self) -> None:
        """Raise the fault that ended the stream, if one did."""
        self._finish_broken()
        if self._error is not None:
            self._error.partial = self.partial
            raise_stored(self._error)
        if self._end is not None and self._end.cause is EndCause.CANCELLED:
            raise RuntimeError(
                "the stream was closed before its end, or a read of it interrupted; "
                "open a new one to read on"
            )

    def _verdict(self, end: End) -> SSEError | None:
        """Judge an end that no fault brought about."""
        if end.events_seen or end.comments_seen:
            return None
        if not looks_like_events(self._body_start) and not self._is_declared_stream():
            return not_a_stream(self._body_start, self._source)
        return self._verdict_on_nothing()

    def _verdict_on_nothing(self) -> SSEError | None:
        """Judge a body of which nothing came: cut before that, or never to be a stream."""
        content_type = headers_of(self._source).get("content-type", EVENT_STREAM)
        was_empty = not self._body_start and not is_event_stream_type(content_type)
        if was_empty or status_of(self._source) not in (None, 200):
            return not_a_stream(self._body_start, self._source)
        return None

    def _is_declared_stream(self) -> bool:
        # WHATWG HTML 9.2.6 ignores unknown fields, so any body of that type is an event stream,
        # once it's decompressed.
        headers = headers_of(self._source)
        is_stream = is_event_stream_type(headers.get("content-type", ""))
        return is_stream and not looks_encoded(self._body_start, headers)

    def _finish_broken(self) -> None:
        """Finish a stream that an unexpected exception stopped, as late as somebody looks."""
        if self.stopped and (self._end is None or self._error is None):
            self._finish(self.error)

    @property
    def _seen(self) -> End:
        return cast(End, self._stage.end)

    def _finish(self, error: SSEError | None, cause: EndCause | None = None) -> None:
        if self._stage.end is None:
            self._stage.close()
        end = self._seen
        self._error = error
        self._end = evolve(end, cause=cause or _cause_of(error) or end.cause)
        if self._teller is not None:
            self._teller.tell_end(self._end)


def _own(deadlines: Deadlines | None) -> Deadlines:
    if deadlines is not None and not isinstance(deadlines, Deadlines):
        name = type(deadlines).__name__
        raise TypeError(f"deadlines is a {name}; give Deadlines(total=60), or None")
    return _NO_DEADLINES if deadlines is None else evolve(deadlines)


def _cause_of(error: SSEError | None) -> EndCause | None:
    for kind, cause in _CAUSES:
        if isinstance(error, kind):
            return cause
    return None


_CAUSES: Final = (
    (NotEventStream, EndCause.NOT_A_STREAM),
    (StreamTimeout, EndCause.TIMEOUT),
    (TransportError, EndCause.TRANSPORT),
    (ServerSentError, EndCause.SERVER_ERROR),
    (SSEError, EndCause.INCOMPLETE),
)
