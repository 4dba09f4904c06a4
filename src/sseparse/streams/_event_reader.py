"""Reader of events: parser and completeness check, without I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, cast

from attrs import evolve

from .._end import End, EndCause
from .._errors import (
    NotEventStream,
    ServerSentError,
    SSEError,
    add_response,
    cause_of,
    describe_seen,
    translated,
)
from .._log import debug
from .._options import check_hook
from .._response import headers_of, is_event_stream_type, looks_encoded, lost_line_ends, status_of
from .._stage import Breakable, breaking, check_piece, raise_stored
from ..sse._parser import BODY_START, looks_like_events
from ._protocols import ItemT, Recorder, StreamParser


class EventReader(Breakable, Generic[ItemT]):
    """
    Reader of one stream of events, without I/O: parser and completeness check.

    Push bytes with `feed()` and finish with `close()`, or with `fail()` if the connection failed.
    Streams use a reader and return one item at a time.

    Args:
        parser: The parser of events.
        response: An object with the `status` and `headers` that errors report; or None.
        timeline: Recorder of arrival times; or None.
    """

    # Most readers never get a `__dict__`: only those with attributes that a user sets.
    __slots__ = (
        "__dict__", "__weakref__", "_body_start", "_end", "_ready", "_recorded", "_response",
        "_timeline", "continues", "parser",
    )  # fmt: skip

    def __init__(
        self,
        parser: StreamParser[ItemT],
        *,
        response: object = None,
        timeline: Recorder | None = None,
    ) -> None:
        super().__init__()
        self.parser: StreamParser[ItemT] = parser
        self._response = response
        self._timeline = timeline
        # In reverse: the last item of a list is the cheapest to remove.
        self._ready: list[ItemT] | None = None
        self._body_start = b""
        self._recorded = (0, 0)
        self._end: End | None = None
        self.continues: bool = False
        """Whether bytes after the end can complete the result."""
        if timeline is not None:
            _open_timeline(timeline)

    # For those who push bytes.

    def feed(self, data: bytes | bytearray | memoryview) -> list[ItemT]:
        """
        Feed bytes and return the items that they complete.

        Args:
            data: Bytes, split anywhere.

        Returns:
            The items, in order. If the data has an error, the items before it; `error` is then set.

        Raises:
            SSEError: An earlier call set `error`, which is raised again.
            RuntimeError: The reader is closed.
            TypeError: The data isn't bytes.
        """
        if self.over:
            self.raise_error()
            raise RuntimeError("feed() after close(): the stream has ended; use a new reader")
        check_piece(data)
        return self._feed(data)

    @breaking
    def _feed(self, data: bytes | bytearray | memoryview) -> list[ItemT]:
        self.push(data)
        self.push_terminal()
        return self._pop_all()

    def close(self) -> list[ItemT]:
        """
        Process the end of the body and return the items that it completes.

        Then `end` says how the stream ended, and `error` is set unless it's complete. Closing
        again does nothing.
        """
        self.continues = False
        self.push_end()
        return self._pop_all()

    def fail(self, cause: Exception) -> list[ItemT]:
        """
        Process a failure of the connection and return the items completed before it.

        Args:
            cause: The transport's exception, which becomes the `__cause__` of `error`: a
                `TransportError`, or a `StreamTimeout` for a TimeoutError.

        Raises:
            TypeError: The cause isn't an exception.
        """
        if not isinstance(cause, Exception):
            raise TypeError(f"fail() takes an exception, not {type(cause).__name__}")
        self.continues = False
        self.push_failure(cause)
        return self._pop_all()

    @breaking
    def _pop_all(self) -> list[ItemT]:
        items: list[ItemT] = []
        while (item := self.pop()) is not None:
            items.append(item)
        return items

    @property
    def error(self) -> SSEError | None:
        """The error that ended the stream, or None."""
        self._finish_broken()
        return super().error

    @property
    def closed(self) -> bool:
        """Whether the stream has ended: by `close()`, by `fail()` or at an error."""
        self._finish_broken()
        return self._end is not None

    @property
    def end(self) -> End:
        """
        How the stream ended.

        Raises:
            RuntimeError: The stream hasn't ended.
        """
        self._finish_broken()
        if self._end is None:
            raise RuntimeError("the stream hasn't ended: call close() or fail() first")
        return self._end

    # For streams, which return an item at a time.

    def push(self, data: bytes | bytearray | memoryview) -> None:
        """Decode bytes; `pop()` returns the items."""
        parser = self.parser
        items = parser.feed(data)
        if self._timeline is not None:
            self._record(len(data), items)
        if items:
            self._add_ready(items)
        elif not parser.events_seen:
            self._body_start += bytes(data[: BODY_START - len(self._body_start)])
        if parser.error is not None:
            self.finish(parser.error)

    def pop(self) -> ItemT | None:
        """Return the next item, or None if another piece is needed."""
        ready = self._ready
        if not ready:
            return None
        # No call: a signal could raise after one, and the item would be lost.
        item = ready[-1]
        del ready[-1]
        return item

    def _add_ready(self, items: list[ItemT]) -> None:
        items.reverse()
        self._ready = items + self._ready if self._ready else items

    @breaking
    def push_end(self) -> None:
        """Process the end of the body; `pop()` returns the items that it completes."""
        if self.over:
            return
        self._close_parser()
        error = self.parser.error
        self.finish(error or self._judge(self.seen))

    @breaking
    def push_failure(self, cause: Exception | Callable[[End], SSEError]) -> None:
        """
        Process a failure of the connection.

        Args:
            cause: The transport's exception, an `SSEError`, or a function that makes one.
        """
        if self.over:
            return
        self._close_parser()
        if isinstance(cause, SSEError):
            error = cause
        elif isinstance(cause, Exception):
            error = translated("The connection", cause, f" {describe_seen(self.seen)}")
        else:
            error = cause(self.seen)
        # What the server said explains more than the failure after it.
        if isinstance(self.parser.error, ServerSentError):
            error = self.parser.error
        self.finish(error)

    @breaking
    def cancel(self) -> None:
        """End the stream because nothing more is wanted."""
        if self.has_ready or not self.closed:
            self._drop_ready()
            self.finish(None, EndCause.CANCELLED)

    def push_terminal(self) -> None:
        """End the stream if the API's terminal event was received."""

    def push_late(self, data: bytes | bytearray | memoryview) -> None:
        """Process bytes after the end, which can complete the result."""

    @property
    def has_ready(self) -> bool:
        """Whether there is something to return before the end."""
        return bool(self._ready)

    def _drop_ready(self) -> None:
        self._ready = None

    @property
    def over(self) -> bool:
        """Whether no more bytes are needed."""
        return self._end is not None or self.stopped

    @property
    def seen(self) -> End:
        """What the closed parser reports."""
        return cast(End, self.parser.end)

    def raise_error(self) -> None:
        """Raise the error that ended the stream, if any."""
        self._finish_broken()
        raise_stored(self.error)
        if self._end is not None and self._end.cause is EndCause.CANCELLED:
            raise RuntimeError(
                "the stream was closed before its end, or a read of it interrupted; "
                "open a new one to read on"
            )

    def _close_parser(self) -> None:
        """Close the parser; `pop()` returns the items that it completes."""
        items = self.parser.close() if self.parser.end is None else []
        if items and self._timeline is not None:
            self._record(0, items)
        self._add_ready(items)

    def finish(self, error: SSEError | None, cause: EndCause | None = None) -> None:
        """End the stream, with or without an error."""
        if self.parser.end is None:
            self.parser.close()
        end = self.seen
        self._error = error = error and add_response(error, self._response)
        self._end = evolve(end, cause=cause or cause_of(error) or end.cause)
        # Only the error's class: its message can have text that the server sent.
        what = self._end.cause.value if error is None else type(error).__name__
        seen = end.events_seen, end.bytes_seen
        debug("stream %x: ended by %s, events: %d, bytes: %d", id(self), what, *seen)
        # Once, even if the timeline raises.
        timeline, self._timeline = self._timeline, None
        if timeline is not None:
            self._record_end(timeline, self._end)

    def _record_end(self, timeline: Recorder, end: End) -> None:
        timeline.on_end(end, None)

    def _finish_broken(self) -> None:
        """Finish a stream that an unexpected exception stopped, at the first look at it."""
        if self.stopped and (self._end is None or self._error is None):
            self.finish(super().error)

    def _judge(self, end: End) -> SSEError | None:
        """Return what is wrong with an end that no error caused."""
        if end.events_seen or end.comments_seen or end.finish_reasons:
            return None
        return self._judge_body(end)

    def _judge_body(self, end: End) -> SSEError | None:
        """Return the error for a body without any event if it can't be an event stream."""
        start, headers = self._body_start, headers_of(self._response)
        content_type = headers.get("content-type", "")
        is_declared = is_event_stream_type(content_type)
        if not start:
            can_be_stream = is_declared or not content_type
        else:
            # WHATWG HTML 9.2.6 ignores unknown fields, so any body of that type is an event stream,
            # once it's decompressed.
            is_valid = is_declared and not looks_encoded(start, headers)
            can_be_stream = end.one_object or is_valid or looks_like_events(start)
        if can_be_stream and not lost_line_ends(start) and status_of(self._response) in (None, 200):
            return None
        return NotEventStream(body_start=start)

    def _record(self, size: int, _items: list[ItemT]) -> None:
        timeline = cast(Recorder, self._timeline)
        events, comments = self.parser.events_seen, self.parser.comments_seen
        last_events, last_comments = self._recorded
        timeline.on_bytes(size, events=events - last_events, comments=comments - last_comments)
        self._recorded = (events, comments)


def _open_timeline(timeline: Recorder) -> None:
    check_hook("timeline", timeline, "on_bytes", "a Timeline(), or None")
    on_open = getattr(timeline, "on_open", None)
    if on_open is not None:
        on_open()
