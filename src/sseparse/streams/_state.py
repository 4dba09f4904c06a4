"""Base classes of streams, without I/O: source, reader and deadlines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, cast

from attrs import evolve

from .._end import End
from .._errors import StreamTimeout, describe_seen
from .._log import debug
from .._options import EventOptions, check_seconds, wrong_type
from .._response import status_of
from .._stage import Uncopyable
from ._event_reader import EventReader
from ._protocols import ItemT, Recorder, ResultT

if TYPE_CHECKING:
    from .._deadlines import Clock, Deadlines
    from ._reader import Reader

# In seconds: the clock of a transport can be early by this much.
_EARLY = 0.001
_WAITED: Final[Mapping[Clock, str]] = {
    "first_event": "no event within {} s of the first read",
    "between_bytes": "no bytes for {} s",
    "between_events": "no event for {} s",
    "total": "the stream isn't complete after {} s",
}


class EventStreamOptions(EventOptions, total=False):
    """Options of a stream of events; see `EventStream`."""

    deadlines: Deadlines | None
    timeline: Recorder | None


class BaseStream(Uncopyable, Generic[ItemT]):
    """
    A source, the reader of its bytes, and deadlines: what streams share that needs no I/O.

    Args:
        source: The source of bytes.
        reader: The stages of the stream.
        deadlines: How long to wait for the source; None for no limit.
        drain: How long to continue to read after the API's terminal event, in seconds.

    Raises:
        TypeError: `deadlines` isn't a `Deadlines`.
        ValueError: `drain` isn't a valid number.
    """

    _deadlines: Deadlines  # set only if there are deadlines

    def __init__(
        self,
        source: object,
        reader: EventReader[ItemT],
        deadlines: Deadlines | None,
        drain: float = 0.0,
    ) -> None:
        check_seconds("drain", drain)
        if deadlines is not None:
            self._deadlines = _copy_deadlines(deadlines)
        self._source: Any = source
        self._pieces: Any = None  # the iterator of the source, once it was read
        self._reader = reader
        # With deadlines, the driver reports when it begins to wait and when bytes arrive.
        self._is_timed = deadlines is not None
        self._until = math.inf  # the end of a wait
        self._drain_time = drain
        # Whether an exception went through the source without being its failure. None before the
        # first bytes: then _receive() has one check for both.
        self._interrupted: bool | None = None
        kind, status = type(source).__qualname__, status_of(source)
        debug("stream %x: opened over %s, status %s", id(reader), kind, status)

    @property
    def end(self) -> End | None:
        """How the stream ended; None while there are items to return."""
        reader = self._reader
        return None if reader.has_ready or not reader.closed else reader.end

    @property
    def last_event_id(self) -> str:
        """The last event ID, which a reconnection sends as `Last-Event-ID`."""
        return self._reader.parser.last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds, or None if the stream never set one."""
        return self._reader.parser.retry

    def _receive(self, piece: bytes) -> None:
        """Process bytes from the source. After the terminal event, the stream is over."""
        reader = self._reader
        if self._interrupted is not False:
            if self._interrupted is None:
                debug("stream %x: first bytes", id(reader))
            self._interrupted = False
        reader.push(piece)
        reader.push_terminal()

    def _receive_at(self, piece: bytes, now: float) -> None:
        """Process bytes that were received at a time, in seconds."""
        late = self._deadlines.passed(now)
        if piece:
            self._deadlines.on_bytes(now)
        before = self._reader.parser.events_seen
        self._receive(piece)
        if self._reader.parser.events_seen > before:
            self._deadlines.on_event(now)
        if late is not None:
            self._time_out(late)

    def _receive_end(self) -> None:
        """Process the end of the source."""
        if self._interrupted:
            # Many iterators are exhausted after an exception went through them: this end can't be
            # trusted.
            self._reader.cancel()
        self._reader.push_end()

    def _receive_failure(self, cause: Exception, now: float = -math.inf) -> None:
        """Process an exception that the source raised, at a time if there are deadlines."""
        if isinstance(cause, StreamTimeout | TimeoutError) and now >= self._until - _EARLY:
            self._time_out(cause=cause.__cause__ or cause)
        else:
            self._reader.push_failure(cause)

    def _begin_wait(self, now: float) -> float | None:
        """
        Begin to wait for the source.

        Returns:
            How long to wait, in seconds; None for no limit. If a deadline has passed already, the
            stream is over.
        """
        until = self._deadlines.next_deadline(now)
        clock = self._deadlines.passed(now)
        if clock is not None:
            self._time_out(clock)
        self._until = math.inf if until is None else until
        return None if until is None else until - now

    def _time_out(self, clock: Clock | None = None, cause: BaseException | None = None) -> None:
        """End the stream at a deadline, by default the one that ends the current wait."""
        clock = clock or cast("Clock", self._deadlines.passed(self._until))
        waited = _WAITED[clock].format(getattr(self._deadlines, clock))

        def make_error(seen: End) -> StreamTimeout:
            error = StreamTimeout(
                f"Timed out: {waited} (deadline {clock}), {describe_seen(seen)}.", clock=clock
            )
            error.__cause__ = cause
            return error

        self._reader.push_failure(make_error)

    def _take_drain_time(self) -> float:
        """Return how long to read on, once, after the terminal event or an error of the server."""
        seconds = self._drain_time if self._reader.continues else 0.0
        self._drain_time = 0.0
        return seconds


class BaseItemStream(BaseStream[ItemT], Generic[ItemT, ResultT]):
    """What streams of an API's items share that needs no I/O."""

    _reader: Reader[ItemT, ResultT]

    @property
    def skipped(self) -> int:
        """The number of events dropped because their data isn't a JSON object."""
        return self._reader.item_parser.skipped

    def snapshot(self) -> ResultT:
        """Return the result of the items returned so far."""
        return self._reader.snapshot()


def _copy_deadlines(deadlines: Deadlines) -> Deadlines:
    from .._deadlines import Deadlines  # noqa: PLC0415 - most streams have none

    if not isinstance(deadlines, Deadlines):
        raise wrong_type("deadlines", deadlines, "Deadlines(total=60), or None")
    return evolve(deadlines)
