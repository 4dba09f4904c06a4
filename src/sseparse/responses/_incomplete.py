"""What is missing from a response whose stream ended early."""

from __future__ import annotations

from .._end import End
from .._errors import IncompleteStream, describe_end, place_of

_TERMINAL = "a terminal event (response.completed, response.incomplete or response.failed)"


def incomplete(end: End) -> IncompleteStream:
    """Return the error for a stream that ended before its response did."""
    return IncompleteStream(describe_end(end, _describe_missing), end=end)


def _describe_missing(end: End) -> str:
    if end.one_object:
        return "The body is one JSON object, a response that isn't finished"
    mark = " with [DONE] but" if end.done_seen else ""
    return f"{place_of(end)}{mark} without {_TERMINAL}"
