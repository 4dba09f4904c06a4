"""`sseparse chat`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from ._live import Live
from ._main import missing
from ._output import (
    NO_STREAM,
    Misuse,
    describe,
    exit_status,
    is_terminal,
    json_line,
    say,
    visible_json,
    wants_colour,
)
from ._record import Recording, Redactor, Tap, read_up_to


@frozen
class ChatOptions:
    """
    Hold the options of `sseparse chat`.

    Attributes:
        prompt: The words of the prompt; none, or "-" alone, for standard input.
        model: The model; None for that of the environment.
        base_url: Where the API is; None for that of the environment.
        system: What the model is told before the prompt, or None.
        tool: Files with definitions of tools.
        completion: Whether to use the legacy endpoint.
        max_tokens: How long the answer may become, in tokens; None for the server's limit.
        json: Whether to print the finished completion as JSON instead of its text.
        save: Where to write the body, or None.
        timeline: Where to draw the timeline, or None.
        timeout: How long to wait for the server each time, in seconds.
        no_color: Whether to do without colours.
    """

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


_SHAPES = 'give a definition, a list of them, or {"tools": [...]}'


def read_tools(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """
    Read definitions of tools, each as the API wants it.

    Args:
        paths: JSON files: each holds a definition, a list of them, or an object with such a list
            as its "tools". A function's definition may lack what the API wants around it.

    Raises:
        Misuse: A file cannot be read, or holds something else.
    """
    return [_wrapped(path, definition) for path in paths for definition in _definitions(path)]


def _definitions(path: Path) -> list[Any]:
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise Misuse(f"--tool: cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Misuse(f"--tool: {path} is no JSON: {error}") from error
    if is_object(found) and "tools" in found:
        found = found["tools"]
    if is_object(found):
        return [found]
    if not is_list(found) or not found:
        raise Misuse(f"--tool: {path} holds no definition of a tool; {_SHAPES}")
    return found


def _wrapped(path: Path, definition: Any) -> dict[str, Any]:
    if not is_object(definition):
        raise Misuse(f"--tool: {path} holds {json.dumps(definition)[:40]} for a tool; {_SHAPES}")
    if definition.get("type", "function") != "function":
        return definition
    function: Any = definition.get("function")
    if function is None:
        function = {name: value for name, value in definition.items() if name != "type"}
    if not is_object(function) or not isinstance(function.get("name"), str):
        raise Misuse(f'--tool: {path} holds a function without a "name"')
    return {"type": "function", "function": function}


OPENAI_URL: Final = "https://api.openai.com/v1"
CHAT_MODEL: Final = "gpt-4o-mini"
LEGACY_MODEL: Final = "gpt-3.5-turbo-instruct"

_KEY: Final = re.compile("[!-~]*")


@frozen
class Ask:
    """
    Hold a request.

    Attributes:
        url: Where it goes.
        host: The part of that which errors may show.
        key: The key, "" for none.
        body: What is sent as JSON.
    """

    url: str = field(repr=False)
    host: str
    key: str = field(repr=False)
    body: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        """The headers to send besides the usual ones."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


def make_ask(options: ChatOptions) -> Ask:
    """
    Make a request of the options, the environment and standard input.

    Raises:
        Misuse: Something is missing, or is none that can be sent.
    """
    base = options.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
    url, host = _endpoint(base, "completions" if options.completion else "chat/completions")
    key = os.environ.get("OPENAI_API_KEY", "")
    if not _KEY.fullmatch(key):
        raise Misuse(
            "OPENAI_API_KEY holds a blank, a line break or another character that no key has"
        )
    if not key and base == OPENAI_URL:
        raise Misuse("set OPENAI_API_KEY; or give --base-url, for a server that wants no key")
    body = _legacy_body(options) if options.completion else _chat_body(options)
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    if options.max_tokens is not None:
        body["max_tokens"] = options.max_tokens
    return Ask(url, host, key, body)


def _endpoint(base: str, path: str) -> tuple[str, str]:
    try:
        parts = urlsplit(base)
        port = parts.port
    except ValueError as error:
        # Its words may hold a password.
        raise Misuse("the base URL is none: its host or its port cannot be read") from error
    host = f"{parts.hostname}:{port}" if port else f"{parts.hostname}"
    url = parts._replace(path=f"{parts.path.rstrip('/')}/{path}", fragment="")
    return urlunsplit(url), host


def _chat_body(options: ChatOptions) -> dict[str, Any]:
    messages = [{"role": "user", "content": _prompt(options.prompt)}]
    if options.system is not None:
        messages.insert(0, {"role": "system", "content": options.system})
    body: dict[str, Any] = {"model": _model(options, CHAT_MODEL), "messages": messages}
    if options.tool:
        body["tools"] = read_tools(options.tool)
    return body


def _legacy_body(options: ChatOptions) -> dict[str, Any]:
    if options.system is not None or options.tool:
        raise Misuse("--completion goes with neither --system nor --tool")
    return {"model": _model(options, LEGACY_MODEL), "prompt": _prompt(options.prompt)}


def _model(options: ChatOptions, default: str) -> str:
    return options.model or os.environ.get("OPENAI_MODEL") or default


