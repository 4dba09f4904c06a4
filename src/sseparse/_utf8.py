"""UTF-8: its byte-order mark, and where a stream stops being it."""

from __future__ import annotations

import codecs

from ._errors import EncodingError

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
