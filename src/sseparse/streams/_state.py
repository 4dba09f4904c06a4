"""What a stream knows, apart from how it waits for bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Final, Generic, Literal, TypeVar, Unpack, cast

from attrs import evolve

from .._ends import End, EndCause
from .._errors import (
    IncompleteStream,
    LimitExceeded,
    NotEventStream,
    ServerSentError,
    SSEError,
    StreamTimeout,
    TransportError,
)
from .._options import ChunkOptions, check_choice
from .._sniff import BODY_START, looks_like_events
from .._stage import Stage
from ..chunks import Accumulator, Chunk, ChunkParser, Result, Update
from ..chunks._limits import MAX_ACCUMULATED, MAX_TOOL_CALLS

T = TypeVar("T")

_EVENT_STREAM = "text/event-stream"


class StreamState(Generic[T]):
    """
    Keep what a stream has read and not yet handed out, and how it ended.

    No I/O and no waiting: the drivers bring the bytes.

    Args:
        stage: What turns bytes into items.
        source: Where the bytes come from; its `status` and `headers` are told in errors.
    """

    def __init__(self, stage: Stage[bytes, T], source: object) -> None:
        self._stage = stage
        self._source = source
        self._ready: deque[T] = deque()
        self._body_start = b""
        self._error: SSEError | None = None
        self._end: End | None = None
        self._interrupted = False

    @property
    def end(self) -> End | None:
        """How the stream ended, or None while there is more to hand out."""
        return None if self._ready else self._end

    @property
    def over(self) -> bool:
        """Whether there is nothing more to read."""
        return self._end is not None

    @property
    def partial(self) -> Any:
        """What the items handed out amount to, or None where nothing accumulates."""
        return None

    def pop(self) -> T | None:
        """Take the next item that is ready, or None."""
        return self._ready.popleft() if self._ready else None

    def take(self, piece: bytes) -> None:
        """Take bytes from the source."""
        if self.over:
            # Closed while the source was waited for.
            return
        self._interrupted = False
        self._ready.extend(self._stage.feed(piece))
        if len(self._body_start) < BODY_START:
            self._body_start += bytes(piece[: BODY_START - len(self._body_start)])
        if self._stage.error is not None:
            self._finish(self._with_response(self._stage.error))

    def take_end(self) -> None:
        """Take the end of the source."""
        if self._interrupted:
            # Many iterators are over once an exception has gone through them: not an end to trust.
            self.cancel()
        if self.over:
            return
        self._ready.extend(self._stage.close())
        error = self._stage.error
        self._finish(self._with_response(error) if error else self._verdict(self._stage_end))

    def take_failure(self, cause: Exception) -> None:
        """Take an exception that the source raised."""
        if self.over:
            return
        self._ready.extend(self._stage.close())
        if isinstance(self._stage.error, ServerSentError):
            # What the server said explains more than that it then hung up.
            self._finish(self._with_response(self._stage.error))
        else:
            self._finish(cause if isinstance(cause, SSEError) else self._transport_error(cause))

    def interrupt(self) -> None:
        """Take an exception that went through the source without being its failure."""
        self._interrupted = True

    def cancel(self) -> None:
        """Take the reader's word that nothing more is wanted; after the last item it is none."""
        if self.end is not None:
            return
        self._ready.clear()
        if not self.over:
            self._stage.close()
        self._finish(None, EndCause.CANCELLED)

    def raise_error(self) -> None:
        """Raise the fault that ended the stream, if one did."""
        if self._error is not None:
            self._error.partial = self.partial
            raise self._error.with_traceback(None)
        if self._end is not None and self._end.cause is EndCause.CANCELLED:
            raise RuntimeError(
                "the stream was closed before its end, or a read of it interrupted; "
                "open a new one to read on"
            )

    def _verdict(self, end: End) -> SSEError | None:
        """Judge an end that no fault brought about."""
        if end.events_seen or end.comments_seen:
            return None
        if not looks_like_events(self._body_start):
            return self._not_a_stream(self._body_start)
        return self._verdict_on_nothing()

    def _verdict_on_nothing(self) -> SSEError | None:
        """Judge a body of which nothing came: cut before that, or never to be a stream."""
        content_type = (self._content_type or _EVENT_STREAM).lower()
        was_empty = not self._body_start and not content_type.startswith(_EVENT_STREAM)
        if was_empty or self._status not in (None, 200):
            return self._not_a_stream(self._body_start)
        return None

    @property
    def _status(self) -> int | None:
        status: int | None = getattr(self._source, "status", None)
        return status

    @property
    def _content_type(self) -> str | None:
        headers: Mapping[str, str] = getattr(self._source, "headers", None) or {}
        return headers.get("content-type")

    def _not_a_stream(self, body_start: bytes) -> NotEventStream:
        return NotEventStream(
            body_start=body_start, status=self._status, content_type=self._content_type
        )

    def _with_response(self, error: SSEError) -> SSEError:
        """Add to an error what the response says, of which its stage knows nothing."""
        if isinstance(error, NotEventStream):
            return self._not_a_stream(error.body_start)
        if isinstance(error, ServerSentError):
            error.status = self._status
        return error

    def _transport_error(self, cause: Exception) -> TransportError:
        seen = self._stage_end
        message = (
            f"the connection failed after {seen.bytes_seen} bytes, {seen.events_seen} events seen: "
            f"{type(cause).__name__}: {cause}"
        )
        error = (
            StreamTimeout(message, clock="transport")
            if isinstance(cause, TimeoutError)
            else TransportError(message)
        )
        error.__cause__ = cause
        return error

    @property
    def _stage_end(self) -> End:
        return cast(End, self._stage.end)

    def _finish(self, error: SSEError | None, cause: EndCause | None = None) -> None:
        end = self._stage_end
        self._error = error
        self._end = evolve(end, cause=cause or _cause_of(error) or end.cause)


