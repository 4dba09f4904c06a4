"""Incremental parser for server-sent events."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, Unpack, cast, overload

from .._end import End, EndCause
from .._errors import BrokenStage, EncodingError, LimitExceeded, SSEError
from .._options import EventOptions, check_bytes, check_choice, check_id, check_retry
from .._stage import SLICE, Uncopyable, check_piece, feed_slices, raise_stored
from ._core import FIELDS, ItemT
from ._event import Comment, Event

if TYPE_CHECKING:
    from ._core import Interpreter

    ACCELERATED: bool
    """Whether the compiled core is in use; the plain one does the same, slower."""
else:
    from ._core import Interpreter

    ACCELERATED = False
    if os.environ.get("SSEPARSE_PURE", "") in {"", "0"}:
        # A compiled core that is there but can't be loaded is an ImportError.
        with suppress(ModuleNotFoundError):
            from ._core_c import Interpreter

            ACCELERATED = True


MARK = b"\xef\xbb\xbf"
"""The byte-order mark that may begin a stream."""


class Utf8Check:
    """
    Let bytes through as long as they are UTF-8, whole characters at a time.

    Attributes:
        held: The bytes of a character that is not complete.
    """

    def __init__(self) -> None:
        self.held = b""
        self._passed = 0

    def take(self, data: bytes, *, final: bool = False) -> tuple[bytes, EncodingError | None]:
        """Return the characters that are complete, and what is wrong with the bytes after them."""
        data = self.held + data
        fault = None
        try:
            _, length = codecs.utf_8_decode(data, "strict", final)
        except UnicodeDecodeError as error:
            length = error.start
            fault = EncodingError(offset=self._passed + length, reason=error.reason)
        self.held = data[length:]
        self._passed += length
        return data[:length], fault


BODY_START = 512
"""How many bytes of a body are kept to tell what it was."""

EVENT_STREAM = "text/event-stream"
_LINE_END = re.compile(rb"[\r\n]")


def is_event_stream_type(content_type: str) -> bool:
    """Return whether a Content-Type header names an event stream, with any parameters."""
    return content_type.partition(";")[0].strip(" \t\r\n").lower() == EVENT_STREAM


def looks_like_events(start: bytes) -> bool:
    """Tell whether a body that begins so may be an event stream; nothing at all may be one."""
    text = start.removeprefix(MARK).lstrip(b"\r\n")
    line = _LINE_END.split(text, maxsplit=1)[0]
    name, colon, _ = line.partition(b":")
    if colon:
        return not name or name in FIELDS
    return any(field.startswith(line) for field in FIELDS)


DEFAULT_MAXIMUM = 32 * 1024 * 1024
"""
The default limit of a line and of an event, in bytes.

