"""Reads Retry-After: how many seconds a backend asks us to wait (RFC 9110 section 10.2.3).

Either delta-seconds or an HTTP-date, all three forms of it (section 5.6.7). Strict, because a misread hint is worse
than none: what is neither counts as absent. Knows no clock: the wall-clock time is passed in. Runs on failures only.
"""

from __future__ import annotations

from sidecar.wire.dates import NO_DATE, parse_http_date

ABSENT = -1.0

# RFC 9111 section 1.2.2: what a recipient cannot represent is to be taken as 2^31.
MAX_SECONDS = float(1 << 31)


def retry_after_seconds(value: bytes, wall: float) -> float:
    """Seconds to wait as of `wall` (seconds since the epoch); 0 for a date that has passed, ABSENT when unreadable."""
    text = value.strip(b" \t")
    if text.isdigit():
        # Ten digits say more than 2^31 can hold; converting a thousand of them would be work for an attacker's sake.
        return min(float(int(text)), MAX_SECONDS) if len(text) <= 10 else MAX_SECONDS
    instant = parse_http_date(text, wall)
    if instant == NO_DATE:
        return ABSENT
    return min(max(instant - wall, 0.0), MAX_SECONDS)
