"""Recorded streams with what is expected of them, and the comparison of results."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest


class Recorded(NamedTuple):
    """A recorded stream, with what is expected of it."""

    name: str
    body: bytes
    expected: dict[str, Any]


RecordedT = TypeVar("RecordedT", bound=Recorded)


def load(folder: Path, kind: type[RecordedT]) -> list[RecordedT]:
    """Return the recorded streams in a folder; skip the test if they are missing."""
    index = folder / "INDEX.json"
    if not index.exists():
        pytest.skip(f"the recorded streams of {folder.name} are missing")
    return [
        kind(
            name=(name := Path(entry["file"]).stem),
            body=(folder / entry["stream"]).read_bytes(),
            expected=json.loads((folder / "expected" / f"{name}.json").read_text()),
        )
        for entry in json.loads(index.read_text())
    ]


def pruned(value: Any) -> Any:
    """Remove nulls, which mean the same as absent fields."""
    if isinstance(value, dict):
        return {name: pruned(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [pruned(item) for item in value]
    return value


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Yield the paths at which two JSON values differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in ours.keys() | theirs.keys():
            yield from differences(ours.get(name), theirs.get(name), f"{path}.{name}".lstrip("."))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for at, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(one, other, f"{path}.{at}")
    elif ours != theirs:
        yield path
