"""Files of recorded responses, and the removal of the API key from text and bytes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from attrs import frozen

from .._json import is_list, is_object
from ..adapters.sockets import SocketSource
from ._apis import START_SIZE
from ._output import CommandError


def times_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.times")


def read_times(path: Path, size: int) -> tuple[list[int], list[float]] | None:
    """Return the sizes and delays of the pieces of a body, or None if none were recorded."""
    file = times_path(path)
    try:
        pieces: list[Any] = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        sizes = [int(piece["bytes"]) for piece in pieces]
        seconds = [0.0, *(float(piece["seconds"]) for piece in pieces)]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CommandError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise CommandError(f"{file} has no valid times: {error!r}") from error
    if sum(sizes) != size or min(sizes, default=1) < 1:
        raise CommandError(f"{file} doesn't match {path}: delete it, or record the body again")
    return sizes, [max(0.0, later - sooner) for sooner, later in pairwise(seconds)]


class BodyFile(contextlib.ExitStack):
    """Writer of a body and its times to two files; an error stops it and is stored in `error`."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.error: OSError | None = None
        self._started: float | None = None
        self._times: BinaryIO | None = None
        try:
            self._body = self._open(path)
            if stat.S_ISREG(os.fstat(self._body.fileno()).st_mode):
                self._times = self._open(times_path(path))
        except OSError as error:
            self.close()
            reason = f"cannot write {error.filename}: {error.strerror}"
            raise CommandError(f"--save: {reason}") from error

    def _open(self, path: Path) -> BinaryIO:
        # Append mode leaves an older recording as it is until start(). Unbuffered: an
        # interrupt loses nothing.
        if not path.exists():
            self.callback(self._remove_unused, path)
        return self.enter_context(path.open("ab", buffering=0))

    def _remove_unused(self, path: Path) -> None:
        if self._started is None:  # without a response, no new file is left
            path.unlink(missing_ok=True)

    def start(self) -> None:
        """Start the clock at the head of a response, and drop an older recording."""
        self._started = time.monotonic()
        if self._times is not None:
            self._body.truncate(0)
            self._times.truncate(0)

    def write(self, piece: bytes) -> None:
        if self.error is not None or not piece:
            return
        seconds = time.monotonic() - cast(float, self._started)
        line = json.dumps({"bytes": len(piece), "seconds": round(seconds, 6)})
        try:
            for file, data in ((self._body, piece), (self._times, f"{line}\n".encode())):
                view = memoryview(data)
                while file is not None and view:
                    view = view[file.write(view) :]
        except OSError as error:
            self.error = error


# Python's repr(), in an error message, escapes quotes and backslashes as JSON does. "cut" is an
# escape that the end of the text cuts.
_JSON_ESCAPE: Final = re.compile(
    r"""\\(?:u(?P<hex>[0-9a-fA-F]{4})|(?P<char>["'\\/])|[bfnrt]|(?P<cut>(?:u[0-9a-fA-F]{0,3})?\Z))"""
)
_URL_ESCAPE: Final = re.compile(r"%(?:(?P<hex>[0-9a-fA-F]{2})|(?P<cut>[0-9a-fA-F]?\Z))")

_Span = tuple[int, int]


@frozen
class _UnescapedText:
    """A text after its escapes were decoded, up to an escape that is cut."""

    text: str
    starts: Sequence[int]  # of each character and of the end, in the original text

    def unescape(self, escape: re.Pattern[str]) -> _UnescapedText:
        """Decode one more level of escapes."""
        parts: list[str] = []
        starts = array("q")
        at = 0
        for match in escape.finditer(self.text):
            begin, end = match.span()
            parts.append(self.text[at:begin])
            starts.extend(self.starts[at : begin + 1])
            at = end
            if match.lastgroup == "cut":
                break
            # A line feed stands for each control character: no key has one.
            parts.append(chr(int(match["hex"], 16)) if match["hex"] else match["char"] or "\n")
        else:
            parts.append(self.text[at:])
            starts.extend(self.starts[at:])
        return _UnescapedText("".join(parts), starts)

    def find(self, key: str) -> tuple[list[_Span], int]:
        """Return the spans of the key, and where its beginning may be: the end if nowhere."""
        spans: list[_Span] = []
        at = 0
        while (begin := self.text.find(key, at)) >= 0:
            at = begin + len(key)
            spans.append((self.starts[begin], self.starts[at]))
        at = self.text.find(key[0], max(at, len(self.text) - len(key) + 1))
        while at >= 0 and not key.startswith(self.text[at:]):
            at = self.text.find(key[0], at + 1)
        return spans, self.starts[at]

    def floor(self, position: int) -> int:
        """Return the start of the character at a position of the original text."""
        return self.starts[bisect_right(self.starts, position) - 1]

    def ceil(self, position: int) -> int:
        """Return the end of the character before a position; the position after the last."""
        after = bisect_left(self.starts, position)
        return self.starts[after] if after < len(self.starts) else position


