"""`sseparse parse`: what a captured body holds."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import attrs

from .. import End, EventStream, SSEError, Stream
from ._ending import describe, exit_status, one_line
from ._judge import Judge

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
            return _say("there is no standard input", 2)
        try:
            file = _standard_input() if path == "-" else stack.enter_context(Path(path).open("rb"))
        except OSError as error:
            return _say(f"cannot read {path}: {error.strerror}", 2)
        end, fault = _print_body(_read(file), output)
    return _say(describe(end, fault), exit_status(end, fault))


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
            fault = _write(_events(events, judge))
        end = cast(End, events.end)
        return judge.verdict(end) if fault is None else (end, fault)
    with Stream(pieces) as chunks:
        fault = _write(_CHUNK_OUTPUTS[output](chunks))
    return cast(End, chunks.end), fault


def _write(texts: Iterator[str]) -> SSEError | None:
    """Write each text as soon as it is there; return the fault that ended them, if one did."""
    fault = None
    last = "\n"
    try:
        for text in texts:
            sys.stdout.write(text)
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
        yield _json_line(attrs.asdict(event))


def _chunks(stream: Stream) -> Iterator[str]:
    return (_json_line(chunk.to_dict()) for chunk in stream)


def _result(stream: Stream) -> Iterator[str]:
    try:
        completion = stream.result()
    except SSEError as error:
        if error.partial.choices:
            yield _json_line(error.partial.to_dict())
        raise
    yield _json_line(completion.to_dict())


_CHUNK_OUTPUTS: Mapping[str, Callable[[Stream], Iterator[str]]] = {
    "chunks": _chunks,
    "result": _result,
    "text": Stream.text_deltas,
}


def _json_line(value: Any) -> str:
    line = json.dumps(value, ensure_ascii=False)
    try:
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        # Escaped, it says the same to every reader of JSON.
        line = json.dumps(value)
    return f"{line}\n"


def _say(text: str, status: int) -> int:
    print(f"sseparse: {one_line(text)}", file=sys.stderr)
    return status
