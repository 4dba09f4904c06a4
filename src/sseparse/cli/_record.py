"""Recordings of a response, without secrets."""

from __future__ import annotations

import json
import os
import re
import stat
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Final, Self, cast

from attrs import frozen

from .._json import is_list, is_object
from ..adapters.sockets import SocketSource
from ._output import Misuse


@frozen
class Times:
    """
    Hold when the pieces of a body came.

    Attributes:
        sizes: Their sizes, in bytes.
        seconds: When each came, in seconds after the head of the response.
    """

    sizes: list[int]
    seconds: list[float]

    @property
    def delays(self) -> list[float]:
        """How long each came after the one before it, in seconds."""
        return [max(0.0, later - sooner) for sooner, later in pairwise([0.0, *self.seconds])]


def times_path(path: Path) -> Path:
    """Return where the times of a body are kept."""
    return path.with_name(f"{path.name}.times")


def read_times(path: Path, size: int) -> Times | None:
    """
    Read the times of a body.

    Args:
        path: The body's file.
        size: Its size, in bytes.

    Returns:
        The times; None where none were kept.

    Raises:
        Misuse: They cannot be read, or are those of another body.
    """
    beside = times_path(path)
    try:
        lines = beside.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Misuse(f"cannot read {beside}: {error}") from error
    try:
        pieces: list[Any] = [json.loads(line) for line in lines]
        times = Times(
            [int(piece["bytes"]) for piece in pieces], [float(piece["seconds"]) for piece in pieces]
        )
    except (ValueError, TypeError, KeyError) as error:
        raise Misuse(f"{beside} holds no times: {error!r}") from error
    if sum(times.sizes) != size or min(times.sizes, default=1) < 1:
        raise Misuse(f"{beside} holds the times of another body than {path}; delete it")
    return times