def _prompt(words: list[str]) -> str:
    prompt = _standard_input(asked=bool(words)) if words in ([], ["-"]) else " ".join(words)
    if not prompt.strip():
        raise Misuse("the prompt is empty")
    return prompt


def _standard_input(*, asked: bool) -> str:
    if sys.stdin is None:
        raise Misuse("there is no standard input")
    if not asked and is_terminal(sys.stdin):
        raise Misuse("give a prompt; - reads it from standard input")
    try:
        return sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise Misuse("standard input is not UTF-8") from error
    except OSError as error:
        raise Misuse(f"cannot read standard input: {error.strerror}") from error


_LONGEST = 400


def summarize(
    answer: Result,
    request: Mapping[str, Any],
    timeline: Timeline,
    *,
    end: End,
    fault: SSEError | None,
    redact: Callable[[str], str],
) -> str:
    """
    Say what an answer cost, how fast it came, and how it ended.

    Args:
        answer: The completion, as far as it came.
        request: The request's JSON.
        timeline: When it came.
        end: How it ended.
        fault: The fault that ended it, or None.
        redact: Returns a text without the key.
    """
    usage = answer.usage
    if usage is None or usage.completion_tokens is None:
        usage = _estimate(answer, request)
    figures = timeline.summary(usage)
    parts = [part for part in _figures(figures, usage) if part]
    if fault is None and end.complete:
        parts += _good_end(end)
        return ", ".join(parts)
    if end.cause is EndCause.CANCELLED:
        verdict = _interrupted(end)
    else:
        verdict = describe_bad_end(end, fault, redact)
    return "; ".join(filter(None, (", ".join(parts), verdict)))


def _estimate(answer: Result, request: Mapping[str, Any]) -> CompletionUsage | None:
    from ..chunks import estimate_usage  # noqa: PLC0415 - where the server counted, not needed

    if not answer.choices:
        return None
    try:
        return estimate_usage(answer, encoding=None if answer.model else request["model"])
    except (ImportError, SSEError):
        # Without tiktoken, or a vocabulary that is on this machine, characters must do.
        return None


def _figures(figures: Summary, usage: CompletionUsage | None) -> Iterator[str]:
    if figures.tokens is not None:
        estimated = figures.tokens_estimated
        yield f"{'~' * estimated}{count(figures.tokens, 'token')}{' (estimated)' * estimated}"
        if usage is not None and usage.prompt_tokens is not None:
            yield f"prompt {usage.prompt_tokens:,}"
    elif figures.characters:
        yield count(figures.characters, "character")
    if figures.time_to_first_token is not None:
        yield f"first after {figures.time_to_first_token:.2f} s"
    if figures.tokens_per_second is not None:
        yield f"{figures.tokens_per_second:.1f} tokens/s"
    elif figures.tokens is None and figures.characters_per_second is not None:
        yield f"{figures.characters_per_second:.0f}/s"


def _good_end(end: End) -> list[str]:
    reason = end.finish_reasons.get(0)
    if end.one_object:
        return [reason or "", "not streamed"]
    return [reason or "no finish reason", "[DONE]" if end.done_seen else "no [DONE]"]


def _interrupted(end: End) -> str:
    return f"interrupted after {count(end.events_seen, 'event')}, {count(end.bytes_seen, 'byte')}"


def describe_bad_end(end: End, fault: SSEError | None, redact: Callable[[str], str]) -> str:
    """Describe in one line how an answer that isn't complete ended."""
    verdict = describe(end, fault)
    if isinstance(fault, ServerSentError | NotEventStream) and fault.status not in (None, 200):
        location = fault.headers.get("location")
        if isinstance(fault, NotEventStream) and location is not None:
            verdict = f"a redirect to {location}, which is not followed"
        verdict = f"HTTP {fault.status}: {verdict.removeprefix(NO_STREAM)}"
    # Cut afterwards: what is left of a key wouldn't be found.
    return redact(verdict)[:_LONGEST]


_INTERRUPTED = 130
# What sysexits.h names EX_IOERR.
_CANNOT_WRITE = 74
# How servers refuse a request that they do not understand, and how much of the reason is read.
_NOT_UNDERSTOOD = (400, 422)
_REASON = 65536
_PICTURES = (".png", ".svg")


@frozen
class _Answer:
    completion: Result
    end: End
    fault: SSEError | None
    interrupted: bool


def chat(options: ChatOptions) -> int:
    """
    Ask, show the answer as it comes, and say on standard error what came.

    Args:
        options: What to ask, and how to show it.

    Returns:
        The exit status: 0 complete, 1 not complete, 2 no stream, 74 a file could not be written,
        130 interrupted.
    """
    try:
        _check_timeline(options.timeline)
        ask = make_ask(options)
        with contextlib.ExitStack() as stack:
            recording = _open_recording(options.save)
            if recording is not None:
                stack.enter_context(recording)
            return _Exchange(options, ask, recording).run()
    except Misuse as error:
        return say(f"chat: {error}", 2)


