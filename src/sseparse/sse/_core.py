"""Bytes to lines, and lines to events."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, cast

from .._stage import SLICE
from ._event import Comment, Event

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    ItemT = TypeVar("ItemT", bound=Event | Comment, default=Event)
else:
    from typing import TypeVar

    ItemT = TypeVar("ItemT")


# As numbers: `10 in data` is one search for a byte, `b"\n" in data` six times as long a call.
LF = 0x0A
CR = 0x0D
FIELDS = (b"data", b"event", b"id", b"retry")
# These first bytes of a line decide whether it is of a known field: "event" or "retry", a colon.
_HEAD = 6
# A pending line shorter than this is not worth a look: keeping it costs nothing.
_GLANCE = 1024
# A pending line as long as this is not copied when it ends.
_LONG = 65536
_NO_LIMIT = 1 << 62
_LINE_END = re.compile(rb"[\r\n]")


class LineSplitter:
    """
    Cut a stream of bytes into lines.

    A line ends at LF, CR or CRLF. It is complete as soon as its CR is there; an LF that follows
    is swallowed when it comes. A line that can be no known field is not collected: past its
    head the rest is dropped as it streams by, since nobody will ask for it.

    Args:
        maximum: The longest line of a known field, in bytes without its end; None for no limit.
        max_event: The largest data of an event, in bytes; None for no limit. No line with more
            behind its name is worth collecting.
        comments: Whether comments are wanted, and so kept whole and limited.
    """

    __slots__ = (
        "_base",
        "_comments",
        "_data_maximum",
        "_dropped",
        "_fed_at",
        "_glance",
        "_line_at",
        "_lowest",
        "_maximum",
        "_skip_lf",
        "_swallowed",
        "bound",
        "overflow",
        "pending",
    )

    def __init__(self, *, maximum: int | None, max_event: int | None, comments: bool) -> None:
        self._maximum = _NO_LIMIT if maximum is None else maximum
        longest = _NO_LIMIT if max_event is None else max_event + len(b"data: ")
        self._data_maximum = self._lowest = min(self._maximum, longest)
        self._glance = min(_GLANCE, self._lowest)
        self._comments = comments
        self.reset()

    def reset(self) -> None:
        """Start on a new stream."""
        self.pending: bytearray = bytearray()
        self.bound = self._glance
        self.overflow: tuple[Literal["line", "event"], int] | None = None
        """Which limit a line is beyond, "line" or "event", and where that line begins."""
        self._base = 0
        self._dropped = 0
        self._skip_lf = False
        self._swallowed = False
        self._line_at = self._fed_at = 0

    @property
    def bytes_seen(self) -> int:
        """How many bytes came."""
        return self._base + self._dropped + len(self.pending)

    def skip(self, count: int) -> None:
        """Count bytes that are of no line, before the first."""
        self._base += count

    def plain_events(self, data: bytes) -> list[bytes] | None:
        """
        Take whole events of one `data: ` line each, the shape of nearly every stream, in bulk.

        Returns:
            The lines' values; or None, and nothing is taken, where the bytes hold anything else.
        """
        stop = data.rfind(b"\n\n")
        if stop < 0 or self._dropped or len(self.pending) >= _LONG:
            return None
        if self.pending:
            stop += len(self.pending)
            data = bytes(self.pending + data)
        if not data.startswith(b"data: ") or len(data) > self._lowest or CR in data:
            return None
        body, rest = data[6:stop], data[stop + 2 :]
        if LF in rest:
            return None
        values = [body]
        if LF in body:
            values = body.split(b"\n\ndata: ")
            # None may have a second line. Counting the line ends would take six times as long.
            if LF in b"".join(values):
                return None
        self._base += stop + 2
        self.pending.clear()
        self.pending += rest
        self.bound = self._glance
        return values

    def feed(self, data: bytes) -> list[bytes | bytearray]:
        """
        Take bytes that hold a line end; return the lines that they complete.

        Where a line is too long, the lines before it are returned and `overflow` is set.
        """
        self._line_at = self._base
        self._fed_at = self.bytes_seen
        self._swallowed = self._skip_lf and self._fed_at == self._base and data[0] == LF
        self._skip_lf = data[-1] == CR
        size = len(self.pending) + len(data)
        lines = self._split(data[self._swallowed :])
        self._dropped = 0
        self._base = self._fed_at + len(data) - len(self.pending)
        self.bound = self._glance
        if size > self._lowest:
            self._find_overflow(lines, data)
        return lines

    def _split(self, data: bytes) -> list[bytes | bytearray]:
        """Cut what is pending and the new bytes into lines; of those, keep the last one's part."""
        if len(self.pending) < _LONG:
            data = bytes(self.pending + data)
            # bytes.splitlines, unlike that of str, knows no line ends but LF, CR and CRLF.
            lines: list[bytes | bytearray] = [*data.splitlines()]
        else:
            end = cast(re.Match[bytes], _LINE_END.search(data)).start()
            lines = [*data[end:].splitlines()]
            lines[0] = self.pending
            self.pending += data[:end]
        self.pending = bytearray()
        if data and data[-1] not in (LF, CR):
            self.pending += lines.pop()
        return lines

    def finish(self) -> list[bytes]:
        """Take the pending line, if there is one, as if it had ended."""
        self._line_at, self._swallowed = self._base, False
        line = bytes(self.pending)
        self._base = self.bytes_seen
        self._dropped = 0
        self.pending.clear()
        return [line] if line else []

    def line_offset(self, index: int, data: bytes) -> int:
        """Tell where a line of the last feed begins, in bytes from the start of the stream."""
        if index == 0:
            return self._line_at + self._swallowed
        before = data[self._swallowed :].splitlines(keepends=True)[:index]
        return self._fed_at + self._swallowed + sum(map(len, before))

    def check_pending(self) -> None:
        """Drop the excess of a pending line that nobody wants; find one that is too long."""
        known = self._known(self.pending)
        if known is False:
            self._dropped += max(0, len(self.pending) - _HEAD)
            del self.pending[_HEAD:]
            self.bound = _HEAD
        elif known:
            self.bound = self._maximum_of(self.pending)
            if len(self.pending) > self.bound:
                self._overflow(self._base, self.pending)

    def drop_pending(self) -> None:
        """Forget the pending line, though not how long it was."""
        self._dropped += len(self.pending)
        self.pending.clear()

    def _find_overflow(self, lines: list[bytes | bytearray], data: bytes) -> None:
        for index, line in enumerate(lines):
            if len(line) > self._maximum_of(line) and self._known(line[:_HEAD] + b":"):
                self._overflow(self.line_offset(index, data), line)
                del lines[index:]
                return

    def _overflow(self, offset: int, line: bytes | bytearray) -> None:
        of_event = line.startswith(b"data") and self._data_maximum < self._maximum
        self.overflow = "event" if of_event else "line", offset
        self.drop_pending()

    def _maximum_of(self, line: bytes | bytearray) -> int:
        return self._data_maximum if line.startswith(b"data") else self._maximum

    def _known(self, line: bytes | bytearray) -> bool | None:
        """Tell whether a line that begins so is wanted; None while its name is not complete."""
        name, colon, _ = bytes(line[:_HEAD]).partition(b":")
        if colon:
            return name in FIELDS or (not name and self._comments)
        if any(field.startswith(name) for field in FIELDS):
            return None
        return False


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