class Recording:
    """
    Write a body as it comes, and beside it when its pieces came.

    A context manager, which leaves no file behind where nothing came. A failure to write is kept
    in `error`, and ends the writing alone.

    Args:
        path: Where the body goes.
        clock: Tells the time, in seconds.

    Attributes:
        error: Why no more could be written, or None.

    Raises:
        OSError: A file cannot be opened.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self.error: OSError | None = None
        self._clock = clock
        self._began: float | None = None
        self._made: list[Path] = []
        # Unbuffered: what came is on disk whatever happens next.
        self._body = self._open(path)
        self._times: BinaryIO | None = None
        try:
            if stat.S_ISREG(os.fstat(self._body.fileno()).st_mode):
                self._times = self._open(times_path(path))
        except OSError:
            self.__exit__()
            raise

    def _open(self, path: Path) -> BinaryIO:
        # To append changes nothing of an older recording, until there is a new one.
        if not path.exists():
            self._made.append(path)
        return path.open("ab", buffering=0)

    def begin(self) -> None:
        """Note that the head of the response has come: an older recording is given up."""
        self._began = self._clock()
        if self._times is not None:
            self._body.truncate(0)
            self._times.truncate(0)

    def write(self, piece: bytes) -> None:
        """Write a piece of the body."""
        if self.error is not None or not piece:
            return
        seconds = self._clock() - cast(float, self._began)
        line = json.dumps({"bytes": len(piece), "seconds": round(seconds, 6)})
        try:
            _write_all(self._body, piece)
            if self._times is not None:
                _write_all(self._times, f"{line}\n".encode())
        except OSError as error:
            self.error = error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._body.close()
        if self._times is not None:
            self._times.close()
        if self._began is None:
            for path in self._made:
                path.unlink(missing_ok=True)


def _write_all(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


_SHORTEST: Final = 8
"""Shorter keys, such as "none", are no secrets but words, which an answer may well hold."""

_MARK: Final = "[key]"

_JSON_DEPTH: Final = 3
"""Levels of JSON in JSON: a body, the arguments of a tool call in it, a text in those."""

_RESCAN: Final = 16
"""What is held back is searched again once it has grown by one part in so many: linear cost."""

# Python's repr(), in an error message, escapes quotes and backslashes as JSON does. "cut" is an
# escape that the end of the text cuts.
_JSON_ESCAPE: Final = re.compile(
    r"""\\(?:u(?P<hex>[0-9a-fA-F]{4})|(?P<char>["'\\/])|(?P<control>[bfnrt])"""
    r"""|(?P<cut>(?:u[0-9a-fA-F]{0,3})?\Z))"""
)
_URL_ESCAPE: Final = re.compile(r"%(?:(?P<hex>[0-9a-fA-F]{2})|(?P<cut>[0-9a-fA-F]?\Z))")

_Span = tuple[int, int]


@frozen
class _Reading:
    """
    A text after its escapes were decoded.

    Attributes:
        text: The decoded text, up to an escape that is cut.
        starts: The position in the original text of each character, and of the end.
    """

    text: str
    starts: Sequence[int]

    def decoded(self, escape: re.Pattern[str]) -> _Reading:
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
            parts.append(_decode(match))
        else:
            parts.append(self.text[at:])
            starts.extend(self.starts[at:])
        return _Reading("".join(parts), starts)

    def find(self, secret: str) -> tuple[list[_Span], int]:
        """Return where the secret is, and where its beginning may be: the end if nowhere."""
        spans: list[_Span] = []
        at = 0
        while (begin := self.text.find(secret, at)) >= 0:
            at = begin + len(secret)
            spans.append((self.starts[begin], self.starts[at]))
        at = self.text.find(secret[0], max(at, len(self.text) - len(secret) + 1))
        while at >= 0 and not secret.startswith(self.text[at:]):
            at = self.text.find(secret[0], at + 1)
        return spans, self.starts[at]

    def floor(self, position: int) -> int:
        """Return where the character begins that a position of the original text is in."""
        return self.starts[bisect_right(self.starts, position) - 1]

    def ceil(self, position: int) -> int:
        """Return where the character ends that a position is in; the position after the last."""
        after = bisect_left(self.starts, position)
        return self.starts[after] if after < len(self.starts) else position


def _decode(match: re.Match[str]) -> str:
    match match.lastgroup:
        case "hex":
            return chr(int(match["hex"], 16))
        case "char":
            return match["char"]
        case _:
            return "\n"  # no key has a control character


class Redactor:
    r"""
    Put "[key]" in place of a secret, in what comes piece by piece.

    The secret is found as it is, with JSON's escapes (`\"`, `\u0022`), also where that JSON is a
    string in other JSON, and with those of URLs (`%22`). What may be the beginning of it is held
    back until the next piece decides.

    Args:
        secret: The secret, which is ASCII; one of less than 8 characters is none.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret if len(secret) >= _SHORTEST else ""
        self._held = ""
        self._new = 0

    def whole(self, text: str) -> str:
        """Return a complete text without the secret."""
        if not self._secret:
            return text
        spans, _ = self._find(text)
        return _replace(text, spans)

    def value(self, value: Any) -> Any:
        """Return a JSON value without the secret in its strings and names."""
        if isinstance(value, str):
            return self.whole(value)
        # No comprehensions, whose frames would count: values are nested up to 500 deep.
        if is_list(value):
            return list(map(self.value, value))
        if is_object(value):
            return dict(zip(map(self.whole, value), map(self.value, value.values()), strict=True))
        return value

    def feed(self, piece: str) -> str:
        """Return what can be shown of a piece and of what was held back."""
        if not self._secret:
            return piece
        text = self._held = self._held + piece
        self._new += len(piece)
        if self._new * _RESCAN < len(text):
            return ""
        spans, safe = self._find(text)
        self._held, self._new = text[safe:], 0
        return _replace(text[:safe], [span for span in spans if span[1] <= safe])

    def rest(self) -> str:
        """Return what is held back: nothing more comes."""
        rest, self._held, self._new = self._held, "", 0
        return self.whole(rest)

    def _find(self, text: str) -> tuple[list[_Span], int]:
        """Return where the secret is in a text, and up to where more text changes nothing."""
        readings = [_Reading(text, range(len(text) + 1))]
        while "\\" in readings[-1].text and len(readings) <= _JSON_DEPTH:
            readings.append(readings[-1].decoded(_JSON_ESCAPE))
        found = [reading.find(self._secret) for reading in readings]
        if "%" in text:
            found.append(readings[0].decoded(_URL_ESCAPE).find(self._secret))
        # An escape is replaced completely: JSON without the secret still is JSON.
        escapes = readings[:2][-1]
        plain = [(escapes.floor(begin), escapes.ceil(end)) for begin, end in found[0][0]]
        spans = sorted(plain + [span for more, _ in found[1:] for span in more])
        return spans, _cut(spans, min(begin for _, begin in found), readings[-1])


def _cut(spans: list[_Span], position: int, escapes: _Reading) -> int:
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
            parts += text[at:begin], _MARK
        at = max(at, end)
    return "".join([*parts, text[at:]])


class BodyRedactor:
    """
    Do so in the bytes of a body.

    Args:
        secret: The secret, which is ASCII.
    """

    def __init__(self, secret: str) -> None:
        self._redactor = Redactor(secret)

    def feed(self, piece: bytes) -> bytes:
        """Return what can be passed on of a piece and of what was held back."""
        # In Latin-1, each byte is a character.
        return self._redactor.feed(piece.decode("latin-1")).encode("latin-1")

    def rest(self) -> bytes:
        """Return what is held back: nothing more comes."""
        return self._redactor.rest().encode("latin-1")


class Tap:
    """
    Pass on the body of a response.

    Args:
        response: The response.
        first: What was read of its body already.
        key: What is kept out of it, and out of the headers.
        recording: Where it is written to, or None.

    Attributes:
        status: The HTTP status.
        headers: The response's headers.
        pooled: Whether the connection serves another request: never.
    """

    pooled = False

    def __init__(
        self,
        response: SocketSource,
        first: bytes,
        key: str,
        recording: Recording | None,
    ) -> None:
        self.status: int | None = response.status
        self.headers: Mapping[str, str] = Redactor(key).value(dict(response.headers))
        self._response = response
        self._first = first
        self._redactor = BodyRedactor(key)
        self._recording = recording

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        piece, self._first = self._first, b""
        try:
            shown = self._redactor.feed(piece or next(self._response))
        except StopIteration:
            shown = self._redactor.rest()
            if not shown:
                raise
        self._record(shown)
        return shown

    def _record(self, piece: bytes) -> None:
        if self._recording is not None:
            self._recording.write(piece)

    def wait_at_most(self, seconds: float | None) -> None:
        """Bound the reads to come, in seconds."""
        self._response.wait_at_most(seconds)

    def close(self) -> None:
        """Close the response; what is held back of it is written."""
        self._record(self._redactor.rest())
        self._response.close()


def read_up_to(response: Iterator[bytes], size: int) -> bytes:
    """Read the beginning of a body: so many bytes, or a piece more."""
    read = b""
    while len(read) < size and (piece := next(response, b"")):
        read += piece
    return read
