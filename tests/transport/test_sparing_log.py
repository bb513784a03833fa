"""Warnings that anybody can cause, a few a second."""

from __future__ import annotations

import logging

import pytest

from sidecar.transport.sparing_log import SparingLog


def test_ten_are_said_in_a_second_and_the_others_counted_in_the_next_line(caplog: pytest.LogCaptureFixture) -> None:
    now = [1000.0]
    log = SparingLog(logging.getLogger("sidecar.listener"), lambda: now[0])
    for number in range(25):
        log.warn(f"refused {number}")
    assert caplog.messages == [f"refused {number}" for number in range(10)]
    now[0] += 1.0
    log.warn("again 100%")
    log.warn("and again")
    assert caplog.messages[10:] == ["again 100% (and 15 more since the last line)", "and again"]
