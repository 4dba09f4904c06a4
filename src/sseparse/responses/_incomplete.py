"""What is missing from a response whose stream ended early."""

from __future__ import annotations

from .._end import End, EndCause
from .._errors import IncompleteStream, describe_end, place_of

_TERMINAL = "a terminal event (response.completed, response.incomplete or response.failed)"
_ADVICE = (
    "ChatStream reads chat completions, MessageStream reads Anthropic messages, and EventStream "
    "other streams"
)


def incomplete(end: End, *, is_other: bool) -> IncompleteStream:
    """
    Return the error for a stream that ended before its response did.

    Args:
        end: How the stream ended.
        is_other: Whether no event was one of a response.
    """
    advice = f" ({_ADVICE})" if end.events_seen and is_other else ""
    message = describe_end(end, lambda end: _describe_missing(end) + advice)
    return IncompleteStream(message, end=end)


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
