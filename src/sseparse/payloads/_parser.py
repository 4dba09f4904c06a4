"""How a body begins, and whether it may be one JSON object instead of a stream."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from .._errors import LimitExceeded, NotEventStream, SSEError
from .._json import UNREADABLE, load_object
from ..sse._parser import BODY_START

# The bytes of a byte-order mark and blanks say nothing yet.
_FIRST = re.compile(rb"[^ \t\r\n\xef\xbb\xbf]")
_NOT_BLANK = re.compile(rb"[^ \t\r\n]")
_LINE_END = re.compile(rb"[\r\n]")
# No JSON has a line that begins so: a line end cannot stand inside a string (RFC 8259, 7).
_FIELD_LINE = re.compile(rb"[\r\n](?:data|event|id|retry):")
_FIELD_LENGTH = len("\nevent:")


class Opening:
    """
    Hold a body back as long as it may be one JSON object.

    By the standard such a body is a stream of unknown fields, of which nothing would ever come.
    What begins otherwise is let through at once; what begins so is, too, when a line shows that
    it has fields all the same.

    Args:
        max_bytes: How many bytes are held back at most; None for no limit.
        fits: Tells whether JSON is small enough to be decoded.

    Attributes:
        start: The first bytes of the body, at most 512.
        settled: Whether nothing is held back any more.
        error: The fault that it is several JSON objects, a line each, or too large a one; or
            None.
    """

    __slots__ = (
        "_before",
        "_first_line",
        "_fits",
        "_held",
        "_looked_at_lines",
        "_max_bytes",
        "error",
        "settled",
        "start",
    )

    def __init__(self, max_bytes: int | None, fits: Callable[[bytes], bool]) -> None:
        self.start = b""
        self.error: SSEError | None = None
        self._max_bytes = max_bytes
        self._fits = fits
        self.settled = False
        self._before = 0
        self._held = bytearray()
        self._first_line = -1
        self._looked_at_lines = False

    @property
    def size(self) -> int:
        """How many bytes are held back."""
        return len(self._held)

    def feed(self, data: bytes) -> bytes:
        """Take bytes; return those that are let through."""
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
        self._held += data
        # What is seen first decides, however the bytes are cut.
        limit = math.inf if self._max_bytes is None else self._max_bytes
        field = _FIELD_LINE.search(self._held, max(0, old - _FIELD_LENGTH))
        end = math.inf if field is None else field.end()
        if not self._looked_at_lines:
            self._look_for_lines(old, min(end, limit))
        if self.error is None and min(end, len(self._held)) > limit:
            self.error = LimitExceeded(limit="event", maximum=int(limit), offset=self._before)
        if self.error is None and field is not None:
            return self.let_through()
        return b""

    def _look_for_lines(self, old: int, end: float) -> None:
        """Look at the beginning of the second line, once it is there and before the end."""
        held = self._held
        if self._first_line < 0:
            line_end = _LINE_END.search(held, old)
            if line_end is None:
                return
            self._first_line = line_end.start()
        second = _NOT_BLANK.search(held, max(old, self._first_line))
        if second is None or second.end() > end:
            return
        self._looked_at_lines = True
        at = second.start()
        if held.startswith(b"{", at) and self._is_object(bytes(held[: self._first_line])):
            self.error = NotEventStream(body_start=self.start[: self._before + at + 1])

    def let_through(self) -> bytes:
        """Return what is held back, and hold nothing back from now on."""
        held, self._held = bytes(self._held), bytearray()
        self.settled = True
        return held

    def _is_object(self, data: bytes) -> bool:
        if not self._fits(data):
            return False
        try:
            load_object(data.decode("utf-8", "replace"))
        except UNREADABLE:
            return False
        return True
