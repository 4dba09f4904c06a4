"""What is missing from a response whose stream ended early."""

from __future__ import annotations

from .._end import End, EndCause
from .._errors import IncompleteStream, describe_end, place_of

_TERMINAL = "a terminal event (response.completed, response.incomplete or response.failed)"


def incomplete(end: End) -> IncompleteStream:
    """Return the error for a stream that ended before its response did."""
    return IncompleteStream(describe_end(end, _describe_missing), end=end)


def unfinished() -> IncompleteStream:
    """Return the error for a response whose terminal event wasn't added."""
    return IncompleteStream(
        "No terminal event was added: pass the parser's `end` to result() to learn how the stream "
        "ended. What was accumulated is in .partial.",
        end=End(EndCause.INCOMPLETE),
    )


def _describe_missing(end: End) -> str:
    if end.one_object:
        return "The body is one JSON object, a response that isn't finished"
    mark = " with [DONE] but" if end.done_seen else ""
    return f"{place_of(end)}{mark} without {_TERMINAL}"
