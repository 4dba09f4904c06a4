"""When and how to reconnect: policy, decisions, and cursors."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from attrs import Attribute, Factory, field, frozen

from .._errors import LimitExceeded
from .._options import check_choice
from ..sse._event import Event

if TYPE_CHECKING:
    from ._state import ReconnectState


# RFC 9110, 5.5: "Field values containing CR, LF, or NUL characters are invalid and dangerous";
# other control characters are invalid too, the tab is not.
_CONTROL: Final = re.compile("[\0-\x08\x0a-\x1f\x7f]")


# Servers answer 431 to a longer header: by default nginx and Apache from 8 KiB on, Node from 16.
_MAX_ID_BYTES: Final = 8192


def header_value(last_event_id: str) -> bytes | None:
    """
    Encode an ID for the `Last-Event-ID` header; None for one that cannot stand there.

    HTTP drops blanks around a value, and its libraries refuse them.

    Source: WHATWG HTML, 9.2.3: "the EventSource's last event ID string, encoded as UTF-8".
    """
    text = last_event_id.strip(" \t")
    if not text or too_long(text) is not None or _CONTROL.search(text):
        return None
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None


def too_long(last_event_id: str) -> LimitExceeded | None:
    """Return the error of an ID that is too long for a header, or None."""
    text = last_event_id.strip(" \t")
    # A character has a byte at least, so that most long ones need not be encoded.
    if len(text) <= _MAX_ID_BYTES and len(text.encode(errors="replace")) <= _MAX_ID_BYTES:
        return None
    return LimitExceeded(
        limit="last_event_id",
        maximum=_MAX_ID_BYTES,
        what=f"Last event ID larger than {_MAX_ID_BYTES:,} bytes",
        advice="it isn't sent as Last-Event-ID, so the server can't resume after it; have the "
        "server send shorter ids",
    )


@frozen
class Progress:
    """Hold what an event of the Responses API says of its place in the response."""

    sequence_number: int | None
    response_id: str | None
    type: str


def progress(event: Event) -> Progress:
    """Read an event of the Responses API; what is not there is None."""
    body = _object(_json(event))
    number = body.get("sequence_number")
    response_id = _object(body.get("response")).get("id")
    kind = body.get("type")
    return Progress(
        sequence_number=number if isinstance(number, int) and type(number) is not bool else None,
        response_id=response_id if isinstance(response_id, str) else None,
        type=kind if isinstance(kind, str) else event.event,
    )


def _json(event: Event) -> Any:
    try:
        return event.json()
    except (ValueError, RecursionError):
        return None


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


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


ResetOn = Literal["event", "response"]

_PASSING: Final = frozenset({408, 409, 429, *range(500, 600)})


class Kind(Enum):
    """Name the protocols, by what a stream of theirs can go on from."""

    EVENTSOURCE = "eventsource"
    """
    WHATWG HTML, 9.2.3: the same request with `Last-Event-ID`, until 204 or an answer that is no
    event stream.
    """
    RESPONSES = "responses"
    """
    OpenAI's Responses API: `GET /responses/{id}?stream=true&starting_after=N`, which needs a
    response made with `background`, until a terminal event.
    """
    MCP_2025_11 = "mcp-2025-11"
    """
    The Model Context Protocol, version 2025-11-25: GET with `Last-Event-ID`, once an ID came.
    From 2026-07-28 on it does not resume: `NEVER`.
    """
    NEVER = "never"
    """
    Chat completions: nothing to go on from. A second request would be billed again and answer
    in other words, so it is made only where the first had no answer.
    """


def _max_attempts(policy: ReconnectPolicy) -> int | None:
    return None if policy.kind is Kind.EVENTSOURCE else 5


def _reset_on(policy: ReconnectPolicy) -> ResetOn:
    return "response" if policy.kind is Kind.MCP_2025_11 else "event"


def _retry_statuses(policy: ReconnectPolicy) -> frozenset[int]:
    return frozenset() if policy.kind is Kind.EVENTSOURCE else _PASSING


def _check_seconds(_policy: object, option: Attribute[Any], value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{option.name} is {value!r}; give seconds, 0 or more")


@frozen
class ReconnectPolicy:
    """
    Say when a lost stream is asked for again; a value, without a clock, chance or I/O.

    The first wait is what the server's `retry` field said, else `base`. Each further one without
    progress is `factor` times longer, at most `cap`, and shortened by a random part of up to
    `jitter`; none is shorter than what the server asked for.

    Args:
        kind: The protocol.
        base: The first wait, in seconds, where the server named none.
        factor: By how much each further wait grows; 1 or more.
        cap: The longest wait of the policy's own, in seconds.
        least: The shortest wait, in seconds, also where the server asks for none.
        jitter: The part of a wait, from 0 to 1, that chance may take away.
        max_attempts: How many reconnections in a row may bring nothing; None for any number,
            which is the default for EVENTSOURCE; else 5.
        reset_on: What progress is: "event", a new event or a new last event ID; or "response",
            already an answer with a stream, which is the default for MCP_2025_11, where servers
            make clients poll so.
        retry_cap: The longest wait that the `retry` field can ask for, in seconds.
        honor_retry_after: The longest wait that a Retry-After header can ask for, in seconds; a
            longer one fails.
        retry_statuses: Which statuses pass, so that the request is worth repeating. By default
            408, 409, 429 and from 500 on; for EVENTSOURCE none, as the standard says.
            The header `x-should-retry` decides before them, except for EVENTSOURCE.
        terminator: The data of the event that ends the stream, such as "[DONE]", or a function
            that knows it; None where events do not end it.

    Raises:
        ValueError: An option has no such value.

    Source: WHATWG HTML, 9.2.3 "Processing model"; Model Context Protocol 2025-11-25, Transports.
    """

    kind: Kind = Kind.EVENTSOURCE
    base: float = field(default=1.0, kw_only=True, validator=_check_seconds)
    factor: float = field(default=2.0, kw_only=True)
    cap: float = field(default=30.0, kw_only=True, validator=_check_seconds)
    least: float = field(default=0.05, kw_only=True, validator=_check_seconds)
    jitter: float = field(default=0.25, kw_only=True)
    max_attempts: int | None = field(default=Factory(_max_attempts, takes_self=True), kw_only=True)
    reset_on: ResetOn = field(default=Factory(_reset_on, takes_self=True), kw_only=True)
    retry_cap: float = field(default=3600.0, kw_only=True, validator=_check_seconds)
    honor_retry_after: float = field(default=120.0, kw_only=True, validator=_check_seconds)
    retry_statuses: frozenset[int] = field(
        default=Factory(_retry_statuses, takes_self=True), kw_only=True
    )
    terminator: str | Callable[[Event], bool] | None = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        check_choice("reset_on", self.reset_on, "event", "response")
        if not 1 <= self.factor < math.inf:
            raise ValueError(f"factor is {self.factor!r}; give 1 or more")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter is {self.jitter!r}; give a part, from 0 to 1")
        if self.cap < self.base:
            raise ValueError(f"cap is {self.cap!r}; give no less than base, {self.base!r}")
        if self.max_attempts is not None and self.max_attempts < 0:
            raise ValueError(
                f"max_attempts is {self.max_attempts!r}; give a number, or None for no limit"
            )

    def start(
        self, last_event_id: str = "", *, sequence_number: int | None = None
    ) -> ReconnectState:
        """
        Begin to follow a stream, from its start or from where an earlier reader was.

        Args:
            last_event_id: The last event ID to begin with.
            sequence_number: For RESPONSES, the number of the last event that was read.

        Raises:
            ValueError: The ID cannot stand in a header.
        """
        from ._state import ReconnectState  # noqa: PLC0415 - the state knows its policy

        if last_event_id and header_value(last_event_id) is None:
            raise ValueError(
                f"last_event_id is {last_event_id[:80]!r}, which cannot stand in a header: it is "
                "blank, larger than 8192 bytes, or holds a control character or a lone surrogate"
            )
        return ReconnectState(self, last_event_id=last_event_id, sequence_number=sequence_number)

    def delay(
        self, attempts: int, rnd: float, *, retry: int | None, at_least: float = 0.0
    ) -> float:
        """
        Work out how long to wait.

        Args:
            attempts: How many reconnections brought nothing since the last progress.
            rnd: A random number, from 0 up to but not including 1.
            retry: The stream's reconnection time, in milliseconds, or None.
            at_least: What a Retry-After header asked for, in seconds.

        Returns:
            Seconds.
        """
        asked = 0.0 if retry is None else min(retry, self.retry_cap * 1000) / 1000
        first = self.base if retry is None else asked
        if attempts:
            # Nobody is helped by a server that says `retry: 0` and then is down.
            first = max(first, self.base)
        grown = self._grown(first, attempts) * (1 - self.jitter * rnd)
        return max(self.least, asked, at_least, grown)

    def _grown(self, first: float, steps: int) -> float:
        try:
            return min(self.cap, first * float(self.factor) ** steps)
        except OverflowError:
            return min(self.cap, first * math.inf) if first else 0.0

    def ends(self, event: Event) -> bool:
        """Tell whether an event is the one that ends the stream."""
        if self.terminator is None or isinstance(self.terminator, str):
            return event.data == self.terminator
        return self.terminator(event)
