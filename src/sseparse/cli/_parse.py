"""`sseparse parse`."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

import attrs
from attrs import evolve

from .. import ChunkDecoder, End, Event, EventStream, SSEError, Stream
from ..chunks._incomplete import incomplete
from ._output import (
    describe,
    exit_status,
    is_terminal,
    json_line,
    say,
    shows_progress,
    visible,
    visible_json,
    with_progress,
)


class Judge:
    """Look at events as they pass; judge their stream as one of chunks, if it is one."""

    def __init__(self) -> None:
        self._decoder = ChunkDecoder(on_bad_json="skip")
        self._saw_choices = False

    def see(self, event: Event) -> None:
        """Look at an event; what comes after an error counts no more."""
        if self._decoder.error is None:
            chunks = self._decoder.feed(event)
            self._saw_choices = self._saw_choices or any(chunk.choices for chunk in chunks)

    def verdict(self, end: End) -> tuple[End, SSEError | None]:
        """Return how the stream ended, which was well enough as one of events."""
        if self._decoder.error is not None:
            return end, self._decoder.error
        if not self._saw_choices and not self._decoder.done:
            return end, None
        self._decoder.close()
        chunks = cast(End, self._decoder.end)
        judged = evolve(
            end,
            cause=chunks.cause,
            done_seen=chunks.done_seen,
            finish_seen=chunks.finish_seen,
            finish_reasons=chunks.finish_reasons,
        )
        return judged, None if judged.complete else incomplete(judged)


_READ_SIZE = 65536


def parse(path: str, output: str) -> int:
    """
    Print what a body holds; say on standard error how it ended.

    Args:
        path: The file, or "-" for standard input.
        output: What to print: "events", "chunks", "result" or "text".

    Returns:
        The exit status: 0 complete, 1 not complete, 2 no stream or no file.
    """
    with contextlib.ExitStack() as stack:
        if path == "-" and sys.stdin is None:
            return say("there is no standard input", 2)
        try:
            file = _standard_input() if path == "-" else stack.enter_context(Path(path).open("rb"))
        except OSError as error:
            return say(f"cannot read {path}: {error.strerror}", 2)
        pieces = _read(file)
        if shows_progress(output):
            pieces = with_progress(pieces, file.fileno())
        end, fault = _print_body(pieces, output)
    return say(describe(end, fault), exit_status(end, fault))


def _standard_input() -> io.BufferedReader:
    return cast("io.BufferedReader", sys.stdin.buffer)


def _read(file: io.BufferedReader) -> Iterator[bytes]:
    # read1() returns what there is; read() would wait until so many bytes have come.
    while piece := file.read1(_READ_SIZE):
        yield piece


def _print_body(pieces: Iterator[bytes], output: str) -> tuple[End, SSEError | None]:
    if output == "events":
        judge = Judge()
        with EventStream(pieces) as events:
            fault = _write(_events(events, judge), visible_json)
        end = cast(End, events.end)
        return judge.verdict(end) if fault is None else (end, fault)
    with Stream(pieces) as chunks:
        shown = visible if output == "text" else visible_json
        fault = _write(_CHUNK_OUTPUTS[output](chunks), shown)
    return cast(End, chunks.end), fault


def _write(texts: Iterator[str], shown: Callable[[str], str]) -> SSEError | None:
    """Write each text as soon as it is there; return the fault that ended them, if one did."""
    to_terminal = is_terminal(sys.stdout)
    fault = None
    last = "\n"
    try:
        for text in texts:
            sys.stdout.write(shown(text) if to_terminal else text)
            sys.stdout.flush()
            last = text
    except SSEError as error:
        fault = error
    if not last.endswith("\n"):
        sys.stdout.write("\n")
        sys.stdout.flush()
    return fault


def _events(stream: EventStream, judge: Judge) -> Iterator[str]:
    for event in stream:
        judge.see(event)
        yield json_line(attrs.asdict(event))


def _chunks(stream: Stream) -> Iterator[str]:
    return (json_line(chunk.to_dict()) for chunk in stream)


def _result(stream: Stream) -> Iterator[str]:
    try:
        completion = stream.result()
    except SSEError as error:
        if error.partial.choices:
            yield json_line(error.partial.to_dict())
        raise
    yield json_line(completion.to_dict())


_CHUNK_OUTPUTS: Mapping[str, Callable[[Stream], Iterator[str]]] = {
    "chunks": _chunks,
    "result": _result,
    "text": Stream.text_deltas,
}