class ChunkState(StreamState[Chunk]):
    """
    Keep what a stream of chunks has read, and the completion that they amount to.

    Args:
        source: Where the bytes come from.
        on_incomplete: What an end does that neither [DONE] nor a finish reason announced:
            "raise" or "accept".
        max_tool_calls: How many tool calls there may be; None for no limit.
        max_accumulated_bytes: How much may be kept of the completion; None for no limit.
        options: The options of `ChunkParser`.

    Attributes:
        parser: What turns bytes into chunks.
        accumulator: What the chunks handed out amount to.
        watched: Whether updates are told of the chunks that are handed out.
        updates: Those told and not yet handed out.
    """

    def __init__(
        self,
        source: object,
        *,
        on_incomplete: Literal["raise", "accept"] = "raise",
        max_tool_calls: int | None = MAX_TOOL_CALLS,
        max_accumulated_bytes: int | None = MAX_ACCUMULATED,
        **options: Unpack[ChunkOptions],
    ) -> None:
        check_choice("on_incomplete", on_incomplete, "raise", "accept")
        self.parser = ChunkParser(**options)
        super().__init__(self.parser, source)
        self._accept_incomplete = on_incomplete == "accept"
        self.accumulator = Accumulator(
            max_choices=None,  # the parser counts them
            max_tool_calls=max_tool_calls,
            max_accumulated_bytes=max_accumulated_bytes,
        )
        self.updates: deque[Update] = deque()
        self.watched = False

    @property
    def partial(self) -> Result:
        """The completion so far."""
        return self.accumulator.snapshot()

    @property
    def end(self) -> End | None:
        """How the stream ended, or None while there is more to hand out."""
        return None if self.updates else super().end

    def cancel(self) -> None:
        """Take the reader's word that nothing more is wanted."""
        self.updates.clear()
        super().cancel()

    def pop(self) -> Chunk | None:
        """Take the next chunk that is ready, and accumulate it."""
        chunk = super().pop()
        if chunk is not None:
            try:
                self._add(chunk)
            except LimitExceeded as error:
                self._stop(error)
                return None
        return chunk

    def _add(self, chunk: Chunk) -> None:
        if self.watched:
            self.updates += self.accumulator.updates(chunk)
        else:
            self.accumulator.add(chunk)

    def tell_end(self) -> bool:
        """Tell what is done by the end, if that was a good one and nothing told it before."""
        if self.end is not None and self.end.complete:
            self.updates += self.accumulator.last_updates()
        return bool(self.updates)

    def _stop(self, error: SSEError) -> None:
        """Stop where a chunk could not be kept; those after it are dropped."""
        self._ready.clear()
        if not self.over:
            self._stage.close()
        self._finish(error)

    def take(self, piece: bytes) -> None:
        """Take bytes from the source; after the [DONE] mark there is no need for more."""
        super().take(piece)
        if self.parser.done and not self.over:
            self.take_end()

    def result(self) -> Result:
        """Return the completion of a stream that was read to its end."""
        self.raise_error()
        return self.accumulator.snapshot()

    def _verdict(self, end: End) -> SSEError | None:
        # A body that was one JSON object had choices, and no events.
        came = end.events_seen or end.comments_seen or end.finish_reasons
        error = None if came else self._verdict_on_nothing()
        if error is None and not end.complete and not self._accept_incomplete:
            return IncompleteStream(end=end)
        return error


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
