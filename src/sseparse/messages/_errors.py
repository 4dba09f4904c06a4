"""Errors in the JSON of events and bodies, in the forms that servers send."""

from __future__ import annotations

from typing import Any

from .._errors import ServerSentError
from ..payloads._decoder import make_error
from ._events import KINDS

_DESCRIPTIONS = ("message", "msg", "detail")


def find_error(event_type: str, body: dict[str, Any]) -> ServerSentError | None:
    """
    Return the error in an event's JSON object, or None.

    The forms: `{"type": "error", "error": {...}}`, the same without a type or without the inner
    object, `{"type": "overloaded_error", "message": ...}`, a message with a code or an HTTP status,
    `{"detail": ...}` alone; any object of an event of type "error".

    Source: Anthropic API reference, "Errors"; errors of gateways to the API.
    """
    kind = body.get("type")
    if kind in KINDS and event_type != "error":
        return None
    inner = body.get("error")
    says_error = isinstance(kind, str) and kind.endswith("error")
    if inner and inner is not True and (kind is None or says_error or event_type == "error"):
        return make_error(inner, body)
    if event_type == "error" or kind == "error" or inner or _is_flat(body, says_error):
        return make_error(body, body)
    return None


def _is_flat(body: dict[str, Any], says_error: bool) -> bool:
    if body.keys() == {"detail"}:
        return True
    if not any(isinstance(body.get(name), str) for name in _DESCRIPTIONS):
        return False
    status = body.get("status")
    return says_error or ("type" not in body and ("code" in body or type(status) is int))
