"""Headers that a reconnecting client reads and sends: Last-Event-ID and Retry-After."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from .._errors import LimitExceeded
from .._response import lower_case

# RFC 9110, 5.5: "Field values containing CR, LF, or NUL characters are invalid and dangerous".
# Other control characters except the tab are invalid, too, and UTF-8 has no lone surrogates.
_UNSENDABLE: Final = re.compile("[\0-\x08\x0a-\x1f\x7f\ud800-\udfff]")

# Servers answer 431 to a longer header: by default nginx and Apache from 8 KiB on, Node from 16.
_MAX_ID_BYTES: Final = 8192


def encode_id(last_event_id: str) -> bytes | None:
    """Encode an ID for the `Last-Event-ID` header; return None if it can't be sent."""
    text = last_event_id.strip(" \t")  # HTTP libraries reject blanks around a value
    if not text or check_id_size(text) is not None or _UNSENDABLE.search(text):
        return None
    return text.encode()  # WHATWG HTML, 9.2.3: "encoded as UTF-8"


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


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """
    Return the delay that a server requests before the next request.

    `retry-after-ms`, which OpenAI's and other APIs send, takes precedence.

    Args:
        headers: The headers of the response, names in any case.
        now: Seconds since the epoch, for a date.

    Returns:
        The delay in seconds; 0.0 for a date in the past, infinity for a number with too many
        digits. None if there is no valid value.

    Source: RFC 9110, 10.2.3 "Retry-After" and 5.6.7 "Date/Time Formats".
    """
    known = lower_case(headers)
    if (milliseconds := _parse_number(known.get("retry-after-ms", ""))) is not None:
        return milliseconds / 1000
    value = known.get("retry-after", "").strip()
    if (seconds := _parse_number(value)) is not None:
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
        year, month = int(match["year"]), _MONTHS.index(match["month"].lower()) + 1
        if len(match["year"]) == 2:
            # "Recipients of a timestamp value in rfc850-date format, which uses a two-digit year,
            # MUST interpret a timestamp that appears to be more than 50 years in the future as
            # representing the most recent year in the past that had the same last two digits."
            this_year = 1970 + math.floor(now / 31_556_952)
            year += this_year - this_year % 100
            year -= 100 if year > this_year + 50 else 0
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        return None
