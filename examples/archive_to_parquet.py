"""
Turn an archive of captured streams into Parquet, on as many cores and machines as Dask has.

    python examples/archive_to_parquet.py 'archive/**/*.sse' out/ --scheduler tcp://10.0.0.1:8786

Each file is a row, whatever is in it: how its stream ended, what came, and what was wrong with it.
A task takes some of the files and writes one Parquet file. It reads each in pieces and keeps what
the answer amounts to, so that it needs no more memory for a large archive than for a small one.

Without `--scheduler` the cores of this machine do it. With one, its workers must see the archive
and the output under the same names, and have sseparse and pyarrow.
"""

import argparse
import glob
import gzip
import json
import os
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

from attrs import evolve

from sseparse import (
    Accumulator,
    ChatCompletion,
    Chunk,
    ChunkParser,
    End,
    EndCause,
    LimitExceeded,
    Result,
    SSEError,
)
from sseparse.chunks import ChatMessage, CompletionUsage

PIECE = 1 << 18  # bytes read at once
ROWS, ROWS_SIZE = 10_000, 1 << 25  # rows and characters that are kept until they are written
UNREADABLE = (OSError, EOFError, zlib.error)  # the last two: gzip's, cut or damaged
Row = dict[str, Any]


def read_file(path: str) -> Row:
    """Read a captured stream, to its end or its fault; return its row."""
    parser, accumulator = ChunkParser(on_bad_json="skip"), Accumulator()
    fault: Exception | None = None
    try:
        try:
            for piece in pieces(path):
                _take(accumulator, parser.feed(piece))
        except UNREADABLE as error:
            fault = error
        _take(accumulator, parser.close())
        fault = parser.error or fault
    except SSEError as error:
        fault = error
    if parser.end is None:  # the completion outgrew its limit, and nobody asked for an end
        _ = parser.close()
    end = parser.end or End(EndCause.INCOMPLETE)
    # After [DONE] nothing can be cut.
    cut = isinstance(fault, UNREADABLE) and not parser.done
    cause = EndCause.TRANSPORT if cut else end.cause
    if isinstance(fault, LimitExceeded):
        cause = EndCause.INCOMPLETE
    return {
        "file": _text(path),
        "cause": cause.value,
        "complete": evolve(end, cause=cause).complete,
        **_completion_columns(accumulator.snapshot()),
        "error_kind": None if fault is None else type(fault).__name__,
        "error_message": None if fault is None else _text(str(fault)),
        "mid_event": end.mid_event,
        "events": parser.events_seen,
        "skipped": parser.skipped,
        "after_done": parser.after_done,
        "comments": parser.comments_seen,
        "bytes": end.bytes_seen,
    }


def _take(accumulator: Accumulator, chunks: list[Chunk]) -> None:
    for chunk in chunks:
        accumulator.add(chunk)


def pieces(path: str) -> Iterator[bytes]:
    """Read a file a piece at a time, decompressing what gzip made."""
    with open(path, "rb") as raw:  # noqa: PTH123 - a path that is no text stays as it is
        packed = raw.peek(2).startswith(b"\x1f\x8b")
        file = gzip.GzipFile(fileobj=raw) if packed else raw
        # Not read(), which would lose what it has when it comes to a fault.
        while piece := file.read1(PIECE):
            yield piece


def _completion_columns(completion: Result) -> Row:
    usage = completion.usage or CompletionUsage()
    is_chat = isinstance(completion, ChatCompletion)
    return {
        "model": _text(completion.model),
        "choices": [_choice(choice, is_chat=is_chat) for choice in completion.choices],
        "prompt_tokens": _count(usage.prompt_tokens),
        "completion_tokens": _count(usage.completion_tokens),
        "total_tokens": _count(usage.total_tokens),
    }


def _choice(choice: Any, *, is_chat: bool) -> Row:
    message: ChatMessage | None = choice.message if is_chat else None
    return {
        "index": _count(choice.index),
        "text": _text(choice.text if message is None else message.content),
        "finish_reason": _text(choice.finish_reason),
        "reasoning": message and _text(message.reasoning_content or message.reasoning),
        "refusal": message and _text(message.refusal),
        "tool_calls": message and _calls(message),
    }


def _calls(message: ChatMessage) -> str | None:
    calls = [call.to_dict() for call in message.tool_calls or []]
    if message.function_call is not None:  # the form before tool calls
        calls.append({"type": "function", "function": message.function_call.to_dict()})
    return json.dumps(calls) if calls else None


def _text(value: str | None) -> str | None:
    """Return a text that UTF-8 can write: half a character, as JSON can escape it, it cannot."""
    if value is None or value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _count(value: int | None) -> int | None:
    """Return a number that a column can have."""
    return value if value is not None and -(1 << 63) <= value < 1 << 63 else None


