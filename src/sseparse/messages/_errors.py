"""Errors in the JSON of events and bodies, and what is missing from a truncated stream."""

from __future__ import annotations

from typing import Any, Final

from .._end import End
from .._errors import IncompleteStream, ServerSentError, describe_end, place_of
from ..payloads._server_errors import is_error, make_error
from ._events import KINDS

_ERROR: Final = "error"


def find_error(event_type: str, body: dict[str, Any]) -> ServerSentError | None:
    """
    Return the error in an event's JSON object, or None.

    The forms: `{"type": "error", "error": {...}}`, the same without a type or without the inner
    object, and what all APIs share; any object of an event of type "error".

    Source: Anthropic API reference, "Errors"; errors of gateways to the API.
    """
    kind = body.get("type")
    kind = kind if isinstance(kind, str) else None
    if kind in KINDS:
        return None
    is_typed = _ERROR in (event_type, kind)
    if not is_typed and kind is not None and not kind.endswith(_ERROR):
        return None  # an `error` is that of a tool
    inner = body.get("error")
    if inner and inner is not True:
        return make_error(inner, body)
    if is_typed or inner or is_error(body):
        # The type "error" is that of the event, not of the error.
        return make_error({**body, "type": None} if kind == _ERROR else body, body)
    return None


def incomplete(end: End) -> IncompleteStream:
    """Return the error for a stream that ended before its message did."""
    return IncompleteStream(describe_end(end, _describe_missing), end=end)


def _describe_missing(end: End) -> str:
    if end.one_object:
        return "The body is one JSON object without a stop_reason"
    if end.done_seen:
        return f"{place_of(end)} with message_stop but without content"
    if end.events_seen and not end.finish_reasons:
        advice = (
            "ChatStream reads chat completions, ResponseStream reads OpenAI responses, and "
            "EventStream other streams"
        )
        return f"{place_of(end)} without message_start ({advice})"
    return f"{place_of(end)} without a stop_reason or message_stop"
