"""State of a stream over its connections, and the headers it reads and sends."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from attrs import evolve, frozen

from .._end import EndCause
from .._errors import LimitExceeded
from .._json import UNREADABLE, is_object
from ..sse._event import Event
from ..sse._parser import is_event_stream_type
from ._policy import (
    RULES,
    Decision,
    Fail,
    FailReason,
    ProtocolRules,
    Read,
    ReconnectPolicy,
    Retry,
    Stop,
    Verdict,
)

# RFC 9110, 5.5: "Field values containing CR, LF, or NUL characters are invalid and dangerous".
# Other control characters except the tab are invalid, too.
_CONTROL: Final = re.compile("[\0-\x08\x0a-\x1f\x7f]")

# Servers answer 431 to a longer header: by default nginx and Apache from 8 KiB on, Node from 16.
_MAX_ID_BYTES: Final = 8192


def encode_id(last_event_id: str) -> bytes | None:
    """Encode an ID for the `Last-Event-ID` header; return None if it can't be sent."""
    text = last_event_id.strip(" \t")  # HTTP libraries reject blanks around a value
    if not text or check_id_size(text) is not None or _CONTROL.search(text):
        return None
    try:
        return text.encode()  # WHATWG HTML, 9.2.3: "encoded as UTF-8"
    except UnicodeEncodeError:
        return None


def check_id_size(last_event_id: str) -> LimitExceeded | None:
    """Return the error of an ID that is too large for a header, or None."""
    text = last_event_id.strip(" \t")
    # Each character has at least one byte, so that most large IDs needn't be encoded.
    if len(text) <= _MAX_ID_BYTES and len(text.encode(errors="replace")) <= _MAX_ID_BYTES:
        return None
    return LimitExceeded(
        limit="last_event_id",
        maximum=_MAX_ID_BYTES,
        what=f"Last event ID larger than {_MAX_ID_BYTES:,} bytes",
        advice="the server can't resume after it, since it isn't sent as Last-Event-ID; have the "
        "server send shorter ids",
    )


_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
# "A recipient that parses a timestamp value in an HTTP field MUST accept all three HTTP-date
# formats" (RFC 9110, 5.6.7): today's, that of RFC 850, and that of C's asctime().
_DATES: Final = tuple(
    re.compile(rf"[a-z]+,? {date}", re.ASCII | re.IGNORECASE)
    for date in (
        rf"(?P<day>\d\d) (?P<month>[a-z]{{3}}) (?P<year>\d{{4}}) {_TIME} GMT",
        rf"(?P<day>\d\d)-(?P<month>[a-z]{{3}})-(?P<year>\d\d) {_TIME} GMT",
        rf"(?P<month>[a-z]{{3}}) (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",
    )
)


def _find_header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """
    Return the delay that a server requests before the next request.

    `retry-after-ms`, which OpenAI's and other APIs send, takes precedence.

    Args:
        headers: The headers of the response, names in any case.
        now: Seconds since the epoch, for a date.

    Returns:
        Seconds: 0.0 for a date in the past, infinity for a number with too many digits. None
        without a valid value.

    Source: RFC 9110, 10.2.3 "Retry-After" and 5.6.7 "Date/Time Formats".
    """
    milliseconds = _parse_number(_find_header(headers, "retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = _find_header(headers, "retry-after").strip()
    seconds = _parse_number(value)
    if seconds is not None:
        return seconds
    date = _parse_date(value, now)
    return None if date is None else max(0.0, date - now)


def _parse_number(value: str) -> float | None:
    # float() alone accepts "inf", "nan", "1e400", "1_0" and signs.
    return float(value) if _NUMBER.fullmatch(value.strip()) else None


def _parse_date(value: str, now: float) -> float | None:
    match = next(filter(None, (pattern.fullmatch(value) for pattern in _DATES)), None)
    if match is None:
        return None
    day, hour, minute, second = map(int, match.group("day", "hour", "minute", "second"))
    try:
        year, month = _parse_year(match["year"], now), _MONTHS.index(match["month"].lower()) + 1
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _parse_year(digits: str, now: float) -> int:
    if len(digits) == 4:
        return int(digits)
    # "Recipients of a timestamp value in rfc850-date format, which uses a two-digit year, MUST
    # interpret a timestamp that appears to be more than 50 years in the future as representing
    # the most recent year in the past that had the same last two digits."
    this_year = 1970 + math.floor(now / 31_556_952)
    year = this_year - this_year % 100 + int(digits)
    return year - 100 if year > this_year + 50 else year


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


class Cursor(Protocol):
    """The position that a parser or stream has reached, including blocks without data."""

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
    State of a stream over its connections.

    Immutable: each method returns the next state. `ReconnectPolicy.start()` makes the first one.

    Attributes:
        policy: The policy that decides.
        last_event_id: The last event ID that was recorded.
        retry: The reconnection time that the server set, in milliseconds, or None.
        sequence_number: RESPONSES: the highest number that was read, or None.
        response_id: RESPONSES: the response's `id`, which the path of the next request needs, or
            None if no event had it yet.
        attempts: The number of reconnections since the last progress.
        answered: Whether any response had a stream.
        outcome: The final decision, which each later call returns, or None.
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
    def _rules(self) -> ProtocolRules:
        return RULES[self.policy.kind]

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
    ) -> tuple[ReconnectState, Verdict]:
        """
        Process the status and headers of a response.

        Args:
            status: The HTTP status; after redirects that of the last response.
            headers: Its headers, names in any case.
            now: Seconds since the epoch, for a date in Retry-After.
            rnd: A random number, from 0 up to but not including 1.

        Returns:
            The next state, and what to do.
        """
        if self.outcome is not None:
            return self, self.outcome
        if (reason := self._rules.stop_statuses.get(status)) is not None:
            return self._settle(Stop(reason))
        # The standard and MCP accept 200 only; OpenAI's clients read any success.
        if status == 200 or (200 <= status < 300 and not self._rules.sends_last_event_id):
            return self._accept(headers)
        if not self._should_retry(status, headers) or self._why_not_repeat() is not None:
            return self._settle(Fail("status"))
        wait = retry_after(headers, now) or 0.0
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

        Don't call it for an error of the parser, such as `LimitExceeded`: a repeated request
        would lead to the same error.

        Args:
            cause: How the connection ended: TRANSPORT or TIMEOUT for a failed attempt.
            rnd: A random number, from 0 up to but not including 1.
            parser: The parser or stream that read the connection, created with this state's
                `last_event_id`, or None. Without it, blocks that have no data are lost.

        Returns:
            The next state, and what to do.
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

    def _accept(self, headers: Mapping[str, str]) -> tuple[ReconnectState, Verdict]:
        is_event_stream = is_event_stream_type(_find_header(headers, "content-type"))
        if self._rules.sends_last_event_id and not is_event_stream:
            return self._settle(Fail("content_type"))
        attempts = 0 if self.policy.reset_on == "response" else self.attempts
        return evolve(self, answered=True, attempts=attempts), Read()

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
        requested = _find_header(headers, "x-should-retry").lower()
        if self._rules.obeys_should_retry and requested in ("true", "false"):
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
        by_get = self._rules.resumes_by_get and (headers or params)
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
