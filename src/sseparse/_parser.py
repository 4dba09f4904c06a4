"""Events out of lines: WHATWG HTML, 9.2.6 "Interpreting an event stream"."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, Unpack, cast, overload

from ._ends import End, EndCause
from ._errors import LimitExceeded, SSEError
from ._events import Comment, Event
from ._lines import CR, LF, LineSplitter
from ._options import EventOptions, check_bytes, check_choice
from ._pieces import SLICE, as_bytes, feed_slices
from ._utf8 import Utf8Check

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    ItemT = TypeVar("ItemT", bound=Event | Comment, default=Event)
else:
    from typing import TypeVar

    ItemT = TypeVar("ItemT")

DEFAULT_MAXIMUM = 32 * 1024 * 1024
"""
The default limit of a line and of an event, in bytes.

Room for an image or a tool's result inline; fixed limits of 1 MiB broke users of other parsers.
"""

# int() takes this many digits whatever limit the interpreter is set to
# (sys.int_info.str_digits_check_threshold).
_MOST_DIGITS = 640
_DIGITS = frozenset(b"0123456789")


class Parser(Generic[ItemT]):
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

    Attributes:
        error: The fault that stopped the parser, or None.

    Raises:
        ValueError: An option has no such value.

    Source: WHATWG HTML, 9.2.5 "Parsing an event stream" and 9.2.6 "Interpreting an event stream".
    """

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
        check_choice("errors", errors, "replace", "strict")
        check_choice("incomplete", incomplete, "discard", "dispatch")
        check_bytes("max_line_bytes", max_line_bytes)
        check_bytes("max_event_bytes", max_event_bytes)
        self._last_event_id = last_event_id
        self._retry = retry
        self._comments = comments
        self._strict = errors == "strict"
        self._incomplete = incomplete
        self._max_line = max_line_bytes
        self._max_event = max_event_bytes
        self._lines = LineSplitter(
            maximum=max_line_bytes, data_maximum=self._longest_data_line(), comments=comments
        )
        self._start()

    def _longest_data_line(self) -> int | None:
        # No line with more behind its name than an event may hold is worth collecting.
        lengths = [self._max_line, self._max_event and self._max_event + len(b"data: ")]
        return min((length for length in lengths if length is not None), default=None)

    def _start(self) -> None:
        self.error: SSEError | None = None
        """The fault that stopped the parser, or None."""
        self._data = bytearray()
        self._type = b""
        self._id = self._last_event_id
        self._block_retry: int | None = None
        self._in_block = False
        self._events_seen = 0
        self._comments_seen = 0
        self._end: End | None = None
        self._utf8 = Utf8Check() if self._strict else None
        # The common case of a feed skips all of: a fault, a closed parser, strict decoding, and
        # the stream's first bytes.
        self._careful = True

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
        return self._lines.bytes_seen + (len(self._utf8.held) if self._utf8 is not None else 0)

    @property
    def events_seen(self) -> int:
        """How many events were dispatched."""
        return self._events_seen

    @property
    def comments_seen(self) -> int:
        """How many comment lines came."""
        return self._comments_seen

    @property
    def end(self) -> End | None:
        """How the input ended, or None while it goes on."""
        return self._end

    def reset(self) -> None:
        """
        Make ready for the next connection.

        The last event ID and the reconnection time stay; all else is as in a new parser.
        """
        self._lines.reset()
        self._start()

    def feed(self, data: bytes | bytearray | memoryview) -> list[ItemT]:
        """
        Take a piece of the stream; return the events that it completes.

        Args:
            data: Bytes, cut anywhere; none at all is no fault.

        Returns:
            The events, and comments where asked for, in order. Where the piece holds a fault,
            those before it; `error` is set then.

        Raises:
            SSEError: The parser met a fault in an earlier feed: that fault.
            RuntimeError: The parser was closed.
            TypeError: The piece is not bytes.
        """
        if type(data) is not bytes:
            data = as_bytes(data)
        if len(data) > SLICE:
            return feed_slices(self, data)
        if self._careful:
            return self._feed_with_care(data)
        return self._feed(data)

    def _feed(self, data: bytes) -> list[ItemT]:
        lines = self._lines
        items: list[Any] = []
        if LF not in data and CR not in data:
            lines.pending += data
        elif (values := self.plain_events(data)) is not None:
            last_id = self._last_event_id
            for value in values:
                event = Event(value.decode("utf-8", "replace"), "message", last_id)
                items.append(event)
        else:
            items = self._interpret(lines.feed(data), data)
        if len(lines.pending) > lines.bound:
            lines.check_pending()
        if lines.overflow is not None:
            self._stop(self._line_too_long(*lines.overflow))
        return items

    def plain_events(self, data: bytes) -> list[bytes] | None:
        """Take events of one data line each in bulk; None, and nothing taken, for any other."""
        if self._in_block or self._careful:
            return None
        values = self._lines.plain_events(data)
        if values is not None:
            self._events_seen += len(values)
        return values

    def _feed_with_care(self, data: bytes) -> list[ItemT]:
        if self.error is not None:
            raise self.error.with_traceback(None)
        if self._end is not None:
            raise RuntimeError(
                "feed() after close(): the stream has ended; reset() starts on the next one"
            )
        fault = None
        if self._utf8 is not None:
            data, fault = self._utf8.take(data)
        if self._lines.at_start:
            data = self._lines.strip_mark(data)
        self._careful = self._lines.at_start or self._strict
        items = [] if self._lines.at_start else self._feed(data)
        if fault is not None:
            self._stop(fault)
        return items

    def _interpret(self, lines: list[bytes], fed: bytes) -> list[Any]:
        items: list[Any] = []
        data = self._data
        room = self._max_event
        for index, line in enumerate(lines):
            if not line:
                self._dispatch(items)
                data = self._data
            elif line.startswith(b"data:") or line == b"data":
                # "Append the field value to the data buffer, then append a single U+000A
                # LINE FEED (LF) character to the data buffer."
                data += line[6:] if line[5:6] == b" " else line[5:]
                data += b"\n"
                if room is not None and len(data) > room + 1:
                    offset = self._lines.line_offset(index, fed)
                    self._lines.drop_pending()
                    data.clear()
                    self._stop(LimitExceeded(limit="event", maximum=room, offset=offset))
                    break
            elif line[0] == 0x3A:
                self._comments_seen += 1
                if self._comments:
                    items.append(Comment(line[1:].decode("utf-8", "replace")))
            else:
                self._take_field(line)
        self._in_block = self._block_begun
        return items

    @property
    def _block_begun(self) -> bool:
        return bool(
            self._data
            or self._type
            or self._block_retry is not None
            or self._id != self._last_event_id
        )

    def _take_field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        # "If value starts with a U+0020 SPACE character, remove it from value."
        if value.startswith(b" "):
            value = value[1:]
        if name == b"event":
            self._type = value
        elif name == b"id":
            # "If the field value does not contain U+0000 NULL, then set the last event ID buffer
            # to the field value. Otherwise, ignore the field."
            if b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
        elif name == b"retry" and value and _DIGITS.issuperset(value):
            # "If the field value consists of only ASCII digits" is all the standard asks; a time
            # that nobody could wait for is left out, as int() would refuse to read it.
            digits = value.lstrip(b"0") or b"0"
            if len(digits) <= _MOST_DIGITS:
                self._retry = self._block_retry = int(digits)

    def _dispatch(self, items: list[Any]) -> None:
        # "Set the last event ID string of the event source to the value of the last event ID
        # buffer", also where no data follows and so nothing is dispatched.
        self._last_event_id = self._id
        if self._data:
            items.append(self._event())
            self._events_seen += 1
        self._clear_block()

    def _event(self) -> Event:
        # "If the data buffer's last character is a U+000A LINE FEED (LF) character, then remove
        # the last character from the data buffer."
        return Event(
            self._data[:-1].decode("utf-8", "replace"),
            self._type.decode("utf-8", "replace") or "message",
            self._id,
            self._block_retry,
        )

    def _clear_block(self) -> None:
        # Cleared in place, a large buffer would stay reserved.
        self._data = bytearray()
        self._type = b""
        self._block_retry = None

    def close(self) -> list[ItemT]:
        """
        Take the end of the stream.

        Closing again does nothing.

        Returns:
            The incomplete last event where `incomplete="dispatch"` asked for it, else nothing.

        Raises:
            SSEError: The parser met a fault in an earlier feed: that fault.
        """
        keep = self._incomplete == "dispatch"
        return cast("list[ItemT]", self.close_if((lambda _event: True) if keep else None))

    def close_if(self, keep: Callable[[Event], bool] | None) -> list[Event]:
        """Take the end of the stream; return the incomplete last event if it is worth keeping."""
        if self.error is not None:
            raise self.error.with_traceback(None)
        if self._end is not None:
            return []
        self._careful = True
        if self._utf8 is not None:
            _, fault = self._utf8.take(b"", final=True)
            if fault is not None:
                self._stop(fault)
                return []
        mid_event = self._mid_event
        events: list[Event] = []
        if keep is not None and (event := self._incomplete_event()) is not None and keep(event):
            self._last_event_id = event.id
            self._events_seen += 1
            events = [event]
        if self.error is None:
            self._clear_block()
            self._end = self._end_now(mid_event)
        return events

    def _incomplete_event(self) -> Event | None:
        # Of data half a line is half of it; half an id or half a number would be another one.
        lines = [line for line in self._lines.finish() if line.startswith(b"data")]
        self._interpret(lines, b"")
        return self._event() if self._data and self.error is None else None

    @property
    def _mid_event(self) -> bool:
        pending = self._lines.pending
        return bool(pending and not pending.startswith(b":")) or self._in_block

    def _end_now(self, mid_event: bool) -> End:
        return End(
            cause=EndCause.INCOMPLETE if mid_event or self.error else EndCause.FINISHED,
            mid_event=mid_event,
            bytes_seen=self.bytes_seen,
            events_seen=self._events_seen,
            comments_seen=self._comments_seen,
        )

    def _line_too_long(self, offset: int, is_data: bool) -> LimitExceeded:
        if is_data and self._max_event is not None and self._longest_data_line() != self._max_line:
            return LimitExceeded(limit="event", maximum=self._max_event, offset=offset)
        return LimitExceeded(limit="line", maximum=cast(int, self._max_line), offset=offset)

    def _stop(self, error: SSEError) -> None:
        # Of two faults in one feed the first counts.
        if self.error is not None:
            return
        self.error = error
        self._careful = True
        self._end = self._end_now(mid_event=True)
