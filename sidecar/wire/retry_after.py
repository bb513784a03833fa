"""Reads Retry-After: how many seconds a backend asks us to wait (RFC 9110 section 10.2.3).

Either delta-seconds or an HTTP-date, all three forms of it (section 5.6.7). Strict, because a misread hint is worse
than none: what is neither counts as absent. Knows no clock: the wall-clock time is passed in. Runs on failures only.
"""

from __future__ import annotations

import calendar
import re

ABSENT = -1.0

# RFC 9111 section 1.2.2: what a recipient cannot represent is to be taken as 2^31.
MAX_SECONDS = float(1 << 31)

_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_MONTH = b"(" + b"|".join(_MONTHS) + b")"
_SHORT_DAY = b"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY = b"(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_TIME = rb"([0-9]{2}):([0-9]{2}):([0-9]{2})"

_IMF_FIXDATE = re.compile(_SHORT_DAY + rb", ([0-9]{2}) " + _MONTH + rb" ([0-9]{4}) " + _TIME + rb" GMT")
_RFC_850 = re.compile(_LONG_DAY + rb", ([0-9]{2})-" + _MONTH + rb"-([0-9]{2}) " + _TIME + rb" GMT")
_ASCTIME = re.compile(_SHORT_DAY + rb" " + _MONTH + rb" ([0-9]{2}| [0-9]) " + _TIME + rb" ([0-9]{4})")

_YEAR_SECONDS = 31556952.0  # the mean one of the Gregorian calendar


def retry_after_seconds(value: bytes, wall: float) -> float:
    """Seconds to wait as of `wall` (seconds since the epoch); 0 for a date that has passed, ABSENT when unreadable."""
    text = value.strip(b" \t")
    if text.isdigit():
        # Ten digits say more than 2^31 can hold; converting a thousand of them would be work for an attacker's sake.
        return min(float(int(text)), MAX_SECONDS) if len(text) <= 10 else MAX_SECONDS
    instant = _epoch_seconds(text, wall)
    if instant is None:
        return ABSENT
    return min(max(instant - wall, 0.0), MAX_SECONDS)


def _epoch_seconds(text: bytes, wall: float) -> float | None:
    if match := _IMF_FIXDATE.fullmatch(text):
        day, month, year, hour, minute, second = match.groups()
        return _instant(int(year), month, int(day), int(hour), int(minute), int(second))
    if match := _RFC_850.fullmatch(text):
        day, month, year, hour, minute, second = match.groups()
        return _instant(_whole_year(int(year), wall), month, int(day), int(hour), int(minute), int(second))
    if match := _ASCTIME.fullmatch(text):
        month, day, hour, minute, second, year = match.groups()
        return _instant(int(year), month, int(day), int(hour), int(minute), int(second))
    return None


def _whole_year(two_digits: int, wall: float) -> int:
    """RFC 9110 section 5.6.7: more than 50 years ahead means the latest past year with the same last two digits."""
    oldest = 1970 + int(wall / _YEAR_SECONDS) - 49
    return oldest + (two_digits - oldest) % 100


def _instant(year: int, month: bytes, day: int, hour: int, minute: int, second: int) -> float | None:
    number = _MONTHS.index(month) + 1
    # 60 is a leap second, which the grammar allows. A year 0 is in no calendar here.
    if year < 1 or hour > 23 or minute > 59 or second > 60:
        return None
    if not 1 <= day <= calendar.monthrange(year, number)[1]:
        return None
    return float(calendar.timegm((year, number, day, hour, minute, second)))
