"""HTTP-date (RFC 9110 section 5.6.7), read in its three forms and written in the one that is left.

Knows no clock: the present is passed in.
"""

from __future__ import annotations

import re

NO_DATE = -1.0  # absent, unreadable, or before 1970

_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_DAYS = (b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed")  # 1970 began on a Thursday

_CLOCK = rb"(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)"
_MONTH = rb"(?P<month>" + b"|".join(_MONTHS) + rb")"
# RFC 9110 section 5.6.7: a recipient takes all three forms. The name of the day adds nothing that could be checked.
_FORMS = (
    re.compile(rb"[A-Z][a-z]{2}, (?P<day>[0-9]{2}) " + _MONTH + rb" (?P<year>[0-9]{4}) " + _CLOCK + rb" GMT"),
    re.compile(rb"[A-Z][a-z]{5,8}, (?P<day>[0-9]{2})-" + _MONTH + rb"-(?P<year>[0-9]{2}) " + _CLOCK + rb" GMT"),
    re.compile(rb"[A-Z][a-z]{2} " + _MONTH + rb" (?P<day>[ 0-9][0-9]) " + _CLOCK + rb" (?P<year>[0-9]{4})"),
)
_SECONDS_OF_DAY = 86400


def parse_http_date(value: bytes | None, wall: float) -> float:
    """Seconds since 1970 of an HTTP-date in any of its three forms; `NO_DATE` for anything else.

    `wall` is the present: a year of two digits more than 50 years ahead of it is of the century before.
    """
    if value is None:
        return NO_DATE
    for form in _FORMS:
        match = form.fullmatch(value)
        if match is not None:
            break
    else:
        return NO_DATE
    year, month, day = int(match["year"]), _MONTHS.index(match["month"]) + 1, int(match["day"])
    if len(match["year"]) == 2:
        this_year = _year_month_day(int(wall) // _SECONDS_OF_DAY)[0]
        year += this_year - this_year % 100
        if year > this_year + 50:
            year -= 100
    days = _days_since_1970(year, month, day)
    # A day that its month does not have comes back as another one.
    if days < 0 or _year_month_day(days) != (year, month, day):
        return NO_DATE
    clock = int(match["hour"]) * 3600 + int(match["minute"]) * 60 + int(match["second"])
    return float(days * _SECONDS_OF_DAY + clock)


def http_date(wall: float) -> bytes:
    """An instant in seconds since 1970 as IMF-fixdate (RFC 9110 section 5.6.7)."""
    days, clock = divmod(max(0, int(wall)), _SECONDS_OF_DAY)
    year, month, day = _year_month_day(days)
    return b"%s, %02d %s %04d %02d:%02d:%02d GMT" % (
        _DAYS[days % 7],
        day,
        _MONTHS[month - 1],
        year,
        clock // 3600,
        clock // 60 % 60,
        clock % 60,
    )


class DateLine:
    """The Date line of an instant. Remembers the one it made last, which serves a whole second."""

    __slots__ = ("_line", "_second")

    def __init__(self) -> None:
        self._line = b""
        self._second = -1

    def of(self, wall: float) -> bytes:
        """The line for `wall` seconds since 1970, CRLF included."""
        second = int(wall)
        if second != self._second:
            self._second = second
            self._line = b"Date: " + http_date(wall) + b"\r\n"
        return self._line


# The proleptic Gregorian calendar counted from the first of March of year 0, so that the leap day is a year's last;
# a standard module would do it, but every one of them can also ask the clock, and nothing here may.
_DAYS_OF_ERA = 146097  # 400 years
_DAYS_UNTIL_1970 = 719468


def _days_since_1970(year: int, month: int, day: int) -> int:
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * _DAYS_OF_ERA + day_of_era - _DAYS_UNTIL_1970


def _year_month_day(days: int) -> tuple[int, int, int]:
    era, day_of_era = divmod(days + _DAYS_UNTIL_1970, _DAYS_OF_ERA)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return era * 400 + year_of_era + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1
