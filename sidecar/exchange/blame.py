"""Whose fault it is: what the end of an attempt says about the endpoint, for breakers and ejection to count.

A failure is only what the endpoint has done. What the caller did, or our own side, says nothing about it: were it
counted, any caller could open a breaker for everybody, by leaving, by sending slowly or by asking for a millisecond.
"""

from __future__ import annotations

from sidecar.model.outcome import Cause, Outcome
from sidecar.model.status import SWITCHING_PROTOCOLS

_SUCCESS_BELOW = 500
# 501 and 505 speak of the request, not of the endpoint's health.
_NOT_A_FAILURE = frozenset({501, 505})
# Of its time an endpoint must have had this share, or its silence at the request's deadline says nothing about it.
_FAIR_SHARE = 0.5

_FAILURE = Outcome.FAILURE
_IGNORED = Outcome.IGNORED
# What says nothing about the endpoint: our own line was full; it closed an idle connection just as we used it.
_BLAMELESS = frozenset({Cause.POOL_FULL, Cause.STALE, Cause.DOWNSTREAM_GONE})


def is_good(status: int) -> bool:
    """Whether an answer with this status counts as a success, once it is whole."""
    return status < _SUCCESS_BELOW or status in _NOT_A_FAILURE


def of_failure(cause: Cause) -> Outcome:
    """Of an attempt that ended without the head of an answer."""
    return _IGNORED if cause in _BLAMELESS else _FAILURE


def of_silence(now: float, since: float, allowed: float, shortened: bool) -> Outcome:
    """Of an attempt without a connection, or without the head of an answer, when the request's deadline passes.

    The endpoint has had its turn `since` then, and the rules allow it `allowed` seconds; `shortened` is whether the
    caller allowed less. The rest of the time went to others: to a slow head or upload, to our own queue, to attempts
    before."""
    share = allowed if shortened else allowed * _FAIR_SHARE
    return _FAILURE if now >= since + share else _IGNORED


def of_break(cause: Cause, status: int) -> Outcome:
    """Of an answer that broke off after its head. Silence in a tunnel is both sides' and so nobody's failure."""
    silent = cause is Cause.IDLE_TIMEOUT and status == SWITCHING_PROTOCOLS
    return _IGNORED if silent else _FAILURE
