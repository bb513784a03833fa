"""What the access log is told."""

from __future__ import annotations

from sidecar.model.address import Address
from sidecar.model.reason import Reason
from sidecar.policies.contract import REFUSED
from sidecar.policies.selection import RoundRobin
from sidecar.policies.split import Split
from sidecar.proxy.record import refusal_record
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.route import Branch
from sidecar.runtime.upstream import Upstream
from tests.proxy.bridges import Bridge
from tests.proxy.streams import Downstream, Leases, UpstreamDouble, answers
from tests.proxy.witnesses import AttemptLog, Gate, Half


def test_what_is_no_request_has_a_client_and_a_reason_and_nothing_else() -> None:
    bridge = Bridge()
    stream = Downstream(bridge.clock, bridge.origin)
    record = refusal_record(stream, None, None, Reason.BAD_REQUEST, "why", bridge.clock.now + 0.5)
    assert (record.client, record.status, record.reason, record.duration_ms) == (
        "192.0.2.7",
        400,
        Reason.BAD_REQUEST,
        500.0,
    )
    assert (record.method, record.path, record.request_id, record.detail) == (b"", b"", b"", "why")


def test_an_exchange_is_recorded_with_the_upstream_that_a_split_chose() -> None:
    stream = UpstreamDouble()
    bridge = Bridge()
    endpoint = Endpoint("other", Address.parse("127.0.0.1:4000"))
    endpoint.channel = Leases(stream)
    other = Branch(Upstream("other", [endpoint], RoundRobin(), Half(), AttemptLog()))
    bridge.route.branches = (bridge.route.branch, other)
    bridge.route.split = Split([("app", 0), ("other", 1)], Half())
    bridge.request(b"GET /a?token=1 HTTP/1.1\r\nHost: a\r\n\r\n")
    answers(stream)
    (record,) = bridge.records.records
    assert (record.route, record.upstream, record.endpoint) == ("everything", "other", "other/127.0.0.1:4000")
    assert (record.path, record.attempts, record.rule, record.fallback) == (b"/a", 1, "", "")


def test_what_never_had_an_attempt_names_no_endpoint() -> None:
    bridge = Bridge()
    bridge.admits(Gate("everything/gate", REFUSED))
    bridge.request()
    (record,) = bridge.records.records
    assert (record.upstream, record.endpoint, record.attempts) == ("", "", 0)
    assert (record.reason, record.rule) == (Reason.CONCURRENCY_LIMITED, "everything/gate")


def test_a_bound_that_a_key_of_the_rules_sets_is_named_by_it() -> None:
    bridge = Bridge(UpstreamDouble())
    bridge.request()
    bridge.loop.advance(5.1)
    (record,) = bridge.records.records
    assert (record.reason, record.rule) == (Reason.ATTEMPT_TIMEOUT, "everything/timeout.attempt")
