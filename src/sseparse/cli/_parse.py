"""`sseparse parse`."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import cast

import attrs

from .. import ChunkDecoder, End, EventStream, SSEError, Stream
from ..chunks._incomplete import incomplete
from ._output import (
    JSON_ESCAPES,
    VISIBLE,
    describe_end,
    exit_status,
    format_json_line,
    is_terminal,
    make_writer,
    report,
    with_progress,
)


def parse(path: str, output: str) -> int:
    """Print the content of a body, report how it ended, and return the exit status."""
    with contextlib.ExitStack() as stack:
        if path == "-" and sys.stdin is None:
            return report("there is no standard input", 2)
        try:
            file = _standard_input() if path == "-" else stack.enter_context(Path(path).open("rb"))
        except OSError as error:
            return report(f"cannot read {path}: {error.strerror}", 2)
        # read() would wait for the full size.
        pieces = iter(partial(file.read1, 65536), b"")
        if is_terminal(sys.stderr) and (output == "result" or not is_terminal(sys.stdout)):
            # Progress can be seen, and doesn't stand between lines of the output.
            pieces = with_progress(pieces, file.fileno())
        if output == "events":
            end, failure = _print_events(pieces)
        else:
            end, failure = _print_chunks(pieces, output)
    return report(describe_end(end, failure), exit_status(end, failure))


def _standard_input() -> io.BufferedReader:
    return cast("io.BufferedReader", sys.stdin.buffer)


def _print_events(pieces: Iterator[bytes]) -> tuple[End, SSEError | None]:
    decoder = ChunkDecoder(on_bad_json="skip")
    with EventStream(pieces) as stream:
        error = _write(_events(stream, decoder), JSON_ESCAPES)
    end = cast(End, stream.end)
    error = error or decoder.error
    if error is not None:
        return end, error
    decoder.close()
    chunk_end = cast(End, decoder.end)
    if not chunk_end.finish_reasons and not chunk_end.done_seen:
        return end, None  # the events aren't chunks
    end = attrs.evolve(
        end,
        cause=chunk_end.cause,
        done_seen=chunk_end.done_seen,
        finish_seen=chunk_end.finish_seen,
        finish_reasons=chunk_end.finish_reasons,
    )
    return end, None if end.complete else incomplete(end)


def _events(stream: EventStream, decoder: ChunkDecoder) -> Iterator[str]:
    for event in stream:
        if decoder.error is None:
            decoder.feed(event)
        yield format_json_line(attrs.asdict(event))


def _print_chunks(pieces: Iterator[bytes], output: str) -> tuple[End, SSEError | None]:
    with Stream(pieces) as stream:
        if output == "text":
            error = _write(stream.text_deltas(), VISIBLE)
        elif output == "chunks":
            error = _write((format_json_line(chunk.to_dict()) for chunk in stream), JSON_ESCAPES)
        else:
            error = _write(_result(stream), JSON_ESCAPES)
    return cast(End, stream.end), error


def _result(stream: Stream) -> Iterator[str]:
    try:
        completion = stream.result()
    except SSEError as error:
        if error.partial.choices:
            yield format_json_line(error.partial.to_dict())
        raise
    yield format_json_line(completion.to_dict())


def _write(texts: Iterable[str], escapes: Mapping[int, int | str]) -> SSEError | None:
    """Write each text as soon as it is there; return the error that ended them, if any."""
    write = make_writer(escapes)
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