def _check_timeline(path: Path | None) -> None:
    if path is None:
        return
    if path.suffix.lower() not in _PICTURES:
        raise Misuse(f"--timeline: {path} ends in neither .svg nor .png")
    if missing("matplotlib"):
        raise Misuse("--timeline: matplotlib not installed: pip install 'sseparse[plot]'")
    try:
        # To append changes nothing of a picture that is there.
        new = not path.exists()
        path.open("ab").close()
        if new:
            path.unlink()
    except OSError as error:
        raise Misuse(f"--timeline: cannot write {path}: {error.strerror}") from error


def _open_recording(path: Path | None) -> Recording | None:
    try:
        return None if path is None else Recording(path, time.monotonic)
    except OSError as error:
        raise Misuse(f"--save: cannot write {path}: {error.strerror}") from error


class _Exchange:
    """
    Send the request, and show what comes.

    Args:
        options: How to show it.
        ask: The request.
        recording: Where the body is written to, or None.
    """

    def __init__(self, options: ChatOptions, ask: Ask, recording: Recording | None) -> None:
        self._options = options
        self._ask = ask
        self._recording = recording
        self._redactor = Redactor(ask.key)
        self._body = dict(ask.body)
        self._timeline = Timeline()
        self._colour = wants_colour(no_color=options.no_color)

    def run(self) -> int:
        """Do it; return the exit status."""
        try:
            source = self._open()
        except NotEventStream as error:
            verdict = describe_bad_end(End(EndCause.NOT_A_STREAM), error, self._redactor.whole)
            return self._say(verdict, 2)
        except TransportError as error:
            return self._say(f"no answer from {self._ask.host}: {_reason(error)}", 2)
        except (ValueError, RecursionError) as error:
            # Of the URL or of the JSON: neither is shown.
            raise Misuse(str(error)) from error
        except KeyboardInterrupt:
            return self._say("interrupted before anything came", _INTERRUPTED)
        answer = self._receive(source)
        came = answer.completion.to_dict()
        shown = self._redactor.value(came)
        if self._options.json and answer.completion.choices:
            # An empty completion would look like one.
            self._print_json(shown)
        about = summarize(
            answer.completion,
            self._body,
            self._timeline,
            end=answer.end,
            fault=answer.fault,
            redact=self._redactor.whole,
        )
        self._say(about, dim=answer.fault is None and not answer.interrupted)
        if self._recording is not None and shown != came:
            self._say(f"the server sent the key back in pieces: {self._options.save} holds them")
        status = exit_status(answer.end, answer.fault)
        return self._finish_files(_INTERRUPTED if answer.interrupted else status)

    def _open(self) -> Tap:
        response, first = self._send(), b""
        if response.status in _NOT_UNDERSTOOD:
            first = self._read_reason(response)
            if b"stream_options" in first:
                # Older servers do not know it: then they tell no usage.
                response.close()
                del self._body["stream_options"]
                response, first = self._send(), b""
        if self._recording is not None:
            self._recording.begin()
        return Tap(response, first, self._ask.key, self._recording)

    def _send(self) -> SocketSource:
        self._timeline.on_request()
        return request(
            "POST",
            self._ask.url,
            headers=self._ask.headers,
            json=self._body,
            timeout=self._options.timeout,
        )

    def _read_reason(self, response: SocketSource) -> bytes:
        try:
            return read_up_to(response, _REASON)
        except BaseException:  # an interrupt, too, leaves no socket open
            response.close()
            raise

    def _receive(self, source: Tap) -> _Answer:
        live = Live(self._ask.key, colour=self._colour)
        seconds = self._options.timeout
        deadlines = Deadlines(first_event=seconds, between_events=seconds)
        fault: SSEError | None = None
        interrupted = False
        with Stream(source, deadlines=deadlines, timeline=self._timeline) as stream:
            try:
                for update in stream.updates():
                    if not self._options.json:
                        live.see(update)
            except SSEError as error:
                fault = error
            except KeyboardInterrupt:
                interrupted = True
            live.end()
        return _Answer(stream.snapshot(), cast(End, stream.end), fault, interrupted)

    def _print_json(self, completion: dict[str, Any]) -> None:
        line = json_line(completion)
        sys.stdout.write(visible_json(line) if is_terminal(sys.stdout) else line)
        sys.stdout.flush()

    def _finish_files(self, status: int) -> int:
        recording = self._recording
        if recording is not None and recording.error is not None:
            status = self._cannot_write(self._options.save, recording.error)
        if self._options.timeline is not None:
            try:
                self._timeline.plot(self._options.timeline)
            except OSError as error:
                status = self._cannot_write(self._options.timeline, error)
        return status

    def _cannot_write(self, path: Path | None, error: OSError) -> int:
        return self._say(f"cannot write {path}: {error.strerror}", _CANNOT_WRITE)

    def _say(self, text: str, status: int = 0, *, dim: bool = False) -> int:
        dimmed = dim and self._colour and is_terminal(sys.stderr)
        return say(self._redactor.whole(text), status, dim=dimmed)


def _reason(error: TransportError) -> str:
    cause: Any = error.__cause__
    return getattr(cause, "strerror", None) or str(cause or error)
