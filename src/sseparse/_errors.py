"""The errors of the library, their causes, and how those of other libraries are translated."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from ._deadlines import Clock
from ._end import End, EndCause

if TYPE_CHECKING:
    from .sse._event import Event


def _rebuild(kind: type[SSEError], args: tuple[Any, ...], state: dict[str, Any]) -> SSEError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


Limit = Literal["line", "event", "objects", "choices", "tool_calls", "accumulated", "last_event_id"]
_LIMITS: Mapping[Limit, tuple[str, str]] = {
    "line": ("line larger than {} bytes", "max_line_bytes"),
    "event": ("event larger than {} bytes", "max_event_bytes"),
    "objects": ("event of more than {} JSON objects and arrays", "max_objects"),
    "choices": ("more than {} choices in one completion, or an index as large", "max_choices"),
    "tool_calls": ("more than {} tool calls in one completion", "max_tool_calls"),
    "accumulated": ("completion larger than {} bytes", "max_accumulated_bytes"),
    "last_event_id": ("last event ID larger than {} bytes", ""),
}
_SHORTER_IDS = (
    "it isn't sent as Last-Event-ID, so the server can't resume after it: have the server send "
    "shorter ids"
)


class SSEError(Exception):
    """
    Root of everything this library raises about a stream.

    Attributes:
        partial: The completion accumulated before the fault, or None where nothing accumulates.
    """

    partial: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own pickling calls the class with `args` alone, which would lose the
        # keyword arguments below when an error crosses a process border.
        return _rebuild, (type(self), self.args, dict(self.__dict__))


class LimitExceeded(SSEError):
    """
    Report that a stream went beyond a limit.

    Attributes:
        limit: Which limit: "line" or "event", of one line or of one event's data; "objects", of
            the number of JSON objects and arrays in it; "choices" or "tool_calls", of their
            number in a completion; "accumulated", of all that is kept of a completion;
            "last_event_id", of the ID that a new connection sends.
        maximum: The limit: of bytes for "line", "event", "accumulated" and "last_event_id", else
            of things.
        offset: Where in the stream the line that went too far begins, in bytes, for "line" and
            "event"; else None.
    """

    def __init__(self, *, limit: Limit, maximum: int, offset: int | None = None) -> None:
        said, option = _LIMITS[limit]
        place = "" if offset is None else f", at the line that begins at byte {offset}"
        advice = f"raise {option} if the server is trusted" if option else _SHORTER_IDS
        super().__init__(f"{said.format(maximum)}{place}; {advice}")
        self.limit: Limit = limit
        self.maximum = maximum
        self.offset = offset


class EncodingError(SSEError):
    """
    Report ill-formed UTF-8 in a stream read with errors="strict".

    Attributes:
        offset: Where the ill-formed sequence begins, in bytes from the start of the stream.
        reason: What is wrong with it.
    """

    def __init__(self, *, offset: int, reason: str) -> None:
        super().__init__(
            f"ill-formed UTF-8 at byte {offset}: {reason}; "
            'errors="replace" reads on with U+FFFD, as the standard does'
        )
        self.offset = offset
        self.reason = reason


class NotEventStream(SSEError):
    """
    Report a body that holds no event stream: an HTML page, plain JSON, text.

    Attributes:
        status: The HTTP status, where the source has one.
        content_type: The Content-Type header, where the source has one.
        body_start: The first bytes of the body, at most 512.
        headers: The response's headers, by lower-case name; empty where the source has none.
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
        what, advice = _redirect(status, known) or _encoded(body_start, known) or _body(body_start)
        super().__init__(f"Response is not an event stream ({about}){what}; {advice}.")
        self.status = status
        self.content_type = content_type
        self.body_start = body_start
        self.headers = known


def _redirect(status: int | None, headers: Mapping[str, str]) -> tuple[str, str] | None:
    if status not in (301, 302, 303, 307, 308) or "location" not in headers:
        return None
    # The message goes into logs: it holds neither the user and password nor the query.
    shown = re.sub("//[^/?#]*@", "//", re.split("[?#]", headers["location"], maxsplit=1)[0])
    return f": it's a redirect to {shown}", (
        "following it can turn a POST into a GET or send a key to another host, so request that "
        "URL itself if you trust it (.headers['location'] has all of it)"
    )


