"""A record holds what an access log line needs."""

from __future__ import annotations

import pytest

from sidecar.model.record import ExchangeLog, ExchangeRecord


def test_a_new_record_is_complete_and_empty() -> None:
    record = ExchangeRecord()
    values = {name: getattr(record, name) for name in ExchangeRecord.__slots__}
    assert values.pop("reason") is None
    assert not any(values.values())


def test_a_record_takes_no_field_that_the_log_does_not_have() -> None:
    with pytest.raises(AttributeError):
        ExchangeRecord().latency = 1.0  # type: ignore[attr-defined]


def test_a_log_by_itself_wants_nothing() -> None:
    log = ExchangeLog()
    assert not log.wants(500, True, 9.0)
    log.exchange(ExchangeRecord())
    assert not hasattr(log, "__dict__")
