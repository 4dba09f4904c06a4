"""Errors in the JSON of events and bodies, in the forms that servers send."""

from __future__ import annotations

from typing import Any, Final

from .._errors import ServerSentError
from ..payloads._decoder import make_error
from ._events import KINDS

_ERROR: Final = "error"
_DESCRIPTIONS: Final = ("message", "msg", "detail")


def find_error(event_type: str, body: dict[str, Any]) -> ServerSentError | None:
    """
    Return the error in an event's JSON object, or None.

    The forms: `{"type": "error", "error": {...}}`, the same without a type or without the inner
    object, `{"type": "overloaded_error", "message": ...}`, a message with a code or an HTTP status,
    `{"detail": ...}` alone; any object of an event of type "error".

    Source: Anthropic API reference, "Errors"; errors of gateways to the API.
    """
    kind = body.get("type")
    kind = kind if isinstance(kind, str) else None
    if kind in KINDS:
        return None
    is_error = _ERROR in (event_type, kind)
    if not is_error and kind is not None and not kind.endswith(_ERROR):
        return None  # an `error` is that of a tool
    inner = body.get("error")
    if inner and inner is not True:
        return make_error(inner, body)
    if is_error or inner or _is_flat(body):
        # The type "error" is that of the event, not of the error.
        return make_error({**body, "type": None} if kind == _ERROR else body, body)
    return None


def _is_flat(body: dict[str, Any]) -> bool:
    if not any(isinstance(body.get(name), str) for name in _DESCRIPTIONS):
        return False
    status = body.get("status")
    has_code = body.get("code") or type(status) is int or body.get("type")
    return bool(has_code) or body.keys() == {"detail"}
