"""What the command is told, and what it says when it ends."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence

from .. import __version__
from ._parse import parse

# What a shell reports of a program that a closed pipe, or Ctrl-C, ended.
_CLOSED_PIPE = 141
_INTERRUPTED = 130
# What sysexits.h names EX_IOERR.
_CANNOT_WRITE = 74

_DEMO_NEEDS = ("rich", "httpx2", "h11")


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
    options = _make_argument_parser().parse_args(argv)
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
        print(f"sseparse: cannot write: {error.strerror}", file=sys.stderr)
        return _CANNOT_WRITE
    except KeyboardInterrupt:
        return _INTERRUPTED


def _run(options: argparse.Namespace) -> int:
    if options.command == "parse":
        return parse(options.file, options.output)
    missing = [name for name in _DEMO_NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        print(
            f"sseparse demo: {', '.join(missing)} not installed: pip install 'sseparse[cli]'",
            file=sys.stderr,
        )
        return 2
    from ._demo import demo  # noqa: PLC0415 - `parse` does without what this imports

    return demo(fast=options.fast)


def _make_argument_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sseparse", description="Server-sent events, and the streamed completions in them."
    )
    parser.add_argument("--version", action="version", version=f"sseparse {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_parse_options(
        commands.add_parser(
            "parse",
            help="print what a captured body holds",
            description="Print what the body of a streamed answer holds, as it comes.",
            epilog="Standard error says how the stream ended, and so does the exit status: "
            "0 complete, 1 cut, faulty or ended by a server's error, 2 no stream at all. "
            "Events that are no chunks are complete when the last one is whole.",
        )
    )
    demo = commands.add_parser(
        "demo",
        help="stream two completions from a server on this machine",
        description="Stream a chat and a legacy completion from a server on this machine.",
    )
    demo.add_argument("--fast", action="store_true", help="do not wait between the tokens")
    return parser


def _add_parse_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="the body; - is standard input"
    )
    output = parser.add_mutually_exclusive_group()
    for name, text in (
        ("events", "the events, one JSON object a line (the default)"),
        ("chunks", "the chunks, one JSON object a line"),
        ("result", "the finished completion, as one line of JSON"),
        ("text", "the text of the first choice alone, each piece as it comes"),
    ):
        output.add_argument(
            f"--{name}",
            action="store_const",
            dest="output",
            const=name,
            default="events",
            help=text,
        )


def _drop_output() -> None:
    # What is still buffered would fail again when the interpreter exits.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
