"""`sseparse chat`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit, urlunsplit

from attrs import field, frozen

from .. import (
    Deadlines,
    End,
    EndCause,
    NotEventStream,
    ServerSentError,
    SSEError,
    Stream,
    TransportError,
)
from .._errors import count
from .._json import is_list, is_object
from ..adapters.sockets import SocketSource, request
from ..chunks import CompletionUsage, Result
from ..timing import Summary, Timeline
from ._live import CompletionPrinter
from ._output import (
    EXIT_INTERRUPTED,
    EXIT_IO_ERROR,
    JSON_ESCAPES,
    NOT_A_STREAM,
    CommandError,
    describe_end,
    exit_status,
    format_json_line,
    is_terminal,
    make_writer,
    missing_packages,
    report,
    wants_colour,
)
from ._record import BodyFile, RedactedSource, Redactor


@frozen
class ChatOptions:
    """Options of `sseparse chat`, by their names on the command line."""

    prompt: list[str]
    model: str | None
    base_url: str | None
    system: str | None
    tool: list[Path]
    completion: bool
    max_tokens: int | None
    json: bool
    save: Path | None
    timeline: Path | None
    timeout: float
    no_color: bool


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
        raise CommandError(f"--tool: {path} has {start} in place of a tool: {_TOOL_SHAPES}")
    if tool.get("type", "function") != "function":
        return tool
    function: Any = tool.get("function")
    if function is None:
        function = {name: value for name, value in tool.items() if name != "type"}
    if not is_object(function) or not isinstance(function.get("name"), str):
        raise CommandError(f'--tool: {path} has a function without a "name"')
    return {"type": "function", "function": function}


_OPENAI_URL: Final = "https://api.openai.com/v1"
_CHAT_MODEL: Final = "gpt-4o-mini"
_LEGACY_MODEL: Final = "gpt-3.5-turbo-instruct"


@frozen
class APIRequest:
    """A request to the API. Messages show its host, but never its URL or key."""

    url: str = field(repr=False)
    host: str
    key: str = field(repr=False)
    body: dict[str, Any]


def make_request(options: ChatOptions) -> APIRequest:
    """Make a request from the options, the environment and standard input."""
    base = options.base_url or os.environ.get("OPENAI_BASE_URL") or _OPENAI_URL
    url, host = _make_url(base, "completions" if options.completion else "chat/completions")
    key = os.environ.get("OPENAI_API_KEY", "")
    if not re.fullmatch("[!-~]*", key):
        raise CommandError("OPENAI_API_KEY contains a space, a line break or a non-ASCII character")
    if not key and base == _OPENAI_URL:
        raise CommandError("set OPENAI_API_KEY, or use --base-url with a server that needs no key")
    return APIRequest(url, host, key, _make_body(options))


def _make_url(base: str, path: str) -> tuple[str, str]:
    try:
        parts = urlsplit(base)
        port = parts.port
    except ValueError as error:
        # The message of this error may contain a password.
        raise CommandError("invalid base URL: its host or port can't be parsed") from error
    host = f"{parts.hostname}:{port}" if port else f"{parts.hostname}"
    url = parts._replace(path=f"{parts.path.rstrip('/')}/{path}", fragment="")
    return urlunsplit(url), host


def _make_body(options: ChatOptions) -> dict[str, Any]:
    content = _legacy_content(options) if options.completion else _chat_content(options)
    default = _LEGACY_MODEL if options.completion else _CHAT_MODEL
    limit = {} if options.max_tokens is None else {"max_tokens": options.max_tokens}
    return {
        "model": options.model or os.environ.get("OPENAI_MODEL") or default,
        **content,
        "stream": True,
        "stream_options": {"include_usage": True},
        **limit,
    }


def _chat_content(options: ChatOptions) -> dict[str, Any]:
    messages = [{"role": "user", "content": _read_prompt(options.prompt)}]
    if options.system is not None:
        messages.insert(0, {"role": "system", "content": options.system})
    tools = [_wrap_tool(path, tool) for path in options.tool for tool in _load_tools(path)]
    return {"messages": messages, **({"tools": tools} if tools else {})}


def _legacy_content(options: ChatOptions) -> dict[str, Any]:
    if options.system is not None or options.tool:
        raise CommandError("--completion can't be combined with --system or --tool")
    return {"prompt": _read_prompt(options.prompt)}


def _read_prompt(words: list[str]) -> str:
    if not words and is_terminal(sys.stdin):
        raise CommandError("no prompt: add it to the command, or - to read standard input")
    prompt = _read_standard_input() if words in ([], ["-"]) else " ".join(words)
    if not prompt.strip():
        raise CommandError("the prompt is empty")
    return prompt


def _read_standard_input() -> str:
    if sys.stdin is None:
        raise CommandError("there is no standard input")
    try:
        return sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise CommandError("standard input isn't UTF-8") from error
    except OSError as error:
        raise CommandError(f"cannot read standard input: {error.strerror}") from error


def _estimate_usage(completion: Result, request: Mapping[str, Any]) -> CompletionUsage | None:
    from ..chunks import estimate_usage  # noqa: PLC0415 - only if the server sent no usage

    if not completion.choices:
        return None
    try:
        return estimate_usage(completion, encoding=None if completion.model else request["model"])
    except (ImportError, SSEError):
        # tiktoken or the vocabulary isn't installed: characters are reported instead.
        return None


def _format_figures(summary: Summary, usage: CompletionUsage | None) -> Iterator[str]:
    if summary.tokens is not None:
        estimated = summary.tokens_estimated
        yield f"{'~' * estimated}{count(summary.tokens, 'token')}{' (estimated)' * estimated}"
        if usage is not None and usage.prompt_tokens is not None:
            yield f"prompt {usage.prompt_tokens:,}"
    elif summary.characters:
        yield count(summary.characters, "character")
    if summary.time_to_first_token is not None:
        yield f"first token after {summary.time_to_first_token:.2f} s"
    if summary.tokens_per_second is not None:
        yield f"{summary.tokens_per_second:.1f} tokens/s"
    elif summary.tokens is None and summary.characters_per_second is not None:
        yield f"{summary.characters_per_second:.0f} characters/s"


def chat(options: ChatOptions) -> int:
    """Send a prompt, print the response while it arrives, and return the exit status."""
    try:
        _check_timeline(options.timeline)
        api_request = make_request(options)
        with contextlib.ExitStack() as stack:
            file = None if options.save is None else stack.enter_context(BodyFile(options.save))
            return _Exchange(options, api_request, file).run()
    except CommandError as error:
        return report(f"chat: {error}", 2)


def _check_timeline(path: Path | None) -> None:
    if path is None:
        return
    if path.suffix.lower() not in (".png", ".svg"):
        raise CommandError(f"--timeline: {path} must end in .svg or .png")
    if missing_packages("matplotlib"):
        raise CommandError("--timeline: matplotlib not installed: pip install 'sseparse[plot]'")
    try:
        # Append mode leaves an existing picture as it is.
        is_new = not path.exists()
        path.open("ab").close()
        if is_new:
            path.unlink()
    except OSError as error:
        raise CommandError(f"--timeline: cannot write {path}: {error.strerror}") from error


class _Exchange:
    """A request to the API, its response and the output."""

    def __init__(
        self, options: ChatOptions, api_request: APIRequest, file: BodyFile | None
    ) -> None:
        self._options = options
        self._request = api_request
        self._file = file
        self._redactor = Redactor(api_request.key)
        self._body = dict(api_request.body)
        self._timeline = Timeline()
        self._colour = wants_colour(no_color=options.no_color)
        self._error: SSEError | None = None
        self._interrupted = False

    def run(self) -> int:
        """Send the request, print the response and return the exit status."""
        try:
            source = self._connect()
        except NotEventStream as error:
            end = End(EndCause.NOT_A_STREAM)
            return self._report(self._describe_failure(end, error), 2)
        except TransportError as error:
            cause: Any = error.__cause__
            reason = getattr(cause, "strerror", None) or str(cause or error)
            return self._report(f"no response from {self._request.host}: {reason}", 2)
        except (ValueError, RecursionError) as error:
            # An invalid URL or JSON body; the message shows neither.
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            return self._report("interrupted before the response", EXIT_INTERRUPTED)
        stream = self._receive(source)
        self._report_completion(stream.snapshot(), cast(End, stream.end))
        status = exit_status(cast(End, stream.end), self._error)
        return self._finish_files(EXIT_INTERRUPTED if self._interrupted else status)

    def _connect(self) -> RedactedSource:
        response, prefix = self._send(), b""
        if response.status in (400, 422):  # the server may reject an unknown field
            prefix = self._read_reason(response)
            if b"stream_options" in prefix:
                # Older servers don't know it, and send no usage.
                response.close()
                del self._body["stream_options"]
                response, prefix = self._send(), b""
        if self._file is not None:
            self._file.start()
        return RedactedSource(response, prefix, self._request.key, self._file)

    def _send(self) -> SocketSource:
        key, timeout = self._request.key, self._options.timeout
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._timeline.on_request()
        return request("POST", self._request.url, headers=headers, json=self._body, timeout=timeout)

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
        printer = CompletionPrinter(self._request.key, colour=self._colour)
        seconds = self._options.timeout
        deadlines = Deadlines(first_event=seconds, between_events=seconds)
        with Stream(source, deadlines=deadlines, timeline=self._timeline) as stream:
            try:
                for update in stream.updates():
                    if not self._options.json:
                        printer.feed(update)
            except SSEError as error:
                self._error = error
            except KeyboardInterrupt:
                self._interrupted = True
            printer.close()
        return stream

    def _report_completion(self, completion: Result, end: End) -> None:
        received = completion.to_dict()
        redacted = self._redactor.redact_json(received)
        if self._options.json and completion.choices:
            # Without choices, it would look like an empty completion.
            make_writer(JSON_ESCAPES)(format_json_line(redacted))
        summary = self._summarize(completion, end)
        self._report(summary, dim=self._error is None and not self._interrupted)
        if self._file is not None and redacted != received:
            self._report(f"the server sent the key back in pieces: {self._options.save} has them")

    def _summarize(self, completion: Result, end: End) -> str:
        usage = completion.usage
        if usage is None or usage.completion_tokens is None:
            usage = _estimate_usage(completion, self._body)
        figures = ", ".join(_format_figures(self._timeline.summary(usage), usage))
        if self._error is None and end.complete:
            reason = end.finish_reasons.get(0) or ("" if end.one_object else "no finish reason")
            done = "[DONE]" if end.done_seen else "no [DONE]"
            last = "not streamed" if end.one_object else done
            return ", ".join(filter(None, (figures, reason, last)))
        if end.cause is EndCause.CANCELLED:
            events, size = count(end.events_seen, "event"), count(end.bytes_seen, "byte")
            verdict = f"interrupted after {events}, {size}"
        else:
            verdict = self._describe_failure(end, self._error)
        return "; ".join(filter(None, (figures, verdict)))

    def _describe_failure(self, end: End, error: SSEError | None) -> str:
        text = describe_end(end, error)
        if isinstance(error, ServerSentError | NotEventStream) and error.status not in (None, 200):
            location = error.headers.get("location")
            if isinstance(error, NotEventStream) and location is not None:
                text = f"a redirect to {location}, which is not followed"
            text = f"HTTP {error.status}: {text.removeprefix(NOT_A_STREAM)}"
        # Redacted before it's shortened: a part of the key wouldn't be found.
        return self._redactor.redact(text)[:400]

    def _finish_files(self, status: int) -> int:
        if self._file is not None and self._file.error is not None:
            status = self._report_write_error(self._options.save, self._file.error)
        if self._options.timeline is not None:
            try:
                self._timeline.plot(self._options.timeline)
            except OSError as error:
                status = self._report_write_error(self._options.timeline, error)
        return status

    def _report_write_error(self, path: Path | None, error: OSError) -> int:
        return self._report(f"cannot write {path}: {error.strerror}", EXIT_IO_ERROR)

    def _report(self, text: str, status: int = 0, *, dim: bool = False) -> int:
        is_dim = dim and self._colour and is_terminal(sys.stderr)
        return report(self._redactor.redact(text), status, dim=is_dim)
