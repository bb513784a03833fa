"""A bug anywhere ends one exchange: it is logged, its client is told or cut, and everything it held is given back."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.model.record import ExchangeRecord
from sidecar.policies.contract import REFUSED, WAIT
from sidecar.policies.fallback import Fallback, FallbackSpec
from sidecar.policies.retry import BackoffSpec
from sidecar.proxy.head_edits import HeadEdits
from sidecar.proxy.states import DONE
from tests.proxy.bridges import Bridge
from tests.proxy.streams import Downstream, UpstreamDouble, answer, answers, problem
from tests.proxy.witnesses import PERMIT, Gate


def boom() -> RuntimeError:
    return RuntimeError("boom")


class BrokenFallback(Fallback):
    """A fallback with a bug where it is asked whether it stands in."""

    def stands_in_for(self, reason: Reason, exhausted: bool, status: int = 0) -> bool:
        raise boom()

    def replaces_status(self, status: int, exhausted: bool = False) -> bool:
        raise boom()


@pytest.fixture(autouse=True)
def _logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.ERROR, "sidecar.proxy"):
        yield
    texts = [str(record.exc_info) for record in caplog.get_records("call")]
    assert any("boom" in text for text in texts), texts


def guarded(*streams: UpstreamDouble) -> tuple[Bridge, Gate, Gate]:
    """A bridge with one permit for each request and one for each attempt."""
    bridge = Bridge(*streams)
    request, attempt = Gate(), Gate("app/gate")
    bridge.admits(request)
    bridge.admits_attempts(attempt)
    return bridge, request, attempt


def all_is_given_back(bridge: Bridge, *gates: Gate) -> bool:
    held = [permit for gate in gates for permit in gate.out]
    queued = [one for gate in gates for one in gate.waiting]
    return held == queued == bridge.channel.waiting == [] and bridge.endpoint.in_flight == 0


def is_told(downstream: Downstream) -> bool:
    return downstream.status == 500 and problem(downstream)["reason"] == "internal_error"


def test_in_asking_before_the_request() -> None:
    bridge, request, attempt = guarded()
    later = Gate("everything/later")
    later.broken["try_acquire"] = boom()
    bridge.admits(request, later)
    downstream, _ = bridge.request()
    assert is_told(downstream)
    assert all_is_given_back(bridge, request, attempt)
    assert bridge.route_log.in_flight == 0


def test_in_asking_before_an_attempt() -> None:
    bridge, request, _ = guarded(UpstreamDouble())
    later = Gate("app/later")
    later.broken["try_acquire"] = boom()
    bridge.admits_attempts(later)
    downstream, _ = bridge.request()
    assert is_told(downstream)
    assert all_is_given_back(bridge, request)
    assert bridge.route_log.finishes == [(b"GET", 500, 0.0)]


def test_in_asking_again_after_a_wait() -> None:
    bridge, request, _ = guarded()
    later = Gate("everything/later", WAIT)
    later.wait_until = 101.0
    later.broken["resume"] = boom()
    bridge.admits(request, later)
    downstream, _ = bridge.request()
    bridge.loop.advance(1.1)
    assert is_told(downstream)
    assert request.out == []
    assert bridge.route_log.in_flight == 0


def test_in_being_woken() -> None:
    bridge, request, _ = guarded()
    later = Gate("everything/later", WAIT)
    later.wait_until = 200.0
    later.broken["resume"] = boom()
    bridge.admits(request, later)
    downstream, receiver = bridge.request()
    receiver.decision.granted(bridge.clock.now)
    bridge.loop.run_ready()
    assert is_told(downstream)
    assert request.out == []


def test_in_settling_an_attempt() -> None:
    stream = UpstreamDouble()
    bridge, request, attempt = guarded(stream)
    attempt.broken["settle"] = boom()
    downstream, _ = bridge.request()
    stream.receiver.upstream_failed(Cause.RESET, "closed")
    assert is_told(downstream)
    assert all_is_given_back(bridge, request, attempt)


def test_in_settling_a_request() -> None:
    stream = UpstreamDouble()
    bridge, request, attempt = guarded(stream)
    request.broken["settle"] = boom()
    downstream, _ = bridge.request()
    answers(stream)
    assert downstream.told[-1] == "reset"
    assert all_is_given_back(bridge, request, attempt)
    assert bridge.route_log.finishes == [(b"GET", 200, 0.0)]


def test_in_settling_an_answer_that_is_relayed() -> None:
    stream = UpstreamDouble()
    bridge, request, attempt = guarded(stream)
    attempt.broken["settle"] = boom()
    downstream, _ = bridge.request()
    answers(stream)
    assert downstream.told[-1] == "reset"
    assert all_is_given_back(bridge, request, attempt)
    assert bridge.route_log.in_flight == 0


def test_in_the_fields_that_a_policy_adds_to_answers() -> None:
    stream = UpstreamDouble()
    bridge, request, attempt = guarded(stream)
    request.broken["answer_fields"] = boom()
    request.announces = True
    bridge.admits(request)
    downstream, _ = bridge.request()
    stream.receiver.response_head(answer(), False)
    assert downstream.told == ["reset"]
    assert stream.told[-1] == "cancel"
    assert all_is_given_back(bridge, request, attempt)
    assert bridge.route_log.in_flight == 0


def test_in_the_changes_that_a_route_makes_to_answers() -> None:
    class Broken(HeadEdits):
        def of_answer(self, secure: bool) -> None:
            raise boom()

    stream = UpstreamDouble()
    bridge, request, attempt = guarded(stream)
    bridge.route.edits = Broken(None, None, None)
    downstream, _ = bridge.request()
    stream.receiver.response_head(answer(), False)
    assert is_told(downstream), "nothing of the answer has been sent"
    assert stream.told[-1] == "cancel"
    assert all_is_given_back(bridge, request, attempt)
    assert bridge.route_log.in_flight == 0


def test_in_these_fields_on_an_answer_of_our_own_which_cannot_be_given_then() -> None:
    bridge, request, attempt = guarded()
    request.broken["answer_fields"] = boom()
    request.announces = True
    bridge.admits(request)
    downstream, _ = bridge.request()
    bridge.channel.refuse(Cause.CONNECT_FAILURE)
    assert downstream.told == ["reset"]
    assert all_is_given_back(bridge, request, attempt)
    assert bridge.route_log.finishes == [(b"GET", 500, 0.0)]
    assert bridge.records.records[0].reason is Reason.INTERNAL_ERROR


@pytest.mark.parametrize("name", ["started", "rejected", "finished", "fell_back"])
def test_in_the_routes_observer(name: str) -> None:
    bridge, request, attempt = guarded()
    bridge.falls_back(on=(502,), status=200)
    bridge.route_log.broken[name] = boom()
    downstream, receiver = bridge.request()
    if name != "started":
        bridge.channel.refuse(Cause.CONNECT_FAILURE)
    assert downstream.told[-1] in ("reset", ("end", b""))
    assert all_is_given_back(bridge, request, attempt)
    assert receiver.state == DONE


def test_in_counting_a_retry() -> None:
    stream = UpstreamDouble()
    bridge, request, attempt = guarded(stream)
    bridge.retries(backoff=BackoffSpec(base=1e-9, max=1e-9))
    bridge.route_log.broken["retried"] = boom()
    downstream, _ = bridge.request()
    answers(stream, b"no", 503)
    assert is_told(downstream)
    assert stream.told[-1] == "cancel"
    assert all_is_given_back(bridge, request, attempt)


def test_in_the_upstreams_observer() -> None:
    stream = UpstreamDouble()
    bridge, request, attempt = guarded(stream)
    bridge.attempts.broken = boom()
    downstream, _ = bridge.request()
    stream.receiver.upstream_failed(Cause.RESET, "closed")
    assert is_told(downstream)
    assert all_is_given_back(bridge, request, attempt)


def test_in_a_fallback_asked_about_an_error() -> None:
    bridge, request, attempt = guarded()
    bridge.route.fallback = BrokenFallback("everything/fallback", FallbackSpec(status=200))
    downstream, _ = bridge.request()
    bridge.channel.refuse(Cause.CONNECT_FAILURE)
    assert downstream.told == ["reset"]
    assert all_is_given_back(bridge, request, attempt)
    assert bridge.route_log.in_flight == 0


def test_in_a_fallback_asked_about_an_answer() -> None:
    stream = UpstreamDouble()
    bridge, request, attempt = guarded(stream)
    bridge.route.fallback = BrokenFallback("everything/fallback", FallbackSpec(status=200))
    downstream, _ = bridge.request()
    stream.receiver.response_head(answer(), False)
    assert stream.told[-1] == "cancel"
    assert downstream.told == ["reset"]
    assert all_is_given_back(bridge, request, attempt)
    assert bridge.route_log.in_flight == 0


def test_in_the_upstream_stream_when_it_is_given_up() -> None:
    class Stuck(UpstreamDouble):
        def cancel(self) -> None:
            raise boom()

    bridge, request, attempt = guarded(Stuck())
    downstream, receiver = bridge.request()
    receiver.downstream_gone()
    assert downstream.told == ["reset"]
    assert all_is_given_back(bridge, request, attempt)
    assert bridge.route_log.in_flight == 0


def test_in_what_writes_the_log() -> None:
    stream = UpstreamDouble()
    bridge, request, attempt = guarded(stream)

    def broken(_: ExchangeRecord) -> None:
        raise boom()

    bridge.records.exchange = broken  # type: ignore[method-assign,assignment]
    downstream, _ = bridge.request()
    answers(stream)
    assert downstream.told[-1] == "reset"
    assert all_is_given_back(bridge, request, attempt)
    assert bridge.route_log.finishes == [(b"GET", 200, 0.0)]


def test_what_a_refusal_said_before_is_not_told_with_it() -> None:
    bridge = Bridge()
    gate = Gate("everything/gate", REFUSED)
    gate.retry_after = 7.0
    bridge.admits(gate)
    bridge.falls_back(on=("concurrency_limited",), status=200)
    bridge.route_log.broken["fell_back"] = boom()
    downstream, _ = bridge.request()
    assert is_told(downstream)
    assert b"Retry-After" not in downstream.head
    assert "rule" not in problem(downstream)


def test_and_the_next_request_passes() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge, request, attempt = guarded(first, second)
    request.verdicts = [PERMIT, PERMIT]
    first.broken = boom()
    downstream, _ = bridge.request()
    assert is_told(downstream)
    downstream, _ = bridge.request()
    answers(second)
    assert downstream.status == 200
    assert all_is_given_back(bridge, request, attempt)
