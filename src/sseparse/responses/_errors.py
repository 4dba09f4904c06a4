"""Errors in the JSON of events and bodies, and what is missing from a truncated stream."""

from __future__ import annotations

from typing import Any, Final

from .._end import End
from .._errors import IncompleteStream, ServerSentError, describe_end, place_of
from .._json import is_list, is_object
from ..payloads._server_errors import is_error, make_error
from ._events import ERROR_TYPE, KINDS, TERMINAL_TYPES

_FAILED: Final = "failed"
_TERMINAL = "a terminal event (response.completed, response.incomplete or response.failed)"
_ADVICE = (
    "ChatStream reads chat completions, MessageStream reads Anthropic messages, and EventStream "
    "other streams"
)


def find_error(event_type: str, body: dict[str, Any]) -> ServerSentError | None:
    """
    Return the error in an event's JSON object, or None.

    The forms: a terminal event whose response failed; an event of type "error" or "response.error",
    flat or nested; without a type, `{"error": …}`, `{"errors": […]}` and what all APIs share; a
    response that failed.

    Source: OpenAI API reference, "error"; field reports of Azure, vLLM and LiteLLM.
    """
    kind = body.get("type")
    response = body.get("response")
    response = response if is_object(response) else {}
    # A terminal event can have a type that isn't known yet.
    is_new = isinstance(kind, str) and kind not in KINDS and response.get("object") == "response"
    if is_new or (isinstance(kind, str) and kind in TERMINAL_TYPES):
        has_failed = kind == "response.failed" or response.get("status") == _FAILED
        inner: Any = response.get("error") or body.get("error") or {}
        return _make(inner, body) if has_failed else None
    if ERROR_TYPE in (kind, event_type) or kind == "response.error":
        return _make(body.get("error") or body, body)
    if isinstance(kind, str) and kind:
        return None  # an `error` is that of a tool
    if body.get("object") == "response":
        return _make(body.get("error") or {}, body) if body.get("status") == _FAILED else None
    return _find_untyped(body)


def _find_untyped(body: dict[str, Any]) -> ServerSentError | None:
    errors = body.get("errors")
    inner = body.get("error") or (errors[0] if is_list(errors) and errors else None)
    if inner:
        return _make(body if inner is True else inner, body)
    return _make(body, body) if is_error(body) else None


def _make(inner: Any, body: dict[str, Any]) -> ServerSentError:
    error = make_error(inner, body)
    if error.type == ERROR_TYPE:
        # It's the type of the event, not of the error.
        return make_error({**inner, "type": None}, body)
    return error


def explain(error: ServerSentError, other: ServerSentError) -> None:
    """Complete an error without a message by a later one: Azure sends the reason last."""
    ServerSentError.__init__(
        error,
        message=other.message,
        body=other.body,
        type=other.type or error.type,
        code=other.code or error.code,
        param=other.param or error.param,
    )


def incomplete(end: End, *, is_other: bool = False) -> IncompleteStream:
    """
    Return the error for a stream that ended before its response did.

    Args:
        end: How the stream ended.
        is_other: Whether no event was one of a response. Default: False.
    """
    advice = f" ({_ADVICE})" if end.events_seen and is_other else ""
    message = describe_end(end, lambda end: _describe_missing(end) + advice)
    return IncompleteStream(message, end=end)


def _describe_missing(end: End) -> str:
    if end.one_object:
        return "The body is one JSON object, a response that isn't finished"
    mark = " with [DONE] but" if end.done_seen else ""
    return f"{place_of(end)}{mark} without {_TERMINAL}"
