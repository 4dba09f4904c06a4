"""The errors that streams make: what was seen, and what the response says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .._deadlines import Clock
from .._ends import End
from .._errors import NotEventStream, ServerSentError, SSEError, StreamTimeout, TransportError

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
