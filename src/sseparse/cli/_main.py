"""The command: its arguments, and what it runs."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from .. import __version__
from ._output import say, write_error
from ._parse import parse


def missing(*names: str) -> list[str]:
    """Return those of the modules that are not installed."""
    return [name for name in names if importlib.util.find_spec(name) is None]


_EXIT: Final = (
    "Standard error says how the stream ended, and so does the exit status: 0 complete, 1 cut, "
    "faulty or ended by a server's error, 2 "
)
_WIDTH: Final = 78


class _Parser(argparse.ArgumentParser):
    """Parse arguments; what its help needs alone is loaded for that alone."""

    late_epilog: Callable[[], str] | None = None

    def format_help(self) -> str:
        if self.late_epilog is not None:
            self.epilog = self.late_epilog()
        return super().format_help()


def make_argument_parser() -> argparse.ArgumentParser:
    """Make what parses the arguments of the command."""
    parser = _Parser(
        prog="sseparse",
        description="Server-sent events, and the streamed completions in them.",
        epilog="sseparse COMMAND --help says more, with examples.",
    )
    parser.add_argument("--version", action="version", version=f"sseparse {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary, description, add in (
        (
            "chat",
            "ask an OpenAI-compatible API, and see the answer as it comes",
            "Ask an OpenAI-compatible API, and print the answer as it comes.",
            _add_chat,
        ),
        (
            "parse",
            "print what a captured body holds",
            "Print what the body of a streamed answer holds, as it comes.",
            _add_parse,
        ),
        (
            "serve",
            "replay captured bodies, to try out a client",
            "Answer every request with a captured body, so that a client can be tried out.",
            _add_serve,
        ),
        (
            "demo",
            "stream two completions from a server on this machine",
            "Stream a chat and a legacy completion from a server on this machine.",
            _add_demo,
        ),
    ):
        add(
            commands.add_parser(
                name,
                help=summary,
                description=description,
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )
    return parser


def _add_chat(parser: _Parser) -> None:
    add = parser.add_argument
    add("prompt", nargs="*", metavar="PROMPT", help="the prompt; - or none is standard input")
    add("--model", "-m", metavar="M", help="the model (default: $OPENAI_MODEL, or gpt-4o-mini)")
    add("--base-url", metavar="URL", help="the API (default: $OPENAI_BASE_URL, or OpenAI's)")
    add("--system", metavar="TEXT", help="what the model is told before the prompt")
    add(
        "--tool",
        metavar="FILE",
        action="append",
        type=Path,
        default=[],
        help='tools, as JSON: a definition, a list or an object with "tools"; again for more',
    )
    add("--completion", action="store_true", help="use the legacy endpoint, /completions")
    add("--max-tokens", metavar="N", type=_positive_int, help="how long the answer may become")
    add("--json", action="store_true", help="print the finished completion as JSON instead")
    add("--save", metavar="FILE", type=Path, help="write the body, as parse and serve read it")
    add("--timeline", metavar="FILE", type=Path, help="draw when the text came: .svg or .png")
    add(
        "--timeout",
        metavar="SECONDS",
        type=_positive,
        default=300.0,
        help="how long the server may be silent, comments not counted (default: 300)",
    )
    add("--no-color", action="store_true", help="no colours; $NO_COLOR says so too")
    parser.late_epilog = _chat_epilog


def _chat_epilog() -> str:
    return _paragraphs(
        "examples:\n"
        "  sseparse chat Say hello in five languages\n"
        "  git diff | sseparse chat --system 'Review this diff.' -\n"
        "  sseparse chat --base-url http://127.0.0.1:11434/v1 -m llama3.2 hi\n"
        "  sseparse chat --tool weather.json 'Do I need an umbrella in Lisbon?'\n"
        "  sseparse chat --save a.sse --timeline a.svg Count to 20; sseparse serve a.sse",
        "$OPENAI_API_KEY is the key. It is never shown: where the server sends it back, [key] "
        "stands in its place, also in what --save writes, and also where JSON or a URL escapes it. "
        "If the server sends it back in pieces, "
        "they are saved, and a line says so.",
        "Of several choices the first is shown; --json has all.",
        "Standard output holds the answer alone; a tool call is a line, name(arguments). "
        "Reasoning is shown where standard error is a terminal. A terminal gets no control "
        "characters from the model, a pipe gets all of the text as it is.",
        "The last line, on standard error: tokens as the server counts them, or ~N estimated "
        "with tiktoken, time to the first token, tokens per second, and how it ended.",
        "--save FILE writes FILE.times too: when each piece came, for serve.",
        f"{_EXIT}no stream, no connection or a mistake in the arguments, 74 a file or the "
        "output could not be written, 130 Ctrl-C.",
    )


def _add_parse(parser: _Parser) -> None:
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
    parser.epilog = _paragraphs(
        "examples:\n"
        "  sseparse parse --text captured.sse\n"
        "  curl -sSN https://example.com/stream | sseparse parse\n"
        "  sseparse parse --result captured.sse | jq .usage",
        f"{_EXIT}no stream at all. Events that are no chunks are complete when the last one is "
        "whole.",
        "A terminal gets no control characters from the body. Of a long file, standard error "
        "shows how far it was read, if that is a terminal.",
    )


def _add_serve(parser: _Parser) -> None:
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", type=Path, help="a body, such as chat --save writes")
    add(
        "--pace",
        type=_pace,
        metavar="PACE",
        help="recorded: as it came, which FILE.times tells; fast: at once; or seconds before each "
        "event (default: recorded, where there are times)",
    )
    add("--fault", metavar="NAME", help="what goes wrong after the first event; see below")
    add("--host", default="127.0.0.1", help="the address to listen at (default: 127.0.0.1)")
    add("--port", type=_port, default=0, help="the port to listen at (default: a free one)")
    parser.late_epilog = _serve_epilog


def _serve_epilog() -> str:
    from ..testing import FAULTS  # noqa: PLC0415 - for its names alone

    column = max(map(len, FAULTS)) + 4
    faults = [
        textwrap.fill(
            does, _WIDTH, initial_indent=f"  {name}".ljust(column), subsequent_indent=" " * column
        )
        for name, does in FAULTS.items()
    ]
    return _paragraphs(
        "examples:\n"
        "  sseparse serve a.sse\n"
        "  sseparse serve --pace 0.02 --port 8000 a.sse\n"
        "  sseparse serve --fault stall a.sse\n"
        "  sseparse serve a.sse b.sse       # at /a/... and /b/...",
        "With --fault there is no recorded pace.",
        "One file answers every path and method. Of several, the first part of the path is the "
        "name of the one that answers. Standard error gets a line for each answer.",
        "faults:\n" + "\n".join(faults),
        "Ctrl-C stops it, with the exit status 0; 2 if there was nothing to serve, or no place "
        "to listen.",
    )


def _add_demo(parser: _Parser) -> None:
    parser.add_argument("--fast", action="store_true", help="do not wait between the tokens")


def _paragraphs(*texts: str) -> str:
    """Wrap those paragraphs that are not laid out already."""
    return "\n\n".join(text if "\n" in text else textwrap.fill(text, _WIDTH) for text in texts)


def _positive(text: str) -> float:
    seconds = _number(text)
    if not 0 < seconds <= 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not above 0, or more than a million")
    return seconds


def _number(text: str, kinds: str = "a number of seconds") -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not {kinds}") from None


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give a number up to 65535")
    return int(text)


def _pace(text: str) -> str | float:
    if text in ("recorded", "fast"):
        return text
    seconds = _number(text, "recorded, fast or a number of seconds")
    if not 0 <= seconds <= 1e6:
        raise argparse.ArgumentTypeError(f"{text} is below 0, or more than a million")
    return seconds


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
    from ._chat import ChatOptions, chat  # noqa: PLC0415 - as above

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
