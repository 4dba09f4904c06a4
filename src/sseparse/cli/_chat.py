"""`sseparse chat`."""

from __future__ import annotations

import contextlib
import sys
from argparse import Namespace
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from attrs import define, field

from .. import Deadlines, End, EndCause
from .._errors import (
    IncompleteStream,
    NotEventStream,
    ServerSentError,
    SSEError,
    TransportError,
    count,
    describe_seen,
)
from ..adapters.sockets import SocketSource, request
from ..chunks import CompletionUsage
from ..payloads._model import TokenCounts
from ..streams._sync import ItemStream
from ..timing import Summary, Timeline
from ..timing._summary import TokenUsage
from . import _output
from ._apis import API, CHAT, api_of
from ._live import AnswerPrinter
from ._output import CommandError
from ._record import BodyFile, RedactedSource, Redactor
from ._request import APIRequest, make_request
from ._verdict import NOT_A_STREAM, describe_cause, describe_complete, describe_end, exit_status


def _estimate_usage(completion: Any, request: APIRequest) -> CompletionUsage | None:
    from ..chunks import estimate_usage  # noqa: PLC0415 - only if the server sent no usage

    if request.api is not CHAT or not completion.choices:
        return None
    model = None if completion.model else request.body["model"]
    # Without tiktoken or the vocabulary, characters are reported instead.
    with contextlib.suppress(ImportError, SSEError):
        return estimate_usage(completion, encoding=model)
    return None


def _format_figures(summary: Summary, counts: TokenCounts | None) -> Iterator[str]:
    if summary.tokens is not None:
        yield f"{count(summary.tokens, 'token')}{' (estimated)' * summary.tokens_estimated}"
        if counts is not None and counts.input is not None:
            yield count(counts.input, "prompt token")
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


def _describe_response(error: ServerSentError | NotEventStream, text: str, api: API) -> str:
    location = error.headers.get("location")
    if isinstance(error, ServerSentError):
        text = error.message.rstrip(".") or "no message"
    elif location is not None:
        return f"a redirect to {location}, which isn't followed; set --base-url if you trust it"
    text = text.removeprefix(NOT_A_STREAM)
    advice = {401: f"check {api.key_variable}", 404: f"{_check_url(api)}, and --model"}
    return "; ".join(filter(None, (text, advice.get(cast(int, error.status)))))


def _check_url(api: API) -> str:
    return f"check --base-url (or {api.url_variable}), which often ends in /v1"


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
    found_api: API | None = None  # of the response, if an error ended it
    interrupted: bool = False

    def run(self) -> int:
        """Send the request, print the response and return the exit status."""
        try:
            source = self._connect()
        except NotEventStream as error:
            return self._report(self._describe_failure(End(EndCause.NOT_A_STREAM), error), 2)
        except TransportError as error:
            reason = describe_cause(error)
            variable = self.request.api.url_variable
            advice = f"is the server running, and is --base-url (or {variable}) right?"
            if self.request.proxy is not None:
                advice = "is the proxy right? It's set by HTTP_PROXY, HTTPS_PROXY or ALL_PROXY; "
                advice += "NO_PROXY lists hosts to connect to without it"
            return self._report(f"no response from {self.request.host}: {reason}; {advice}", 2)
        except (ValueError, RecursionError) as error:
            # An invalid URL or JSON body; the message shows neither.
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            return self._report("interrupted before a response", _output.EXIT_INTERRUPTED)
        stream = self._receive(source)
        end = cast(End, stream.end)
        self._report_result(stream.snapshot(), end)
        status = exit_status(end, self.error)
        return self._finish_files(_output.EXIT_INTERRUPTED if self.interrupted else status)

    def _connect(self) -> RedactedSource:
        response, prefix = self._send(), b""
        if response.status in (400, 422):  # the server may reject an unknown field
            prefix = self._read_reason(response)
            if b"stream_options" in prefix and "stream_options" in self.request.body:
                # Older servers don't know it, and send no usage.
                response.close()
                del self.request.body["stream_options"]
                response, prefix = self._send(), b""
        if self.file is not None:
            self.file.start()
        return RedactedSource(response, prefix, self.request.key, self.file)

    def _send(self) -> SocketSource:
        api_request = self.request
        self.timeline.on_request()
        return request(
            "POST",
            api_request.url,
            headers=api_request.headers,
            json=api_request.body,
            timeout=self.options.timeout,
            proxy=api_request.proxy,
        )

    def _read_reason(self, response: SocketSource) -> bytes:
        reason = b""
        try:
            while len(reason) < 65536 and (piece := next(response, b"")):
                reason += piece
        except BaseException:  # also an interrupt must close the socket
            response.close()
            raise
        return reason

    def _receive(self, source: RedactedSource) -> ItemStream[Any, Any, Any]:
        printer = AnswerPrinter(self.request.key, colour=self.colour)
        seconds = self.options.timeout
        deadlines = Deadlines(first_event=seconds, between_events=seconds)
        api = self.request.api
        with api.open_stream(source, deadlines=deadlines, timeline=self.timeline) as stream:
            try:
                for update in stream.updates():
                    if not self.options.json:
                        printer.feed(update)
            except SSEError as error:
                self.error = error
                self.found_api = api_of(bytes(source.start))
            except KeyboardInterrupt:
                self.interrupted = True
            printer.close()
        return stream

    def _report_result(self, result: Any, end: End) -> None:
        received = result.to_dict()
        redacted = self.redactor.redact_json(received)
        if self.options.json and self.request.api.has_parts(result):
            # Without any part, it would look like an empty answer.
            _output.make_writer(_output.JSON_ESCAPES)(_output.format_json_line(redacted))
        summary = self._summarize(result, end)
        self._report(summary, dim=self.error is None and not self.interrupted)
        if self.file is not None and redacted != received:
            self._report(
                f"{self.options.save} contains pieces of the key, which the server sent back"
            )

    def _summarize(self, result: Any, end: End) -> str:
        usage: TokenUsage | None = result.usage
        if usage is None or usage.token_counts().output is None:
            usage = _estimate_usage(result, self.request)
        counts = None if usage is None else usage.token_counts()
        figures = [*_format_figures(self.timeline.summary(usage), counts)]
        if self.error is None and end.complete:
            return ", ".join([*figures, *describe_complete(end, self.request.api, result)])
        if end.cause is EndCause.CANCELLED:
            verdict = f"interrupted {describe_seen(end)}"
        else:
            verdict = self._describe_failure(end, self.error)
        return "; ".join(filter(None, (", ".join(figures), verdict)))

    def _describe_failure(self, end: End, error: SSEError | None) -> str:
        api, found = self.request.api, self.found_api
        text = describe_end(end, error, api)
        if isinstance(error, ServerSentError | NotEventStream) and error.status not in (None, 200):
            reason = _describe_response(error, text, api)
            text = f"HTTP {error.status} from {self.request.host}: {reason}"
        elif isinstance(error, NotEventStream):
            text = f"{text}; {_check_url(api)}"
        elif isinstance(error, IncompleteStream) and found is not None and found is not api:
            text = f"the server sent a response of the API {found.name!r}: use --api {found.name}"
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
