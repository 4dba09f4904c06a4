"""`sseparse chat`: asks an OpenAI-compatible API, and shows the answer as it comes."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import Any, cast

from attrs import frozen

from .. import Deadlines, End, EndCause, NotEventStream, SSEError, Stream, TransportError
from ..adapters.sockets import SocketSource, request
from ..chunks import Result
from ..timing import Timeline
from ._chat_ask import Ask, make_ask
from ._chat_live import Live
from ._chat_options import ChatOptions
from ._chat_summary import describe_bad_end, summarize
from ._chat_tap import Tap, read_up_to
from ._ending import exit_status
from ._json_lines import json_line
from ._misuse import Misuse
from ._needs import missing
from ._recording import Recording
from ._redact import Redactor
from ._say import say
from ._terminal import is_terminal, visible_json, wants_colour

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
