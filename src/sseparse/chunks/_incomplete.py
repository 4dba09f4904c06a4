"""What is missing from a completion whose stream ended early."""

from __future__ import annotations

from collections.abc import Mapping

from .._end import End
from .._errors import IncompleteStream, count, describe_end, place_of


def incomplete(end: End) -> IncompleteStream:
    """Return the error for a stream that ended before its completion did."""
    return IncompleteStream(describe_end(end, _describe_missing), end=end)


def _describe_missing(end: End) -> str:
    reasons = end.finish_reasons
    whose = f" for {describe_unfinished(reasons)}" if reasons else ""
    if end.one_object:
        missing = f"a finish_reason{whose}" if reasons else "a choice"
        return f"The body is one JSON object without {missing}"
    if end.done_seen or (end.events_seen and not reasons):
        missing = (
            "with [DONE] but without a choice" if end.done_seen else "without [DONE] or a choice"
        )
        advice = (
            "ResponseStream reads OpenAI responses, MessageStream reads Anthropic messages, and "
            "EventStream other streams that aren't chat or legacy completions"
        )
        return f"{place_of(end)} {missing} ({advice})"
    return f"{place_of(end)} without [DONE] or a finish_reason{whose}"


def describe_unfinished(finish_reasons: Mapping[int, str | None]) -> str:
    """Name the first choice that has no finish reason, and count those that have one."""
    missing = [index for index, reason in finish_reasons.items() if reason is None]
    total = count(len(finish_reasons), "choice")
    return f"choice {min(missing)} ({len(finish_reasons) - len(missing)} of {total} finished)"
