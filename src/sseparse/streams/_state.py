"""State of a stream between its source and its reader."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Protocol, TypeVar, Unpack, cast

from attrs import evolve

from .._deadlines import Clock, Deadlines
from .._end import End, EndCause
from .._errors import (
    IncompleteStream,
    NotEventStream,
    ServerSentError,
    SSEError,
    StreamTimeout,
    TransportError,
    headers_of,
    looks_encoded,
    not_a_stream,
    status_of,
    timeout,
    transport_error,
    with_response,
)
from .._options import ChunkOptions, check_choice, check_seconds
from .._stage import Breakable, Stage, Uncopyable, breaking, raise_stored
from ..chunks import Accumulator, ChatCompletionChunk, Chunk, ChunkParser, CompletionChunk, Result
from ..chunks._accumulator import MAX_ACCUMULATED, MAX_TOOL_CALLS
from ..sse._core import ItemT
from ..sse._parser import BODY_START, EVENT_STREAM, Parser, is_event_stream_type, looks_like_events

if TYPE_CHECKING:
    from ..chunks import Update
    from ..chunks._estimate import UsageEstimate


class Recorder(Protocol):
    """Describe what notes when something comes; `sseparse.timing.Timeline` does."""

    def on_bytes(self, size: int, /, *, events: int, comments: int) -> None:
        """Note that a piece of `size` bytes came, and how much was in it."""
        ...

    def on_chunk(self, chunk: Chunk, /) -> None:
        """Note that a chunk came."""
        ...

    def on_end(self, end: End, /) -> None:
        """Note that the stream ended."""
        ...


class StreamOptions(ChunkOptions, total=False):
    """Name the options of a stream of chunks; `Stream` says what they do."""

    on_incomplete: Literal["raise", "accept"]
    deadlines: Deadlines | None
    drain: float
    max_tool_calls: int | None
    max_accumulated_bytes: int | None
    timeline: Recorder | None
    usage: Literal["server", "estimate"]
    messages: Sequence[Mapping[str, Any] | str | int | Sequence[int]] | None
    tools: Sequence[Mapping[str, Any]] | None
    encoding: str | None


T = TypeVar("T")

_CHUNKS = (ChatCompletionChunk, CompletionChunk)


class CountingStage(Stage[bytes, T], Protocol):
    """Describe a stage that says how many events and comments it has seen."""

    @property
    def events_seen(self) -> int:
        """How many events were dispatched."""
        ...

    @property
    def comments_seen(self) -> int:
        """How many comment lines came."""
        ...


class Teller(Generic[T]):
    """
    Tell a timeline what comes out of a stage, as soon as it does.

    Args:
        stage: What turns bytes into items.
        timeline: What is told.
    """

    def __init__(self, stage: CountingStage[T], timeline: Recorder) -> None:
        self._stage = stage
        self._timeline = timeline
        self._events_told = self._comments_told = 0
        self._ended = False

    def tell(self, size: int, items: list[T]) -> None:
        """
        Tell that a piece came.

        Args:
            size: How many bytes it had; 0 for the end of the stream.
            items: What it completed.
        """
        events, comments = self._stage.events_seen, self._stage.comments_seen
        self._timeline.on_bytes(
            size, events=events - self._events_told, comments=comments - self._comments_told
        )
        self._events_told, self._comments_told = events, comments
        for item in items:
            if isinstance(item, _CHUNKS):
                self._timeline.on_chunk(item)

    def tell_end(self, end: End) -> None:
        """Tell that the stream ended, and how."""
        # Once, also where the timeline raised.
        if not self._ended:
            self._ended = True
            self._timeline.on_end(end)


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


class ChunkState(StreamState[Chunk]):
    """
    Keep what a stream of chunks has read, and the completion that they amount to.

    Args:
        source: Where the bytes come from.
        on_incomplete: What an end does that neither [DONE] nor a finish reason announced:
            "raise" or "accept".
        deadlines: For how long the source may be waited for.
        drain: For how long to read on after [DONE], in seconds.
        max_tool_calls: How many tool calls there may be; None for no limit.
        max_accumulated_bytes: How much may be kept of the completion; None for no limit.
        timeline: What is told of all that comes, when it comes, and of the end.
        usage: What a completion without token counts gets: "server", none, or "estimate".
        messages: What of the request is counted; None for none.
        tools: The tools of the request; None for none.
        encoding: How to count; None for the encoding of the completion's model.
        options: The options of `ChunkParser`.

    Attributes:
        parser: What turns bytes into chunks.
        accumulator: What the chunks handed out amount to.
        watched: Whether updates are told of the chunks that are handed out.
    """

    __slots__ = (
        "_accept_incomplete",
        "_drain",
        "_estimate",
        "_left_open",
        "_updates",
        "accumulator",
        "parser",
        "watched",
    )

    def __init__(
        self,
        source: object,
        *,
        on_incomplete: Literal["raise", "accept"] = "raise",
        deadlines: Deadlines | None = None,
        drain: float = 0.1,
        max_tool_calls: int | None = MAX_TOOL_CALLS,
        max_accumulated_bytes: int | None = MAX_ACCUMULATED,
        timeline: Recorder | None = None,
        usage: Literal["server", "estimate"] = "server",
        messages: Sequence[Mapping[str, Any] | str | int | Sequence[int]] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        encoding: str | None = None,
        **options: Unpack[ChunkOptions],
    ) -> None:
        check_choice("on_incomplete", on_incomplete, "raise", "accept")
        check_seconds("drain", drain)
        check_choice("usage", usage, "server", "estimate")
        self._estimate: UsageEstimate | None = None
        if usage == "estimate":
            from ..chunks._estimate import UsageEstimate  # noqa: PLC0415 - most do without

            self._estimate = UsageEstimate(messages, tools, encoding)
        elif (messages, tools, encoding) != (None, None, None):
            raise ValueError('messages, tools and encoding are for usage="estimate"; give that too')
        self.parser = ChunkParser(**options)
        super().__init__(self.parser, source, deadlines, timeline)
        self._drain = drain
        self._left_open = False
        self._accept_incomplete = on_incomplete == "accept"
        self.accumulator = Accumulator(
            max_choices=None,  # the parser counts them
            max_tool_calls=max_tool_calls,
            max_accumulated_bytes=max_accumulated_bytes,
        )
        self.watched = False
        # The next one last, as of what is ready.
        self._updates: list[Update] | None = None

    @property
    def partial(self) -> Result:
        """The completion so far."""
        return self.accumulator.snapshot()

    @property
    def end(self) -> End | None:
        """How the stream ended, or None while there is more to hand out."""
        return None if self._updates else super().end

    def cancel(self) -> None:
        """Take the reader's word that nothing more is wanted."""
        self._updates = None
        super().cancel()

    def pop(self) -> Chunk | None:
        """Take the next chunk that is ready, and accumulate it."""
        ready = self._ready
        if not ready:
            return None
        try:
            chunk = ready.pop()
            if self.watched:
                self._make_told(self.accumulator.updates(chunk))
            else:
                self.accumulator.add(chunk)
            return chunk  # noqa: TRY300 - until it is returned, an exception loses it
        except SSEError as error:
            self._drop_rest(error)
            return None
        except BaseException:
            self.stopped = True
            raise

    def pop_update(self) -> Update | None:
        """Take the next update that was told, or None."""
        return self._updates.pop() if self._updates else None

    def _make_told(self, updates: list[Update]) -> None:
        updates.reverse()
        self._updates = updates + self._updates if self._updates else updates

    @breaking
    def tell_end(self) -> bool:
        """Tell what is done by the end, if that was a good one and nothing told it before."""
        if self.end is not None and self.end.complete:
            self._make_told(self.accumulator.last_updates())
        return bool(self._updates)

    def _drop_rest(self, error: SSEError) -> None:
        """Stop where a chunk could not be kept; those after it are dropped."""
        self._ready = None
        self._finish(error)

    def take(self, piece: bytes) -> None:
        """Take bytes from the source; after the [DONE] mark there is no need for more."""
        super().take(piece)
        if self.parser.done and self._end is None:
            self.take_end()
            self._left_open = True

    def drain_seconds(self) -> float:
        """Return for how long to read on, once, for the end of the body that [DONE] announced."""
        seconds = self._drain if self._left_open else 0.0
        self._left_open = False
        return seconds

    def result(self) -> Result:
        """Return the completion of a stream that was read to its end."""
        self.raise_error()
        raise_stored(self.accumulator.error)
        result = self.accumulator.snapshot()
        return result if self._estimate is None else self._estimate.complete(result)

    def _verdict(self, end: End) -> SSEError | None:
        # A body that was one JSON object had choices, and no events.
        came = end.events_seen or end.comments_seen or end.finish_reasons
        error = None if came else self._verdict_on_nothing()
        if error is None and not end.complete and not self._accept_incomplete:
            return IncompleteStream(end=end)
        return error


