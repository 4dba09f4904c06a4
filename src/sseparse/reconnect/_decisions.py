"""Decisions of a reconnection policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from attrs import field, frozen

StopReason = Literal["no_content", "finished", "cancelled", "gone", "not_offered"]
"""
Why a stream ended as intended.

* "no_content": The server answered with status 204, because it wants no reconnection.
* "finished": The stream is complete: a terminal event or [DONE] was received.
* "cancelled": The reader closed the stream.
* "gone": The session no longer exists (MCP, status 404); begin a new one.
* "not_offered": The server offers no stream here (MCP, status 405).
"""

FailReason = Literal[
    "status", "content_type", "retry_after", "attempts", "mid_stream", "no_cursor",
    "server_error", "not_a_stream",
]  # fmt: skip
"""
Why a stream is lost.

* "status", "content_type": The response isn't a stream, and another attempt won't change that.
* "retry_after": The server requests a longer wait than `honor_retry_after`.
* "attempts": `max_attempts` reconnections in a row made no progress.
* "mid_stream": The response had begun, and the protocol can't resume it.
* "no_cursor": The protocol can resume, but no event ID or sequence number was received.
* "server_error": The server reported an error in the stream.
* "not_a_stream": The body isn't an event stream.
"""


@frozen
class Read:
    """The decision to read the body of a response."""


@frozen
class Stop:
    """
    The decision to stop, because the stream ended as intended for a `reason`.

    Attributes:
        reason: Why the stream stopped; see `StopReason`.
    """

    reason: StopReason


@frozen
class Fail:
    """
    The decision to give up, because the stream is lost for a `reason`.

    Attributes:
        reason: Why the stream is lost; see `FailReason`.
    """

    reason: FailReason


@frozen
class Retry:
    """
    The decision to send another request.

    Attributes:
        delay: Seconds to wait before the request.
        method: The method of the request, which then has no body; None to repeat the method and
            body of the last request.
        headers: Headers that replace those of an earlier request, in bytes, since IDs are UTF-8.
        params: Query parameters to send.
    """

    delay: float
    method: Literal["GET"] | None = None
    headers: Mapping[bytes, bytes] = field(factory=dict[bytes, bytes], hash=False)
    params: Mapping[str, str] = field(factory=dict[str, str], hash=False)


Decision: TypeAlias = Stop | Fail | Retry
"""What to do after the end of a connection."""

ResponseDecision: TypeAlias = Read | Decision
"""What to do with a response."""
