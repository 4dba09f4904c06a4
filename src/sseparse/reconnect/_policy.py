"""Reconnection policy: protocols, options and decisions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from attrs import Factory, field, frozen

from .._options import check_choice, check_number, check_seconds
from ..sse._event import Event

if TYPE_CHECKING:
    from ._state import ReconnectState

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
    """The decision to stop, because the stream ended as intended for a `reason`."""

    reason: StopReason


@frozen
class Fail:
    """The decision to give up, because the stream is lost for a `reason`."""

    reason: FailReason


@frozen
class Retry:
    """
    The decision to send another request.

    Attributes:
        delay: Seconds to wait before the request.
        method: The method of the request, which then has no body; None to repeat the method and
            body of the last request.
        headers: Headers that replace those of an earlier request. Names and values are bytes
            because an ID can hold any character and is sent as UTF-8.
        params: Query parameters to send.
    """

    delay: float
    method: Literal["GET"] | None = None
    headers: Mapping[bytes, bytes] = field(factory=dict[bytes, bytes], hash=False)
    params: Mapping[str, str] = field(factory=dict[str, str], hash=False)


Decision: TypeAlias = Stop | Fail | Retry
"""What to do after the end of a connection."""

Verdict: TypeAlias = Read | Decision
"""What to do with a response."""

ResetOn = Literal["event", "response"]


class Kind(Enum):
    """Protocols, by how they resume a stream."""

    EVENTSOURCE = "eventsource"
    """WHATWG HTML, 9.2.3: repeats the request with `Last-Event-ID` until status 204 or an error."""
    RESPONSES = "responses"
    """
    OpenAI's Responses API: `GET /responses/{id}?stream=true&starting_after=N`, until a terminal
    event. It requires a response created with `background`.
    """
    MCP_2025_11 = "mcp-2025-11"
    """
    The Model Context Protocol, version 2025-11-25: GET with `Last-Event-ID`, once an event ID was
    received. Versions from 2026-07-28 on don't resume: use `NEVER`.
    """
    NEVER = "never"
    """
    Chat completions, which can't be resumed: a second request is billed again and generates
    another text. It's sent only if the first one got no response.
    """


@frozen(kw_only=True)
class ProtocolRules:
    """How a protocol reconnects, and its defaults for the options of `ReconnectPolicy`."""

    # Requests carry Last-Event-ID; only status 200 and the type text/event-stream are read.
    sends_last_event_id: bool = False
    # Requests carry the last sequence number as a query parameter.
    sends_sequence_number: bool = False
    # A request that carries one of these has the method GET.
    resumes_by_get: bool = True
    # EndCause.FINISHED means that the content is complete, not just its last event.
    has_finish_reasons: bool = False
    obeys_should_retry: bool = True
    stop_statuses: Mapping[int, StopReason] = {204: "no_content"}
    # Why a request that carries neither isn't repeated, before and after a response has begun.
    no_repeat: FailReason | None = None
    no_repeat_mid_stream: FailReason | None = None
    max_attempts: int | None = 5
    reset_on: ResetOn = "event"
    retry_statuses: frozenset[int] = frozenset({408, 409, 429, *range(500, 600)})


RULES: Final[Mapping[Kind, ProtocolRules]] = {
    Kind.EVENTSOURCE: ProtocolRules(
        sends_last_event_id=True,
        resumes_by_get=False,
        obeys_should_retry=False,
        max_attempts=None,
        retry_statuses=frozenset(),
    ),
    Kind.RESPONSES: ProtocolRules(sends_sequence_number=True, no_repeat_mid_stream="no_cursor"),
    Kind.MCP_2025_11: ProtocolRules(
        sends_last_event_id=True,
        stop_statuses={204: "no_content", 404: "gone", 405: "not_offered"},
        # The first request can be a tool call, which must not be made twice.
        no_repeat="no_cursor",
        no_repeat_mid_stream="no_cursor",
        reset_on="response",
    ),
    Kind.NEVER: ProtocolRules(has_finish_reasons=True, no_repeat_mid_stream="mid_stream"),
}


def _default(option: str) -> Any:
    return Factory(lambda policy: getattr(RULES[policy.kind], option), takes_self=True)


@frozen
class ReconnectPolicy:
    """
    Policy for reconnecting a lost stream: a value, without clock, randomness or I/O.

    The first delay is the server's `retry` field, or else `base`. Each further delay without
    progress is `factor` times longer, up to `cap`, and shortened by a random part of up to
    `jitter`. No delay is shorter than what the server requests.

    Args:
        kind: The protocol.
        base: The first delay, in seconds, if the server sent no `retry`.
        factor: The growth of each further delay; at least 1.
        cap: The longest delay that `factor` can lead to, in seconds.
        least: The shortest delay, in seconds, even if the server requests none.
        jitter: The part of a delay, from 0 to 1, that randomness can take away.
        max_attempts: The number of reconnections in a row without progress; None for no limit.
            The default is None for EVENTSOURCE, otherwise 5.
        reset_on: What counts as progress: "event", a new event or last event ID; or "response",
            any response with a stream, which is the default for MCP_2025_11, whose servers let
            clients poll this way.
        retry_cap: The longest delay that the `retry` field can request, in seconds.
        honor_retry_after: The longest delay that a Retry-After header can request, in seconds. A
            longer one fails.
        retry_statuses: The statuses after which the request is repeated. The default is 408, 409,
            429 and 500 to 599; the header `x-should-retry` takes precedence. For EVENTSOURCE the
            default is none, as in the standard, and the header is ignored.
        terminator: The data of the event that ends the stream, such as "[DONE]", or a function
            that recognizes this event; None if no event ends it.

    Raises:
        ValueError: An option is out of range.

    Source: WHATWG HTML, 9.2.3 "Processing model"; Model Context Protocol 2025-11-25, Transports.
    """

    kind: Kind = Kind.EVENTSOURCE
    base: float = field(default=1.0, kw_only=True)
    factor: float = field(default=2.0, kw_only=True)
    cap: float = field(default=30.0, kw_only=True)
    least: float = field(default=0.05, kw_only=True)
    jitter: float = field(default=0.25, kw_only=True)
    max_attempts: int | None = field(default=_default("max_attempts"), kw_only=True)
    reset_on: ResetOn = field(default=_default("reset_on"), kw_only=True)
    retry_cap: float = field(default=3600.0, kw_only=True)
    honor_retry_after: float = field(default=120.0, kw_only=True)
    retry_statuses: frozenset[int] = field(default=_default("retry_statuses"), kw_only=True)
    terminator: str | Callable[[Event], bool] | None = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        for name in ("base", "cap", "least", "retry_cap", "honor_retry_after"):
            check_seconds(name, getattr(self, name))
        check_choice("reset_on", self.reset_on, "event", "response")
        check_number("max_attempts", self.max_attempts)
        if not 1 <= self.factor < math.inf:
            raise ValueError(f"factor is {self.factor!r}; give 1 or more")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter is {self.jitter!r}; give a part, from 0 to 1")
        if self.cap < self.base:
            raise ValueError(f"cap is {self.cap!r}; give no less than base, {self.base!r}")

    def start(
        self, last_event_id: str = "", *, sequence_number: int | None = None
    ) -> ReconnectState:
        """
        Return the state of a stream before its first request.

        Args:
            last_event_id: The last event ID that an earlier reader received.
            sequence_number: For RESPONSES, the number of the last event that was read.

        Raises:
            ValueError: The ID can't be sent as a header.
        """
        from ._state import ReconnectState, encode_id  # noqa: PLC0415 - it imports this module

        if last_event_id and encode_id(last_event_id) is None:
            raise ValueError(
                f"last_event_id is {last_event_id[:80]!r}, which can't be sent as a header: it is "
                "blank, larger than 8192 bytes, or holds a control character or a lone surrogate"
            )
        return ReconnectState(self, last_event_id=last_event_id, sequence_number=sequence_number)

    def delay(
        self, attempts: int, rnd: float, *, retry: int | None, at_least: float = 0.0
    ) -> float:
        """
        Return the seconds to wait before the next request.

        Args:
            attempts: The number of reconnections since the last progress.
            rnd: A random number, from 0 up to but not including 1.
            retry: The stream's reconnection time in milliseconds, or None.
            at_least: The seconds that a Retry-After header requests.
        """
        requested = 0.0 if retry is None else min(retry, self.retry_cap * 1000) / 1000
        first = self.base if retry is None else requested
        if attempts:
            # A server that sends `retry: 0` and then fails isn't asked in a tight loop.
            first = max(first, self.base)
        try:
            grown = min(self.cap, first * float(self.factor) ** attempts)
        except OverflowError:
            grown = self.cap if first else 0.0
        return max(self.least, requested, at_least, grown * (1 - self.jitter * rnd))

    def ends(self, event: Event) -> bool:
        """Return whether an event is the terminator."""
        if self.terminator is None or isinstance(self.terminator, str):
            return event.data == self.terminator
        return self.terminator(event)
