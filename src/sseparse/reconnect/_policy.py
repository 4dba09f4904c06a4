"""Reconnection policy: protocols, options and the state of a stream."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, Literal, Protocol

from attrs import Factory, evolve, field, frozen

from .._end import EndCause
from .._errors import LimitExceeded
from .._json import UNREADABLE, is_object
from .._options import check_choice, check_number, check_seconds
from .._response import is_event_stream_type, lower_case
from ..sse._event import Event
from ._decisions import Decision, Fail, FailReason, Read, ResponseDecision, Retry, Stop
from ._headers import check_id_size, encode_id, retry_after

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
class _ProtocolRules:
    """How a protocol reconnects, and its defaults for the options of `ReconnectPolicy`."""

    # Requests carry Last-Event-ID; only status 200 and the type text/event-stream are read.
    sends_last_event_id: bool = False
    # Requests carry the last sequence number as a query parameter.
    sends_sequence_number: bool = False
    # As in HTML, a repeated request keeps its method and body, and x-should-retry is ignored.
    follows_html: bool = False
    # EndCause.FINISHED means that the content is complete, not just its last event.
    has_finish_reasons: bool = False
    stop_statuses: Mapping[int, Stop] = {204: Stop("no_content")}
    # Why a request with neither isn't repeated: before the first response, and after it began.
    no_repeat: FailReason | None = None
    no_repeat_mid_stream: FailReason | None = None
    max_attempts: int | None = 5
    reset_on: ResetOn = "event"
    retry_statuses: frozenset[int] = frozenset({408, 409, 429, *range(500, 600)})


_RULES: Final[Mapping[Kind, _ProtocolRules]] = {
    Kind.EVENTSOURCE: _ProtocolRules(
        sends_last_event_id=True, follows_html=True, max_attempts=None, retry_statuses=frozenset()
    ),
    Kind.RESPONSES: _ProtocolRules(sends_sequence_number=True, no_repeat_mid_stream="no_cursor"),
    Kind.MCP_2025_11: _ProtocolRules(
        sends_last_event_id=True,
        stop_statuses={204: Stop("no_content"), 404: Stop("gone"), 405: Stop("not_offered")},
        # The first request can be a tool call, which must not be made twice.
        no_repeat="no_cursor",
        no_repeat_mid_stream="no_cursor",
        reset_on="response",
    ),
    Kind.NEVER: _ProtocolRules(has_finish_reasons=True, no_repeat_mid_stream="mid_stream"),
}
_TERMINAL_EVENTS: Final[Mapping[str, Stop | Fail]] = {
    "response.completed": Stop("finished"),
    "response.failed": Stop("finished"),
    "response.incomplete": Stop("finished"),
    "error": Fail("server_error"),
}
_OUTCOMES: Final[Mapping[EndCause, Stop | Fail]] = {
    EndCause.DONE: Stop("finished"),
    EndCause.CANCELLED: Stop("cancelled"),
    EndCause.SERVER_ERROR: Fail("server_error"),
    EndCause.NOT_A_STREAM: Fail("not_a_stream"),
}


def _default(option: str) -> Any:
    return Factory(lambda policy: getattr(_RULES[policy.kind], option), takes_self=True)


@frozen
class ReconnectPolicy:
    """
    Immutable policy for reconnecting a lost stream, without a clock, randomness or I/O.

    The first delay is the server's `retry` field, or `base` without one. Without progress, each
    further delay is `factor` times longer, up to `cap`. A random part, up to `jitter`, is
    subtracted from each delay. No delay is shorter than the server requests.

    Args:
        kind: The protocol, by default `Kind.EVENTSOURCE`.
        base: The first delay, in seconds, if the server sent no `retry`. Default: 1.
        factor: The factor between consecutive delays, at least 1. Default: 2.
        cap: The longest delay that `factor` can lead to, in seconds. Default: 30.
        least: The shortest delay, in seconds, even if the server requests none. Default: 0.05.
        jitter: The largest fraction of a delay, from 0 to 1, that is randomly subtracted. Default:
            0.25.
        max_attempts: Maximum number of reconnections in a row without progress; None for no limit.
            The default is None for EVENTSOURCE, otherwise 5.
        reset_on: What counts as progress: "event", a new event or last event ID; or "response",
            any response with a stream: the default for MCP_2025_11, whose servers can end each
            response early, so that the client polls.
        retry_cap: The longest delay that the `retry` field can request, in seconds. Default: 3,600.
        honor_retry_after: The longest delay that Retry-After can request, in seconds. If the server
            requests a longer one, the decision is `Fail`. Default: 120.
        retry_statuses: The statuses after which the request is repeated. The default is 408, 409,
            429 and 500 to 599; the header `x-should-retry` takes precedence. For EVENTSOURCE the
            default is none, as in the standard, and the header is ignored.
        terminator: The data of the event that ends the stream, such as "[DONE]", or a function that
            recognizes this event; None, the default, if no event ends it.

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
            last_event_id: The last event ID that was received earlier, if the stream resumes.
                Default: "".
            sequence_number: For RESPONSES, the number of the last event that was read.

        Raises:
            ValueError: The ID can't be sent as a header.
        """
        if last_event_id and encode_id(last_event_id) is None:
            raise ValueError(
                f"last_event_id is {last_event_id[:80]!r}, which can't be sent as a header: it is "
                "blank, larger than 8192 bytes, or contains a control character or a lone surrogate"
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
        # A server that sends `retry: 0` and then fails isn't asked in a tight loop.
        first = max(requested, self.base) if attempts or retry is None else requested
        try:
            grown = min(self.cap, first * float(self.factor) ** attempts)
        except OverflowError:
            grown = self.cap if first else 0.0
        return max(self.least, requested, at_least, grown * (1 - self.jitter * rnd))

    def ends(self, event: Event) -> bool:
        """Return whether an event is the terminator."""
        end = self.terminator
        return end(event) if callable(end) else event.data == end


class Cursor(Protocol):
    """The position that a parser or stream has reached, including blocks without data."""

    @property
    def last_event_id(self) -> str:
        """The last event ID."""
        ...

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds, or None."""


