"""How long a caller says that it will wait: `X-Request-Timeout-Ms`, and `grpc-timeout` of gRPC.

Owns the syntax of both. May not know which requests are gRPC, nor what is done with the time.
"""

from __future__ import annotations

from math import inf

# Nine digits of milliseconds are eleven days. A longer number is no deadline that anyone means, and a reader that
# converts any length converts an attacker's too.
_MAX_MS_DIGITS = 9
# gRPC over HTTP/2, "Requests": TimeoutValue is at most eight digits, followed by one letter for the unit.
_MAX_GRPC_DIGITS = 8
# Parts of a second as divisors: n / 1000 is the float nearest to n milliseconds, n * 0.001 often the one beside it.
_PER_SECOND = {b"S": 1, b"m": 1_000, b"u": 1_000_000, b"n": 1_000_000_000}
_SECONDS = {b"H": 3600, b"M": 60}


def allowed_seconds(timeout_ms: bytes | None, grpc_timeout: bytes | None) -> float:
    """The seconds that a caller allows by the values of these two fields, the smaller one where both are there.

    Infinity when a field is absent or nonsense, and a field that came twice is nonsense: a guess could only be shorter
    than what was meant. 0 is a number, and means that no time is left.
    """
    seconds = _of_milliseconds(timeout_ms) if timeout_ms is not None else inf
    if grpc_timeout is not None:
        seconds = min(seconds, _of_grpc(grpc_timeout))
    return seconds


def _of_milliseconds(text: bytes) -> float:
    # bytes.isdigit knows ASCII digits only, and no sign, space or underscore that int() would take.
    if not text.isdigit() or len(text) > _MAX_MS_DIGITS:
        return inf
    return int(text) / 1000


def _of_grpc(text: bytes) -> float:
    digits, unit = text[:-1], text[-1:]
    if not digits.isdigit() or len(digits) > _MAX_GRPC_DIGITS:
        return inf
    if unit in _PER_SECOND:
        return int(digits) / _PER_SECOND[unit]
    if unit in _SECONDS:
        return float(int(digits) * _SECONDS[unit])
    return inf
