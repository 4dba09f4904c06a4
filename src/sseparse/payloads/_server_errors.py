"""Errors of servers and gateways in JSON, in the forms that all APIs share."""

from __future__ import annotations

from typing import Any, Final

from .._errors import ServerSentError
from .._json import is_list, is_object

# The names under which servers send an error's message and its code.
_MESSAGES: Final = ("message", "detail", "msg", "error_msg", "status_msg", "title")
_CODES: Final = ("code", "error_code", "status_code", "statusCode")
# The names under which they send an object with the message.
_NESTED: Final = ("message", "detail", "error")
_MAX_NESTED: Final = 3
# Codes that servers send next to a message when nothing failed, and the types of such messages.
_SUCCESS: Final = frozenset({"", "0", "00000", "200", "20000", "none", "ok", "success"})
_REPORTS: Final = frozenset({"debug", "info", "log", "notice", "status", "warn", "warning"})


def make_error(inner: Any, body: dict[str, Any] | str) -> ServerSentError:
    """Make the error that a part of an event's data describes."""
    if not is_object(inner):
        return ServerSentError(message=str(inner), body=body)
    codes = (inner.get(name) for name in _CODES)
    return ServerSentError(
        message=_find_message(inner),
        body=body,
        type=_text(inner, "type"),
        code=next((code for code in codes if isinstance(code, str | int)), None),
        param=_text(inner, "param"),
    )


def _find_message(inner: Any, depth: int = 0) -> str:
    """Return the message of an error, or of an object inside it that describes it; or ""."""
    if is_list(inner) and inner:
        inner = inner[0]  # FastAPI has a list of what is wrong in `detail`
    if not is_object(inner):
        return inner if isinstance(inner, str) else ""
    texts = (_text(inner, name) for name in _MESSAGES)
    nested = (inner.get(name) for name in _NESTED if depth < _MAX_NESTED)
    found = (*texts, *(_find_message(each, depth + 1) for each in nested))
    return next(filter(None, found), "")


def _text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) else None


def is_error(body: dict[str, Any]) -> bool:
    """
    Return whether an object that isn't an item of an API is an error, by its own fields.

    The forms: `"object": "error"`, `"type": "error"`, `{"success": false}`, `{"detail": …}` alone;
    a message next to a code, to an HTTP status, to a type that ends with "error", to
    `"status": "error"` or to `"ok": false`.

    Source: RFC 9457; error references of Azure API Management, Cloudflare, Baidu and FastAPI.
    """
    kind, status = body.get("type"), body.get("status")
    if "error" in (body.get("object"), kind) or body.get("success") is False:
        return True
    if body.keys() == {"detail"}:
        return True
    kinds = {str(body.get(name)).lower() for name in ("type", "level")}
    if kinds & _REPORTS or not any(_text(body, name) for name in _MESSAGES):
        return False
    has_status = isinstance(status, int) and status >= 400
    is_typed = isinstance(kind, str) and kind.endswith("error")
    has_failed = body.get("ok") is False or status == "error"
    has_code = not all(is_success(body.get(name)) for name in _CODES)
    return has_status or is_typed or has_failed or has_code


def is_success(code: Any) -> bool:
    """Return whether a code next to a message says that nothing failed."""
    return str(code).lower() in _SUCCESS
