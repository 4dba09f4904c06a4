"""Start of a body that can be JSON instead of an event stream."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from .._errors import LimitExceeded, NotEventStream, SSEError
from .._json import UNREADABLE, load_object
from ..sse._parser import BODY_START

# A byte-order mark and blanks don't show what a body is.
_FIRST = re.compile(rb"[^ \t\r\n\xef\xbb\xbf]")
_NOT_BLANK = re.compile(rb"[^ \t\r\n]")
_LINE_END = re.compile(rb"[\r\n]")
# No line of JSON begins like this: a string can't contain a line end (RFC 8259, 7).
_FIELD_LINE = re.compile(rb"[\r\n](?:data|event|id|retry):")
_FIELD_LENGTH = len("\nevent:")


class BodyPrefix:
    """
    The start of a body, held back as long as the body can be one JSON object.

    By the standard such a body is a stream of unknown fields, without any event. A body that
    begins differently is released at once, one that begins like JSON as soon as a line shows that
    it has fields after all.

    Args:
        max_bytes: The most bytes to hold back; None for no limit.
        fits: Returns whether JSON is small enough to be decoded.

    Attributes:
        start: The first bytes of the body, at most 512.
        settled: Whether nothing is held back any more.
        error: The error if the body is JSON Lines or too large an object; otherwise None.
    """

    __slots__ = (
        "_before",
        "_checked_lines",
        "_first_line",
        "_fits",
        "_held",
        "_limit",
        "error",
        "settled",
        "start",
    )

    def __init__(self, max_bytes: int | None, fits: Callable[[bytes], bool]) -> None:
        self.start = b""
        self.error: SSEError | None = None
        self._limit = math.inf if max_bytes is None else max_bytes
        self._fits = fits
        self.settled = False
        self._before = 0  # the number of bytes before those held back
        self._held: bytes | bytearray = b""  # an idle parser needs no array
        self._first_line = -1  # where the first line ends; -1 if it doesn't yet
        self._checked_lines = False  # whether the second line began

    @property
    def size(self) -> int:
        """The number of bytes held back."""
        return len(self._held)

    def feed(self, data: bytes) -> bytes:
        """Add bytes and return those that are released."""
        self.start += data[: BODY_START - len(self.start)]
        if self.settled:
            return data
        if self._held:
            return self._hold(data)
        first = _FIRST.search(data)
        if first is None:
            self._before += len(data)
            return data
        at = first.start()
        if not data.startswith((b"{", b"["), at):
            self.settled = True
            return data
        self._before += at
        return data[:at] + self._hold(data[at:])

    def _hold(self, data: bytes) -> bytes:
        old = len(self._held)
        self._held = self._held or bytearray()
        self._held += data
        # What is found first in the body decides, however the bytes are split.
        field = _FIELD_LINE.search(self._held, max(0, old - _FIELD_LENGTH))
        end = math.inf if field is None else field.end()
        if not self._checked_lines:
            self._check_lines(old, min(end, self._limit))
        if self.error is None and min(end, len(self._held)) > self._limit:
            maximum = int(self._limit)
            self.error = LimitExceeded(
                limit="event",
                maximum=maximum,
                offset=self._before,
                what=f"JSON body larger than {maximum:,} bytes",
                advice="raise max_event_bytes if you trust the server",
            )
        if self.error is None and field is not None:
            return self.release()
        return b""

    def _check_lines(self, old: int, end: float) -> None:
        """Recognise JSON Lines at the first byte of the second line, if that is before the end."""
        held = self._held
        if self._first_line < 0:
            line_end = _LINE_END.search(held, old)
            if line_end is None:
                return
            self._first_line = line_end.start()
        second = _NOT_BLANK.search(held, max(old, self._first_line))
        if second is None or second.end() > end:
            return
        self._checked_lines = True
        at = second.start()
        if held.startswith(b"{", at) and self._is_object(bytes(held[: self._first_line])):
            self.error = NotEventStream(body_start=self.start[: self._before + at + 1])

    def _is_object(self, data: bytes) -> bool:
        if not self._fits(data):
            return False
        try:
            load_object(data.decode("utf-8", "replace"))
        except UNREADABLE:
            return False
        return True

    def release(self) -> bytes:
        """Return the bytes held back, and hold none from now on."""
        held, self._held = bytes(self._held), b""
        self.settled = True
        return held