def _encoded(body_start: bytes, headers: Mapping[str, str]) -> tuple[str, str] | None:
    if not looks_encoded(body_start, headers):
        return None
    encoding = _encoding(headers)
    unmarked = encoding == "identity"
    what = "seems to be compressed" if unmarked else f"is marked as compressed with {encoding}"
    return f": it {what}", (
        "send 'Accept-Encoding: identity', or let the HTTP library decompress what it reads"
    )


def looks_encoded(body_start: bytes, headers: Mapping[str, str]) -> bool:
    """Return whether a body seems to be compressed still, as its headers or first bytes say."""
    if body_start.startswith(b"\x1f\x8b"):
        return True
    return _encoding(headers) != "identity" and not _is_text(body_start)


def _encoding(headers: Mapping[str, str]) -> str:
    return headers.get("content-encoding", "identity").strip().lower()


def _is_text(body_start: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        return bool(decoder.decode(body_start))
    except UnicodeDecodeError:
        return False


def _body(body_start: bytes) -> tuple[str, str]:
    looks = _looks_like(body_start)
    return f": it looks like {looks}" if looks else "", (
        "expected the content type text/event-stream and lines such as 'data: {...}': check the "
        "URL and that the request asks for a stream"
    )


def _looks_like(body_start: bytes) -> str | None:
    text = body_start.removeprefix(codecs.BOM_UTF8).strip()
    if text.startswith(b"<"):
        return "HTML or XML"
    if not text.startswith((b"{", b"[")):
        return None
    first, *others = text.splitlines()
    one_each = first.rstrip().endswith(b"}") and any(line.startswith(b"{") for line in others)
    return "JSON Lines" if one_each else "JSON"


class ChunkDecodeError(SSEError):
    """
    Report an event whose data is not a JSON object.

    Attributes:
        event: The event as it came.
        reason: What is wrong with its data.
    """

    def __init__(self, *, event: Event, reason: str) -> None:
        super().__init__(
            f"event is no chunk: {reason}; data begins {event.data[:80]!r}; "
            'on_bad_json="skip" drops such events and counts them'
        )
        self.event = event
        self.reason = reason


class ServerSentError(SSEError):
    """
    Report an error that the server sent inside the stream.

    Attributes:
        message: The server's words.
        type: The server's class of error, or None.
        code: The server's code, a string or a number, or None.
        param: The request's parameter at fault, or None.
        body: The event's data as it came, or the whole body where that was the error: the JSON
            object, or the text where it was no JSON.
        status: The HTTP status, where the source has one.
        headers: The response's headers, by lower-case name; empty where the source has none.
    """

    status: int | None = None
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        *,
        message: str,
        body: dict[str, Any] | str,
        type: str | None = None,  # noqa: A002 - the API names it so
        code: str | int | None = None,
        param: str | None = None,
    ) -> None:
        about = ", ".join(
            f"{name} {value}" for name, value in (("type", type), ("code", code)) if value
        )
        super().__init__(
            f"the server sent an error: {message or 'no message'}{f' ({about})' if about else ''}"
        )
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.body = body


class IncompleteStream(SSEError):
    """
    Raised for a response that isn't complete as far as is known.

    Args:
        message: What is missing. By default it's derived from the end.

    Attributes:
        end: How the stream ended.
    """

    def __init__(self, message: str | None = None, *, end: End) -> None:
        super().__init__(_describe(end) if message is None else message)
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


def _describe(end: End) -> str:
    """Say what an end reports, and nothing that it doesn't know."""
    reasons = end.finish_reasons.values()
    if end.cause is not EndCause.INCOMPLETE:
        what = _place(end) + _STOPPED[end.cause]
    elif end.done_seen or end.finish_seen or (reasons and None not in reasons):
        what = f"{_place(end)} with an error {_REPORTED}"
    else:
        what = f"{_what_is_missing(end)}: the response is incomplete"
    return f"{what}. What was accumulated is in .partial."


def _place(end: End) -> str:
    size = f" ({count(end.bytes_seen, 'byte')})" if end.bytes_seen else ""
    if not end.events_seen:
        return f"Stream ended {'inside' if end.mid_event else 'before'} the first event{size}"
    inside = "inside an event " if end.mid_event else ""
    return f"Stream ended {inside}after {count(end.events_seen, 'event')}{size}"


