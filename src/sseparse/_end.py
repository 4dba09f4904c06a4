"""How a stream ended."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from attrs import field, frozen


class EndCause(Enum):
    """Name the ways in which a stream can end."""

    DONE = "done"
    """The [DONE] mark came."""
    FINISHED = "finished"
    """
    Chunks: every choice has its finish reason, and no [DONE] came. Events: the input ended
    between two events.
    """
    INCOMPLETE = "incomplete"
    """Chunks: neither came. Events: the input ended inside an event. Or a fault stopped it."""
    SERVER_ERROR = "server_error"
    """The server sent an error in the stream."""
    NOT_A_STREAM = "not_a_stream"
    """The body held no event stream."""
    TRANSPORT = "transport"
    """The connection failed."""
    TIMEOUT = "timeout"
    """Nothing came in time."""
    CANCELLED = "cancelled"
    """The reader closed the stream before its end."""


@frozen
class End:
    """
    Say how a stream ended, and what had come by then.

    Attributes:
        cause: The verdict.
        done_seen: Whether the [DONE] mark came.
        finish_seen: Whether every choice that came has its finish reason.
        mid_event: Whether the input stopped inside an event.
        bytes_seen: How many bytes came.
        events_seen: How many events were dispatched.
        comments_seen: How many comment lines came.
        one_object: Whether the body was one JSON object, and no stream.
        finish_reasons: Of each choice that came, by its index, the first finish reason, or None.
    """

    cause: EndCause
    done_seen: bool = False
    finish_seen: bool = False
    mid_event: bool = False
    bytes_seen: int = 0
    events_seen: int = 0
    comments_seen: int = 0
    one_object: bool = False
    finish_reasons: Mapping[int, str | None] = field(factory=dict[int, str | None], hash=False)

    @property
    def complete(self) -> bool:
        """Whether the stream came to an end of its own: [DONE], or a finish."""
        return self.cause in (EndCause.DONE, EndCause.FINISHED)
