"""Output of the command: lines on standard error, terminal escapes and progress."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
import textwrap
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, Final, TextIO

# EX_IOERR of sysexits.h, and what a shell reports for programs that a signal ended.
EXIT_IO_ERROR: Final = 74
EXIT_INTERRUPTED: Final = 130
EXIT_CLOSED_PIPE: Final = 141

DIM: Final = "\x1b[2m"
RESET: Final = "\x1b[0m"

# C0 and C1 controls except tab and line feed, DEL, and characters that change text direction.
_CONTROL_RANGES: Final = ((0, 9), (0x0B, 0x20), (0x7F, 0xA0), (0x202A, 0x202F), (0x2066, 0x206A))
_CONTROLS: Final = [code for ends in _CONTROL_RANGES for code in range(*ends)]
# Tables for str.translate(): visible characters for text, and the escapes of JSON.
VISIBLE: Final = {code: 0x2400 + code if code < 0x20 else 0xFFFD for code in _CONTROLS}
VISIBLE[0x7F] = 0x2421
JSON_ESCAPES: Final = {code: f"\\u{code:04x}" for code in _CONTROLS}


class CommandError(Exception):
    """Error in the input to the command, described in one line."""


def is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def supports_escapes() -> bool:
    """Return whether a terminal would understand escape sequences."""
    return os.environ.get("TERM") not in ("dumb", "unknown")


def wants_colour(*, no_color: bool) -> bool:
    # https://no-color.org: NO_COLOR counts if it's set and not empty.
    return not no_color and not os.environ.get("NO_COLOR") and supports_escapes()


def make_writer(escapes: Mapping[int, int | str]) -> Callable[[str], None]:
    """Return a function that writes to standard output, with escapes if that's a terminal."""
    stdout = sys.stdout
    to_terminal = is_terminal(stdout)

    def write(text: str) -> None:
        stdout.write(text.translate(escapes) if to_terminal else text)
        stdout.flush()

    return write


def format_json_line(value: Any) -> str:
    """Format a value as a line of JSON that standard output can encode."""
    line = json.dumps(value, ensure_ascii=False)
    try:
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        line = json.dumps(value)
    return f"{line}\n"


def missing_packages(what: str, names: Sequence[str], extra: str) -> CommandError:
    return CommandError(
        f"{what} needs {', '.join(names)}. Install with: pip install 'sseparse[{extra}]' "
        f"(in a clone of the repository: pip install '.[{extra}]')"
    )


def report(text: str, status: int = 0, *, dim: bool = False) -> int:
    """Write a message to standard error and return the given exit status."""
    words = "".join(c if c.isprintable() else " " for c in text).split()
    line = _wrap(f"sseparse: {' '.join(words)}")
    write_error(f"{DIM}{line}{RESET}\n" if dim else f"{line}\n")
    return status


def _wrap(line: str) -> str:
    """Break a line between words, if standard error is a terminal with a known width."""
    width = 0
    if is_terminal(sys.stderr):
        with contextlib.suppress(OSError):
            width = os.get_terminal_size(sys.stderr.fileno()).columns
    if not width:
        return line
    options: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.fill(line, width, subsequent_indent="  ", **options)


def write_error(text: str) -> None:
    """Write to standard error, unless it's closed."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()


_MIB: Final = 2**20


def with_progress(pieces: Iterator[bytes], file: int) -> Generator[bytes]:
    """Pass on the bytes of a file descriptor and show on the terminal how many were read."""
    info = os.fstat(file)
    size = info.st_size if stat.S_ISREG(info.st_mode) else 0
    seen = shown = width = 0
    try:
        for piece in pieces:
            seen += len(piece)
            if seen - shown >= 4 * _MIB:  # short files and slow pipes show none
                shown = seen
                # A size of 0 isn't known, and a file may grow.
                rest = f"of {size / _MIB:.1f} MiB, {seen * 100 // size}%" if seen <= size else "MiB"
                line = f"{seen / _MIB:.1f} {rest}"
                write_error(f"\r{line}".ljust(width))
                width = len(line) + 1
            yield piece
    finally:
        if width:
            write_error(f"\r{' ' * (width - 1)}\r")
