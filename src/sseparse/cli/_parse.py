"""`sseparse parse`."""

from __future__ import annotations

import contextlib
import io
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Self, cast

import attrs

from .. import End, EventStream, IncompleteStream, SSEError
from ..payloads._results import AccumulatedResult
from ..payloads._updates import ContentDelta
from ..streams._sync import ItemStream
from . import _output
from ._apis import API, APIS, CHAT, Judge, find_api
from ._verdict import BODY_START, describe_end, exit_status, find_other_format


def parse(options: Namespace) -> int:
    """Print the content of a body, report how it ended, and return the exit status."""
    output = options.output
    with _open(options.path) as file:
        # read() would wait for the full size.
        body = _Body(iter(partial(file.read1, 65536), b""))
        api, read = APIS.get(options.api), list[bytes]()
        if api is None and output != "events":
            api = find_api(body, read)
        pieces: Iterator[bytes] = chain(read, body)
        to_terminal = _output.is_terminal(sys.stdout)
        if _output.is_terminal(sys.stderr) and (output == "result" or not to_terminal):
            # Progress can be seen, and doesn't stand between lines of the output.
            pieces = _output.with_progress(pieces, file.fileno())
        if output == "events":
            api, end, failure = _print_events(pieces, api)
        else:
            end, failure = _print_items(pieces, api or CHAT, output)
    failure = find_other_format(end, body.start) or failure
    return _output.report(describe_end(end, failure, api), exit_status(end, failure))


def _open(path: str) -> contextlib.AbstractContextManager[io.BufferedReader]:
    if path != "-":
        try:
            return Path(path).open("rb")
        except OSError as error:
            raise _output.CommandError(f"cannot read {path}: {error.strerror}") from error
    if sys.stdin is None:
        raise _output.CommandError("standard input is closed: add a file to the command")
    return contextlib.nullcontext(cast(io.BufferedReader, sys.stdin.buffer))


class _Body:
    """Iterator of the pieces of a body, whose first bytes are stored in `start`."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.start = b""
        self._pieces = pieces

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        piece = next(self._pieces)
        self.start += piece[: BODY_START - len(self.start)]
        return piece


def _print_events(
    pieces: Iterator[bytes], api: API | None
) -> tuple[API | None, End, SSEError | None]:
    judge = Judge(api)
    with EventStream(pieces) as stream:
        error = _write(_events(stream, judge), _output.JSON_ESCAPES)
    end = cast(End, stream.end)
    error = error or judge.decoder.error
    if error is not None:
        return judge.api, end, error
    seen = judge.decoder.end_now()
    if judge.api is None and (not seen.done_seen or end.events_seen > 1):
        return None, end, None
    end = attrs.evolve(
        seen, bytes_seen=end.bytes_seen, events_seen=end.events_seen, mid_event=end.mid_event
    )
    return judge.api, end, None if end.complete else IncompleteStream(end=end)


def _events(stream: EventStream, judge: Judge) -> Iterator[str]:
    for event in stream:
        judge.feed(event)
        yield _output.format_json_line(attrs.asdict(event, filter=attrs.filters.exclude("named")))


def _print_items(pieces: Iterator[bytes], api: API, output: str) -> tuple[End, SSEError | None]:
    with api.open_stream(pieces) as stream:
        if output == "text":
            error = _write(_read_text(stream), _output.VISIBLE)
        else:
            models = stream if output == "chunks" else _read_result(stream, api)
            lines = (_output.format_json_line(model.to_dict()) for model in models)
            error = _write(lines, _output.JSON_ESCAPES)
    return cast(End, stream.end), error


def _read_text(stream: ItemStream[Any, Any, Any]) -> Iterator[str]:
    # Unlike text_deltas(), updates have a text that the server sent only when it was complete.
    for update in stream.updates():
        if isinstance(update, ContentDelta) and update.choice == 0:
            yield update.text


def _read_result(stream: ItemStream[Any, Any, Any], api: API) -> Iterator[AccumulatedResult]:
    try:
        yield stream.result()
    except SSEError as error:
        if api.has_parts(error.partial):
            yield error.partial
        raise


def _write(texts: Iterable[str], escapes: Mapping[int, int | str]) -> SSEError | None:
    """Write each text when it's available; return the error that ended them, if any."""
    write = _output.make_writer(escapes)
    error = None
    text = "\n"
    try:
        for text in texts:
            write(text)
    except SSEError as raised:
        error = raised
    if not text.endswith("\n"):
        write("\n")
    return error
