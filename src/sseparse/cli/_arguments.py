"""Arguments and help texts of the command."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import math
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

from .. import __version__
from ._output import missing_packages, write_error

_WIDTH: Final = 78
_APIS: Final = ("chat", "responses", "messages")
_VARIABLES: Final = {
    "OPENAI_API_KEY": "the key",
    "OPENAI_BASE_URL": "the URL of the API (default: https://api.openai.com/v1)",
    "OPENAI_MODEL": "the model (default: gpt-4o-mini)",
    "ANTHROPIC_API_KEY": "the key, with --api messages",
    "ANTHROPIC_BASE_URL": "the URL, with --api messages (default: https://api.anthropic.com)",
    "ANTHROPIC_MODEL": "the model, with --api messages (default: claude-haiku-4-5)",
    "HTTPS_PROXY": "the proxy for https; HTTP_PROXY for http, ALL_PROXY for both",
    "NO_PROXY": "the hosts to connect to without the proxy",
}
_STATUSES: Final = {
    "0": "the response is complete",
    "1": "the response is truncated or malformed, or the server sent an error",
    "2": "not a stream, no response, an unreadable file or invalid arguments",
    "74": "a file or the output can't be written",
    "130": "interrupted by Ctrl-C",
    "141": "the program that reads the output, such as head, closed the pipe",
}


class CommandParser(argparse.ArgumentParser):
    """Argument parser whose errors show the usage of the subcommand and similar names."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, formatter_class=argparse.RawDescriptionHelpFormatter)
        self.make_epilog: Callable[[], str] | None = None
        self.files: list[argparse.Action] = []
        self.commands: Mapping[str, CommandParser] = {}

    def add_file(self, *names: str, **options: Any) -> None:
        """Add an argument whose value is the path of a file, which shells complete."""
        self.files.append(self.add_argument(*names, **options))

    def format_help(self) -> str:
        # Made only on request: the list of faults needs another module.
        if self.make_epilog is not None:
            self.epilog = self.make_epilog()
        return super().format_help()

    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride] - overloaded
        self, args: Any = None, namespace: Any = None
    ) -> Any:
        # A subcommand reports unknown arguments itself; argparse leaves them to the main parser.
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            hint = _did_you_mean(unknown[0], self._option_string_actions)
            self.error(f"unknown argument {unknown[0]!r}{hint}")
        return options, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is self.commands and value not in self.commands:
            hint = _did_you_mean(value, self.commands) or f"; commands: {', '.join(self.commands)}"
            self.error(f"there is no command {value!r}{hint}")
        super()._check_value(action, value)

    def _print_message(self, message: str, file: Any = None) -> None:
        # Unlike argparse, this raises errors of standard output.
        if file is not None and file is sys.stdout:
            file.write(message)
        else:
            write_error(message)

    def error(self, message: str) -> NoReturn:
        text = message.removeprefix("argument ").replace("with argument ", "with ")
        self.exit(2, f"{self.format_usage()}sseparse: {text}\n")


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


class _PrintCompletion(argparse.Action):
    def __call__(
        self, parser: argparse.ArgumentParser, _namespace: object, shell: object, *_: object
    ) -> None:
        try:
            import shtab  # noqa: PLC0415 - an optional dependency, needed only here
        except ImportError as error:
            raise missing_packages("--print-completion", ["shtab"], "cli") from error

        assert isinstance(parser, CommandParser)  # noqa: S101 - for the type checker
        for command in parser.commands.values():
            for action in command.files:
                vars(action)["complete"] = shtab.FILE
        print(shtab.complete(parser, shell=str(shell)))
        parser.exit()


def make_argument_parser() -> CommandParser:
    parser = CommandParser(
        prog="sseparse",
        description="Work with server-sent events and streamed completions.",
        epilog=_paragraphs(
            "`sseparse COMMAND --help` prints the options of a command, with examples.",
            _format_table("exit status:", _STATUSES),
        ),
    )
    parser.add_argument(
        "--version", action="version", version=f"sseparse {__version__}", help="print the version"
    )
    parser.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        choices=("bash", "zsh", "fish"),
        metavar="SHELL",
        help="print a completion script for bash, zsh or fish",
    )
    commands = parser.add_subparsers(
        dest="command", title="commands", metavar="COMMAND", parser_class=CommandParser
    )
    for name, summary, add_arguments in (
        ("chat", "send a prompt to an API and print the response", _add_chat),
        ("parse", "print the content of a saved response", _add_parse),
        ("serve", "send saved responses over HTTP, to test a client", _add_serve),
        ("demo", "stream two prepared responses from this machine", _add_demo),
    ):
        description = f"{summary[0].upper()}{summary[1:]}."
        add_arguments(commands.add_parser(name, help=summary, description=description))
    parser.commands = commands.choices
    return parser


