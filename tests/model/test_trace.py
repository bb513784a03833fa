"""What a tracer is told."""

from __future__ import annotations

from sidecar.model.trace import ExchangeTrace, ExchangeTracer


def test_attempts_of_one_exchange_are_its_own() -> None:
    assert ExchangeTrace().attempts is not ExchangeTrace().attempts


def test_by_itself_a_tracer_keeps_nothing() -> None:
    trace = ExchangeTrace()
    ExchangeTracer().exchange(trace)
    assert trace.attempts == []
