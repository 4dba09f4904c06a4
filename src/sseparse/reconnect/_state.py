"""State of a connection that is opened again."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal, Protocol

from attrs import evolve, frozen

from .._end import EndCause
from .._errors import LimitExceeded
from ..sse._event import Event
from ..sse._parser import is_event_stream_type
from ._policy import (
    Decision,
    Fail,
    FailReason,
    Kind,
    Progress,
    Read,
    ReconnectPolicy,
    Retry,
    Stop,
    StopReason,
    Verdict,
    header_value,
    progress,
    too_long,
)

_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?")
_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_CLOCK = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
# "A recipient that parses a timestamp value in an HTTP field MUST accept all three HTTP-date
# formats" (RFC 9110, 5.6.7): today's, that of RFC 850, and that of C's asctime().
_DATES: Final = tuple(
    re.compile(rf"[a-z]+,? {date}", re.ASCII | re.IGNORECASE)
    for date in (
        rf"(?P<day>\d\d) (?P<month>[a-z]{{3}}) (?P<year>\d{{4}}) {_CLOCK} GMT",
        rf"(?P<day>\d\d)-(?P<month>[a-z]{{3}})-(?P<year>\d\d) {_CLOCK} GMT",
        rf"(?P<month>[a-z]{{3}}) (?P<day>[ \d]\d) {_CLOCK} (?P<year>\d{{4}})",
    )
)


def header(headers: Mapping[str, str], name: str) -> str | None:
    """Find a header, whatever case its name is written in."""
    return next((value for key, value in headers.items() if key.lower() == name), None)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """
    Read how long a server asks to wait before the next request.

    `retry-after-ms`, which OpenAI's and other APIs send, is the finer one and counts first; a
    value that is no such number or date is as good as none.

    Args:
        headers: The answer's headers, names in any case.
        now: Seconds since the epoch, for a date.

    Returns:
        Seconds, 0.0 for a date that has passed and infinity for a number of too many digits; None
        where nothing readable asks.

    Source: RFC 9110, 10.2.3 "Retry-After" and 5.6.7 "Date/Time Formats".
    """
    milliseconds = _number(header(headers, "retry-after-ms") or "")
    if milliseconds is not None:
        return milliseconds / 1000
    value = (header(headers, "retry-after") or "").strip()
    seconds = _number(value)
    if seconds is not None:
        return seconds
    date = _date(value, now)
    return None if date is None else max(0.0, date - now)


def _number(value: str) -> float | None:
    # float() alone would take "inf", "nan", "1e400" and "1_0", and a sign.
    return float(value) if _NUMBER.fullmatch(value.strip()) else None


def _date(value: str, now: float) -> float | None:
    match = next(filter(None, (form.fullmatch(value) for form in _DATES)), None)
    if match is None:
        return None
    try:
        date = datetime(
            _year(match["year"], now),
            _MONTHS.index(match["month"].lower()) + 1,
            int(match["day"]),
            int(match["hour"]),
            int(match["minute"]),
            int(match["second"]),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    return date.timestamp()


def _year(digits: str, now: float) -> int:
    if len(digits) == 4:
        return int(digits)
    # "Recipients of a timestamp value in rfc850-date format, which uses a two-digit year, MUST
    # interpret a timestamp that appears to be more than 50 years in the future as representing
    # the most recent year in the past that had the same last two digits."
    this_year = 1970 + math.floor(now / 31_556_952)
    year = this_year - this_year % 100 + int(digits)
    return year - 100 if year > this_year + 50 else year


_TERMINAL: Final = frozenset({"response.completed", "response.failed", "response.incomplete"})
_ID_IN_HEADER: Final = frozenset({Kind.EVENTSOURCE, Kind.MCP_2025_11})
_MCP_STOPS: Final[Mapping[int, StopReason]] = {404: "gone", 405: "not_offered"}
_FAILURES: Final[Mapping[EndCause, FailReason]] = {
    EndCause.SERVER_ERROR: "server_error",
    EndCause.NOT_A_STREAM: "not_a_stream",
}


class Cursor(Protocol):
    """What a parser, and a stream, knows after an ID or a time that came without an event."""

    @property
    def last_event_id(self) -> str:
        """The last event ID."""
        ...

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds, or None."""
        ...