def _add_chat(parser: CommandParser) -> None:
    add, add_file = parser.add_argument, parser.add_file
    prompt = "the prompt; with - or no prompt, standard input is read"
    add("prompt", nargs="*", metavar="PROMPT", help=prompt)
    api = "the API: chat completions (default), OpenAI Responses or Anthropic Messages"
    add("--api", choices=_APIS, default="chat", help=api)
    add("--model", "-m", metavar="M", help="the model (default: see the variables below)")
    add("--base-url", metavar="URL", help="the URL of the API (default: see the variables below)")
    add("--system", metavar="TEXT", help="the system message")
    tools = 'a JSON file with a tool, a list of tools or {"tools": [...]}; repeatable'
    add_file("--tool", metavar="FILE", action="append", type=Path, default=[], help=tools)
    add("--completion", action="store_true", help="use the legacy endpoint, /completions")
    limit = "the maximum number of tokens (default for messages: 4096)"
    add("--max-tokens", metavar="N", type=_positive_int, help=limit)
    add("--json", action="store_true", help="print the result as JSON when it's complete")
    save = "save the response to FILE, and its arrival times to FILE.times"
    add_file("--save", metavar="FILE", type=Path, help=save)
    timeline = "save a plot of when the text arrived; FILE ends in .svg or .png"
    add_file("--timeline", metavar="FILE", type=Path, help=timeline)
    timeout = "the maximum wait for an event; comments don't count (default: 300)"
    add("--timeout", metavar="SECONDS", type=_timeout, default=300.0, help=timeout)
    add("--no-color", action="store_true", help="print without colours, as with $NO_COLOR")
    parser.epilog = _paragraphs(
        "The server is OpenAI's, Anthropic's or a compatible one.",
        "examples:\n"
        "  sseparse chat Say hello in five languages\n"
        "  git diff | sseparse chat --system 'Review this diff.' -\n"
        "  sseparse chat --base-url http://127.0.0.1:11434/v1 -m llama3.2 hi\n"
        "  sseparse chat --api messages Say hello\n"
        "  sseparse chat --tool weather.json 'Do I need an umbrella in Lisbon?'\n"
        "  sseparse chat --save a.sse --timeline a.svg Count to 20",
        "Standard output gets only the response. Each tool call is a line, name(arguments). "
        "If there are several choices, only the first is printed; --json prints all of them. "
        "A terminal gets control characters escaped; a pipe gets them unchanged.",
        "Standard error gets the reasoning, if it's a terminal, and a last line: the number of "
        "tokens that the server reported, the time to the first token, the tokens per second, and "
        "how the stream ended. If the server reports no tokens, those of a completion are "
        "estimated with tiktoken, if it is installed; otherwise characters are counted.",
        "If the server sends the API key back, [key] replaces it in the output and in the saved "
        "file. A key that arrives in several pieces is not replaced in the file; a line on "
        "standard error reports this.",
        _format_table("environment variables:", _VARIABLES),
        _format_table("exit status:", _STATUSES),
    )