def schema() -> Any:
    """Return the columns: those of a row of `read_file`."""
    import pyarrow as pa  # noqa: PLC0415 - rows can be had without it

    text, number, flag = pa.string(), pa.int64(), pa.bool_()
    choice = [
        ("index", number),
        ("text", text),
        ("finish_reason", text),
        ("reasoning", text),
        ("refusal", text),
        ("tool_calls", text),  # as JSON
    ]
    columns = [
        ("file", text),
        ("cause", text),
        ("complete", flag),
        ("model", text),
        ("choices", pa.list_(pa.struct(choice))),
        ("prompt_tokens", number),
        ("completion_tokens", number),
        ("total_tokens", number),
        ("error_kind", text),
        ("error_message", text),
        ("mid_event", flag),
        ("events", number),
        ("skipped", number),  # events that were no JSON
        ("after_done", number),  # events of another stream in the same file
        ("comments", number),
        ("bytes", number),  # decompressed, up to a fault
    ]
    return pa.schema(columns)


def write_partition(number: int, files: list[str], folder: str) -> Counter[str]:
    """Write the rows of some files as one Parquet file; return how many ended in each way."""
    import pyarrow as pa  # noqa: PLC0415 - rows can be had without it
    import pyarrow.parquet as pq  # noqa: PLC0415 - the same

    causes: Counter[str] = Counter()
    # A task that is lost with its worker is done again; a part that is not whole is never seen.
    unfinished = Path(folder, f".{uuid4().hex}.unfinished")
    try:
        with pq.ParquetWriter(unfinished, schema(), compression="zstd") as writer:
            for rows in batches(map(read_file, files)):
                writer.write_table(pa.Table.from_pylist(rows, schema()))
                causes.update(row["cause"] for row in rows)
        unfinished.replace(Path(folder, f"part-{number:06}.parquet"))
    finally:
        unfinished.unlink(missing_ok=True)
    return causes


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Gather rows, as many as memory has room for."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        texts = (value for choice in row["choices"] for value in choice.values())
        size += sum(len(text) for text in texts if isinstance(text, str))
        if len(batch) == ROWS or size >= ROWS_SIZE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def partitions(files: Iterable[str], partition_bytes: int) -> Iterator[list[str]]:
    """Gather files of so many bytes; a larger one is by itself, for a stream is read in order."""
    partition: list[str] = []
    total = 0
    for file in files:
        size = size_of(file)
        if partition and (total + size > partition_bytes or len(partition) == ROWS):
            yield partition
            partition, total = [], 0
        partition.append(file)
        total += size
    if partition:
        yield partition


def size_of(file: str) -> int:
    """Return the size of a file, 0 where it cannot be told: its row will say why."""
    try:
        return os.stat(file).st_size  # noqa: PTH116 - a path that is no text stays as it is
    except OSError:
        return 0


def parse_archive(
    client: Any, files: Iterable[str], folder: str, partition_bytes: int
) -> Counter[str]:
    """Have a Dask client's workers parse the files; return how many ended in each way."""
    from distributed import as_completed  # noqa: PLC0415 - rows can be had without it

    parts = list(partitions(files, partition_bytes))
    folders = [folder] * len(parts)
    futures = client.map(write_partition, range(len(parts)), parts, folders, pure=False)
    causes: Counter[str] = Counter()
    failures = []
    for future in as_completed(futures):
        if future.status == "finished":
            causes += future.result()
        else:
            failures.append(future.exception())
        future.release()
        sys.stderr.write(f"{causes.total()} files: {dict(causes)}\n")
    if failures:  # such as a full disk: the others are written
        raise ExceptionGroup(f"{len(failures)} of {len(parts)} parts are missing", failures)
    return causes


def main() -> None:
    """Parse the files that a pattern names."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("pattern", help="such as 'archive/**/*.sse', in quotes")
    options.add_argument("folder", help="for the Parquet files; it must not have any")
    options.add_argument("--scheduler", help="the address of a Dask scheduler")
    options.add_argument("--partition-bytes", type=int, default=1 << 28, help="%(default)s")
    given = options.parse_args()
    missing = [name for name in ("distributed", "pyarrow") if find_spec(name) is None]
    if missing:
        sys.exit(f"{missing[0]} is not installed: pip install 'dask[distributed]' pyarrow")
    from distributed import Client, LocalCluster  # noqa: PLC0415 - now that it is there

    folder = Path(given.folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.glob("*.parquet")):
        sys.exit(f"{folder} has Parquet files: those of another run would be taken for these")
    paths = sorted(glob.glob(given.pattern, recursive=True))  # noqa: PTH207 - absolute ones too
    files = [os.path.abspath(path) for path in paths if not os.path.isdir(path)]  # noqa: PTH100, PTH112 - the same
    if not files:
        sys.exit(f"no file matches {given.pattern}")
    with ExitStack() as stack:
        where = given.scheduler
        if where is None:
            # Parsing keeps a core busy: a second thread would only wait for the first.
            here = LocalCluster(threads_per_worker=1, dashboard_address="127.0.0.1:0")
            where = stack.enter_context(here)
        client = stack.enter_context(Client(where))
        parse_archive(client, files, str(folder), given.partition_bytes)


if __name__ == "__main__":
    main()
