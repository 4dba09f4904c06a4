"""What is missing from a message whose stream ended early."""

from __future__ import annotations

from .._end import End
from .._errors import IncompleteStream, describe_end, place_of


def incomplete(end: End) -> IncompleteStream:
    """Return the error for a stream that ended before its message did."""
    return IncompleteStream(describe_end(end, _describe_missing), end=end)


def _describe_missing(end: End) -> str:
    if end.one_object:
        return "The body is one JSON object without a stop_reason"
    if end.events_seen and not end.finish_reasons:
        advice = (
            "ChatStream reads chat completions, ResponseStream reads OpenAI responses, and "
            "EventStream other streams"
        )
        return f"{place_of(end)} without message_start ({advice})"
    return f"{place_of(end)} without a stop_reason or message_stop"
