"""The errors of the library, the end that each causes, and the errors of other libraries."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from ._end import End, EndCause
from ._response import (
    REDIRECTS,
    content_codings,
    headers_of,
    looks_encoded,
    lost_line_ends,
    lower_case,
    name_format,
    status_of,
)


def _rebuild(kind: type[SSEError], args: tuple[Any, ...], state: dict[str, Any]) -> SSEError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class SSEError(Exception):
    """
    Base class of all errors about a stream.

    Attributes:
        partial: The result accumulated before the error; None if the stage or stream has no
            accumulator.
        status: The HTTP status of the stream's response; None if unknown.
        headers: The headers of that response by lower-case name; empty if unknown.
    """

    partial: Any = None
    status: int | None = None
    headers: Mapping[str, str] = MappingProxyType({})

    @property
    def request_id(self) -> str | None:
        """
        The id of the request, for a report to the provider; None if unknown.

        It's the first of the headers `request-id` (Anthropic) and `x-request-id` (OpenAI and
        others), or `request_id` in the body of an error that the server sent (Anthropic).

        Source: Anthropic API reference, "Request id"; OpenAI API reference, "Debugging requests".
        """
        return self.headers.get("request-id") or self.headers.get("x-request-id") or None

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own pickling calls the class with `args` alone, which would lose the
        # keyword arguments below when an error is sent to another process.
        return _rebuild, (type(self), self.args, dict(self.__dict__))


class LimitExceeded(SSEError):
    """
    Raised when a stream exceeds a limit.

    Attributes:
        limit: The name of the limit: "line" (bytes of a line), "event" (bytes of an event's data),
            "last_event_id" (bytes of the ID that a new connection sends), or a limit of the API,
            such as "objects", "choices", "tool_calls" or "accumulated".
        maximum: The value of the limit: bytes for "line", "event", "accumulated" and
            "last_event_id", otherwise a count.
        offset: For "line" and "event", the start of the line that exceeds the limit, in bytes from
            the start of the stream; otherwise None.
    """

    def __init__(
        self,
        *,
        limit: str,
        maximum: int,
        offset: int | None = None,
        what: str | None = None,
        advice: str | None = None,
    ) -> None:
        place = "" if offset is None else f" at byte {offset:,}"
        what = what or f"The limit '{limit}' of {maximum:,} is exceeded"
        super().__init__(f"{what}{place}: {advice or 'raise the limit if you trust the server'}.")
        self.limit = limit
        self.maximum = maximum
        self.offset = offset


class EncodingError(SSEError):
    """
    Raised for malformed UTF-8 in a stream read with errors="strict".

    Attributes:
        offset: The start of the malformed sequence, in bytes from the start of the stream.
        reason: What is wrong with the sequence.
    """

    def __init__(self, *, offset: int, reason: str) -> None:
        super().__init__(
            f"Malformed UTF-8 at byte {offset:,} ({reason}): "
            'errors="replace" continues with U+FFFD, as the standard does.'
        )
        self.offset = offset
        self.reason = reason


class NotEventStream(SSEError):
    """
    Raised for a body that isn't an event stream: an HTML page, JSON, text.

    Attributes:
        status: The HTTP status, or None if unknown.
        content_type: The Content-Type header, or None if unknown.
        body_start: The first bytes of the body, at most 512.
        headers: The response's headers by lower-case name; empty if unknown.
    """

    def __init__(
        self,
        *,
        body_start: bytes,
        status: int | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        known = dict(headers or {})
        facts = [
            f"status {status}" if status is not None else "",
            f"content type {content_type}" if content_type is not None else "",
            f"body begins {body_start[:80]!r}" if body_start else "no body was read",
        ]
        about = ", ".join(filter(None, facts))
        what, advice = (
            _describe_redirect(status, known)
            or _describe_coding(body_start, known)
            or _describe_body(body_start)
        )
        super().__init__(f"Response is not an event stream ({about}){what}; {advice}.")
        self.status = status
        self.content_type = content_type
        self.body_start = body_start
        self.headers: Mapping[str, str] = known

    @classmethod
    def from_response(
        cls, status: int | None, headers: object, body_start: bytes = b""
    ) -> NotEventStream:
        """Make the error from the status, headers (a mapping, or None) and body of a response."""
        known = lower_case(headers)
        return cls(
            body_start=body_start,
            status=status,
            content_type=known.get("content-type"),
            headers=known,
        )


def _describe_redirect(status: int | None, headers: Mapping[str, str]) -> tuple[str, str] | None:
    if status not in REDIRECTS or "location" not in headers:
        return None
    # The message goes into logs: it has neither the user and password nor the query.
    shown = re.sub("//[^/?#]*@", "//", re.split("[?#]", headers["location"], maxsplit=1)[0])
    return f": it's a redirect to {shown}", (
        "following it can turn a POST into a GET or send a key to another host, so request that "
        "URL itself if you trust it (.headers['location'] has all of it)"
    )


def _describe_coding(body_start: bytes, headers: Mapping[str, str]) -> tuple[str, str] | None:
    if not looks_encoded(body_start, headers):
        return None
    what = "seems to be compressed"
    if content_codings(headers):
        what = f"is marked as compressed with {headers['content-encoding'].strip().lower()}"
    return f": it {what}", (
        "send 'Accept-Encoding: identity', or let the HTTP library decompress what it reads"
    )


def _describe_body(body_start: bytes) -> tuple[str, str]:
    if lost_line_ends(body_start):
        return ": its lines lost their ends", (
            "pass the response itself, or its bytes as they arrive, instead of iter_lines()"
        )
    looks = name_format(body_start)
    return f": it looks like {looks}" if looks else "", (
        "expected the content type text/event-stream and lines such as 'data: {...}': check the "
        "URL and that the request asks for a stream"
    )


class ServerSentError(SSEError):
    """
    Raised for an error that the server sent in the stream.

    Attributes:
        message: The server's message.
        type: The server's error type, or None.
        code: The server's error code, or None.
        param: The parameter of the request that caused the error, or None.
        body: The event's data, or the complete body if the body was the error: the JSON object, or
            the text if it isn't JSON.
    """

    def __init__(
        self,
        *,
        message: str,
        body: dict[str, Any] | str,
        type: str | None = None,  # noqa: A002 - the API names it so
        code: str | int | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.body = body

    def __str__(self) -> str:
        # The status is known only after the error was made.
        status = None if self.status == 200 else self.status
        facts = ("status", status), ("type", self.type), ("code", self.code)
        about = ", ".join(f"{name} {value}" for name, value in facts if value)
        return (
            f"The server sent an error: {self.message or 'no message'}"
            f"{f' ({about})' if about else ''}"
        )

    @property
    def request_id(self) -> str | None:
        """The id of the request, from the error itself or the response; None if unknown."""
        own = self.body.get("request_id") if isinstance(self.body, dict) else None
        return own if own and isinstance(own, str) else super().request_id


class IncompleteStream(SSEError):
    """
    Raised for a stream that ended before its result was complete.

    Args:
        message: What is missing. By default it's derived from the end.

    Attributes:
        end: How the stream ended.
    """

    def __init__(self, message: str | None = None, *, end: End) -> None:
        super().__init__(
            message or describe_end(end, lambda end: f"{place_of(end)} without a terminal event")
        )
        self.end = end


_REPORTED: Final = "(the parser or stream reported it)"
_STOPPED: Final[Mapping[EndCause, str]] = {
    EndCause.DONE: "",
    EndCause.FINISHED: "",
    EndCause.SERVER_ERROR: f" with an error that the server sent {_REPORTED}",
    EndCause.NOT_A_STREAM: f" because the response isn't an event stream {_REPORTED}",
    EndCause.TRANSPORT: " because the connection failed",
    EndCause.TIMEOUT: " because of a timeout",
    EndCause.CANCELLED: " because its reader closed it",
}


def describe_end(end: End, describe_missing: Callable[[End], str]) -> str:
    """
    Describe an end by what it reports, for an `IncompleteStream`.

    Args:
        end: The end.
        describe_missing: Says what is missing, in the words of the API, if no error explains the
            end.
    """
    reasons = end.finish_reasons.values()
    if end.cause is not EndCause.INCOMPLETE:
        what = place_of(end) + _STOPPED[end.cause]
    elif (reasons and (end.done_seen or None not in reasons)) or end.finish_seen:
        what = f"{place_of(end)} with an error {_REPORTED}"
    else:
        what = f"{describe_missing(end)}: the response is incomplete"
    return f"{what}. What was accumulated is in .partial."


def place_of(end: End) -> str:
    """Return where a stream ended: "Stream ended after 12 events (3,410 bytes)"."""
    size = f" ({count(end.bytes_seen, 'byte')})" if end.bytes_seen else ""
    if not end.events_seen:
        return f"Stream ended {'inside' if end.mid_event else 'before'} the first event{size}"
    inside = "inside an event " if end.mid_event else ""
    return f"Stream ended {inside}after {count(end.events_seen, 'event')}{size}"


def describe_seen(end: End) -> str:
    """Return what was received: "after 12 events (3,410 bytes)"."""
    return f"after {count(end.events_seen, 'event')} ({count(end.bytes_seen, 'byte')})"


def count(number: int, noun: str) -> str:
    """Write a number of things: "1 event", "1,024 events"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class ParseError(SSEError):
    """
    Raised by `parse()` if there is no text, or if it can't be parsed as the requested type.

    The original exception, if any, is the `__cause__`. `partial` is the object whose `parse()` was
    called, or the result of the stream.

    Attributes:
        text: The text; "" if there is none.
    """

    def __init__(self, message: str, *, text: str, partial: Any = None) -> None:
        super().__init__(message)
        self.text = text
        self.partial = partial


class BrokenStage(SSEError):
    """
    Raised by every call after an unexpected exception interrupted a call.

    That exception, such as a MemoryError, a KeyboardInterrupt or one that a callback raised, was
    raised by the interrupted call. The items that the call would have returned are lost.
    """

    def __init__(self) -> None:
        super().__init__(
            "An exception interrupted an earlier call, so that items may be missing: continue with "
            "a new object, after the last item that you received."
        )


class TransportError(SSEError):
    """
    Raised for a connection that failed during the stream.

    The transport's own exception is the `__cause__`.
    """


class StreamTimeout(TransportError):
    """
    Raised when a deadline passes.

    Attributes:
        clock: The deadline: "first_event", "between_bytes", "between_events" or "total"; or
            "transport" for a read timeout of the HTTP library.
    """

    def __init__(self, message: str, *, clock: str) -> None:
        super().__init__(message)
        self.clock = clock


class ProxyError(TransportError):
    """
    Raised if a proxy refuses a connection or a request, or isn't an HTTP proxy.

    Attributes:
        status: The HTTP status of the proxy's response; None if it sent no valid one.
        headers: The headers of that response by lower-case name.
    """

    def __init__(
        self, message: str, *, status: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers: Mapping[str, str] = dict(headers or {})


_CAUSES: Final = (
    (NotEventStream, EndCause.NOT_A_STREAM),
    (StreamTimeout, EndCause.TIMEOUT),
    (TransportError, EndCause.TRANSPORT),
    (ServerSentError, EndCause.SERVER_ERROR),
    (SSEError, EndCause.INCOMPLETE),
)


def cause_of(error: SSEError | None) -> EndCause | None:
    """Return how a stream ends that an error stops; None for no error."""
    return next((cause for kind, cause in _CAUSES if isinstance(error, kind)), None)


def add_response(error: SSEError, response: object) -> SSEError:
    """Return the error with the status and headers of the response that it's about."""
    if error.status is not None:
        return error  # an adapter knew it
    status, headers = status_of(response), headers_of(response)
    if isinstance(error, NotEventStream):
        return NotEventStream.from_response(status, headers, error.body_start)
    error.status, error.headers = status, headers
    return error


# Of Python or urllib3, httpx, and trio. Their subclasses have these names among their bases.
_TIMEOUT_CLASSES: Final = ("TimeoutError", "TimeoutException", "TooSlowError")


def translated(library: str | None, cause: Exception, place: str = "") -> TransportError:
    """
    Return the error for an exception of another library, which becomes its `__cause__`.

    Args:
        library: The library's name, for the message; None for the exception's own package.
        cause: The exception. A timeout becomes a `StreamTimeout`.
        place: Where in the stream it happened, for the message.
    """
    library = library or type(cause).__module__.partition(".")[0]
    is_timeout = any(kind.__name__ in _TIMEOUT_CLASSES for kind in type(cause).__mro__)
    reason = str(cause) or cause.__cause__ or ("timed out" if is_timeout else "no reason given")
    message = f"{library} failed{place}: {type(cause).__name__}: {reason}"
    error = StreamTimeout(message, clock="transport") if is_timeout else TransportError(message)
    error.__cause__ = cause
    return error
