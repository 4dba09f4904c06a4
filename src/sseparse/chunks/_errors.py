"""Errors in the JSON of events and bodies, and what is missing from a truncated stream."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from .._end import End
from .._errors import IncompleteStream, ServerSentError, SSEError, count, describe_end, place_of
from .._json import is_list, is_object
from ..payloads._server_errors import is_error, is_success, make_error

ERROR_FINISH_REASONS: Final = frozenset(
    {"abort", "error", "insufficient_system_resource", "network_error"}
)


def check_reasons(reasons: Collection[str]) -> frozenset[str]:
    """Return the option `error_finish_reasons` in lower case; raise ValueError if it's wrong."""
    if reasons is ERROR_FINISH_REASONS:
        return ERROR_FINISH_REASONS  # the same object for all streams
    if isinstance(reasons, str) or not all(isinstance(each, str) for each in reasons):
        raise ValueError(f"error_finish_reasons is {reasons!r}; give a collection of texts")
    return frozenset(reason.lower() for reason in reasons)


class WrongKind(SSEError):
    """
    Raised for a chunk of the other kind than the stream was opened for.

    Attributes:
        body: The chunk's JSON object.
    """

    def __init__(self, kind: str, body: dict[str, Any]) -> None:
        sent, other = ("legacy", "CompletionStream") if kind == "chat" else ("chat", "ChatStream")
        super().__init__(
            f'The server sent a chunk of a {sent} completion, but kind is "{kind}": use {other}, '
            "or Stream, which reads both."
        )
        self.body = body


def find_error(event_type: str, body: dict[str, Any]) -> ServerSentError | None:
    """
    Return the error in an event's JSON object, or None.

    The forms: `{"error": {...}}` or `{"error": "..."}`, alone or next to choices, in a choice, or
    in `x_groq`; a `base_resp` with a status; without choices, `{"errors": [...]}` and what all APIs
    share; any object of an event of type "error".

    Source: error references of OpenAI, OpenRouter and MiniMax; recordings of Groq and vLLM.
    """
    for inner in _described(body):
        return make_error(inner, body)
    is_flat = body.get("object") == "error" or (not body.get("choices") and is_error(body))
    return make_error(body, body) if is_flat or event_type == "error" else None


def _described(body: dict[str, Any]) -> Iterator[Any]:
    """Yield the parts of an object that describe an error."""
    inner = body.get("error")
    is_alone = "choices" not in body and "usage" not in body
    if inner is True:
        yield body
    elif is_alone and inner is not None and inner is not False:
        yield inner
    choices = body.get("choices")
    places = [body, body.get("x_groq"), *(choices if is_list(choices) else ())]
    yield from (
        place["error"] for place in places if is_object(place) and _says_failure(place.get("error"))
    )
    errors = body.get("errors")
    if is_list(errors) and not choices and body.get("success") is not True:
        yield from filter(None, errors)
    base = body.get("base_resp")  # MiniMax
    if is_object(base) and not is_success(base.get("status_code")):
        yield {"code": base["status_code"], "message": base.get("status_msg")}


def _says_failure(inner: Any) -> bool:
    """Return whether an error next to a chunk's other fields isn't an empty one."""
    if not is_object(inner):
        return bool(inner)
    code = inner.get("code")
    return any(inner.values()) and (code is None or not is_success(code))


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
