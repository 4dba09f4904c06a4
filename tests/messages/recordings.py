"""Recorded streams of messages."""

from collections.abc import Iterable

from recorded import Recorded
from sseparse.messages import MessageAccumulator, MessageEvent, MessageParser


class Recording(Recorded):
    """A recorded stream, with what is expected of it."""

    def borders(self) -> list[int]:
        """Return the offsets after each event."""
        body = self.body.replace(b"\r\n\r\n", b"\r\n\n\n")
        return [at + 2 for at in range(len(body)) if body.startswith(b"\n\n", at)]


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