@frozen
class ReconnectState:
    """
    State of a stream over its connections.

    Immutable: each method returns the next state. `ReconnectPolicy.start()` makes the first one.

    Attributes:
        policy: The policy that made the state.
        last_event_id: The last event ID received, or "".
        retry: The reconnection time that the server set, in milliseconds, or None.
        sequence_number: RESPONSES: the highest number that was read, or None.
        response_id: RESPONSES: the response's `id`, which the path of the next request needs, or
            None if no event had it yet.
        attempts: The number of reconnections since the last progress.
        answered: Whether any response was a stream.
        outcome: The final decision, which each later call returns; None before it.
    """

    policy: ReconnectPolicy
    last_event_id: str = ""
    retry: int | None = None
    sequence_number: int | None = None
    response_id: str | None = None
    attempts: int = 0
    answered: bool = False
    outcome: Stop | Fail | None = None

    @property
    def _rules(self) -> _ProtocolRules:
        return _RULES[self.policy.kind]

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """The headers that the next request needs, including the first one, in bytes."""
        value = encode_id(self.last_event_id) if self._rules.sends_last_event_id else None
        return {} if value is None else {b"Last-Event-ID": value}

    @property
    def header_error(self) -> LimitExceeded | None:
        """Why `headers` has no last event ID: it's larger than 8,192 bytes. Otherwise None."""
        return check_id_size(self.last_event_id) if self._rules.sends_last_event_id else None

    @property
    def params(self) -> Mapping[str, str]:
        """The query parameters that the next request needs, including the first one."""
        if not self._rules.sends_sequence_number or self.sequence_number is None:
            return {}
        return {"stream": "true", "starting_after": str(self.sequence_number)}

    def on_response(
        self, status: int, headers: Mapping[str, str], now: float, rnd: float
    ) -> tuple[ReconnectState, ResponseDecision]:
        """
        Process the status and headers of a response; return the next state and what to do.

        Args:
            status: The HTTP status; after redirects that of the last response.
            headers: Its headers, names in any case.
            now: Seconds since the epoch, for a date in Retry-After.
            rnd: A random number, from 0 up to but not including 1.
        """
        outcome = self.outcome or self._rules.stop_statuses.get(status)
        if outcome is not None:
            return self._settle(outcome)
        known = lower_case(headers)
        # The standard and MCP accept 200 only; OpenAI's clients read any success.
        if status == 200 or (200 <= status < 300 and not self._rules.sends_last_event_id):
            is_event_stream = is_event_stream_type(known.get("content-type", ""))
            if self._rules.sends_last_event_id and not is_event_stream:
                return self._settle(Fail("content_type"))
            attempts = 0 if self.policy.reset_on == "response" else self.attempts
            return evolve(self, answered=True, attempts=attempts), Read()
        if not self._should_retry(status, known) or self._why_not_repeat() is not None:
            return self._settle(Fail("status"))
        wait = retry_after(known, now) or 0.0
        if wait > self.policy.honor_retry_after:
            return self._settle(Fail("retry_after"))
        return self._retry(rnd, wait)

    def on_event(self, event: Event) -> tuple[ReconnectState, bool]:
        """
        Record the ID or number of an event, and whether the event is the last one.

        Returns:
            The next state, and whether to drop the event because it was read on an earlier
            connection. Only sequence numbers show that.
        """
        if self.outcome is not None:
            return self, False
        state = self._record(event.id, event.retry, is_event=True)
        if self._rules.sends_sequence_number:
            body = _decode_object(event)
            number = body.get("sequence_number")
            if type(number) is not int:  # isinstance() accepts True
                number = self.sequence_number
            elif self.sequence_number is not None and number <= self.sequence_number:
                return self, True
            state = _record_number(state, number, body, event.event)
        if self.policy.ends(event):
            state = evolve(state, outcome=Stop("finished"))
        return state, False

    def on_end(
        self, cause: EndCause, rnd: float, *, parser: Cursor | None
    ) -> tuple[ReconnectState, Decision]:
        """
        Process the end of a connection, or a failed attempt to connect.

        Return the next state and what to do. Don't call it for an error of the parser, such as
        `LimitExceeded`: a repeated request would lead to the same error.

        Args:
            cause: How the connection ended: TRANSPORT or TIMEOUT for a failed attempt.
            rnd: A random number, from 0 up to but not including 1.
            parser: The parser or stream that read the connection, created with this state's
                `last_event_id`, or None. Without it, blocks that have no data are lost.
        """
        if self.outcome is not None:
            return self, self.outcome
        if parser is not None:
            state = self._record(parser.last_event_id, parser.retry, is_event=False)
            return state.on_end(cause, rnd, parser=None)
        if (outcome := _OUTCOMES.get(cause)) is not None:
            return self._settle(outcome)
        if cause is EndCause.FINISHED and self._rules.has_finish_reasons and self.answered:
            return self._settle(Stop("finished"))
        reason = self._why_not_repeat()
        return self._retry(rnd) if reason is None else self._settle(Fail(reason))

    def _settle(self, outcome: Stop | Fail) -> tuple[ReconnectState, Stop | Fail]:
        return evolve(self, outcome=outcome), outcome

    def _record(self, last_event_id: str, retry: int | None, *, is_event: bool) -> ReconnectState:
        is_new_id = last_event_id != self.last_event_id
        attempts = 0 if is_event or is_new_id else self.attempts
        answered = self.answered or is_event
        time = self.retry if retry is None else retry
        recorded = (self.last_event_id, self.retry, self.attempts, self.answered)
        if (last_event_id, time, attempts, answered) == recorded:
            return self  # evolve() is far slower
        return evolve(
            self, last_event_id=last_event_id, retry=time, attempts=attempts, answered=answered
        )

    def _should_retry(self, status: int, headers: Mapping[str, str]) -> bool:
        requested = headers.get("x-should-retry", "").lower()
        if not self._rules.follows_html and requested in ("true", "false"):
            return requested == "true"
        return status in self.policy.retry_statuses

    def _why_not_repeat(self) -> FailReason | None:
        if self.headers or self.params:
            return None
        return self._rules.no_repeat_mid_stream if self.answered else self._rules.no_repeat

    def _retry(self, rnd: float, at_least: float = 0.0) -> tuple[ReconnectState, Decision]:
        limit = self.policy.max_attempts
        if limit is not None and self.attempts >= limit:
            return self._settle(Fail("attempts"))
        delay = self.policy.delay(self.attempts, rnd, retry=self.retry, at_least=at_least)
        headers, params = self.headers, self.params
        by_get = not self._rules.follows_html and (headers or params)
        state = evolve(self, attempts=self.attempts + 1)
        return state, Retry(delay, "GET" if by_get else None, headers, params)


def _record_number(
    state: ReconnectState, number: int | None, body: dict[str, Any], event_type: str
) -> ReconnectState:
    response = body.get("response")
    response_id = response.get("id") if is_object(response) else None
    if not response_id or not isinstance(response_id, str):
        response_id = state.response_id
    kind = body.get("type")
    outcome = _TERMINAL_EVENTS.get(kind if isinstance(kind, str) else event_type)
    return evolve(state, sequence_number=number, response_id=response_id, outcome=outcome)


def _decode_object(event: Event) -> dict[str, Any]:
    try:
        body = event.json()
    except UNREADABLE:
        return {}
    return body if is_object(body) else {}
