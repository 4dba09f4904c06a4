"""Entry point of the command: its arguments, and the selection of a subcommand."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, cast

from .. import __version__
from . import _output

_EXIT: Final = (
    "Standard error gets a line that says how the stream ended. Exit status: 0 complete; "
    "1 truncated, malformed or ended by a server error; 2 "
)
_WIDTH: Final = 78


class _CommandParser(argparse.ArgumentParser):
    """Argument parser that makes its epilog only if help is requested."""

    make_epilog: Callable[[], str] | None = None

    def format_help(self) -> str:
        if self.make_epilog is not None:
            self.epilog = self.make_epilog()
        return super().format_help()


def make_argument_parser() -> argparse.ArgumentParser:
    parser = _CommandParser(
        prog="sseparse",
        description="Work with server-sent events and streamed completions.",
        epilog="Run sseparse COMMAND --help for options and examples.",
    )
    parser.add_argument("--version", action="version", version=f"sseparse {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary, add_arguments in (
        ("chat", "send a prompt to an OpenAI-compatible API and print the response", _add_chat),
        ("parse", "print the content of a captured response body", _add_parse),
        ("serve", "replay captured response bodies over HTTP, to test a client", _add_serve),
        ("demo", "stream two completions from a server on this machine", _add_demo),
    ):
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add_arguments(command)
    return parser


def _add_chat(parser: _CommandParser) -> None:
    add = parser.add_argument
    add("prompt", nargs="*", metavar="PROMPT", help="the prompt; - or none reads standard input")
    add("--model", "-m", metavar="M", help="the model (default: $OPENAI_MODEL, or gpt-4o-mini)")
    add("--base-url", metavar="URL", help="the API (default: $OPENAI_BASE_URL, or OpenAI's)")
    add("--system", metavar="TEXT", help="the system message")
    tools = 'a JSON file with a tool, a list of tools or an object with "tools"; repeatable'
    add("--tool", metavar="FILE", action="append", type=Path, default=[], help=tools)
    add("--completion", action="store_true", help="use the legacy endpoint, /completions")
    add("--max-tokens", metavar="N", type=_positive_int, help="the maximum number of tokens")
    add("--json", action="store_true", help="print the finished completion as JSON instead")
    add("--save", metavar="FILE", type=Path, help="write the body to a file for parse and serve")
    add("--timeline", metavar="FILE", type=Path, help="plot the arrival of text: .svg or .png")
    timeout = "the maximum wait for an event; comments don't count (default: 300)"
    add("--timeout", metavar="SECONDS", type=_timeout, default=300.0, help=timeout)
    add("--no-color", action="store_true", help="print no colours; so does $NO_COLOR")
    parser.make_epilog = lambda: _paragraphs(
        "examples:\n"
        "  sseparse chat Say hello in five languages\n"
        "  git diff | sseparse chat --system 'Review this diff.' -\n"
        "  sseparse chat --base-url http://127.0.0.1:11434/v1 -m llama3.2 hi\n"
        "  sseparse chat --tool weather.json 'Do I need an umbrella in Lisbon?'\n"
        "  sseparse chat --save a.sse --timeline a.svg Count to 20; sseparse serve a.sse",
        "$OPENAI_API_KEY is the API key. If the server sends it back, [key] replaces it in all "
        "output and in the file of --save, also where it is escaped as in JSON or a URL. If the "
        "server sends it back in pieces, the file contains the pieces, and a line reports it.",
        "If there are several choices, only the first is printed; --json prints all of them.",
        "Standard output gets only the response; a tool call is one line, name(arguments). "
        "Reasoning is printed if standard error is a terminal. Control characters in the response "
        "are escaped for a terminal, but not for a pipe.",
        "The last line, on standard error, has the tokens reported by the server (or ~N, "
        "estimated with tiktoken), the time to the first token, the tokens per second, and how "
        "the stream ended.",
        "--save FILE also writes FILE.times, the arrival time of each piece, for serve.",
        f"{_EXIT}not a stream, no connection or invalid arguments; 74 a file or the output can't "
        "be written; 130 interrupted by Ctrl-C.",
    )


def _add_parse(parser: _CommandParser) -> None:
    path = "the body; - reads standard input"
    parser.add_argument("path", nargs="?", default="-", metavar="FILE", help=path)
    output = parser.add_mutually_exclusive_group()
    for name, text in (
        ("events", "print each event as a line of JSON (default)"),
        ("chunks", "print each chunk as a line of JSON"),
        ("result", "print the finished completion as one line of JSON"),
        ("text", "print only the text of the first choice, as it arrives"),
    ):
        output.add_argument(f"--{name}", action="store_const", dest="output", const=name, help=text)
    parser.set_defaults(output="events")
    parser.epilog = _paragraphs(
        "examples:\n"
        "  sseparse parse --text captured.sse\n"
        "  curl -sSN https://example.com/stream | sseparse parse\n"
        "  sseparse parse --result captured.sse | jq .usage",
        f"{_EXIT}not a stream. Events that aren't chunks are complete if the body doesn't end "
        "inside an event.",
        "Control characters in the body are escaped for a terminal. While a long file is read, "
        "standard error shows the progress, if it is a terminal.",
    )


def _add_serve(parser: _CommandParser) -> None:
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", type=Path, help="a body, as written by chat --save")
    pace = (
        "recorded: with the times in FILE.times; fast: all at once; or the seconds before each "
        "event (default: recorded, if there are times)"
    )
    add("--pace", type=_pace, metavar="PACE", help=pace)
    add("--fault", metavar="NAME", help="a fault after the first event; see below")
    add("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    add("--port", type=_port, default=0, help="the port to listen on (default: a free one)")
    parser.make_epilog = _serve_epilog


def _serve_epilog() -> str:
    from ..testing import FAULTS  # noqa: PLC0415 - only if help is requested

    column = max(map(len, FAULTS)) + 4
    faults = [
        textwrap.fill(
            text, _WIDTH, initial_indent=f"  {name}".ljust(column), subsequent_indent=" " * column
        )
        for name, text in FAULTS.items()
    ]
    return _paragraphs(
        "examples:\n"
        "  sseparse serve a.sse\n"
        "  sseparse serve --pace 0.02 --port 8000 a.sse\n"
        "  sseparse serve --fault stall a.sse\n"
        "  sseparse serve a.sse b.sse       # at /a/... and /b/...",
        "--fault can't be combined with --pace recorded.",
        "A single file is the response to every path and method. With several files, the first "
        "part of the path is the name of the file. Standard error gets a line for each response.",
        "faults:\n" + "\n".join(faults),
        "Press Ctrl-C to stop. Exit status: 0 stopped; 2 a file can't be served, or the address "
        "can't be used.",
    )


def _add_demo(parser: _CommandParser) -> None:
    parser.add_argument("--fast", action="store_true", help="send the tokens without delay")


def _paragraphs(*texts: str) -> str:
    """Join paragraphs, and wrap those without line breaks."""
    return "\n\n".join(text if "\n" in text else textwrap.fill(text, _WIDTH) for text in texts)


def _number(convert: Callable[[str], float], low: float, high: float, what: str, text: str) -> Any:
    with contextlib.suppress(ValueError):
        number = convert(text)
        if low <= number <= high:
            return number
    raise argparse.ArgumentTypeError(f"{text!r} isn't {what}")


def _integer(text: str) -> int:
    return int(text if text.isdecimal() else "")  # int() alone accepts "1_000"


_positive_int = partial(_number, _integer, 1, math.inf, "an integer above 0")
_port = partial(_number, _integer, 0, 65535, "a port: use a number up to 65535")
_timeout = partial(_number, float, math.ulp(0), 1e6, "a number of seconds from 0 to a million")
_delay = partial(_number, float, 0, 1e6, "recorded, fast or a number of seconds up to a million")


def _pace(text: str) -> str | float:
    return text if text in ("recorded", "fast") else _delay(text)


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
    options = make_argument_parser().parse_args(argv)
    command = options.command
    missing = [name for name in _REQUIRED_PACKAGES.get(command, ()) if find_spec(name) is None]
    if missing:
        names, install = ", ".join(missing), "pip install 'sseparse[cli]'"
        _output.write_error(f"sseparse {command}: {names} not installed: {install}\n")
        return 2
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        # Characters that the terminal's encoding lacks become question marks.
        reconfigure(errors="replace")
    try:
        # Only the module of the command is imported: `parse` works without the others' packages.
        module = import_module(f"._{command}", __package__)
        return cast(int, getattr(module, command)(options))
    except _output.CommandError as error:
        return _output.report(f"{command}: {error}", 2)
    except OSError as error:
        # Errors of reading are handled where they occur: this is the output. What it still
        # buffers would fail again when the interpreter exits.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
        if isinstance(error, BrokenPipeError):
            return _output.EXIT_CLOSED_PIPE
        return _output.report(f"cannot write: {error.strerror}", _output.EXIT_IO_ERROR)
    except KeyboardInterrupt:
        return _output.EXIT_INTERRUPTED
