"""Errors that a server sends inside the stream, in the forms seen on the wire."""

from __future__ import annotations

from typing import Any

from .._errors import ServerSentError
from .._json import is_object


def find_error(event_type: str, body: dict[str, Any]) -> ServerSentError | None:
    """
    Find an error in an event's JSON object.

    The forms: `{"error": {...}}` or `{"error": "..."}`, alone or beside choices; any object
    under `event: error`; `{"object": "error", ...}`; `{"type": "error", ...}`.

    Source: OpenAI's and OpenRouter's error references; recordings of Groq and vLLM.
    """
    inner = body.get("error")
    if inner or (inner is not None and "choices" not in body):
        return make_error(inner, body)
    flat = body.get("object") == "error" or (body.get("type") == "error" and "choices" not in body)
    if flat or event_type == "error":
        return make_error(body, body)
    return None


def make_error(inner: Any, body: dict[str, Any] | str) -> ServerSentError:
    """Make the error of the part of the body that describes it."""
    if not is_object(inner):
        return ServerSentError(message=str(inner), body=body)
    code = inner.get("code")
    return ServerSentError(
        message=_text(inner, "message") or _text(inner, "detail") or "",
        body=body,
        type=_text(inner, "type"),
        code=code if isinstance(code, str | int) else None,
        param=_text(inner, "param"),
    )


def _text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) else None
