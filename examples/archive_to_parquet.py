"""
Convert an archive of captured streams to Parquet with Dask, on many cores or machines.

    python examples/archive_to_parquet.py 'archive/**/*.sse' out/ --scheduler tcp://10.0.0.1:8786

Each file becomes a row: how its stream ended, the content received, and the error, if any. A task
reads some of the files and writes one Parquet file. It reads each file in pieces and keeps only the
accumulated completion, so a larger archive doesn't need more memory.

Without `--scheduler`, the tasks run on the cores of this machine. The workers of a scheduler need
the archive and the output under the same paths, and sseparse and pyarrow installed.
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

from sseparse import ChatCompletion, ChunkReader, Result, SSEError
from sseparse.chunks import ChatMessage, CompletionUsage

PIECE = 1 << 18  # bytes per read
ROWS, ROWS_SIZE = 10_000, 1 << 25  # rows and characters in a batch
UNREADABLE = (OSError, EOFError, zlib.error)  # the last two: a truncated or damaged gzip file
Row = dict[str, Any]


def read_file(path: str) -> Row:
    """Read a captured stream to its end or first error; return its row."""
    reader = ChunkReader(on_bad_json="skip", on_incomplete="accept")
    parser = reader.item_parser
    failure: Exception | None = None
    try:
        for piece in pieces(path):
            reader.feed(piece)
        reader.close()
    except UNREADABLE as error:
        failure = error
        # A stream is complete at [DONE], whatever follows.
        if parser.done:
            reader.close()
        else:
            reader.fail(error)
    except SSEError:
        pass  # raised again for the rest of the file
    end, failure = reader.end, reader.error if failure is None else failure
    return {
        "file": _text(path),
        "cause": end.cause.value,
        "complete": end.complete,
        **_completion_columns(reader.snapshot()),
        "error_kind": None if failure is None else type(failure).__name__,
        "error_message": None if failure is None else _text(str(failure)),
        "mid_event": end.mid_event,
        "events": parser.events_seen,
        "skipped": parser.skipped,
        "after_done": parser.after_done,
        "comments": parser.comments_seen,
        "bytes": end.bytes_seen,
    }


def pieces(path: str) -> Iterator[bytes]:
    """Yield the content of a file in pieces, decompressed if it is a gzip file."""
    with open(path, "rb") as raw:  # noqa: PTH123 - keeps undecodable paths
        packed = raw.peek(2).startswith(b"\x1f\x8b")
        file = gzip.GzipFile(fileobj=raw) if packed else raw
        # read() would lose the data before an error.
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
    if message.function_call is not None:  # deprecated form of a tool call
        calls.append({"type": "function", "function": message.function_call.to_dict()})
    return json.dumps(calls) if calls else None


def _text(value: str | None) -> str | None:
    """Replace lone surrogates, which JSON can escape but UTF-8 can't encode."""
    if value is None or value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _count(value: int | None) -> int | None:
    """Return a number that fits into 64 bits, or None."""
    return value if value is not None and -(1 << 63) <= value < 1 << 63 else None


def schema() -> Any:
    """Return the schema of the rows of `read_file`."""
    import pyarrow as pa  # noqa: PLC0415 - read_file doesn't need it

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
        ("skipped", number),  # events that weren't JSON
        ("after_done", number),  # events of another stream in the same file
        ("comments", number),
        ("bytes", number),  # decompressed, up to an error
    ]
    return pa.schema(columns)


def write_partition(number: int, files: list[str], folder: str) -> Counter[str]:
    """Write the rows of some files to a Parquet file; return the number of each cause."""
    import pyarrow as pa  # noqa: PLC0415 - read_file doesn't need it
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    causes: Counter[str] = Counter()
    # Dask repeats a task whose worker was lost, so a part gets its name only when it is complete.
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
    """Group rows into batches of limited size."""
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
    """Group files up to a size in bytes; a larger file is a group of its own."""
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
    """Return the size of a file, or 0 if it can't be read: its row will have the error."""
    try:
        return os.stat(file).st_size  # noqa: PTH116 - keeps undecodable paths
    except OSError:
        return 0


def parse_archive(
    client: Any, files: Iterable[str], folder: str, partition_bytes: int
) -> Counter[str]:
    """Parse files with a Dask client's workers; return the number of each cause."""
    from distributed import as_completed  # noqa: PLC0415 - read_file doesn't need it

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
    if failures:  # such as a full disk; the other parts are written
        raise ExceptionGroup(f"{len(failures)} of {len(parts)} parts are missing", failures)
    return causes


def main() -> None:
    """Parse the files that match a pattern."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("pattern", help="a glob pattern in quotes, such as 'archive/**/*.sse'")
    options.add_argument("folder", help="output folder, without Parquet files")
    options.add_argument(
        "--scheduler", help="address of a Dask scheduler; by default, a local cluster is started"
    )
    options.add_argument(
        "--partition-bytes",
        type=int,
        default=1 << 28,
        help="size of the files of a task; default: %(default)s",
    )
    given = options.parse_args()
    missing = [name for name in ("distributed", "pyarrow") if find_spec(name) is None]
    if missing:
        sys.exit(f"{missing[0]} is not installed: pip install 'dask[distributed]' pyarrow")
    from distributed import Client, LocalCluster  # noqa: PLC0415 - checked above

    folder = Path(given.folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.glob("*.parquet")):
        sys.exit(f"{folder} already has Parquet files: choose another folder")
    paths = sorted(glob.glob(given.pattern, recursive=True))  # noqa: PTH207 - absolute patterns too
    files = [os.path.abspath(path) for path in paths if not os.path.isdir(path)]  # noqa: PTH100, PTH112 - as above
    if not files:
        sys.exit(f"no file matches {given.pattern}")
    with ExitStack() as stack:
        where = given.scheduler
        if where is None:
            # Parsing holds the GIL, so a second thread wouldn't help.
            here = LocalCluster(threads_per_worker=1, dashboard_address="127.0.0.1:0")
            where = stack.enter_context(here)
        client = stack.enter_context(Client(where))
        parse_archive(client, files, str(folder), given.partition_bytes)


if __name__ == "__main__":
    main()