class Face(Uncopyable, Generic[T]):
    """Show how a stream ended."""

    def __init__(self, source: object, state: StreamState[T]) -> None:
        self._source: Any = source
        self._state = state

    @property
    def end(self) -> End | None:
        """How the stream ended, or None while it goes on."""
        return self._state.end


class EventFace(Generic[ItemT]):
    """Show what a reconnection needs."""

    _parser: Parser[ItemT]

    @property
    def last_event_id(self) -> str:
        """The last event ID: what a reconnection would send as `Last-Event-ID`."""
        return self._parser.last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds, or None where the stream never set one."""
        return self._parser.retry


class ChunkFace:
    """Show what the chunks handed out amount to."""

    _chunks: ChunkState

    @property
    def last_event_id(self) -> str:
        """The last event ID: what a reconnection would send as `Last-Event-ID`."""
        return self._chunks.parser.last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds, or None where the stream never set one."""
        return self._chunks.parser.retry

    @property
    def skipped(self) -> int:
        """How many events were dropped because their data was not a JSON object."""
        return self._chunks.parser.skipped

    @property
    def accumulator(self) -> Accumulator:
        """What the chunks handed out amount to."""
        return self._chunks.accumulator

    def snapshot(self) -> Result:
        """Return the completion as far as the chunks handed out go."""
        return self._chunks.partial
