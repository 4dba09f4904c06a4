"""Tests of the example `archive_to_parquet.py`."""

import gzip
import importlib.util
import json
import os
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sseparse import ChatCompletion, EndCause, IncompleteStream, SSEError, Stream

EXAMPLE = Path(__file__).parents[2] / "examples" / "archive_to_parquet.py"
LIMIT = 120.0  # seconds, far more than needed


def load() -> Any:
    spec = importlib.util.spec_from_file_location(EXAMPLE.stem, EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Pickles refer to the module by name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


archive = load()


def data(value: dict[str, Any] | str) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value)
    return b"data: %b\n\n" % text.encode()


def chunk(finish_reason: str | None = None, index: int = 0, **delta: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
    return data({"model": "m-1", "choices": [choice]})


def call(**function: str) -> list[dict[str, Any]]:
    return [{"index": 0, "id": "call_1", "type": "function", "function": function}]


DONE = data("[DONE]")
USAGE = data({"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 5}})
HELLO = chunk(content="Hel") + b": ping\n\n" + chunk(content="lo") + chunk("stop") + USAGE + DONE
CALLS = chunk(tool_calls=call(name="add", arguments='{"a": 1}')) + chunk("tool_calls") + DONE
BODIES = {
    "complete.sse": HELLO,
    "packed.sse.gz": gzip.compress(HELLO),
    "two choices.sse": chunk(content="a") + chunk(content="b", index=1) + DONE,
    "calls.sse": CALLS,
    "reasoning.sse": chunk(reasoning_content="Hm. ", content="So.") + chunk("stop"),
    "legacy.sse": data({"choices": [{"index": 0, "text": "4,5", "finish_reason": "stop"}]}),
    "broken.sse": chunk(content="Hel") + data("{no JSON") + chunk(content="lo") + DONE,
    "truncated.sse": HELLO[: HELLO.index(b"lo")],
    "truncated.sse.gz": gzip.compress(HELLO)[:-20],
    "empty.sse": b"",
    "binary.sse": bytes(range(256)) * 500,
    "page.sse": b"<!DOCTYPE html><title>Bad gateway</title>",
    "error.sse": chunk(content="Hel") + data({"error": {"message": "overloaded"}}),
    "two bodies.sse": HELLO + HELLO,
    "lone surrogate.sse": rb'data: {"choices": [{"index": 0, "delta": {"content": "x\ud83d"}}]}',
}


def fill(folder: Path) -> list[str]:
    folder.mkdir()
    for name, body in BODIES.items():
        (folder / name).write_bytes(body)
    return sorted(str(path) for path in folder.iterdir())


def pruned(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def expected_row(body: bytes) -> dict[str, Any]:
    """Return the expected row of a body, from a stream over all of it."""
    stream = Stream([body], on_bad_json="skip")
    stream_error = None
    try:
        stream.result()
    except IncompleteStream:
        pass
    except SSEError as error:
        stream_error = error
    completion, end = stream.snapshot(), stream.end
    assert end is not None
    usage = completion.usage
    row = {
        "cause": end.cause.value,
        "complete": end.complete,
        "model": completion.model,
        "prompt_tokens": usage and usage.prompt_tokens,
        "completion_tokens": usage and usage.completion_tokens,
        "total_tokens": usage and usage.total_tokens,
        "error_kind": stream_error and type(stream_error).__name__,
        "error_message": stream_error and str(stream_error),
        "comments": end.comments_seen,
    }
    is_chat = isinstance(completion, ChatCompletion)
    choices = [expected_choice(choice, is_chat=is_chat) for choice in completion.choices]
    return pruned(row) | {"choices": choices}


def expected_choice(choice: Any, *, is_chat: bool) -> dict[str, Any]:
    row = {
        "index": choice.index,
        "finish_reason": choice.finish_reason,
        "text": choice.message.content if is_chat else choice.text,
    }
    if is_chat:
        message = choice.message
        row["reasoning"] = message.reasoning_content or message.reasoning
        row["refusal"] = message.refusal
        row["calls"] = [called.to_dict() for called in message.tool_calls or []] or None
        if message.function_call is not None:
            function = message.function_call.to_dict()
            row["calls"] = [{"type": "function", "function": function}]
    return pruned(row)


def comparable(row: dict[str, Any]) -> dict[str, Any]:
    """Convert a row to the form of `expected_row`."""
    choices = [pruned(choice) for choice in row["choices"]]
    for choice in choices:
        if "tool_calls" in choice:
            choice["calls"] = json.loads(choice.pop("tool_calls"))
    others = ("file", "mid_event", "events", "skipped", "after_done", "bytes")
    return {name: value for name, value in pruned(row).items() if name not in others} | {
        "choices": choices
    }


class TestRows:
    """Tests of `read_file`."""

    @pytest.fixture
    def rows(self, tmp_path: Path) -> dict[str, dict[str, Any]]:
        files = fill(tmp_path / "archive")
        return {Path(row["file"]).name: row for row in map(archive.read_file, files)}

    def test_causes(self, rows: dict[str, dict[str, Any]]) -> None:
        """The row of each file has the cause of the end and the class of the error."""
        ends = {name: (row["cause"], row["error_kind"]) for name, row in rows.items()}
        assert ends == {
            "complete.sse": ("done", None),
            "packed.sse.gz": ("done", None),
            "two choices.sse": ("done", None),
            "calls.sse": ("done", None),
            "reasoning.sse": ("finished", None),
            "legacy.sse": ("finished", None),
            "broken.sse": ("done", None),
            "truncated.sse": ("incomplete", None),
            "truncated.sse.gz": ("transport", "EOFError"),
            "empty.sse": ("incomplete", None),
            "binary.sse": ("not_a_stream", "NotEventStream"),
            "page.sse": ("not_a_stream", "NotEventStream"),
            "error.sse": ("server_error", "ServerSentError"),
            "two bodies.sse": ("done", None),
            "lone surrogate.sse": ("incomplete", None),
        }
        complete = {EndCause.DONE.value, EndCause.FINISHED.value}
        assert all(row["complete"] is (row["cause"] in complete) for row in rows.values())

    def test_content(self, rows: dict[str, dict[str, Any]]) -> None:
        """A row has the content received, also if an error follows it."""
        texts = {name: [choice["text"] for choice in rows[name]["choices"]] for name in rows}
        assert texts["complete.sse"] == texts["packed.sse.gz"] == texts["broken.sse"] == ["Hello"]
        assert texts["truncated.sse"] == texts["error.sse"] == ["Hel"]
        assert texts["two choices.sse"] == ["a", "b"]
        assert texts["legacy.sse"] == ["4,5"]
        assert rows["error.sse"]["error_message"].endswith("overloaded")
        assert rows["complete.sse"]["model"] == "m-1"
        [choice] = rows["calls.sse"]["choices"]
        assert (choice["text"], choice["finish_reason"]) == (None, "tool_calls")
        [called] = json.loads(choice["tool_calls"])
        assert called["function"] == {"name": "add", "arguments": '{"a": 1}'}
        assert rows["reasoning.sse"]["choices"][0]["reasoning"] == "Hm. "

    def test_counts(self, rows: dict[str, dict[str, Any]]) -> None:
        """A row counts tokens, events, comments and bytes."""
        complete = rows["complete.sse"]
        tokens = ("prompt_tokens", "completion_tokens", "total_tokens")
        assert [complete[name] for name in tokens] == [12, 5, None]
        assert (complete["events"], complete["comments"], complete["bytes"]) == (5, 1, len(HELLO))
        assert rows["packed.sse.gz"]["bytes"] == len(HELLO)
        assert rows["broken.sse"]["skipped"] == 1
        assert rows["truncated.sse"]["mid_event"]
        assert (rows["two bodies.sse"]["after_done"], rows["complete.sse"]["after_done"]) == (5, 0)

    def test_missing_file(self, tmp_path: Path) -> None:
        """The row of a file that can't be opened has the error."""
        row = archive.read_file(str(tmp_path / "missing.sse"))
        assert (row["cause"], row["error_kind"]) == ("transport", "FileNotFoundError")
        assert (row["choices"], row["bytes"]) == ([], 0)

    def test_damage_after_done(self, tmp_path: Path) -> None:
        """A file that is damaged after [DONE] is complete, and its row has the error."""
        file = tmp_path / "damaged.gz"
        file.write_bytes(gzip.compress(HELLO)[:-8] + bytes(8))
        row = archive.read_file(str(file))
        assert (row["cause"], row["complete"], row["error_kind"]) == ("done", True, "BadGzipFile")

    def test_limit_exceeded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A completion that exceeds a limit keeps the content accumulated before."""
        reader = partial(archive.ChunkReader, max_choices=1)
        monkeypatch.setattr(archive, "ChunkReader", reader)
        file = tmp_path / "many.sse"
        file.write_bytes(BODIES["two choices.sse"])
        row = archive.read_file(str(file))
        assert (row["cause"], row["error_kind"]) == ("incomplete", "LimitExceeded")
        assert [choice["text"] for choice in row["choices"]] == ["a"]

    def test_memory(self, tmp_path: Path) -> None:
        """A file is read in pieces: many comments don't need more memory."""
        file = tmp_path / "silent.sse"
        file.write_bytes(chunk(content="Hel") + (b": " + b"x" * 500 + b"\n\n") * 20_000 + DONE)
        tracemalloc.start()
        try:
            row = archive.read_file(str(file))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (row["cause"], row["comments"]) == ("done", 20_000)
        assert peak < file.stat().st_size / 2


class TestPartitions:
    """Tests of the grouping of files and rows."""

    def test_sizes(self, tmp_path: Path) -> None:
        """A partition has at most the given size, unless it is a single larger file."""
        files = []
        for number, size in enumerate([10, 10, 50, 10, 10, 10]):
            files.append(str(tmp_path / str(number)))
            Path(files[-1]).write_bytes(bytes(size))
        missing = str(tmp_path / "missing")
        parts = list(archive.partitions([*files, missing], 20))
        assert parts == [files[:2], files[2:3], files[3:5], [files[5], missing]]
        assert list(archive.partitions([], 20)) == []

    def test_rows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A batch has a limited number of rows and of characters."""
        monkeypatch.setattr(archive, "ROWS", 2)
        monkeypatch.setattr(archive, "ROWS_SIZE", 10)
        rows = [{"choices": [{"text": "x" * size, "index": 0}]} for size in (1, 1, 10, 1, 9, 1)]
        assert [len(batch) for batch in archive.batches(rows)] == [2, 1, 2, 1]


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A client of a local cluster with two worker processes."""
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        # Workers can't import a module that was loaded from a file here.
        client.upload_file(str(EXAMPLE))
        yield client


def read_back(folder: Path) -> list[dict[str, Any]]:
    from pyarrow import parquet

    rows: list[dict[str, Any]] = parquet.read_table(folder).to_pylist()
    return rows


class TestParquet:
    """Tests of the Parquet files that a Dask cluster writes."""

    def test_every_file_is_a_row(self, client: Any, tmp_path: Path) -> None:
        """Each file has a row, also if it is malformed, empty, truncated or not a stream."""
        files = fill(tmp_path / "archive")
        out = tmp_path / "out"
        out.mkdir()
        causes = archive.parse_archive(client, files, str(out), 1000)

        rows = sorted(read_back(out), key=lambda row: str(row["file"]))
        parts = len(list(archive.partitions(files, 1000)))
        assert parts > 2
        assert [path.name for path in sorted(out.iterdir())] == [
            f"part-{number:06}.parquet" for number in range(parts)
        ]
        assert [row["file"] for row in rows] == files
        assert Counter(row["cause"] for row in rows) == causes
        assert rows == [archive.read_file(file) for file in files]
        for row in rows:
            body = BODIES[Path(row["file"]).name]
            if not row["file"].endswith(("truncated.sse.gz", "lone surrogate.sse")):
                expected = expected_row(gzip.decompress(body) if body[:1] == b"\x1f" else body)
                # A stream ends at [DONE] and doesn't count later comments.
                assert comparable(row) | {"comments": expected["comments"]} == expected, row["file"]
        [row] = [row for row in rows if "surrogate" in row["file"]]
        assert row["choices"][0]["text"] == "x\ufffd"

    def test_recorded_streams(self, client: Any, tmp_path: Path, corpus: Path) -> None:
        """Each row equals the result of a stream over the entire body."""
        files = sorted(str(path) for path in (corpus / "streams").iterdir())
        archive.parse_archive(client, files, str(tmp_path), 200_000)

        rows = {row["file"]: row for row in read_back(tmp_path)}
        assert sorted(rows) == files
        for file, row in rows.items():
            expected = expected_row(Path(file).read_bytes())
            assert comparable(row) | {"comments": expected["comments"]} == expected, file

    @pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
    def test_undecodable_file_name(self, client: Any, tmp_path: Path) -> None:
        """A file whose name isn't UTF-8 is read; the name in its row has replacement characters."""
        archive_folder = tmp_path / "archive"
        archive_folder.mkdir()
        file = os.fsencode(archive_folder) + b"/\xff.sse"
        Path(os.fsdecode(file)).write_bytes(HELLO)
        archive.parse_archive(client, [os.fsdecode(file)], str(tmp_path), 1000)
        [row] = read_back(tmp_path / "part-000000.parquet")
        assert (row["cause"], Path(row["file"]).name) == ("done", "\ufffd.sse")

    def test_large_numbers(self, client: Any, tmp_path: Path) -> None:
        """A number that doesn't fit into 64 bits becomes null."""
        file = tmp_path / "large.sse"
        usage = {"prompt_tokens": 1 << 70, "completion_tokens": 5}
        file.write_bytes(HELLO.replace(USAGE, data({"choices": [], "usage": usage})))
        archive.parse_archive(client, [str(file)], str(tmp_path), 1000)
        [row] = read_back(tmp_path / "part-000000.parquet")
        assert (row["prompt_tokens"], row["completion_tokens"]) == (None, 5)

    def test_write_error(self, client: Any, tmp_path: Path) -> None:
        """A part that can't be written raises an error after the other parts were written."""
        files = fill(tmp_path / "archive")
        out = tmp_path / "out"
        (out / "part-000001.parquet").mkdir(parents=True)
        with pytest.raises(ExceptionGroup, match=r"1 of [0-9]+ parts are missing") as raised:
            archive.parse_archive(client, files, str(out), 1000)

        assert raised.group_contains(OSError, depth=1)
        parts = list(archive.partitions(files, 1000))
        names = sorted(path.name for path in out.iterdir())
        assert names == [f"part-{number:06}.parquet" for number in range(len(parts))]
        (out / "part-000001.parquet").rmdir()
        assert len(read_back(out)) == len(files) - len(parts[1])


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(EXAMPLE), *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


class TestCommand:
    """Tests of the command line."""

    def test_on_a_cluster(self, client: Any, tmp_path: Path) -> None:
        """The workers of a scheduler parse the files; a folder with Parquet files is rejected."""
        files = fill(tmp_path / "archive")
        (tmp_path / "archive" / "folder.sse").mkdir()
        address = client.cluster.scheduler_address
        arguments = (f"{tmp_path}/arch*/*.sse*", f"{tmp_path}/out", "--scheduler", address)
        done = run(*arguments)
        assert done.returncode == 0, done.stderr
        assert f"{len(files)} files: " in done.stderr
        assert sorted(row["file"] for row in read_back(tmp_path / "out")) == files

        again = run(*arguments)
        assert again.returncode == 1
        assert "already has Parquet files" in again.stderr

    @pytest.mark.usefixtures("client")  # skips the test without Dask
    def test_on_this_machine(self, tmp_path: Path) -> None:
        """Without a scheduler, the command starts a local cluster."""
        fill(tmp_path / "archive")
        done = run(f"{tmp_path}/archive/*.sse", f"{tmp_path}/out")
        assert done.returncode == 0, done.stderr
        assert len(read_back(tmp_path / "out")) == len(list((tmp_path / "archive").glob("*.sse")))

    def test_without_dask(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Without Dask, the command names the packages to install."""
        monkeypatch.setitem(sys.modules, "distributed", None)
        monkeypatch.setattr(sys, "argv", ["archive_to_parquet.py", "*.sse", str(tmp_path)])
        with pytest.raises(SystemExit, match="pip install 'dask"):
            archive.main()