class Redactor:
    """Filter that replaces an API key by "[key]", also where it's escaped or comes in pieces."""

    def __init__(self, key: str) -> None:
        # Shorter keys, such as "none", are words that an answer may contain.
        self._key = key if len(key) >= 8 else ""
        self._pending = ""
        self._new = 0

    def redact(self, text: str) -> str:
        if not self._key:
            return text
        return _replace(text, self._find(text)[0])

    def redact_json(self, value: Any) -> Any:
        """Return a JSON value without the key in its strings and names of fields."""
        if isinstance(value, str):
            return self.redact(value)
        # No comprehensions, whose frames would count: values are nested up to 500 deep.
        if is_list(value):
            return list(map(self.redact_json, value))
        if is_object(value):
            values = map(self.redact_json, value.values())
            return dict(zip(map(self.redact, value), values, strict=True))
        return value

    def feed(self, piece: str) -> str:
        """Return the text that can be released after another piece."""
        if not self._key:
            return piece
        text = self._pending = self._pending + piece
        self._new += len(piece)
        if self._new < len(text) / 16:
            return ""  # searched again once it has grown by a part, so that the cost is linear
        spans, end = self._find(text)
        self._pending, self._new = text[end:], 0
        return _replace(text[:end], [span for span in spans if span[1] <= end])

    def flush(self) -> str:
        """Return the rest of the text at the end of the input."""
        rest, self._pending, self._new = self._pending, "", 0
        return self.redact(rest)

    def _find(self, text: str) -> tuple[list[_Span], int]:
        """Return the spans of the key, and the position up to which more text changes nothing."""
        levels = [_UnescapedText(text, range(len(text) + 1))]
        # Three levels: JSON in a text in the arguments of a tool call in the body.
        while "\\" in levels[-1].text and len(levels) <= 3:
            levels.append(levels[-1].unescape(_JSON_ESCAPE))
        found = [level.find(self._key) for level in levels]
        if "%" in text:
            found.append(levels[0].unescape(_URL_ESCAPE).find(self._key))
        # An escape is replaced completely: JSON without the key still is JSON.
        escapes = levels[:2][-1]
        plain = [(escapes.floor(begin), escapes.ceil(end)) for begin, end in found[0][0]]
        spans = sorted(plain + [span for more, _ in found[1:] for span in more])
        return spans, _move_outside(min(begin for _, begin in found), spans, levels[-1])


def _move_outside(position: int, spans: list[_Span], escapes: _UnescapedText) -> int:
    """Return the last position up to the given one that is inside no escape and no span."""
    while True:
        begin = escapes.floor(position)
        begin = min((first for first, last in spans if first < begin < last), default=begin)
        if begin == position:
            return position
        position = begin


def _replace(text: str, spans: list[_Span]) -> str:
    parts: list[str] = []
    at = 0
    for begin, end in spans:
        if begin >= at:
            parts += text[at:begin], "[key]"
        at = max(at, end)
    return "".join([*parts, text[at:]])


class RedactedSource:
    """
    Body of a response without the API key, written to a file while it's read.

    Attributes:
        start: The first bytes that were read, at most `START_SIZE`.
    """

    def __init__(
        self, response: SocketSource, prefix: bytes, key: str, file: BodyFile | None
    ) -> None:
        self._redactor = Redactor(key)
        self.status: int | None = response.status
        self.headers: Mapping[str, str] = self._redactor.redact_json(dict(response.headers))
        self.wait_at_most = response.wait_at_most
        self.start = bytearray()
        self._response = response
        self._prefix = prefix
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        # In Latin-1, each byte is a character.
        for piece in chain([self._prefix] if self._prefix else [], self._response):
            yield self._write(self._redactor.feed(piece.decode("latin-1")))
        if rest := self._redactor.flush():
            yield self._write(rest)

    def _write(self, text: str) -> bytes:
        data = text.encode("latin-1")
        self.start += data[: START_SIZE - len(self.start)]
        if self._file is not None:
            self._file.write(data)
        return data

    def close(self) -> None:
        self._write(self._redactor.flush())
        self._response.close()
