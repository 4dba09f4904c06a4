"""`sseparse chat`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

from attrs import define, field, frozen

from .. import Deadlines, End, EndCause, Stream
from .._errors import (
    NotEventStream,
    ServerSentError,
    SSEError,
    TransportError,
    count,
    describe_seen,
)
from .._json import is_list, is_object
from ..adapters.sockets import SocketSource, request
from ..chunks import CompletionUsage, Result
from ..timing import Summary, Timeline
from . import _output
from ._live import CompletionPrinter
from ._output import CommandError
from ._record import BodyFile, RedactedSource, Redactor
from ._verdict import NOT_A_STREAM, describe_cause, describe_complete, describe_end, exit_status

_TOOL_SHAPES = 'expected a definition, a list of definitions, or {"tools": [...]}'


def _load_tools(path: Path) -> list[Any]:
    try:
        tools = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise CommandError(f"--tool: cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CommandError(f"--tool: {path} isn't JSON: {error}") from error
    if is_object(tools) and "tools" in tools:
        tools = tools["tools"]
    if is_object(tools):
        return [tools]
    if not is_list(tools) or not tools:
        raise CommandError(f"--tool: {path} has no tool definition: {_TOOL_SHAPES}")
    return tools


def _wrap_tool(path: Path, tool: Any) -> dict[str, Any]:
    """Return a tool in the form of the API; a function may lack the object around it."""
    if not is_object(tool):
        start = json.dumps(tool)[:40]
        raise CommandError(f"--tool: {path} has {start} where a tool should be: {_TOOL_SHAPES}")
    if tool.get("type", "function") != "function":
        return tool
    function: Any = tool.get("function")
    if function is None:
        function = {name: value for name, value in tool.items() if name != "type"}
    if not is_object(function) or not isinstance(function.get("name"), str):
        raise CommandError(f'--tool: {path} has a function without a "name"')
    return {"type": "function", "function": function}


_OPENAI_URL: Final = "https://api.openai.com/v1"
_URL_SHAPE: Final = "expected a URL such as http://127.0.0.1:8000/v1"


@frozen
class APIRequest:
    """A request to the API. Messages show its host, but never its URL or key."""

    url: str = field(repr=False)
    host: str
    key: str = field(repr=False)
    body: dict[str, Any]


def make_request(options: Namespace) -> APIRequest:
    """Make a request from the options, the environment and standard input."""
    base = options.base_url or os.environ.get("OPENAI_BASE_URL") or _OPENAI_URL
    endpoint = "completions" if options.completion else "chat/completions"
    try:
        parts = urlsplit(base)
        host = f"{parts.hostname}:{parts.port}" if parts.port else f"{parts.hostname}"
    except ValueError as error:
        # The message of this error may contain a password.
        raise CommandError(f"--base-url: the host or port is invalid; {_URL_SHAPE}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CommandError(f"--base-url: {_URL_SHAPE}")
    url = parts._replace(path=f"{parts.path.rstrip('/')}/{endpoint}", fragment="").geturl()
    key = os.environ.get("OPENAI_API_KEY", "")
    if not re.fullmatch("[!-~]*", key):
        raise CommandError("OPENAI_API_KEY contains a space, a line break or a non-ASCII character")
    if not key and base == _OPENAI_URL:
        raise CommandError(
            f"{host} needs a key: set OPENAI_API_KEY, or set --base-url (or OPENAI_BASE_URL) to a "
            "server that needs none"
        )
    return APIRequest(url, host, key, _make_body(options))


def _make_body(options: Namespace) -> dict[str, Any]:
    if options.completion and (options.system is not None or options.tool):
        raise CommandError("--completion can't be combined with --system or --tool")
    prompt = _read_prompt(options.prompt)
    messages = [{"role": "user", "content": prompt}]
    if options.system is not None:
        messages.insert(0, {"role": "system", "content": options.system})
    tools = [_wrap_tool(path, tool) for path in options.tool for tool in _load_tools(path)]
    default = "gpt-3.5-turbo-instruct" if options.completion else "gpt-4o-mini"
    body = {
        "model": options.model or os.environ.get("OPENAI_MODEL") or default,
        "prompt": prompt if options.completion else None,
        "messages": None if options.completion else messages,
        "tools": tools or None,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": options.max_tokens,
    }
    return {name: value for name, value in body.items() if value is not None}


def _read_prompt(words: list[str]) -> str:
    prompt = " ".join(words)
    if words in ([], ["-"]):
        if sys.stdin is None:
            raise CommandError("standard input is closed: add the prompt to the command")
        if not words and _output.is_terminal(sys.stdin):
            raise CommandError("no prompt: add it to the command, or - to read standard input")
        try:
            prompt = sys.stdin.buffer.read().decode().removesuffix("\n")
        except UnicodeDecodeError as error:
            raise CommandError("standard input isn't UTF-8") from error
        except OSError as error:
            raise CommandError(f"cannot read standard input: {error.strerror}") from error
    if not prompt.strip():
        raise CommandError("the prompt is empty")
    return prompt


def _estimate_usage(completion: Result, request: Mapping[str, Any]) -> CompletionUsage | None:
    from ..chunks import estimate_usage  # noqa: PLC0415 - only if the server sent no usage

    model = None if completion.model else request["model"]
    # Without tiktoken or the vocabulary, characters are reported instead.
    with contextlib.suppress(ImportError, SSEError):
        return estimate_usage(completion, encoding=model) if completion.choices else None
    return None


def _format_figures(summary: Summary, usage: CompletionUsage | None) -> Iterator[str]:
    if summary.tokens is not None:
        yield f"{count(summary.tokens, 'token')}{' (estimated)' * summary.tokens_estimated}"
        if usage is not None and usage.prompt_tokens is not None:
            yield count(usage.prompt_tokens, "prompt token")
    elif summary.characters:
        yield count(summary.characters, "char")
    if summary.time_to_first_token is not None:
        yield f"first token after {summary.time_to_first_token:.2f} s"
    if summary.tokens_per_second is not None:
        yield f"{_round(summary.tokens_per_second)} tokens/s"
    elif summary.tokens is None and summary.characters_per_second is not None:
        yield f"{_round(summary.characters_per_second)} chars/s"


def _round(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def chat(options: Namespace) -> int:
    """Send a prompt, print the response while it arrives, and return the exit status."""
    if options.timeline is not None:
        _check_timeline(options.timeline)
    api_request = make_request(options)
    redactor = Redactor(api_request.key)
    colour = _output.wants_colour(no_color=options.no_color)
    with BodyFile(options.save) if options.save else contextlib.nullcontext() as file:
        return _Exchange(options, api_request, file, redactor, colour).run()


def _check_timeline(path: Path) -> None:
    if path.suffix.lower() not in (".png", ".svg"):
        raise CommandError(f"--timeline: {path} must end in .svg or .png")
    if find_spec("matplotlib") is None:
        raise _output.missing_packages("--timeline", ["matplotlib"], "plot")
    try:
        # Append mode leaves an existing picture as it is.
        is_new = not path.exists()
        path.open("ab").close()
        if is_new:
            path.unlink()
    except OSError as error:
        raise CommandError(f"--timeline: cannot write {path}: {error.strerror}") from error


_CHECK_URL: Final = "check --base-url (or OPENAI_BASE_URL), which often ends in /v1"
_ADVICE: Final = {401: "check OPENAI_API_KEY", 404: f"{_CHECK_URL}, and --model"}


def _describe_response(error: ServerSentError | NotEventStream, text: str) -> str:
    location = error.headers.get("location")
    if isinstance(error, ServerSentError):
        text = error.message.rstrip(".") or "no message"
    elif location is not None:
        return f"a redirect to {location}, which isn't followed; set --base-url if you trust it"
    text = text.removeprefix(NOT_A_STREAM)
    advice = _ADVICE.get(cast(int, error.status))
    return f"{text}; {advice}" if advice else text


@define
class _Exchange:
    """A request to the API, its response and the output."""

    options: Namespace
    request: APIRequest
    file: BodyFile | None
    redactor: Redactor
    colour: bool
    timeline: Timeline = field(factory=Timeline)
    error: SSEError | None = None
    interrupted: bool = False

    def run(self) -> int:
        """Send the request, print the response and return the exit status."""
        try:
            source = self._connect()
        except NotEventStream as error:
            return self._report(self._describe_failure(End(EndCause.NOT_A_STREAM), error), 2)
        except TransportError as error:
            reason = describe_cause(error)
            advice = "is the server running, and is --base-url (or OPENAI_BASE_URL) right?"
            return self._report(f"no response from {self.request.host}: {reason}; {advice}", 2)
        except (ValueError, RecursionError) as error:
            # An invalid URL or JSON body; the message shows neither.
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            return self._report("interrupted before a response", _output.EXIT_INTERRUPTED)
        stream = self._receive(source)
        end = cast(End, stream.end)
        self._report_completion(stream.snapshot(), end)
        status = exit_status(end, self.error)
        return self._finish_files(_output.EXIT_INTERRUPTED if self.interrupted else status)

    def _connect(self) -> RedactedSource:
        response, prefix = self._send(), b""
        if response.status in (400, 422):  # the server may reject an unknown field
            prefix = self._read_reason(response)
            if b"stream_options" in prefix:
                # Older servers don't know it, and send no usage.
                response.close()
                del self.request.body["stream_options"]
                response, prefix = self._send(), b""
        if self.file is not None:
            self.file.start()
        return RedactedSource(response, prefix, self.request.key, self.file)

    def _send(self) -> SocketSource:
        url, key, body = self.request.url, self.request.key, self.request.body
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.timeline.on_request()
        return request("POST", url, headers=headers, json=body, timeout=self.options.timeout)

    def _read_reason(self, response: SocketSource) -> bytes:
        reason = b""
        try:
            while len(reason) < 65536 and (piece := next(response, b"")):
                reason += piece
        except BaseException:  # also an interrupt must close the socket
            response.close()
            raise
        return reason

    def _receive(self, source: RedactedSource) -> Stream:
        printer = CompletionPrinter(self.request.key, colour=self.colour)
        seconds = self.options.timeout
        deadlines = Deadlines(first_event=seconds, between_events=seconds)
        with Stream(source, deadlines=deadlines, timeline=self.timeline) as stream:
            try:
                for update in stream.updates():
                    if not self.options.json:
                        printer.feed(update)
            except SSEError as error:
                self.error = error
            except KeyboardInterrupt:
                self.interrupted = True
            printer.close()
        return stream

    def _report_completion(self, completion: Result, end: End) -> None:
        received = completion.to_dict()
        redacted = self.redactor.redact_json(received)
        if self.options.json and completion.choices:
            # Without choices, it would look like an empty completion.
            _output.make_writer(_output.JSON_ESCAPES)(_output.format_json_line(redacted))
        summary = self._summarize(completion, end)
        self._report(summary, dim=self.error is None and not self.interrupted)
        if self.file is not None and redacted != received:
            self._report(
                f"{self.options.save} contains pieces of the key, which the server sent back"
            )

    def _summarize(self, completion: Result, end: End) -> str:
        usage = completion.usage
        if usage is None or usage.completion_tokens is None:
            usage = _estimate_usage(completion, self.request.body)
        figures = [*_format_figures(self.timeline.summary(usage), usage)]
        if self.error is None and end.complete:
            return ", ".join([*figures, *describe_complete(end)])
        if end.cause is EndCause.CANCELLED:
            verdict = f"interrupted {describe_seen(end)}"
        else:
            verdict = self._describe_failure(end, self.error)
        return "; ".join(filter(None, (", ".join(figures), verdict)))

    def _describe_failure(self, end: End, error: SSEError | None) -> str:
        text = describe_end(end, error)
        if isinstance(error, ServerSentError | NotEventStream) and error.status not in (None, 200):
            text = (
                f"HTTP {error.status} from {self.request.host}: {_describe_response(error, text)}"
            )
        elif isinstance(error, NotEventStream):
            text = f"{text}; {_CHECK_URL}"
        # Redacted before it's shortened: a part of the key wouldn't be found.
        return self.redactor.redact(text)[:400]

    def _finish_files(self, status: int) -> int:
        errors: list[tuple[Path | None, OSError]] = []
        if self.file is not None and self.file.error is not None:
            errors.append((self.options.save, self.file.error))
        if self.options.timeline is not None:
            try:
                self.timeline.plot(self.options.timeline)
            except OSError as error:
                errors.append((self.options.timeline, error))
        for path, cause in errors:
            status = self._report(f"cannot write {path}: {cause.strerror}", _output.EXIT_IO_ERROR)
        return status

    def _report(self, text: str, status: int = 0, *, dim: bool = False) -> int:
        is_dim = dim and self.colour and _output.is_terminal(sys.stderr)
        return _output.report(self.redactor.redact(text), status, dim=is_dim)
