"""Entry point of the command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TextIO, cast

from . import _output
from ._arguments import make_argument_parser

_REQUIRED_PACKAGES = {"chat": ["h11"], "serve": ["h11"], "demo": ["rich", "httpx2", "h11"]}


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the `sseparse` command.

    Args:
        argv: The arguments; None for those of the process.

    Returns:
        The exit status.

    Raises:
        SystemExit: The arguments request help or the version, or are invalid.
    """
    stdout: TextIO | None = sys.stdout
    reconfigure = getattr(stdout, "reconfigure", None)
    if reconfigure is not None:
        # Characters that the terminal's encoding lacks become question marks.
        reconfigure(errors="replace")
    try:
        try:
            return _run(argv)
        finally:
            if stdout is not None:
                stdout.flush()  # an error here would be printed with a traceback later
    except _output.CommandError as error:
        return _output.report(str(error), 2)
    except OSError as error:
        # Errors of reading are handled where they occur: this is the output. What it still
        # buffers would fail again when the interpreter exits.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
        if isinstance(error, BrokenPipeError):
            return _output.EXIT_CLOSED_PIPE
        return _output.report(f"cannot write the output: {error.strerror}", _output.EXIT_IO_ERROR)
    except KeyboardInterrupt:
        return _output.EXIT_INTERRUPTED


def _run(argv: Sequence[str] | None) -> int:
    parser = make_argument_parser()
    options = parser.parse_args(argv)
    command = options.command
    if command is None:
        _output.write_error(parser.format_help())
        return 2
    missing = [name for name in _REQUIRED_PACKAGES.get(command, ()) if find_spec(name) is None]
    if missing:
        raise _output.missing_packages(command, missing, "cli")
    if sys.stdout is None:
        return _output.report("standard output is closed", _output.EXIT_IO_ERROR)
    # Only the module of the command is imported: `parse` works without the others' packages.
    module = import_module(f"._{command}", __package__)
    return cast(int, getattr(module, command)(options))
