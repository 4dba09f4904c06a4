"""`sseparse parse`."""

from __future__ import annotations

import contextlib
import io
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import cast

import attrs

from .. import ChunkDecoder, End, EventStream, Result, SSEError, Stream
from ..chunks._incomplete import incomplete
from . import _output
from ._verdict import BODY_START, describe_end, exit_status, find_other_format


def parse(options: Namespace) -> int:
    """Print the content of a body, report how it ended, and return the exit status."""
    path, output = options.path, options.output
    with contextlib.ExitStack() as stack:
        if path != "-":
            try:
                file = stack.enter_context(Path(path).open("rb"))
            except OSError as error:
                return _output.report(f"cannot read {path}: {error.strerror}", 2)
        elif sys.stdin is None:
            return _output.report("standard input is closed: add a file to the command", 2)
        else:
            file = cast("io.BufferedReader", sys.stdin.buffer)
        # read() would wait for the full size.
        body = _Body(iter(partial(file.read1, 65536), b""))
        pieces = iter(body)
        to_terminal = _output.is_terminal(sys.stdout)
        if _output.is_terminal(sys.stderr) and (output == "result" or not to_terminal):
            # Progress can be seen, and doesn't stand between lines of the output.
            pieces = _output.with_progress(pieces, file.fileno())
        if output == "events":
            end, failure = _print_events(pieces)
        else:
            end, failure = _print_chunks(pieces, output)
    failure = find_other_format(end, body.start) or failure
    return _output.report(describe_end(end, failure), exit_status(end, failure))


class _Body:
    """Bytes of a body, whose first ones are stored in `start`."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.start = b""
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.start += piece[: BODY_START - len(self.start)]
            yield piece


def _print_events(pieces: Iterator[bytes]) -> tuple[End, SSEError | None]:
    decoder = ChunkDecoder(on_bad_json="skip")
    with EventStream(pieces) as stream:
        error = _write(_events(stream, decoder), _output.JSON_ESCAPES)
    end = cast(End, stream.end)
    error = error or decoder.error
    if error is not None:
        return end, error
    decoder.close()
    chunk_end = cast(End, decoder.end)
    if not chunk_end.finish_reasons and not chunk_end.done_seen:
        return end, None  # the events aren't chunks
    end = attrs.evolve(chunk_end, bytes_seen=end.bytes_seen, mid_event=end.mid_event)
    return end, None if end.complete else incomplete(end)


def _events(stream: EventStream, decoder: ChunkDecoder) -> Iterator[str]:
    for event in stream:
        if decoder.error is None:
            decoder.feed(event)
        yield _output.format_json_line(attrs.asdict(event, filter=attrs.filters.exclude("named")))


def _print_chunks(pieces: Iterator[bytes], output: str) -> tuple[End, SSEError | None]:
    with Stream(pieces) as stream:
        if output == "text":
            error = _write(stream.text_deltas(), _output.VISIBLE)
        else:
            models = stream if output == "chunks" else _read_result(stream)
            lines = (_output.format_json_line(model.to_dict()) for model in models)
            error = _write(lines, _output.JSON_ESCAPES)
    return cast(End, stream.end), error


def _read_result(stream: Stream) -> Iterator[Result]:
    try:
        yield stream.result()
    except SSEError as error:
        if error.partial.choices:
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
