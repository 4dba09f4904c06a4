"""What a policy decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from attrs import field, frozen

StopReason = Literal["no_content", "finished", "cancelled", "gone", "not_offered"]
"""
Why there is nothing more to read.

"no_content"
    The server answered 204: it wants no reconnection.
"finished"
    The stream came to its own end: a terminal event, or [DONE].
"cancelled"
    The reader closed it.
"gone"
    The session is no more (MCP, status 404): begin a new one.
"not_offered"
    The server offers no stream here (MCP, status 405).
"""

FailReason = Literal[
    "status",
    "content_type",
    "retry_after",
    "attempts",
    "mid_stream",
    "no_cursor",
    "server_error",
    "not_a_stream",
]
"""
Why to give up.

"status", "content_type"
    The answer is no stream, and another would be none either.
"retry_after"
    The server asks for a longer wait than `honor_retry_after`.
"attempts"
    `max_attempts` reconnections brought nothing new.
"mid_stream"
    The answer had begun, and the protocol cannot go on from there.
"no_cursor"
    The protocol can, but nothing says from where: no event ID, no sequence number came.
"server_error"
    The server reported an error in the stream.
"not_a_stream"
    The body held no event stream.
"""


@frozen
class Read:
    """Say that the answer holds the stream: read its body."""


@frozen
class Stop:
    """
    Say that all is well and nothing more will come.

    Attributes:
        reason: Why.
    """

    reason: StopReason


@frozen
class Fail:
    """
    Say that the stream is lost for good.

    Attributes:
        reason: Why.
    """

    reason: FailReason


@frozen
class Retry:
    """
    Say to send a request again, and when.

    Attributes:
        delay: How long to wait first, in seconds.
        method: The method of the next request, without a body; None for the same method and body
            as before.
        headers: Headers the next request has to have, in place of an earlier request's. Names and
            values are bytes, as an ID may hold any character and goes out as UTF-8.
        params: Query parameters the next request has to have.
    """

    delay: float
    method: Literal["GET"] | None = None
    headers: Mapping[bytes, bytes] = field(factory=dict[bytes, bytes], hash=False)
    params: Mapping[str, str] = field(factory=dict[str, str], hash=False)


Decision: TypeAlias = Stop | Fail | Retry
"""What to do once a connection has ended."""

Verdict: TypeAlias = Read | Decision
"""What to do with an answer."""