def _add_parse(parser: CommandParser) -> None:
    path = "the saved response; with - or no file, standard input is read"
    parser.add_file("path", nargs="?", default="-", metavar="FILE", help=path)
    output = parser.add_mutually_exclusive_group()
    for name, text in (
        ("events", "print each event as a line of JSON (default)"),
        ("chunks", "print each chunk, or event of the API, as a line of JSON"),
        ("result", "print the finished result as one line of JSON"),
        ("text", "print only the text; of a completion, that of the first choice"),
    ):
        output.add_argument(f"--{name}", action="store_const", dest="output", const=name, help=text)
    api = "the API of the response (default: recognized from its content)"
    parser.add_argument("--api", choices=_APIS, help=api)
    parser.set_defaults(output="events")
    parser.epilog = _paragraphs(
        "examples:\n"
        "  sseparse parse --text captured.sse\n"
        "  curl -sSN https://example.com/stream | sseparse parse\n"
        "  sseparse parse --result captured.sse | jq .usage",
        "Each item is printed as soon as it's received. A terminal gets control characters "
        "escaped. Standard error gets a last line that says how the stream ended, and, if it's a "
        "terminal, the progress in a long file.",
        "Chat and legacy completions, OpenAI Responses and Anthropic Messages are recognized. "
        "Events of other APIs can be printed, but a truncated stream of them is only recognized if "
        "it ends inside an event.",
        _format_table("exit status:", _STATUSES),
    )


def _add_serve(parser: CommandParser) -> None:
    add = parser.add_argument
    file = "a saved response, for example of chat --save"
    parser.add_file("files", nargs="+", metavar="FILE", type=Path, help=file)
    pace = (
        "recorded: use the times in FILE.times; fast: send all at once; a number: the "
        "seconds to wait before each event (default: recorded if there are times, otherwise fast)"
    )
    add("--pace", type=_pace, metavar="PACE", help=pace)
    add("--fault", metavar="NAME", help="the fault to produce; see the list below")
    add("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    add("--port", type=_port, default=0, help="the port to listen on (default: a free port)")
    parser.make_epilog = _serve_epilog


def _serve_epilog() -> str:
    from ..testing import FAULTS  # noqa: PLC0415 - only if help is requested

    return _paragraphs(
        "examples:\n"
        "  sseparse serve a.sse\n"
        "  sseparse serve --pace 0.02 --port 8000 a.sse\n"
        "  sseparse serve --fault stall a.sse\n"
        "  sseparse serve a.sse b.sse       # at /a/... and /b/...",
        "A single file is the response to every request. With several files, the first part of "
        "the path selects the file. Standard error gets a line for each response. Press Ctrl-C to "
        "stop.",
        "A fault occurs after the first event, unless the list says otherwise. --fault can't be "
        "combined with --pace recorded.",
        _format_table("faults:", FAULTS),
        _format_table(
            "exit status:",
            {
                "0": "stopped by Ctrl-C",
                "2": "a file can't be served, the address can't be used or invalid arguments",
            },
        ),
    )


def _add_demo(parser: CommandParser) -> None:
    parser.add_argument("--fast", action="store_true", help="send the tokens without delay")
    parser.epilog = _paragraphs(
        "The server on this machine sends prepared responses, as slowly as a model would. No "
        "model, no key and no other machine is used. It takes about 8 seconds.",
    )


def _paragraphs(*texts: str) -> str:
    """Join paragraphs, and wrap those without line breaks."""
    return "\n\n".join(text if "\n" in text else textwrap.fill(text, _WIDTH) for text in texts)


def _format_table(title: str, rows: Mapping[str, str]) -> str:
    column = max(map(len, rows)) + 4
    lines = [
        textwrap.fill(
            text, _WIDTH, initial_indent=f"  {name}".ljust(column), subsequent_indent=" " * column
        )
        for name, text in rows.items()
    ]
    return "\n".join([title, *lines])


def _number(convert: Callable[[str], float], low: float, high: float, what: str, text: str) -> Any:
    with contextlib.suppress(ValueError):
        number = convert(text)
        if low <= number <= high:
            return number
    raise argparse.ArgumentTypeError(f"{text!r} isn't {what}")


def _integer(text: str) -> int:
    return int(text if text.isdecimal() else "")  # int() alone accepts "1_000"


_positive_int = partial(_number, _integer, 1, math.inf, "an integer of at least 1")
_port = partial(_number, _integer, 0, 65535, "a port, an integer from 0 to 65535")
_timeout = partial(
    _number, float, math.ulp(0), 1e6, "a number of seconds above 0 and up to 1,000,000"
)
_delay = partial(_number, float, 0, 1e6, "recorded, fast or a number of seconds up to 1,000,000")


def _pace(text: str) -> str | float:
    return text if text in ("recorded", "fast") else _delay(text)
