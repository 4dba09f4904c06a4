"""How a stream ended, in one line and as an exit status."""

from __future__ import annotations

import codecs

from .. import (
    ChunkDecodeError,
    End,
    EndCause,
    IncompleteStream,
    NotEventStream,
    SSEError,
)
from .._errors import count

NO_STREAM = "no event stream: "
"""What `describe` begins with where a body is something else."""


def describe(end: End, fault: SSEError | None) -> str:
    """Say in one line how a stream ended."""
    if not end.bytes_seen and not isinstance(fault, NotEventStream):
        return "nothing came: the body was empty"
    verdict = _without_fault(end) if fault is None else _fault(fault, end)
    return f"{verdict} ({count(end.events_seen, 'event')}, {count(end.bytes_seen, 'byte')})"


def exit_status(end: End, fault: SSEError | None) -> int:
    """Return 0 for a stream that is complete, 2 for what is no stream, 1 for any other."""
    if isinstance(fault, NotEventStream):
        return 2
    return 0 if fault is None and end.complete and end.bytes_seen else 1


def one_line(text: str) -> str:
    """Make a text from elsewhere fit to stand in a terminal: one line, no control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _without_fault(end: End) -> str:
    if end.one_object and end.complete:
        return "complete: one JSON object, not a stream"
    if end.cause is EndCause.DONE:
        return "complete: [DONE] came"
    if end.finish_seen:
        return "complete: a finish reason came, but no [DONE]"
    if end.mid_event:
        return "incomplete: the body ended inside an event"
    return "the body ended after a whole event; it held no chunks to judge by"


def _fault(fault: SSEError, end: End) -> str:
    # Some of the errors' own words are for those who write Python.
    match fault:
        case NotEventStream() if encoding := fault.headers.get("content-encoding"):
            return f"{NO_STREAM}the body is compressed ({one_line(encoding)}), unasked"
        case NotEventStream():
            return f"{NO_STREAM}the body {_begins(fault.body_start)}"
        case IncompleteStream() if end.events_seen and _held_nothing(fault):
            return "no chunks of a completion came (another API?); --events shows what did"
        case IncompleteStream():
            where = "inside an event" if fault.end.mid_event else "between two events"
            return f"incomplete: neither [DONE] nor a finish reason; the body ended {where}"
        case ChunkDecodeError():
            return f"event is no chunk: {fault.reason}; its data begins {fault.event.data[:60]!r}"
        case _:
            return str(fault)


def _held_nothing(fault: SSEError) -> bool:
    return fault.partial is not None and not fault.partial.choices


def _begins(body: bytes) -> str:
    try:
        # A character may be cut where the first bytes end.
        text, _ = codecs.utf_8_decode(body[:200])
    except UnicodeDecodeError:
        return "is binary data"
    return f"begins {text!r}"
