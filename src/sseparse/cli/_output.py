"""Output of the command."""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from typing import Any, Final, TextIO

from .. import DecodeError, End, EndCause, IncompleteStream, NotEventStream, SSEError
from .._errors import count


class Misuse(Exception):
    """Say in one line what is wrong with what the command was given."""


def json_line(value: Any) -> str:
    """Return a value as a line that standard output can encode."""
    line = json.dumps(value, ensure_ascii=False)
    try:
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        # Escaped, it says the same to every reader of JSON.
        line = json.dumps(value)
    return f"{line}\n"


# C0 and C1 controls but for tab and line feed, DEL, and what turns the direction of a text.
_UNSAFE: Final = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_DELETE: Final = 0x7F
_DUMB: Final = ("dumb", "unknown")


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a stream, which may be closed, is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def can_control() -> bool:
    """Tell whether terminals understand control sequences here."""
    return os.environ.get("TERM") not in _DUMB


def wants_colour(*, no_color: bool) -> bool:
    """
    Tell whether a terminal is to be sent colours.

    Args:
        no_color: Whether the user asked for none.

    Source:
        https://no-color.org: NO_COLOR, if it is set and not empty.
    """
    return not no_color and not os.environ.get("NO_COLOR") and can_control()


def visible(text: str) -> str:
    """Make control characters of a text visible, so that they do nothing to a terminal."""
    return _UNSAFE.sub(_picture, text)


def visible_json(text: str) -> str:
    """Escape the control characters of a line of JSON, which says the same."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code == _DELETE:
        return "\u2421"
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"


NO_STREAM = "no event stream: "
"""What `describe` begins with where a body is something else."""


def describe(end: End, fault: SSEError | None) -> str:
    """Say in one line how a stream ended."""
    if not end.bytes_seen and not isinstance(fault, NotEventStream):
        return "nothing came: the body was empty"
    verdict = _without_fault(end) if fault is None else _fault(fault, end)
    return f"{verdict} ({count(end.events_seen, 'event')}, {count(end.bytes_seen, 'byte')})"


def exit_status(end: End, fault: SSEError | None) -> int:
    """Return 0 for a stream that is complete, 2 for what is no stream, 1 for any other."""
    if isinstance(fault, NotEventStream):
        return 2
    return 0 if fault is None and end.complete and end.bytes_seen else 1


def one_line(text: str) -> str:
    """Make a text from elsewhere fit to stand in a terminal: one line, no control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _without_fault(end: End) -> str:
    if end.one_object and end.complete:
        return "complete: one JSON object, not a stream"
    if end.cause is EndCause.DONE:
        return "complete: [DONE] came"
    if end.finish_seen:
        return "complete: a finish reason came, but no [DONE]"
    if end.mid_event:
        return "incomplete: the body ended inside an event"
    return "the body ended after a whole event; it held no chunks to judge by"


def _fault(fault: SSEError, end: End) -> str:
    # Some of the errors' own words are for those who write Python.
    match fault:
        case NotEventStream() if encoding := fault.headers.get("content-encoding"):
            return f"{NO_STREAM}the body is compressed ({one_line(encoding)}), unasked"
        case NotEventStream():
            return f"{NO_STREAM}the body {_begins(fault.body_start)}"
        case IncompleteStream() if end.events_seen and _held_nothing(fault):
            return "no chunks of a completion came (another API?); --events shows what did"
        case IncompleteStream():
            where = "inside an event" if fault.end.mid_event else "between two events"
            return f"incomplete: neither [DONE] nor a finish reason; the body ended {where}"
        case DecodeError():
            return f"event is no chunk: {fault.reason}; its data begins {fault.event.data[:60]!r}"
        case _:
            return str(fault)


def _held_nothing(fault: SSEError) -> bool:
    return fault.partial is not None and not fault.partial.choices


def _begins(body: bytes) -> str:
    try:
        # A character may be cut where the first bytes end.
        text, _ = codecs.utf_8_decode(body[:200])
    except UnicodeDecodeError:
        return "is binary data"
    return f"begins {text!r}"


DIM: Final = "\x1b[2m"
RESET: Final = "\x1b[0m"


def say(text: str, status: int = 0, *, dim: bool = False) -> int:
    """
    Say one line on standard error, if anybody can hear it.

    Args:
        text: What to say.
        status: What to return.
        dim: Whether to say it quietly, to a terminal with colours.

    Returns:
        The status.
    """
    line = f"sseparse: {one_line(text)}"
    write_error(f"{DIM}{line}{RESET}\n" if dim else f"{line}\n")
    return status


def write_error(text: str) -> None:
    """Write a text on standard error as it is; that it is closed harms nothing else."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()


_MIB: Final = 2**20
# How much must come before it is told, so that short files and slow pipes tell nothing.
_STEP: Final = 4 * _MIB


def with_progress(pieces: Iterator[bytes], file: int) -> Iterator[bytes]:
    """
    Pass bytes on, and show on the terminal that is standard error how many there were.

    Args:
        pieces: The bytes.
        file: The number of the file that they are read from.

    Returns:
        The same bytes. What was shown is erased at their end, and when they are closed.
    """
    size = _size(file)
    seen = told = shown = 0
    try:
        for piece in pieces:
            seen += len(piece)
            if seen - told >= _STEP:
                told = seen
                line = _line(seen, size)
                write_error(f"\r{line}".ljust(shown))
                shown = len(line) + 1
            yield piece
    finally:
        if shown:
            write_error(f"\r{' ' * (shown - 1)}\r")


def shows_progress(output: str) -> bool:
    """
    Tell whether progress can be seen and is in nobody's way.

    Args:
        output: What is printed: "result" is so at the end alone.
    """
    return is_terminal(sys.stderr) and (output == "result" or not is_terminal(sys.stdout))


def _size(file: int) -> int:
    found = os.fstat(file)
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _line(seen: int, size: int) -> str:
    if seen > size:
        # No file of a known size, or one that grows.
        return f"{seen / _MIB:.1f} MiB"
    return f"{seen / _MIB:.1f} of {size / _MIB:.1f} MiB, {seen * 100 // size}%"
