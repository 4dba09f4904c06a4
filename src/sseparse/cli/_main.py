"""What the command is told, and what it says when it ends."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from ._arguments import make_argument_parser
from ._needs import missing
from ._parse import parse
from ._say import say, write_error

# What a shell reports of a program that a closed pipe, or Ctrl-C, ended.
_CLOSED_PIPE = 141
_INTERRUPTED = 130
# What sysexits.h names EX_IOERR.
_CANNOT_WRITE = 74

_NEEDS = {"demo": ("rich", "httpx2", "h11"), "chat": ("h11",), "serve": ("h11",)}


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the `sseparse` command.

    Args:
        argv: The arguments; those of the process where None.

    Returns:
        The exit status.

    Raises:
        SystemExit: The arguments ask for help or for the version, or make no sense.
    """
    options = make_argument_parser().parse_args(argv)
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        # A character that the terminal does not know is no reason to stop.
        reconfigure(errors="replace")
    try:
        return _run(options)
    except BrokenPipeError:
        _drop_output()
        return _CLOSED_PIPE
    except OSError as error:
        # Reading fails with errors of our own: it is the output that cannot be written.
        _drop_output()
        return say(f"cannot write: {error.strerror}", _CANNOT_WRITE)
    except KeyboardInterrupt:
        return _INTERRUPTED


def _run(options: argparse.Namespace) -> int:
    command: str = options.command
    lacking = missing(*_NEEDS.get(command, ()))
    if lacking:
        names = ", ".join(lacking)
        write_error(f"sseparse {command}: {names} not installed: pip install 'sseparse[cli]'\n")
        return 2
    return _COMMANDS[command](options)


def _parse(options: argparse.Namespace) -> int:
    return parse(options.file, options.output)


def _demo(options: argparse.Namespace) -> int:
    from ._demo import demo  # noqa: PLC0415 - `parse` does without what this imports

    return demo(fast=options.fast)


def _chat(options: argparse.Namespace) -> int:
    from ._chat import chat  # noqa: PLC0415 - as above
    from ._chat_options import ChatOptions  # noqa: PLC0415 - as above

    given = {name: value for name, value in vars(options).items() if name != "command"}
    return chat(ChatOptions(**given))


def _serve(options: argparse.Namespace) -> int:
    from ._serve import serve  # noqa: PLC0415 - as above

    return serve(
        options.files,
        pace=options.pace,
        fault=options.fault,
        host=options.host,
        port=options.port,
    )


_COMMANDS = {"parse": _parse, "demo": _demo, "chat": _chat, "serve": _serve}


def _drop_output() -> None:
    # What is still buffered would fail again when the interpreter exits.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
