"""Events out of lines: WHATWG HTML, 9.2.6 "Interpreting an event stream"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal

from ._events import Comment, Event
from ._lines import CR, LF, LineSplitter
from ._pieces import SLICE

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    ItemT = TypeVar("ItemT", bound=Event | Comment, default=Event)
else:
    from typing import TypeVar

    ItemT = TypeVar("ItemT")

# int() takes this many digits whatever limit the interpreter is set to
# (sys.int_info.str_digits_check_threshold).
_MOST_DIGITS = 640
_DIGITS = frozenset(b"0123456789")


class Interpreter(Generic[ItemT]):
    """
    Turn the bytes of a stream into events, where nothing needs care.

    This is the reference of what `_fast.c` does the same way. What needs care, and what to do at
    a fault, is for the class that builds on it: `Parser`.

    Args:
        last_event_id: The last event ID to begin with.
        retry: The reconnection time to begin with, in milliseconds, or None.
        comments: Whether to return comments.
        max_line: The longest line, in bytes without its end; None for no limit.
        max_event: The largest data of an event, in bytes; None for no limit.
    """

    __slots__ = (
        "_block_retry",
        "_broken",
        "_careful",
        "_comments",
        "_comments_seen",
        "_data",
        "_events_seen",
        "_id",
        "_in_block",
        "_last_event_id",
        "_lines",
        "_retry",
        "_room",
        "_type",
    )

    if TYPE_CHECKING:

        def _feed_with_care(self, data: object) -> list[ItemT]:
            """Take a piece that is large, or not bytes, or any piece while care is needed."""
            raise NotImplementedError

        def _stop_at(self, limit: Literal["line", "event"], offset: int) -> None:
            """Stop where a line, or the data of an event, is larger than it may be."""

    def __init__(
        self,
        *,
        last_event_id: str,
        retry: int | None,
        comments: bool,
        max_line: int | None,
        max_event: int | None,
    ) -> None:
        self._last_event_id: str = last_event_id
        self._retry: int | None = retry
        self._comments = comments
        self._room = max_event
        self._lines = LineSplitter(maximum=max_line, max_event=max_event, comments=comments)
        self._begin()

    def _begin(self) -> None:
        """Begin on a new stream; the last event ID and the reconnection time stay."""
        self._lines.reset()
        # Set while the class that builds on this one has to look at each piece first.
        self._careful = True
        self._events_seen: int = 0
        self._comments_seen: int = 0
        self._data = bytearray()
        self._type = b""
        self._id = self._last_event_id
        self._block_retry: int | None = None
        self._in_block = False
        # Set when an exception leaves a call half done: items may be missing then.
        self._broken = False

    def feed(self, data: bytes | bytearray | memoryview) -> list[ItemT]:
        """
        Take a piece of the stream; return the events that it completes.

        Args:
            data: Bytes, cut anywhere; none at all is no fault.

        Returns:
            The events, and comments where asked for, in order. Where the piece holds a fault,
            those before it; `error` is set then.

        Raises:
            SSEError: The parser met a fault in an earlier feed: that fault; or an exception
                interrupted an earlier call: BrokenStage.
            RuntimeError: The parser was closed.
            TypeError: The piece is not bytes.
        """
        if self._careful or type(data) is not bytes or len(data) > SLICE:
            return self._feed_with_care(data)
        try:
            return self._take(data)
        except BaseException:
            self._broken = self._careful = True
            raise

    def _take(self, data: bytes) -> list[ItemT]:
        """Take a piece, whatever its size."""
        lines = self._lines
        items: list[Any] = []
        if LF not in data and CR not in data:
            lines.pending += data
        elif (values := self._plain_values(data)) is not None:
            last_id = self._last_event_id
            for value in values:
                event = Event(value.decode("utf-8", "replace"), "message", last_id)
                items.append(event)
        else:
            self._interpret(lines.feed(data), data, items)
        if len(lines.pending) > lines.bound:
            lines.check_pending()
        if lines.overflow is not None:
            self._stop_at(*lines.overflow)
        return items

    def plain_events(self, data: bytes) -> list[bytes] | None:
        """Take events of one data line each in bulk; None, and nothing taken, for any other."""
        if self._careful:
            return None
        try:
            return self._plain_values(data)
        except BaseException:
            self._broken = self._careful = True
            raise

    def _plain_values(self, data: bytes) -> list[bytes] | None:
        if self._in_block:
            return None
        values = self._lines.plain_events(data)
        if values is not None:
            self._events_seen += len(values)
        return values

    def _interpret(self, lines: Sequence[bytes | bytearray], fed: bytes, items: list[Any]) -> None:
        data = self._data
        room = self._room
        for index, line in enumerate(lines):
            if not line:
                self._dispatch(items)
                data = self._data
            elif line.startswith(b"data:") or line == b"data":
                # "Append the field value to the data buffer, then append a single U+000A
                # LINE FEED (LF) character to the data buffer."
                start = 6 if line[5:6] == b" " else 5
                if isinstance(line, bytearray) and not data:
                    del line[:start]
                    data = self._data = line
                else:
                    data += line[start:]
                data += b"\n"
                if room is not None and len(data) > room + 1:
                    offset = self._lines.line_offset(index, fed)
                    self._lines.drop_pending()
                    data.clear()
                    self._stop_at("event", offset)
                    break
            elif line[0] == 0x3A:
                self._comments_seen += 1
                if self._comments:
                    items.append(Comment(line[1:].decode("utf-8", "replace")))
            else:
                self._take_field(bytes(line))
        self._in_block = self._block_begun

    @property
    def _block_begun(self) -> bool:
        return bool(
            self._data
            or self._type
            or self._block_retry is not None
            or self._id is not self._last_event_id
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
                read = value.decode("utf-8", "replace")
                # The same object, so that no later look has to compare what may be long.
                self._id = self._last_event_id if read == self._last_event_id else read
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
        del self._data[-1:]
        return Event(
            self._data.decode("utf-8", "replace"),
            self._type.decode("utf-8", "replace") or "message",
            self._id,
            self._block_retry,
        )

    def _clear_block(self) -> None:
        # Cleared in place, a large buffer would stay reserved.
        self._data = bytearray()
        self._type = b""
        self._block_retry = None

    def _incomplete_event(self) -> Event | None:
        """Take the pending line, if it is of data; return the event that no blank line ended."""
        # Of data half a line is half of it; half an id or half a number would be another one.
        lines = [line for line in self._lines.finish() if line.startswith(b"data")]
        self._interpret(lines, b"", [])
        return self._event() if self._data else None

    def _keep_incomplete(self) -> None:
        """Count the incomplete event, and its ID, as one that was dispatched."""
        self._last_event_id = self._id
        self._events_seen += 1

    def _let_go(self) -> None:
        """Drop what is held: there is nothing more to come."""
        self._lines.drop_pending()
        self._clear_block()

    def _mid_event(self) -> bool:
        """Tell whether the stream stands inside an event."""
        pending = self._lines.pending
        return bool(pending and not pending.startswith(b":")) or self._in_block

    def _skip(self, count: int) -> None:
        """Count bytes that are of no line."""
        self._lines.skip(count)

    @property
    def _bytes_taken(self) -> int:
        """How many bytes were taken and skipped."""
        return self._lines.bytes_seen