Room for an image or a tool's result inline; fixed limits of 1 MiB broke users of other parsers.
"""


def _keep_any(_: Event) -> bool:
    return True


class Parser(Interpreter[ItemT], Uncopyable):
    """
    Parse bytes into events, without I/O.

    One parser serves one stream at a time, in one thread; any number live side by side.

    Args:
        last_event_id: The last event ID to begin with, when a stream is resumed.
        retry: The reconnection time to begin with, in milliseconds, or None.
        comments: Whether to return comments, as `Comment`, among the events.
        errors: What ill-formed UTF-8 does: "replace" reads U+FFFD, as the standard says;
            "strict" stops with `EncodingError`.
        incomplete: What `close()` does with an event that no blank line ended: "discard", as
            the standard says, or "dispatch".
        max_line_bytes: The longest line, in bytes without its end; None for no limit. Unknown
            fields, and comments nobody asked for, are dropped as they stream by, however long.
        max_event_bytes: The largest data of an event, in bytes of UTF-8; None for no limit.

    Raises:
        ValueError: An option has no such value.

    Source: WHATWG HTML, 9.2.5 "Parsing an event stream" and 9.2.6 "Interpreting an event stream".
    """

    # A dictionary of their own is made for those alone who set attributes of their own.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_end",
        "_error",
        "_incomplete",
        "_mark",
        "_max_event",
        "_max_line",
        "_strict",
        "_utf8",
    )

    @overload
    def __init__(
        self: Parser[Event],
        *,
        comments: Literal[False] = ...,
        **options: Unpack[EventOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: Parser[Event | Comment],
        *,
        comments: bool,
        **options: Unpack[EventOptions],
    ) -> None: ...

    def __init__(
        self,
        *,
        last_event_id: str = "",
        retry: int | None = None,
        comments: bool = False,
        errors: Literal["replace", "strict"] = "replace",
        incomplete: Literal["discard", "dispatch"] = "discard",
        max_line_bytes: int | None = DEFAULT_MAXIMUM,
        max_event_bytes: int | None = DEFAULT_MAXIMUM,
    ) -> None:
        check_id("last_event_id", last_event_id)
        check_retry("retry", retry)
        check_choice("errors", errors, "replace", "strict")
        check_choice("incomplete", incomplete, "discard", "dispatch")
        check_bytes("max_line_bytes", max_line_bytes)
        check_bytes("max_event_bytes", max_event_bytes)
        super().__init__(
            last_event_id=last_event_id,
            retry=retry,
            comments=comments,
            max_line=max_line_bytes,
            max_event=max_event_bytes,
        )
        self._strict = errors == "strict"
        self._incomplete = incomplete
        self._max_line = max_line_bytes
        self._max_event = max_event_bytes
        self._start()

    def _start(self) -> None:
        self._error: SSEError | None = None
        self._end: End | None = None
        self._utf8 = Utf8Check() if self._strict else None
        # The stream's first bytes, as long as they may be a byte-order mark; then None.
        self._mark: bytes | None = b""

    @property
    def last_event_id(self) -> str:
        """The last event ID: what a reconnection would send as `Last-Event-ID`."""
        return self._last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds, or None where the stream never set one."""
        return self._retry

    @property
    def bytes_seen(self) -> int:
        """How many bytes came."""
        held = 0 if self._utf8 is None else len(self._utf8.held)
        return self._bytes_taken + len(self._mark or b"") + held

    @property
    def events_seen(self) -> int:
        """How many events were dispatched."""
        return self._events_seen

    @property
    def comments_seen(self) -> int:
        """How many comment lines came."""
        return self._comments_seen

    @property
    def error(self) -> SSEError | None:
        """The error that stopped the parser, or None."""
        if self._broken and self._error is None:
            self._stop(BrokenStage())
        return self._error

    @property
    def end(self) -> End | None:
        """How the input ended, or None while it goes on."""
        if self._broken:
            # Where the error is made only now, so is the end.
            _ = self.error
        return self._end

    def reset(self) -> None:
        """
        Make ready for the next connection.

        The last event ID and the reconnection time stay; all else is as in a new parser.

        Raises:
            BrokenStage: An exception interrupted an earlier call: the last event ID may be that
                of an event that was lost.
        """
        if self._broken:
            raise_stored(self.error)
        # Until it is done, an exception leaves nothing to go on with.
        self._broken = True
        self._start()
        self._begin()

    def _feed_with_care(self, data: object) -> list[ItemT]:
        check_piece(data)
        raise_stored(self.error)
        if self._end is not None:
            raise RuntimeError(
                "feed() after close(): the stream has ended; reset() starts on the next one"
            )
        try:
            piece = bytes(cast("bytes", data))
            return feed_slices(self, piece) if len(piece) > SLICE else self._feed_slice(piece)
        except BaseException:
            self._broken = self._careful = True
            raise

    def _feed_slice(self, data: bytes) -> list[ItemT]:
        fault = None
        if self._utf8 is not None:
            data, fault = self._utf8.take(data)
        if self._mark is not None:
            data = self._without_mark(self._mark + data)
        items = self._take(data)
        if fault is not None:
            self._stop(fault)
        return items

    def _without_mark(self, data: bytes) -> bytes:
        """Take off the byte-order mark that may begin a stream, also one that comes in pieces."""
        if len(data) < len(MARK) and MARK.startswith(data):
            self._mark = data
            return b""
        self._mark = None
        self._careful = self._strict
        if not data.startswith(MARK):
            return data
        self._skip(len(MARK))
        return data[len(MARK) :]

    def close(self) -> list[ItemT]:
        """
        Take the end of the stream.

        Closing again does nothing.

        Returns:
            The incomplete last event where `incomplete="dispatch"` asked for it, else nothing.

        Raises:
            SSEError: The parser met a fault in an earlier feed: that fault.
        """
        keep = _keep_any if self._incomplete == "dispatch" else None
        return cast("list[ItemT]", self.close_if(keep))

    def close_if(self, keep: Callable[[Event], bool] | None) -> list[Event]:
        """Take the end of the stream; return the incomplete last event if it is worth keeping."""
        raise_stored(self.error)
        if self._end is not None:
            return []
        try:
            return self._close_if(keep)
        except BaseException:
            self._broken = self._careful = True
            raise

    def _close_if(self, keep: Callable[[Event], bool] | None) -> list[Event]:
        self._careful = True
        if self._utf8 is not None:
            _, fault = self._utf8.take(b"", final=True)
            if fault is not None:
                self._stop(fault)
                return []
        if self._mark:
            self._take(self._mark)
        self._mark = None
        mid_event = self._mid_event()
        events: list[Event] = []
        if keep is not None:
            event = self._incomplete_event()
            if event is not None and keep(event):
                self._keep_incomplete()
                events = [event]
        if self._error is None:
            self._end = self._end_now(mid_event)
        self._let_go()
        return events

    def _end_now(self, mid_event: bool) -> End:
        return End(
            cause=EndCause.INCOMPLETE if mid_event else EndCause.FINISHED,
            mid_event=mid_event,
            bytes_seen=self.bytes_seen,
            events_seen=self._events_seen,
            comments_seen=self._comments_seen,
        )

    def _stop_at(self, limit: Literal["line", "event"], offset: int) -> None:
        maximum = cast(int, self._max_event if limit == "event" else self._max_line)
        self._stop(
            LimitExceeded(
                limit=limit,
                maximum=maximum,
                offset=offset,
                what=f"{limit.capitalize()} larger than {maximum:,} bytes",
                advice=f"raise max_{limit}_bytes if you trust the server",
            )
        )

    def _stop(self, error: SSEError) -> None:
        # Of two faults in one feed the first counts.
        if self._error is not None:
            return
        self._careful = True
        self._end = self._end_now(mid_event=True)
        self._error = error
        self._let_go()
