"""The Python core of the parser: bytes to lines, and lines to events."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, Generic, Literal, cast

from .._stage import SLICE
from ._event import Comment, Event

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    ItemT = TypeVar("ItemT", bound=Event | Comment, default=Event)
else:
    from typing import TypeVar

    ItemT = TypeVar("ItemT")


# Integers, because `10 in data` is six times as fast as `b"\n" in data`.
LF = 0x0A
CR = 0x0D
COLON = 0x3A
FIELDS = (b"data", b"event", b"id", b"retry")
_HEAD = 6  # the first bytes of a line that decide whether its field is known: "event:", "retry:"
_MIN_CHECKED = 1024  # shorter pending lines are collected without a check
_MIN_MOVED = 65536  # longer pending lines are extended in place, not copied, when they end
_NO_LIMIT = 1 << 62
_STRAY_LIMIT = 65536  # bytes of lines outside fields, once there were events
LINE_END = re.compile(rb"[\r\n]")
_MAX_DIGITS = 640  # int() parses these with any limit (sys.int_info.str_digits_check_threshold)


class Interpreter(Generic[ItemT]):
    """
    The fast path of the parser, which turns bytes into lines and lines into events.

    The reference implementation of `_core.c`. `Parser` derives from either of them, and adds the
    slow path and the errors. A CR completes its line at once, and an LF after it is skipped. Of an
    unknown field, and of a comment unless requested, only the first bytes are collected.

    With `keeps_stray`, JSON outside fields and `error:` lines, with the unknown lines after them,
    become an event of type "": some servers send errors like that. The type "" isn't possible for
    other events. Its place is that of its first line, before or after the data of its block.
    """

    __slots__ = (
        "_block_retry", "_broken", "_comments", "_comments_seen", "_data", "_data_line_limit",
        "_dropped", "_event_limit", "_events_seen", "_id", "_in_block", "_last_event_id",
        "_line_at", "_line_limit", "_min_checked", "_next_check", "_overflow", "_pending",
        "_pending_at", "_retry", "_skip_lf", "_stray", "_type", "_uses_slow_path",
        "_was_dropped", "keeps_stray",
    )  # fmt: skip

    if TYPE_CHECKING:

        def _feed_slow_path(self, data: object) -> list[ItemT]:
            raise NotImplementedError

        def _stop_at_limit(self, limit: Literal["line", "event"], offset: int) -> None: ...

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
        self._line_limit = _NO_LIMIT if max_line is None else max_line
        self._event_limit = _NO_LIMIT if max_event is None else max_event
        self._data_line_limit = min(self._line_limit, self._event_limit + len(b"data: "))
        self._min_checked = min(_MIN_CHECKED, self._data_line_limit)
        self.keeps_stray: bool = False
        self._begin_stream()

    def _begin_stream(self) -> None:
        self._uses_slow_path = True  # until Parser has removed a byte-order mark
        self._broken = False  # True if an exception interrupted a call: items may be missing
        self._events_seen: int = 0
        self._comments_seen: int = 0
        self._pending: bytearray = bytearray()
        self._pending_at = 0
        self._dropped = 0  # bytes of the pending line that weren't collected
        self._was_dropped = False  # whether the first line being parsed lacks bytes
        self._next_check = self._min_checked  # the length from which the pending line is checked
        # The limit that a line exceeded, and the offset of that line.
        self._overflow: tuple[Literal["line", "event"], int] | None = None
        self._skip_lf = False  # True if the last byte was a CR
        self._line_at = 0  # offset of the first line that the last feed completed
        self._data = bytearray()
        self._type: bytes | bytearray = b""
        self._id = self._last_event_id
        self._block_retry: int | None = None
        self._stray: bytes | bytearray = b""
        self._in_block = False

    def feed(self, data: bytes | bytearray | memoryview) -> list[ItemT]:
        """
        Feed bytes and return the events they complete.

        Args:
            data: A piece of the stream, cut anywhere. It can be empty.

        Returns:
            The events in order, and comments if they are requested. If the piece is malformed or
            exceeds a limit, the events before that; `error` is then set.

        Raises:
            SSEError: An earlier feed set `error`, or an exception interrupted an earlier call
                (`BrokenStage`).
            RuntimeError: The parser is closed.
            TypeError: The piece isn't bytes.
        """
        if self._uses_slow_path or type(data) is not bytes or len(data) > SLICE:
            return self._feed_slow_path(data)
        try:
            return self._parse(data)
        except BaseException:
            self._broken = self._uses_slow_path = True
            raise

    def plain_events(self, data: bytes, /) -> list[tuple[str, list[bytes]]] | None:
        """
        Parse events of one data line each in bulk: a type, and the data of its events in a row.

        Return None, unchanged, for other bytes.
        """
        if self._uses_slow_path:
            return None
        try:
            values = self._plain_values(data)
            # An exception before the return loses them.
            return None if values is None else [("message", values)]  # noqa: TRY300
        except BaseException:
            self._broken = self._uses_slow_path = True
            raise

    def _parse(self, data: bytes) -> list[ItemT]:
        items: list[Any] = []
        if LF not in data and CR not in data:
            self._pending += data
        elif (values := self._plain_values(data)) is not None:
            texts = [value.decode("utf-8", "replace") for value in values]
            # Without a type, an own id and a reconnection time. map() takes 10 % less time than a
            # comprehension.
            same = ("message", self._last_event_id, None, False)
            items += map(Event, texts, *map(repeat, same))
        else:
            self._interpret(self._split_lines(data), data, items)
        if len(self._pending) > self._next_check:
            self._check_pending()
        if self._overflow is not None:
            self._stop_at_limit(*self._overflow)
        return items

    def _plain_values(self, data: bytes) -> list[bytes] | None:
        # The shape of nearly every stream: complete events of one `data: ` line each. For any
        # other bytes, this returns None and changes nothing.
        stop = data.rfind(b"\n\n")
        if stop < 0 or self._in_block or self._dropped or len(self._pending) >= _MIN_MOVED:
            return None
        if self._pending:
            stop += len(self._pending)
            data = bytes(self._pending + data)
        if not data.startswith(b"data: ") or len(data) > self._data_line_limit or CR in data:
            return None
        body, rest = data[6:stop], data[stop + 2 :]
        if LF in rest:
            return None
        values = [body]
        if LF in body:
            values = body.split(b"\n\ndata: ")
            # No event may have a second line. Counting the line ends takes six times as long.
            if LF in b"".join(values):
                return None
        self._pending_at += stop + 2
        self._pending.clear()
        self._pending += rest
        self._next_check = self._min_checked
        self._events_seen += len(values)
        return values

    def _split_lines(self, data: bytes) -> list[bytes | bytearray]:
        """Return the lines that the data completes, up to one that is too long."""
        fed_at = self._bytes_parsed
        skipped = self._skip_lf and fed_at == self._pending_at and data[0] == LF
        self._line_at = self._pending_at + skipped
        self._skip_lf = data[-1] == CR
        size = len(self._pending) + len(data)
        lines = self._join_pending(data[skipped:])
        self._was_dropped = self._dropped > 0
        self._dropped = 0
        self._pending_at = fed_at + len(data) - len(self._pending)
        self._next_check = self._min_checked
        if size > self._data_line_limit:
            for index, line in enumerate(lines):
                if len(line) > self._limit_of(line) and self._is_wanted(line[:_HEAD] + b":"):
                    self._report_overflow(self._line_offset(index, data), line)
                    return lines[:index]
        return lines

    def _join_pending(self, data: bytes) -> list[bytes | bytearray]:
        if len(self._pending) < _MIN_MOVED:
            data = bytes(self._pending + data)
            # Unlike str.splitlines(), bytes.splitlines() splits only at LF, CR and CRLF.
            lines: list[bytes | bytearray] = [*data.splitlines()]
        else:
            end = cast(re.Match[bytes], LINE_END.search(data)).start()
            lines = [*data[end:].splitlines()]
            lines[0] = self._pending
            self._pending += data[:end]
        self._pending = bytearray()
        if data and data[-1] not in (LF, CR):
            self._pending += lines.pop()
        return lines

    def _line_offset(self, index: int, data: bytes) -> int:
        """Return the stream offset of a line that the data just fed completed."""
        if index == 0:
            return self._line_at
        fed_at = self._bytes_parsed - len(data)
        start = max(fed_at, self._line_at)  # the first line starts before the data, or in it
        before = data[start - fed_at :].splitlines(keepends=True)[:index]
        return start + sum(map(len, before))

    def _check_pending(self) -> None:
        wanted = self._is_wanted(self._pending)
        if wanted is False:
            self._dropped += max(0, len(self._pending) - _HEAD)
            del self._pending[_HEAD:]
            self._next_check = _HEAD
        elif wanted:
            self._next_check = self._limit_of(self._pending)
            if len(self._pending) > self._next_check:
                self._report_overflow(self._pending_at, self._pending)

    def _report_overflow(self, offset: int, line: bytes | bytearray) -> None:
        of_event = line.startswith(b"data") and self._data_line_limit < self._line_limit
        self._overflow = "event" if of_event else "line", offset
        self._drop_pending()

    def _limit_of(self, line: bytes | bytearray) -> int:
        return self._data_line_limit if line.startswith(b"data") else self._line_limit

    def _is_wanted(self, line: bytes | bytearray) -> bool | None:
        """Return whether a line with this prefix is wanted, or None if its name is incomplete."""
        name, colon, _ = bytes(line[:_HEAD]).partition(b":")
        if colon and (name in FIELDS or (not name and self._comments)):
            return True
        can_be_field = not colon and any(field.startswith(name) for field in FIELDS)
        return None if can_be_field or (name and self._is_stray(line)) else False

    def _drop_pending(self) -> None:
        self._dropped += len(self._pending)
        self._pending.clear()

    def _interpret(self, lines: Sequence[bytes | bytearray], fed: bytes, items: list[Any]) -> None:
        data = self._data
        max_length = self._event_limit + 1  # with the last LF
        for index, line in enumerate(lines):
            if not line:
                self._dispatch(items)
                data = self._data
            elif line.startswith(b"data:") or line == b"data":
                # "Append the field value to the data buffer, then append a single U+000A
                # LINE FEED (LF) character to the data buffer."
                if self._stray and not data:
                    self._emit_stray(items)
                start = 6 if line[5:6] == b" " else 5
                if isinstance(line, bytearray) and not data:
                    del line[:start]
                    data = self._data = line
                else:
                    data += line[start:]
                data += b"\n"
                if len(data) > max_length:
                    self._stop_at_limit("event", self._line_offset(index, fed))
                    break
            elif line[0] == COLON:
                self._comments_seen += 1
                if self._comments:
                    items.append(Comment(line[1:].decode("utf-8", "replace")))
            elif index or not self._was_dropped:
                self._set_field(line)
        self._in_block = bool(
            self._data
            or self._type
            or self._block_retry is not None
            or self._id is not self._last_event_id
            or self._stray
        )

    def _set_field(self, line: bytes | bytearray) -> None:
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
                new_id = value.decode("utf-8", "replace")
                # The same object, so that later checks needn't compare long ids.
                self._id = self._last_event_id if new_id == self._last_event_id else new_id
        elif name == b"retry" and value.isdigit():
            # "If the field value consists of only ASCII digits" is the only condition of the
            # standard, but int() can refuse longer numbers.
            digits = value.lstrip(b"0") or b"0"
            if len(digits) <= _MAX_DIGITS:
                self._retry = self._block_retry = int(digits)
        elif name not in FIELDS and self._is_stray(line):
            self._stray = self._stray or bytearray()  # an idle parser has none
            self._stray += line + b"\n"

    def _is_stray(self, line: bytes | bytearray) -> bool:
        """Return whether an unknown line with this prefix is kept."""
        limit = _STRAY_LIMIT if self._events_seen else self._event_limit
        if not self.keeps_stray or len(self._stray) + len(line) > limit:
            return False
        return bool(self._stray) or line[0] in b"{[" or line[:_HEAD] == b"error:"

    def _emit_stray(self, items: list[Any]) -> None:
        if self._stray:
            text = self._stray[:-1].decode("utf-8", "replace")
            items.append(Event(text, "", self._id, None, False))
            self._stray = b""

    def _dispatch(self, items: list[Any]) -> None:
        # "Set the last event ID string of the event source to the value of the last event ID
        # buffer", even if there is no data and so no event.
        self._last_event_id = self._id
        if self._data:
            items.append(self._build_event())
            self._events_seen += 1
        self._emit_stray(items)
        self._clear_block()

    def _build_event(self) -> Event:
        # "If the data buffer's last character is a U+000A LINE FEED (LF) character, then remove
        # the last character from the data buffer."
        del self._data[-1:]
        data, named = self._data.decode("utf-8", "replace"), self._type != b""
        event_type = self._type.decode("utf-8", "replace") if named else "message"
        return Event(data, event_type, self._id, self._block_retry, named)

    def _clear_block(self) -> None:
        self._data = bytearray()  # clear() would keep the memory of a large buffer
        self._type = b""
        self._block_retry = None

    def _build_incomplete_events(self) -> list[Event]:
        # Half of a data line is half of the data; half of an id or a number would be another one.
        events: list[Event] = []
        line = bytes(self._pending)
        self._line_at = self._pending_at
        self._was_dropped = self._dropped > 0
        self._drop_pending()
        if line.partition(b":")[0] not in (b"event", b"id", b"retry", b""):
            self._interpret([line], b"", events)
        if self._data:
            events.append(self._build_event())
        self._emit_stray(events)
        return events

    def _accept_incomplete_event(self) -> None:
        self._last_event_id = self._id
        self._events_seen += 1

    def _discard_pending(self) -> None:
        self._drop_pending()
        self._clear_block()
        self._stray = b""

    def _is_mid_event(self) -> bool:
        return bool(self._pending and not self._pending.startswith(b":")) or self._in_block

    def _skip_bytes(self, count: int) -> None:
        self._pending_at += count

    @property
    def _bytes_parsed(self) -> int:
        return self._pending_at + self._dropped + len(self._pending)
