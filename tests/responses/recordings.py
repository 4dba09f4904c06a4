"""Recorded streams of responses, and the comparison of results."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sseparse.responses import ResponseEvent, ResponseParser, ResponseReader
from sseparse.testing import run_stage

TERMINAL = ("response.completed", "response.incomplete", "response.failed")


class Recording(NamedTuple):
    """A recorded stream, with what is expected of it."""

    name: str
    body: bytes
    expected: dict[str, Any]

    @property
    def output(self) -> list[Any]:
        """The expected output: that of the last event, or what the events before it add up to."""
        final: list[Any] = self.expected["final"].get("output") or []
        items: list[Any] = self.expected.get("items") or []
        return final or items

    def pieces(self) -> list[bytes]:
        """Return the body cut after each event."""
        return re.findall(rb"(?s).*?(?:\r?\n){2}|.+", self.body)

    def events(self) -> list[ResponseEvent]:
        return run_stage(ResponseParser(), [self.body]).items


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


def read(pieces: Iterable[bytes], **options: Any) -> tuple[ResponseReader, list[ResponseEvent]]:
    """Read the pieces of a body to their end; return the reader and the events."""
    reader = ResponseReader(**options)
    events = []
    for piece in pieces:
        if not reader.closed or reader.continues:
            events += reader.feed(piece)
    events += reader.close()
    return reader, events