def _what_is_missing(end: End) -> str:
    reasons = end.finish_reasons
    whose = f" for {describe_unfinished(reasons)}" if reasons else ""
    if end.one_object:
        missing = f"a finish_reason{whose}" if reasons else "a choice"
        return f"The body is one JSON object without {missing}"
    if end.events_seen and not reasons:
        return (
            f"{_place(end)} without [DONE] or a choice (EventStream reads streams that aren't chat "
            "or legacy completions)"
        )
    return f"{_place(end)} without [DONE] or a finish_reason{whose}"


def describe_unfinished(finish_reasons: Mapping[int, str | None]) -> str:
    """Name the first choice that has no finish reason, and count those that have one."""
    missing = [index for index, reason in finish_reasons.items() if reason is None]
    total = count(len(finish_reasons), "choice")
    return f"choice {min(missing)} ({len(finish_reasons) - len(missing)} of {total} finished)"


def count(number: int, noun: str) -> str:
    """Write a number of things: "1 event", "1,024 events"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class BrokenStage(SSEError):
    """
    Raised by every call after an unexpected exception interrupted one.

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
    Report a connection that failed under the stream.

    The transport's own exception is the `__cause__`.
    """


class StreamTimeout(TransportError):
    """
    Report that nothing came in time.

    Attributes:
        clock: Which deadline passed: "first_event", "between_bytes", "between_events" or "total";
            or "transport" for the HTTP library's own read timeout.
    """

    def __init__(self, message: str, *, clock: str) -> None:
        super().__init__(message)
        self.clock = clock


_WAITED: Final[Mapping[Clock, str]] = {
    "first_event": "no event within {} s of the first read",
    "between_bytes": "no bytes for {} s",
    "between_events": "no event for {} s",
    "total": "not over after {} s",
}


def status_of(source: object) -> int | None:
    """Return the HTTP status of a source, where it has one."""
    status: int | None = getattr(source, "status", None)
    return status


def headers_of(source: object) -> dict[str, str]:
    """Return the headers of a source by lower-case name; none where it has none."""
    return _known(getattr(source, "headers", None) or {})


def _known(headers: Any) -> dict[str, str]:
    return {
        name.lower(): value
        for name, value in headers.items()
        if isinstance(name, str) and isinstance(value, str)
    }


def not_a_stream(body_start: bytes, source: object) -> NotEventStream:
    """Say that the body of a source is something else."""
    return refused(status_of(source), getattr(source, "headers", None) or {}, body_start)


def refused(status: int | None, headers: object, body_start: bytes = b"") -> NotEventStream:
    """Say that a response is something else, by its status, its headers and what its body shows."""
    known = _known(headers)
    return NotEventStream(
        body_start=body_start,
        status=status,
        content_type=known.get("content-type"),
        headers=known,
    )


def with_response(error: SSEError, source: object) -> SSEError:
    """Add to an error what the response says, of which the stage that met it knows nothing."""
    if isinstance(error, NotEventStream):
        return not_a_stream(error.body_start, source)
    if isinstance(error, ServerSentError):
        error.status = status_of(source)
        error.headers = headers_of(source)
    return error


def transport_error(cause: Exception, seen: End) -> TransportError:
    """Say that a source raised what is no error of ours."""
    message = (
        f"the connection failed after {seen.bytes_seen} bytes, {seen.events_seen} events seen: "
        f"{type(cause).__name__}: {cause}"
    )
    late = isinstance(cause, TimeoutError)
    error = StreamTimeout(message, clock="transport") if late else TransportError(message)
    error.__cause__ = cause
    return error


def timeout(clock: Clock, seconds: float, seen: End, cause: BaseException | None) -> StreamTimeout:
    """Say that a deadline passed, and what the transport raised at that, if it did."""
    error = StreamTimeout(
        f"{_WAITED[clock].format(seconds)}: the deadline {clock} passed after "
        f"{seen.bytes_seen} bytes, {seen.events_seen} events seen",
        clock=clock,
    )
    error.__cause__ = cause
    return error
