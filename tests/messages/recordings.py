"""Recorded streams of messages, and the comparison of results."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sseparse.messages import MessageAccumulator, MessageEvent, MessageParser


class Recording(NamedTuple):
    """A recorded stream, with what is expected of it."""

    name: str
    body: bytes
    expected: dict[str, Any]

    def borders(self) -> list[int]:
        """Return the offsets after each event."""
        body = self.body.replace(b"\r\n\r\n", b"\r\n\n\n")
        return [at + 2 for at in range(len(body)) if body.startswith(b"\n\n", at)]


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


def accumulated(pieces: Iterable[bytes]) -> tuple[MessageAccumulator, MessageParser]:
    """Parse the pieces of a body and accumulate the events."""
    parser, accumulator = MessageParser(), MessageAccumulator()
    for piece in pieces:
        add_all(accumulator, parser.feed(piece))
        if parser.error is not None:
            break
    else:
        add_all(accumulator, parser.close())
    return accumulator, parser


def add_all(accumulator: MessageAccumulator, events: Iterable[MessageEvent]) -> None:
    for event in events:
        accumulator.add(event)
