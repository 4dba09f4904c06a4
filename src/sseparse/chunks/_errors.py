"""Errors in the JSON of events and bodies, in the forms that servers send."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from .._errors import ServerSentError, SSEError
from .._json import is_list, is_object
from ..payloads._decoder import make_error

ERROR_FINISH_REASONS: Final = frozenset({"abort", "error", "network_error"})

# Codes that servers send next to a message when nothing failed.
_SUCCESS: Final = (None, 0, 200, "", "0", "200", "success", "ok")
_MESSAGES: Final = ("message", "msg", "error_msg")
_CODES: Final = ("code", "error_code")


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

    The forms: `{"error": {...}}` or `{"error": "..."}`, alone or next to choices, or in a choice;
    a `base_resp` with a status; `"object": "error"`; without choices, `{"errors": [...]}`,
    `{"success": false}`, `{"detail": ...}` alone, `"type": "error"`, and a message with a code; any
    object of an event of type "error".

    Source: error references of OpenAI, OpenRouter, Cloudflare, MiniMax and Baidu; recordings of
    Groq and vLLM.
    """
    for inner in _described(body):
        return make_error(inner, body)
    is_flat = body.get("object") == "error" or (
        body.get("choices") is None
        and (
            body.get("success") is False
            or body.keys() == {"detail"}
            or body.get("type") == "error"
            or _has_message_and_code(body)
        )
    )
    return make_error(body, body) if is_flat or event_type == "error" else None


def _described(body: dict[str, Any]) -> Iterator[Any]:
    """Yield the parts of an object that describe an error."""
    inner = body.get("error")
    if inner is True:
        yield body
    elif inner or (inner is not None and inner is not False and "choices" not in body):
        yield inner
    choices = body.get("choices")
    for choice in choices if is_list(choices) else ():
        if is_object(choice) and choice.get("error"):
            yield choice["error"]
    errors = body.get("errors")
    if is_list(errors) and choices is None and body.get("success") is not True:
        yield from errors
    base = body.get("base_resp")  # MiniMax
    if is_object(base) and base.get("status_code") not in _SUCCESS:
        yield {"code": base["status_code"], "message": base.get("status_msg")}


def _has_message_and_code(body: dict[str, Any]) -> bool:
    has_message = any(isinstance(body.get(name), str) for name in _MESSAGES)
    return has_message and any(body.get(name) not in _SUCCESS for name in _CODES)
