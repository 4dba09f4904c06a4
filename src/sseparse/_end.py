"""How a stream ended."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from attrs import field, frozen


class EndCause(Enum):
    """Why a stream ended."""

    DONE = "done"
    """The API's terminal event was received."""
    FINISHED = "finished"
    """
    The stream ended without the terminal event, but every choice has a finish reason. For a stream
    of events: the input ended between two events.
    """
    INCOMPLETE = "incomplete"
    """
    The stream ended without the terminal event or a finish reason for every choice, or an error in
    the input stopped the parser. For a stream of events: the input ended inside an event.
    """
    SERVER_ERROR = "server_error"
    """The server sent an error in the stream."""
    NOT_A_STREAM = "not_a_stream"
    """The body isn't an event stream."""
    TRANSPORT = "transport"
    """The connection failed."""
    TIMEOUT = "timeout"
    """A deadline passed."""
    CANCELLED = "cancelled"
    """Your code closed the stream before its end."""


@frozen
class End:
    """
    How a stream ended, and what had been received by then.

    Attributes:
        cause: Why the stream ended.
        done_seen: Whether the API's terminal event was received.
        finish_seen: Whether every choice has its finish reason, with no text after it.
        mid_event: Whether the input ended inside an event.
        bytes_seen: The number of bytes received.
        events_seen: The number of events dispatched.
        comments_seen: The number of comment lines received.
        one_object: Whether the body was one JSON object instead of a stream.
        finish_reasons: The first finish reason of each choice, by its index; None for a choice
            without one. If the stream is incomplete, also None for a choice with text after it.
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
        """Whether the cause is `DONE` or `FINISHED`."""
        return self.cause in (EndCause.DONE, EndCause.FINISHED)