@frozen
class ReconnectState:
    """
    Follow a stream over its connections.

    Immutable: each step returns the next state. `ReconnectPolicy.start()` makes the first one.

    Attributes:
        policy: What decides.
        last_event_id: The last event ID that was committed.
        retry: The reconnection time that the server set, in milliseconds, or None.
        sequence_number: RESPONSES: the highest number that was read, or None.
        response_id: RESPONSES: the response's `id`, which the next request's path needs, or None
            as long as no event told it.
        attempts: How many reconnections brought nothing since the last progress.
        answered: Whether an answer with a stream came at all.
        outcome: How it ended for good, or None while it goes on. Every later step returns it.
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
    def headers(self) -> Mapping[bytes, bytes]:
        """The headers that the next request, also the first one, needs, in bytes."""
        value = header_value(self.last_event_id)
        if value is None or self.policy.kind not in _ID_IN_HEADER:
            return {}
        return {b"Last-Event-ID": value}

    @property
    def header_error(self) -> LimitExceeded | None:
        """Why `headers` holds no last event ID: it is larger than 8,192 bytes. Else None."""
        return too_long(self.last_event_id) if self.policy.kind in _ID_IN_HEADER else None

    @property
    def params(self) -> Mapping[str, str]:
        """The query parameters that the next request, also the first one, needs."""
        if self.policy.kind is not Kind.RESPONSES or self.sequence_number is None:
            return {}
        return {"stream": "true", "starting_after": str(self.sequence_number)}

    def on_response(
        self, status: int, headers: Mapping[str, str], now: float, rnd: float
    ) -> tuple[ReconnectState, Verdict]:
        """
        Take the head of an answer.

        Args:
            status: The HTTP status, of the last answer where redirects were followed.
            headers: Its headers, names in any case.
            now: Seconds since the epoch, to which a date in Retry-After is compared.
            rnd: A random number, from 0 up to but not including 1.

        Returns:
            The next state, and what to do.
        """
        if self.outcome is not None:
            return self, self.outcome
        if (reason := self._stop_reason(status)) is not None:
            return self._settle(Stop(reason))
        if self._success(status):
            return self._take_success(headers)
        if not self._passing(status, headers) or self._hindrance() is not None:
            return self._settle(Fail("status"))
        wait = retry_after(headers, now) or 0.0
        if wait > self.policy.honor_retry_after:
            return self._settle(Fail("retry_after"))
        return self._retry(rnd, wait)

    def on_event(self, event: Event) -> tuple[ReconnectState, bool]:
        """
        Take an event: commit its ID or number, and know whether it is the last one.

        Args:
            event: The event.

        Returns:
            The next state, and whether the event was read before, on an earlier connection, and
            should be dropped; sequence numbers alone can tell.
        """
        if self.outcome is not None:
            return self, False
        state = self._commit(event.id, event.retry, came=True)
        if self.policy.kind is Kind.RESPONSES:
            told = progress(event)
            if _read_before(told.sequence_number, self.sequence_number):
                return self, True
            state = _advanced(state, told)
        if self.policy.ends(event):
            state = evolve(state, outcome=Stop("finished"))
        return state, False

    def on_end(
        self, cause: EndCause, rnd: float, *, parser: Cursor | None
    ) -> tuple[ReconnectState, Decision]:
        """
        Take the end of a connection, or of the attempt to make one.

        A fault of the parser, such as `LimitExceeded`, is no end of a connection: a stream that
        was asked for again would bring it again.

        Args:
            cause: How it ended: TRANSPORT or TIMEOUT for an attempt that failed.
            rnd: A random number, from 0 up to but not including 1.
            parser: The parser, or stream, that read it and that began with the state's
                `last_event_id`; it knows the ID and the time of blocks that hold no data, which
                no event tells. None where there is none.

        Returns:
            The next state, and what to do.
        """
        if self.outcome is not None:
            return self, self.outcome
        if parser is not None:
            state = self._commit(parser.last_event_id, parser.retry, came=False)
            return state.on_end(cause, rnd, parser=None)
        if cause is EndCause.CANCELLED:
            return self._settle(Stop("cancelled"))
        if cause is EndCause.DONE or self._finished(cause):
            return self._settle(Stop("finished"))
        reason = _FAILURES.get(cause) or self._hindrance()
        return self._retry(rnd) if reason is None else self._settle(Fail(reason))

    def _settle(self, outcome: Stop | Fail) -> tuple[ReconnectState, Stop | Fail]:
        return evolve(self, outcome=outcome), outcome

    def _stop_reason(self, status: int) -> StopReason | None:
        if status == 204:
            return "no_content"
        return _MCP_STOPS.get(status) if self.policy.kind is Kind.MCP_2025_11 else None

    def _success(self, status: int) -> bool:
        # The standard, and MCP, know 200 alone; OpenAI's clients read any success.
        return status == 200 or (200 <= status < 300 and self.policy.kind not in _ID_IN_HEADER)

    def _take_success(self, headers: Mapping[str, str]) -> tuple[ReconnectState, Verdict]:
        if self.policy.kind in _ID_IN_HEADER and not _event_stream(headers):
            return self._settle(Fail("content_type"))
        attempts = 0 if self.policy.reset_on == "response" else self.attempts
        return evolve(self, answered=True, attempts=attempts), Read()

    def _passing(self, status: int, headers: Mapping[str, str]) -> bool:
        word = (header(headers, "x-should-retry") or "").lower()
        if self.policy.kind is not Kind.EVENTSOURCE and word in ("true", "false"):
            return word == "true"
        return status in self.policy.retry_statuses

    def _commit(self, last_event_id: str, retry: int | None, *, came: bool) -> ReconnectState:
        moved = last_event_id != self.last_event_id
        attempts = 0 if came or moved else self.attempts
        answered = self.answered or came
        time = self.retry if retry is None else retry
        if not moved and (attempts, answered, time) == (self.attempts, self.answered, self.retry):
            return self
        return evolve(
            self, last_event_id=last_event_id, retry=time, attempts=attempts, answered=answered
        )

    def _finished(self, cause: EndCause) -> bool:
        # Of a chat completion FINISHED means that its finish reasons came; of events, only that
        # the connection ended between two of them.
        return cause is EndCause.FINISHED and self.policy.kind is Kind.NEVER and self.answered

    def _hindrance(self) -> FailReason | None:
        """Find what stands against asking again, or None."""
        kind = self.policy.kind
        if kind is Kind.EVENTSOURCE or self.headers or self.params:
            return None
        if kind is Kind.MCP_2025_11:
            # The first request may be a tool's call, which must not be made twice.
            return "no_cursor"
        if not self.answered:
            return None
        return "mid_stream" if kind is Kind.NEVER else "no_cursor"

    def _retry(self, rnd: float, at_least: float = 0.0) -> tuple[ReconnectState, Decision]:
        most = self.policy.max_attempts
        if most is not None and self.attempts >= most:
            return self._settle(Fail("attempts"))
        delay = self.policy.delay(self.attempts, rnd, retry=self.retry, at_least=at_least)
        method: Literal["GET"] | None = None
        if self.policy.kind is not Kind.EVENTSOURCE and (self.headers or self.params):
            method = "GET"
        state = evolve(self, attempts=self.attempts + 1)
        return state, Retry(delay, method, self.headers, self.params)


def _event_stream(headers: Mapping[str, str]) -> bool:
    return is_event_stream_type(header(headers, "content-type") or "")


def _read_before(number: int | None, last: int | None) -> bool:
    return number is not None and last is not None and number <= last


def _advanced(state: ReconnectState, told: Progress) -> ReconnectState:
    outcome = Stop("finished") if told.type in _TERMINAL else None
    number = told.sequence_number
    return evolve(
        state,
        sequence_number=state.sequence_number if number is None else number,
        response_id=told.response_id or state.response_id,
        outcome=Fail("server_error") if told.type == "error" else outcome,
    )
