"""Recorded streams of responses."""

import re
from collections.abc import Iterable
from typing import Any

from recorded import Recorded
from sseparse.responses import ResponseEvent, ResponseParser, ResponseReader
from sseparse.testing import run_stage

TERMINAL = ("response.completed", "response.incomplete", "response.failed")


class Recording(Recorded):
    """A recorded stream, with what is expected of it."""

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


def read(pieces: Iterable[bytes], **options: Any) -> tuple[ResponseReader, list[ResponseEvent]]:
    """Read the pieces of a body to their end; return the reader and the events."""
    reader = ResponseReader(**options)
    events = []
    for piece in pieces:
        if not reader.closed or reader.continues:
            events += reader.feed(piece)
    events += reader.close()
    return reader, events
