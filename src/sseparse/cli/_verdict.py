"""Description of how a stream ended, and the exit status for it."""

from __future__ import annotations

import codecs
from typing import Any, Final

from .. import (
    DecodeError,
    End,
    EndCause,
    IncompleteStream,
    NotEventStream,
    ProxyError,
    SSEError,
    StreamTimeout,
    TransportError,
)
from .._errors import count, place_of
from ..chunks._errors import describe_unfinished
from ._apis import API, CHAT

NOT_A_STREAM: Final = "not a stream: "
# A body without events is checked for other formats, by this many of its first bytes.
BODY_START: Final = 512


def describe_end(end: End, error: SSEError | None, api: API | None) -> str:
    """Describe in one line how a stream ended; the API is None if it isn't known."""
    if not end.bytes_seen and not isinstance(error, NotEventStream | TransportError):
        return "the body is empty"
    seen = count(end.bytes_seen, "byte")
    if end.events_seen or not isinstance(error, NotEventStream):
        seen = f"{count(end.events_seen, 'event')}, {seen}"
    if isinstance(error, StreamTimeout):
        return str(error).removesuffix(".")  # has the numbers of events and bytes
    if isinstance(error, TransportError):
        text = f"truncated: the connection failed: {describe_cause(error)}"
    elif error is not None:
        text = _describe_error(error, api)
    elif end.mid_event and (api is None or not end.complete):
        return f"truncated: {_place_of(end)}"
    elif api is None:
        text = (
            "the last event is complete, but the events are of an unknown API, so a truncated "
            "stream can't be recognized"
        )
    else:
        text = ", ".join(describe_complete(end, api))
    return text if text.startswith("truncated: the stream") else f"{text} ({seen})"


def describe_complete(end: End, api: API, result: Any = None) -> list[str]:
    """Return the finish reason and the word "complete", each with what was unusual."""
    reason = next(filter(None, end.finish_reasons.values()), None)
    finish = f"{api.finish}={reason}" if reason else f"no {api.finish}"
    if detail := getattr(result, "incomplete_reason", None):
        finish = f"{finish} ({detail})"
    if end.one_object:
        return [finish, "complete: one JSON object, not a stream"]
    return [finish, api.complete if end.done_seen else f"complete without {api.terminal}"]


def exit_status(end: End, error: SSEError | None) -> int:
    if isinstance(error, NotEventStream):
        return 2
    return 0 if error is None and end.complete and end.bytes_seen else 1


def find_other_format(end: End, body_start: bytes) -> NotEventStream | None:
    """
    Return an error if a body without events is HTML or binary data.

    By the standard, nearly all bytes are a stream: a line of a program that begins with a colon
    is a comment.
    """
    if end.events_seen or end.one_object or end.cause is EndCause.SERVER_ERROR:
        return None
    is_other = _is_binary(body_start) or body_start.lstrip().startswith(b"<")
    return NotEventStream(body_start=body_start) if is_other else None


def _is_binary(start: bytes) -> bool:
    try:
        # Unlike bytes.decode(), this ignores a character that is cut at the end.
        return "\0" in codecs.utf_8_decode(start)[0]
    except UnicodeDecodeError:
        return True


def _place_of(end: End) -> str:
    return place_of(end).replace("Stream", "the stream", 1)


def _is_done_of_chat(end: End, api: API | None) -> bool:
    """Return whether [DONE] was received as the end of a chat stream, not of another API's."""
    return end.done_seen and (api is CHAT or (api is None and end.events_seen == 1))


def _describe_truncated(end: End, api: API | None) -> str:
    place = "the body is one JSON object" if end.one_object else _place_of(end)
    if _is_done_of_chat(end, api):
        return f"truncated: {place} with [DONE], but without a choice"
    reasons = end.finish_reasons
    whose = f" for {describe_unfinished(reasons)}" if len(reasons) > 1 else ""
    return f"truncated: {place}{f' without {api.missing}' if api else ''}{whose}"


def _describe_error(error: SSEError, api: API | None) -> str:
    # The messages of these errors are for readers who write Python.
    match error:
        case NotEventStream() if encoding := error.headers.get("content-encoding"):
            return f"{NOT_A_STREAM}the body is compressed ({encoding}), which wasn't requested"
        case NotEventStream():
            return f"{NOT_A_STREAM}the body {_describe_start(error.body_start)}"
        case IncompleteStream(partial=part, end=end):
            is_other = api is None or (part is not None and not api.has_parts(part))
            if end.events_seen and is_other and not _is_done_of_chat(end, api):
                whose = "of an unknown API" if api is None else f"not those of the API {api.name!r}"
                return f"the events are {whose}; `sseparse parse --events` prints them"
            return _describe_truncated(end, api)
        case DecodeError():
            what = f"an event isn't {(api or CHAT).item}: {error.reason}"
            return f"malformed: {what}; its data begins {error.event.data[:60]!r}"
        case _:
            return str(error).removesuffix(".")


def describe_cause(error: TransportError) -> str:
    """Return the reason for a failed connection, without the names of Python's exceptions."""
    if isinstance(error, ProxyError):
        return str(error).removesuffix(".")
    cause: Any = error.__cause__
    return getattr(cause, "strerror", None) or str(cause or error)


def _describe_start(body: bytes) -> str:
    if not body:
        return "is empty"
    if body.startswith(b"\x1f\x8b"):
        return "is compressed with gzip: decompress it first"
    if _is_binary(body):
        return "is binary data"
    text = codecs.utf_8_decode(body)[0].strip()
    kind = {"<": "is HTML or XML and ", "{": "is JSON and "}
    return f"{kind.get(text[:1], '')}begins with {text[:60]!r}"
