"""How long a server asks to be left alone."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

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
