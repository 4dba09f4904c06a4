"""Lines out of bytes: the three line ends, the limit."""

from __future__ import annotations

import re
from typing import Literal, cast

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
        self.pending = bytearray()
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
